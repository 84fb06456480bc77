//! The limits that virtual time can measure, printed by `cargo xtask bench`; what must hold of them at any speed is asserted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use sandbox_cloud::Config;
use spawn_core::operation::Operation;
use spawn_core::setup::Choices;
use spawn_model::spec::{FleetKind, FleetSpec};
use spawn_model::status::Status;

use crate::refreshing::{descriptions, foreign_thousand, refreshed, with_instances};
use crate::simulated::storm::{Storm, unmendable};
use crate::simulated::{World, run};
use crate::{array, launch};

/// Launches in a storm, and how many of them share a world.
const LAUNCHES: u64 = 500;
const LAUNCHES_OF_A_WORLD: u64 = 25;

/// In a storm one call in twenty fails.
const ONE_IN: u64 = 20;

/// What a storm came to.
#[derive(Debug, Default)]
struct Damage {
    launches: u64,
    faults: u64,
    /// Launches that failed for a reason that no retry can mend.
    unmendable: u64,
    /// Launches that failed otherwise.
    others: Vec<String>,
}

/// Launches fleet after fleet in a storm, each ended in calm.
async fn weathered(seed: u64) -> Damage {
    let world = World::with(Config { seed, throttle: false, ..Config::default() });
    world.engine().setup(&Choices::default(), &Operation::quiet()).await.unwrap();
    let before = world.view();
    let storm = Arc::new(Mutex::new(Storm::new(seed, ONE_IN)));
    let mut damage = Damage::default();
    for _ in 0..LAUNCHES_OF_A_WORLD {
        damage.launches += 1;
        let process = world.process().in_storm(storm.clone());
        let launched = process.engine().launch(FleetKind::JobArray, &array(3), &Operation::quiet()).await;
        match launched {
            Ok(launched) => {
                let fleet = launched.record.fleet.clone();
                drop(launched);
                world.engine().end(&fleet, SignedDuration::from_mins(10), &Operation::quiet()).await.unwrap();
            }
            Err(error) if unmendable().any(|code| code == error.code) => damage.unmendable += 1,
            Err(error) => damage.others.push(format!("seed {seed}: {error} ({:?})", error.left)),
        }
        // What undoing could not take back in the storm, the next launch under the name does.
        process.kill();
        world.state().bury_launchers();
    }
    drop(world.engine().launch(FleetKind::JobArray, &array(1), &Operation::quiet()).await.unwrap());
    let fleet = world.engine().find("tiles").await.unwrap().record.fleet;
    world.engine().end(&fleet, SignedDuration::from_mins(10), &Operation::quiet()).await.unwrap();
    let left = world.view().against(&before);
    assert!(left.is_empty(), "seed {seed} leaves\n{left}");
    world.assert_lawful();
    damage.faults = storm.lock().unwrap().faults;
    damage
}

/// A row for the table of `cargo xtask bench`.
fn tell(what: &str, measured: f64, limit: f64, unit: &str) {
    println!("limit\t{what}\t{measured}\t{limit}\t{unit}");
}

/// EC2's published buckets: `RunInstances` begins with 5 requests and gets 2 a second.
fn one_call_each_s(instances: f64) -> f64 {
    (instances - 5.0) / 2.0
}

#[test]
fn a_thousand_instances_are_asked_for_at_once() {
    run(async {
        let world = World::with(Config { throttle: true, ..Config::default() });
        world.engine().setup(&Choices::default(), &Operation::quiet()).await.unwrap();
        let began = world.now();
        let launched = world.engine().launch(FleetKind::JobArray, &array(1000), &Operation::quiet()).await.unwrap();
        let took_s = world.now().duration_since(began).as_secs_f64();
        let what = format!("1,000 instances asked for and tagged (one call each: {} s)", one_call_each_s(1000.0));
        tell(&what, took_s, 2.0, "s");
        let fleet = world.engine().look(&launched.record.fleet).await.unwrap().unwrap();
        assert_eq!((fleet.members.len(), fleet.alive.len()), (1000, 1000));
        assert!(took_s < 2.0, "virtual time does not depend on the machine: {took_s} s");
    });
}

/// A world with EC2's published buckets, set up.
async fn throttled() -> World {
    let world = World::with(Config { throttle: true, ..Config::default() });
    world.engine().setup(&Choices::default(), &Operation::quiet()).await.unwrap();
    world
}

