//! The network that a fleet is launched into, looked at before anything is made.

use std::collections::BTreeMap;

use futures::join;
use spawn_model::error::{Class, Error};
use spawn_model::network::{EndpointKind, NetworkSpec, Reach};
use spawn_model::problem::Path;
use spawn_model::spec::FleetSpec;

use crate::ports::{Aws, Result, Subnet, WaysOut};

/// What an instance cannot do without: the agent, its payload and its results are in S3, and its output goes to CloudWatch Logs. One that is to
/// hibernate asks EC2 for it.
const NEEDED: [&str; 2] = ["s3", "logs"];
const NEEDED_TO_HIBERNATE: [&str; 3] = ["s3", "logs", "ec2"];

/// The subnets to launch into, in the order in which they are asked.
///
/// # Errors
/// If something that is named does not exist, lies in another network, or has no way to what an instance needs.
pub(crate) async fn find(aws: &Aws, spec: &FleetSpec) -> Result<Vec<Subnet>> {
    let network = &spec.network;
    let needed = if spec.lease.ends().hibernates() { &NEEDED_TO_HIBERNATE[..] } else { &NEEDED };
    let subnets =
        async { if network.subnets.is_empty() { aws.networks.default_subnets().await } else { named(aws, network, needed).await } };
    // Joined, not raced: where both fail, the same input is told the same thing each time.
    let (subnets, groups) = join!(subnets, groups(aws, network));
    let (subnets, groups) = (subnets?, groups?);
    let vpc_id = subnets.first().map(|subnet| subnet.vpc_id.as_str());
    for (group, vpc) in &groups {
        if vpc_id.is_some_and(|vpc_id| vpc_id != vpc) {
            let message = format!("the security group {group} is in {vpc}, and the instances will be in {}", vpc_id.unwrap_or_default());
            let help = "Name groups of the network that the subnets are in";
            return Err(Error::new(Class::Invalid, "SeveralNetworks", message, help).at(Path::field("network").key("security_groups")));
        }
    }
    Ok(subnets)
}

