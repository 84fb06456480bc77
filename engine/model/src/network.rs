//! Where instances are, and who reaches them.

use std::collections::BTreeMap;

use crate::problem::{Path, Problem};
use crate::read::fields;
use crate::value::Value;

/// The most security groups of an instance's interface, of which spawn makes one (EC2's default quota, VPC user guide "Quotas").
pub const GROUPS_MAX: usize = 4;

fields! {
    /// Where the instances are, and who reaches them.
    pub struct NetworkSpec {
        /// The subnets to launch into, all of one network, in order of preference. Instances need a way from there to S3 and to
        /// CloudWatch Logs, and to EC2 where they hibernate: public addresses, a NAT gateway, or endpoints. Left out: the subnets of the region's default network.
        subnets: Vec<String> => Optional, Replace;
        /// Security groups beside the fleet's own, by id, at most 4. The fleet's own lets its members reach each other, and nobody
        /// else reach them: whoever is to be let in is let in by a group named here.
        security_groups: Vec<String> => Optional, Replace;
        /// Whether instances get public addresses. Left out: as each subnet says.
        public_address: Option<bool> => Optional, Replace;
    }
}

/// The rules of `network`.
pub(crate) fn check_network(network: &Value, path: &Path, problems: &mut Vec<Problem>) {
    for (field, prefix, what) in [("subnets", "subnet-", "a subnet"), ("security_groups", "sg-", "a security group")] {
        if let Value::List(ids) = network.get(field) {
            check_ids(ids, prefix, what, &path.key(field), problems);
        }
    }
    if let Value::List(groups) = network.get("security_groups")
        && groups.len() > GROUPS_MAX
    {
        let help = format!("Use at most {GROUPS_MAX}: EC2 takes 5, and one is the fleet's own");
        problems.push(Problem::new(&path.key("security_groups"), format!("{} groups are too many", groups.len()), help));
    }
}

fn check_ids(ids: &[Value], prefix: &str, what: &str, path: &Path, problems: &mut Vec<Problem>) {
    for (index, id) in ids.iter().enumerate() {
        let Some(text) = id.as_str() else { continue };
        if !is_id(text, prefix) {
            let help = format!("Write an id like \"{prefix}0123456789abcdef0\"");
            problems.push(Problem::new(&path.index(index), format!("{text:?} is not the id of {what}"), help));
        } else if ids[..index].iter().any(|earlier| earlier.as_str() == Some(text)) {
            problems.push(Problem::new(&path.index(index), format!("{text:?} is named twice"), "Name each once"));
        }
    }
}

/// Whether this is an id of EC2's: 17 hexadecimal digits, or 8 in old accounts.
pub(crate) fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|digits| matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The rule for the name of a key pair.
pub(crate) fn check_ssh_key(name: &str, path: &Path, problems: &mut Vec<Problem>) {
    if name.is_empty() || name.len() > 255 || !name.is_ascii() {
        problems.push(Problem::new(path, format!("{name:?} is not the name of a key pair"), "Write the name of a key pair of EC2's"));
    }
}

/// What an instance reaches from a subnet, as far as routes and endpoints tell.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reach {
    /// Whether instances get public addresses unless told otherwise.
    pub public_addresses: bool,
    /// Where the default route leads.
    pub default_route: DefaultRoute,
    /// Services that endpoints lead to, such as `s3`, and how.
    pub endpoints: BTreeMap<String, EndpointKind>,
}

/// Where packets go that no other route takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DefaultRoute {
    /// Nowhere.
    None,
    /// To an internet gateway, which lets out only what has a public address.
    Internet,
    /// To something that speaks for instances without a public address: a NAT gateway, or whatever the network's owner has put there.
    Through,
}

/// How an endpoint leads to a service.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum EndpointKind {
    /// By a route.
    Gateway,
    /// By the service's own name, which resolves to the endpoint.
    Interface,
}

impl Reach {
    /// The services among `needed` that an instance cannot reach.
    #[must_use]
    pub fn missing<'s>(&self, needed: &[&'s str], public_address: Option<bool>) -> Vec<&'s str> {
        let is_public = public_address.unwrap_or(self.public_addresses);
        let leads_out = match self.default_route {
            DefaultRoute::None => false,
            DefaultRoute::Internet => is_public,
            DefaultRoute::Through => true,
        };
        needed.iter().copied().filter(|service| !leads_out && !self.endpoints.contains_key(*service)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reached_from_a_subnet() {
        use DefaultRoute::{Internet, None as Nowhere, Through};
        let both = [("s3", EndpointKind::Gateway), ("logs", EndpointKind::Interface)];
        for (default_route, public_addresses, asked, endpoints, expected) in [
            (Internet, true, None, &both[..0], vec![]),
            (Internet, true, Some(false), &both[..0], vec!["s3", "logs"]),
            (Internet, false, None, &both[..0], vec!["s3", "logs"]),
            (Internet, false, Some(true), &both[..0], vec![]),
            (Through, false, None, &both[..0], vec![]),
            (Nowhere, true, Some(true), &both[..0], vec!["s3", "logs"]),
            (Nowhere, false, None, &both[..1], vec!["logs"]),
            (Nowhere, false, None, &both[..], vec![]),
        ] {
            let endpoints = endpoints.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
            let reach = Reach { public_addresses, default_route, endpoints };
            assert_eq!(reach.missing(&["s3", "logs"], asked), expected, "{reach:?}, {asked:?}");
        }
    }
}
