//! Refreshing many fleets in one process, as a plan of Terraform does.

use std::time::Duration;

use futures::future::join_all;
use futures::stream::{self, StreamExt};
use jiff::SignedDuration;
use sandbox_cloud::request::RunInstances;
use sandbox_cloud::{Effect, Fault, Request};
use serde_json::json;
use spawn_core::engine::Engine;
use spawn_core::fleet::Fleet;
use spawn_core::operation::Operation;
use spawn_core::ports::ImageQuery;
use spawn_core::rerun::Wanted;
use spawn_model::ids::FleetId;
use spawn_model::image::Distribution;
use spawn_model::rules::read_spec;
use spawn_model::spec::{FleetKind, FleetSpec};
use spawn_model::status::Status;

use crate::simulated::door::{LATENCY, Process, Trouble};
use crate::simulated::{REGION, World, run};
use crate::warm;

/// How many launches go on at once where it does not matter.
const LAUNCHES_AT_ONCE: usize = 50;

/// So many looks of a process ask for their own instances before the others share.
pub(crate) const ALONE: usize = 3;

/// After so long nobody is shown what was seen before.
const AGE_S: u64 = 30;

/// A `spawn_instance`.
fn instance(name: &str) -> FleetSpec {
    let value = json!({ "name": name, "instance_types": ["t3.micro"], "command": ["./serve"], "lease": { "ttl": "8h" } });
    read_spec(FleetKind::Instance, &value.into()).0.unwrap()
}

async fn launch(process: &Process, name: &str) -> FleetId {
    process.engine().launch(FleetKind::Instance, &instance(name), &Operation::quiet()).await.unwrap().record.fleet
}

/// A world with so many `spawn_instance`, which run.
pub(crate) async fn with_instances(count: usize) -> (World, Vec<FleetId>) {
    let world = warm().await;
    world.state().checked = false;
    let process = world.process();
    let launched = stream::iter(0..count).map(async |n| launch(&process, &format!("desk-{n}")).await);
    let fleets = launched.buffered(LAUNCHES_AT_ONCE).collect().await;
    world.pass(60).await;
    (world, fleets)
}

/// Launches a thousand instances that have nothing to do with spawn.
pub(crate) async fn foreign_thousand(world: &World) {
    let query = ImageQuery::Newest { distribution: Distribution::AmazonLinux2023, architecture: "x86_64".to_owned() };
    let image_id = world.process().aws().instances.image(&query).await.unwrap().id;
    let (min_count, max_count) = (1_000, 1_000);
    let run = RunInstances { image_id, instance_type: "t3.micro".to_owned(), min_count, max_count, ..RunInstances::default() };
    let now = world.now();
    world.state().cloud.call(now, REGION, Request::RunInstances(Box::new(run))).unwrap();
}

/// Refreshes fleets, so many at a time.
pub(crate) async fn refreshed(engine: &Engine, fleets: &[FleetId], at_once: usize) -> Vec<Fleet> {
    stream::iter(fleets).map(|fleet| engine.refresh(fleet)).buffered(at_once).map(|fleet| fleet.unwrap().unwrap()).collect().await
}

/// How often a process has called `DescribeInstances`.
pub(crate) fn descriptions(process: &Process) -> usize {
    process.calls().iter().filter(|call| **call == "ec2:DescribeInstances").count()
}

/// Terminates the instances of fleets behind the back of everybody.
fn terminate(world: &World, fleets: &[FleetId]) {
    let now = world.now();
    let mut state = world.state();
    for id in state.cloud.machine_ids() {
        let fleet = state.cloud.machine(&id).unwrap().tags["spawn:fleet"].clone();
        if fleets.iter().any(|one| one.as_str() == fleet) {
            state.machine_off(now, &id, true);
        }
    }
}

/// Makes sure that refreshing shows what a look of its own does.
#[track_caller]
fn assert_seen(refreshed: &Fleet, looked: &Fleet) {
    assert_eq!(refreshed.report(), looked.report());
    assert_eq!((&refreshed.alive, &refreshed.tags_seen, &refreshed.record), (&looked.alive, &looked.tags_seen, &looked.record));
}

