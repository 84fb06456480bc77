//! Route tables.

use jiff::Timestamp;

use super::cidr::Block;
use super::{Network, endpoints, in_use, internet_gateways, nat_gateways, subnets, vpcs};
use crate::cloud::{Cloud, Region};
use crate::error::ApiError;
use crate::filter::{Table, by_id, maybe, one};
use crate::model::{LinkState, Route, RouteDestination, RouteTable, RouteTableAssociation, RouteTarget, Tags, Vpc};
use crate::paging::{Limits, cut};
use crate::reply::Listing;
use crate::request::{AssociateRouteTable, CreateRoute, CreateRouteTable, DeleteRoute, DescribeById, OneId};
use crate::tags;

pub(crate) fn unknown(id: &str) -> ApiError {
    ApiError::new("InvalidRouteTableID.NotFound", format!("The routeTable ID '{id}' does not exist"))
}

fn local(vpc: &Vpc) -> Route {
    Route { destination: RouteDestination::Ipv4(vpc.cidr_block.clone()), target: RouteTarget::Local, blackhole: false }
}

pub(super) fn to_internet(gateway: &str) -> Route {
    let target = RouteTarget::InternetGateway(gateway.to_owned());
    Route { destination: RouteDestination::Ipv4("0.0.0.0/0".to_owned()), target, blackhole: false }
}

/// The table that a network begins with: table and association have these ids.
pub(super) fn main_table(vpc: &Vpc, [id, association_id]: [String; 2]) -> RouteTable {
    RouteTable {
        id,
        owner_id: vpc.owner_id.clone(),
        vpc_id: vpc.id.clone(),
        associations: vec![RouteTableAssociation { id: association_id, subnet_id: None }],
        routes: vec![local(vpc)],
        tags: Tags::new(),
        client_token: None,
    }
}

pub(crate) fn create(cloud: &mut Cloud, region: &str, request: &CreateRouteTable) -> Result<RouteTable, ApiError> {
    let tags = tags::specified(&request.tag_specifications, "route-table")?;
    let network = &cloud.region(region).network;
    let same = |t: &&RouteTable| t.client_token.is_some() && t.client_token == request.client_token;
    if let Some(made) = network.route_tables.values().find(same) {
        return Ok(made.clone());
    }
    let vpc = network.vpcs.get(&request.vpc_id).ok_or_else(|| vpcs::unknown(&request.vpc_id))?;
    let (owner_id, vpc_id, routes) = (vpc.owner_id.clone(), vpc.id.clone(), vec![local(vpc)]);
    let client_token = request.client_token.clone();
    let table = RouteTable { id: cloud.generator.id("rtb"), owner_id, vpc_id, associations: Vec::new(), routes, tags, client_token };
    cloud.region_mut(region).network.route_tables.insert(table.id.clone(), table.clone());
    Ok(table)
}

pub(crate) fn delete(region: &mut Region, request: &OneId) -> Result<(), ApiError> {
    let table = region.network.route_tables.get(&request.id).ok_or_else(|| unknown(&request.id))?;
    if !table.associations.is_empty() {
        return Err(in_use("routeTable", &request.id));
    }
    region.network.route_tables.remove(&request.id);
    Ok(())
}

fn destination(text: &str) -> Result<RouteDestination, ApiError> {
    let invalid =
        || ApiError::value(format!("Value ({text}) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block."));
    Block::parse(text).map(|block| RouteDestination::Ipv4(block.to_string())).ok_or_else(invalid)
}

pub(crate) fn create_route(region: &mut Region, request: &CreateRoute) -> Result<(), ApiError> {
    let network = &region.network;
    let table = network.route_tables.get(&request.route_table_id).ok_or_else(|| unknown(&request.route_table_id))?;
    let destination = destination(&request.destination_cidr_block)?;
    let target = target(network, table, request)?;
    if table.routes.iter().any(|r| r.destination == destination) {
        let message = format!("The route identified by {} already exists.", request.destination_cidr_block);
        return Err(ApiError::new("RouteAlreadyExists", message));
    }
    let route = Route { destination, target, blackhole: false };
    region.network.route_tables.entry(request.route_table_id.clone()).and_modify(|t| t.routes.push(route));
    Ok(())
}

