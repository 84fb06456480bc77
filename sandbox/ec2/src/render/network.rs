//! Networks.

use sandbox_cloud::model::{
    InternetGateway, LinkState, NatGateway, Route, RouteDestination, RouteTable, RouteTarget, Subnet, Vpc, VpcEndpoint, format_time,
};
use sandbox_cloud::reply::{Address, Unsuccessful, VpcAttribute};

use super::tags;
use crate::xml::Xml;

pub(super) fn vpc(xml: &mut Xml, vpc: &Vpc) {
    xml.leaf("vpcId", &vpc.id);
    xml.leaf("ownerId", &vpc.owner_id);
    xml.leaf("state", "available");
    xml.leaf("cidrBlock", &vpc.cidr_block);
    xml.list("cidrBlockAssociationSet", [vpc], |xml, vpc| {
        xml.leaf("associationId", &vpc.cidr_association_id);
        xml.leaf("cidrBlock", &vpc.cidr_block);
        xml.element("cidrBlockState", |xml| xml.leaf("state", "associated"));
    });
    xml.leaf("dhcpOptionsId", &vpc.dhcp_options_id);
    xml.leaf("instanceTenancy", "default");
    xml.leaf("isDefault", vpc.is_default);
    tags(xml, &vpc.tags);
}

pub(super) fn vpc_attribute(xml: &mut Xml, attribute: &VpcAttribute) {
    xml.leaf("vpcId", &attribute.vpc_id);
    xml.element(&attribute.name, |xml| xml.leaf("value", attribute.value));
}

pub(super) fn subnet(xml: &mut Xml, s: &Subnet) {
    xml.leaf("subnetId", &s.id);
    xml.leaf("subnetArn", &s.arn);
    xml.leaf("ownerId", s.arn.split(':').nth(4).unwrap_or_default());
    xml.leaf("state", "available");
    xml.leaf("vpcId", &s.vpc_id);
    xml.leaf("cidrBlock", &s.cidr_block);
    xml.leaf("availableIpAddressCount", s.available_ip_address_count);
    xml.leaf("availabilityZone", &s.availability_zone);
    xml.leaf("availabilityZoneId", &s.availability_zone_id);
    xml.leaf("defaultForAz", s.default_for_az);
    xml.leaf("mapPublicIpOnLaunch", s.map_public_ip_on_launch);
    xml.leaf("assignIpv6AddressOnCreation", false);
    xml.list("ipv6CidrBlockAssociationSet", std::iter::empty::<()>(), |_, ()| {});
    tags(xml, &s.tags);
}

pub(super) fn internet_gateway(xml: &mut Xml, gateway: &InternetGateway) {
    xml.leaf("internetGatewayId", &gateway.id);
    xml.leaf("ownerId", &gateway.owner_id);
    xml.list("attachmentSet", &gateway.vpc_id, |xml, vpc_id| {
        xml.leaf("vpcId", vpc_id);
        xml.leaf("state", "available");
    });
    tags(xml, &gateway.tags);
}

pub(super) fn route_table(xml: &mut Xml, table: &RouteTable) {
    xml.leaf("routeTableId", &table.id);
    xml.leaf("vpcId", &table.vpc_id);
    xml.leaf("ownerId", &table.owner_id);
    xml.list("routeSet", &table.routes, route);
    xml.list("associationSet", &table.associations, |xml, association| {
        xml.leaf("routeTableAssociationId", &association.id);
        xml.leaf("routeTableId", &table.id);
        xml.maybe("subnetId", association.subnet_id.as_ref());
        xml.leaf("main", association.subnet_id.is_none());
        xml.element("associationState", |xml| xml.leaf("state", "associated"));
    });
    xml.list("propagatingVgwSet", std::iter::empty::<()>(), |_, ()| {});
    tags(xml, &table.tags);
}

