//! Networks, on `sandbox-cloud`.

use async_trait::async_trait;
use sandbox_cloud::model::{self, LinkState, RouteDestination, RouteTarget};
use sandbox_cloud::request::{DescribeById, DescribeSecurityGroups, Filter};
use sandbox_cloud::{Reply, Request};
use spawn_core::ports::{Endpoint, Networks, Result, RouteTable, SecurityGroup, Subnet, TaggedGroup, Tags, WaysOut};
use spawn_model::network::{DefaultRoute, EndpointKind};

use super::door::Door;
use super::instances::{filters, reply};

impl Door {
    async fn subnets_by(&self, request: DescribeById) -> Result<Vec<Subnet>> {
        let listing = reply!(self.ec2("ec2:DescribeSubnets", Request::DescribeSubnets(request)).await?, Subnets);
        let subnet = |subnet: model::Subnet| Subnet {
            id: subnet.id,
            vpc_id: subnet.vpc_id,
            zone: subnet.availability_zone,
            public_addresses: subnet.map_public_ip_on_launch,
        };
        Ok(listing.items.into_iter().map(subnet).collect())
    }
}

#[async_trait]
impl Networks for Door {
    async fn default_subnets(&self) -> Result<Vec<Subnet>> {
        let filters = vec![Filter::new("default-for-az", ["true"])];
        let mut subnets = self.subnets_by(DescribeById { filters, ..DescribeById::default() }).await?;
        subnets.sort_by(|one, other| one.zone.cmp(&other.zone));
        Ok(subnets)
    }

    async fn subnets(&self, ids: &[String]) -> Result<Vec<Subnet>> {
        let mut subnets = self.subnets_by(DescribeById { ids: ids.to_vec(), ..DescribeById::default() }).await?;
        subnets.sort_by_key(|subnet| ids.iter().position(|id| *id == subnet.id));
        Ok(subnets)
    }

    async fn security_groups(&self, ids: &[String]) -> Result<Vec<SecurityGroup>> {
        let request = DescribeSecurityGroups { group_ids: ids.to_vec(), ..DescribeSecurityGroups::default() };
        let listing = reply!(self.ec2("ec2:DescribeSecurityGroups", Request::DescribeSecurityGroups(request)).await?, Groups);
        Ok(listing.items.into_iter().map(|group| SecurityGroup { id: group.id, vpc_id: group.vpc_id }).collect())
    }

    async fn groups_tagged(&self, vpc_id: &str, tags: &Tags) -> Result<Vec<TaggedGroup>> {
        self.groups_by(filters(tags).into_iter().chain([Filter::new("vpc-id", [vpc_id])]).collect()).await
    }

    async fn ways_out(&self, vpc_id: &str) -> Result<WaysOut> {
        let of_network = || DescribeById { filters: vec![Filter::new("vpc-id", [vpc_id])], ..DescribeById::default() };
        let tables = reply!(self.ec2("ec2:DescribeRouteTables", Request::DescribeRouteTables(of_network())).await?, RouteTables);
        let endpoints = reply!(self.ec2("ec2:DescribeVpcEndpoints", Request::DescribeVpcEndpoints(of_network())).await?, VpcEndpoints);
        Ok(WaysOut {
            route_tables: tables.items.iter().map(route_table).collect(),
            endpoints: endpoints.items.iter().filter_map(endpoint).collect(),
        })
    }
}

fn route_table(table: &model::RouteTable) -> RouteTable {
    let everywhere = |route: &&model::Route| route.destination == RouteDestination::Ipv4("0.0.0.0/0".to_owned()) && !route.blackhole;
    let default_route = match table.routes.iter().find(everywhere).map(|route| &route.target) {
        None | Some(RouteTarget::Local | RouteTarget::VpcEndpoint(_)) => DefaultRoute::None,
        Some(RouteTarget::InternetGateway(_)) => DefaultRoute::Internet,
        Some(RouteTarget::NatGateway(_)) => DefaultRoute::Through,
    };
    let subnets = table.associations.iter().filter_map(|association| association.subnet_id.clone()).collect();
    RouteTable { id: table.id.clone(), is_main: table.is_main(), subnets, default_route }
}

fn endpoint(endpoint: &model::VpcEndpoint) -> Option<Endpoint> {
    let kind = match endpoint.endpoint_type.as_str() {
        "Gateway" => EndpointKind::Gateway,
        "Interface" if endpoint.private_dns_enabled => EndpointKind::Interface,
        _ => return None,
    };
    let service = endpoint.service_name.rsplit('.').next()?.to_owned();
    (endpoint.state == Some(LinkState::Available)).then(|| Endpoint { service, kind, route_tables: endpoint.route_table_ids.clone() })
}
