//! The command from the first word to the last, and clients of others that see the same cloud.

use std::path::Path;

use rustix::process::Signal;
use serde_json::{Map, Value, json};
use spawn_tests::leftovers::{assert_same, holdings};
use spawn_tests::{Ran, World, assert_shown, programs};

/// The shape of a JSON document: fields and types, and of a list of objects its first element's. Other lists may be empty.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("boolean"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("string"),
        Value::Array(items) if items.first().is_some_and(Value::is_object) => items.iter().take(1).map(shape).collect(),
        Value::Array(_) => json!("list"),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), shape(value))).collect::<Map<_, _>>().into(),
    }
}

fn shown_shape(ran: &Ran) -> String {
    serde_json::to_string_pretty(&shape(&ran.json())).expect("JSON")
}

/// A fleet file with a script beside it.
fn write_fleet(directory: &Path) -> String {
    std::fs::write(directory.join("greet"), "#!/bin/sh\necho hello from $SPAWN_RANK\necho $SPAWN_RANK >$SPAWN_RESULTS/rank\n")
        .expect("a file");
    let file = directory.join("fleet.yaml");
    let text = "kind: job_array\nname: greeters\nsize: 3\ninstance_types: [c7i.large, c7a.large]\nfiles: {greet: !file greet}\n\
                command: [./greet]\nlease: {ttl: 20m}\nwait_for: completed\ntags: {team: maths}\n";
    std::fs::write(&file, text).expect("a file");
    file.to_str().expect("a plain path").to_owned()
}

#[test]
fn the_command_from_set_up_to_its_removal() {
    let world = World::start();
    let untouched = holdings(&world);
    let file = write_fleet(world.directory());
    let set_up = world.spawn(["setup", "-o", "json"]).succeeded();
    assert_shown!("json-setup", shown_shape(&set_up));
    // Again is as good as once.
    assert_eq!(world.spawn(["setup", "-o", "json"]).succeeded().json(), set_up.json());
    let before = holdings(&world);

    let at = world.position();
    assert_shown!("json-plan", shown_shape(&world.spawn(["plan", "-f", &file, "-o", "json"]).succeeded()));
    assert_eq!(world.changes(at), [""; 0], "a plan changes nothing");
    let up = world.spawn(["up", "-f", &file, "-o", "json"]).succeeded();
    assert_shown!("json-up", shown_shape(&up));
    let listed = world.spawn(["ls", "-o", "json"]).succeeded();
    assert_shown!("json-ls", shown_shape(&listed));
    assert_eq!(listed.json()["fleets"][0]["name"], "greeters");
    let status = world.spawn(["status", "greeters", "-o", "json"]).succeeded();
    assert_shown!("json-status", shown_shape(&status));
    let members = status.json()["members"].as_array().cloned().expect("members");
    assert_eq!(
        members.iter().map(|m| json!([m["rank"], m["state"], m["exit_code"]])).collect::<Value>(),
        json!([[0, "succeeded", 0], [1, "succeeded", 0], [2, "succeeded", 0]])
    );

    let mut lines: Vec<String> = world.spawn(["logs", "greeters"]).succeeded().stdout.lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["0 | hello from 0", "1 | hello from 1", "2 | hello from 2"]);
    assert_eq!(world.spawn(["logs", "greeters", "--rank", "1"]).succeeded().stdout, "hello from 1\n");
    let line: Value =
        serde_json::from_str(&world.spawn(["logs", "greeters", "--rank", "2", "-o", "json"]).succeeded().stdout).expect("a line of JSON");
    assert_eq!((&line["rank"], &line["message"], shape(&line["at"])), (&json!(2), &json!("hello from 2"), json!("string")));

    let to = world.directory().join("results");
    world.spawn(["results", "greeters", "--to", to.to_str().expect("a plain path")]).succeeded();
    let mut results: Vec<String> = std::fs::read_dir(&to)
        .expect("results")
        .flatten()
        .map(|rank| std::fs::read_to_string(rank.path().join("rank")).expect("a result"))
        .collect();
    results.sort();
    assert_eq!(results, ["0\n", "1\n", "2\n"]);

    let id = up.json()["id"].as_str().expect("an id").to_owned();
    let down = world.spawn(["down", &id, "-o", "json"]).succeeded();
    assert_shown!("json-down", shown_shape(&down));
    assert_same(&before, &holdings(&world));
    assert_eq!(world.spawn(["ls", "-o", "json"]).succeeded().json(), json!({ "fleets": [] }));
    world.spawn(["setup", "--remove"]).succeeded();
    assert_same(&untouched, &holdings(&world));
}

