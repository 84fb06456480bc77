//! The agent as a process, from its configuration to the machine's end.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod world;

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use spawn_model::ids::InstanceId;
use spawn_model::record::{Exit, RankClaim, SCHEMA, Settled};
use spawn_model::spec::FleetKind;
use world::{World, finish};

fn seconds(count: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(count)
}

#[test]
fn arguments_and_environment_arrive_as_they_are() {
    let arguments =
        ["two words", "quote's \" end", "line\nbreak", "$(id) `id` $HOME ${PATH}", "%n %% %H", "", "*", "\\", "ü\u{1F980}", "--", "-p"];
    let show = "#!/bin/sh\npwd >\"$SPAWN_RESULTS/pwd\"\nenv >\"$SPAWN_RESULTS/env\"\nfor word; do printf '%s\\0' \"$word\" >>\"$SPAWN_RESULTS/deep/er/arguments\"; done\n";
    let start = "#!/bin/sh\nmkdir -p \"$SPAWN_RESULTS/deep/er\"\nexec ./bin/show \"$@\"\n";
    for world in [World::new(), World::without_units()] {
        let command: Vec<&str> = std::iter::once("./start").chain(arguments).collect();
        world.payload(1, &command, &[("start", start), ("bin/show", show)], &[("PALETTE", "fire $x %n 'y'")]);
        let said = world.run();
        let completion = world.completion(0).unwrap_or_else(|| panic!("{said}"));
        assert_eq!(completion.exit, Exit::Code { code: 0 }, "{said}");
        assert!(completion.started_at.unwrap() <= completion.ended_at);
        assert_eq!(completion.instance_id, world.own_id());
        let paths: Vec<&str> = completion.results.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["deep/er/arguments", "env", "pwd"]);
        let got = world.result(0, "deep/er/arguments").unwrap();
        assert_eq!(got.split_terminator('\0').collect::<Vec<_>>(), arguments);
        assert_eq!(world.result(0, "pwd").unwrap().trim(), world.state().join("work").to_str().unwrap());
        let env = world.result(0, "env").unwrap();
        assert!(env.contains("PALETTE=fire $x %n 'y'\n") && env.contains("SPAWN_RANK=0\n") && env.contains("JOB_ARRAY_SIZE=1\n"), "{env}");
        assert!(!env.contains("AWS_") && !env.contains("127.0.0.1"), "{env}");
        assert!(world.is_off());
        assert_eq!(completion.notes, Vec::<String>::new());
    }
}

#[test]
fn a_command_ends_in_many_ways() {
    let code = |code| Exit::Code { code };
    let not_started = |reason: &str| Exit::NotStarted { reason: reason.to_owned() };
    let gone = "\"./gone\" cannot be run: No such file or directory (os error 2)";
    let interpreter =
        "\"./bad\" cannot be run: No such file or directory (os error 2): the file is there, but the interpreter that it names is not";
    let unknown = "\"no-such-program\" cannot be run: No such file or directory (os error 2): no directory of PATH has it";
    let directory = "\"/\" cannot be run: Permission denied (os error 13)";
    for (command, expected) in [
        (&["sh", "-c", "exit 3"][..], code(3)),
        (&["sh", "-c", "kill -9 $$"], Exit::Signal { signal: 9 }),
        (&["sh", "-c", "kill -15 $$"], Exit::Signal { signal: 15 }),
        // What it leaves running does not keep the machine.
        (&["sh", "-c", "sleep 1000 & exit 0"], code(0)),
        (&["./gone"], not_started(gone)),
        (&["./bad"], not_started(interpreter)),
        (&["no-such-program"], not_started(unknown)),
        (&["/"], not_started(directory)),
        (&[], not_started("there is no command")),
    ] {
        let world = World::new();
        world.payload(1, command, &[("bad", "#!/no/such/interpreter\n")], &[]);
        let start = Instant::now();
        let said = world.run();
        let completion = world.completion(0).unwrap_or_else(|| panic!("{command:?}: {said}"));
        assert_eq!(completion.exit, expected, "{command:?}: {said}");
        assert_eq!(completion.started_at.is_none(), matches!(expected, Exit::NotStarted { .. }), "{command:?}");
        assert!(world.is_off(), "{command:?}");
        assert!(start.elapsed() < Duration::from_secs(20), "{command:?} took {:?}", start.elapsed());
    }
}

