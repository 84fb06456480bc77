//! Machines that end because nothing happens on them, long before their leases would, and machines that do not.

use serde_json::Value;
use spawn_tests::configuration::{INSTANCE, instance};
use spawn_tests::leftovers::{assert_same, holdings};
use spawn_tests::terraform::instance_ids;
use spawn_tests::{World, assert_shown};

/// The shortest that may be asked for.
const AFTER: &str = "60s";

fn status(world: &World, name: &str) -> Value {
    world.spawn(["status", name, "-o", "json"]).succeeded().json()
}

/// Waits until a machine has ended by itself. The sandbox is asked, so that looking is no call of anybody's.
fn until_gone(world: &World, id: &str) {
    world.eventually(&format!("{id} ends"), || {
        let snapshot = world.control().snapshot();
        let instances = snapshot["ec2"]["regions"]["us-east-1"]["instances"].as_array().cloned().unwrap_or_default();
        let lives = |instance: &Value| instance["id"] == id && instance["state"] != "terminated";
        (!instances.iter().any(lives)).then_some(())
    });
}

/// What a machine measured differs each time.
fn without_numbers(reason: &str) -> String {
    let words = reason.split(' ').map(|word| if word.parse::<f64>().is_ok() { "N" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn idle_machines_end_and_busy_ones_stay() {
    let world = World::with_setup();
    let up = |name: &str, rest: &[&str]| {
        let common = ["up", "--name", name, "--type", "c7i.large", "--ttl", "8h", "--idle-after", AFTER, "--wait", "ready", "-o", "json"];
        let fleet = world.spawn(common.iter().chain(rest).copied()).succeeded().json();
        fleet["members"][0]["instance_id"].as_str().expect("it is launched").to_owned()
    };
    let begun = world.position();
    let boxed = up("box", &["--kind", "instance", "--idle-port", "8888"]);
    // Its command waits for ever, which is no work.
    let hung = up("hung", &["--size", "1", "--", "sleep", "3600"]);
    // The same command, of which somebody has said that it is work.
    up("desk", &["--kind", "instance", "--idle-process", "sleep", "--", "sleep", "3600"]);
    for id in [boxed, hung] {
        until_gone(&world, &id);
    }
    let (boxed, hung) = (status(&world, "box"), status(&world, "hung"));
    assert_eq!((boxed["status"].as_str(), hung["status"].as_str()), (Some("expired"), Some("expired")));
    let reason = |fleet: &Value| without_numbers(fleet["status_reason"].as_str().unwrap_or_default());
    assert_shown!("idle-reason-of-an-instance", reason(&boxed));
    assert_shown!("idle-reason-of-a-rank", reason(&hung));
    assert_eq!(hung["members"][0]["state"], "expired");

    let desk = status(&world, "desk");
    assert_eq!((desk["status"].as_str(), desk["idle_after_s"].as_u64()), (Some("running"), Some(60)), "{desk}");
    // Nobody else had a hand in it.
    assert_eq!(world.calls(begun, "StartAutomationExecution").len() + world.calls(begun, "TerminateInstances").len(), 0);

    // And from now on it stays whatever happens on it.
    world.spawn(["extend", "desk", "--no-idle"]).succeeded();
    assert_eq!(status(&world, "desk")["idle_after_s"], Value::Null);
    world.spawn(["down", "box", "hung", "desk"]).succeeded();
}

/// Edits the lease object with a line of Python that changes `it`.
fn edit_lease(world: &World, line: &str) {
    let keys: Vec<String> = world.keys().into_iter().filter(|key| key.ends_with("/lease.json")).collect();
    assert_eq!(keys.len(), 1, "{keys:?}");
    world.python(&format!(
        "s3, place = client('s3'), dict(Bucket='spawn-123456789012-us-east-1', Key='{}')\n\
         it = json.load(s3.get_object(**place)['Body'])\n{line}\ns3.put_object(**place, Body=json.dumps(it).encode())",
        keys[0]
    ));
}

#[test]
fn terraform_changes_idleness_in_place_and_keeps_what_was_idle() {
    let world = World::with_setup();
    let before = holdings(&world);
    let lease = |idle: &str| instance(&[("lease", &format!("{{ ttl = \"8h\", {idle} }}"))]);
    let calm = lease(r#"idle = { after = "120m", processes = ["jupyter-lab"], ports = [8888] }"#);
    let terraform = world.terraform(&calm);
    terraform.apply().succeeded();
    terraform.assert_settled();
    let first = terraform.state(INSTANCE);
    assert_eq!((first["lease"]["idle"]["after"].as_str(), first["lease"]["idle"]["cpu_percent"].as_u64()), (Some("120m"), Some(10)));

    // Somebody changes what the machine goes by, and takes it away.
    for (what, line) in [("changed", "it['idle'].update(after=300, cpu_percent=50)"), ("removed", "del it['idle']")] {
        edit_lease(&world, line);
        assert_eq!(terraform.planned(INSTANCE), "update", "{what}");
        let plan = terraform.plan().succeeded().stdout;
        let shown: Vec<&str> = plan.lines().filter(|line| !line.contains("Refreshing state")).collect();
        assert_shown!(format!("idle-{what}-behind-terraform"), shown.join("\n"));
        terraform.apply().succeeded();
        terraform.assert_settled();
    }

    terraform.configure(&lease(""));
    assert_eq!(terraform.planned(INSTANCE), "update");
    terraform.apply().succeeded();
    terraform.assert_settled();
    assert_eq!(status(&world, "bench")["idle_after_s"], Value::Null);

    terraform.configure(&lease(&format!("idle = {{ after = \"{AFTER}\" }}")));
    assert_eq!(terraform.planned(INSTANCE), "update");
    terraform.apply().succeeded();
    terraform.assert_settled();
    let last = terraform.state(INSTANCE);
    assert_eq!((instance_ids(&last), &last["deadline"]), (instance_ids(&first), &first["deadline"]));

    until_gone(&world, &instance_ids(&last)[0]);
    let plan = terraform.plan().succeeded().stdout;
    assert!(plan.contains("Warning: bench: idle since ") && plan.contains("No action is planned."), "{plan}");
    assert_eq!(terraform.planned(INSTANCE), "no-op");
    terraform.run(["apply", "-refresh-only", "-input=false", "-no-color", "-auto-approve"]).succeeded();
    terraform.assert_settled();
    let over = terraform.state(INSTANCE);
    assert_eq!(over["status"], "expired");
    assert!(over["status_reason"].as_str().is_some_and(|reason| reason.starts_with("idle since ")), "{over}");

    // Another lease is another run, also if it differs in this alone.
    terraform.configure(&lease("idle = { after = \"2h\" }"));
    assert_eq!(terraform.planned(INSTANCE), "update");
    terraform.apply().succeeded();
    terraform.assert_settled();
    let again = terraform.state(INSTANCE);
    assert_ne!(instance_ids(&again), instance_ids(&first));
    assert_eq!((again["status"].as_str(), &again["id"]), (Some("running"), &first["id"]));
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}
