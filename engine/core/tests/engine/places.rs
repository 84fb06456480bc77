//! Where instances are: networks of one's own, how they lie to each other, and their disks.

use sandbox_cloud::request::{
    AssociateRouteTable, CreateRoute, CreateRouteTable, CreateSecurityGroup, CreateSubnet, CreateTagged, CreateVpc, CreateVpcEndpoint,
    DescribeById, GatewayAttachment, ImportKeyPair, ModifyVpcAttribute,
};
use sandbox_cloud::{Reply, Request};
use serde_json::{Value as Json, json};
use spawn_core::operation::Operation;
use spawn_model::error::{Class, Error};
use spawn_model::network::NetworkSpec;
use spawn_model::rules::read_spec;
use spawn_model::spec::{FleetKind, FleetSpec};
use spawn_model::stopping::OnEnd;

use crate::simulated::{REGION, World, run};
use crate::stopping::ending;
use crate::{launch, warm};

/// A job array with some more fields.
pub(crate) fn with(size: u32, fields: Json) -> FleetSpec {
    let mut value = json!({ "name": "tiles", "size": size, "instance_types": ["c7i.large", "c7a.large"], "command": ["./render"] });
    for (field, content) in fields.as_object().unwrap() {
        value[field] = content.clone();
    }
    let (spec, problems) = read_spec(FleetKind::JobArray, &value.into());
    assert_eq!(problems, []);
    spec.unwrap()
}

/// What EC2 answers, asked for by an administrator.
fn ec2(world: &World, request: Request) -> Reply {
    let now = world.now();
    world.state().cloud.call(now, REGION, request).unwrap()
}

/// A network of one's own: its id, and a subnet in each of two zones.
fn network(world: &World) -> (String, [String; 2]) {
    let vpc = CreateVpc { cidr_block: "10.0.0.0/16".to_owned(), ..CreateVpc::default() };
    let Reply::Vpc(vpc) = ec2(world, Request::CreateVpc(vpc)) else { panic!("no network") };
    let vpc_id = vpc.id.clone();
    ec2(world, Request::ModifyVpcAttribute(ModifyVpcAttribute { vpc_id, dns_support: None, dns_hostnames: Some(true) }));
    let subnet = |block: &str, zone: &str| {
        let availability_zone = Some(zone.to_owned());
        let request = CreateSubnet { vpc_id: vpc.id.clone(), cidr_block: block.to_owned(), availability_zone, ..CreateSubnet::default() };
        let Reply::Subnet(subnet) = ec2(world, Request::CreateSubnet(request)) else { panic!("no subnet") };
        subnet.id
    };
    let subnets = [subnet("10.0.1.0/24", "us-east-1b"), subnet("10.0.0.0/24", "us-east-1a")];
    (vpc.id, subnets)
}

fn endpoint(world: &World, vpc_id: &str, service: &str, endpoint: CreateVpcEndpoint) {
    let service_name = format!("com.amazonaws.{REGION}.{service}");
    ec2(world, Request::CreateVpcEndpoint(CreateVpcEndpoint { vpc_id: vpc_id.to_owned(), service_name, ..endpoint }));
}

/// Endpoints for all that an instance needs, by the main table.
async fn endpoints(world: &World, vpc_id: &str, subnets: &[String; 2]) {
    let Reply::RouteTables(tables) = ec2(world, Request::DescribeRouteTables(DescribeById::default())) else { panic!("no tables") };
    let main = tables.items.into_iter().find(|table| table.vpc_id == vpc_id).unwrap();
    endpoint(world, vpc_id, "s3", CreateVpcEndpoint { route_table_ids: vec![main.id], ..CreateVpcEndpoint::default() });
    let interface = CreateVpcEndpoint {
        endpoint_type: Some("Interface".to_owned()),
        subnet_ids: subnets.to_vec(),
        private_dns_enabled: Some(true),
        ..CreateVpcEndpoint::default()
    };
    endpoint(world, vpc_id, "logs", interface);
    // They take some minutes to be there.
    world.pass(600).await;
}

fn group(world: &World, vpc_id: &str) -> String {
    let request = CreateSecurityGroup {
        group_name: format!("ssh of {vpc_id}"),
        description: "lets people in".to_owned(),
        vpc_id: Some(vpc_id.to_owned()),
        tag_specifications: Vec::new(),
    };
    let Reply::GroupCreated(group) = ec2(world, Request::CreateSecurityGroup(request)) else { panic!("no group") };
    group.id
}