#[test]
fn output_goes_to_the_log_stream_whatever_it_is() {
    let world = World::new();
    world.cloud.fail("LOGS", "PutLogEvents", 500, "", 2);
    world.shell("echo one; echo two >&2; printf '\\377\\000\\n'; printf unfinished; mkdir \"$SPAWN_RESULTS/empty\"");
    world.run();
    assert_eq!(world.cloud.events(), ["one", "two", "\u{fffd}\0", "unfinished"]);
    assert_eq!(world.cloud.streams(), [format!("{}/{}/00000", world.config.fleet, world.config.run)]);
    let completion = world.completion(0).unwrap();
    assert_eq!((completion.results.len(), completion.notes.len()), (0, 0), "{completion:?}");
}

#[test]
fn much_output_is_cut_and_never_holds_the_command_up() {
    let world = World::new();
    world.shell("yes 0123456789012345678901234567890123456789012345678901234567890123456789012345678 | head -c 100000000");
    world.run();
    let completion = world.completion(0).unwrap();
    assert_eq!(completion.exit, Exit::Code { code: 0 });
    assert_eq!(completion.notes, [format!("{} bytes of output after the first 64 MiB were not kept", 100_000_000 - (64 << 20))]);
    let bytes: usize = world.cloud.events().iter().map(|event| event.len() + 1).sum();
    assert!(((64 << 20)..=(64 << 20) + 1).contains(&bytes), "{bytes}");
}

#[test]
fn logs_that_refuse_do_not_fail_the_workload() {
    let world = World::new();
    world.cloud.fail("LOGS", "PutLogEvents", 400, "", u32::MAX);
    world.shell("echo one; echo kept >\"$SPAWN_RESULTS/file\"");
    world.run();
    let completion = world.completion(0).unwrap();
    assert_eq!(completion.exit, Exit::Code { code: 0 });
    assert_eq!(world.result(0, "file").unwrap(), "kept\n");
    assert_eq!(completion.notes, ["output did not reach CloudWatch Logs: PutLogEvents: 400"]);
}

#[test]
fn rights_that_arrive_late_are_waited_for() {
    let world = World::new();
    world.cloud.fail("GET", "meta-data/iam/security-credentials/role", 404, "", 2);
    world.cloud.fail("GET", "fleets/", 403, "AccessDenied", 4);
    world.cloud.fail("PUT", "fleets/", 403, "AccessDenied", 1);
    world.cloud.fail("PUT", "fleets/", 409, "ConditionalRequestConflict", 2);
    world.cloud.fail("PUT", "fleets/", 503, "SlowDown", 1);
    world.shell("true");
    let said = world.run();
    assert_eq!(world.completion(0).unwrap_or_else(|| panic!("{said}")).exit, Exit::Code { code: 0 });
}

fn claim(world: &World, rank: u32, holder: &str, address: &str) {
    let (instance_id, private_ip) = (InstanceId(holder.to_owned()), address.to_owned());
    let claim = RankClaim { schema: SCHEMA, instance_id, private_ip, started_at: seconds(0), service: None };
    world.cloud.put(&world.keys.rank(rank), serde_json::to_vec(&claim).unwrap());
}

const SHOW_PEERS: &str = "cat \"$SPAWN_PEERS\" \"$SPAWN_HOSTFILE\" >\"$SPAWN_RESULTS/peers\"";

