//! Instances that stop: at their deadline, for being idle, or when somebody says so; and are started again, or end for good.

use jiff::SignedDuration;
use sandbox_cloud::Fault;
use serde_json::json;
use spawn_core::operation::Operation;
use spawn_core::setup::{HIBERNATE_DOCUMENT, PARAMETER, STOP_DOCUMENT};
use spawn_model::record::{Exit, FleetRecord, Keeper};
use spawn_model::rules::read_spec;
use spawn_model::spec::{FleetKind, FleetSpec, LeaseSpec};
use spawn_model::status::Status;
use spawn_model::stopping::OnEnd;
use spawn_model::tag;
use spawn_model::volume::VolumeSpec;

use crate::simulated::agents::Work;
use crate::simulated::{World, run};
use crate::{idle_after, lasting, launch, warm};

/// An instance that stops after 20 minutes and is kept for so long.
pub(crate) fn stopping(retain_s: u64) -> FleetSpec {
    ending(OnEnd::Stop, retain_s)
}

/// The same with another end.
pub(crate) fn ending(on_expiry: OnEnd, retain_s: u64) -> FleetSpec {
    let lease = json!({ "ttl": "20m", "on_expiry": on_expiry.word(), "retain": format!("{retain_s}s") });
    let value = json!({ "name": "tiles", "instance_types": ["c7i.large"], "command": ["serve"], "lease": lease });
    let (spec, problems) = read_spec(FleetKind::Instance, &value.into());
    assert_eq!(problems, []);
    spec.unwrap()
}

/// Launches an instance, which a person keeps.
pub(crate) async fn engine_launch(world: &World, spec: &FleetSpec) -> FleetRecord {
    let launched = world.engine().launch(FleetKind::Instance, spec, &Operation::quiet()).await.unwrap();
    launched.claim.acknowledge(Keeper::Person).await.unwrap();
    launched.record
}

async fn status(world: &World) -> (Status, String) {
    let fleet = world.engine().find("tiles").await.unwrap();
    (fleet.status, fleet.status_reason)
}

async fn start(world: &World) -> spawn_core::ports::Result<jiff::Timestamp> {
    let engine = world.engine();
    let fleet = engine.find("tiles").await.unwrap();
    engine.start(&fleet, &fleet.record.spec.lease, &Operation::quiet()).await
}

#[test]
fn it_stops_at_its_deadline_and_ends_when_it_was_kept_long_enough() {
    run(async {
        let world = warm().await;
        let record = engine_launch(&world, &stopping(3600)).await;
        let (deadline, end) = (record.asked_at + SignedDuration::from_mins(20), record.asked_at + SignedDuration::from_mins(80));
        world.pass(60).await;
        let fleet = world.engine().find("tiles").await.unwrap();
        assert_eq!((fleet.status, fleet.deadline), (Status::Running, deadline));
        let tags = world.engine().find("tiles").await.unwrap().alive;
        let tagged = world.state().cloud.machine(&tags[0].0).unwrap().tags[tag::DEADLINE].clone();
        assert_eq!(tagged, end.to_string(), "the tag is what ends it for good");

        world.pass(20 * 60).await;
        let (stopped, why) = status(&world).await;
        assert_eq!(
            (stopped, why),
            (Status::Stopped, format!("the instance has stopped and is kept until {end}: its lease ended at {deadline}"))
        );
        let reaped = world.process().reaping().engine().reap(false, &Operation::quiet()).await;
        assert_eq!((reaped.instances.len(), reaped.fleets.len()), (0, 0), "it is kept");
        world.pass(60 * 60).await;
        assert_eq!(status(&world).await.0, Status::Expired);
        world.assert_lawful();
    });
}

#[test]
fn without_its_agent_the_schedules_alone_stop_it_and_end_it() {
    run(async {
        let world = warm().await;
        world.state().agents.work = Box::new(|_| Work::Absent);
        engine_launch(&world, &stopping(3600)).await;
        world.pass(22 * 60).await;
        assert_eq!(status(&world).await.0, Status::Stopped);
        let struck: Vec<String> = world.state().strikes.iter().map(|strike| strike.name.clone()).collect();
        assert!(struck.iter().all(|name| name.ends_with("-stop")) && !struck.is_empty(), "{struck:?}");
        world.pass(60 * 60).await;
        assert_eq!(status(&world).await.0, Status::Expired);
    });
}

#[test]
fn the_reaper_alone_ends_what_was_kept_long_enough_and_nothing_before() {
    run(async {
        let world = warm().await;
        engine_launch(&world, &stopping(3600)).await;
        world.state().silence_schedules();
        for (minutes, ended) in [(25, 0), (50, 0), (10, 1)] {
            world.pass(minutes * 60).await;
            let reaped = world.process().reaping().engine().reap(false, &Operation::quiet()).await;
            assert_eq!((reaped.errors.len(), reaped.instances.len()), (0, ended), "after {minutes} more minutes");
        }
    });
}