async fn refused(world: &World, spec: &FleetSpec, at: &str) -> Error {
    let before = world.view();
    let planned = world.engine().plan(FleetKind::JobArray, spec).await.unwrap_err();
    let error = launch(&world.process(), spec).await.err().unwrap();
    assert_eq!((error.code.as_str(), error.message.as_str()), (planned.code.as_str(), planned.message.as_str()), "plan and launch agree");
    assert_eq!((error.class, error.path.to_string().as_str()), (Class::Invalid, at), "{error}");
    assert_eq!(world.view().against(&before), "", "nothing was made");
    error
}

#[test]
fn a_network_of_ones_own_is_used_in_the_order_it_is_written() {
    run(async {
        let world = warm().await;
        let (vpc_id, subnets) = network(&world);
        endpoints(&world, &vpc_id, &subnets).await;
        let own = group(&world, &vpc_id);
        let spec = with(2, json!({ "network": { "subnets": subnets, "security_groups": [own] } }));
        let record = launch(&world.process(), &spec).await.unwrap().record;
        world.pass(30).await;
        let asked = world.state().launch_of(&record.run).unwrap();
        assert_eq!((&asked.subnet_id, asked.public_address), (&subnets[0], None));
        assert_eq!(asked.group_ids[1..], [own]);
        let fleet = world.engine().find("tiles").await.unwrap();
        assert!(fleet.members.iter().all(|member| member.zone == "us-east-1b" && member.private_ip.starts_with("10.0.1.")), "{fleet:?}");
        world.engine().end(&record.fleet, jiff::SignedDuration::from_mins(5), &Operation::quiet()).await.unwrap();
        world.assert_lawful();
    });
}

/// Only EC2 can hibernate a machine, which therefore has to reach it.
#[test]
fn what_hibernates_has_a_way_to_ec2() {
    run(async {
        let world = warm().await;
        let (vpc_id, subnets) = network(&world);
        endpoints(&world, &vpc_id, &subnets).await;
        let within = |end: OnEnd| {
            let spec = ending(end, 60);
            FleetSpec { network: NetworkSpec { subnets: subnets.to_vec(), ..spec.network.clone() }, ..spec }
        };
        let engine = world.engine();
        engine.plan(FleetKind::Instance, &within(OnEnd::Stop)).await.unwrap();
        let error = engine.plan(FleetKind::Instance, &within(OnEnd::Hibernate)).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.path.to_string().as_str()), ("NoRoute", "network.subnets"));
        insta::assert_snapshot!("no_route_to_ec2", error.to_string());
    });
}

#[test]
fn a_subnet_without_a_way_out_is_refused_with_the_way_to_make_one() {
    run(async {
        let world = warm().await;
        let (vpc_id, subnets) = network(&world);
        let spec = |public: Json| with(1, json!({ "network": { "subnets": subnets, "public_address": public } }));
        let mut told = vec![refused(&world, &spec(Json::Null), "network.subnets").await.to_string()];
        // A public address is of no use without a route to the internet.
        refused(&world, &spec(json!(true)), "network.subnets").await;
        endpoints(&world, &vpc_id, &subnets).await;
        launch(&world.process(), &spec(Json::Null)).await.unwrap();

        // A table of its own, which the gateway endpoint is not in.
        let table = CreateRouteTable { vpc_id: vpc_id.clone(), ..CreateRouteTable::default() };
        let Reply::RouteTable(table) = ec2(&world, Request::CreateRouteTable(table)) else { panic!("no table") };
        let association = AssociateRouteTable { route_table_id: table.id.clone(), subnet_id: subnets[1].clone() };
        ec2(&world, Request::AssociateRouteTable(association));
        let other = FleetSpec { name: "other".to_owned(), ..spec(Json::Null) };
        told.push(refused(&world, &other, "network.subnets").await.to_string());
        insta::assert_snapshot!("no_route", told.join("\n"));

        let gateway = ec2(&world, Request::CreateInternetGateway(CreateTagged::default()));
        let Reply::InternetGateway(gateway) = gateway else { panic!("no gateway") };
        let attachment = GatewayAttachment { internet_gateway_id: gateway.id.clone(), vpc_id };
        ec2(&world, Request::AttachInternetGateway(attachment));
        let route = CreateRoute {
            route_table_id: table.id,
            destination_cidr_block: "0.0.0.0/0".to_owned(),
            gateway_id: Some(gateway.id),
            nat_gateway_id: None,
        };
        ec2(&world, Request::CreateRoute(route));
        refused(&world, &other, "network.subnets").await;
        let public =
            FleetSpec { name: "other".to_owned(), ..with(1, json!({ "network": { "subnets": [subnets[1]], "public_address": true } })) };
        let record = launch(&world.process(), &public).await.unwrap().record;
        assert_eq!(world.state().launch_of(&record.run).unwrap().public_address, Some(true));
        world.assert_lawful();
    });
}