#[test]
fn a_taken_rank_is_left_to_its_holder() {
    let mut world = World::new();
    world.config.rank_base = 1;
    claim(&world, 1, "i-other", "172.31.0.99");
    world.batch(0, &["172.31.0.9", "172.31.0.10"]);
    world.batch(2, &["172.31.0.11"]);
    world.payload(3, &["sh", "-c", SHOW_PEERS], &[], &[]);
    world.run();
    assert!(world.completion(1).is_none());
    let completion = world.completion(2).unwrap();
    assert_eq!((completion.rank, completion.exit), (2, Exit::Code { code: 0 }));
    insta::assert_snapshot!("peers", world.result(2, "peers").unwrap());
}

/// Nothing is started before it is clear how many there are.
#[test]
fn a_command_waits_until_it_is_clear_how_many_there_are() {
    let world = World::new();
    let show = "cd \"$SPAWN_RESULTS\"; echo $SPAWN_SIZE $JOB_ARRAY_SIZE >size; cat \"$SPAWN_PEERS\" >peers";
    world.payload_or_fewer(3, &["sh", "-c", show]);
    world.batch(0, &["172.31.0.9", "172.31.0.10"]);
    let child = world.start();
    world.cloud.until(|requests, _| requests.iter().any(|request| request.ends_with(&world.keys.settled())));
    assert_eq!(world.cloud.get(&world.keys.rank(0)), None, "no rank begins");
    world.cloud.put(&world.keys.settled(), serde_json::to_vec(&Settled { schema: SCHEMA, size: 2 }).unwrap());
    let said = finish(child);
    assert_eq!(world.completion(0).unwrap_or_else(|| panic!("{said}")).exit, Exit::Code { code: 0 });
    assert_eq!(world.result(0, "size").unwrap(), "2 2\n");
    assert_eq!(world.result(0, "peers").unwrap().lines().count(), 2);
}

#[test]
fn claims_tell_the_peers_when_the_launcher_does_not() {
    let world = World::new();
    claim(&world, 1, "i-other", "172.31.0.11");
    world.payload(2, &["sh", "-c", SHOW_PEERS], &[], &[]);
    world.run();
    insta::assert_snapshot!("peers_by_claims", world.result(0, "peers").unwrap());
}

#[test]
fn a_machine_too_many_ends_without_a_record() {
    let world = World::new();
    claim(&world, 0, "i-other", "172.31.0.99");
    world.shell("true");
    let said = world.run();
    assert!(said.contains("every rank has its machine"), "{said}");
    assert!(world.completion(0).is_none() && world.is_off());
}

#[test]
fn an_extended_lease_lets_the_command_go_on() {
    let mut world = World::new();
    world.config.deadline = seconds(3);
    world.lease("2099-01-02T03:04:05Z".parse().unwrap());
    world.shell("sleep 4");
    world.run();
    assert_eq!(world.completion(0).unwrap().exit, Exit::Code { code: 0 });
    // Meanwhile the command is prepared, with calls of its own.
    let calls: Vec<String> = world.calls().into_iter().filter(|call| !call.starts_with("useradd")).collect();
    let armed = calls.iter().position(|call| call == "shutdown -c").unwrap();
    assert!(calls[armed + 1].starts_with("shutdown -P +"), "{calls:?}");
    assert_eq!(calls[armed + 2..armed + 4], ["systemctl daemon-reload", "systemctl restart spawn-deadline.timer"]);
    insta::assert_snapshot!("extended_timer", std::fs::read_to_string(world.path("units/spawn-deadline.timer")).unwrap());
}

#[test]
fn a_lease_that_moves_meanwhile_is_followed() {
    let world = World::new();
    world.shell("trap 'echo asked >\"$SPAWN_RESULTS/end\"; exit 0' TERM; echo up; while true; do sleep 0.1; done");
    let child = world.start();
    world.cloud.until(|requests, _| requests.iter().any(|request| request == "LOGS PutLogEvents"));
    world.lease(seconds(1));
    let said = finish(child);
    let completion = world.completion(0).unwrap_or_else(|| panic!("{said}"));
    assert_eq!(completion.exit, Exit::LeaseEnded);
    assert_eq!(world.result(0, "end").as_deref(), Some("asked\n"), "{said}");
    assert!(world.is_off());
}

