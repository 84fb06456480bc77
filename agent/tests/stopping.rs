//! A machine that stops instead of ending, and is started again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod world;

use std::process::Child;

use jiff::{SignedDuration, Timestamp};
use spawn_model::record::{Exit, Stop};
use spawn_model::spec::FleetKind;
use spawn_model::stopping::OnEnd;
use world::{World, finish};

/// An instance that stops.
fn stops() -> World {
    let mut world = World::new();
    world.config.kind = FleetKind::Instance;
    world.config.ends.on_expiry = OnEnd::Stop;
    world
}

fn soon(seconds: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(seconds)
}

fn stop(world: &World) -> Option<Stop> {
    Some(serde_json::from_slice(&world.cloud.get(&world.keys.stop(0))?).unwrap())
}

/// Starts the machine, and waits until its command has printed something.
fn start_up(world: &World) -> Child {
    let before = world.cloud.requests().len();
    let child = world.start();
    world.cloud.until(|requests, _| requests[before..].iter().any(|request| request == "LOGS PutLogEvents"));
    child
}

/// Waits until the lease was read once more: what it said before was taken over.
fn until_read_again(world: &World) {
    let lease = format!("GET {}", world.keys.lease());
    let count = |requests: &[String]| requests.iter().filter(|request| **request == lease).count();
    let before = count(&world.cloud.requests());
    world.cloud.until(|requests, _| count(requests) > before);
}

/// The machine was off: what its init was told is forgotten.
fn switch_on(world: &World) {
    std::fs::remove_file(world.path("calls")).unwrap();
}

#[test]
fn at_its_deadline_it_says_that_it_stops_and_started_again_its_command_begins_anew() {
    let mut world = stops();
    world.shell("trap 'exit 0' TERM; echo attempt $SPAWN_ATTEMPT; while true; do sleep 0.1 2>/dev/null; done 2>/dev/null");
    world.config.deadline = soon(3);
    world.lease(world.config.deadline);
    let said = world.run();
    assert!(world.is_off(), "{said}");
    assert_eq!(world.completion(0), None, "nothing has ended for good");
    let stopped = stop(&world).unwrap_or_else(|| panic!("{said}"));
    assert_eq!((stopped.instance_id, stopped.idle), (world.own_id(), None));

    switch_on(&world);
    let later = soon(3600);
    world.lease(later);
    let child = start_up(&world);
    until_read_again(&world);
    let calls = world.calls();
    assert!(calls.contains(&"systemctl stop spawn-boot.timer".to_owned()), "{calls:?}");
    let timer = std::fs::read_to_string(world.path("units/spawn-deadline.timer")).unwrap();
    assert!(
        timer.contains("Persistent=false") && timer.contains(&later.strftime("OnCalendar=%Y-%m-%d %H:%M:%S UTC").to_string()),
        "{timer}"
    );
    assert!(!world.is_off());
    world.lease(soon(1));
    finish(child);
    assert!(world.is_off());
    assert_eq!(world.cloud.events(), ["attempt 1", "attempt 2"]);
}

#[test]
fn started_again_without_a_lease_it_stops_before_anything_runs() {
    let mut world = stops();
    world.shell("echo ran");
    world.config.deadline = soon(-60);
    world.lease(world.config.deadline);
    let said = world.run();
    assert!(world.is_off(), "{said}");
    assert_eq!((world.cloud.events(), world.completion(0)), (vec![], None));
}

#[test]
fn what_had_ended_by_itself_is_not_run_again() {
    let world = stops();
    world.shell("echo ran; exit 3");
    let child = world.start();
    let completion = world.keys.completion(0);
    world.cloud.until(|_, objects| objects.contains_key(&completion));
    world.lease(soon(1));
    finish(child);
    let ended = world.completion(0).unwrap();
    assert_eq!(ended.exit, Exit::Code { code: 3 });
    assert!(stop(&world).is_some());

    switch_on(&world);
    world.lease(soon(5));
    finish(world.start());
    assert_eq!((world.cloud.events(), world.completion(0)), (vec!["ran".to_owned()], Some(ended)));
    assert!(world.is_off());
}

#[test]
fn what_keeps_the_agent_from_working_is_told_and_may_be_over_after_a_start() {
    let world = stops();
    world.cloud.put(&world.keys.payload(), b"{}".to_vec());
    world.lease(soon(600));
    let said = world.run();
    assert!(world.is_off() && world.completion(0).is_none(), "{said}");
    let reason = stop(&world).and_then(|stop| stop.reason).unwrap_or_default();
    assert!(reason.contains("the payload cannot be read"), "{reason}");

    switch_on(&world);
    world.shell("echo ran");
    let child = start_up(&world);
    world.lease(soon(1));
    finish(child);
    assert_eq!(world.cloud.events(), ["ran"]);
}

#[test]
fn a_command_that_is_not_there_is_how_it_ended() {
    let world = stops();
    world.payload(1, &["no-such-program"], &[], &[]);
    let child = world.start();
    let completion = world.keys.completion(0);
    world.cloud.until(|_, objects| objects.contains_key(&completion));
    assert!(matches!(world.completion(0).unwrap().exit, Exit::NotStarted { .. }));
    assert!(!world.is_off());
    world.lease(soon(1));
    finish(child);
    assert!(world.is_off());
}
