//! Endpoints: ways to services of AWS that do not lead through the internet.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Network, link_state, route_tables, subnets, vpcs};
use crate::cloud::{Cloud, Region};
use crate::config::Config;
use crate::error::ApiError;
use crate::filter::{Table, by_id, maybe, one};
use crate::groups;
use crate::identity::stable_id;
use crate::model::{EndpointInterface, GroupIdentifier, LinkState, Route, RouteDestination, RouteTarget, Vpc, VpcEndpoint};
use crate::paging::{USUAL, cut};
use crate::reply::{Listing, Unsuccessful};
use crate::request::{CreateVpcEndpoint, DeleteVpcEndpoints, DescribeById};
use crate::tags;

pub(crate) const GATEWAY: &str = "Gateway";
pub(crate) const INTERFACE: &str = "Interface";

/// Services with gateway endpoints.
const WITH_GATEWAYS: &[&str] = &["dynamodb", "s3"];
/// Services with interface endpoints.
const WITH_INTERFACES: &[&str] = &[
    "autoscaling",
    "cloudformation",
    "dynamodb",
    "ec2",
    "ec2messages",
    "ecr.api",
    "ecr.dkr",
    "events",
    "kms",
    "lambda",
    "logs",
    "monitoring",
    "s3",
    "scheduler",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "ssmmessages",
    "sts",
];

pub(crate) fn unknown(id: &str) -> ApiError {
    ApiError::new("InvalidVpcEndpointId.NotFound", format!("The Vpc Endpoint Id '{id}' does not exist"))
}

fn invalid(message: String) -> ApiError {
    ApiError::new("InvalidParameter", message)
}

/// The addresses of a service, as routes name them.
pub(crate) fn prefix_list(region: &str, service: &str) -> String {
    stable_id("pl", &[region, service])
}

/// Whether it has not been deleted.
pub(crate) fn is_there(endpoint: &VpcEndpoint) -> bool {
    endpoint.delete_time.is_none()
}

fn state(config: &Config, now: Timestamp, endpoint: &VpcEndpoint) -> Option<LinkState> {
    if endpoint.endpoint_type == GATEWAY {
        return is_there(endpoint).then_some(LinkState::Available);
    }
    // Unlike a NAT gateway it is not listed once it has gone.
    link_state(config, now, endpoint.create_time, endpoint.delete_time).filter(|s| *s != LinkState::Deleted)
}

impl Network {
    /// Endpoints that still hold on to their network.
    pub(crate) fn live_endpoints<'a>(&'a self, config: &Config, now: Timestamp) -> impl Iterator<Item = &'a VpcEndpoint> {
        self.endpoints.values().filter(move |e| state(config, now, e).is_some())
    }

    /// An address of a subnet.
    pub(crate) fn take_address(&mut self, subnet_id: &str) -> Result<String, ApiError> {
        let address = self.addresses.get_mut(subnet_id).and_then(|a| a.take());
        address.map(|a| a.to_string()).ok_or_else(|| {
            let message = format!("The specified subnet '{subnet_id}' does not have enough free addresses to satisfy the request.");
            ApiError::new("InsufficientFreeAddressesInSubnet", message)
        })
    }

    pub(crate) fn give_back_address(&mut self, subnet_id: &str, address: &str) {
        if let Some(addresses) = self.addresses.get_mut(subnet_id) {
            addresses.give_back(address);
        }
    }
}

fn told(config: &Config, now: Timestamp, endpoint: &VpcEndpoint) -> Option<VpcEndpoint> {
    state(config, now, endpoint).map(|state| VpcEndpoint { state: Some(state), ..endpoint.clone() })
}

/// The service that a name means: `s3` of `com.amazonaws.us-east-1.s3`.
fn service<'a>(region: &str, name: &'a str, endpoint_type: &str) -> Result<&'a str, ApiError> {
    let service = name.strip_prefix("com.amazonaws.").and_then(|rest| rest.strip_prefix(region)).and_then(|rest| rest.strip_prefix('.'));
    let known = |s: &&str| WITH_GATEWAYS.contains(s) || WITH_INTERFACES.contains(s);
    // AWS has more of them than are simulated.
    let unknown = || ApiError::gap("InvalidServiceName", format!("The Vpc Endpoint Service '{name}' does not exist"));
    let service = service.filter(known).ok_or_else(unknown)?;
    let offered = if endpoint_type == GATEWAY { WITH_GATEWAYS } else { WITH_INTERFACES };
    if !offered.contains(&service) {
        return Err(invalid(format!("The service {name} does not support endpoints of type {endpoint_type}.")));
    }
    Ok(service)
}