#[test]
fn started_again_it_has_a_lease_and_a_command_that_begin_anew() {
    run(async {
        let world = warm().await;
        let first = engine_launch(&world, &stopping(3600)).await;
        world.pass(40 * 60).await;
        assert_eq!(status(&world).await.0, Status::Stopped);
        let began = world.now();
        let deadline = start(&world).await.unwrap();
        assert!(deadline.duration_since(began).as_secs().abs_diff(20 * 60) <= 1, "{deadline}");
        world.pass(60).await;
        let fleet = world.engine().find("tiles").await.unwrap();
        assert_eq!((fleet.status, fleet.deadline, &fleet.record.run), (Status::Running, deadline, &first.run));
        assert_eq!(start(&world).await.unwrap_err().code, "AlreadyRuns");
        // By the old lease it would have been gone long ago.
        world.pass(18 * 60).await;
        assert_eq!(status(&world).await.0, Status::Running);
        world.pass(3 * 60).await;
        assert_eq!(status(&world).await.0, Status::Stopped);
        world.pass(61 * 60).await;
        assert_eq!(status(&world).await.0, Status::Expired);
        assert_eq!(start(&world).await.unwrap_err().code, "FleetOver");
        world.assert_lawful();
    });
}

#[test]
fn a_longer_lease_starts_it_and_one_that_only_keeps_it_longer_does_not() {
    run(async {
        let world = warm().await;
        engine_launch(&world, &stopping(3600)).await;
        world.pass(25 * 60).await;
        let change = async |lease: LeaseSpec| {
            let engine = world.engine();
            engine.lease_change(&engine.find("tiles").await.unwrap(), &lease).await
        };
        let lease = stopping(7200).lease;
        change(lease.clone()).await.unwrap();
        world.pass(70 * 60).await;
        assert_eq!(status(&world).await.0, Status::Stopped, "an hour more");
        change(LeaseSpec { ttl: lasting(3 * 3600).ttl, ..lease }).await.unwrap();
        world.pass(30).await;
        assert_eq!(status(&world).await.0, Status::Running);
        world.assert_lawful();
    });
}

#[test]
fn what_is_idle_stops_and_says_why() {
    run(async {
        let world = warm().await;
        world.state().agents.work = Box::new(|_| Work::Ends { after_s: 120, exit: Exit::Idle });
        let lease = LeaseSpec { on_idle: OnEnd::Stop, idle: Some(idle_after(60)), ..lasting(3600) };
        engine_launch(&world, &FleetSpec { lease, ..stopping(60) }).await;
        world.pass(5 * 60).await;
        let (stopped, why) = status(&world).await;
        assert_eq!(stopped, Status::Stopped);
        assert!(why.contains("is kept until") && why.contains(": idle since "), "{why}");
        // Its lease ends it for good.
        world.pass(60 * 60).await;
        assert_eq!(status(&world).await.0, Status::Expired);
    });
}

#[test]
fn somebody_stops_it_now() {
    run(async {
        let world = warm().await;
        engine_launch(&world, &stopping(3600)).await;
        world.pass(60).await;
        let engine = world.engine();
        engine.stop(&engine.find("tiles").await.unwrap(), &Operation::quiet()).await.unwrap();
        world.pass(60).await;
        let (stopped, why) = status(&world).await;
        assert!(stopped == Status::Stopped && why.ends_with(": somebody stopped it"), "{why}");
        start(&world).await.unwrap();
        world.pass(60).await;
        assert_eq!(status(&world).await.0, Status::Running);
    });
}

#[test]
fn what_cannot_stop_is_told_so_before_anything_is_made() {
    run(async {
        let world = warm().await;
        launch(&world.process(), &crate::array(1)).await.unwrap();
        world.pass(60).await;
        let engine = world.engine();
        let fleet = engine.find("tiles").await.unwrap();
        assert_eq!(engine.stop(&fleet, &Operation::quiet()).await.unwrap_err().code, "NeverStops");
        assert_eq!(start(&world).await.unwrap_err().code, "NeverStops");

        // A set-up of before.
        for (end, part, document) in [(OnEnd::Stop, "stop", STOP_DOCUMENT), (OnEnd::Hibernate, "hibernate", HIBERNATE_DOCUMENT)] {
            let world = warm().await;
            let setup = world.state().parameters[PARAMETER].replace(&format!("\"{part}_document\":\"{document}\","), "");
            world.state().parameters.insert(PARAMETER.to_owned(), setup);
            let before = world.view();
            let launched = world.engine().launch(FleetKind::Instance, &ending(end, 60), &Operation::quiet()).await;
            let Err(error) = launched else { panic!("launched") };
            assert_eq!((error.code.as_str(), error.path.to_string().as_str()), ("SetupOld", "lease.on_expiry"));
            crate::simulated::view::assert_same("refused", &world.view(), &before);
        }
    });
}

