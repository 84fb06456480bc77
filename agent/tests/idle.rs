//! The agent on machines that are idle, and on such that are not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod world;

use jiff::{SignedDuration, Timestamp};
use spawn_model::idle::IdleSpec;
use spawn_model::problem::Path;
use spawn_model::read::FieldType;
use spawn_model::record::Exit;
use spawn_model::spec::FleetKind;
use spawn_model::value::Value;
use world::kernel::Kernel;
use world::{World, finish};

/// A hung command: it waits for something that never comes, and says so when it is told to end.
const HUNG: &str = "trap 'echo asked >\"$SPAWN_RESULTS/end\"; exit 0' TERM; echo up; while true; do sleep 0.1; done";

/// Idle after so many seconds, far below what the rules let users write.
fn rule(after: &str, changes: serde_json::Value) -> IdleSpec {
    let mut value = serde_json::json!({ "after": after });
    value.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    IdleSpec::read(&Value::from(value), &Path::default(), &mut Vec::new()).unwrap()
}

/// A machine whose kernel is a simulated one, and whose lease ends in an hour.
fn machine(idle: Option<IdleSpec>) -> (World, Kernel) {
    let world = World::new();
    let kernel = Kernel::start(world.path("kernel"));
    world.lease_with(world.config.deadline, idle);
    (world, kernel)
}

/// Waits until the lease was read so many times more: a look at the machine lies between each two of them.
fn wait(world: &World, reads: usize) {
    let lease = format!("GET {}", world.keys.lease());
    let count = |requests: &[String]| requests.iter().filter(|request| **request == lease).count();
    let before = count(&world.cloud.requests());
    world.cloud.until(|requests, _| count(requests) >= before + reads);
}

fn until_up(world: &World) {
    world.cloud.until(|requests, _| requests.iter().any(|request| request == "LOGS PutLogEvents"));
}

#[test]
fn a_hung_command_ends_with_its_idle_machine() {
    let (world, _kernel) = machine(Some(rule("3s", serde_json::json!({ "processes": ["jupyter-lab"], "ports": [8888] }))));
    world.shell(HUNG);
    let begun = Timestamp::now();
    let said = world.run();
    let completion = world.completion(0).unwrap_or_else(|| panic!("{said}"));
    assert_eq!(completion.exit, Exit::Idle, "{said}");
    // In order: the command was asked to end, and what it left was kept.
    assert_eq!(world.result(0, "end").as_deref(), Some("asked\n"), "{said}");
    assert!(world.is_off());
    let idle = completion.idle.unwrap();
    let lasted = completion.ended_at.duration_since(idle.since);
    assert!(idle.since >= begun - SignedDuration::from_secs(1) && lasted >= SignedDuration::from_secs(3), "{idle:?}");
    let names: Vec<&str> = idle.signals.iter().map(|signal| signal.name.as_str()).collect();
    assert_eq!(names, ["cpu", "network", "disk", "terminals", "process jupyter-lab", "port 8888"]);
    assert_eq!(completion.notes, Vec::<String>::new());
    assert!(said.contains("the machine ends when it has been idle for 3s") && said.contains(&idle.to_string()), "{said}");
}

#[test]
fn an_idle_instance_leaves_a_record_of_it() {
    for (command, exit) in [(&[][..], Exit::Idle), (&["sh", "-c", "exit 3"][..], Exit::Code { code: 3 })] {
        let (mut world, _kernel) = machine(Some(rule("2s", serde_json::json!({}))));
        world.config.kind = FleetKind::Instance;
        world.payload(1, command, &[], &[]);
        let said = world.run();
        let completion = world.completion(0).unwrap_or_else(|| panic!("{said}"));
        // How its command ended stays what it was.
        assert_eq!((completion.exit, completion.idle.is_some()), (exit, true), "{said}");
        assert!(world.is_off());
    }
}

