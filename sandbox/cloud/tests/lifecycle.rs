//! How instances live and end, and what the machines below hear of it.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod world;

use sandbox_cloud::model::{InstanceState, ShutdownBehavior};
use sandbox_cloud::request::{
    AttributeChange, BlockDevice, DeleteVolume, DescribeInstanceAttribute, DescribeInstanceStatus, Filter, InstanceIds,
    ModifyInstanceAttribute, RunInstances, SpotOptions,
};
use sandbox_cloud::{Change, Config, Effect, Fault, HaltReason, Reply, Request};
use world::{World, launch};

use InstanceState::{Pending, Running, ShuttingDown, Stopped, Stopping, Terminated};

fn halt(id: &str, why: HaltReason) -> Change {
    Change::Halt { id: id.to_owned(), why }
}

#[test]
fn from_birth_to_end() {
    let mut world = World::default();
    let empty = world.cloud.snapshot();
    let ids = world.run(launch(1, 1));
    let id = ids[0].clone();
    assert_eq!(world.state(&id), Pending);
    assert_eq!(world.wait(1_999), []);
    assert_eq!(world.cloud.next_due(), Some(world.now + jiff::SignedDuration::from_millis(1)));
    assert_eq!(world.wait(1), [Change::Boot(id.clone())]);
    assert_eq!(world.state(&id), Running);
    assert!(world.instance(&id).interface.unwrap().public_ip.is_some());
    assert_eq!(world.volume_ids().len(), 1);

    let changes = world.change(Request::TerminateInstances, &ids).unwrap();
    assert_eq!((changes[0].previous, changes[0].current), (Running, ShuttingDown));
    assert_eq!(world.wait(0), [halt(&id, HaltReason::Terminate)]);
    assert_eq!(world.wait(1_000), []);
    let ended = world.instance(&id);
    assert_eq!((ended.state, ended.interface), (Terminated, None));
    assert_eq!(ended.state_reason.unwrap().code, "Client.UserInitiatedShutdown");
    assert_eq!(world.volume_ids(), Vec::<String>::new());
    assert_eq!(world.cloud.snapshot(), empty);
    assert_eq!(world.cloud.machine(&id), None);

    let again = world.change(Request::TerminateInstances, &ids).unwrap();
    assert_eq!((again[0].previous, again[0].current), (Terminated, Terminated));
    world.wait(3_600_000);
    assert_eq!(world.find(vec![]).unwrap(), []);
    assert_eq!(world.change(Request::TerminateInstances, &ids).unwrap_err().code, "InvalidInstanceID.NotFound");
    assert_eq!(world.cloud.next_due(), None);
}

#[test]
fn an_instance_that_never_booted_is_not_switched_off() {
    let mut world = World::default();
    let ids = world.run(launch(1, 1));
    world.change(Request::TerminateInstances, &ids).unwrap();
    assert_eq!(world.wait(10_000), []);
    assert_eq!(world.state(&ids[0]), Terminated);
}

#[test]
fn stop_start_and_reboot() {
    let mut world = World::default();
    let ids = world.run(launch(1, 1));
    let id = ids[0].clone();
    world.wait(2_000);
    let address = world.instance(&id).interface.unwrap().private_ip;

    world.change(Request::RebootInstances, &ids).unwrap();
    assert_eq!(world.wait(0), [halt(&id, HaltReason::Reboot), Change::Boot(id.clone())]);
    assert_eq!(world.state(&id), Running);

    world.change(world::stop, &ids).unwrap();
    assert_eq!(world.wait(0), [halt(&id, HaltReason::Stop)]);
    assert_eq!(world.state(&id), Stopping);
    assert_eq!(world.change(Request::StartInstances, &ids).unwrap_err().code, "IncorrectInstanceState");
    world.wait(1_000);
    assert_eq!(world.state(&id), Stopped);
    assert_eq!(world.instance(&id).interface.unwrap().public_ip, None);
    assert_eq!(world.volume_ids().len(), 1, "a stopped instance keeps its disk");

    let changes = world.change(Request::StartInstances, &ids).unwrap();
    assert_eq!((changes[0].previous, changes[0].current), (Stopped, Pending));
    assert_eq!(world.wait(2_000), [Change::Boot(id.clone())]);
    assert_eq!(world.instance(&id).interface.unwrap().private_ip, address);

    world.change(world::stop, &ids).unwrap();
    world.wait(1_000);
    let changes = world.change(Request::TerminateInstances, &ids).unwrap();
    assert_eq!((changes[0].previous, changes[0].current), (Stopped, Terminated), "there is no machine to wait for");
}