async fn named(aws: &Aws, network: &NetworkSpec, needed: &[&'static str]) -> Result<Vec<Subnet>> {
    let at = || Path::field("network").key("subnets");
    let subnets = aws.networks.subnets(&network.subnets).await.map_err(|error| unknown(error, at()))?;
    let Some(first) = subnets.first() else { return Ok(subnets) };
    if let Some(other) = subnets.iter().find(|subnet| subnet.vpc_id != first.vpc_id) {
        let message = format!("{} is in {}, and {} in {}", first.id, first.vpc_id, other.id, other.vpc_id);
        return Err(Error::new(Class::Invalid, "SeveralNetworks", message, "Name subnets of one network").at(at()));
    }
    let ways = aws.networks.ways_out(&first.vpc_id).await?;
    for subnet in &subnets {
        let missing = reach(subnet, &ways).missing(needed, network.public_address);
        if !missing.is_empty() {
            return Err(no_route(subnet, &missing, &aws.region).at(at()));
        }
    }
    Ok(subnets)
}

async fn groups(aws: &Aws, network: &NetworkSpec) -> Result<Vec<(String, String)>> {
    if network.security_groups.is_empty() {
        return Ok(Vec::new());
    }
    let found = aws.networks.security_groups(&network.security_groups).await;
    let found = found.map_err(|error| unknown(error, Path::field("network").key("security_groups")))?;
    Ok(found.into_iter().map(|group| (group.id, group.vpc_id)).collect())
}

fn unknown(error: Error, at: Path) -> Error {
    if !matches!(error.class, Class::NotFound | Class::Invalid) {
        return error;
    }
    Error { class: Class::Invalid, help: "Ids are those of this region; --region or AWS_REGION chooses another".to_owned(), ..error }.at(at)
}

/// What an instance in a subnet reaches.
fn reach(subnet: &Subnet, ways: &WaysOut) -> Reach {
    let own = ways.route_tables.iter().find(|table| table.subnets.contains(&subnet.id));
    let table = own.or_else(|| ways.route_tables.iter().find(|table| table.is_main));
    let leads = |endpoint: &&crate::ports::Endpoint| match endpoint.kind {
        EndpointKind::Gateway => table.is_some_and(|table| endpoint.route_tables.contains(&table.id)),
        EndpointKind::Interface => true,
    };
    let endpoints: BTreeMap<String, EndpointKind> =
        ways.endpoints.iter().filter(leads).map(|endpoint| (endpoint.service.clone(), endpoint.kind)).collect();
    Reach {
        public_addresses: subnet.public_addresses,
        default_route: table.map_or(spawn_model::network::DefaultRoute::None, |table| table.default_route),
        endpoints,
    }
}

fn no_route(subnet: &Subnet, missing: &[&str], region: &str) -> Error {
    let title = |service: &&str| match *service {
        "s3" => "S3",
        "logs" => "CloudWatch Logs",
        _ => "EC2",
    };
    let titles: Vec<&str> = missing.iter().map(title).collect();
    let prefix = if region.starts_with("cn-") { "cn.com.amazonaws" } else { "com.amazonaws" };
    let endpoint = |service: &&str| {
        let kind =
            if *service == "s3" { "a gateway endpoint, in the subnet's route table," } else { "an interface endpoint with private DNS" };
        format!("{kind} for {prefix}.{region}.{service}")
    };
    let endpoints: Vec<String> = missing.iter().map(endpoint).collect();
    let message = format!("instances in {} would not reach {}", subnet.id, titles.join(" and "));
    let help = format!("Add {}; or a NAT gateway; or public addresses and a route to an internet gateway", endpoints.join(" and "));
    Error::new(Class::Invalid, "NoRoute", message, help)
}

/// Whether the key pair is there that a fleet names.
///
/// # Errors
/// If it is not.
pub(crate) async fn key_pair(aws: &Aws, name: Option<&str>) -> Result<()> {
    let Some(name) = name else { return Ok(()) };
    if aws.instances.key_pair_exists(name).await? {
        return Ok(());
    }
    let message = format!("there is no key pair {name:?} in {}", aws.region);
    let help = "Import the public key with `aws ec2 import-key-pair`, or leave ssh_key out";
    Err(Error::new(Class::Invalid, "NoKeyPair", message, help).at(Path::field("ssh_key")))
}

#[cfg(test)]
mod tests {
    use spawn_model::network::DefaultRoute;

    use super::*;
    use crate::ports::{Endpoint, RouteTable};

    fn table(id: &str, subnets: &[&str], default_route: DefaultRoute) -> RouteTable {
        let subnets = subnets.iter().map(|subnet| (*subnet).to_owned()).collect();
        RouteTable { id: id.to_owned(), is_main: id == "main", subnets, default_route }
    }

    #[test]
    fn a_subnet_has_its_own_table_or_the_main_one() {
        let endpoint =
            |service: &str, kind, table: &str| Endpoint { service: service.to_owned(), kind, route_tables: vec![table.to_owned()] };
        let ways = WaysOut {
            route_tables: vec![table("main", &[], DefaultRoute::Through), table("own", &["subnet-1"], DefaultRoute::None)],
            endpoints: vec![
                endpoint("s3", EndpointKind::Gateway, "own"),
                endpoint("dynamodb", EndpointKind::Gateway, "main"),
                endpoint("logs", EndpointKind::Interface, ""),
            ],
        };
        let subnet = |id: &str| Subnet { id: id.to_owned(), vpc_id: "vpc-1".to_owned(), zone: "a".to_owned(), public_addresses: false };
        let (own, main) = (reach(&subnet("subnet-1"), &ways), reach(&subnet("subnet-2"), &ways));
        assert_eq!((own.default_route, main.default_route), (DefaultRoute::None, DefaultRoute::Through));
        assert_eq!(own.endpoints.into_keys().collect::<Vec<_>>(), ["logs", "s3"]);
        assert_eq!(main.endpoints.into_keys().collect::<Vec<_>>(), ["dynamodb", "logs"]);
        let lone = reach(&subnet("subnet-1"), &WaysOut::default());
        assert_eq!((lone.default_route, lone.endpoints.len()), (DefaultRoute::None, 0));
    }
}
