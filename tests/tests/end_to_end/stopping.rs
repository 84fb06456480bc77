//! Instances that stop instead of ending: each hand stops them alone, people start them again, and nothing is kept for ever.

use serde_json::Value;
use spawn_tests::configuration::{INSTANCE, instance};
use spawn_tests::leftovers::{assert_same, holdings};
use spawn_tests::terraform::instance_ids;
use spawn_tests::{World, assert_shown, shown};

use crate::rights::{is_missed, without};

const NAME: &str = "bench";

fn state(world: &World) -> String {
    let snapshot = world.control().snapshot();
    let instances = snapshot["ec2"]["regions"]["us-east-1"]["instances"].as_array().cloned().unwrap_or_default();
    let of_fleet = instances.iter().find(|instance| instance["tags"]["Name"] == NAME);
    of_fleet.map_or_else(String::new, |instance| instance["state"].as_str().unwrap_or_default().to_owned())
}

fn until(world: &World, wanted: &str) {
    world.eventually(wanted, || (state(world) == wanted).then_some(()));
}

fn status(world: &World) -> Value {
    world.spawn(["status", NAME, "-o", "json"]).succeeded().json()
}

#[test]
fn terraform_keeps_what_has_stopped_and_people_start_it() {
    let world = World::with_setup();
    let before = holdings(&world);
    let configured = |ttl: &str| {
        let lease = format!("{{ ttl = \"{ttl}\", on_expiry = \"stop\", retain = \"2h\" }}");
        let files = r##"{ "serve" = "#!/bin/sh\necho attempt $SPAWN_ATTEMPT\nexec sleep 600\n" }"##;
        instance(&[("lease", &lease), ("files", files), ("command", r#"["./serve"]"#), ("wait_for", r#""ready""#)])
    };
    let terraform = world.terraform(&configured("60s"));
    terraform.apply().succeeded();
    terraform.assert_settled();
    let first = terraform.state(INSTANCE);
    // By the machine's own hands, in real time.
    until(&world, "stopped");
    assert_shown!("status-of-what-has-stopped", world.spawn(["status", NAME]).succeeded().stdout);
    assert_shown!("plan-of-what-has-stopped", shown::diagnostics(&terraform.plan().succeeded().stdout));
    assert_eq!(terraform.planned(INSTANCE), "no-op");

    world.spawn(["start", NAME, "--ttl", "30m"]).succeeded();
    until(&world, "running");
    let logged = |line: &str| world.spawn(["logs", NAME]).succeeded().stdout.contains(line).then_some(());
    world.eventually("its command begins anew", || logged("attempt 2"));
    assert_eq!((status(&world)["status"].as_str(), instance_ids(&first)), (Some("running"), instance_ids(&status(&world))));
    // Somebody has given it another ttl than the configuration says.
    assert_eq!(terraform.planned(INSTANCE), "update");

    world.spawn(["stop", NAME]).succeeded();
    until(&world, "stopped");
    // A lease that ends later starts it again.
    terraform.configure(&configured("2h"));
    assert_eq!(terraform.planned(INSTANCE), "update");
    terraform.apply().succeeded();
    until(&world, "running");
    terraform.run(["apply", "-refresh-only", "-input=false", "-no-color", "-auto-approve"]).succeeded();
    terraform.assert_settled();
    assert_eq!(instance_ids(&terraform.state(INSTANCE)), instance_ids(&first));
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
    assert_eq!(world.control().gaps(), []);
}

#[test]
fn the_schedules_alone_stop_it_and_end_it() {
    let world = World::with_setup();
    let before = holdings(&world);
    let up = ["up", "--kind", "instance", "--name", NAME, "--type", "c7i.large", "--ttl", "1h", "--on-expiry", "stop", "--retain", "1h"];
    world.spawn(up.into_iter().chain(["--wait", "running"])).succeeded();
    // Only AWS's side follows the clock: to the machine's own hands an hour is left.
    let since = world.position();
    world.advance(3_602);
    until(&world, "stopped");
    world.advance(3_600);
    world.eventually("it is gone", || ["terminated", ""].contains(&state(&world).as_str()).then_some(()));
    let by_document = |operation: &str| world.calls(since, operation).iter().filter(|call| call.caller.starts_with("automation")).count();
    assert!(by_document("StopInstances") > 0 && by_document("TerminateInstances") > 0);
    world.spawn(["down", NAME]).succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn who_may_not_stop_and_start_is_told_and_what_never_stops_too() {
    let world = World::with(|options| options.boot_machines = false);
    world.spawn(["setup"]).succeeded();
    let up = ["up", "--kind", "instance", "--name", NAME, "--type", "c7i.large", "--ttl", "1h", "--wait", "running"];
    world.spawn(up.into_iter().chain(["--on-expiry", "stop"])).succeeded();
    let policy = world.policy("launcher");
    for (command, action) in [("stop", "ec2:StopInstances"), ("start", "ec2:StartInstances")] {
        let who = world.identity(&format!("without-{command}"), &without(&policy, action));
        let refused = world.spawn_as(&who, [command, NAME]).ended(3);
        assert!(is_missed(action, &refused.stderr), "{}", refused.stderr);
        world.spawn([command, NAME]).succeeded();
    }
    until(&world, "running");
    assert_shown!("start-of-what-runs", world.spawn(["start", NAME]).ended(5).text());
    world.spawn(["down", NAME]).succeeded();
    world.spawn(up).succeeded();
    assert_shown!("stop-of-what-never-stops", world.spawn(["stop", NAME]).ended(2).text());
    world.spawn(["down", NAME]).succeeded();
}