#[test]
fn what_an_ended_fleet_left_is_found_by_its_id() {
    let world = World::with_setup();
    let file = write_fleet(world.directory());
    let up = || world.spawn(["up", "-f", &file, "-o", "json"]).succeeded().json()["id"].as_str().expect("an id").to_owned();
    let id = up();
    let down = world.spawn(["down", "greeters"]).succeeded();
    assert!(down.stdout.contains(&format!("`spawn results {id}`")), "{}", down.stdout);
    let status = world.spawn(["status", &id, "--check-complete", "-o", "json"]).succeeded().json();
    assert_eq!((&status["status"], shape(&status["ended_at"])), (&json!("succeeded"), json!("string")));
    assert_eq!(world.spawn(["logs", &id, "--rank", "1", "--follow"]).succeeded().stdout, "hello from 1\n");
    assert_eq!(world.spawn(["results", &id]).succeeded().stdout.lines().count(), 3);
    for (what, name) in [("results", "greeters"), ("logs", "greeters"), ("status", "greeters"), ("rerun", id.as_str())] {
        let refused = world.spawn([what, name, "-o", "json"]).ended(2).json();
        assert_eq!(refused["error"]["code"], "NoSuchFleet", "{what} {name}");
    }

    let id = up();
    world.spawn(["down", "greeters", "--delete-results"]).succeeded();
    for what in ["results", "logs", "status"] {
        assert_eq!(world.spawn([what, &id, "-o", "json"]).ended(2).json()["error"]["code"], "NoSuchFleet", "{what}");
    }
    assert!(world.keys().iter().all(|key| !key.contains(&id)));
}

#[test]
fn exit_codes_say_how_far_a_fleet_is() {
    let world = World::with_setup();
    let up = |name: &str, goal: &str, words: &[&str]| {
        let flags = ["up", "--name", name, "--size", "1", "--type", "c7i.large", "--ttl", "30m", "--wait", goal, "--"];
        world.spawn(flags.iter().chain(words).copied())
    };
    up("good", "completed", &["true"]).ended(0);
    up("bad", "completed", &["false"]).ended(1);
    up("slow", "running", &["sleep", "600"]).ended(0);
    for (name, code) in [("good", 0), ("bad", 1), ("slow", 2), ("nobody", 3)] {
        world.spawn(["status", name, "--check-complete"]).ended(code);
    }
    // Over, and in the way until it is ended for good.
    assert_shown!("up-under-a-taken-name", up("good", "completed", &["true"]).ended(5).stderr);
    let failed = world.spawn(["status", "nobody", "-o", "json"]).ended(2);
    assert_eq!(failed.json()["error"]["code"], "NoSuchFleet");

    let moved = world.spawn(["extend", "slow", "--by", "30m", "-o", "json"]).succeeded();
    assert_shown!("json-extend", shown_shape(&moved));
    assert_eq!(moved.json()["ttl_s"], 3600);
    let refused = world.spawn(["extend", "good", "--ttl", "2h"]).ended(5);
    assert_shown!("extend-what-is-over", refused.stderr);
    let refused = world.spawn(["down", "slow", "nobody"]).ended(2);
    assert!(refused.stderr.contains("nobody"), "{}", refused.stderr);
    world.spawn(["status", "slow", "--check-complete"]).ended(2);
    world.spawn(["down", "good", "bad", "slow"]).succeeded();
    assert_eq!(world.instances().iter().filter(|(_, state)| state != "terminated").count(), 0);
}

#[test]
fn output_is_followed_to_the_end() {
    let world = World::with_setup();
    let script = "i=0; while [ $i -lt 5 ]; do echo line $i; i=$((i+1)); sleep 1; done";
    let words = ["up", "--name", "talker", "--size", "1", "--type", "c7i.large", "--wait", "ready", "--", "sh", "-c", script];
    world.spawn(words).succeeded();
    // It ends by itself: when the fleet is over.
    let followed = world.spawn(["logs", "talker", "--follow"]).succeeded();
    assert_eq!(followed.stdout, "line 0\nline 1\nline 2\nline 3\nline 4\n");
    world.spawn(["down", "talker"]).succeeded();
}