fn target(network: &Network, table: &RouteTable, request: &CreateRoute) -> Result<RouteTarget, ApiError> {
    match (&request.gateway_id, &request.nat_gateway_id) {
        (Some(id), None) => {
            let gateway = network.internet_gateways.get(id).ok_or_else(|| internet_gateways::unknown(id))?;
            if gateway.vpc_id.as_ref() != Some(&table.vpc_id) {
                let message = format!("route table {} and network gateway {id} belong to different networks", table.id);
                return Err(ApiError::value(message));
            }
            Ok(RouteTarget::InternetGateway(id.clone()))
        }
        (None, Some(id)) => {
            let gateway = network.nat_gateways.get(id).filter(|n| n.delete_time.is_none()).ok_or_else(|| nat_gateways::unknown(id))?;
            if gateway.vpc_id != table.vpc_id {
                let message = format!("route table {} and NAT gateway {id} belong to different networks", table.id);
                return Err(ApiError::value(message));
            }
            Ok(RouteTarget::NatGateway(id.clone()))
        }
        _ => Err(ApiError::combination("The request must contain exactly one of gatewayId and natGatewayId")),
    }
}

pub(crate) fn delete_route(region: &mut Region, request: &DeleteRoute) -> Result<(), ApiError> {
    let (id, block) = (&request.route_table_id, &request.destination_cidr_block);
    let table = region.network.route_tables.get_mut(id).ok_or_else(|| unknown(id))?;
    let destination = destination(block)?;
    match table.routes.iter().position(|r| r.destination == destination) {
        None => Err(ApiError::new("InvalidRoute.NotFound", format!("no route with destination-cidr-block {block} in route table {id}"))),
        Some(at) if table.routes[at].target == RouteTarget::Local => {
            Err(ApiError::value(format!("cannot remove local route {block} in route table {id}")))
        }
        Some(at) => {
            table.routes.remove(at);
            Ok(())
        }
    }
}

/// Makes a table the one of a subnet; tells the id of that.
pub(crate) fn associate(cloud: &mut Cloud, region: &str, request: &AssociateRouteTable) -> Result<String, ApiError> {
    let (id, subnet_id) = (&request.route_table_id, &request.subnet_id);
    let network = &cloud.region(region).network;
    let table = network.route_tables.get(id).ok_or_else(|| unknown(id))?;
    let subnet = network.subnets.get(subnet_id).ok_or_else(|| subnets::unknown(subnet_id))?;
    if subnet.vpc_id != table.vpc_id {
        return Err(ApiError::value(format!("Route table {id} and subnet {subnet_id} belong to different networks")));
    }
    let there =
        network.route_tables.values().find_map(|t| Some((t, t.associations.iter().find(|a| a.subnet_id.as_ref() == Some(subnet_id))?)));
    match there {
        Some((other, association)) if other.id == *id => return Ok(association.id.clone()),
        Some(_) => {
            let message = format!("the specified association for route table {id} conflicts with an existing association");
            return Err(ApiError::new("Resource.AlreadyAssociated", message));
        }
        None => {}
    }
    let association = RouteTableAssociation { id: cloud.generator.id("rtbassoc"), subnet_id: Some(subnet_id.clone()) };
    let made = association.id.clone();
    cloud.region_mut(region).network.route_tables.entry(id.clone()).and_modify(|t| t.associations.push(association));
    Ok(made)
}