/// A process that has a snapshot of these fleets, and how many calls that took.
async fn sharing(world: &World, fleets: &[FleetId]) -> (Process, Engine, usize) {
    assert!(fleets.len() > ALONE);
    let process = world.process();
    let engine = process.engine();
    refreshed(&engine, fleets, 1).await;
    assert_eq!(descriptions(&process), ALONE + 1);
    (process, engine, ALONE + 1)
}

#[test]
fn what_is_shared_is_what_a_look_of_its_own_shows() {
    run(async {
        let (world, fleets) = with_instances(200).await;
        terminate(&world, &fleets[100..110]);
        for at_once in [10, 100] {
            let process = world.process();
            let seen = refreshed(&process.engine(), &fleets, at_once).await;
            assert_eq!(descriptions(&process), ALONE + 1, "{at_once} at once");
            for (fleet, seen) in fleets.iter().zip(&seen) {
                assert_seen(seen, &world.engine().look(fleet).await.unwrap().unwrap());
            }
            assert_eq!(seen.iter().filter(|fleet| fleet.status == Status::Lost).count(), 10);
        }
    });
}

#[test]
fn a_few_fleets_are_asked_for_alone() {
    run(async {
        let (world, fleets) = with_instances(ALONE).await;
        let process = world.process();
        refreshed(&process.engine(), &fleets, 10).await;
        assert_eq!(descriptions(&process), ALONE);
    });
}

#[test]
fn fleets_are_listed_from_one_snapshot() {
    run(async {
        let (world, fleets) = with_instances(20).await;
        let process = world.process();
        assert_eq!(process.engine().list().await.unwrap().0.len(), fleets.len());
        assert_eq!(descriptions(&process), ALONE + 1);
    });
}

#[test]
fn what_ends_is_seen_after_a_while() {
    run(async {
        let (world, fleets) = with_instances(6).await;
        let (process, engine, calls) = sharing(&world, &fleets).await;
        terminate(&world, &fleets[..1]);
        assert_eq!(engine.refresh(&fleets[0]).await.unwrap().unwrap().status, Status::Running);
        assert_eq!(descriptions(&process), calls);
        world.pass(AGE_S).await;
        assert_eq!(engine.refresh(&fleets[0]).await.unwrap().unwrap().status, Status::Lost);
        // One snapshot has taken the other's place.
        refreshed(&engine, &fleets, 10).await;
        assert_eq!(descriptions(&process), calls + 1);
    });
}

#[test]
fn who_is_about_to_change_a_fleet_sees_it_as_it_is() {
    run(async {
        let (world, fleets) = with_instances(6).await;
        let (_, engine, _) = sharing(&world, &fleets).await;
        terminate(&world, &fleets[..1]);
        assert_eq!(engine.look(&fleets[0]).await.unwrap().unwrap().status, Status::Lost);
        assert_eq!(engine.find("desk-0").await.unwrap().status, Status::Lost);
    });
}

#[test]
fn what_the_process_has_written_is_seen_at_once() {
    for answered in [true, false] {
        run(async move {
            let (world, fleets) = with_instances(6).await;
            let (_, engine, _) = sharing(&world, &fleets).await;
            if !answered {
                world.state().cloud.fault(Fault::lost("CreateTags", Effect::After, 1));
            }
            let fleet = engine.look(&fleets[5]).await.unwrap().unwrap();
            let spec = FleetSpec { tags: [("owner".to_owned(), "ada".to_owned())].into(), ..fleet.record.spec.clone() };
            assert_eq!(engine.update(&fleet, &spec).await.is_ok(), answered);
            let seen = engine.refresh(&fleets[5]).await.unwrap().unwrap();
            assert_seen(&seen, &world.engine().look(&fleets[5]).await.unwrap().unwrap());
            // The tags are there, whether the record says so or not.
            assert_eq!(seen.tags_seen.is_none(), answered);
        });
    }
}

