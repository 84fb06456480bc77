//! What is removed, and what is left to somebody.

use jiff::SignedDuration;
use sandbox_cloud::Fault;
use spawn_core::operation::Operation;
use spawn_core::reap::Why;
use spawn_core::rerun::Wanted;
use spawn_model::layout::RunKeys;
use spawn_model::record::Keeper;
use spawn_model::spec::FleetSpec;

use super::{MINUTE, alive, alone, launched, named, reap};
use crate::simulated::door::{LATENCY, Trouble};
use crate::simulated::view::assert_same;
use crate::simulated::{World, run};
use crate::{array, launch};

#[test]
fn a_fleet_that_a_state_has_keeps_everything_but_its_instances() {
    run(async {
        let world = alone().await;
        let record = launched(&world, &array(2), Keeper::State).await;
        world.pass(21 * MINUTE).await;
        let others = |world: &World| ["role ", "profile ", "group ", "object names/"].map(|what| world.view().count(what));
        let before = others(&world);
        let reaped = reap(&world).await;
        assert_eq!((reaped.instances.len(), reaped.fleets.len(), alive(&world)), (2, 0, 0));
        assert_eq!(others(&world), before);
        // It can still be run again, and be ended.
        let engine = world.engine();
        engine.rerun(&record.fleet, &again(2), Wanted::ByTriggers, &Operation::quiet()).await.unwrap();
        assert_eq!(alive(&world), 2);
    });
}

fn again(size: u32) -> FleetSpec {
    FleetSpec { triggers: [("version".to_owned(), "2".to_owned())].into(), ..array(size) }
}

#[test]
fn a_fleet_that_a_state_has_taken_from_a_person_is_that_states() {
    run(async {
        let world = alone().await;
        let record = launched(&world, &array(1), Keeper::Person).await;
        world.engine().acknowledge(&record, Keeper::State).await.unwrap();
        world.pass(21 * MINUTE).await;
        let reaped = reap(&world).await;
        assert_eq!((reaped.instances.len(), reaped.fleets.len()), (1, 0));
    });
}

/// A launch that dies at the n-th call of a kind, in a world where nobody else ends anything.
async fn died_at(call: &'static str, n: usize) -> World {
    let process = alone().await.process();
    launch(&process, &array(2)).await.unwrap();
    let calls = process.calls();
    let at = calls.iter().enumerate().filter(|(_, made)| **made == call).nth(n).unwrap().0;
    let world = alone().await;
    let dying = world.process().with(at, Trouble::DiesAfter);
    assert!(dying.live(launch(&dying, &array(2))).await.is_none());
    world.state().silence_schedules();
    world
}

#[test]
fn a_launch_that_died_is_removed_when_its_lease_is_over() {
    for (call, why) in [
        ("s3:PutObject conditional", Why::Unrecorded),
        ("s3:PutObject", Why::NeverKept),
        ("iam:CreateRole", Why::NeverKept),
        ("ec2:CreateSecurityGroup", Why::NeverKept),
        ("scheduler:CreateSchedule", Why::NeverKept),
        ("ec2:RunInstances", Why::NeverKept),
    ] {
        run(async move {
            let before = alone().await.view();
            let world = died_at(call, 0).await;
            let reaped = reap(&world).await;
            if why == Why::Unrecorded {
                assert_eq!(reaped.fleets[0].why, why, "nothing was made, so there is nothing to wait for");
            } else {
                assert_eq!(reaped.fleets, [], "{call}: an equal launch may go on with it until its lease is over");
                world.pass(20 * MINUTE).await;
                let reaped = reap(&world).await;
                assert_eq!(reaped.fleets.iter().map(|fleet| fleet.why).collect::<Vec<_>>(), [why], "{call}");
            }
            world.pass(10).await;
            assert_same(call, &world.view(), &before);
        });
    }
}

#[test]
fn a_living_launcher_answers_for_its_fleet() {
    run(async {
        let world = alone().await;
        let first = launch(&world.process(), &array(1)).await.unwrap();
        world.state().silence_schedules();
        // Its process lives and has not said that somebody keeps the fleet: Terraform is still at work on something else.
        world.pass(21 * MINUTE).await;
        let reaped = reap(&world).await;
        assert_eq!((reaped.instances.len(), reaped.fleets.len()), (1, 0));
        assert_eq!(world.view().count("role spawn-fleet"), 0);
        assert_eq!(world.view().count("object names/"), 1);
        first.claim.acknowledge(Keeper::State).await.unwrap();
        drop(first.kept_alive);
        assert_eq!(reap(&world).await.fleets, []);
    });
}