/// Which calls are refused in which states.
#[test]
fn calls_by_state() {
    type Way = fn(&mut World, &[String]);
    type Call = fn(InstanceIds) -> Request;
    let reach: [(InstanceState, Way); 5] = [
        (Pending, |_, _| {}),
        (Running, |w, _| drop(w.wait(2_000))),
        (Stopping, |w, ids| {
            w.wait(2_000);
            w.change(world::stop, ids).unwrap();
        }),
        (Stopped, |w, ids| {
            w.wait(2_000);
            w.change(world::stop, ids).unwrap();
            w.wait(1_000);
        }),
        (Terminated, |w, ids| {
            w.change(Request::TerminateInstances, ids).unwrap();
            w.wait(1_000);
        }),
    ];
    let calls: [(&str, Call, &[InstanceState]); 4] = [
        ("start", Request::StartInstances, &[Pending, Running, Stopped]),
        ("stop", world::stop, &[Running, Stopping, Stopped]),
        ("reboot", Request::RebootInstances, &[Running]),
        ("terminate", Request::TerminateInstances, &[Pending, Running, Stopping, Stopped, Terminated]),
    ];
    for (state, reach) in reach {
        for (name, request, allowed) in calls {
            let mut world = World::default();
            let ids = world.run(launch(1, 1));
            reach(&mut world, &ids);
            assert_eq!(world.state(&ids[0]), state);
            let got = world.change(request, &ids).map(|_| ()).map_err(|e| e.code);
            let expected = if allowed.contains(&state) { Ok(()) } else { Err("IncorrectInstanceState".to_owned()) };
            assert_eq!(got, expected, "{name} while {}", state.name());
        }
    }
}

#[test]
fn the_guest_powers_itself_off() {
    let spot = Some(SpotOptions { max_price: None });
    let cases = [
        (None, None, Stopping, Stopped),
        (Some(ShutdownBehavior::Stop), None, Stopping, Stopped),
        (Some(ShutdownBehavior::Terminate), None, ShuttingDown, Terminated),
        (None, spot, ShuttingDown, Terminated),
    ];
    for (behavior, spot, first, then) in cases {
        let mut world = World::default();
        let ids = world.run(RunInstances { instance_initiated_shutdown_behavior: behavior, spot, ..launch(1, 1) });
        world.wait(2_000);
        assert_eq!(world.cloud.guest_off(world.now, &ids[0]).unwrap(), first);
        assert_eq!(world.wait(1_000), [], "it is off already");
        let instance = world.instance(&ids[0]);
        assert_eq!(instance.state, then);
        assert_eq!(instance.state_reason.unwrap().code, "Client.InstanceInitiatedShutdown");
    }
}

#[test]
fn a_guest_that_was_told_to_go_goes_as_it_was_told() {
    let mut world = World::default();
    let ids = world.run(launch(1, 1));
    world.wait(2_000);
    world.change(Request::TerminateInstances, &ids).unwrap();
    assert_eq!(world.cloud.guest_off(world.now, &ids[0]).unwrap(), ShuttingDown);
    world.wait(1_000);
    assert_eq!(world.instance(&ids[0]).state_reason.unwrap().code, "Client.UserInitiatedShutdown");
    assert_eq!(world.cloud.guest_off(world.now, "i-00000000000000000").unwrap_err().code, "InvalidInstanceID.NotFound");
}

#[test]
fn a_lost_host_ends_the_instance() {
    let mut world = World::default();
    let ids = world.run(launch(1, 1));
    world.wait(2_000);
    assert_eq!(world.cloud.guest_lost(world.now, &ids[0]).unwrap(), ShuttingDown);
    assert_eq!(world.wait(1_000), []);
    let instance = world.instance(&ids[0]);
    assert_eq!((instance.state, instance.state_reason.unwrap().code.as_str()), (Terminated, "Server.InternalError"));
}

#[test]
fn termination_is_all_or_nothing() {
    let mut world = World::default();
    let mut ids = world.run(launch(2, 2));
    world.wait(2_000);
    for (bad, code) in [("i-0123", "InvalidInstanceID.Malformed"), ("i-00000000000000000", "InvalidInstanceID.NotFound")] {
        ids.push(bad.to_owned());
        let error = world.change(Request::TerminateInstances, &ids).unwrap_err();
        assert_eq!(error.code, code);
        assert!(error.message.contains(bad), "{}", error.message);
        ids.pop();
        assert_eq!(world.state(&ids[0]), Running);
    }
    let protect = |id: &str, on| {
        let change = AttributeChange::DisableApiTermination(on);
        Request::ModifyInstanceAttribute(ModifyInstanceAttribute { instance_id: id.to_owned(), change })
    };
    world.call(protect(&ids[1], true)).unwrap();
    assert_eq!(world.change(Request::TerminateInstances, &ids).unwrap_err().code, "OperationNotPermitted");
    assert_eq!(world.state(&ids[0]), Running);
    world.call(protect(&ids[1], false)).unwrap();
    assert_eq!(world.change(Request::TerminateInstances, &ids).unwrap().len(), 2);
}

