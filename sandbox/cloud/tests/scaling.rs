//! Groups of instances that keep their size.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod world;

use std::collections::BTreeMap;

use sandbox_cloud::model::{InstanceState, Market};
use sandbox_cloud::request::{Filter, LaunchTemplateData};
use sandbox_cloud::scaling::{
    self, ActivityStatus, Distribution, GroupSettings, SetInstanceHealth, SetInstanceProtection, SpotStrategy, TerminationPolicy,
};
use sandbox_cloud::{Effect, Fault, Request};
use world::World;
use world::groups::{GROUP, mixed, settings, template};

#[test]
fn a_group_launches_what_it_lacks_over_its_zones() {
    let mut world = World::default();
    world.make_template(template());
    let settings = settings(&mut world, 1, 7, 9);
    world.try_group(settings, &[("team", "blue", true), ("hidden", "yes", false)]).unwrap();
    assert_eq!(world.group().unwrap().instances, [], "it takes its time");
    world.wait(2_000);
    let instances = world.group().unwrap().instances;
    assert!(instances.iter().all(|i| i.lifecycle == scaling::Lifecycle::Pending), "{instances:?}");
    world.wait(10_000);
    assert_eq!(world.in_service().len(), 7);
    let mut zones: BTreeMap<String, usize> = BTreeMap::new();
    for instance in world.find(vec![Filter::new("tag:aws:autoscaling:groupName", [GROUP])]).unwrap() {
        *zones.entry(instance.availability_zone.clone()).or_default() += 1;
        assert_eq!(instance.tags.get("team").map(String::as_str), Some("blue"));
        assert_eq!(instance.tags.get("hidden"), None);
        assert_eq!(instance.tags.get("aws:ec2launchtemplate:version").map(String::as_str), Some("1"));
        assert!(instance.tags["aws:ec2launchtemplate:id"].starts_with("lt-0"));
    }
    let mut spread: Vec<usize> = zones.into_values().collect();
    spread.sort_unstable();
    assert_eq!(spread, [2, 2, 3]);
    let first = world.activities().pop().unwrap();
    assert_eq!((first.status, first.progress), (ActivityStatus::Successful, 100));
    assert!(first.description.starts_with("Launching a new EC2 instance: i-0"), "{first:?}");
    let cause = "a user request created an AutoScalingGroup changing the desired capacity from 0 to 7.";
    assert!(first.cause.contains(cause) && first.cause.ends_with("increasing the capacity from 0 to 7."), "{first:?}");
}

/// Something that is told of a group's settings before they are asked for.
type Change = fn(&mut GroupSettings);

#[test]
fn what_makes_no_group() {
    let unusable = "You must use a valid fully-formed launch template. ";
    let cases: [(Change, &str); 11] = [
        (|s| s.max_size = Some(1), "Max bound, 1, must be greater than or equal to min bound, 2"),
        (|s| s.desired_capacity = Some(1), "Desired capacity:1 must be between the specified min size:2 and max size:4"),
        (|s| s.subnets.clear(), "At least one Availability Zone or VPC Subnet is required."),
        (|s| s.subnets = vec!["subnet-1".to_owned()], "The subnet ID 'subnet-1' does not exist"),
        (
            |s| (s.zones, s.subnets) = (vec!["us-east-1c".to_owned()], s.subnets[..1].to_vec()),
            "The availability zones of the specified subnets",
        ),
        (|s| s.source = None, "Valid requests must contain either LaunchTemplate"),
        (
            |s| s.source.as_mut().map_or((), |s| *s = scaling::LaunchSource::Template(scaling::TemplateSpecification::by_name("no"))),
            unusable,
        ),
        (|s| s.source = mixed(&["c9z.large"], Distribution::default()), "You must use a valid fully-formed launch template. Invalid value"),
        (
            |s| s.source = mixed(&["c7g.large"], Distribution::default()),
            "You must use a valid fully-formed launch template. The architecture",
        ),
        (|s| s.source = mixed(&[], Distribution { on_demand_percentage: 101, ..Distribution::default() }), "OnDemandPercentage"),
        (|s| s.source = mixed(&["t3.micro", "t3.micro"], Distribution::default()), "Launch template overrides may not contain"),
    ];
    let mut world = World::default();
    world.make_template(template());
    for (change, expected) in cases {
        let mut asked = settings(&mut world, 2, 2, 4);
        change(&mut asked);
        let error = world.try_group(asked, &[]).unwrap_err();
        assert_eq!(error.code, "ValidationError", "{error}");
        assert!(error.message.starts_with(expected), "{error}");
    }
    assert_eq!(world.group(), None);
    let asked = settings(&mut world, 2, 2, 4);
    world.try_group(asked.clone(), &[]).unwrap();
    assert_eq!(world.try_group(asked.clone(), &[]).unwrap_err().code, "AlreadyExists");
    assert_eq!(world.try_group(asked, &[("aws:x", "y", true)]).unwrap_err().code, "AlreadyExists");
}

