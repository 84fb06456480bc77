//! A machine that hibernates instead of ending. The cloud here only takes the call: that nothing goes on while a machine sleeps is the sandbox's to show.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod world;

use std::process::Child;

use jiff::{SignedDuration, Timestamp};
use spawn_model::idle::IdleSpec;
use spawn_model::problem::Path;
use spawn_model::read::FieldType;
use spawn_model::record::Stop;
use spawn_model::spec::FleetKind;
use spawn_model::stopping::OnEnd;
use spawn_model::value::Value;
use world::kernel::Kernel;
use world::{World, finish};

/// What the machine asks EC2 for.
const HIBERNATE: &str = "EC2 Action=StopInstances&Version=2016-11-15&Hibernate=true&InstanceId.1=i-0123456789abcdef0";
/// A command that goes on.
const COUNTS: &str = "echo attempt $SPAWN_ATTEMPT; while true; do sleep 0.1; done";

fn soon(seconds: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(seconds)
}

/// An instance that hibernates at its deadline, which is near.
fn near_its_deadline() -> World {
    let mut world = World::new();
    world.config.kind = FleetKind::Instance;
    world.config.ends.on_expiry = OnEnd::Hibernate;
    world.config.deadline = soon(3);
    world.lease(world.config.deadline);
    world.shell(COUNTS);
    world
}

fn stop(world: &World) -> Stop {
    serde_json::from_slice(&world.cloud.get(&world.keys.stop(0)).unwrap()).unwrap()
}

/// Waits until it has been asked so many times in all.
fn until_asked(world: &World, times: usize) {
    world.cloud.until(|requests, _| requests.iter().filter(|request| **request == HIBERNATE).count() >= times);
}

/// Ends the machine, and its command with it: by a lease that is over, where EC2 hibernates nothing any more.
fn switch_off(world: &World, child: Child) {
    world.cloud.fail("EC2", "Action=StopInstances", 400, "UnsupportedHibernationConfiguration", 100);
    world.lease(soon(1));
    let said = finish(child);
    assert!(world.is_off(), "{said}");
}

#[test]
fn at_its_deadline_it_hibernates_and_with_a_new_lease_it_goes_on_as_often_as_it_takes() {
    let world = near_its_deadline();
    let child = world.start();
    until_asked(&world, 1);
    let told = stop(&world);
    assert_eq!((told.instance_id, told.idle, told.not_hibernated), (world.own_id(), None, None));
    // Whoever starts it gives it a lease first.
    world.lease(soon(20));
    until_asked(&world, 2);
    let timer = std::fs::read_to_string(world.path("units/spawn-deadline.timer")).unwrap();
    assert!(timer.contains("OnActiveSec=") && !timer.contains("OnCalendar"), "{timer}");
    assert!(!world.calls().iter().any(|call| call.starts_with("shutdown -P")), "what is scheduled at a moment would end it as it wakes");
    assert!(!world.is_off());
    assert_eq!((world.completion(0), world.cloud.events()), (None, vec!["attempt 1".to_owned()]), "one command, all the time");
    switch_off(&world, child);
}

#[test]
fn what_ec2_refuses_for_good_stops_and_says_why() {
    let world = near_its_deadline();
    world.cloud.fail("EC2", "Action=StopInstances", 400, "UnsupportedHibernationConfiguration", 1);
    let said = world.run();
    assert!(world.is_off(), "{said}");
    assert_eq!(stop(&world).not_hibernated.as_deref(), Some("StopInstances: 400 UnsupportedHibernationConfiguration: scripted"), "{said}");
    assert_eq!(world.completion(0), None, "started again, its command begins anew");
}

#[test]
fn what_cannot_hibernate_yet_is_asked_again() {
    let world = near_its_deadline();
    world.cloud.fail("EC2", "Action=StopInstances", 400, "UnsupportedOperation", 3);
    let child = world.start();
    until_asked(&world, 4);
    assert!(!world.is_off());
    switch_off(&world, child);
}

/// A machine that wakes finds its old deadline long past. It does not go by that before it has read its lease.
#[test]
fn a_deadline_that_has_moved_meanwhile_ends_nothing() {
    let mut world = near_its_deadline();
    world.config.ends.on_expiry = OnEnd::Stop;
    world.config.ends.on_idle = OnEnd::Hibernate;
    world.shell("while true; do echo on; sleep 0.1; done");
    let child = world.start_with(&["--lease-interval", "3600"]);
    world.cloud.until(|requests, _| requests.iter().any(|request| request == "LOGS PutLogEvents"));
    world.lease(soon(12));
    let lease = format!("GET {}", world.keys.lease());
    let read = |requests: &[String]| requests.iter().filter(|request| **request == lease).count();
    // At the deadline that it knew. Its command goes on to print after that.
    world.cloud.until(|requests, _| read(requests) >= 2);
    let printed = |requests: &[String]| requests.iter().filter(|request| *request == "LOGS PutLogEvents").count();
    let before = printed(&world.cloud.requests());
    world.cloud.until(|requests, _| printed(requests) >= before + 3);
    assert!(!world.is_off());
    // By the deadline that it has learnt.
    finish(child);
    assert!(world.is_off());
}

#[test]
fn an_idle_machine_hibernates_and_says_since_when_it_was_idle() {
    let mut world = World::new();
    let _kernel = Kernel::start(world.path("kernel"));
    let rule = Value::from(serde_json::json!({ "after": "3s" }));
    let rule = IdleSpec::read(&rule, &Path::default(), &mut Vec::new()).unwrap();
    world.config.kind = FleetKind::Instance;
    world.config.ends.on_idle = OnEnd::Hibernate;
    world.lease_with(world.config.deadline, Some(rule));
    world.shell(COUNTS);
    let child = world.start();
    until_asked(&world, 1);
    assert!(stop(&world).idle.is_some() && !world.is_off());
    switch_off(&world, child);
}
