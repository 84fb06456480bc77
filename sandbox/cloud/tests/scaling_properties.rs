//! What holds of a group whatever happens to it.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod world;

use proptest::prelude::*;
use sandbox_cloud::model::{InstanceState, Market};
use sandbox_cloud::request::NamedTemplate;
use sandbox_cloud::scaling::{Distribution, GroupSettings, LaunchSource, SpotStrategy};
use sandbox_cloud::{Config, Effect, Fault, Request};
use world::World;
use world::groups::{TEMPLATE, mixed, settings, template};

const MAX: u32 = 8;

/// Something that happens.
#[derive(Clone, Debug)]
enum Step {
    Resize(u32),
    /// So many are to be on demand in any case.
    Divide(u32),
    /// EC2 takes the next spot instances back that begin to run.
    Reclaim(u64),
    Capacity(u32, bool),
    Terminate(usize),
    PowerOff(usize),
    LoseHost(usize),
    Stop(usize),
    Refuse(bool),
    Lose(bool),
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..=MAX).prop_map(Step::Resize),
        1 => (0..=MAX).prop_map(Step::Divide),
        1 => (0..200_000_u64).prop_map(Step::Reclaim),
        1 => (0..6_u32, any::<bool>()).prop_map(|(above, spot)| Step::Capacity(above, spot)),
        1 => any::<usize>().prop_map(Step::Terminate),
        1 => any::<usize>().prop_map(Step::PowerOff),
        1 => any::<usize>().prop_map(Step::LoseHost),
        1 => any::<usize>().prop_map(Step::Stop),
        1 => any::<bool>().prop_map(Step::Refuse),
        1 => any::<bool>().prop_map(Step::Lose),
        4 => (0..10_000_i64).prop_map(Step::Wait),
        2 => (0..400_000_i64).prop_map(Step::Wait),
    ]
}

/// A group of which the rest of a life decides.
#[derive(Clone, Debug)]
struct Birth {
    seed: u64,
    lag_ms: u64,
    base: u32,
    percentage: u32,
    rebalance: bool,
    size: u32,
}

fn birth() -> impl Strategy<Value = Birth> {
    (any::<u64>(), prop_oneof![Just(0), Just(8_000)], 0..3_u32, 0..=100_u32, any::<bool>(), 0..=MAX)
        .prop_map(|(seed, lag_ms, base, percentage, rebalance, size)| Birth { seed, lag_ms, base, percentage, rebalance, size })
}

fn born(birth: &Birth) -> World {
    let config = Config { seed: birth.seed, reads_lag_ms: birth.lag_ms, throttle: false, ..Config::default() };
    let mut world = World::with(config);
    world.make_template(template());
    let distribution = Distribution {
        on_demand_base: birth.base,
        on_demand_percentage: birth.percentage,
        spot_strategy: SpotStrategy::PriceCapacityOptimized,
        ..Distribution::default()
    };
    let source = mixed(&["c7i.large", "m7i.large"], distribution);
    let asked = GroupSettings { source, capacity_rebalance: Some(birth.rebalance), ..settings(&mut world, 0, birth.size, MAX) };
    world.try_group(asked, &[]).unwrap();
    world
}

/// The ids of what runs, or will.
fn living(world: &World) -> Vec<String> {
    let lives = |id: &String| world.cloud.machine(id).is_some_and(|m| matches!(m.state, InstanceState::Pending | InstanceState::Running));
    world.cloud.machine_ids().into_iter().filter(lives).collect()
}

fn happen(world: &mut World, step: &Step) {
    let ids = living(world);
    let pick = |n: usize| ids.get(n % ids.len().max(1)).cloned();
    let of = |terminate: bool| if terminate { "TerminateInstances" } else { "RunInstances" };
    match step {
        Step::Resize(size) => world.set_desired(*size).unwrap(),
        Step::Divide(on_demand_base) => {
            // Who reads late may not see it yet.
            let Some(LaunchSource::Mixed { distribution, .. }) = world.group().map(|group| group.source) else { return };
            let distribution = Distribution { on_demand_base: *on_demand_base, ..distribution };
            world.update(GroupSettings { distribution: Some(distribution), ..GroupSettings::default() }).unwrap();
        }
        Step::Reclaim(after_ms) => {
            let script = format!(r#"{{"kind":"reclaim","after_ms":{after_ms},"rebalance_ms":30000,"times":2}}"#);
            world.cloud.fault(serde_json::from_str(&script).unwrap());
        }
        Step::Capacity(above, spot) => {
            world.cloud.clear_faults();
            let market = Some(if *spot { Market::Spot } else { Market::OnDemand });
            world.cloud.fault(Fault::Capacity { region: None, zone: None, instance_type: None, market, above: *above });
        }
        Step::Refuse(terminate) => world.cloud.fault(Fault::error(of(*terminate), "InternalError", 2)),
        Step::Lose(terminate) => world.cloud.fault(Fault::lost(of(*terminate), Effect::After, 2)),
        Step::Wait(ms) => drop(world.wait(*ms)),
        Step::Terminate(n) | Step::Stop(n) | Step::PowerOff(n) | Step::LoseHost(n) => {
            let Some(id) = pick(*n) else { return };
            // EC2 may refuse; then nothing has happened.
            match step {
                Step::Terminate(_) => drop(world.change(Request::TerminateInstances, &[id])),
                Step::Stop(_) => drop(world.change(world::stop, &[id])),
                Step::PowerOff(_) => drop(world.cloud.guest_off(world.now, &id)),
                _ => drop(world.cloud.guest_lost(world.now, &id)),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_group_comes_to_its_size_and_leaves_nothing(birth in birth(), steps in proptest::collection::vec(step(), 1..40)) {
        let empty = World::default().cloud.snapshot();
        let mut world = born(&birth);
        // A group may be a tenth larger while it replaces.
        let most = (MAX + MAX.div_ceil(10)) as usize;
        for step in &steps {
            happen(&mut world, step);
            prop_assert!(living(&world).len() <= most, "{step:?}: {}", living(&world).len());
        }
        world.cloud.clear_faults();
        world.wait(3_600_000);
        let group = world.group().unwrap();
        prop_assert_eq!(world.in_service().len(), group.desired_capacity as usize, "{:?}", world.activities().first());
        let mut expected = world.in_service();
        expected.sort();
        prop_assert_eq!(living(&world), expected, "what lives is the group's");
        world.delete_group(true).unwrap();
        world.wait(120_000);
        world.call(Request::DeleteLaunchTemplate(NamedTemplate::by_name(TEMPLATE))).unwrap();
        prop_assert_eq!(world.cloud.snapshot(), empty);
    }
}
