//! What a command may do to itself, and what a fleet makes of it: a warning and a status, never a tainted resource.

use std::fmt::Write as _;

use serde_json::{Value, json};
use spawn_sandbox::Fault;
use spawn_tests::configuration::{ARRAY, array};
use spawn_tests::leftovers::{assert_same, holdings};
use spawn_tests::{Ran, Terraform, World, assert_shown, shown};

const BUCKET: &str = "spawn-123456789012-us-east-1";

/// Runs a command to its end, and asserts what holds for every workload: applied, not tainted, nothing to do, nothing running.
fn run<'w>(world: &'w World, changes: &[(&str, &str)]) -> (Terraform<'w>, Ran) {
    let terraform = world.terraform(&array(&[&[("size", "1"), ("wait_for", r#""completed""#)], changes].concat()));
    let applied = terraform.apply().succeeded();
    assert!(!terraform.is_tainted(ARRAY), "{}", applied.text());
    terraform.assert_settled();
    world.eventually("every machine ends itself", || world.instances().iter().all(|(_, state)| state == "terminated").then_some(()));
    (terraform, applied)
}

/// A script, as the value of `files` and of `command`.
fn script(text: &str) -> [(&'static str, String); 2] {
    // Terraform would take these for its own.
    let text = text.replace("${", "$${").replace("%{", "%%{");
    [("files", format!("{{ \"work\" = {} }}", Value::from(text))), ("command", r#"["./work"]"#.to_owned())]
}

pub(super) fn ends(state: &Value) -> Value {
    let members = state["members"].as_array().cloned().unwrap_or_default();
    members.iter().map(|m| json!([m["rank"], m["state"], m["exit_code"]])).collect()
}

fn object(world: &World, key: &str) -> String {
    world.python(&format!("sys.stdout.buffer.write(client('s3').get_object(Bucket='{BUCKET}', Key={})['Body'].read())", Value::from(key)))
}

/// The only object below the run of a state whose key ends so.
fn run_object(world: &World, state: &Value, end: &str) -> String {
    let run = state["run_id"].as_str().expect("a run");
    let keys: Vec<String> = world.keys().into_iter().filter(|key| key.contains(run) && key.ends_with(end)).collect();
    assert_eq!(keys.len(), 1, "{end}: {keys:?}");
    object(world, &keys[0])
}

#[test]
fn a_command_that_fails_is_a_warning_and_a_status() {
    let cases: [(&str, String, &str, Value); 4] = [
        ("exits 3", "#!/bin/sh\necho before\nexit 3\n".to_owned(), "failed", json!([[0, "failed", 3]])),
        ("is killed", "#!/bin/sh\nkill -KILL $$\n".to_owned(), "failed", json!([[0, "failed", 137]])),
        ("has an interpreter that is not there", "#!/no/such/thing\n".to_owned(), "failed", json!([[0, "failed", null]])),
        ("writes no result", "#!/bin/sh\nexit 0\n".to_owned(), "succeeded", json!([[0, "succeeded", 0]])),
    ];
    let texts: Vec<String> = std::thread::scope(|scope| {
        let one = |(case, text, status, expected): &(&str, String, &str, Value)| {
            let world = World::with_setup();
            let before = holdings(&world);
            let fields = script(text);
            let (terraform, applied) = run(&world, &fields.each_ref().map(|(name, value)| (*name, value.as_str())));
            let state = terraform.state(ARRAY);
            assert_eq!((&state["status"], &ends(&state)), (&json!(status), expected), "{case}: {}", applied.text());
            terraform.destroy().succeeded();
            assert_same(&before, &holdings(&world));
            format!("━━━ {case}\n{}\n\n", shown::diagnostics(&applied.text()))
        };
        cases.each_ref().map(|case| scope.spawn(move || one(case))).map(|done| done.join().expect("it ends")).to_vec()
    });
    assert_shown!("commands-that-fail", texts.concat());
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let world = World::with_setup();
    let (terraform, applied) = run(&world, &[("files", ""), ("command", r#"["./nowhere"]"#)]);
    let state = terraform.state(ARRAY);
    assert_eq!((&state["status"], ends(&state)), (&json!("failed"), json!([[0, "failed", null]])));
    assert_shown!("program-not-found", shown::diagnostics(&applied.text()));
    let completion: Value = serde_json::from_str(&run_object(&world, &state, "completions/00000.json")).expect("JSON");
    assert_shown!("program-not-found-record", completion["exit"].to_string());
    terraform.destroy().succeeded();
}

#[test]
fn some_ranks_of_several_fail() {
    let world = World::with_setup();
    let fields = script("#!/bin/sh\nexit $((SPAWN_RANK % 2))\n");
    let changes = [&[("size", "4")][..], &fields.each_ref().map(|(name, value)| (*name, value.as_str()))].concat();
    let (terraform, applied) = run(&world, &changes);
    let state = terraform.state(ARRAY);
    assert_eq!(state["status"], "failed");
    assert_eq!(ends(&state), json!([[0, "succeeded", 0], [1, "failed", 1], [2, "succeeded", 0], [3, "failed", 1]]));
    assert_shown!("some-ranks-fail", shown::diagnostics(&applied.text()));
    terraform.destroy().succeeded();
}

#[test]
fn arguments_environment_and_files_arrive_as_they_were_written() {
    let world = World::with_setup();
    let words = [
        "two words",
        "it's",
        "\"quoted\"",
        "new\nline",
        "$(touch /tmp/no) `no` $HOME",
        "100%",
        "%s %n",
        "back\\slash",
        "Grüße 🛰",
        "",
        "*",
        "--",
    ];
    let hcl = |word: &str| Value::from(word.replace("${", "$${").replace("%{", "%%{")).to_string();
    let arguments = words.map(hcl).join(", ");
    let env = words.iter().enumerate().map(|(i, word)| format!("W{i} = {}", hcl(word))).collect::<Vec<_>>().join(", ");
    let program = "#!/usr/bin/env python3\nimport json, os, sys\n\
        seen = {'argv': sys.argv[1:], 'env': dict(os.environ), 'file': open('data/in.txt').read(), 'cwd': os.getcwd(), 'uid': os.getuid()}\n\
        seen['peers'] = [json.loads(line) for line in open(os.environ['SPAWN_PEERS'])]\n\
        seen['hosts'] = open(os.environ['SPAWN_HOSTFILE']).read()\n\
        os.makedirs(os.environ['SPAWN_RESULTS'] + '/deep/er')\n\
        json.dump(seen, open(os.environ['SPAWN_RESULTS'] + '/deep/er/seen.json', 'w'))\n\
        open(os.environ['SPAWN_RESULTS'] + '/with space ü', 'wb').write(bytes(range(256)))\n";
    let files = format!("{{ \"work\" = {}, \"data/in.txt\" = {} }}", hcl(program), hcl(&words.join("\n")));
    let (terraform, applied) = run(
        &world,
        &[("size", "3"), ("files", &files), ("command", &format!("[\"./work\", {arguments}]")), ("env", &format!("{{ {env} }}"))],
    );
    assert!(!applied.text().contains("Warning"), "{}", applied.text());
    let state = terraform.state(ARRAY);
    let addresses: Vec<&Value> = state["members"].as_array().expect("members").iter().map(|member| &member["private_ip"]).collect();
    for rank in 0..3 {
        let seen: Value = serde_json::from_str(&run_object(&world, &state, &format!("results/{rank:05}/deep/er/seen.json"))).expect("JSON");
        assert_eq!(seen["argv"], json!(words));
        assert_eq!(seen["file"], words.join("\n"));
        let env = &seen["env"];
        for (i, word) in words.iter().enumerate() {
            assert_eq!(env[format!("W{i}")], *word);
        }
        for (name, value) in [
            ("SPAWN_RANK", rank.to_string()),
            ("SPAWN_SIZE", "3".to_owned()),
            ("JOB_ARRAY_INDEX", rank.to_string()),
            ("JOB_ARRAY_SIZE", "3".to_owned()),
            ("JOB_ARRAY_NAME", "tiles".to_owned()),
        ] {
            assert_eq!(env[name], value, "{name}");
        }
        assert_eq!((&env["SPAWN_FLEET"], &env["SPAWN_RUN"], &env["SPAWN_DEADLINE"]), (&state["id"], &state["run_id"], &state["deadline"]));
        assert!(env["AWS_ACCESS_KEY_ID"].is_null() && env["AWS_SESSION_TOKEN"].is_null(), "{env}");
        let peers = seen["peers"].as_array().expect("peers");
        assert_eq!(peers.iter().map(|peer| &peer["rank"]).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(peers.iter().map(|peer| &peer["address"]).collect::<Vec<_>>(), addresses);
        assert_eq!(seen["hosts"].as_str().expect("text").lines().count(), 3);
    }
    assert_eq!(world.keys().iter().filter(|key| key.ends_with("/with space ü")).count(), 3);
    assert!(!std::path::Path::new("/tmp/no").exists());
    terraform.destroy().succeeded();
}

#[test]
fn output_that_is_no_text_and_output_without_end_are_kept_as_far_as_they_go() {
    let world = World::with_setup();
    let fields = script("#!/usr/bin/env python3\nimport sys\nsys.stdout.buffer.write(b'\\xff\\xfe\\x00 binary\\nlast line without end')\n");
    let (terraform, _) = run(&world, &fields.each_ref().map(|(name, value)| (*name, value.as_str())));
    assert_eq!(terraform.state(ARRAY)["status"], "succeeded");
    let lines = world.spawn(["logs", "tiles"]).succeeded().stdout;
    assert_eq!(lines, "\u{fffd}\u{fffd}\0 binary\nlast line without end\n");
    terraform.destroy().succeeded();

    // 100 MB in lines of 10,000 bytes: the first 64 MiB are kept, and the rank says what was not.
    let fields = script("#!/usr/bin/env python3\nfor i in range(10000):\n    print(f'{i:05d}' + 'x' * 9994)\n");
    let (terraform, applied) = run(&world, &fields.each_ref().map(|(name, value)| (*name, value.as_str())));
    let state = terraform.state(ARRAY);
    assert_eq!((&state["status"], ends(&state)), (&json!("succeeded"), json!([[0, "succeeded", 0]])), "{}", applied.text());
    assert_shown!("printed-100-mb", shown::diagnostics(&applied.text()));
    let streams = world.control().snapshot()["logs"].clone();
    let events: u64 = streams
        .as_object()
        .expect("groups")
        .values()
        .flat_map(|group| group.as_object().expect("streams").iter())
        .filter(|(name, _)| name.contains(state["run_id"].as_str().expect("a run")))
        .map(|(_, events)| events.as_u64().expect("a number"))
        .sum();
    assert_eq!(events, (64 << 20) / 10_000 + 1, "whole lines, and the beginning of the one that was cut");
    terraform.destroy().succeeded();
}

#[test]
fn a_machine_whose_agent_is_another_ends_itself() {
    let world = World::with_setup();
    world.python(&format!(
        "s3 = client('s3')\nkeys = [o['Key'] for o in s3.list_objects_v2(Bucket='{BUCKET}', Prefix='agents/')['Contents']]\n\
         for key in keys: s3.put_object(Bucket='{BUCKET}', Key=key, Body=b'#!/bin/sh\\necho never run\\n')"
    ));
    let (terraform, applied) = run(&world, &[]);
    let state = terraform.state(ARRAY);
    assert_eq!((&state["status"], ends(&state)), (&json!("lost"), json!([[0, "lost", null]])), "{}", applied.text());
    assert_shown!("agent-is-another", shown::diagnostics(&applied.text()));
    // The machine's own words are on its console, and it never reached the bucket again.
    let instance = state["members"][0]["instance_id"].as_str().expect("an id");
    if let Some(console) = world.control().console(instance) {
        let text = std::fs::read_to_string(console).unwrap_or_default();
        assert!(text.contains("the agent that was downloaded has the SHA-256") && !text.contains("never run"), "{text}");
    }
    terraform.destroy().succeeded();
}

#[test]
fn rights_that_arrive_late_are_waited_for() {
    let world = World::with_setup();
    // The first downloads are refused, as those of a role that was just made are.
    world.fault_for("instance", "s3", "GetObject", Some(4), Fault::Deny);
    let (terraform, applied) = run(&world, &[("files", ""), ("command", r#"["true"]"#)]);
    assert_eq!(terraform.state(ARRAY)["status"], "succeeded", "{}", applied.text());
    let refused =
        world.calls(0, "GetObject").into_iter().filter(|call| call.outcome == "AccessDenied").fold(String::new(), |mut all, call| {
            let _ = write!(all, "{} ", call.caller.split(' ').next().unwrap_or_default());
            all
        });
    assert_eq!(refused, "instance instance instance instance ");
    terraform.destroy().succeeded();
}
