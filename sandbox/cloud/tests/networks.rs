//! Networks: what may be made, what must go first, and what launches into them get.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod world;

use sandbox_cloud::model::{LinkState, RouteTable, Subnet, VpcEndpoint};
use sandbox_cloud::request::{
    AssociateRouteTable, CreateNatGateway, CreateRoute, CreateRouteTable, CreateSecurityGroup, CreateSubnet, CreateTagged, CreateVpc,
    CreateVpcEndpoint, DeleteRoute, DeleteSecurityGroup, DeleteVpcEndpoints, DescribeById, Filter, GatewayAttachment,
    ModifySubnetAttribute, ModifyVpcAttribute, NetworkInterface, OneId, RunInstances,
};
use sandbox_cloud::{ApiError, Reply, Request};
use world::{World, launch};

/// Takes a reply apart, which can only be of the call's own kind.
macro_rules! reply {
    ($answer:expr, $variant:ident) => {
        match $answer {
            Reply::$variant(inner) => inner,
            other => panic!("{other:?}"),
        }
    };
}

fn id(id: &str) -> OneId {
    OneId { id: id.to_owned() }
}

fn vpc(world: &mut World, cidr_block: &str) -> Result<String, ApiError> {
    let request = CreateVpc { cidr_block: cidr_block.to_owned(), ..Default::default() };
    Ok(reply!(world.call(Request::CreateVpc(request))?, Vpc).id)
}

fn subnet(world: &mut World, vpc_id: &str, cidr_block: &str) -> Result<Subnet, ApiError> {
    let request = CreateSubnet { vpc_id: vpc_id.to_owned(), cidr_block: cidr_block.to_owned(), ..Default::default() };
    Ok(reply!(world.call(Request::CreateSubnet(request))?, Subnet))
}

fn group(world: &mut World, vpc_id: &str) -> String {
    let vpc_id = Some(vpc_id.to_owned());
    let request = CreateSecurityGroup { group_name: "g".into(), description: "d".into(), vpc_id, ..Default::default() };
    reply!(world.call(Request::CreateSecurityGroup(request)).unwrap(), GroupCreated).id
}

fn gateway(world: &mut World, vpc_id: &str) -> String {
    let gateway = reply!(world.call(Request::CreateInternetGateway(CreateTagged::default())).unwrap(), InternetGateway);
    world.call(Request::AttachInternetGateway(attachment(&gateway.id, vpc_id))).unwrap();
    gateway.id
}

fn attachment(gateway: &str, vpc_id: &str) -> GatewayAttachment {
    GatewayAttachment { internet_gateway_id: gateway.to_owned(), vpc_id: vpc_id.to_owned() }
}

fn tables(world: &mut World, filters: Vec<Filter>) -> Vec<RouteTable> {
    reply!(world.call(Request::DescribeRouteTables(DescribeById { filters, ..Default::default() })).unwrap(), RouteTables).items
}

fn endpoint(vpc_id: &str, service: &str) -> CreateVpcEndpoint {
    CreateVpcEndpoint { vpc_id: vpc_id.to_owned(), service_name: format!("com.amazonaws.us-east-1.{service}"), ..Default::default() }
}

fn make_endpoint(world: &mut World, request: CreateVpcEndpoint) -> Result<VpcEndpoint, ApiError> {
    Ok(reply!(world.call(Request::CreateVpcEndpoint(request))?, VpcEndpoint))
}

#[test]
fn blocks_of_networks_and_subnets() {
    let mut world = World::default();
    for (block, code) in [("10.0.0.0/15", "InvalidVpc.Range"), ("10.0.0.0/29", "InvalidVpc.Range"), ("10.0.0.0", "InvalidParameterValue")] {
        assert_eq!(vpc(&mut world, block).unwrap_err().code, code, "{block}");
    }
    let vpc = vpc(&mut world, "10.0.7.0/16").unwrap();
    let first = subnet(&mut world, &vpc, "10.0.1.9/24").unwrap();
    assert_eq!((first.cidr_block.as_str(), first.available_ip_address_count), ("10.0.1.0/24", 251));
    for (block, code) in [
        ("10.0.1.128/25", "InvalidSubnet.Conflict"),
        ("10.0.0.0/16", "InvalidSubnet.Conflict"),
        ("10.1.0.0/24", "InvalidSubnet.Range"),
        ("10.0.2.0/29", "InvalidSubnet.Range"),
        ("x", "InvalidParameterValue"),
    ] {
        assert_eq!(subnet(&mut world, &vpc, block).unwrap_err().code, code, "{block}");
    }
    assert_eq!(subnet(&mut world, "vpc-0", "10.0.0.0/24").unwrap_err().code, "InvalidVpcID.NotFound");
}