/// What EC2 hibernated says so, and is what ran before when it is started again.
#[test]
fn it_hibernates_at_its_deadline_and_goes_on_when_it_is_started_again() {
    run(async {
        let world = warm().await;
        let record = engine_launch(&world, &ending(OnEnd::Hibernate, 3600)).await;
        let (deadline, end) = (record.asked_at + SignedDuration::from_mins(20), record.asked_at + SignedDuration::from_mins(80));
        world.pass(21 * 60).await;
        let why = format!("the instance is hibernated and is kept until {end}: its lease ended at {deadline}");
        assert_eq!(status(&world).await, (Status::Stopped, why));
        start(&world).await.unwrap();
        world.pass(60).await;
        assert_eq!(status(&world).await.0, Status::Running);
        world.pass(20 * 60).await;
        assert_eq!(status(&world).await.0, Status::Stopped, "the next lease ended too");
        world.pass(61 * 60).await;
        assert_eq!(status(&world).await.0, Status::Expired);
        world.assert_lawful();
    });
}

#[test]
fn without_its_agent_the_schedules_alone_hibernate_it_and_end_it() {
    run(async {
        let world = warm().await;
        world.state().agents.work = Box::new(|_| Work::Absent);
        engine_launch(&world, &ending(OnEnd::Hibernate, 3600)).await;
        world.pass(22 * 60).await;
        let (stopped, why) = status(&world).await;
        assert!(stopped == Status::Stopped && why.starts_with("the instance is hibernated"), "{why}");
        world.pass(60 * 60).await;
        assert_eq!(status(&world).await.0, Status::Expired);
    });
}

/// What EC2 does not hibernate is asked for again, and stopped by another schedule, a quarter of an hour after the deadline.
#[test]
fn what_ec2_refuses_to_hibernate_is_asked_again_and_then_stopped_by_the_schedules_alone() {
    for (refused, hibernates) in [(2, true), (60, false)] {
        run(async {
            let world = warm().await;
            world.state().agents.work = Box::new(|_| Work::Absent);
            engine_launch(&world, &ending(OnEnd::Hibernate, 3600)).await;
            world.pass(19 * 60).await;
            world.state().cloud.fault(Fault::error("StopInstances", "UnsupportedOperation", refused));
            world.pass(14 * 60).await;
            assert_eq!(status(&world).await.0, if hibernates { Status::Stopped } else { Status::Running });
            if !hibernates {
                // Hibernating is refused for good; stopping is not.
                world.state().schedules.retain(|(_, name), _| !name.ends_with("-hibernate"));
                world.state().cloud.clear_faults();
            }
            world.pass(4 * 60).await;
            let (stopped, why) = status(&world).await;
            assert_eq!((stopped, why.starts_with("the instance is hibernated")), (Status::Stopped, hibernates), "{why}");
        });
    }
}

#[test]
fn somebody_hibernates_it_now() {
    run(async {
        let world = warm().await;
        engine_launch(&world, &ending(OnEnd::Hibernate, 3600)).await;
        world.pass(60).await;
        let engine = world.engine();
        engine.stop(&engine.find("tiles").await.unwrap(), &Operation::quiet()).await.unwrap();
        world.pass(60).await;
        let (stopped, why) = status(&world).await;
        assert!(stopped == Status::Stopped && why.contains("is hibernated") && why.ends_with(": somebody stopped it"), "{why}");
        start(&world).await.unwrap();
        world.pass(60).await;
        assert_eq!(status(&world).await.0, Status::Running);
    });
}
/// Where a machine hibernates, its disk has room for its memory: of the largest type that there is a pool of.
#[test]
fn the_root_volume_holds_the_memory_and_what_cannot_hibernate_is_left_out() {
    run(async {
        let world = warm().await;
        let spec = ending(OnEnd::Hibernate, 60);
        let with = |types: &[&str], size_gib: Option<u32>| FleetSpec {
            instance_types: types.iter().map(|name| (*name).to_owned()).collect(),
            root_volume: VolumeSpec { size_gib, ..spec.root_volume.clone() },
            ..spec.clone()
        };
        let plan = async |spec: FleetSpec| world.engine().plan(FleetKind::Instance, &spec).await;
        let planned = plan(with(&["c7i.large", "m7i.xlarge", "r6i.large"], None)).await.unwrap();
        // The image's 8, and 16 of the m7i.xlarge; the r6i.large is none of the pools'.
        assert_eq!((planned.image.root_gib, planned.root_gib), (Some(24), Some(24)));
        assert_eq!(planned.notes[0], "r6i.large is left out: EC2 hibernates none of its instances");
        let planned = plan(with(&["c7i.large"], Some(12))).await.unwrap();
        assert_eq!(planned.image.root_gib, None, "it is the fleet that says so");
        let mut told = Vec::new();
        for refused in [with(&["c7i.large"], Some(11)), with(&["r6i.large"], None), with(&["r7i.8xlarge"], None)] {
            let error = plan(refused).await.unwrap_err();
            told.push(format!("{}: {error}", error.path));
        }
        insta::assert_snapshot!(told.join("\n"));

        let record = engine_launch(&world, &with(&["c7i.large"], None)).await;
        let asked = world.state().launch_of(&record.run).unwrap();
        assert_eq!((asked.disks[0].volume.size_gib, asked.ends.hibernates()), (Some(12), true));
    });
}