#[test]
fn ctrl_c_ends_the_wait_and_not_the_fleet() {
    let world = World::with_setup();
    let up = world.start_spawn(["up", "--name", "slow", "--size", "2", "--type", "c7i.large", "--wait", "completed", "--", "sleep", "600"]);
    world.eventually("both ranks at work", || (world.keys().iter().filter(|key| key.contains("/ranks/")).count() == 2).then_some(()));
    up.signal_group(Signal::INT);
    let ended = up.wait().ended(130);
    assert!(ended.stderr.contains("the fleet goes on until"), "{}", ended.stderr);
    world.spawn(["status", "slow", "--check-complete"]).ended(2);
    world.spawn(["down", "slow"]).succeeded();
}

/// Lines of a shell in the world's environment, with `spawn` on the path.
fn shell(world: &World, lines: &str) -> Ran {
    let mut command = world.command("sh");
    let spawn = programs::program("spawn");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([spawn.parent().expect("a directory").to_owned()].into_iter().chain(std::env::split_paths(&path)));
    command.env("PATH", path.expect("a path")).args(["-e", "-c", lines]);
    world.run(command).wait()
}

#[test]
fn the_aws_command_and_boto3_see_the_same_cloud() {
    let world = World::with_setup();
    let file = write_fleet(world.directory());
    world.spawn(["up", "--name", "kept", "--type", "m7i.large", "--wait", "running"]).succeeded();
    let fleet = world.spawn(["up", "-f", &file, "-o", "json"]).succeeded().json();
    let (id, run) = (fleet["id"].as_str().expect("an id"), fleet["run_id"].as_str().expect("a run"));
    let aws = |line: &str| shell(&world, &format!("aws --output text {line}")).succeeded().stdout.trim().to_owned();

    let bucket = "spawn-123456789012-us-east-1";
    assert_eq!(aws("sts get-caller-identity --query Account"), "123456789012");
    let states =
        aws("ec2 describe-instances --filters Name=tag:Name,Values=kept --query 'Reservations[].Instances[].[InstanceType,State.Name]'");
    assert_eq!(states, "m7i.large\trunning");
    let listed = shell(&world, &format!("aws s3 ls --recursive s3://{bucket}/fleets/{id}/runs/{run}/results/")).succeeded().stdout;
    assert_eq!(listed.lines().count(), 3, "{listed}");
    let copied = shell(&world, &format!("aws s3 cp s3://{bucket}/fleets/{id}/runs/{run}/results/00002/rank -")).succeeded().stdout;
    assert_eq!(copied, "2\n");
    let lines =
        aws(&format!("logs filter-log-events --log-group-name /spawn/fleets --log-stream-name-prefix {id} --query 'events[].message'"));
    let mut lines: Vec<&str> = lines.split('\t').collect();
    lines.sort_unstable();
    assert_eq!(lines, ["hello from 0", "hello from 1", "hello from 2"]);
    let schedules = aws("scheduler list-schedules --group-name spawn --query 'length(Schedules)'");
    assert_eq!(schedules, "2");
    let role = aws(&format!("iam list-roles --path-prefix /spawn/ --query \"Roles[?RoleName=='spawn-{id}'].Path\""));
    assert_eq!(role, "/spawn/");
    let setup: Value = serde_json::from_str(&aws("ssm get-parameter --name /spawn/setup/v1 --query Parameter.Value")).expect("JSON");
    assert_eq!(setup["bucket"], bucket);

    let printed = world.python(&format!(
        "ec2, s3, logs, scheduler, iam = (client(n) for n in ('ec2', 's3', 'logs', 'scheduler', 'iam'))\n\
         found = [i for r in ec2.describe_instances(Filters=[{{'Name': 'tag:spawn:fleet', 'Values': ['{id}']}}])['Reservations'] for i in r['Instances']]\n\
         streams = logs.describe_log_streams(logGroupName='/spawn/fleets', logStreamNamePrefix='{id}')['logStreams']\n\
         schedule = scheduler.get_schedule(GroupName='spawn', Name='spawn-{run}-0')\n\
         print(json.dumps([len(found), sorted({{i['State']['Name'] for i in found}}), len(streams), schedule['ScheduleExpression'],\n  \
             iam.get_role(RoleName='spawn-{id}')['Role']['PermissionsBoundary']['PermissionsBoundaryArn'],\n  \
             s3.get_public_access_block(Bucket='{bucket}')['PublicAccessBlockConfiguration']['BlockPublicPolicy']]))"
    ));
    let seen: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(
        seen,
        json!([3, ["terminated"], 3, "rate(5 minutes)", "arn:aws:iam::123456789012:policy/spawn/spawn-setup-boundary-us-east-1", true])
    );
    world.spawn(["down", "kept", "greeters"]).succeeded();
    assert_eq!(world.control().gaps(), []);
}