#[test]
fn sizes_that_are_asked_for() {
    let mut world = World::default();
    world.group_of(1, 2, 4);
    assert_eq!(world.set_desired(5).unwrap_err(), "New SetDesiredCapacity value 5 is above max value 4 for the AutoScalingGroup.");
    assert_eq!(world.set_desired(0).unwrap_err(), "New SetDesiredCapacity value 0 is below min value 1 for the AutoScalingGroup.");
    for (min, max, desired, size) in
        [(None, None, Some(4), 4), (None, Some(3), None, 3), (Some(1), Some(3), Some(1), 1), (Some(2), None, None, 2)]
    {
        let settings = GroupSettings { min_size: min, max_size: max, desired_capacity: desired, ..GroupSettings::default() };
        world.update(settings).unwrap();
        world.wait(60_000);
        assert_eq!(world.in_service().len(), size, "{min:?} {desired:?} {max:?}");
    }
    world.set_desired(3).unwrap();
    world.wait(60_000);
    assert_eq!(world.in_service().len(), 3);
    assert!(world.activities()[0].cause.contains("explicitly set group desired capacity changing the desired capacity from 2 to 3."));
}

/// Whatever ends an instance, another one takes its place.
#[test]
fn what_ends_is_replaced() {
    type End = fn(&mut World, &str);
    let check = "an EC2 health check indicating it has been terminated or stopped.";
    let cases: [(&str, End, &str); 5] = [
        ("terminated", |w, id| drop(w.change(Request::TerminateInstances, &[id.to_owned()]).unwrap()), check),
        ("stopped", |w, id| drop(w.change(world::stop, &[id.to_owned()]).unwrap()), check),
        ("powered off", |w, id| assert!(w.cloud.guest_off(w.now, id).is_ok()), check),
        ("host lost", |w, id| assert!(w.cloud.guest_lost(w.now, id).is_ok()), check),
        (
            "reported",
            |w, id| {
                let request = SetInstanceHealth { instance_id: id.to_owned(), healthy: false, respect_grace_period: true };
                w.scale(scaling::Request::SetInstanceHealth(request)).unwrap();
            },
            "a user health-check.",
        ),
    ];
    for (name, end, cause) in cases {
        let mut world = World::default();
        world.group_of(0, 3, 3);
        let before = world.in_service();
        end(&mut world, &before[0]);
        world.wait(70_000);
        let after = world.in_service();
        assert_eq!(after.len(), 3, "{name}");
        assert!(!after.contains(&before[0]) && after.contains(&before[1]), "{name}");
        assert_eq!(world.state(&before[0]), InstanceState::Terminated, "{name}");
        let activities = world.activities();
        assert!(
            activities[0].cause.ends_with("launched in response to an unhealthy instance needing to be replaced."),
            "{name}: {activities:?}"
        );
        assert!(activities[1].cause.ends_with(cause), "{name}: {}", activities[1].cause);
        assert_eq!(world.find(vec![Filter::new("instance-state-name", ["running"])]).unwrap().len(), 3, "{name}");
    }
}

#[test]
fn nobodys_word_counts_within_the_grace_period() {
    let mut world = World::default();
    world.make_template(template());
    let asked = GroupSettings { health_check_grace_s: Some(600), ..settings(&mut world, 1, 1, 1) };
    world.try_group(asked, &[]).unwrap();
    world.wait(60_000);
    let before = world.in_service();
    let report = |world: &mut World, respect_grace_period| {
        let request = SetInstanceHealth { instance_id: before[0].clone(), healthy: false, respect_grace_period };
        world.scale(scaling::Request::SetInstanceHealth(request)).unwrap();
        world.wait(60_000);
    };
    report(&mut world, true);
    assert_eq!(world.in_service(), before);
    report(&mut world, false);
    assert_ne!(world.in_service(), before);
}

