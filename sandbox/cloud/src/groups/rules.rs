//! What a rule says, in one form for the many in which it can be written.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::error::ApiError;
use crate::model::{IpPermission, PermissionTarget, RuleTarget, SecurityGroupRule};

/// Permissions as EC2 keeps them: protocols by name, blocks by their first address, accounts filled in.
pub(super) fn normalized(permissions: &[IpPermission], account: &str) -> Result<Vec<IpPermission>, ApiError> {
    if permissions.is_empty() {
        return Err(ApiError::missing("ipPermissions"));
    }
    permissions.iter().map(|p| permission(p, account)).collect()
}

fn permission(given: &IpPermission, account: &str) -> Result<IpPermission, ApiError> {
    let protocol = protocol(&given.protocol)?;
    let (from_port, to_port) = ports(&protocol, given.from_port, given.to_port)?;
    if given.targets.is_empty() {
        return Err(ApiError::missing("ipRanges, ipv6Ranges, prefixListIds or groups"));
    }
    let targets = given.targets.iter().map(|t| target(t, account)).collect::<Result<_, _>>()?;
    Ok(IpPermission { protocol, from_port, to_port, targets })
}

fn protocol(given: &str) -> Result<String, ApiError> {
    let lower = given.to_ascii_lowercase();
    let name = match lower.as_str() {
        "" => return Err(ApiError::missing("ipProtocol")),
        "-1" | "all" => "-1",
        "tcp" | "6" => "tcp",
        "udp" | "17" => "udp",
        "icmp" | "1" => "icmp",
        "icmpv6" | "58" => "icmpv6",
        number if number.parse::<u8>().is_ok() => number,
        _ => return Err(ApiError::value(format!("Invalid value '{given}' for IP protocol. Unknown protocol."))),
    };
    Ok(name.to_owned())
}

fn ports(protocol: &str, from: Option<i64>, to: Option<i64>) -> Result<(Option<i64>, Option<i64>), ApiError> {
    match protocol {
        "tcp" | "udp" => {
            let name = protocol.to_ascii_uppercase();
            let (Some(from), Some(to)) = (from, to) else {
                return Err(ApiError::value(format!("Invalid value 'Must specify both from and to ports with {name}.' for portRange.")));
            };
            if !(0..=65_535).contains(&from) || !(0..=65_535).contains(&to) || from > to {
                return Err(ApiError::value(format!("Invalid {name} port range ({from}:{to})")));
            }
            Ok((Some(from), Some(to)))
        }
        "icmp" | "icmpv6" => Ok((from.or(Some(-1)), to.or(Some(-1)))),
        _ => Ok((None, None)),
    }
}

fn target(given: &PermissionTarget, account: &str) -> Result<PermissionTarget, ApiError> {
    let malformed = |block: &str| ApiError::value(format!("CIDR block {block} is malformed"));
    let target = match &given.target {
        RuleTarget::Ipv4(block) => {
            let (address, length) = split::<Ipv4Addr>(block, 32).ok_or_else(|| malformed(block))?;
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            RuleTarget::Ipv4(format!("{}/{length}", Ipv4Addr::from(u32::from(address) & mask)))
        }
        RuleTarget::Ipv6(block) => {
            let (address, length) = split::<Ipv6Addr>(block, 128).ok_or_else(|| malformed(block))?;
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            RuleTarget::Ipv6(format!("{}/{length}", Ipv6Addr::from(u128::from(address) & mask)))
        }
        RuleTarget::Group { group_id, user_id } => {
            let user_id = if user_id.is_empty() { account } else { user_id };
            RuleTarget::Group { group_id: group_id.clone(), user_id: user_id.to_owned() }
        }
    };
    Ok(PermissionTarget { target, description: given.description.clone() })
}

fn split<A: std::str::FromStr>(block: &str, longest: u8) -> Option<(A, u8)> {
    let (address, length) = block.split_once('/')?;
    let length: u8 = length.parse().ok()?;
    (length <= longest).then_some((address.parse().ok()?, length))
}

/// Whether two rules say the same; their descriptions do not count.
pub(super) fn same(a: &SecurityGroupRule, b: &SecurityGroupRule) -> bool {
    (a.egress, &a.protocol, a.from_port, a.to_port, &a.target) == (b.egress, &b.protocol, b.from_port, b.to_port, &b.target)
}

/// A rule in EC2's words.
pub(super) fn words(rule: &SecurityGroupRule) -> String {
    let peer = match &rule.target {
        RuleTarget::Ipv4(block) | RuleTarget::Ipv6(block) => block,
        RuleTarget::Group { group_id, .. } => group_id,
    };
    let protocol = if rule.protocol == "-1" { "ALL".to_owned() } else { rule.protocol.to_ascii_uppercase() };
    match (rule.from_port, rule.to_port) {
        (Some(from), Some(to)) => format!("peer: {peer}, {protocol}, from port: {from}, to port: {to}, ALLOW"),
        _ => format!("peer: {peer}, {protocol}, ALLOW"),
    }
}