#[test]
fn the_lease_ends_what_does_not_end_by_itself() {
    let end = |mut world: World| {
        world.config.deadline = seconds(2);
        world.lease(world.config.deadline);
        world.shell("trap '' TERM; while true; do sleep 0.1; done");
        let start = Instant::now();
        let said = world.run();
        assert_eq!(world.completion(0).unwrap_or_else(|| panic!("{said}")).exit, Exit::LeaseEnded);
        assert!(start.elapsed() >= Duration::from_secs(10), "it had no time to end by itself");
        assert!(world.is_off());
    };
    std::thread::scope(|scope| {
        scope.spawn(|| end(World::new()));
        scope.spawn(|| end(World::without_units()));
    });
}

#[test]
fn the_deadline_of_user_data_holds_when_nothing_can_be_read() {
    let mut world = World::new();
    world.config.deadline = seconds(2);
    world.cloud.fail("GET", "", 403, "AccessDenied", u32::MAX);
    let said = world.run();
    assert!(world.is_off(), "{said}");
}

#[test]
fn an_instance_stays_until_its_lease_ends() {
    for (command, before, after) in
        [(&["sh", "-c", "exit 3"][..], Some(Exit::Code { code: 3 }), Exit::Code { code: 3 }), (&[], None, Exit::LeaseEnded)]
    {
        let mut world = World::new();
        world.config.kind = FleetKind::Instance;
        world.payload(1, command, &[], &[]);
        let child = world.start();
        let (claim, completion) = (world.keys.rank(0), world.keys.completion(0));
        world.cloud.until(|_, objects| objects.contains_key(if before.is_some() { &completion } else { &claim }));
        assert_eq!(world.completion(0).map(|completion| completion.exit), before);
        assert!(!world.is_off());
        world.lease(seconds(1));
        finish(child);
        assert_eq!(world.completion(0).unwrap().exit, after);
        assert!(world.is_off());
    }
}

#[test]
fn after_a_reboot_nothing_is_run_again() {
    let world = World::new();
    world.shell("echo ran");
    world.run();
    let first = world.completion(0).unwrap();
    world.cloud.put(&world.keys.completion(0), b"null".to_vec());
    world.run();
    assert_eq!(world.completion(0).unwrap(), first);
    assert_eq!(world.cloud.events(), ["ran"]);
}

#[test]
fn a_command_that_a_reboot_cut_off_runs_again_under_its_rank() {
    let world = World::new();
    claim(&world, 0, world.own_id().0.as_str(), "172.31.0.10");
    std::fs::write(world.state().join("attempt.json"), "1").unwrap();
    std::fs::write(world.state().join("rank.json"), "0").unwrap();
    world.shell("echo attempt $SPAWN_ATTEMPT");
    world.run();
    assert_eq!(world.completion(0).unwrap().exit, Exit::Code { code: 0 });
    assert_eq!(world.cloud.events(), ["attempt 2"]);
    assert!(world.calls().contains(&"systemctl stop spawn-workload.service".to_owned()));
}

