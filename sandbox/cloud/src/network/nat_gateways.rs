//! NAT gateways.

use jiff::Timestamp;

use super::{Network, elastic, link_state, subnets};
use crate::cloud::Cloud;
use crate::config::Config;
use crate::error::ApiError;
use crate::filter::{Table, by_id, maybe, one};
use crate::model::{ElasticAddress, LinkState, NatGateway};
use crate::paging::{USUAL, cut};
use crate::reply::Listing;
use crate::request::{CreateNatGateway, DescribeById, OneId};
use crate::tags;

pub(crate) fn unknown(id: &str) -> ApiError {
    ApiError::new("InvalidNatGatewayID.NotFound", format!("The natGateway ID '{id}' does not exist"))
}

/// What describe and delete say.
fn not_found(id: &str) -> ApiError {
    ApiError::new("NatGatewayNotFound", format!("NatGateway {id} was not found"))
}

pub(crate) fn state(config: &Config, now: Timestamp, gateway: &NatGateway) -> Option<LinkState> {
    link_state(config, now, gateway.create_time, gateway.delete_time)
}

impl Network {
    /// NAT gateways that still hold on to their subnet and address.
    pub(crate) fn live_nat_gateways<'a>(&'a self, config: &Config, now: Timestamp) -> impl Iterator<Item = &'a NatGateway> {
        self.nat_gateways.values().filter(move |n| !matches!(state(config, now, n), None | Some(LinkState::Deleted)))
    }
}

/// As it is told now; none once it is no longer listed.
fn told(config: &Config, now: Timestamp, gateway: &NatGateway) -> Option<NatGateway> {
    state(config, now, gateway).map(|state| NatGateway { state: Some(state), ..gateway.clone() })
}

pub(crate) fn create(cloud: &mut Cloud, now: Timestamp, region: &str, request: &CreateNatGateway) -> Result<NatGateway, ApiError> {
    let network = &cloud.region(region).network;
    let same = |n: &&NatGateway| n.client_token.is_some() && n.client_token == request.client_token;
    if let Some(made) = network.nat_gateways.values().find(same).and_then(|n| told(&cloud.config, now, n)) {
        return Ok(made);
    }
    let tags = tags::specified(&request.tag_specifications, "natgateway")?;
    let subnet = network.subnets.get(&request.subnet_id).ok_or_else(|| subnets::unknown(&request.subnet_id))?;
    let vpc_id = subnet.vpc_id.clone();
    let address = address(cloud, now, region, request, &vpc_id)?;
    let private_ip = cloud.region_mut(region).network.take_address(&request.subnet_id)?;
    let gateway = NatGateway {
        id: cloud.generator.id("nat"),
        vpc_id,
        subnet_id: request.subnet_id.clone(),
        address,
        private_ip,
        network_interface_id: cloud.generator.id("eni"),
        create_time: now,
        delete_time: None,
        state: Some(LinkState::Pending),
        tags,
        client_token: request.client_token.clone(),
    };
    cloud.region_mut(region).network.nat_gateways.insert(gateway.id.clone(), gateway.clone());
    Ok(gateway)
}

/// The address of a public gateway.
fn address(
    cloud: &Cloud,
    now: Timestamp,
    region: &str,
    request: &CreateNatGateway,
    vpc_id: &str,
) -> Result<Option<ElasticAddress>, ApiError> {
    let network = &cloud.region(region).network;
    match (request.connectivity_type.as_deref(), &request.allocation_id) {
        (None | Some("public"), None) => Err(ApiError::missing("AllocationId")),
        (None | Some("public"), Some(id)) => {
            let held = network.elastic_addresses.get(id).ok_or_else(|| elastic::unknown(id))?;
            let taken = |n: &NatGateway| n.address.as_ref().is_some_and(|a| a.allocation_id == *id);
            if network.live_nat_gateways(&cloud.config, now).any(taken) {
                let message = format!("Elastic IP address [{id}] is already associated");
                return Err(ApiError::new("Resource.AlreadyAssociated", message));
            }
            if !network.internet_gateways.values().any(|g| g.vpc_id.as_deref() == Some(vpc_id)) {
                let message = format!("Network {vpc_id} has no Internet gateway attached");
                return Err(ApiError::new("Gateway.NotAttached", message));
            }
            Ok(Some(held.clone()))
        }
        (Some("private"), None) => Ok(None),
        (Some("private"), Some(_)) => Err(ApiError::combination("A private NAT gateway cannot have an AllocationId")),
        (Some(other), _) => Err(ApiError::value(format!("Value ({other}) for parameter connectivityType is invalid."))),
    }
}

pub(crate) fn delete(cloud: &mut Cloud, now: Timestamp, region: &str, request: &OneId) -> Result<String, ApiError> {
    let config = cloud.config.clone();
    let network = &mut cloud.region_mut(region).network;
    let gateway = network.nat_gateways.get_mut(&request.id).filter(|n| state(&config, now, n).is_some());
    let gateway = gateway.ok_or_else(|| not_found(&request.id))?;
    if gateway.delete_time.is_none() {
        gateway.delete_time = Some(now);
        let (subnet_id, private_ip) = (gateway.subnet_id.clone(), gateway.private_ip.clone());
        network.give_back_address(&subnet_id, &private_ip);
    }
    Ok(request.id.clone())
}

fn state_name(gateway: &NatGateway) -> Option<&'static str> {
    gateway.state.map(LinkState::name)
}

const FILTERS: Table<NatGateway> = Table {
    columns: &[
        ("nat-gateway-id", |n| one(&n.id)),
        ("state", |n| maybe(state_name(n))),
        ("subnet-id", |n| one(&n.subnet_id)),
        ("vpc-id", |n| one(&n.vpc_id)),
    ],
    tags: Some(|n| &n.tags),
};

pub(crate) fn describe(cloud: &Cloud, now: Timestamp, region: &str, request: &DescribeById) -> Result<Listing<NatGateway>, ApiError> {
    FILTERS.check(&request.filters)?;
    let all = cloud.region(region).network.nat_gateways.values().filter_map(|n| told(&cloud.config, now, n)).collect();
    let mut found = by_id(all, &request.ids, |n: &NatGateway| n.id.clone(), "", |missing| not_found(missing[0]))?;
    found.retain(|n| FILTERS.passes(&request.filters, n));
    cut(found, &request.page, USUAL, |n| n.id.clone())
}