#[test]
fn attributes() {
    let mut world = World::default();
    let ids = world.run(RunInstances { user_data: Some(b"one".to_vec()), ..launch(1, 1) });
    world.wait(2_000);
    let modify = |change| Request::ModifyInstanceAttribute(ModifyInstanceAttribute { instance_id: ids[0].clone(), change });
    let read = |world: &mut World, attribute: &str| {
        let request = DescribeInstanceAttribute { instance_id: ids[0].clone(), attribute: attribute.to_owned() };
        match world.call(Request::DescribeInstanceAttribute(request)).unwrap() {
            Reply::Attribute { value, .. } => format!("{value:?}"),
            other => panic!("{other:?}"),
        }
    };
    world.call(modify(AttributeChange::ShutdownBehavior(ShutdownBehavior::Terminate))).unwrap();
    assert!(read(&mut world, "instanceInitiatedShutdownBehavior").contains("terminate"));
    assert_eq!(world.cloud.machine(&ids[0]).unwrap().shutdown_behavior, ShutdownBehavior::Terminate);

    let root = world.instance(&ids[0]).volumes[0].device_name.clone();
    let strange = AttributeChange::DeleteOnTermination(vec![(root.clone(), false), ("/dev/sdz".to_owned(), false)]);
    assert_eq!(world.call(modify(strange)).unwrap_err().code, "InvalidInstanceAttributeValue");
    assert!(world.instance(&ids[0]).volumes[0].delete_on_termination, "nothing of what is refused is done");
    world.call(modify(AttributeChange::DeleteOnTermination(vec![(root, false)]))).unwrap();
    assert!(!world.instance(&ids[0]).volumes[0].delete_on_termination);

    let data = || AttributeChange::UserData(b"two".to_vec());
    let resize = || AttributeChange::InstanceType("c7i.xlarge".into());
    for change in [data(), resize()] {
        assert_eq!(world.call(modify(change)).unwrap_err().code, "IncorrectInstanceState");
    }
    world.change(world::stop, &ids).unwrap();
    world.wait(1_000);
    for change in [data(), resize()] {
        world.call(modify(change)).unwrap();
    }
    let machine = world.cloud.machine(&ids[0]).unwrap();
    assert_eq!((machine.user_data.as_deref(), machine.instance_type.as_str()), (Some(&b"two"[..]), "c7i.xlarge"));
}