#[test]
fn every_write_invalidates() {
    run(async {
        let (world, fleets) = with_instances(6).await;
        let (process, engine, _) = sharing(&world, &fleets).await;
        let fleet = engine.look(&fleets[0]).await.unwrap().unwrap();
        let tagged = FleetSpec { tags: [("owner".to_owned(), "ada".to_owned())].into(), ..fleet.record.spec.clone() };
        engine.update(&fleet, &tagged).await.unwrap();
        assert_asks_anew(&process, &engine, &fleets).await;
        let fleet = engine.look(&fleets[0]).await.unwrap().unwrap();
        engine.update(&fleet, &instance("desk-0")).await.unwrap();
        assert_asks_anew(&process, &engine, &fleets).await;
        engine.launch(FleetKind::Instance, &instance("another"), &Operation::quiet()).await.unwrap();
        assert_asks_anew(&process, &engine, &fleets).await;
        engine.end(&fleets[5], SignedDuration::from_mins(5), &Operation::quiet()).await.unwrap();
        assert_asks_anew(&process, &engine, &fleets[..5]).await;
        // One that is given up on may have been sent.
        let fleet = engine.look(&fleets[0]).await.unwrap().unwrap();
        given_up_in(&process, "ec2:CreateTags", engine.update(&fleet, &tagged)).await;
        assert_asks_anew(&process, &engine, &fleets[..5]).await;
    });
}

/// Makes sure that refreshing asks EC2 as if it had never been asked.
async fn assert_asks_anew(process: &Process, engine: &Engine, fleets: &[FleetId]) {
    let before = descriptions(process);
    refreshed(engine, fleets, 10).await;
    assert_eq!(descriptions(process), before + ALONE + 1);
}

/// Gives work up while it makes a call.
async fn given_up_in<T>(process: &Process, call: &'static str, work: impl Future<Output = T>) {
    let before = process.calls().len();
    let calling = async {
        while !process.calls()[before..].contains(&call) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        () = calling => {}
        _ = work => panic!("{call} is over, or was never made"),
    }
}

#[test]
fn what_is_written_while_ec2_describes_is_seen_by_who_looks_afterwards() {
    run(async {
        let (world, fleets) = with_instances(6).await;
        // So that EC2 takes two pages to describe.
        crate::launch(&world.process(), &crate::array(1_000)).await.unwrap();
        let process = world.process();
        let engine = process.engine();
        let seen = refreshed(&engine, &fleets[..ALONE], 1).await;
        // What is on the first page.
        let fleet = seen.into_iter().min_by_key(|fleet| fleet.alive.clone()).unwrap();
        let spec = FleetSpec { tags: [("owner".to_owned(), "ada".to_owned())].into(), ..fleet.record.spec.clone() };
        let refresh = async {
            tokio::time::sleep(LATENCY * 5 / 2).await;
            engine.refresh(&fleets[5]).await
        };
        let (refreshed, updated) = futures::join!(refresh, engine.update(&fleet, &spec));
        drop((refreshed.unwrap().unwrap(), updated.unwrap()));
        let of_both = process.calls().into_iter().filter(|call| ["ec2:DescribeInstances", "ec2:CreateTags"].contains(call));
        let [.., "ec2:DescribeInstances", "ec2:CreateTags", "ec2:DescribeInstances"] = of_both.collect::<Vec<_>>()[..] else {
            panic!("the tags were not written between two pages: {:?}", process.calls())
        };
        let seen = engine.refresh(&fleet.record.fleet).await.unwrap().unwrap();
        assert_seen(&seen, &world.engine().look(&fleet.record.fleet).await.unwrap().unwrap());
    });
}

#[test]
fn what_another_process_launches_after_the_snapshot_is_seen() {
    run(async {
        let (world, fleets) = with_instances(6).await;
        let (process, engine, calls) = sharing(&world, &fleets).await;
        let new = launch(&world.process(), "new").await;
        world.pass(10).await;
        let seen = engine.refresh(&new).await.unwrap().unwrap();
        assert_eq!((seen.status, seen.alive.len()), (Status::Running, 1));
        assert_seen(&seen, &world.engine().look(&new).await.unwrap().unwrap());
        assert_eq!(descriptions(&process), calls + 1);
    });
}