/// How long a launch takes in a region of its own.
async fn launching_takes_s(size: u32) -> f64 {
    let world = throttled().await;
    let began = world.now();
    launch(&world.process(), &lasting(size)).await.unwrap();
    let took_s = world.now().duration_since(began).as_secs_f64();
    world.assert_lawful();
    took_s
}

fn lasting(size: u32) -> FleetSpec {
    FleetSpec { lease: crate::lasting(4 * 3600), ..array(size) }
}

#[test]
fn a_thousand_fleets_are_refreshed_in_a_few_calls() {
    run(async {
        let (world, fleets) = with_instances(1_000).await;
        for _ in 0..10 {
            foreign_thousand(&world).await;
        }
        for at_once in [10, 100] {
            let process = world.process();
            let seen = refreshed(&process.engine(), &fleets, at_once).await;
            assert!(seen.iter().all(|fleet| fleet.status == Status::Running && fleet.alive.len() == 1));
            #[expect(clippy::cast_precision_loss, reason = "a handful, or the test fails")]
            let calls = descriptions(&process) as f64;
            let what = format!("DescribeInstances calls to refresh 1,000 spawn_instance, {at_once} at a time");
            tell(&what, calls, 10.0, "calls");
            assert!(calls <= 10.0, "{calls} calls");
        }
    });
}

#[test]
fn more_than_a_bucket_is_launched_as_fast_as_the_bucket_allows() {
    // Buckets belong to a region: three fleets in three regions take no longer than the largest of them.
    let slowest_s = [1_667, 1_667, 1_666].map(|size| run(launching_takes_s(size))).into_iter().fold(0.0, f64::max);
    let optimum_s = (1_667.0 - 1_000.0) / 2.0;
    tell(&format!("5,000 instances as three fleets in three regions (optimum {optimum_s} s)"), slowest_s, optimum_s * 1.05, "s");
    assert!(slowest_s < optimum_s * 1.05, "{slowest_s} s");
}

#[test]
fn more_than_a_bucket_is_ended_as_fast_as_the_bucket_allows() {
    run(async {
        let world = throttled().await;
        let fleet = launch(&world.process(), &lasting(4_000)).await.unwrap().record.fleet;
        world.pass(60).await;
        let began = world.now();
        world.engine().end(&fleet, SignedDuration::from_mins(10), &Operation::quiet()).await.unwrap();
        let took_s = world.now().duration_since(began).as_secs_f64();
        let optimum_s = (4_000.0 - 1_000.0) / 20.0;
        tell(&format!("4,000 instances ended, and gone (optimum {optimum_s} s)"), took_s, optimum_s * 1.05, "s");
        assert!(took_s < optimum_s * 1.05, "{took_s} s");
        world.assert_lawful();
    });
}

#[test]
fn what_cannot_be_launched_in_time_is_refused_with_the_arithmetic() {
    run(async {
        let world = throttled().await;
        let before = world.view();
        let error = launch(&world.process(), &array(10_000)).await.err().unwrap();
        assert_eq!(error.path.to_string(), "lease.ttl");
        assert_eq!(world.view().against(&before), "");
        insta::assert_snapshot!("too_many_for_the_lease", error.to_string());
    });
}

#[test]
fn a_storm_shows_a_user_only_what_no_retry_can_mend() {
    let launches = std::env::var("SPAWN_STORM_LAUNCHES").ok().map_or(LAUNCHES, |text| text.parse().unwrap());
    let next = AtomicU64::new(0);
    let total = Mutex::new(Damage::default());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed * LAUNCHES_OF_A_WORLD >= launches {
                        return;
                    }
                    let damage = run(weathered(seed));
                    let mut total = total.lock().unwrap();
                    total.launches += damage.launches;
                    total.faults += damage.faults;
                    total.unmendable += damage.unmendable;
                    total.others.extend(damage.others);
                }
            });
        }
    });
    let total = total.into_inner().unwrap();
    #[expect(clippy::cast_precision_loss, reason = "a handful, or the test fails")]
    let others = total.others.len() as f64;
    let what = format!("{} launches, {} faults: failures that a retry could mend", total.launches, total.faults);
    tell(&what, others, 0.0, "");
    assert!(
        total.others.is_empty(),
        "{} of {} launches failed for a passing reason:\n{}",
        total.others.len(),
        total.launches,
        total.others.join("\n")
    );
    assert!(total.faults > total.launches && total.unmendable > 0, "there was no storm: {total:?}");
}