#[test]
fn health_follows_the_boot() {
    let mut world = World::with(Config { status_checks_ms: 5_000, throttle: false, ..Config::default() });
    let ids = world.run(launch(1, 1));
    let status = |world: &mut World, all| {
        let request = DescribeInstanceStatus { include_all_instances: all, ..Default::default() };
        match world.call(Request::DescribeInstanceStatus(request)).unwrap() {
            Reply::Statuses(found) => found.items.first().map(|s| (s.state, s.status)),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(status(&mut world, false), None);
    assert_eq!(status(&mut world, true), Some((Pending, "initializing")));
    world.wait(2_000);
    assert_eq!(status(&mut world, false), Some((Running, "initializing")));
    world.wait(5_000);
    assert_eq!(status(&mut world, false), Some((Running, "ok")));
    world.change(world::stop, &ids).unwrap();
    assert_eq!(status(&mut world, true), Some((Stopping, "not-applicable")));
}

#[test]
fn a_volume_may_outlive_its_instance() {
    let mut world = World::default();
    let data = BlockDevice { device_name: "/dev/sdf".into(), volume_size: Some(20), ..Default::default() };
    let ids = world.run(RunInstances { block_device_mappings: vec![data], ..launch(1, 1) });
    let volumes = world.volume_ids();
    assert_eq!(volumes.len(), 2);
    let delete = |id: &str| Request::DeleteVolume(DeleteVolume { volume_id: id.to_owned() });
    assert_eq!(world.call(delete(&volumes[0])).unwrap_err().code, "VolumeInUse");
    world.change(Request::TerminateInstances, &ids).unwrap();
    world.wait(1_000);
    let left = world.volume_ids();
    assert_eq!(left.len(), 1, "the root volume has gone, the other has not");
    world.call(delete(&left[0])).unwrap();
    assert_eq!(world.call(delete(&left[0])).unwrap_err().code, "InvalidVolume.NotFound");
}

#[test]
fn scripted_errors_come_before_or_after_the_effect() {
    let after = |fault| match fault {
        Fault::Call { operation, region, code, message, status, lost, skip, times, .. } => {
            Fault::Call { operation, region, code, message, status, lost, effect: Effect::After, skip, times }
        }
        other => other,
    };
    let cases = [
        (Fault::error("RunInstances", "InternalError", 2), 0, false),
        (after(Fault::error("RunInstances", "InternalError", 2)), 2, false),
        (Fault::lost("RunInstances", Effect::Before, 2), 0, true),
        (Fault::lost("RunInstances", Effect::After, 2), 2, true),
    ];
    for (fault, launched, lost) in cases {
        let mut world = World::default();
        world.cloud.fault(fault.clone());
        for _ in 0..2 {
            let error = world.try_run(launch(1, 1)).unwrap_err();
            assert_eq!((error.code.as_str(), error.lost), ("InternalError", lost), "{fault:?}");
        }
        assert_eq!(world.find(vec![]).unwrap().len(), launched, "{fault:?}");
        assert!(world.cloud.faults().is_empty(), "used up");
        world.run(launch(1, 1));
    }
}

#[test]
fn faults_are_read_from_json() {
    let cases = [
        (r#"{"kind":"capacity","instance_type":"c7i.large"}"#, Fault::no_capacity("c7i.large")),
        (
            r#"{"kind":"call","operation":"RunInstances","code":"RequestLimitExceeded","times":3}"#,
            Fault::error("RunInstances", "RequestLimitExceeded", 3),
        ),
        (
            r#"{"kind":"call","operation":"TerminateInstances","lost":true,"effect":"after"}"#,
            Fault::lost("TerminateInstances", Effect::After, 1),
        ),
    ];
    for (json, expected) in cases {
        assert_eq!(serde_json::from_str::<Fault>(json).unwrap(), expected, "{json}");
    }
    assert!(serde_json::from_str::<Fault>(r#"{"kind":"capacity","instance":"x"}"#).is_err(), "misspelt");
}

#[test]
fn a_late_reader_learns_it_in_the_end() {
    let mut world = World::with(Config { reads_lag_ms: 3_000, throttle: false, ..Config::default() });
    let ids = world.run(launch(20, 20));
    let at_once = world.find(vec![]).unwrap().len();
    assert!(at_once < 20, "some are not heard of yet: {at_once}");
    let by_id = sandbox_cloud::request::DescribeInstances { instance_ids: ids.clone(), ..Default::default() };
    let error = world.call(Request::DescribeInstances(by_id)).unwrap_err();
    assert_eq!(error.code, "InvalidInstanceID.NotFound");
    world.wait(3_000);
    assert_eq!(world.find(vec![]).unwrap().len(), 20);
    // A change may be missed as well, but calls that change see the truth.
    world.wait(10_000);
    world.change(Request::TerminateInstances, &ids).unwrap();
    let late = world.find(vec![Filter::new("instance-state-name", ["running"])]).unwrap().len();
    assert!(late > 0, "a reader who is late still sees them run");
    world.wait(5_000);
    assert_eq!(world.find(vec![Filter::new("instance-state-name", ["terminated"])]).unwrap().len(), 20);
}

#[test]
fn buckets_are_enforced_if_asked() {
    let mut world = World::with(Config::default());
    for _ in 0..5 {
        world.run(launch(1, 1));
    }
    let error = world.try_run(launch(1, 1)).unwrap_err();
    assert_eq!((error.code.as_str(), error.status), ("RequestLimitExceeded", 503));
    world.wait(500);
    assert_eq!(world.run(launch(1, 1)).len(), 1);
    world.wait(1_000);
    assert_eq!(world.try_run(launch(1, 1000)).unwrap_err().code, "RequestLimitExceeded", "six instances were spent");
}

/// The most a run is meant to hold: the simulation must not become slow with the square of it.
#[test]
fn ten_thousand_members() {
    let mut world = World::default();
    let empty = world.cloud.snapshot();
    for zone in ["a", "b", "c"] {
        let mut request = world::tagged(launch(3_334, 3_334), &[("run", "r1")]);
        request.placement.availability_zone = Some(format!("us-east-1{zone}"));
        world.run(request);
    }
    assert_eq!(world.wait(2_000).len(), 10_002);
    let running = || vec![Filter::new("tag:run", ["r1"]), Filter::new("instance-state-name", ["running"])];
    let ids: Vec<String> = world.find(running()).unwrap().into_iter().map(|i| i.id).collect();
    assert_eq!(ids.len(), 10_002);
    let status = DescribeInstanceStatus { instance_ids: ids.clone(), ..Default::default() };
    assert!(matches!(world.call(Request::DescribeInstanceStatus(status)), Ok(Reply::Statuses(found)) if found.items.len() == 10_002));
    for thousand in ids.chunks(1_000) {
        world.change(Request::TerminateInstances, thousand).unwrap();
    }
    assert_eq!(world.wait(1_000).len(), 10_002);
    assert_eq!(world.find(running()).unwrap(), []);
    assert_eq!(world.cloud.snapshot(), empty);
}