/// A small subnet of a network of one's own: no public addresses, its own groups, and soon no room.
#[test]
fn a_launch_into_a_small_subnet() {
    let mut world = World::default();
    let vpc = vpc(&mut world, "10.0.0.0/16").unwrap();
    let subnet = subnet(&mut world, &vpc, "10.0.0.0/28").unwrap().id;
    let into = |count| RunInstances { subnet_id: Some(subnet.clone()), ..launch(1, count) };
    let ids = world.run(into(4));
    world.wait(2_000);
    for id in &ids {
        let machine = world.cloud.machine(id).unwrap();
        assert_eq!((machine.vpc_id.as_str(), machine.vpc_cidr.as_str(), machine.public_ip.as_deref()), (vpc.as_str(), "10.0.0.0/16", None));
        assert_eq!(machine.security_groups, ["default"]);
        assert!(machine.private_ip.starts_with("10.0.0."));
    }
    let asked = NetworkInterface {
        device_index: Some(0),
        subnet_id: Some(subnet.clone()),
        associate_public_ip_address: Some(true),
        ..Default::default()
    };
    let public = world.run(RunInstances { network_interfaces: vec![asked], ..launch(1, 1) });
    world.wait(2_000);
    let machine = world.cloud.machine(&public[0]).unwrap();
    assert!(machine.public_ip.is_some() && machine.public_dns_name.is_none(), "a network without public names gives none");
    world.call(Request::ModifyVpcAttribute(ModifyVpcAttribute { vpc_id: vpc, dns_hostnames: Some(true), dns_support: None })).unwrap();
    let modify = ModifySubnetAttribute { subnet_id: subnet.clone(), map_public_ip_on_launch: true };
    world.call(Request::ModifySubnetAttribute(modify)).unwrap();
    let named = world.run(into(1));
    world.wait(2_000);
    assert!(world.cloud.machine(&named[0]).unwrap().public_dns_name.is_some());
    assert_eq!(world.run(into(9)).len(), 5, "eleven addresses, six of them taken");
    let full = world.try_run(into(1)).unwrap_err();
    assert_eq!(full.code, "InsufficientFreeAddressesInSubnet");
    world.change(Request::TerminateInstances, &ids).unwrap();
    world.wait(1_000);
    assert_eq!(world.run(into(9)).len(), 4, "what ends gives its address back");
}

#[test]
fn groups_belong_to_networks() {
    let mut world = World::default();
    let vpc = vpc(&mut world, "10.0.0.0/16").unwrap();
    let subnet = subnet(&mut world, &vpc, "10.0.0.0/24").unwrap().id;
    let group = group(&mut world, &vpc);
    let error = world.try_run(RunInstances { security_group_ids: vec![group.clone()], ..launch(1, 1) }).unwrap_err();
    assert_eq!(error.code, "InvalidParameter");
    assert!(error.message.starts_with(&format!("Security group {group} and subnet subnet-")), "{}", error.message);
    assert!(error.message.ends_with("belong to different networks."), "{}", error.message);
    let into = RunInstances { subnet_id: Some(subnet), ..launch(1, 1) };
    let by_name = RunInstances { security_groups: vec!["default".into()], ..into.clone() };
    assert_eq!(world.try_run(by_name).unwrap_err().code, "InvalidParameterCombination");
    let ids = world.run(RunInstances { security_group_ids: vec![group.clone()], ..into });
    assert_eq!(world.instance(&ids[0]).groups[0].id, group);
}