#[test]
fn what_happens_on_a_machine_keeps_it() {
    type Change = fn(&Kernel);
    let cases: [(&str, Change, Change); 4] = [
        ("cpu", |kernel| kernel.work(50), |kernel| kernel.work(0)),
        ("process", |kernel| kernel.process(4711, "jupyter-lab", 0), |kernel| kernel.end(4711)),
        (
            "port",
            |kernel| kernel.file("net/tcp6", "heading\n   0: 0000:22B8 0000:D02E 01 00000000:00000000\n"),
            |kernel| kernel.file("net/tcp6", "heading\n"),
        ),
        ("terminals", Kernel::typed, |_| {}),
    ];
    std::thread::scope(|scope| {
        for (what, begin, end) in cases {
            scope.spawn(move || {
                let (world, kernel) = machine(Some(rule("4s", serde_json::json!({ "processes": ["jupyter-lab"], "ports": [8888] }))));
                begin(&kernel);
                world.shell(HUNG);
                let child = world.start();
                until_up(&world);
                for _ in 0..8 {
                    wait(&world, 1);
                    // Whoever types does so again and again; the other work goes on by itself.
                    begin(&kernel);
                    assert!(!world.is_off(), "{what}");
                }
                end(&kernel);
                let said = finish(child);
                assert_eq!(world.completion(0).map(|completion| completion.exit), Some(Exit::Idle), "{what}: {said}");
            });
        }
    });
}

#[test]
fn what_cannot_be_read_keeps_a_machine_and_is_told() {
    let (world, kernel) = machine(Some(rule("2s", serde_json::json!({}))));
    kernel.file("diskstats", "nonsense\n");
    world.shell(HUNG);
    let child = world.start();
    until_up(&world);
    wait(&world, 6);
    assert!(!world.is_off());
    world.lease_with(Timestamp::now(), Some(rule("2s", serde_json::json!({}))));
    let said = finish(child);
    let completion = world.completion(0).unwrap();
    assert_eq!((completion.exit, completion.idle), (Exit::LeaseEnded, None), "{said}");
    let reason = "a line has not the counters that it should: \"nonsense\"";
    assert_eq!(completion.notes, [format!("disk could not be looked at, which counted as busy: {reason}")]);
    let told = format!("spored: disk cannot be looked at, which counts as busy: {reason}");
    assert_eq!(said.matches(&told).count(), 1, "once, not at every look: {said}");
}

#[test]
fn the_lease_object_turns_it_on_and_off() {
    let (world, _kernel) = machine(None);
    let set = |idle: Option<IdleSpec>| world.lease_with(world.config.deadline, idle);
    world.shell(HUNG);
    let child = world.start();
    until_up(&world);
    wait(&world, 4);
    for idle in [Some(rule("1h", serde_json::json!({}))), None] {
        set(idle);
        wait(&world, 4);
        assert!(!world.is_off());
    }
    set(Some(rule("2s", serde_json::json!({}))));
    let said = finish(child);
    assert_eq!(world.completion(0).map(|completion| completion.exit), Some(Exit::Idle), "{said}");
}

#[test]
fn the_lease_ends_an_idle_machine_whose_record_cannot_be_written() {
    let (mut world, _kernel) = machine(None);
    world.config.deadline = Timestamp::now() + SignedDuration::from_secs(12);
    world.lease_with(world.config.deadline, Some(rule("2s", serde_json::json!({}))));
    world.cloud.fail("PUT", &world.keys.completion(0), 503, "SlowDown", u32::MAX);
    world.shell("sleep 1000");
    let child = world.start();
    // Its end can wait for the record as long as the lease lets it.
    wait(&world, 6);
    assert!(!world.is_off());
    let said = finish(child);
    assert!(world.is_off() && said.contains("the completion record did not reach the bucket in time"), "{said}");
    assert!(Timestamp::now() >= world.config.deadline);
}

#[test]
fn looking_costs_no_call_and_little_memory() {
    let (mut world, _kernel) = machine(Some(rule("1h", serde_json::json!({ "processes": ["jupyter-lab"] }))));
    world.config.kind = FleetKind::Instance;
    world.payload(1, &[], &[], &[]);
    let child = world.start();
    wait(&world, 2);
    let before = world.cloud.requests().len();
    wait(&world, 4);
    let lease = format!("GET {}", world.keys.lease());
    let others: Vec<String> = world.cloud.requests()[before..].iter().filter(|request| **request != lease).cloned().collect();
    assert!(others.is_empty(), "{others:?}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    println!("{}", status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default());
    std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
    finish(child);
}

#[test]
fn an_interval_of_nothing_is_refused() {
    let zero = &["--renew-interval", "0"];
    for options in [&["--look-interval", "0"][..], &["--look-interval"], &["--look-interval", "soon"], &["--lease-interval", "-1"], zero] {
        let agent = std::process::Command::new(env!("CARGO_BIN_EXE_spored")).args(["run", "--config", "/nowhere"]).args(options).output();
        assert_eq!(agent.unwrap().status.code(), Some(2), "{options:?}");
    }
}
