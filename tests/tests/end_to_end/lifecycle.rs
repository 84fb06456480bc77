//! A fleet's life under Terraform: create, nothing to do, update in place, replace, import, delete, nothing left.

use serde_json::{Value, json};
use spawn_tests::configuration::{ARRAY, INSTANCE, array, instance};
use spawn_tests::leftovers::{assert_same, holdings};
use spawn_tests::terraform::instance_ids;
use spawn_tests::{Terraform, World, assert_shown, shown};

/// The deadline as the three places hold it: the lease object, the schedule, the tags.
fn deadlines(world: &World, state: &Value) -> Value {
    let (fleet, run) = (state["id"].as_str().expect("an id"), state["run_id"].as_str().expect("a run"));
    let printed = world.python(&format!(
        "lease = json.load(client('s3').get_object(Bucket='spawn-123456789012-us-east-1', Key='fleets/{fleet}/runs/{run}/lease.json')['Body'])\n\
         start = client('scheduler').get_schedule(GroupName='spawn', Name='spawn-{run}-0')['StartDate']\n\
         found = client('ec2').describe_instances(Filters=[{{'Name': 'tag:spawn:run', 'Values': ['{run}']}}])\n\
         tags = {{t['Value'] for r in found['Reservations'] for i in r['Instances'] for t in i['Tags'] if t['Key'] == 'spawn:ttl-deadline'}}\n\
         print(json.dumps([lease['deadline'], start.timestamp(), sorted(tags)]))"
    ));
    serde_json::from_str(&printed).expect("JSON")
}

/// Asserts that all three places hold the deadline of the state.
#[track_caller]
fn assert_one_deadline(world: &World, state: &Value) {
    let text = state["deadline"].as_str().expect("a deadline");
    let deadline: jiff::Timestamp = text.parse().expect("a time");
    let held = deadlines(world, state);
    assert_eq!(held[0], text);
    assert_eq!(held[1].as_f64().map(|at| at as i64), Some(deadline.as_second()));
    assert_eq!(held[2], json!([text]));
}

#[track_caller]
fn minutes_between(earlier: &Value, later: &Value) -> i64 {
    let at = |state: &Value| -> jiff::Timestamp { state["deadline"].as_str().and_then(|text| text.parse().ok()).expect("a deadline") };
    at(later).duration_since(at(earlier)).as_mins()
}