#[test]
fn a_rerun_in_progress_is_not_disturbed_and_a_dead_one_is_removed_with_its_fleet() {
    run(async {
        let world = alone().await;
        let before = world.view();
        let record = launched(&world, &array(2), Keeper::Person).await;
        world.pass(21 * MINUTE).await;
        // The launcher of the next run is told to go more slowly.
        world.state().cloud.fault(Fault::error("RunInstances", "RequestLimitExceeded", 4));
        let process = world.process();
        let engine = process.engine();
        let rerun = async { process.live(engine.rerun(&record.fleet, &again(2), Wanted::ByTriggers, &Operation::quiet())).await };
        let reaping = async {
            world.pass(3).await;
            reap(&world).await
        };
        let (done, reaped) = tokio::join!(rerun, reaping);
        let again_record = done.unwrap().unwrap().record;
        assert_eq!((reaped.fleets.len(), alive(&world)), (0, 2));
        // Another one dies over it, and nobody comes.
        let third = FleetSpec { triggers: [("version".to_owned(), "3".to_owned())].into(), ..array(2) };
        let dying = world.process().with(12, Trouble::DiesAfter);
        let engine = dying.engine();
        assert!(dying.live(engine.rerun(&record.fleet, &third, Wanted::ByTriggers, &Operation::quiet())).await.is_none());
        assert!(world.state().record(&record.fleet).unwrap().next.is_some());
        world.state().silence_schedules();
        world.pass(25 * MINUTE).await;
        world.state().violations.clear();
        let reaped = reap(&world).await;
        assert_eq!(reaped.fleets.iter().map(|fleet| &fleet.fleet).collect::<Vec<_>>(), [&again_record.fleet]);
        world.pass(10).await;
        assert_same("reaped", &world.view(), &before);
    });
}

/// An end that was begun and killed, which nobody repeats.
#[test]
fn an_interrupted_end_is_finished_and_results_stay_even_if_destroy_would_delete_them() {
    run(async {
        let world = alone().await;
        let before = world.view();
        let record = launched(&world, &FleetSpec { delete_results: true, ..array(2) }, Keeper::State).await;
        let dying = world.process().with(8, Trouble::DiesAfter);
        let engine = dying.engine();
        assert!(dying.live(engine.end(&record.fleet, SignedDuration::from_mins(5), &Operation::quiet())).await.is_none());
        let reaped = reap(&world).await;
        assert_eq!(reaped.fleets.iter().map(|fleet| fleet.why).collect::<Vec<_>>(), [Why::EndBegun]);
        world.pass(10).await;
        assert_same("reaped", &world.view(), &before);
        let payload = RunKeys::new(&record.fleet, &record.run).payload();
        assert!(world.state().buckets.values().any(|objects| objects.contains_key(&payload)));
    });
}

#[test]
fn two_at_once_do_what_one_does() {
    run(async {
        let world = alone().await;
        let before = world.view();
        launched(&world, &named("tiles", 3), Keeper::Person).await;
        launched(&world, &named("other", 2), Keeper::Launcher).await;
        world.state().bury_launchers();
        world.pass(21 * MINUTE).await;
        let (one, other) = (world.process().reaping().engine(), world.process().reaping().engine());
        let quiet = Operation::quiet();
        let (one, other) = tokio::join!(one.reap(false, &quiet), other.reap(false, &quiet));
        assert_eq!((one.errors, other.errors), (vec![], vec![]));
        world.pass(10).await;
        assert_same("reaped by two", &world.view(), &before);
        world.assert_lawful();
    });
}

/// Somebody takes the name of a launcher that died, at every moment around that at which the reaper gives it back.
#[test]
fn a_name_that_was_taken_over_meanwhile_is_not_given_back() {
    let mut taken = 0;
    for calls_later in 0..10 {
        taken += run(async move {
            let world = died_at("s3:PutObject conditional", 0).await;
            let reaper = world.process().reaping().engine();
            let (next, spec, quiet) = (world.process(), array(2), Operation::quiet());
            let launching = async {
                tokio::time::sleep(LATENCY * calls_later).await;
                launch(&next, &spec).await
            };
            let (reaped, launched) = tokio::join!(reaper.reap(false, &quiet), launching);
            assert_eq!(reaped.errors, []);
            let taken = match launched {
                Ok(launched) => {
                    launched.claim.acknowledge(Keeper::Person).await.unwrap();
                    assert_eq!(world.engine().find("tiles").await.unwrap().record.fleet, launched.record.fleet);
                    1
                }
                Err(error) => {
                    assert_eq!((error.code.as_str(), world.view().count("object names/")), ("NameInUse", 0), "{error}");
                    0
                }
            };
            world.assert_lawful();
            taken
        });
    }
    assert!((5..10).contains(&taken), "both must have been first: {taken} of 10 were taken");
}