#[test]
fn what_is_used_cannot_be_deleted() {
    let mut world = World::default();
    let before = world.cloud.snapshot();
    let vpc = vpc(&mut world, "10.0.0.0/16").unwrap();
    let subnet = subnet(&mut world, &vpc, "10.0.0.0/24").unwrap().id;
    let group = group(&mut world, &vpc);
    let gateway = gateway(&mut world, &vpc);
    let ids = world.run(RunInstances {
        network_interfaces: vec![NetworkInterface {
            device_index: Some(0),
            subnet_id: Some(subnet.clone()),
            associate_public_ip_address: Some(true),
            groups: vec![group.clone()],
            ..Default::default()
        }],
        ..launch(1, 1)
    });
    world.wait(2_000);
    let refused = |world: &mut World, request: Request| {
        let name = request.operation();
        assert_eq!(world.call(request).expect_err(name).code, "DependencyViolation", "{name}");
    };
    refused(&mut world, Request::DeleteVpc(id(&vpc)));
    refused(&mut world, Request::DeleteSubnet(id(&subnet)));
    refused(&mut world, Request::DetachInternetGateway(attachment(&gateway, &vpc)));
    refused(&mut world, Request::DeleteInternetGateway(id(&gateway)));
    let group = DeleteSecurityGroup { group_id: Some(group), group_name: None };
    refused(&mut world, Request::DeleteSecurityGroup(group.clone()));
    world.change(Request::TerminateInstances, &ids).unwrap();
    world.wait(1_000);
    world.call(Request::DeleteSecurityGroup(group)).unwrap();
    world.call(Request::DeleteSubnet(id(&subnet))).unwrap();
    refused(&mut world, Request::DeleteVpc(id(&vpc)));
    world.call(Request::DetachInternetGateway(attachment(&gateway, &vpc))).unwrap();
    world.call(Request::DeleteInternetGateway(id(&gateway))).unwrap();
    world.call(Request::DeleteVpc(id(&vpc))).unwrap();
    assert_eq!(world.cloud.snapshot(), before, "what a network came with goes with it");
}

#[test]
fn routes() {
    let mut world = World::default();
    let vpc = vpc(&mut world, "10.0.0.0/16").unwrap();
    let other = subnet(&mut world, &vpc, "10.0.0.0/24").unwrap().id;
    let foreign =
        tables(&mut world, vec![]).into_iter().find(|t| t.vpc_id != vpc).unwrap().routes[1].target.gateway_id().unwrap().to_owned();
    let request = CreateRouteTable { vpc_id: vpc.clone(), ..Default::default() };
    let table = reply!(world.call(Request::CreateRouteTable(request)).unwrap(), RouteTable).id;
    let gateway = gateway(&mut world, &vpc);
    let to = |block: &str, gateway: &str| {
        let (route_table_id, destination_cidr_block, gateway_id) = (table.clone(), block.to_owned(), Some(gateway.to_owned()));
        Request::CreateRoute(CreateRoute { route_table_id, destination_cidr_block, gateway_id, nat_gateway_id: None })
    };
    world.call(to("0.0.0.0/0", &gateway)).unwrap();
    for (request, code) in [
        (to("0.0.0.0/0", &gateway), "RouteAlreadyExists"),
        (to("10.0.0.0/16", &gateway), "RouteAlreadyExists"),
        (to("nowhere", &gateway), "InvalidParameterValue"),
        (to("1.0.0.0/8", "igw-0"), "InvalidInternetGatewayID.NotFound"),
        (to("1.0.0.0/8", &foreign), "InvalidParameterValue"),
    ] {
        assert_eq!(world.call(request).unwrap_err().code, code);
    }
    let associate = Request::AssociateRouteTable(AssociateRouteTable { route_table_id: table.clone(), subnet_id: other.clone() });
    let association = reply!(world.call(associate.clone()).unwrap(), RouteTableAssociated);
    assert_eq!(reply!(world.call(associate).unwrap(), RouteTableAssociated), association, "twice is once");
    let main = tables(&mut world, vec![Filter::new("association.main", ["true"]), Filter::new("vpc-id", [&vpc])]).remove(0);
    let steal = Request::AssociateRouteTable(AssociateRouteTable { route_table_id: main.id.clone(), subnet_id: other });
    assert_eq!(world.call(steal).unwrap_err().code, "Resource.AlreadyAssociated");
    assert_eq!(world.call(Request::DisassociateRouteTable(id(&main.associations[0].id))).unwrap_err().code, "InvalidParameterValue");
    world.call(Request::DetachInternetGateway(attachment(&gateway, &vpc))).unwrap();
    let lost = tables(&mut world, vec![Filter::new("route.state", ["blackhole"])]);
    assert_eq!(lost.iter().map(|t| &t.id).collect::<Vec<_>>(), [&table], "a gateway that was detached leads nowhere");
    let delete =
        |block: &str| Request::DeleteRoute(DeleteRoute { route_table_id: table.clone(), destination_cidr_block: block.to_owned() });
    assert_eq!(world.call(delete("10.0.0.0/16")).unwrap_err().code, "InvalidParameterValue", "the local route stays");
    world.call(delete("0.0.0.0/0")).unwrap();
    assert_eq!(world.call(delete("0.0.0.0/0")).unwrap_err().code, "InvalidRoute.NotFound");
}