#[test]
fn a_spot_notice_interrupts() {
    let world = World::new();
    world.cloud.metadata("meta-data/instance-life-cycle", "spot");
    world.shell("trap 'echo saved >\"$SPAWN_RESULTS/checkpoint\"; exit 0' TERM; echo up; while true; do sleep 0.1; done");
    let child = world.start();
    world.cloud.until(|requests, _| requests.iter().any(|request| request == "LOGS PutLogEvents"));
    world.cloud.metadata("meta-data/spot/instance-action", r#"{"action": "terminate", "time": "2030-01-01T00:00:00Z"}"#);
    finish(child);
    assert_eq!(world.completion(0).unwrap().exit, Exit::Interrupted);
    assert_eq!(world.result(0, "checkpoint").unwrap(), "saved\n");
}

fn terminate(child: &std::process::Child) {
    let status = std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_system_that_goes_down_leaves_only_what_is_true() {
    for (deadline, expected) in [(seconds(3600), None), (seconds(3), Some(Exit::LeaseEnded))] {
        let mut world = World::new();
        world.config.deadline = deadline;
        world.lease(deadline);
        world.shell("trap '' TERM; echo $$ >\"$SPAWN_RESULTS/pid\"; echo up; while true; do sleep 0.1; done");
        let child = world.start();
        world.cloud.until(|requests, _| requests.iter().any(|request| request == "LOGS PutLogEvents"));
        if expected.is_some() {
            // From two seconds before the deadline on, a shutdown is the lease's.
            std::thread::sleep(
                Duration::try_from(Timestamp::now().duration_until(deadline))
                    .unwrap_or_default()
                    .saturating_sub(Duration::from_millis(1500)),
            );
        }
        let start = Instant::now();
        terminate(&child);
        let said = finish(child);
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}: {said}", start.elapsed());
        assert_eq!(world.completion(0).map(|completion| completion.exit), expected, "{said}");
        // Nobody is left to end it: here it is only the agent that goes down.
        let pid = std::fs::read_to_string(world.state().join("results/pid")).unwrap();
        let status = std::process::Command::new("kill").args(["-9", pid.trim()]).status().unwrap();
        assert!(status.success());
    }
}

#[test]
fn what_cannot_be_understood_ends_the_machine() {
    let mut world = World::new();
    world.config.schema = 2;
    let said = world.run();
    assert!(said.contains("is of version 2, and this agent reads version 1; the machine ends now"), "{said}");
    assert!(world.is_off());

    let world = World::new();
    world.cloud.put(&world.keys.payload(), b"{}".to_vec());
    let said = world.run();
    assert!(said.contains("the payload cannot be read"), "{said}");
    assert!(world.is_off());
    assert!(matches!(world.completion(0).unwrap().exit, Exit::NotStarted { .. }));
}

#[test]
fn a_unit_that_cannot_be_made_is_done_without() {
    let world = World::new();
    world.shim("systemd-run", "#!/bin/sh\necho refused >&2\nexit 1\n");
    world.shell("echo ran");
    let said = world.run();
    assert_eq!(world.completion(0).unwrap_or_else(|| panic!("{said}")).exit, Exit::Code { code: 0 });
    assert!(world.cloud.events().contains(&"ran".to_owned()));
}

#[test]
fn a_workload_that_was_killed_with_its_unit_is_not_run_again() {
    let world = World::new();
    world.shell("echo ran; kill -9 $PPID $$");
    world.run();
    assert_eq!(world.completion(0).unwrap().exit, Exit::Signal { signal: 9 });
    assert_eq!(world.cloud.events(), ["ran"]);
}

#[test]
fn the_machine_is_told_to_end_until_it_does() {
    let world = World::new();
    world.shim("systemctl", "#!/bin/sh\nexit 1\n");
    world.shell("true");
    world.run();
    assert!(world.calls().contains(&"shutdown -P now".to_owned()));
}

#[test]
fn idling_costs_one_read_of_the_lease_at_a_time() {
    let mut world = World::new();
    world.config.kind = FleetKind::Instance;
    world.payload(1, &[], &[], &[]);
    let child = world.start();
    let lease = format!("GET {}", world.keys.lease());
    let count = |requests: &[String]| requests.iter().filter(|request| **request == lease).count();
    let claimed = world.keys.rank(0);
    world.cloud.until(|_, objects| objects.contains_key(&claimed));
    let before = world.cloud.requests().len();
    world.cloud.until(|requests, _| count(&requests[before..]) >= 3);
    let others: Vec<String> = world.cloud.requests()[before..].iter().filter(|request| **request != lease).cloned().collect();
    assert!(others.is_empty(), "{others:?}");
    terminate(&child);
    finish(child);
}
