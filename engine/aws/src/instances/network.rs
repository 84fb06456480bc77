//! Networks, as they are.

use async_trait::async_trait;
use aws_sdk_ec2::operation::describe_subnets::builders::DescribeSubnetsFluentBuilder;
use aws_sdk_ec2::types::{self, RouteState, State, VpcEndpointType};
use spawn_core::ports::{Endpoint, Networks, Result, RouteTable, SecurityGroup, Subnet, TaggedGroup, Tags, WaysOut};
use spawn_model::network::{DefaultRoute, EndpointKind};

use super::{Ec2, filter, tag_filters};
use crate::endpoint::Call;

const SUBNETS: Call = Call::repeatable("ec2", "DescribeSubnets");
const GROUPS: Call = Call::repeatable("ec2", "DescribeSecurityGroups");
const TABLES: Call = Call::repeatable("ec2", "DescribeRouteTables");
const ENDPOINTS: Call = Call::repeatable("ec2", "DescribeVpcEndpoints");

/// Every address that no other route is for.
const EVERYWHERE: &str = "0.0.0.0/0";

impl Ec2 {
    async fn subnets_described(&self, describe: DescribeSubnetsFluentBuilder) -> Result<Vec<Subnet>> {
        let answer = self.endpoint.call(SUBNETS, || describe.clone().send()).await?;
        let subnet = |subnet: &types::Subnet| {
            Some(Subnet {
                id: subnet.subnet_id()?.to_owned(),
                vpc_id: subnet.vpc_id()?.to_owned(),
                zone: subnet.availability_zone()?.to_owned(),
                public_addresses: subnet.map_public_ip_on_launch().unwrap_or_default(),
            })
        };
        Ok(answer.subnets().iter().filter_map(subnet).collect())
    }
}

#[async_trait]
impl Networks for Ec2 {
    async fn default_subnets(&self) -> Result<Vec<Subnet>> {
        let describe = self.client.describe_subnets().filters(filter("default-for-az", "true"));
        let mut subnets = self.subnets_described(describe).await?;
        subnets.sort_by(|one, other| one.zone.cmp(&other.zone));
        Ok(subnets)
    }

    async fn subnets(&self, ids: &[String]) -> Result<Vec<Subnet>> {
        let mut subnets = self.subnets_described(self.client.describe_subnets().set_subnet_ids(Some(ids.to_vec()))).await?;
        subnets.sort_by_key(|subnet| ids.iter().position(|id| *id == subnet.id));
        Ok(subnets)
    }

    async fn security_groups(&self, ids: &[String]) -> Result<Vec<SecurityGroup>> {
        let describe = self.client.describe_security_groups().set_group_ids(Some(ids.to_vec()));
        let answer = self.endpoint.call(GROUPS, || describe.clone().send()).await?;
        let group =
            |group: &types::SecurityGroup| Some(SecurityGroup { id: group.group_id()?.to_owned(), vpc_id: group.vpc_id()?.to_owned() });
        Ok(answer.security_groups().iter().filter_map(group).collect())
    }

    async fn groups_tagged(&self, vpc_id: &str, tags: &Tags) -> Result<Vec<TaggedGroup>> {
        self.security_groups_by(tag_filters(tags).into_iter().chain([filter("vpc-id", vpc_id)]).collect()).await
    }

    async fn ways_out(&self, vpc_id: &str) -> Result<WaysOut> {
        // A network has 200 tables and some dozens of endpoints at most: one page each.
        let tables = self.client.describe_route_tables().filters(filter("vpc-id", vpc_id));
        let tables = self.endpoint.call(TABLES, || tables.clone().send()).await?;
        let endpoints = self.client.describe_vpc_endpoints().filters(filter("vpc-id", vpc_id));
        let endpoints = self.endpoint.call(ENDPOINTS, || endpoints.clone().send()).await?;
        Ok(WaysOut {
            route_tables: tables.route_tables().iter().filter_map(route_table).collect(),
            endpoints: endpoints.vpc_endpoints().iter().filter_map(endpoint).collect(),
        })
    }
}

fn route_table(table: &types::RouteTable) -> Option<RouteTable> {
    let default = table.routes().iter().find(|route| route.destination_cidr_block() == Some(EVERYWHERE));
    let associations = table.associations();
    Some(RouteTable {
        id: table.route_table_id()?.to_owned(),
        is_main: associations.iter().any(|association| association.main() == Some(true)),
        subnets: associations.iter().filter_map(|association| association.subnet_id()).map(str::to_owned).collect(),
        default_route: default.map_or(DefaultRoute::None, default_route),
    })
}

fn default_route(route: &types::Route) -> DefaultRoute {
    match route.gateway_id() {
        _ if route.state() == Some(&RouteState::Blackhole) => DefaultRoute::None,
        Some(gateway) if gateway.starts_with("igw-") => DefaultRoute::Internet,
        // A NAT gateway or instance, a transit gateway, a firewall, a connection to a network of the owner's: whoever put it there knows.
        _ => DefaultRoute::Through,
    }
}

fn endpoint(endpoint: &types::VpcEndpoint) -> Option<Endpoint> {
    let kind = match endpoint.vpc_endpoint_type()? {
        VpcEndpointType::Gateway => EndpointKind::Gateway,
        VpcEndpointType::Interface if endpoint.private_dns_enabled() == Some(true) => EndpointKind::Interface,
        _ => return None,
    };
    let service = endpoint.service_name()?.rsplit('.').next()?.to_owned();
    // The SDK tells states as the API's reference writes them, and the API as it answers.
    let is_there = endpoint.state().is_some_and(|state| state.as_str().eq_ignore_ascii_case(State::Available.as_str()));
    is_there.then(|| Endpoint { service, kind, route_tables: endpoint.route_table_ids().to_vec() })
}