#[test]
fn nat_gateways_take_their_time() {
    let mut world = World::default();
    let before = world.cloud.snapshot();
    let vpc = vpc(&mut world, "10.0.0.0/16").unwrap();
    let subnet = subnet(&mut world, &vpc, "10.0.0.0/24").unwrap().id;
    let address = reply!(world.call(Request::AllocateAddress(CreateTagged::default())).unwrap(), AddressAllocated).allocation_id;
    let request = CreateNatGateway { subnet_id: subnet.clone(), allocation_id: Some(address.clone()), ..Default::default() };
    assert_eq!(world.call(Request::CreateNatGateway(request.clone())).unwrap_err().code, "Gateway.NotAttached");
    let internet = gateway(&mut world, &vpc);
    let gateway = reply!(world.call(Request::CreateNatGateway(request.clone())).unwrap(), NatGateway);
    assert_eq!(world.call(Request::CreateNatGateway(request)).unwrap_err().code, "Resource.AlreadyAssociated");
    let state = |world: &mut World| {
        let found = reply!(world.call(Request::DescribeNatGateways(DescribeById::default())).unwrap(), NatGateways);
        found.items.first().and_then(|n| n.state)
    };
    assert_eq!((gateway.state, state(&mut world)), (Some(LinkState::Pending), Some(LinkState::Pending)));
    world.wait(2_000);
    assert_eq!(state(&mut world), Some(LinkState::Available));
    world.call(Request::DeleteNatGateway(id(&gateway.id))).unwrap();
    assert_eq!(state(&mut world), Some(LinkState::Deleting));
    assert_eq!(world.call(Request::ReleaseAddress(id(&address))).unwrap_err().code, "InvalidIPAddress.InUse");
    assert_eq!(world.call(Request::DeleteSubnet(id(&subnet))).unwrap_err().code, "DependencyViolation");
    world.wait(1_000);
    assert_eq!(state(&mut world), Some(LinkState::Deleted));
    world.call(Request::ReleaseAddress(id(&address))).unwrap();
    world.call(Request::DeleteSubnet(id(&subnet))).unwrap();
    world.call(Request::DetachInternetGateway(attachment(&internet, &vpc))).unwrap();
    world.call(Request::DeleteInternetGateway(id(&internet))).unwrap();
    world.call(Request::DeleteVpc(id(&vpc))).unwrap();
    assert_eq!(world.cloud.snapshot(), before);
    world.wait(3_600_000);
    assert_eq!(state(&mut world), None, "no longer listed");
}