pub(crate) fn create(cloud: &mut Cloud, now: Timestamp, region: &str, request: &CreateVpcEndpoint) -> Result<VpcEndpoint, ApiError> {
    let here = cloud.region(region);
    let same = |e: &&VpcEndpoint| e.client_token.is_some() && e.client_token == request.client_token;
    if let Some(made) = here.network.endpoints.values().find(same).and_then(|e| told(&cloud.config, now, e)) {
        return Ok(made);
    }
    let endpoint_type = match request.endpoint_type.as_deref() {
        None | Some(GATEWAY) => GATEWAY,
        Some(INTERFACE) => INTERFACE,
        Some(other) => return Err(ApiError::gap("InvalidParameter", format!("Endpoints of type '{other}' are not simulated"))),
    };
    let vpc = here.network.vpcs.get(&request.vpc_id).ok_or_else(|| vpcs::unknown(&request.vpc_id))?;
    let service = service(region, &request.service_name, endpoint_type)?;
    let mut endpoint = VpcEndpoint {
        id: String::new(),
        owner_id: cloud.config.account_id.clone(),
        endpoint_type: endpoint_type.to_owned(),
        vpc_id: vpc.id.clone(),
        service_name: request.service_name.clone(),
        route_table_ids: request.route_table_ids.clone(),
        interfaces: Vec::new(),
        groups: Vec::new(),
        private_dns_enabled: false,
        create_time: now,
        delete_time: None,
        state: None,
        tags: tags::specified(&request.tag_specifications, "vpc-endpoint")?,
        client_token: request.client_token.clone(),
    };
    if endpoint_type == GATEWAY {
        let destination = RouteDestination::PrefixList(prefix_list(region, service));
        check_gateway(&here.network, vpc, request, &destination)?;
        endpoint.id = cloud.generator.id("vpce");
        add_routes(&mut cloud.region_mut(region).network, &endpoint, &destination);
    } else {
        endpoint.groups = check_interface(cloud, now, here, vpc, request, service)?;
        endpoint.private_dns_enabled = request.private_dns_enabled.unwrap_or(true);
        endpoint.id = cloud.generator.id("vpce");
        endpoint.interfaces = make_interfaces(cloud, region, &request.subnet_ids)?;
    }
    cloud.region_mut(region).network.endpoints.insert(endpoint.id.clone(), endpoint.clone());
    let state = state(&cloud.config, now, &endpoint);
    Ok(VpcEndpoint { state, ..endpoint })
}

fn check_gateway(network: &Network, vpc: &Vpc, request: &CreateVpcEndpoint, destination: &RouteDestination) -> Result<(), ApiError> {
    if !request.subnet_ids.is_empty() || !request.security_group_ids.is_empty() || request.private_dns_enabled == Some(true) {
        return Err(invalid("Subnets, security groups and private DNS are not applicable for a Gateway endpoint.".to_owned()));
    }
    for id in &request.route_table_ids {
        let table = network.route_tables.get(id).ok_or_else(|| route_tables::unknown(id))?;
        if table.vpc_id != vpc.id {
            return Err(invalid(format!("Route table {id} does not belong to the VPC {}.", vpc.id)));
        }
        if table.routes.iter().any(|r| r.destination == *destination) {
            let message = format!("route table {id} already has a route with destination-prefix-list-id of this service");
            return Err(ApiError::new("RouteAlreadyExists", message));
        }
    }
    Ok(())
}

fn add_routes(network: &mut Network, endpoint: &VpcEndpoint, destination: &RouteDestination) {
    for id in &endpoint.route_table_ids {
        let target = RouteTarget::VpcEndpoint(endpoint.id.clone());
        let route = Route { destination: destination.clone(), target, blackhole: false };
        network.route_tables.entry(id.clone()).and_modify(|t| t.routes.push(route));
    }
}

/// Checks what an interface endpoint asks for, and tells its groups.
fn check_interface(
    cloud: &Cloud,
    now: Timestamp,
    here: &Region,
    vpc: &Vpc,
    request: &CreateVpcEndpoint,
    service: &str,
) -> Result<Vec<GroupIdentifier>, ApiError> {
    if !request.route_table_ids.is_empty() {
        return Err(invalid("Route table IDs are not applicable for an Interface endpoint.".to_owned()));
    }
    let mut zones = BTreeSet::new();
    for id in &request.subnet_ids {
        let subnet = here.network.subnets.get(id).ok_or_else(|| subnets::unknown(id))?;
        if subnet.vpc_id != vpc.id {
            return Err(invalid(format!("Subnet {id} does not belong to the VPC {}.", vpc.id)));
        }
        if !zones.insert(&subnet.availability_zone) {
            let message = format!(
                "Found another VPC endpoint subnet in the availability zone of {id}. VPC endpoint subnets should be in \
                 different availability zones supported by the VPC endpoint service."
            );
            return Err(ApiError::new("DuplicateSubnetsInSameZone", message));
        }
    }
    if request.private_dns_enabled.unwrap_or(true) {
        check_private_dns(cloud, now, here, vpc, request, service)?;
    }
    groups_of(here, vpc, &request.security_group_ids)
}

