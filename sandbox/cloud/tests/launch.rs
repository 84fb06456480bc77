//! What a launch may ask for, and what it gets.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod world;

use sandbox_cloud::model::{InstanceState, Market, MetadataOptionsRequest, ShutdownBehavior, Tag};
use sandbox_cloud::request::{BlockDevice, NetworkInterface, ProfileSpecification, RunInstances, SpotOptions, TagSpecification};
use sandbox_cloud::{Config, Fault, Request};
use world::{PROFILE, PROFILE_ARN, REGION, World, image, image_for, launch, tagged};

type Edit = fn(&mut RunInstances);

fn tags_of(resource_type: &str, tags: Vec<Tag>) -> Vec<TagSpecification> {
    vec![TagSpecification { resource_type: resource_type.to_owned(), tags }]
}

fn device(name: &str, size: Option<i64>) -> BlockDevice {
    BlockDevice { device_name: name.to_owned(), volume_size: size, ..Default::default() }
}

/// Each launch differs from a good one in one thing, and is refused for that with EC2's code and words.
#[test]
fn refusals() {
    let cases: &[(&str, Edit, &str, &str)] = &[
        ("no image", |r| r.image_id.clear(), "MissingParameter", "ImageId"),
        ("malformed image", |r| r.image_id = "x".into(), "InvalidAMIID.Malformed", "Invalid id: \"x\""),
        (
            "unknown image",
            |r| r.image_id = "ami-00000000000000000".into(),
            "InvalidAMIID.NotFound",
            "The image id '[ami-00000000000000000]' does not exist",
        ),
        ("unknown parameter", |r| r.image_id = "resolve:ssm:/none".into(), "ParameterNotFound", "/none"),
        ("unknown type", |r| r.instance_type = "c9z.huge".into(), "InvalidParameterValue", "Invalid value 'c9z.huge' for InstanceType."),
        (
            "other architecture",
            |r| r.image_id = image_for("arm64"),
            "InvalidParameterValue",
            "The architecture 'x86_64' of the specified instance type does not match the architecture 'arm64'",
        ),
        ("nothing asked", |r| (r.min_count, r.max_count) = (0, 0), "InvalidParameterValue", "minCount"),
        ("more than the most", |r| (r.min_count, r.max_count) = (3, 2), "InvalidParameterValue", "minCount"),
        ("long token", |r| r.client_token = Some("t".repeat(65)), "InvalidParameterValue", "clientToken"),
        ("much user data", |r| r.user_data = Some(vec![b'x'; 16_385]), "InvalidParameterValue", "User data is limited to 16384 bytes"),
        (
            "unknown subnet",
            |r| r.subnet_id = Some("subnet-1".into()),
            "InvalidSubnetID.NotFound",
            "The subnet ID 'subnet-1' does not exist",
        ),
        (
            "unknown group",
            |r| r.security_group_ids = vec!["sg-00000000000000000".into()],
            "InvalidGroup.NotFound",
            "The security group 'sg-00000000000000000' does not exist",
        ),
        ("malformed group", |r| r.security_group_ids = vec!["web".into()], "InvalidGroupId.Malformed", "Invalid id: \"web\""),
        ("unknown group name", |r| r.security_groups = vec!["web".into()], "InvalidGroup.NotFound", "does not exist in default VPC"),
        (
            "unknown zone",
            |r| r.placement.availability_zone = Some("us-east-1z".into()),
            "InvalidParameterValue",
            "Invalid availability zone: [us-east-1z]",
        ),
        (
            "placement group",
            |r| r.placement.group_name = Some("pg".into()),
            "InvalidPlacementGroup.Unknown",
            "The Placement Group 'pg' is unknown.",
        ),
        ("tenancy", |r| r.placement.tenancy = Some("host".into()), "InvalidTenancy", "not simulated"),
        ("unknown key", |r| r.key_name = Some("me".into()), "InvalidKeyPair.NotFound", "The key pair 'me' does not exist"),
        (
            "unknown profile",
            |r| r.iam_instance_profile = Some(ProfileSpecification { name: Some("nobody".into()), arn: None }),
            "InvalidParameterValue",
            "Value (nobody) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name",
        ),
        (
            "unknown profile arn",
            |r| r.iam_instance_profile = Some(ProfileSpecification { arn: Some("arn:x".into()), name: None }),
            "InvalidParameterValue",
            "Value (arn:x) for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN",
        ),
        (
            "reserved tag",
            |r| r.tag_specifications = tags_of("instance", vec![Tag::new("aws:x", "")]),
            "InvalidParameterValue",
            "Tag keys starting with 'aws:' are reserved for internal use",
        ),
        (
            "long tag key",
            |r| r.tag_specifications = tags_of("instance", vec![Tag::new("k".repeat(129), "")]),
            "InvalidParameterValue",
            "128",
        ),
        (
            "long tag value",
            |r| r.tag_specifications = tags_of("volume", vec![Tag::new("k", "v".repeat(257))]),
            "InvalidParameterValue",
            "256",
        ),
        (
            "a tag twice",
            |r| r.tag_specifications = tags_of("instance", vec![Tag::new("k", "1"), Tag::new("k", "2")]),
            "InvalidParameterValue",
            "Duplicate tag key 'k' specified.",
        ),
        (
            "51 tags",
            |r| r.tag_specifications = tags_of("instance", (0..51).map(|n| Tag::new(format!("k{n}"), "")).collect()),
            "TagLimitExceeded",
            "The maximum number of Tags for a resource has been reached.",
        ),
        (
            "tags of a spot request that is none",
            |r| r.tag_specifications = tags_of("spot-instances-request", vec![Tag::new("k", "v")]),
            "InvalidParameterValue",
            "'spot-instances-request' is not a valid taggable resource type",
        ),
        (
            "a tag the metadata service cannot tell",
            |r| {
                r.metadata_options.instance_metadata_tags = Some("enabled".into());
                r.tag_specifications = tags_of("instance", vec![Tag::new("team/name", "")]);
            },
            "InvalidParameterValue",
            "'team/name' is not a valid tag key. Tag keys must match pattern ([0-9a-zA-Z\\-_+=,.@:]{1,255})",
        ),
        (
            "hop limit",
            |r| r.metadata_options.http_put_response_hop_limit = Some(65),
            "InvalidParameterValue",
            "Value must be between 1 and 64",
        ),
        ("tokens", |r| r.metadata_options.http_tokens = Some("maybe".into()), "InvalidParameterValue", "HttpTokens"),
        ("small root", |r| r.block_device_mappings = vec![device("/dev/xvda", Some(4))], "InvalidBlockDeviceMapping", "expect size>= 8GB"),
        ("a disk of no size", |r| r.block_device_mappings = vec![device("/dev/sdf", None)], "MissingParameter", "size or snapshotId"),
        (
            "a disk of no kind",
            |r| r.block_device_mappings = vec![BlockDevice { volume_type: Some("gp9".into()), ..device("/dev/sdf", Some(1)) }],
            "InvalidParameterValue",
            "gp9",
        ),
        (
            "a device twice",
            |r| r.block_device_mappings = vec![device("/dev/sdf", Some(1)), device("/dev/sdf", Some(2))],
            "InvalidBlockDeviceMapping",
            "Duplicate",
        ),
        (
            "interface and subnet",
            |r| {
                r.subnet_id = Some("subnet-1".into());
                r.network_interfaces = vec![NetworkInterface { device_index: Some(0), ..Default::default() }];
            },
            "InvalidParameterCombination",
            "Network interfaces and an instance-level subnet ID may not be specified on the same request",
        ),
        (
            "spot of what has none",
            |r| {
                r.instance_type = "hpc7a.96xlarge".into();
                r.spot = Some(SpotOptions { max_price: None });
            },
            "UnsupportedOperation",
            "does not support Spot",
        ),
        (
            "spot for too little",
            |r| r.spot = Some(SpotOptions { max_price: Some(0.001) }),
            "SpotMaxPriceTooLow",
            "0.001 is lower than the minimum required",
        ),
        (
            "spot for nothing",
            |r| r.spot = Some(SpotOptions { max_price: Some(0.0) }),
            "InvalidParameterValue",
            "Value (0) for parameter price is invalid. \"0\" is an invalid spot instance price",
        ),
        (
            "not offered there",
            |r| {
                r.instance_type = "hpc7a.96xlarge".into();
                r.placement.availability_zone = Some("us-east-1a".into());
            },
            "Unsupported",
            "or choosing us-east-1b.",
        ),
        ("dry run", |r| r.dry_run = true, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."),
    ];
    let mut world = World::default();
    let empty = world.cloud.snapshot();
    for (name, edit, code, words) in cases {
        let mut request = launch(1, 1);
        edit(&mut request);
        let error = world.try_run(request).expect_err(name);
        assert_eq!(error.code, *code, "{name}: {}", error.message);
        assert!(error.message.contains(words), "{name}: {}", error.message);
        assert_eq!(world.cloud.snapshot(), empty, "{name} leaves nothing behind");
    }
}

#[test]
fn statuses_of_refusals() {
    let cases: [(Fault, u16); 1] = [(Fault::no_capacity("c7i.large"), 500)];
    for (fault, status) in cases {
        let mut world = World::default();
        world.cloud.fault(fault);
        assert_eq!(world.try_run(launch(1, 1)).unwrap_err().status, status);
    }
    let mut world = World::default();
    assert_eq!(world.try_run(RunInstances { dry_run: true, ..launch(1, 1) }).unwrap_err().status, 412);
    assert_eq!(world.try_run(RunInstances { key_name: Some("k".into()), ..launch(1, 1) }).unwrap_err().status, 400);
}

#[test]
fn a_launch_gets_what_it_asked_for() {
    let mut world = World::default();
    let subnet = subnet_of(&mut world, "us-east-1b");
    let request = RunInstances {
        client_token: Some("once".into()),
        user_data: Some(b"#!/bin/sh\n".to_vec()),
        iam_instance_profile: Some(ProfileSpecification { arn: None, name: Some(PROFILE.into()) }),
        instance_initiated_shutdown_behavior: Some(ShutdownBehavior::Terminate),
        metadata_options: MetadataOptionsRequest { http_put_response_hop_limit: Some(1), ..Default::default() },
        network_interfaces: vec![NetworkInterface {
            device_index: Some(0),
            subnet_id: Some(subnet.clone()),
            associate_public_ip_address: Some(false),
            ..Default::default()
        }],
        ..tagged(launch(2, 3), &[("team/name", "blue")])
    };
    let ids = world.run(request);
    assert_eq!(ids.len(), 3);
    world.wait(2_000);
    for (index, id) in ids.iter().enumerate() {
        let machine = world.cloud.machine(id).unwrap();
        assert_eq!(machine.ami_launch_index as usize, index);
        assert_eq!(machine.user_data.as_deref(), Some(&b"#!/bin/sh\n"[..]));
        assert_eq!(machine.iam_instance_profile_arn.as_deref(), Some(PROFILE_ARN));
        assert_eq!(machine.shutdown_behavior, ShutdownBehavior::Terminate);
        assert_eq!((machine.region.as_str(), machine.availability_zone.as_str()), (REGION, "us-east-1b"));
        assert_eq!((machine.subnet_id.as_str(), machine.public_ip.as_deref()), (subnet.as_str(), None));
        assert_eq!(machine.metadata_options.hop_limit, 1);
        assert!(machine.metadata_options.tokens_required && !machine.metadata_options.tags_enabled);
        assert_eq!(machine.private_dns_name, format!("ip-{}.ec2.internal", machine.private_ip.replace('.', "-")));
        assert_eq!(machine.security_groups, ["default"]);
        assert_eq!(machine.tags["team/name"], "blue");
        let by_address = world.cloud.machine_at(REGION, &machine.private_ip).map(|m| m.id);
        assert_eq!(by_address.as_ref(), Some(id));
    }
}

fn subnet_of(world: &mut World, zone: &str) -> String {
    let filters = vec![sandbox_cloud::request::Filter::new("availability-zone", [zone])];
    let request = sandbox_cloud::request::DescribeById { filters, ..Default::default() };
    match world.call(Request::DescribeSubnets(request)).unwrap() {
        sandbox_cloud::Reply::Subnets(found) => found.items[0].id.clone(),
        other => panic!("a describe call answers {other:?}"),
    }
}

#[test]
fn the_public_parameter_names_the_image() {
    let mut world = World::default();
    let name = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";
    let ids = world.run(RunInstances { image_id: name.into(), ..launch(1, 1) });
    assert_eq!(world.instance(&ids[0]).image_id, image());
}

#[test]
fn the_same_token_launches_once() {
    let mut world = World::default();
    let request = RunInstances { client_token: Some("t".into()), ..launch(2, 2) };
    let first = world.run(request.clone());
    assert_eq!(world.run(request.clone()), first);
    let other = RunInstances { client_token: Some("t".into()), ..launch(1, 2) };
    assert_eq!(world.try_run(other).unwrap_err().code, "IdempotentParameterMismatch");
    assert_ne!(world.run(launch(2, 2)), first);

    // The token is remembered for a day after the instances have gone, and answers with what they were.
    world.change(Request::TerminateInstances, &first).unwrap();
    world.wait(2 * 3_600_000);
    assert!(world.find(vec![]).unwrap().iter().all(|i| !first.contains(&i.id)), "no longer listed");
    let again = world.try_run(request.clone()).unwrap();
    assert!(again.instances.iter().all(|i| first.contains(&i.id) && i.state == InstanceState::Terminated));
    world.wait(25 * 3_600_000);
    assert!(world.run(request).iter().all(|id| !first.contains(id)), "a day later the token is free");
}

fn capacity(zone: Option<&str>, market: Option<Market>, above: u32) -> Fault {
    Fault::Capacity { region: None, zone: zone.map(Into::into), instance_type: Some("c7i.large".into()), market, above }
}

#[test]
fn a_pool_gives_what_it_has() {
    type Got = Result<usize, &'static str>;
    let cases: Vec<(&str, Vec<Fault>, RunInstances, Got)> = vec![
        ("all there", vec![], launch(5, 5), Ok(5)),
        ("part of it", vec![capacity(None, None, 3)], launch(1, 5), Ok(3)),
        ("not enough", vec![capacity(None, None, 3)], launch(4, 5), Err("InsufficientInstanceCapacity")),
        ("nothing", vec![capacity(None, None, 0)], launch(1, 1), Err("InsufficientInstanceCapacity")),
        ("another zone has it", vec![capacity(Some("us-east-1a"), None, 0), capacity(Some("us-east-1b"), None, 1)], launch(1, 5), Ok(5)),
        ("only spot is short", vec![capacity(None, Some(Market::Spot), 0)], launch(2, 2), Ok(2)),
        (
            "spot is short",
            vec![capacity(None, Some(Market::Spot), 0)],
            RunInstances { spot: Some(SpotOptions { max_price: None }), ..launch(2, 2) },
            Err("InsufficientInstanceCapacity"),
        ),
    ];
    for (name, faults, request, expected) in cases {
        let mut world = World::default();
        for fault in faults {
            world.cloud.fault(fault);
        }
        let got = world.try_run(request).map(|r| r.instances.len()).map_err(|e| e.code);
        assert_eq!(got, expected.map_err(str::to_owned), "{name}");
    }
}

#[test]
fn capacity_comes_back_with_what_ends() {
    let mut world = World::default();
    world.cloud.fault(capacity(None, None, 2));
    let in_a = RunInstances {
        placement: sandbox_cloud::request::Placement { availability_zone: Some("us-east-1a".into()), ..Default::default() },
        ..launch(2, 2)
    };
    let ids = world.run(in_a.clone());
    let error = world.try_run(in_a.clone()).unwrap_err();
    assert!(error.message.contains("or choosing us-east-1b, us-east-1c."), "{}", error.message);
    world.change(Request::TerminateInstances, &ids).unwrap();
    world.wait(1_000);
    assert_eq!(world.run(in_a).len(), 2);
}

#[test]
fn limits_of_account_and_subnet() {
    let quota = Config { throttle: false, on_demand_vcpu_limit: Some(7), ..Config::default() };
    let mut world = World::with(quota);
    assert_eq!(world.try_run(launch(4, 4)).unwrap_err().code, "VcpuLimitExceeded");
    assert_eq!(world.run(launch(1, 4)).len(), 3);

    let quota = Config { throttle: false, on_demand_vcpu_limit: Some(8), spot_vcpu_limit: Some(4), ..Config::default() };
    let mut world = World::with(quota);
    let spot = |request| RunInstances { spot: Some(SpotOptions { max_price: None }), ..request };
    let typed = |name: &str, request| RunInstances { instance_type: name.to_owned(), ..request };
    assert_eq!(world.run(launch(4, 4)).len(), 4);
    assert_eq!(world.run(typed("g5.xlarge", launch(1, 9))).len(), 2, "accelerated types have a quota of their own");
    assert_eq!(world.run(spot(launch(1, 9))).len(), 2, "and so has spot");
    assert_eq!(world.try_run(spot(launch(1, 1))).unwrap_err().code, "MaxSpotInstanceCountExceeded");

    let mut world = World::default();
    let one_subnet = RunInstances { subnet_id: Some(subnet_of(&mut world, "us-east-1a")), ..launch(4_092, 4_092) };
    assert_eq!(world.try_run(one_subnet.clone()).unwrap_err().code, "InsufficientFreeAddressesInSubnet");
    let ids = world.run(RunInstances { min_count: 1, ..one_subnet });
    let addresses: std::collections::BTreeSet<_> = ids.iter().map(|id| world.cloud.machine(id).unwrap().private_ip).collect();
    assert_eq!(addresses.len(), 4_091, "each has an address of its own");
}

#[test]
fn a_seed_is_a_world() {
    let ids = |seed| World::with(Config { seed, throttle: false, ..Config::default() }).run(launch(3, 3));
    assert_eq!(ids(1), ids(1));
    assert_ne!(ids(1), ids(2));
}