#[test]
fn what_another_process_runs_again_after_the_snapshot_is_seen() {
    run(async {
        let (world, fleets) = with_instances(6).await;
        let (process, engine, calls) = sharing(&world, &fleets).await;
        let spec = FleetSpec { triggers: [("version".to_owned(), "2".to_owned())].into(), ..instance("desk-0") };
        let other = world.process();
        let (rerunner, quiet) = (other.engine(), Operation::quiet());
        let rerun = rerunner.rerun(&fleets[0], &spec, Wanted::ByTriggers, &quiet);
        // While it is begun, and what lives of it is the fleet's too; and then.
        given_up_in(&other, "ec2:RunInstances", rerun).await;
        other.kill();
        world.state().bury_launchers();
        world.pass(1).await;
        let begun = engine.refresh(&fleets[0]).await.unwrap().unwrap();
        assert!(begun.record.next.is_some());
        assert_seen(&begun, &world.engine().look(&fleets[0]).await.unwrap().unwrap());
        world.engine().rerun(&fleets[0], &spec, Wanted::ByTriggers, &quiet).await.unwrap();
        assert_eq!(descriptions(&process), calls + 1);
        let seen = engine.refresh(&fleets[0]).await.unwrap().unwrap();
        assert_seen(&seen, &world.engine().look(&fleets[0]).await.unwrap().unwrap());
        assert_eq!(seen.alive.len(), 1);
    });
}

#[test]
fn what_was_launched_and_not_recorded_is_seen() {
    run(async {
        let (world, fleets) = with_instances(6).await;
        let (_, engine, _) = sharing(&world, &fleets).await;
        let dying = world.process();
        let doing = dying.engine();
        let (spec, quiet) = (instance("unrecorded"), Operation::quiet());
        let tried = world.process();
        launch(&tried, "tried").await;
        let n = tried.calls().iter().position(|call| *call == "ec2:RunInstances").unwrap();
        let dying = dying.with(n, Trouble::DiesAfter);
        assert!(dying.live(doing.launch(FleetKind::Instance, &spec, &quiet)).await.is_none());
        let new = world.engine().find("unrecorded").await.unwrap();
        assert_eq!(new.alive.len(), 1);
        assert_seen(&engine.refresh(&new.record.fleet).await.unwrap().unwrap(), &new);
    });
}

#[test]
fn what_ec2_does_not_list_any_more_is_not_asked_for_one_by_one() {
    run(async {
        let (world, fleets) = with_instances(20).await;
        terminate(&world, &fleets[..10]);
        world.pass(2 * 3600).await;
        let (lost, expired) = (Status::Lost, Status::Expired);
        for (hours, statuses) in [(0, [lost, Status::Running]), (8, [expired, expired])] {
            world.pass(hours * 3600).await;
            let process = world.process();
            let seen = refreshed(&process.engine(), &fleets, 10).await;
            assert_eq!([seen[0].status, seen[19].status], statuses);
            assert_eq!(descriptions(&process), ALONE + 1);
            for (fleet, seen) in fleets.iter().zip(&seen) {
                assert_seen(seen, &world.engine().look(fleet).await.unwrap().unwrap());
            }
        }
    });
}

#[test]
fn a_failure_is_told_to_all_who_wait_and_not_kept() {
    run(async {
        let (world, fleets) = with_instances(10).await;
        let process = world.process();
        let engine = process.engine();
        refreshed(&engine, &fleets[..ALONE], 1).await;
        world.state().cloud.fault(Fault::error("DescribeInstances", "InternalError", 1));
        let failed = join_all(fleets.iter().map(|fleet| engine.refresh(fleet))).await;
        assert!(failed.iter().all(|seen| seen.as_ref().is_err_and(|error| error.code == "InternalError")), "{failed:?}");
        assert_eq!(descriptions(&process), ALONE + 1);
        refreshed(&engine, &fleets, 10).await;
        assert_eq!(descriptions(&process), ALONE + 2);
    });
}

#[test]
fn who_gives_up_takes_nothing_from_who_waits() {
    run(async {
        let (world, fleets) = with_instances(10).await;
        let process = world.process();
        let engine = process.engine();
        refreshed(&engine, &fleets[..ALONE], 1).await;
        let impatient = given_up_in(&process, "ec2:DescribeInstances", engine.refresh(&fleets[0]));
        let patient = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            engine.refresh(&fleets[1]).await
        };
        let ((), seen) = futures::join!(impatient, patient);
        assert_eq!(seen.unwrap().unwrap().status, Status::Running);
        assert_eq!(descriptions(&process), ALONE + 1);
    });
}
