//! User data as a machine runs it: the script that is rendered, under a real shell and a real Python.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod world;

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use sha2::{Digest, Sha256};
use spawn_core::user_data::UserData;
use spawn_model::layout::agent_key;
use world::{World, output};

/// An agent that only says that it was started.
const AGENT: &str = "#!/bin/sh\necho \"$*\"\n";

fn machine() -> String {
    let uname = Command::new("uname").arg("-m").output().unwrap();
    String::from_utf8(uname.stdout).unwrap().trim().to_owned()
}

/// Boots a machine whose agent must have the hash of `expected`, trying for at most `patience` seconds.
fn boot(world: &World, agents: &[(String, String)], patience: u32) -> Output {
    let script = String::from_utf8(UserData { config: &world.config, agent_sha256: agents }.render()).unwrap();
    let shorter = script.replace("/spored\" 180 ", &format!("/spored\" {patience} "));
    assert_ne!(script, shorter, "the patience is not where it was");
    let path = world.path("user-data");
    std::fs::write(&path, shorter).unwrap();
    output(world.environment(Command::new("sh").arg(path)).spawn().unwrap())
}

fn agent(world: &World) -> Vec<(String, String)> {
    let sha256 = hex::encode(Sha256::digest(AGENT));
    world.cloud.put(&agent_key(&sha256), AGENT.as_bytes().to_vec());
    vec![("other".to_owned(), "0".repeat(64)), (machine(), sha256)]
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_end_is_armed_and_the_agent_started() {
    let mut world = World::new();
    world.config.deadline = "2099-01-02T03:04:05Z".parse().unwrap();
    let agents = agent(&world);
    let start = Instant::now();
    let output = boot(&world, &agents, 10);
    println!("from the first instruction to the agent's start: {:?}", start.elapsed());
    assert!(output.status.success(), "{}", said(&output));
    let calls = world.calls();
    assert!(calls[0].starts_with("shutdown -P +"), "{calls:?}");
    assert_eq!(
        calls[1..],
        ["systemctl daemon-reload", "systemctl enable --now spawn-deadline.timer", "systemctl enable --now spored.service"]
    );
    let unit = |name: &str| std::fs::read_to_string(world.path("units").join(name)).unwrap();
    insta::assert_snapshot!("deadline_timer", unit("spawn-deadline.timer"));
    insta::assert_snapshot!("deadline_service", unit("spawn-deadline.service"));
    let service = unit("spored.service").replace(world.path("").to_str().unwrap(), "/").replace(&world.cloud.endpoint(), "http://endpoint");
    insta::assert_snapshot!("agent_service", service);
    let state = world.state();
    assert_eq!(std::fs::read_to_string(state.join("spored")).unwrap(), AGENT);
    let mode = |name: &str| std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(state.join(name)).unwrap().permissions()) & 0o777;
    assert_eq!((mode("spored"), mode("config.json")), (0o755, 0o600));
    let config: serde_json::Value = serde_json::from_slice(&std::fs::read(state.join("config.json")).unwrap()).unwrap();
    assert_eq!(config, serde_json::to_value(&world.config).unwrap());
}

#[test]
fn minutes_are_rounded_up_and_never_none() {
    for (seconds, expected) in [(-3600, 1), (30, 1), (100, 2), (3000, 50)] {
        let mut world = World::new();
        world.config.deadline = jiff::Timestamp::now() + SignedDuration::from_secs(seconds);
        let agents = agent(&world);
        boot(&world, &agents, 10);
        assert_eq!(world.calls()[0], format!("shutdown -P +{expected}"), "{seconds}");
    }
}

#[test]
fn one_way_to_end_does_not_need_the_other() {
    for broken in ["shutdown", "systemctl"] {
        let world = World::new();
        world.shim(broken, "#!/bin/sh\nexit 1\n");
        let agents = agent(&world);
        let output = boot(&world, &agents, 10);
        let calls = world.calls();
        let other = if broken == "shutdown" { "systemctl enable --now spawn-deadline.timer" } else { "shutdown -P +60" };
        assert!(calls.iter().any(|call| call == other), "{calls:?}");
        assert!(said(&output).contains("could not be"), "{}", said(&output));
        // Without a service manager that works there is no agent, so the machine ends.
        assert_eq!(calls.iter().any(|call| call == "shutdown -P now"), broken == "systemctl", "{calls:?}");
    }
}