fn check_private_dns(
    cloud: &Cloud,
    now: Timestamp,
    here: &Region,
    vpc: &Vpc,
    request: &CreateVpcEndpoint,
    service: &str,
) -> Result<(), ApiError> {
    if WITH_GATEWAYS.contains(&service) {
        let message = format!("Private DNS of interface endpoints for {service} is not simulated: set PrivateDnsEnabled to false");
        return Err(ApiError::gap("InvalidParameter", message));
    }
    if !vpc.dns_support || !vpc.dns_hostnames {
        return Err(invalid(format!(
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for {}",
            vpc.id
        )));
    }
    let conflicts = |e: &VpcEndpoint| e.vpc_id == vpc.id && e.service_name == request.service_name && e.private_dns_enabled;
    if here.network.live_endpoints(&cloud.config, now).any(conflicts) {
        return Err(invalid(format!(
            "private-dns-enabled cannot be set because there is already a conflicting DNS domain for {service}.{}.amazonaws.com in the VPC {}",
            here.name, vpc.id
        )));
    }
    Ok(())
}

fn groups_of(here: &Region, vpc: &Vpc, ids: &[String]) -> Result<Vec<GroupIdentifier>, ApiError> {
    if ids.is_empty() {
        return Ok(vec![groups::default_of(here, &vpc.id)?]);
    }
    let mut found = Vec::new();
    for id in ids {
        let group = groups::by_id(here, id)?;
        if group.vpc_id != vpc.id {
            return Err(invalid(format!("Security group {id} does not belong to the VPC {}.", vpc.id)));
        }
        found.push(GroupIdentifier { id: group.id.clone(), name: group.name.clone() });
    }
    Ok(found)
}

fn make_interfaces(cloud: &mut Cloud, region: &str, subnet_ids: &[String]) -> Result<Vec<EndpointInterface>, ApiError> {
    let full = |id: &&String| cloud.region(region).network.addresses.get(*id).is_some_and(|a| a.free() == 0);
    if let Some(id) = subnet_ids.iter().find(full) {
        return cloud.region_mut(region).network.take_address(id).map(|_| Vec::new());
    }
    let mut made = Vec::new();
    for subnet_id in subnet_ids {
        let private_ip = cloud.region_mut(region).network.take_address(subnet_id)?;
        made.push(EndpointInterface { id: cloud.generator.id("eni"), subnet_id: subnet_id.clone(), private_ip });
    }
    Ok(made)
}

/// Deletes endpoints; what is not there is told, and the others go all the same.
pub(crate) fn delete(cloud: &mut Cloud, now: Timestamp, region: &str, request: &DeleteVpcEndpoints) -> Result<Vec<Unsuccessful>, ApiError> {
    if request.vpc_endpoint_ids.is_empty() {
        return Err(ApiError::missing("VpcEndpointId"));
    }
    let network = &mut cloud.region_mut(region).network;
    let mut unsuccessful = Vec::new();
    for id in &request.vpc_endpoint_ids {
        let Some(endpoint) = network.endpoints.get_mut(id).filter(|e| is_there(e)) else {
            unsuccessful.push(Unsuccessful { resource_id: id.clone(), error: unknown(id) });
            continue;
        };
        endpoint.delete_time = Some(now);
        for interface in endpoint.interfaces.clone() {
            network.give_back_address(&interface.subnet_id, &interface.private_ip);
        }
        let target = RouteTarget::VpcEndpoint(id.clone());
        network.route_tables.values_mut().for_each(|t| t.routes.retain(|r| r.target != target));
    }
    Ok(unsuccessful)
}

const FILTERS: Table<VpcEndpoint> = Table {
    columns: &[
        ("ip-address-type", |_| one("ipv4")),
        ("service-name", |e| one(&e.service_name)),
        ("vpc-endpoint-id", |e| one(&e.id)),
        ("vpc-endpoint-state", |e| maybe(e.state.map(LinkState::name))),
        ("vpc-endpoint-type", |e| one(&e.endpoint_type)),
        ("vpc-id", |e| one(&e.vpc_id)),
    ],
    tags: Some(|e| &e.tags),
};

pub(crate) fn describe(cloud: &Cloud, now: Timestamp, region: &str, request: &DescribeById) -> Result<Listing<VpcEndpoint>, ApiError> {
    FILTERS.check(&request.filters)?;
    let all = cloud.region(region).network.endpoints.values().filter_map(|e| told(&cloud.config, now, e)).collect();
    let mut found = by_id(all, &request.ids, |e: &VpcEndpoint| e.id.clone(), "", |missing| unknown(missing[0]))?;
    found.retain(|e| FILTERS.passes(&request.filters, e));
    cut(found, &request.page, USUAL, |e| e.id.clone())
}
