//! The same fleet, once more: by its triggers, by a longer lease, by command; and after its launcher was killed.

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use spawn_sandbox::{Fault, FaultScript};
use spawn_tests::configuration::{ARRAY, INSTANCE, array, instance};
use spawn_tests::leftovers::{assert_same, holdings};
use spawn_tests::process::descendants;
use spawn_tests::terraform::instance_ids;
use spawn_tests::{Terraform, World, assert_shown, shown};

/// An array that hands back by which run it was run, with these triggers.
fn telling(triggers: &str) -> String {
    let script = r##"{ "work" = "#!/bin/sh\necho $SPAWN_RUN > $SPAWN_RESULTS/run\n" }"##;
    array(&[("files", script), ("command", r#"["./work"]"#), ("wait_for", r#""completed""#), ("triggers", triggers)])
}

/// What each rank handed back, below a `results_uri`.
fn results(world: &World, uri: &Value) -> Vec<String> {
    let (bucket, prefix) = uri.as_str().and_then(|uri| uri.strip_prefix("s3://")?.split_once('/')).expect("an S3 URI");
    let printed = world.python(&format!(
        "for rank in range(2): print(client('s3').get_object(Bucket='{bucket}', Key=f'{prefix}{{rank:05}}/run')['Body'].read().decode(), end='')"
    ));
    printed.lines().map(str::to_owned).collect()
}

fn alive(world: &World) -> usize {
    world.instances().iter().filter(|(_, state)| state == "running" || state == "pending").count()
}

#[test]
fn changed_triggers_run_an_array_again() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&telling(r#"{ version = "1" }"#));
    terraform.apply().succeeded();
    terraform.assert_settled();
    let first = terraform.state(ARRAY);

    terraform.configure(&telling(r#"{ version = "2" }"#));
    assert_eq!(terraform.planned(ARRAY), "update");
    assert_shown!("plan-of-a-rerun", terraform.plan().succeeded().stdout);
    let applied = terraform.apply().succeeded();
    assert!(applied.text().contains("0 added, 1 changed, 0 destroyed"), "{}", applied.text());
    terraform.assert_settled();
    let second = terraform.state(ARRAY);
    assert_eq!((&first["id"], &second["status"]), (&second["id"], &json!("succeeded")));
    assert_ne!(first["run_id"], second["run_id"]);
    assert_ne!(first["deadline"], second["deadline"]);
    for state in [&first, &second] {
        let run = state["run_id"].as_str().expect("a run");
        assert_eq!(results(&world, &state["results_uri"]), [run, run]);
    }
    assert!(instance_ids(&first).iter().all(|id| !instance_ids(&second).contains(id)));
    // Neither run left a schedule that nobody deletes, nor did the second make a role.
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
    assert_eq!(results(&world, &first["results_uri"]).len(), 2);
    assert_eq!(world.control().gaps(), []);
}

#[test]
fn triggers_that_come_to_what_they_were_run_nothing() {
    let world = World::with_setup();
    let source = |note: &str| format!("resource \"terraform_data\" \"source\" {{\n  input = \"same\"\n  triggers_replace = {note:?}\n}}\n");
    let fields: &[(&str, &str)] = &[("triggers", "{ of = terraform_data.source.output }")];
    let terraform = world.terraform(&format!("{}{}", source("a"), array(fields)));
    terraform.apply().succeeded();
    let first = terraform.state(ARRAY);
    terraform.configure(&format!("{}{}", source("b"), array(fields)));
    assert_eq!(terraform.planned(ARRAY), "update");
    let at = world.position();
    terraform.apply().succeeded();
    assert_eq!((world.calls(at, "RunInstances").len(), &terraform.state(ARRAY)["run_id"]), (0, &first["run_id"]));
    terraform.assert_settled();
    terraform.destroy().succeeded();
}

#[test]
fn what_still_runs_is_told_of_and_ended_and_a_failed_rerun_destroys_nothing() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&array(&[("triggers", r#"{ version = "1" }"#)]));
    terraform.apply().succeeded();
    let first = terraform.state(ARRAY);
    terraform.configure(&array(&[("triggers", r#"{ version = "2" }"#)]));
    assert_shown!("rerun-of-what-runs", shown::diagnostics(&terraform.plan().succeeded().stdout));
    world.control().add_fault(FaultScript::Cloud(sandbox_cloud::Fault::no_capacity("c7i.large")));
    let refused = terraform.apply().ended(1);
    assert_shown!("rerun-without-capacity", shown::diagnostics(&refused.text()));
    assert_eq!((alive(&world), &terraform.state(ARRAY)["run_id"]), (0, &first["run_id"]));
    assert!(!terraform.is_tainted(ARRAY));

    world.control().clear_faults();
    assert_eq!(terraform.planned(ARRAY), "update");
    terraform.apply().succeeded();
    terraform.assert_settled();
    assert_eq!((alive(&world), &terraform.state(ARRAY)["id"]), (2, &first["id"]));
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

/// Where a launcher is killed that runs a fleet again: a call that never returns, and how many calls of that operation pass before it.
const POINTS: [(&str, &str, u64); 5] = [
    ("ec2", "TerminateInstances", 0),
    ("scheduler", "CreateSchedule", 0),
    ("ec2", "RunInstances", 0),
    // The intent, the end of the former lease, payload and lease pass: the record of what was launched hangs.
    ("s3", "PutObject", 4),
    // And that this is the fleet's run now.
    ("s3", "PutObject", 5),
];

fn killed_and_applied_again((service, operation, skip): (&str, &str, u64)) {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&array(&[]));
    terraform.apply().succeeded();
    let first = terraform.state(ARRAY);
    terraform.configure(&array(&[("triggers", r#"{ version = "2" }"#)]));
    let at = world.position();
    world.fault_after(skip, "controller", service, operation, Some(1), Fault::Hang);
    let apply = terraform.start_apply();
    world.eventually(operation, || world.calls(at, operation).into_iter().find(|call| call.outcome == "no answer"));
    let providers = descendants(apply.id(), "terraform-provider-spawn");
    assert_eq!(providers.len(), 1, "{providers:?}");
    kill_process(providers[0], Signal::KILL).expect("the provider runs");
    assert_ne!(apply.wait().code, Some(0));
    world.control().clear_faults();

    assert_eq!(terraform.planned(ARRAY), "update", "{operation} {skip}");
    terraform.apply().succeeded();
    terraform.assert_settled();
    let second = terraform.state(ARRAY);
    assert_eq!((&first["id"], alive(&world)), (&second["id"], 2), "{operation} {skip}");
    // The first run's two and the second's: nothing was launched twice, and the run that was begun is the one that is there.
    assert_eq!(world.instances().len(), 4, "{operation} {skip}");
    let runs: std::collections::BTreeSet<String> =
        world.keys().iter().filter_map(|key| key.split("/runs/").nth(1)?.split('/').next().map(str::to_owned)).collect();
    assert_eq!(runs.len(), 2, "{operation} {skip}: {runs:?}");
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn a_killed_rerun_is_gone_on_with() {
    std::thread::scope(|scope| {
        for point in POINTS {
            scope.spawn(move || killed_and_applied_again(point));
        }
    });
}

#[test]
fn a_machine_whose_lease_has_ended_starts_again_with_another_lease() {
    let world = World::with_setup();
    let before = holdings(&world);
    // Processes live in real time, so this takes the shortest lease.
    let terraform: Terraform<'_> = world.terraform(&instance(&[("lease", r#"{ ttl = "60s" }"#)]));
    terraform.apply().succeeded();
    let first = terraform.state(INSTANCE);
    world.eventually("the end of the machine", || (alive(&world) == 0).then_some(()));
    let shown = world.eventually("the end of the lease", || {
        let text = terraform.plan().succeeded().text();
        text.contains("the lease ended at").then_some(text)
    });
    assert_shown!("lease-has-ended", shown::diagnostics(&shown));
    terraform.run(["apply", "-refresh-only", "-input=false", "-no-color", "-auto-approve"]).succeeded();
    terraform.assert_settled();

    terraform.configure(&instance(&[("lease", r#"{ ttl = "1h" }"#)]));
    assert_eq!(terraform.planned(INSTANCE), "update");
    terraform.apply().succeeded();
    terraform.assert_settled();
    let second = terraform.state(INSTANCE);
    assert_eq!((&first["id"], second["status"].as_str(), alive(&world)), (&second["id"], Some("running"), 1));
    assert_ne!(first["run_id"], second["run_id"]);
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn a_fleet_is_run_again_by_command() {
    let world = World::with_setup();
    let before = holdings(&world);
    let up = world.spawn(["up", "-o", "json", "--name", "tiles", "--type", "c7i.large", "--wait", "completed", "--", "true"]).succeeded();
    let again = world.spawn(["rerun", "tiles", "-o", "json"]).succeeded();
    let (first, second) = (up.json(), again.json());
    assert_eq!((&first["id"], &second["status"]), (&second["id"], &json!("succeeded")));
    assert_ne!(first["run_id"], second["run_id"]);
    assert_shown!("rerun-refused", world.spawn(["rerun", "mosaic"]).ended(2).stderr);
    world.spawn(["down", "tiles"]).succeeded();
    assert_same(&before, &holdings(&world));
}