#[test]
fn rights_and_credentials_may_arrive_late() {
    for (method, what, status, code) in [
        ("GET", "agents/", 403, "AccessDenied"),
        ("GET", "agents/", 400, "InvalidToken"),
        ("GET", "agents/", 503, "SlowDown"),
        ("GET", "meta-data/iam/security-credentials/", 404, ""),
        ("GET", "meta-data/iam/security-credentials/role", 404, ""),
        ("PUT", "api/token", 503, ""),
    ] {
        let world = World::new();
        let agents = agent(&world);
        world.cloud.fail(method, what, status, code, 2);
        let output = boot(&world, &agents, 10);
        assert!(output.status.success() && !world.is_off(), "{what} {status}: {}", said(&output));
        assert_eq!(said(&output).matches("spawn: trying again").count(), 2, "{}", said(&output));
    }
}

#[test]
fn without_its_agent_a_machine_ends_at_once() {
    let wrong = |world: &World| {
        let sha256 = hex::encode(Sha256::digest("what was built"));
        world.cloud.put(&agent_key(&sha256), b"what somebody put there".to_vec());
        vec![(machine(), sha256)]
    };
    let denied = |world: &World| {
        world.cloud.fail("GET", "agents/", 403, "AccessDenied", u32::MAX);
        agent(world)
    };
    let missing = |_: &World| vec![(machine(), "1".repeat(64))];
    let other = |_: &World| vec![("vax".to_owned(), "1".repeat(64))];
    type Prepare<'a> = &'a dyn Fn(&World) -> Vec<(String, String)>;
    let cases: [(&str, Prepare<'_>, &str); 4] = [
        ("wrong hash", &wrong, "the agent that was downloaded has the SHA-256"),
        ("denied", &denied, "spawn: the agent could not be downloaded: GET"),
        ("missing", &missing, "answered 404"),
        ("other machine", &other, "there is no agent for machines of the kind"),
    ];
    for (name, prepare, expected) in cases {
        let world = World::new();
        let agents = prepare(&world);
        let start = Instant::now();
        let output = boot(&world, &agents, 2);
        assert!(said(&output).contains(expected), "{name}: {}", said(&output));
        assert!(said(&output).contains("the machine ends now"), "{name}: {}", said(&output));
        assert_eq!(world.calls().last().map(String::as_str), Some("shutdown -P now"), "{name}");
        assert!(!world.state().join("spored").exists(), "{name}: an agent was installed");
        assert!(start.elapsed() < Duration::from_secs(10), "{name}");
    }
}

#[test]
fn without_a_service_manager_the_agent_runs_in_the_background() {
    let world = World::without_units();
    let agents = agent(&world);
    let output = boot(&world, &agents, 10);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "--version\n");
    let config = world.state().join("config.json");
    let expected = format!("run --config {}\n", config.display());
    let log = world.state().join("spored.log");
    let end = Instant::now() + Duration::from_secs(20);
    while std::fs::read_to_string(&log).unwrap_or_default() != expected {
        assert!(Instant::now() < end, "the agent was not started");
        std::thread::yield_now();
    }
}

#[test]
fn a_real_agent_works_from_user_data_alone() {
    let world = World::without_units();
    let binary = std::fs::read(env!("CARGO_BIN_EXE_spored")).unwrap();
    let sha256 = hex::encode(Sha256::digest(&binary));
    world.cloud.put(&agent_key(&sha256), binary);
    world.shell("echo hello >\"$SPAWN_RESULTS/greeting\"");
    let output = boot(&world, &[(machine(), sha256)], 10);
    assert!(output.status.success(), "{}", said(&output));
    let completion = world.keys.completion(0);
    world.cloud.until(|_, objects| objects.contains_key(&completion));
    assert_eq!(world.result(0, "greeting").unwrap(), "hello\n");
}