/// One call, of two types: where the first has no room, the second is tried; where neither has, the group waits.
#[test]
fn a_launch_that_fails_is_tried_again_ever_later() {
    let mut world = World::default();
    world.make_template(template());
    world.cloud.fault(Fault::no_capacity("c7i.large"));
    let asked = GroupSettings { source: mixed(&["c7i.large", "m7i.large"], Distribution::default()), ..settings(&mut world, 0, 2, 4) };
    world.try_group(asked, &[]).unwrap();
    world.wait(60_000);
    assert!(world.find(vec![]).unwrap().iter().all(|i| i.instance_type == "m7i.large"));
    assert_eq!(world.in_service().len(), 2);
    world.cloud.fault(Fault::no_capacity("m7i.large"));
    world.set_desired(3).unwrap();
    world.wait(3_600_000);
    let failed: Vec<_> = world.activities().into_iter().filter(|a| a.status == ActivityStatus::Failed).collect();
    let message = failed[0].status_message.clone().unwrap();
    assert!(message.starts_with("Could not launch On-Demand Instances. InsufficientInstanceCapacity - We currently do not"), "{message}");
    assert!(message.ends_with("Launching EC2 instance failed.") && failed[0].description.ends_with(&message), "{failed:?}");
    let mut pauses: Vec<i64> = failed.windows(2).map(|two| two[0].start.duration_since(two[1].start).as_secs()).collect();
    pauses.reverse();
    assert_eq!(pauses, [30, 60, 120, 240, 480, 900, 900]);
    world.cloud.clear_faults();
    world.wait(900_000);
    assert_eq!(world.in_service().len(), 3);
}

/// An image that never boots must not be launched again and again at once.
#[test]
fn an_instance_that_never_runs_counts_as_a_failure() {
    let mut world = World::default();
    let root = sandbox_cloud::request::BlockDevice {
        device_name: "/dev/xvda".to_owned(),
        encrypted: Some(true),
        kms_key_id: Some("alias/none".to_owned()),
        ..Default::default()
    };
    world.make_template(LaunchTemplateData { block_device_mappings: vec![root], ..template() });
    let asked = settings(&mut world, 1, 1, 1);
    world.try_group(asked, &[]).unwrap();
    world.wait(3_600_000);
    let given_up: Vec<_> = world.activities().into_iter().filter(|a| a.status == ActivityStatus::Cancelled).collect();
    assert!((5..12).contains(&given_up.len()), "{}", given_up.len());
    let message = given_up[0].status_message.clone().unwrap();
    assert!(message.contains("Termination Reason: Client.InvalidKMSKey.InvalidState"), "{message}");
}

/// Trouble of EC2's own: a refused call is one that failed, and a lost answer is none.
#[test]
fn scripted_trouble_meets_groups_too() {
    for (fault, failures) in [
        (Fault::error("RunInstances", "InternalError", 1), 1),
        (Fault::lost("RunInstances", Effect::Before, 1), 0),
        (Fault::lost("RunInstances", Effect::After, 1), 0),
    ] {
        let mut world = World::default();
        world.make_template(template());
        world.cloud.fault(fault.clone());
        let asked = settings(&mut world, 0, 1, 1);
        world.try_group(asked, &[]).unwrap();
        world.wait(120_000);
        assert_eq!(world.cloud.machine_ids().len(), 1, "{fault:?}");
        let failed = world.cloud.take_own_calls().iter().filter(|call| call.outcome != "ok").count();
        // Where one zone refuses, another one is asked.
        assert_eq!((failed, world.in_service().len()), (failures, 1), "{fault:?}");
        world.cloud.fault(Fault::error("TerminateInstances", "InternalError", 1));
        world.delete_group(true).unwrap();
        world.wait(120_000);
        assert_eq!(world.group(), None, "{fault:?}");
    }
}

#[test]
fn markets_of_a_mixed_group() {
    for (base, percentage, size, on_demand) in [(1, 0, 4, 1), (0, 50, 4, 2), (0, 100, 3, 3), (2, 50, 6, 4)] {
        let mut world = World::default();
        world.make_template(template());
        let distribution = Distribution { on_demand_base: base, on_demand_percentage: percentage, ..Distribution::default() };
        let asked = GroupSettings { source: mixed(&["c7i.large"], distribution), ..settings(&mut world, 0, size, 9) };
        world.try_group(asked, &[]).unwrap();
        world.wait(60_000);
        let count = |world: &mut World| {
            let group = world.group().unwrap();
            (group.instances.iter().filter(|i| i.market == Market::OnDemand).count() as u32, group.instances.len() as u32)
        };
        assert_eq!(count(&mut world), (on_demand, size), "{base} {percentage} {size}");
        // Half of it stays, in the same proportion.
        world.set_desired(size / 2).unwrap();
        world.wait(60_000);
        let kept = on_demand_of(base, percentage, size / 2);
        assert_eq!(count(&mut world), (kept, size / 2), "{base} {percentage} {size}");
    }
}

fn on_demand_of(base: u32, percentage: u32, size: u32) -> u32 {
    let base = base.min(size);
    base + ((size - base) * percentage).div_ceil(100)
}