fn route(xml: &mut Xml, route: &Route) {
    match &route.destination {
        RouteDestination::Ipv4(block) => xml.leaf("destinationCidrBlock", block),
        RouteDestination::PrefixList(id) => xml.leaf("destinationPrefixListId", id),
    }
    xml.maybe("gatewayId", route.target.gateway_id());
    xml.maybe("natGatewayId", route.target.nat_gateway_id());
    xml.leaf("state", if route.blackhole { "blackhole" } else { "active" });
    xml.leaf("origin", if route.target == RouteTarget::Local { "CreateRouteTable" } else { "CreateRoute" });
}

pub(super) fn associated(xml: &mut Xml, association_id: &str) {
    xml.leaf("associationId", association_id);
    xml.element("associationState", |xml| xml.leaf("state", "associated"));
}

pub(super) fn address(xml: &mut Xml, address: &Address) {
    xml.leaf("allocationId", &address.held.allocation_id);
    xml.leaf("publicIp", &address.held.public_ip);
    xml.leaf("domain", "vpc");
    xml.maybe("associationId", address.association_id());
    xml.maybe("networkInterfaceId", address.network_interface_id.as_ref());
    xml.maybe("privateIpAddress", address.private_ip.as_ref());
    tags(xml, &address.held.tags);
}

fn state(xml: &mut Xml, state: Option<LinkState>) {
    xml.maybe("state", state.map(LinkState::name));
}

pub(super) fn nat_gateway(xml: &mut Xml, gateway: &NatGateway) {
    xml.leaf("natGatewayId", &gateway.id);
    xml.leaf("vpcId", &gateway.vpc_id);
    xml.leaf("subnetId", &gateway.subnet_id);
    state(xml, gateway.state);
    xml.leaf("connectivityType", if gateway.address.is_some() { "public" } else { "private" });
    xml.leaf("createTime", format_time(gateway.create_time));
    xml.maybe("deleteTime", gateway.delete_time.map(format_time));
    xml.list("natGatewayAddressSet", [gateway], |xml, gateway| {
        xml.maybe("allocationId", gateway.address.as_ref().map(|a| &a.allocation_id));
        xml.maybe("publicIp", gateway.address.as_ref().map(|a| &a.public_ip));
        xml.leaf("networkInterfaceId", &gateway.network_interface_id);
        xml.leaf("privateIp", &gateway.private_ip);
        xml.leaf("isPrimary", true);
        xml.leaf("status", "succeeded");
    });
    tags(xml, &gateway.tags);
}

/// The policy of an endpoint that was given none: whoever reaches it may do what their own rights allow.
const OPEN: &str = r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;

pub(super) fn endpoint(xml: &mut Xml, endpoint: &VpcEndpoint) {
    xml.leaf("vpcEndpointId", &endpoint.id);
    xml.leaf("vpcEndpointType", &endpoint.endpoint_type);
    xml.leaf("vpcId", &endpoint.vpc_id);
    xml.leaf("serviceName", &endpoint.service_name);
    state(xml, endpoint.state);
    xml.leaf("policyDocument", OPEN);
    xml.texts("routeTableIdSet", &endpoint.route_table_ids);
    xml.texts("subnetIdSet", endpoint.interfaces.iter().map(|n| &n.subnet_id));
    xml.texts("networkInterfaceIdSet", endpoint.interfaces.iter().map(|n| &n.id));
    xml.list("groupSet", &endpoint.groups, |xml, group| {
        xml.leaf("groupId", &group.id);
        xml.leaf("groupName", &group.name);
    });
    xml.leaf("ipAddressType", "ipv4");
    xml.leaf("privateDnsEnabled", endpoint.private_dns_enabled);
    xml.leaf("requesterManaged", false);
    xml.list("dnsEntrySet", std::iter::empty::<()>(), |_, ()| {});
    xml.leaf("creationTimestamp", format_time(endpoint.create_time));
    xml.leaf("ownerId", &endpoint.owner_id);
    tags(xml, &endpoint.tags);
}

pub(super) fn unsuccessful(xml: &mut Xml, item: &Unsuccessful) {
    xml.leaf("resourceId", &item.resource_id);
    xml.element("error", |xml| {
        xml.leaf("code", &item.error.code);
        xml.leaf("message", &item.error.message);
    });
}
