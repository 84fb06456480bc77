//! Security groups and tags.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod world;

use sandbox_cloud::model::{IpPermission, PermissionTarget, RuleTarget, SecurityGroup, Tag};
use sandbox_cloud::request::{
    AuthorizeRules, CreateSecurityGroup, CreateTags, DeleteSecurityGroup, DeleteTags, DescribeById, DescribeImages, DescribeInstanceTypes,
    DescribeSpotPriceHistory, DescribeTags, Filter, RevokeRules, RunInstances, TagRemoval,
};
use sandbox_cloud::{ApiError, Reply, Request};
use world::{World, launch, tagged};

fn create(world: &mut World, name: &str) -> Result<SecurityGroup, ApiError> {
    let request = CreateSecurityGroup { group_name: name.to_owned(), description: "for tests".to_owned(), ..Default::default() };
    match world.call(Request::CreateSecurityGroup(request))? {
        Reply::GroupCreated(group) => Ok(group),
        other => panic!("{other:?}"),
    }
}

fn delete(world: &mut World, id: &str) -> Result<Reply, ApiError> {
    let request = DeleteSecurityGroup { group_id: Some(id.to_owned()), group_name: None };
    world.call(Request::DeleteSecurityGroup(request))
}

fn permission(protocol: &str, ports: Option<(i64, i64)>, target: RuleTarget) -> IpPermission {
    IpPermission {
        protocol: protocol.to_owned(),
        from_port: ports.map(|p| p.0),
        to_port: ports.map(|p| p.1),
        targets: vec![PermissionTarget { target, description: None }],
    }
}

fn inside(group: &SecurityGroup) -> RuleTarget {
    RuleTarget::Group { group_id: group.id.clone(), user_id: String::new() }
}

fn block(cidr: &str) -> RuleTarget {
    RuleTarget::Ipv4(cidr.to_owned())
}

fn rules(group: &SecurityGroup, permissions: Vec<IpPermission>) -> AuthorizeRules {
    AuthorizeRules { group_id: Some(group.id.clone()), permissions, ..Default::default() }
}

#[test]
fn group_names() {
    let mut world = World::default();
    create(&mut world, "web").unwrap();
    let long = "x".repeat(256);
    let cases = [
        ("web", "InvalidGroup.Duplicate"),
        ("default", "InvalidGroup.Reserved"),
        ("sg-web", "InvalidParameterValue"),
        ("wéb", "InvalidParameterValue"),
        ("", "MissingParameter"),
        (&long, "InvalidParameterValue"),
    ];
    for (name, code) in cases {
        assert_eq!(create(&mut world, name).unwrap_err().code, code, "{name}");
    }
}

#[test]
fn a_group_whose_members_reach_each_other() {
    let mut world = World::default();
    let before = world.cloud.snapshot();
    let group = create(&mut world, "fleet").unwrap();
    let request = rules(&group, vec![permission("-1", None, inside(&group))]);
    let Reply::RulesAdded(added) = world.call(Request::AuthorizeSecurityGroupIngress(request.clone())).unwrap() else { panic!("no rules") };
    assert_eq!(added[0].target, RuleTarget::Group { group_id: group.id.clone(), user_id: "123456789012".into() });
    let error = world.call(Request::AuthorizeSecurityGroupIngress(request)).unwrap_err();
    assert_eq!(error.code, "InvalidPermission.Duplicate");
    assert_eq!(error.message, format!("the specified rule \"peer: {}, ALL, ALLOW\" already exists", group.id));

    let ids = world.run(RunInstances { security_group_ids: vec![group.id.clone()], ..launch(1, 1) });
    assert_eq!(delete(&mut world, &group.id).unwrap_err().code, "DependencyViolation");
    world.change(Request::TerminateInstances, &ids).unwrap();
    assert_eq!(delete(&mut world, &group.id).unwrap_err().code, "DependencyViolation", "until it has terminated");
    world.wait(1_000);
    delete(&mut world, &group.id).unwrap();
    assert_eq!(delete(&mut world, &group.id).unwrap_err().code, "InvalidGroup.NotFound");
    assert_eq!(world.cloud.snapshot(), before);
}

#[test]
fn a_group_that_another_names_stays() {
    let mut world = World::default();
    let (a, b) = (create(&mut world, "a").unwrap(), create(&mut world, "b").unwrap());
    let request = rules(&b, vec![permission("tcp", Some((22, 22)), inside(&a))]);
    world.call(Request::AuthorizeSecurityGroupIngress(request.clone())).unwrap();
    assert_eq!(delete(&mut world, &a.id).unwrap_err().code, "DependencyViolation");
    let revoke = RevokeRules { group_id: Some(b.id), permissions: request.permissions, ..Default::default() };
    world.call(Request::RevokeSecurityGroupIngress(revoke)).unwrap();
    delete(&mut world, &a.id).unwrap();
}