#[test]
fn what_is_named_must_be_there_and_in_one_network() {
    run(async {
        let world = warm().await;
        let (vpc_id, subnets) = network(&world);
        endpoints(&world, &vpc_id, &subnets).await;
        let theirs = group(&world, &vpc_id);
        let usual = world.process().aws().networks.default_subnets().await.unwrap().remove(0);
        let mut told = Vec::new();
        for (fields, at) in [
            (json!({ "network": { "subnets": ["subnet-0123456789abcdef0"] } }), "network.subnets"),
            (json!({ "network": { "subnets": [subnets[0], usual.id] } }), "network.subnets"),
            (json!({ "network": { "security_groups": ["sg-0123456789abcdef0"] } }), "network.security_groups"),
            (json!({ "network": { "security_groups": [theirs] } }), "network.security_groups"),
            (json!({ "ssh_key": "nobody's" }), "ssh_key"),
        ] {
            told.push(refused(&world, &with(1, fields), at).await.to_string());
        }
        let told = told.join("\n");
        let told =
            [(&vpc_id, "VPC"), (&usual.vpc_id, "DEFAULT-VPC"), (&subnets[0], "SUBNET"), (&usual.id, "DEFAULT-SUBNET"), (&theirs, "GROUP")]
                .iter()
                .fold(told, |told, (id, name)| told.replace(id.as_str(), name));
        insta::assert_snapshot!("not_there", told);
    });
}

#[test]
fn the_owner_of_a_key_may_log_in() {
    run(async {
        let world = warm().await;
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ada";
        let import = ImportKeyPair { key_name: "ada".to_owned(), public_key_material: key.into(), tag_specifications: Vec::new() };
        ec2(&world, Request::ImportKeyPair(import));
        let record = launch(&world.process(), &with(1, json!({ "ssh_key": "ada" }))).await.unwrap().record;
        assert_eq!(world.state().launch_of(&record.run).unwrap().key_name.as_deref(), Some("ada"));
    });
}

#[test]
fn disks_are_as_they_are_asked_for() {
    run(async {
        let world = warm().await;
        let spec = with(
            2,
            json!({
                "root_volume": { "size_gib": 30 },
                "volumes": { "/dev/sdf": { "size_gib": 100, "type": "io2", "iops": 4000 }, "/dev/sdg": { "size_gib": 200, "type": "st1" } },
            }),
        );
        let record = launch(&world.process(), &spec).await.unwrap().record;
        world.pass(30).await;
        let seen = world.view();
        for kind in ["gp3 30 GiB", "io2 100 GiB Some(4000)", "st1 200 GiB"] {
            assert_eq!(seen.count(&format!("volume {kind}")), 2, "{kind} in {seen}");
        }
        world.engine().end(&record.fleet, jiff::SignedDuration::from_mins(5), &Operation::quiet()).await.unwrap();
        assert_eq!(world.view().count("volume"), 0);
    });
}

#[test]
fn a_cluster_is_in_one_zone_and_what_is_spread_in_several() {
    run(async {
        let world = warm().await;
        launch(&world.process(), &with(4, json!({ "placement": "cluster", "gang": true }))).await.unwrap();
        launch(&world.process(), &FleetSpec { name: "apart".to_owned(), ..with(16, json!({ "placement": "spread" })) }).await.unwrap();
        world.pass(60).await;
        let zones = |name: &'static str| {
            let world = world.clone();
            async move {
                let fleet = world.engine().find(name).await.unwrap();
                let mut zones: Vec<String> = fleet.members.into_iter().map(|member| member.zone).collect();
                zones.sort();
                zones
            }
        };
        let (together, apart) = (zones("tiles").await, zones("apart").await);
        assert!(together.iter().all(|zone| *zone == together[0]), "{together:?}");
        let most = apart.chunk_by(|one, other| one == other).map(<[String]>::len).max();
        assert_eq!((apart.len(), most), (16, Some(7)), "{apart:?}");
        assert_eq!(world.view().count("placement group"), 2);
        for name in ["tiles", "apart"] {
            let fleet = world.engine().find(name).await.unwrap().record.fleet;
            world.engine().end(&fleet, jiff::SignedDuration::from_mins(5), &Operation::quiet()).await.unwrap();
        }
        assert_eq!(world.view().count("placement group"), 0);
        world.assert_lawful();
    });
}

#[test]
fn what_no_placement_can_hold_is_refused() {
    run(async {
        let world = warm().await;
        let told = [
            refused(&world, &with(50, json!({ "placement": "spread" })), "placement").await,
            refused(&world, &with(2, json!({ "placement": "cluster", "gang": true, "instance_types": ["t3.micro"] })), "instance_types")
                .await,
        ];
        insta::assert_snapshot!("no_placement", told.map(|error| error.to_string()).join("\n"));
    });
}