#[test]
fn spot_goes_where_its_strategy_says() {
    let price = |world: &mut World, zone: &str, name: &str| {
        let request = sandbox_cloud::request::DescribeSpotPriceHistory {
            instance_types: vec![name.to_owned()],
            availability_zone: Some(zone.to_owned()),
            start_time: Some(world.now),
            ..Default::default()
        };
        match world.call(Request::DescribeSpotPriceHistory(request)).unwrap() {
            sandbox_cloud::Reply::SpotPrices(found) => found.items[0].usd_per_hour,
            other => panic!("prices answer {other:?}"),
        }
    };
    for strategy in [SpotStrategy::LowestPrice, SpotStrategy::CapacityOptimizedPrioritized] {
        let mut world = World::default();
        world.make_template(template());
        let distribution = Distribution { on_demand_percentage: 0, spot_strategy: strategy, ..Distribution::default() };
        let types = ["m7i.4xlarge", "c7i.large", "m7i.large"];
        let asked = GroupSettings { source: mixed(&types, distribution), ..settings(&mut world, 0, 3, 9) };
        world.try_group(asked, &[]).unwrap();
        world.wait(60_000);
        for instance in world.group().unwrap().instances {
            let cheapest = types.iter().min_by(|a, b| {
                let of = |world: &mut World, name| price(world, &instance.availability_zone, name);
                of(&mut world, a).total_cmp(&of(&mut world, b))
            });
            let expected = if strategy == SpotStrategy::LowestPrice { *cheapest.unwrap() } else { types[0] };
            assert_eq!((instance.instance_type.as_str(), instance.market), (expected, Market::Spot), "{strategy:?}");
        }
    }
}

/// With rebalancing the replacement comes before the end, without it after.
#[test]
fn spot_instances_that_are_taken_back_are_replaced() {
    for rebalance in [true, false] {
        let mut world = World::default();
        world.make_template(template());
        let distribution = Distribution { on_demand_percentage: 0, ..Distribution::default() };
        let source = mixed(&["c7i.large"], distribution);
        let asked = GroupSettings { source, capacity_rebalance: Some(rebalance), ..settings(&mut world, 0, 2, 2) };
        world.try_group(asked, &[]).unwrap();
        world.wait(60_000);
        let before = world.in_service();
        world.cloud.recommend_rebalance(world.now, &before[0]).unwrap();
        world.cloud.interrupt_spot(world.now, &before[0], 120_000).unwrap();
        let mut most = 0;
        for _ in 0..30 {
            world.wait(10_000);
            most = most.max(world.in_service().len());
            assert!(!rebalance || world.in_service().len() >= 2, "it is never smaller");
        }
        assert_eq!(world.in_service().len(), 2);
        assert!(!world.in_service().contains(&before[0]));
        assert!(most <= 3);
    }
}

#[test]
fn who_goes_first() {
    use TerminationPolicy as P;
    for (policy, protected, expected) in [(P::OldestInstance, false, 0), (P::NewestInstance, false, 2), (P::OldestInstance, true, 1)] {
        let mut world = World::default();
        world.make_template(template());
        let subnet = world.subnets()[..1].to_vec();
        let asked = GroupSettings { termination_policies: vec![policy], subnets: subnet, ..settings(&mut world, 0, 1, 3) };
        world.try_group(asked, &[]).unwrap();
        let mut ids = Vec::new();
        for size in 1..=3 {
            world.set_desired(size).unwrap();
            world.wait(60_000);
            ids.extend(world.in_service().into_iter().filter(|id| !ids.contains(id)).collect::<Vec<_>>());
        }
        if protected {
            let request = SetInstanceProtection { name: GROUP.to_owned(), instance_ids: vec![ids[0].clone()], protected };
            world.scale(scaling::Request::SetInstanceProtection(request)).unwrap();
        }
        world.set_desired(2).unwrap();
        world.wait(60_000);
        let left = world.in_service();
        let gone: Vec<usize> = (0..3).filter(|n| !left.contains(&ids[*n])).collect();
        assert_eq!(gone, [expected], "{policy:?}");
    }
}

#[test]
fn the_zone_that_has_most_gives_first() {
    let mut world = World::default();
    world.group_of(0, 5, 6);
    let zones = |world: &mut World| {
        let mut zones: BTreeMap<String, usize> = BTreeMap::new();
        world.group().unwrap().instances.iter().for_each(|i| *zones.entry(i.availability_zone.clone()).or_default() += 1);
        let mut counts: Vec<usize> = zones.into_values().collect();
        counts.sort_unstable();
        counts
    };
    assert_eq!(zones(&mut world), [1, 2, 2]);
    world.set_desired(3).unwrap();
    world.wait(60_000);
    assert_eq!(zones(&mut world), [1, 1, 1]);
}