#[test]
fn rules_are_checked() {
    let mut world = World::default();
    let group = create(&mut world, "g").unwrap();
    let cases = [
        (permission("tcp", Some((22, 22)), block("10.0.0.1/8")), Ok("peer: 10.0.0.0/8, TCP, from port: 22, to port: 22, ALLOW")),
        (permission("6", Some((80, 80)), block("0.0.0.0/0")), Ok("peer: 0.0.0.0/0, TCP, from port: 80, to port: 80, ALLOW")),
        (permission("-1", Some((1, 2)), block("0.0.0.0/0")), Ok("peer: 0.0.0.0/0, ALL, ALLOW")),
        (permission("icmp", None, block("0.0.0.0/0")), Ok("peer: 0.0.0.0/0, ICMP, from port: -1, to port: -1, ALLOW")),
        (permission("tcp", None, block("0.0.0.0/0")), Err("InvalidParameterValue")),
        (permission("tcp", Some((22, 21)), block("0.0.0.0/0")), Err("InvalidParameterValue")),
        (permission("tcp", Some((0, 65_536)), block("0.0.0.0/0")), Err("InvalidParameterValue")),
        (permission("carrier pigeon", None, block("0.0.0.0/0")), Err("InvalidParameterValue")),
        (permission("tcp", Some((1, 2)), block("0.0.0.0/33")), Err("InvalidParameterValue")),
        (permission("tcp", Some((1, 2)), block("10.0.0.0")), Err("InvalidParameterValue")),
        (
            permission("tcp", Some((1, 2)), RuleTarget::Group { group_id: "sg-00000000000000000".into(), user_id: "".into() }),
            Err("InvalidGroup.NotFound"),
        ),
        (IpPermission { targets: vec![], ..permission("-1", None, block("0.0.0.0/0")) }, Err("MissingParameter")),
    ];
    for (given, expected) in cases {
        let request = rules(&group, vec![given.clone()]);
        let got = world.call(Request::AuthorizeSecurityGroupIngress(request.clone()));
        match expected {
            Err(code) => assert_eq!(got.unwrap_err().code, code, "{given:?}"),
            Ok(words) => {
                got.unwrap();
                let error = world.call(Request::AuthorizeSecurityGroupIngress(request)).unwrap_err();
                assert_eq!(error.message, format!("the specified rule \"{words}\" already exists"), "{given:?}");
            }
        }
    }
}

#[test]
fn what_was_not_there_is_told() {
    let mut world = World::default();
    let group = create(&mut world, "g").unwrap();
    let absent = permission("tcp", Some((22, 22)), block("0.0.0.0/0"));
    let revoke = RevokeRules { group_id: Some(group.id.clone()), permissions: vec![absent.clone()], ..Default::default() };
    let Reply::RulesRevoked(revoked) = world.call(Request::RevokeSecurityGroupIngress(revoke)).unwrap() else { panic!("not revoked") };
    assert_eq!((revoked.rules.len(), revoked.unknown), (0, vec![absent]));
    // The rule that every new group has: everything may leave.
    let out = RevokeRules { group_id: Some(group.id.clone()), rule_ids: vec![group.rules[0].id.clone()], ..Default::default() };
    let Reply::RulesRevoked(revoked) = world.call(Request::RevokeSecurityGroupEgress(out.clone())).unwrap() else { panic!("not revoked") };
    assert_eq!(revoked.rules, group.rules);
    let error = world.call(Request::RevokeSecurityGroupEgress(out)).unwrap_err();
    assert_eq!(error.code, "InvalidSecurityGroupRuleId.NotFound");
}

#[test]
fn the_default_group_stays() {
    let mut world = World::default();
    let request = DeleteSecurityGroup { group_id: None, group_name: Some("default".to_owned()) };
    assert_eq!(world.call(Request::DeleteSecurityGroup(request)).unwrap_err().code, "CannotDelete");
}

fn tag(world: &mut World, id: &str, tags: &[(&str, &str)]) -> Result<Reply, ApiError> {
    let tags = tags.iter().map(|(k, v)| Tag::new(*k, *v)).collect();
    world.call(Request::CreateTags(CreateTags { resources: vec![id.to_owned()], tags }))
}