#[test]
fn a_shell_is_pointed_at_the_sandbox_by_one_line() {
    let world = World::with_setup();
    // What the shell has from another AWS gives way.
    let lines = "unset AWS_ENDPOINT_URL AWS_REGION AWS_DEFAULT_REGION\nexport AWS_ACCESS_KEY_ID=other AWS_SECRET_ACCESS_KEY=other AWS_SESSION_TOKEN=other AWS_PROFILE=other\n\
                 eval \"$(spawn sandbox env)\"\nspawn ls -o json\naws sts get-caller-identity --query Arn --output text";
    let ran = shell(&world, lines).succeeded();
    assert_eq!(ran.stdout.split_whitespace().collect::<Vec<_>>().join(" "), "{ \"fleets\": [] } arn:aws:iam::123456789012:user/controller");
    for shell_name in ["bash", "zsh", "fish"] {
        assert!(!shell(&world, &format!("spawn completions {shell_name}")).succeeded().stdout.is_empty());
    }
    shell(&world, "spawn completions bash | bash -n").succeeded();
}

#[test]
fn a_sandbox_is_started_looked_into_put_forward_and_stopped() {
    let world = World::start();
    let directory = world.directory().join("another");
    let dir = directory.to_str().expect("a plain path");
    let sandbox = |arguments: &[&str]| world.spawn([&["sandbox", "--dir", dir], arguments].concat());
    let up = sandbox(&["up", "-o", "json"]).succeeded().json();
    let pid = up["pid"].as_u64().expect("a process");
    let again = sandbox(&["up"]).ended(5);
    assert!(again.stderr.contains("a sandbox runs in"), "{}", again.stderr);

    let lines = format!(
        "eval \"$(spawn sandbox --dir {dir} env)\"\nspawn setup -q >/dev/null\nspawn up -q --name one --type t3.micro --ttl 30m -o json"
    );
    let fleet = shell(&world, &lines).succeeded().json();
    assert_shown!("json-sandbox-status", shown_shape(&sandbox(&["status", "-o", "json"]).succeeded()));
    let calls = sandbox(&["calls", "-o", "json"]).succeeded().json();
    let calls = calls.as_array().or_else(|| calls["calls"].as_array()).expect("calls").clone();
    // Before EC2 knows the fleet's profile it may be asked in vain.
    let launch = calls.iter().rfind(|call| call["operation"] == "RunInstances").expect("the launch");
    assert_eq!(
        (&launch["service"], &launch["region"], &launch["caller"], &launch["outcome"]),
        (&json!("ec2"), &json!("us-east-1"), &json!("controller"), &json!("ok"))
    );
    assert!(launch["time"].is_string());
    sandbox(&["clock", "--advance", "31m"]).succeeded();
    // EC2's side of the machine is over; by its own clock it is not, and that one does not matter.
    let id = fleet["members"][0]["instance_id"].as_str().expect("an id");
    let state = shell(
        &world,
        &format!(
            "eval \"$(spawn sandbox --dir {dir} env)\"\naws ec2 describe-instances --instance-ids {id} --query 'Reservations[].Instances[].State.Name' --output text"
        ),
    );
    assert!(["shutting-down", "terminated"].contains(&state.succeeded().stdout.trim()));
    assert_shown!("json-sandbox-gaps", sandbox(&["gaps", "-o", "json"]).succeeded().stdout);

    sandbox(&["down"]).succeeded();
    // Whoever adopts orphans may not have taken note of its end yet: a zombie is gone, too.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z "), "its process is gone when the command returns: {stat}");
    let none = sandbox(&["status"]);
    assert_ne!(none.code, Some(0));
    sandbox(&["down"]).succeeded();
}