#[test]
fn an_array_runs_once_and_then_nothing_is_to_do() {
    let world = World::with_setup();
    let before = holdings(&world);
    let script = r##"{ "work" = "#!/bin/sh\necho rank $SPAWN_RANK of $SPAWN_SIZE | tee $SPAWN_RESULTS/line\n" }"##;
    let terraform = world.terraform(&format!(
        "{}output \"status\" {{ value = {ARRAY}.status }}\n",
        array(&[("files", script), ("wait_for", r#""completed""#), ("size", "3")])
    ));
    assert_shown!("plan-of-an-array", terraform.plan().succeeded().stdout);
    let applied = terraform.apply().succeeded();
    assert!(applied.stdout.contains("status = \"succeeded\""), "{}", applied.text());
    assert!(!applied.text().contains("Warning"), "{}", applied.text());
    terraform.assert_settled();

    let state = terraform.state(ARRAY);
    assert_eq!(state["status_reason"], "all 3 ranks ended with exit code 0");
    let shown: Vec<Value> = state["members"]
        .as_array()
        .expect("members")
        .iter()
        .map(|m| json!([m["rank"], m["state"], m["exit_code"], m["instance_type"]]))
        .collect();
    assert_eq!(json!(shown), json!([[0, "succeeded", 0, "c7i.large"], [1, "succeeded", 0, "c7i.large"], [2, "succeeded", 0, "c7i.large"]]));
    for rank in 0..3 {
        let uri = state["results_uri"].as_str().expect("a place");
        let (bucket, prefix) = uri.strip_prefix("s3://").and_then(|rest| rest.split_once('/')).expect("an S3 URI");
        let line = world.python(&format!(
            "print(client('s3').get_object(Bucket='{bucket}', Key='{prefix}{rank:05}/line')['Body'].read().decode(), end='')"
        ));
        assert_eq!(line, format!("rank {rank} of 3\n"));
    }
    // The machines ended themselves; nobody had to tell EC2.
    assert_eq!(world.calls(0, "TerminateInstances").len(), 0);
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
    assert_eq!(world.control().gaps(), []);
}

#[test]
fn an_array_is_changed_in_place_and_ends_without_a_trace() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&array(&[]));
    terraform.apply().succeeded();
    terraform.assert_settled();
    let first = terraform.state(ARRAY);
    assert_one_deadline(&world, &first);

    terraform.configure(&array(&[("lease", r#"{ ttl = "50m" }"#), ("tags", r#"{ team = "physics", since = "today" }"#)]));
    assert_eq!(terraform.planned(ARRAY), "update");
    assert_shown!("update-of-an-array", terraform.plan().succeeded().stdout);
    terraform.apply().succeeded();
    terraform.assert_settled();
    let extended = terraform.state(ARRAY);
    assert_eq!(instance_ids(&first), instance_ids(&extended));
    assert_eq!((minutes_between(&first, &extended), &first["run_id"]), (30, &extended["run_id"]));
    assert_one_deadline(&world, &extended);
    let tags = world.python(
        "found = client('ec2').describe_instances()\n\
         for i in [i for r in found['Reservations'] for i in r['Instances']]:\n    \
             print(sorted((t['Key'], t['Value']) for t in i['Tags'] if not t['Key'].startswith('spawn:')))",
    );
    assert_eq!(tags, "[('Name', 'tiles'), ('since', 'today'), ('team', 'physics')]\n".repeat(2));

    terraform.configure(&array(&[("lease", r#"{ ttl = "15m" }"#), ("tags", "")]));
    assert_eq!(terraform.planned(ARRAY), "update");
    terraform.apply().succeeded();
    terraform.assert_settled();
    let shortened = terraform.state(ARRAY);
    assert_eq!((instance_ids(&shortened), minutes_between(&first, &shortened)), (instance_ids(&first), -5));
    assert_one_deadline(&world, &shortened);

    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn what_makes_another_fleet_replaces_it() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&array(&[]));
    terraform.apply().succeeded();
    let first = terraform.state(ARRAY);
    let ami = world.python(
        "images = client('ec2').describe_images(Owners=['amazon'], Filters=[{'Name': 'architecture', 'Values': ['x86_64']}])['Images']\n\
         print(json.dumps(sorted(i['ImageId'] for i in images)[0]), end='')",
    );
    for (field, value) in [
        ("name", r#""mosaic""#),
        ("size", "3"),
        ("instance_types", r#"["c7a.large"]"#),
        ("ami", &ami),
        ("files", r##"{ "work" = "#!/bin/sh\nexec sleep 500\n" }"##),
        ("command", r#"["./work"]"#),
        ("env", r#"{ PALETTE = "ice" }"#),
    ] {
        terraform.configure(&array(&[(field, value)]));
        assert!(terraform.planned(ARRAY).starts_with(&format!("delete create: {field}")), "{field}: {}", terraform.planned(ARRAY));
    }
    // The last of them for real, under the same name.
    terraform.apply().succeeded();
    terraform.assert_settled();
    let second = terraform.state(ARRAY);
    assert_ne!(first["id"], second["id"]);
    assert!(instance_ids(&first).iter().all(|id| !instance_ids(&second).contains(id)));
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn an_instance_is_kept_changed_replaced_and_deleted() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&instance(&[]));
    assert_shown!("plan-of-an-instance", terraform.plan().succeeded().stdout);
    terraform.apply().succeeded();
    terraform.assert_settled();
    let first = terraform.state(INSTANCE);
    assert_eq!((first["status"].as_str(), instance_ids(&first).len()), (Some("running"), 1));

    terraform.configure(&instance(&[("lease", r#"{ ttl = "1h" }"#), ("tags", r#"{ owner = "grace" }"#)]));
    assert_eq!(terraform.planned(INSTANCE), "update");
    terraform.apply().succeeded();
    terraform.assert_settled();
    let extended = terraform.state(INSTANCE);
    assert_eq!((instance_ids(&first), minutes_between(&first, &extended)), (instance_ids(&extended), 40));
    assert_one_deadline(&world, &extended);

    for (field, value) in
        [("instance_types", r#"["t3.micro"]"#), ("command", r#"["sleep", "60"]"#), ("env", r#"{ A = "b" }"#), ("name", r#""desk""#)]
    {
        terraform.configure(&instance(&[(field, value)]));
        assert!(terraform.planned(INSTANCE).starts_with(&format!("delete create: {field}")), "{field}: {}", terraform.planned(INSTANCE));
    }
    terraform.apply().succeeded();
    terraform.assert_settled();
    assert_ne!(instance_ids(&first), instance_ids(&terraform.state(INSTANCE)));
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn a_fleet_is_imported_by_id_and_by_name() {
    let world = World::with_setup();
    let before = holdings(&world);
    let configuration = format!("{}{}", array(&[]), instance(&[("command", r#"["sleep", "600"]"#)]));
    let terraform = world.terraform(&configuration);
    terraform.apply().succeeded();
    let (fleet, bench) = (terraform.state(ARRAY), terraform.state(INSTANCE));
    let mut last = None;
    for (array_id, instance_id) in [("tiles", "bench"), (fleet["id"].as_str().expect("an id"), bench["id"].as_str().expect("an id"))] {
        let other = world.terraform(&configuration);
        other.import(ARRAY, array_id).succeeded();
        other.import(INSTANCE, instance_id).succeeded();
        other.assert_settled();
        assert_eq!((instance_ids(&other.state(ARRAY)), instance_ids(&other.state(INSTANCE))), (instance_ids(&fleet), instance_ids(&bench)));
        last = Some(other);
    }
    let other = last.expect("two");
    let fresh = world.terraform(&configuration);
    let refused = [fresh.import(ARRAY, "nothing"), fresh.import(ARRAY, "bench"), fresh.import(INSTANCE, "Not a name!")];
    let texts = refused.map(|ran| shown::diagnostics(&ran.ended(1).text()));
    assert_shown!("import-refused", texts.join("\n\n"));
    other.destroy().succeeded();
    assert_same(&before, &holdings(&world));
    assert_eq!((terraform.planned(ARRAY), terraform.planned(INSTANCE)), ("create".to_owned(), "create".to_owned()));
}

#[test]
fn an_apply_waits_for_what_it_is_told_to() {
    // Long enough that an apply which does not wait ends while the machine boots.
    let world = World::with(|options| options.boot_delay_ms = 6_000);
    world.spawn(["setup"]).succeeded();
    let resource = |goal: &str, seconds: u32| {
        format!(
            "resource \"spawn_job_array\" \"{goal}\" {{\n  name = \"{goal}\"\n  size = 1\n  instance_types = [\"c7i.large\"]\n  \
             command = [\"sleep\", \"{seconds}\"]\n  wait_for = \"{goal}\"\n}}\n"
        )
    };
    let reached = |goal: &str, seconds: u32| -> Value {
        let terraform = world.terraform(&resource(goal, seconds));
        terraform.apply().succeeded();
        let state = terraform.state(&format!("spawn_job_array.{goal}"));
        let begun = world.control().snapshot()["s3"]["spawn-123456789012-us-east-1"]["objects"]
            .as_object()
            .expect("objects")
            .keys()
            .any(|key| key.contains(state["run_id"].as_str().expect("a run")) && key.contains("/ranks/"));
        json!([state["status"], begun])
    };
    let [launched, running, ready, completed] = std::thread::scope(|scope| {
        let goals = [("launched", 600), ("running", 600), ("ready", 600), ("completed", 0)];
        let reached = &reached;
        goals.map(|(goal, seconds)| scope.spawn(move || reached(goal, seconds))).map(|one| one.join().expect("it ends"))
    });
    assert_eq!(launched, json!(["launching", false]));
    assert_eq!(running[0], "running");
    assert_eq!(ready, json!(["running", true]));
    assert_eq!(completed, json!(["succeeded", true]));
}

#[test]
fn a_wait_that_takes_too_long_is_a_warning() {
    let world = World::with_setup();
    let terraform = world.terraform(&array(&[("wait_for", r#""completed""#), ("timeouts", r#"{ create = "3s", delete = "5m" }"#)]));
    let applied = terraform.apply().succeeded();
    assert_shown!("wait-too-long", shown::diagnostics(&applied.text()));
    assert_eq!((terraform.state(ARRAY)["status"].as_str(), terraform.is_tainted(ARRAY)), (Some("running"), false));
    terraform.assert_settled();
    // Timeouts are Terraform's alone: changing them is no change of the fleet.
    terraform.configure(&array(&[("wait_for", r#""completed""#), ("timeouts", r#"{ create = "1h" }"#)]));
    assert_eq!(terraform.planned(ARRAY), "update");
    let at = world.position();
    terraform.apply().succeeded();
    assert_eq!((world.calls(at, "RunInstances").len(), world.calls(at, "CreateTags").len()), (0, 0));
    terraform.assert_settled();
    terraform.destroy().succeeded();
}

#[test]
fn a_deletion_that_takes_too_long_names_what_is_left_and_is_finished_by_the_next() {
    let world = World::with_setup();
    let before = holdings(&world);
    // No machine is gone in no time.
    let terraform = world.terraform(&array(&[("timeouts", r#"{ delete = "0s" }"#)]));
    terraform.apply().succeeded();
    let ids = instance_ids(&terraform.state(ARRAY));
    let ended = terraform.destroy().ended(1);
    assert_shown!("delete-too-long", shown::diagnostics(&ended.text()));
    assert!(ids.iter().all(|id| ended.text().contains(id)), "{}", ended.text());
    assert_eq!(instance_ids(&terraform.state(ARRAY)), ids);
    world.eventually("the machines' end", || world.instances().iter().all(|(_, state)| state == "terminated").then_some(()));
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn the_first_apply_makes_the_set_up_and_the_last_command_removes_it() {
    let world = World::start();
    let before = holdings(&world);
    let terraform: Terraform<'_> = world.terraform(&array(&[("size", "1")]));
    let applied = terraform.apply().succeeded();
    assert_shown!("first-apply", shown::diagnostics(&applied.text()));
    let refused = world.spawn(["setup", "--remove"]).ended(5);
    assert_shown!("setup-in-use", refused.stderr);
    terraform.destroy().succeeded();
    world.spawn(["setup", "--remove"]).succeeded();
    assert_same(&before, &holdings(&world));
}