#[test]
fn endpoints() {
    let mut world = World::default();
    let vpc = vpc(&mut world, "10.0.0.0/16").unwrap();
    let (a, b) = (subnet(&mut world, &vpc, "10.0.0.0/28").unwrap().id, subnet(&mut world, &vpc, "10.0.1.0/28").unwrap().id);
    let main = tables(&mut world, vec![Filter::new("vpc-id", [&vpc])]).remove(0).id;
    let s3 = CreateVpcEndpoint { route_table_ids: vec![main.clone()], ..endpoint(&vpc, "s3") };
    let interface = |service: &str, subnets: &[&String]| CreateVpcEndpoint {
        endpoint_type: Some("Interface".into()),
        subnet_ids: subnets.iter().map(|s| (*s).clone()).collect(),
        private_dns_enabled: Some(false),
        ..endpoint(&vpc, service)
    };
    let gateway = make_endpoint(&mut world, s3.clone()).unwrap();
    assert_eq!(gateway.state, Some(LinkState::Available));
    let private_dns = |request: CreateVpcEndpoint| CreateVpcEndpoint { private_dns_enabled: None, ..request };
    for (request, code) in [
        (s3, "RouteAlreadyExists"),
        (endpoint(&vpc, "ssm"), "InvalidParameter"),
        (endpoint(&vpc, "tea"), "InvalidServiceName"),
        (CreateVpcEndpoint { subnet_ids: vec![a.clone()], ..endpoint(&vpc, "dynamodb") }, "InvalidParameter"),
        (interface("ssm", &[&a, &b]), "DuplicateSubnetsInSameZone"),
        (private_dns(interface("ssm", &[&a])), "InvalidParameter"),
        (interface("ssm", &[&"subnet-0".to_owned()]), "InvalidSubnetID.NotFound"),
    ] {
        let name = format!("{request:?}");
        assert_eq!(make_endpoint(&mut world, request).expect_err(&name).code, code, "{name}");
    }
    world
        .call(Request::ModifyVpcAttribute(ModifyVpcAttribute { vpc_id: vpc.clone(), dns_hostnames: Some(true), dns_support: None }))
        .unwrap();
    let ssm = make_endpoint(&mut world, private_dns(interface("ssm", &[&a]))).unwrap();
    assert_eq!((ssm.state, ssm.private_dns_enabled, ssm.interfaces.len()), (Some(LinkState::Pending), true, 1));
    let twice = make_endpoint(&mut world, private_dns(interface("ssm", &[&a]))).unwrap_err();
    assert!(twice.message.contains("conflicting DNS domain for ssm.us-east-1.amazonaws.com"), "{}", twice.message);
    let delete = DeleteVpcEndpoints { vpc_endpoint_ids: vec!["vpce-0".into(), gateway.id, ssm.id] };
    let unsuccessful = reply!(world.call(Request::DeleteVpcEndpoints(delete)).unwrap(), VpcEndpointsDeleted);
    assert_eq!(unsuccessful.iter().map(|u| u.resource_id.as_str()).collect::<Vec<_>>(), ["vpce-0"]);
    assert_eq!(tables(&mut world, vec![Filter::new("vpc-id", [&vpc])])[0].routes.len(), 1, "its route has gone with it");
    assert_eq!(world.call(Request::DeleteSubnet(id(&a))).unwrap_err().code, "DependencyViolation");
    world.wait(1_000);
    world.call(Request::DeleteSubnet(id(&a))).unwrap();
    world.call(Request::DeleteSubnet(id(&b))).unwrap();
    world.call(Request::DeleteVpc(id(&vpc))).unwrap();
}

/// An account whose default network somebody has deleted, as careful people do.
#[test]
fn without_a_default_network() {
    let mut world = World::default();
    let subnets = reply!(world.call(Request::DescribeSubnets(DescribeById::default())).unwrap(), Subnets).items;
    let vpc = subnets[0].vpc_id.clone();
    world.call(Request::DeleteSubnet(id(&subnets[0].id))).unwrap();
    let zone = subnets[0].availability_zone.clone();
    let placement = sandbox_cloud::request::Placement { availability_zone: Some(zone), ..Default::default() };
    assert_eq!(world.try_run(RunInstances { placement, ..launch(1, 1) }).unwrap_err().code, "MissingInput");
    for subnet in &subnets[1..] {
        world.call(Request::DeleteSubnet(id(&subnet.id))).unwrap();
    }
    assert_eq!(world.try_run(launch(1, 1)).unwrap_err().code, "MissingInput");
    let gateways = reply!(world.call(Request::DescribeInternetGateways(DescribeById::default())).unwrap(), InternetGateways).items;
    world.call(Request::DetachInternetGateway(attachment(&gateways[0].id, &vpc))).unwrap();
    world.call(Request::DeleteVpc(id(&vpc))).unwrap();
    assert_eq!(world.try_run(launch(1, 1)).unwrap_err().code, "VPCIdNotSpecified");
    let group = CreateSecurityGroup { group_name: "g".into(), description: "d".into(), ..Default::default() };
    assert_eq!(world.call(Request::CreateSecurityGroup(group)).unwrap_err().code, "VPCIdNotSpecified");
}