fn tags(world: &mut World, filters: Vec<Filter>) -> Vec<(String, String, String)> {
    match world.call(Request::DescribeTags(DescribeTags { filters, ..Default::default() })).unwrap() {
        Reply::Tags(found) => found.items.into_iter().map(|t| (t.resource_type, t.key, t.value)).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_kind_of_thing_can_be_tagged() {
    let mut world = World::default();
    let before = world.cloud.snapshot();
    let ids = world.run(launch(1, 1));
    let group = create(&mut world, "g").unwrap();
    let instance = world.instance(&ids[0]);
    let interface = instance.interface.unwrap();
    let things = [
        ("instance", ids[0].clone()),
        ("volume", instance.volumes[0].volume_id.clone()),
        ("network-interface", interface.id),
        ("subnet", interface.subnet_id),
        ("vpc", interface.vpc_id),
        ("image", instance.image_id),
        ("security-group", group.id.clone()),
        ("security-group-rule", group.rules[0].id.clone()),
    ];
    for (kind, id) in &things {
        tag(&mut world, id, &[("k", kind)]).unwrap();
        let found = tags(&mut world, vec![Filter::new("resource-id", [id])]);
        assert_eq!(found, [(kind.to_string(), "k".to_owned(), kind.to_string())]);
    }
    assert_eq!(tags(&mut world, vec![Filter::new("tag:k", ["*volume*"])]).len(), 1);
    for (_, id) in &things {
        let tags = vec![TagRemoval { key: "k".into(), value: None }];
        world.call(Request::DeleteTags(DeleteTags { resources: vec![id.clone()], tags })).unwrap();
    }
    assert_eq!(tags(&mut world, vec![]), []);
    world.change(Request::TerminateInstances, &ids).unwrap();
    world.wait(1_000);
    delete(&mut world, &group.id).unwrap();
    assert_eq!(world.cloud.snapshot(), before);
}

#[test]
fn tags_are_checked() {
    let mut world = World::default();
    let ids = world.run(tagged(launch(1, 1), &[("a", "1")]));
    let fifty: Vec<String> = (0..50).map(|n| format!("k{n}")).collect();
    let fifty: Vec<(&str, &str)> = fifty.iter().map(|k| (k.as_str(), "")).collect();
    type Given<'a> = &'a [(&'a str, &'a str)];
    let cases: [(&str, Given, &str); 6] = [
        (&ids[0], &[("aws:x", "1")], "InvalidParameterValue"),
        (&ids[0], &fifty, "TagLimitExceeded"),
        (&ids[0], &[], "MissingParameter"),
        ("i-00000000000000000", &[("k", "v")], "InvalidInstanceID.NotFound"),
        ("vol-00000000000000000", &[("k", "v")], "InvalidVolume.NotFound"),
        ("what", &[("k", "v")], "InvalidID"),
    ];
    for (id, given, code) in cases {
        assert_eq!(tag(&mut world, id, given).unwrap_err().code, code, "{id}");
    }
    tag(&mut world, &ids[0], &fifty[..49]).unwrap();
    let only_if = |value: &str| {
        let tags = vec![TagRemoval { key: "a".into(), value: Some(value.to_owned()) }];
        Request::DeleteTags(DeleteTags { resources: ids.clone(), tags })
    };
    world.call(only_if("2")).unwrap();
    assert_eq!(world.instance(&ids[0]).tags.len(), 50);
    world.call(only_if("1")).unwrap();
    assert_eq!(world.instance(&ids[0]).tags.len(), 49);
}

/// A filter nobody has heard of is refused by every call that takes filters, and told as a gap.
#[test]
fn unknown_filters_are_refused() {
    let filters = || vec![Filter::new("moon-phase", ["full"])];
    let by_id = || DescribeById { filters: filters(), ..Default::default() };
    let requests = [
        Request::DescribeVolumes(by_id()),
        Request::DescribeVpcs(by_id()),
        Request::DescribeSubnets(by_id()),
        Request::DescribeSecurityGroupRules(by_id()),
        Request::DescribeTags(DescribeTags { filters: filters(), ..Default::default() }),
        Request::DescribeImages(DescribeImages { filters: filters(), ..Default::default() }),
        Request::DescribeInstanceTypes(DescribeInstanceTypes { filters: filters(), ..Default::default() }),
        Request::DescribeInstances(sandbox_cloud::request::DescribeInstances { filters: filters(), ..Default::default() }),
        Request::DescribeSpotPriceHistory(DescribeSpotPriceHistory { filters: filters(), ..Default::default() }),
    ];
    let mut world = World::default();
    for request in requests {
        let name = request.operation();
        let error = world.call(request).expect_err(name);
        assert_eq!((error.code.as_str(), error.gap), ("InvalidParameterValue", true), "{name}");
        assert_eq!(error.message, "The filter 'moon-phase' is invalid", "{name}");
    }
}
