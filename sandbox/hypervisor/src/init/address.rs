//! The addresses a unit is denied.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::failure::Failure;

/// Where an instance finds its metadata service, by IPv4.
const METADATA_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));
/// Where an instance finds its metadata service, by IPv6.
const METADATA_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254));

/// A network: an address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network(IpAddr, u8);

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(bits), |prefix| prefix.parse().ok())?;
        (prefix <= bits).then_some(Self(address, prefix))
    }

    fn contains(self, address: IpAddr) -> bool {
        match (self.0, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.1);
                (u64::from(own.to_bits()) >> shift) == (u64::from(other.to_bits()) >> shift)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.1);
                own.to_bits().checked_shr(shift).unwrap_or(0) == other.to_bits().checked_shr(shift).unwrap_or(0)
            }
            _ => false,
        }
    }

    /// Whether it holds addresses of the link only, of which the metadata service is the one that is simulated.
    fn link_local(self) -> bool {
        match self.0 {
            IpAddr::V4(address) => address.is_link_local() && self.1 >= 16,
            IpAddr::V6(address) => self == Self(METADATA_V6, 128) || (address.is_unicast_link_local() && self.1 >= 10),
        }
    }
}

/// Reads `IPAddressDeny` and tells whether it denies the metadata service. What reaches beyond the link is not enforced here, thus a gap.
pub(crate) fn denies_metadata(value: &str) -> Result<bool, Failure> {
    let mut denied = false;
    for word in value.split_whitespace() {
        let networks = if word == "link-local" { vec!["169.254.0.0/16", "fe80::/64"] } else { vec![word] };
        for text in networks {
            let network = Network::parse(text).filter(|network| network.link_local());
            let network = network.ok_or_else(|| Failure::gap(format!("IPAddressDeny={word}: only the metadata service can be denied")))?;
            denied |= network.contains(METADATA_V4);
        }
    }
    Ok(denied)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_covers_the_metadata_service_denies_it() {
        let table = [
            ("169.254.169.254/32 fd00:ec2::254/128", Some(true)),
            ("169.254.169.254", Some(true)),
            ("169.254.0.0/16", Some(true)),
            ("link-local", Some(true)),
            ("169.254.170.2", Some(false)),
            ("fd00:ec2::254", Some(false)),
            ("any", None),
            ("0.0.0.0/0", None),
            ("10.0.0.0/8", None),
            ("169.254.169.254/33", None),
        ];
        for (value, expected) in table {
            assert_eq!(denies_metadata(value).ok(), expected, "{value}");
        }
    }
}