pub(crate) fn disassociate(region: &mut Region, request: &OneId) -> Result<(), ApiError> {
    let id = &request.id;
    let tables = &mut region.network.route_tables;
    let found = tables.values_mut().find_map(|t| t.associations.iter().position(|a| a.id == *id).map(|at| (t, at)));
    let Some((table, at)) = found else {
        return Err(ApiError::new("InvalidAssociationID.NotFound", format!("The association ID '{id}' does not exist")));
    };
    if table.associations[at].subnet_id.is_none() {
        return Err(ApiError::value(format!("cannot disassociate the main route table association {id}")));
    }
    table.associations.remove(at);
    Ok(())
}

fn ipv4(route: &Route) -> Option<&String> {
    if let RouteDestination::Ipv4(block) = &route.destination { Some(block) } else { None }
}

fn prefix_list(route: &Route) -> Option<&String> {
    if let RouteDestination::PrefixList(id) = &route.destination { Some(id) } else { None }
}

/// `active` or `blackhole`.
fn state(route: &Route) -> &'static str {
    if route.blackhole { "blackhole" } else { "active" }
}

fn of_routes(table: &RouteTable, read: impl Fn(&Route) -> Option<String>) -> Vec<String> {
    table.routes.iter().filter_map(read).collect()
}

const FILTERS: Table<RouteTable> = Table {
    columns: &[
        ("association.main", |t| t.associations.iter().map(|a| a.subnet_id.is_none().to_string()).collect()),
        ("association.route-table-association-id", |t| t.associations.iter().map(|a| a.id.clone()).collect()),
        ("association.route-table-id", |t| maybe((!t.associations.is_empty()).then_some(&t.id))),
        ("association.subnet-id", |t| t.associations.iter().filter_map(|a| a.subnet_id.clone()).collect()),
        ("owner-id", |t| one(&t.owner_id)),
        ("route-table-id", |t| one(&t.id)),
        ("route.destination-cidr-block", |t| of_routes(t, |r| ipv4(r).cloned())),
        ("route.destination-prefix-list-id", |t| of_routes(t, |r| prefix_list(r).cloned())),
        ("route.gateway-id", |t| of_routes(t, |r| r.target.gateway_id().map(str::to_owned))),
        ("route.nat-gateway-id", |t| of_routes(t, |r| r.target.nat_gateway_id().map(str::to_owned))),
        ("route.state", |t| of_routes(t, |r| Some(state(r).to_owned()))),
        ("vpc-id", |t| one(&t.vpc_id)),
    ],
    tags: Some(|t| &t.tags),
};

pub(crate) fn describe(cloud: &Cloud, now: Timestamp, region: &str, request: &DescribeById) -> Result<Listing<RouteTable>, ApiError> {
    FILTERS.check(&request.filters)?;
    let network = &cloud.region(region).network;
    let told = |table: &RouteTable| {
        let mut table = table.clone();
        for route in &mut table.routes {
            route.blackhole = !leads_somewhere(cloud, now, network, &table.vpc_id, &route.target);
        }
        table
    };
    let all = network.route_tables.values().map(told).collect();
    let mut found = by_id(all, &request.ids, |t: &RouteTable| t.id.clone(), "", |missing| unknown(missing[0]))?;
    found.retain(|t| FILTERS.passes(&request.filters, t));
    cut(found, &request.page, Limits { least: 5, most: 100, default: None }, |t| t.id.clone())
}

fn leads_somewhere(cloud: &Cloud, now: Timestamp, network: &Network, vpc_id: &str, target: &RouteTarget) -> bool {
    match target {
        RouteTarget::Local => true,
        RouteTarget::InternetGateway(id) => network.internet_gateways.get(id).is_some_and(|g| g.vpc_id.as_deref() == Some(vpc_id)),
        RouteTarget::NatGateway(id) => {
            let state = network.nat_gateways.get(id).and_then(|n| nat_gateways::state(&cloud.config, now, n));
            matches!(state, Some(LinkState::Pending | LinkState::Available))
        }
        RouteTarget::VpcEndpoint(id) => network.endpoints.get(id).is_some_and(endpoints::is_there),
    }
}
