//! How a group is divided between on demand and spot, once it is told otherwise.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod world;

use sandbox_cloud::Fault;
use sandbox_cloud::model::Market;
use sandbox_cloud::scaling::{
    self, ActivityStatus, Distribution, GroupSettings, LaunchSource, Lifecycle, SpotStrategy, TerminateInstanceInAutoScalingGroup,
};
use world::World;
use world::groups::{mixed, settings, template};

/// So many on demand, and the rest spot.
fn base(on_demand_base: u32) -> Distribution {
    Distribution {
        on_demand_base,
        on_demand_percentage: 0,
        spot_strategy: SpotStrategy::PriceCapacityOptimized,
        spot_max_price: Some(0.1),
        ..Distribution::default()
    }
}

/// A group of this size at most, divided so.
fn divided(world: &mut World, size: u32, distribution: Distribution) {
    world.make_template(template());
    let asked = GroupSettings { source: mixed(&["c7i.large"], distribution), ..settings(world, 0, size, size) };
    world.try_group(asked, &[]).unwrap();
    world.wait(60_000);
}

/// Tells the group of its division alone.
fn divide(world: &mut World, distribution: Distribution) -> Result<(), String> {
    world.update(GroupSettings { distribution: Some(distribution), ..GroupSettings::default() })
}

/// How many are in service: on demand, and spot.
fn served(world: &mut World) -> (usize, usize) {
    let instances = world.group().unwrap().instances;
    let of = |market| instances.iter().filter(|i| i.lifecycle == Lifecycle::InService && i.market == market).count();
    (of(Market::OnDemand), of(Market::Spot))
}

/// Every pool gives so many of a market at most.
fn scarce(world: &mut World, market: Market) {
    world.cloud.fault(Fault::Capacity { region: None, zone: None, instance_type: None, market: Some(market), above: 0 });
}

#[test]
fn a_raised_base_launches_on_demand_what_spot_has_no_room_for() {
    let mut world = World::default();
    scarce(&mut world, Market::Spot);
    divided(&mut world, 3, base(0));
    assert_eq!(served(&mut world), (0, 0));
    let failed = world.activities().into_iter().find(|a| a.status == ActivityStatus::Failed).unwrap();
    assert_eq!(
        failed.status_message.unwrap(),
        "Could not launch Spot Instances. UnfulfillableCapacity - Unable to fulfill capacity due to your request configuration. Please \
         adjust your request and try again. Launching EC2 instance failed."
    );
    divide(&mut world, base(2)).unwrap();
    world.wait(60_000);
    assert_eq!(served(&mut world), (2, 0));
    world.cloud.clear_faults();
    world.wait(900_000);
    assert_eq!(served(&mut world), (2, 1));
    let LaunchSource::Mixed { template, overrides, distribution } = world.group().unwrap().source else { panic!("it is mixed") };
    assert_eq!((template.version.as_deref(), overrides, distribution), (None, vec!["c7i.large".to_owned()], base(2)));
}

#[test]
fn a_price_below_spots_is_told_as_ec2_tells_it() {
    let mut world = World::default();
    divided(&mut world, 1, Distribution { spot_max_price: Some(0.001), ..base(0) });
    let failed = world.activities().into_iter().find(|a| a.status == ActivityStatus::Failed).unwrap();
    let message = failed.status_message.unwrap();
    assert!(
        message.starts_with("Could not launch Spot Instances. SpotMaxPriceTooLow - Your Spot request price of 0.001 is lower"),
        "{message}"
    );
}

/// Both ways: those that come serve before the others go, and never more than a tenth more, or one.
#[test]
fn a_changed_base_is_reached_by_replacing_and_the_new_ones_come_first() {
    for (before, after) in [(0, 2), (2, 0), (1, 4), (4, 3)] {
        let mut world = World::default();
        divided(&mut world, 4, base(before));
        assert_eq!(served(&mut world), (before as usize, 4 - before as usize));
        let mut most = 0;
        divide(&mut world, base(after)).unwrap();
        for _ in 0..300 {
            world.wait(1_000);
            let (on_demand, spot) = served(&mut world);
            assert!(on_demand + spot >= 4, "{before} to {after}: {on_demand} and {spot}");
            most = most.max(world.group().unwrap().capacity());
        }
        assert_eq!((served(&mut world), most), ((after as usize, 4 - after as usize), 5), "{before} to {after}");
        let activities = world.activities();
        let caused = |sentence: &str| activities.iter().filter(|a| a.cause.contains(sentence)).count();
        assert_eq!(caused("increasing the capacity from 4 to 5."), before.abs_diff(after) as usize);
        assert_eq!(caused("shrinking the capacity from 5 to 4."), before.abs_diff(after) as usize);
    }
}

/// What cannot be had instead does not go.
#[test]
fn where_the_other_market_has_no_room_a_group_stays_as_it_is() {
    let mut world = World::default();
    divided(&mut world, 3, base(2));
    scarce(&mut world, Market::Spot);
    divide(&mut world, base(0)).unwrap();
    world.wait(3_600_000);
    assert_eq!(served(&mut world), (2, 1));
    world.cloud.clear_faults();
    world.wait(3_600_000);
    assert_eq!(served(&mut world), (0, 3));
}

/// Made smaller while it replaces, it is of its new size in the end.
#[test]
fn a_size_that_is_told_meanwhile_counts() {
    let mut world = World::default();
    divided(&mut world, 4, base(0));
    divide(&mut world, base(4)).unwrap();
    world.wait(2_000);
    world.set_desired(2).unwrap();
    world.wait(600_000);
    assert_eq!(served(&mut world), (2, 0));
    assert_eq!(world.cloud.machine_ids().len(), 2);
}

/// Ending one on demand so that the group gets smaller leaves too much of spot.
#[test]
fn what_is_ended_by_hand_is_made_up_for() {
    let mut world = World::default();
    divided(&mut world, 3, base(1));
    let instances = world.group().unwrap().instances;
    let instance_id = instances.into_iter().find(|i| i.market == Market::OnDemand).unwrap().id;
    let request = TerminateInstanceInAutoScalingGroup { instance_id, decrement: true };
    world.scale(scaling::Request::TerminateInstanceInAutoScalingGroup(request)).unwrap();
    world.wait(300_000);
    assert_eq!(served(&mut world), (1, 1));
}

#[test]
fn a_division_is_told_of_mixed_groups_alone() {
    let mut world = World::default();
    world.group_of(0, 1, 1);
    assert!(divide(&mut world, base(1)).unwrap_err().starts_with("You must specify a launch template"));
    let mut world = World::default();
    divided(&mut world, 1, base(0));
    let refused = divide(&mut world, Distribution { on_demand_percentage: 101, ..base(0) }).unwrap_err();
    assert!(refused.starts_with("OnDemandPercentage"), "{refused}");
}
