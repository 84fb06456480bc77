//! The comparison of worlds, tested by what it must see: a leak of every kind, planted.

use jiff::SignedDuration;
use sandbox_cloud::Request;
use sandbox_cloud::request::CreatePlacementGroup;
use serde_json::json;
use spawn_core::ports::{FunctionRequest, Tags};
use spawn_model::layout;
use spawn_model::record::FleetRecord;

use super::deeds::end;
use crate::services::{serve, service};
use crate::simulated::identity::Profile;
use crate::simulated::view::assert_same;
use crate::simulated::{REGION, State, run};
use crate::{array, launch, warm};

/// Leaves something of a fleet behind.
type Plant = fn(&mut State, &FleetRecord);

/// What could be left behind, each planted once: a comparison that does not see it would prove nothing.
#[test]
fn a_leak_of_any_kind_is_seen() {
    let plants: [(&str, Plant); 12] = [
        ("role", |s, r| drop(s.roles.insert(layout::role_name(&r.fleet), s.roles["spawn-setup-scheduler-us-east-1"].clone()))),
        ("profile", |s, r| {
            let profile = Profile { arn: String::new(), role: None, tags: Tags::new() };
            s.profiles.insert(layout::role_name(&r.fleet), profile);
        }),
        ("policy", |s, _| drop(s.policies.insert("arn:aws:iam::123456789012:policy/spawn/other".into(), "{}".into()))),
        ("schedule", |s, r| {
            let (place, alarm) = s.spare_alarm(&r.run);
            s.schedules.insert(place, alarm);
        }),
        ("placement group", |s, r| {
            let request = CreatePlacementGroup { group_name: layout::group_name(&r.fleet), ..CreatePlacementGroup::default() };
            let now = r.asked_at + SignedDuration::from_hours(1);
            s.cloud.call(now, REGION, Request::CreatePlacementGroup(request)).unwrap();
        }),
        ("schedule group", |s, _| assert!(s.schedule_groups.insert("other".into()))),
        ("parameter", |s, _| drop(s.parameters.insert("/spawn/other".into(), String::new()))),
        ("function", |s, _| {
            let function = s.functions[spawn_core::setup::FUNCTION].clone();
            s.functions.insert("other".into(), FunctionRequest { name: "other".into(), ..function });
        }),
        ("document", |s, _| drop(s.documents.insert("other".into(), String::new()))),
        ("log group", |s, _| assert_eq!(s.log_groups.insert("/spawn/other".into(), 1), None)),
        ("bucket", |s, _| drop(s.buckets.insert("other".into(), std::collections::BTreeMap::new()))),
        ("object", |s, _| {
            let objects = s.buckets.values_mut().next().unwrap();
            objects.insert("names/other".into(), (b"{}".to_vec(), String::new()));
        }),
    ];
    for (kind, plant) in plants {
        run(async {
            let world = warm().await;
            let before = world.view();
            let record = launch(&world.process(), &array(1)).await.unwrap().record;
            end(&world.engine()).await.unwrap();
            assert_same(kind, &world.view(), &before);
            plant(&mut world.state(), &record);
            let seen = world.view().against(&before);
            assert!(seen.starts_with(&format!("+ 1× {kind} ")) && seen.lines().count() == 1, "{kind}: {seen:?}");
        });
    }
}

/// What a service would leave, and what it cannot help leaving: the role that Auto Scaling acts with is the account's.
#[test]
fn a_leak_of_a_service_is_seen() {
    run(async {
        let world = warm().await;
        let before = world.view();
        serve(&world, &service(2, json!({ "delete_results": true }))).await;
        world.pass(60).await;
        let seen = world.view().against(&before);
        for kind in ["scaling group ", "template ", "instance "] {
            assert!(seen.contains(&format!("× {kind}")), "{kind} in {seen}");
        }
        world.state().service_roles.insert("other.amazonaws.com".to_owned());
        assert!(world.view().against(&before).contains("+ 1× role of other"));
    });
}

#[test]
fn an_instance_its_volume_and_a_group_are_seen() {
    run(async {
        let world = warm().await;
        let before = world.view();
        let aws = world.process().aws();
        let vpc = aws.networks.default_subnets().await.unwrap()[0].vpc_id.clone();
        aws.instances.group_create("left", &vpc, "left", &Tags::new()).await.unwrap();
        assert!(world.view().against(&before).starts_with("+ 1× group left "));
        let other = warm().await;
        launch(&other.process(), &array(1)).await.unwrap();
        let seen = other.view().against(&before);
        for kind in ["instance ", "volume ", "group ", "role ", "profile ", "schedule ", "object names/"] {
            assert!(seen.contains(&format!("+ 1× {kind}")), "{kind} in {seen}");
        }
    });
}
