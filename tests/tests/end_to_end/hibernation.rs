//! Instances that hibernate instead of ending: what runs on them goes on where it was, whoever hibernated them, and nothing is kept for ever.

use serde_json::Value;
use spawn_tests::configuration::{INSTANCE, instance};
use spawn_tests::leftovers::{assert_same, holdings};
use spawn_tests::terraform::instance_ids;
use spawn_tests::{World, assert_shown, shown};

const NAME: &str = "bench";

/// Says its process and how often it has gone round. Started again it would begin at one, as another process.
const COUNTS: &str = r##"{ "count" = "#!/bin/sh\nn=0\nwhile :; do n=$((n + 1)); echo \"$$ $SPAWN_ATTEMPT $n\"; sleep 1; done\n" }"##;

fn seen(world: &World) -> Option<Value> {
    let snapshot = world.control().snapshot();
    let instances = snapshot["ec2"]["regions"]["us-east-1"]["instances"].as_array().cloned().unwrap_or_default();
    instances.into_iter().find(|instance| instance["tags"]["Name"] == NAME)
}

fn until(world: &World, wanted: &str) {
    world.eventually(wanted, || (seen(world)?["state"] == wanted).then_some(()));
}

fn status(world: &World) -> Value {
    world.spawn(["status", NAME, "-o", "json"]).succeeded().json()
}

/// The last line that its command printed: process, attempt, and how often it went round.
fn counted(world: &World) -> Option<(String, u64)> {
    let logs = world.spawn(["logs", NAME]).succeeded().stdout;
    let last = logs.lines().rfind(|line| !line.trim().is_empty())?;
    let (who, n) = last.rsplit_once(' ')?;
    Some((who.split_once(": ").map_or(who, |(_, who)| who).trim().to_owned(), n.parse().ok()?))
}

/// Waits until it counts beyond a number, and says who counts.
fn counts_beyond(world: &World, least: u64) -> (String, u64) {
    world.eventually(&format!("it counts beyond {least}"), || counted(world).filter(|(_, n)| *n > least))
}

#[test]
fn terraform_keeps_what_hibernates_and_its_command_goes_on() {
    let world = World::with_setup();
    let before = holdings(&world);
    let lease = r#"{ ttl = "60s", on_expiry = "hibernate", retain = "2h" }"#;
    let terraform =
        world.terraform(&instance(&[("lease", lease), ("files", COUNTS), ("command", r#"["./count"]"#), ("wait_for", r#""ready""#)]));
    terraform.apply().succeeded();
    terraform.assert_settled();
    // Without the hands that would do it from outside.
    let schedules = "scheduler = client('scheduler')\n\
                     for one in scheduler.list_schedules(GroupName='spawn')['Schedules']:\n\
                     \x20   if one['Name'].endswith(('-hibernate', '-stop')): scheduler.delete_schedule(GroupName='spawn', Name=one['Name'])\n";
    let since = world.position();
    world.python(schedules);
    assert_eq!(world.calls(since, "DeleteSchedule").len(), 2);
    let (who, n) = counts_beyond(&world, 1);
    // By the machine itself, in real time: only EC2 can do it, and the machine asks for it.
    until(&world, "stopped");
    let asked = world.calls(since, "StopInstances");
    let id = instance_ids(&terraform.state(INSTANCE))[0].clone();
    assert!(asked.iter().any(|call| call.caller.contains(&id)), "{asked:?}");
    assert_shown!("status-of-what-hibernates", world.spawn(["status", NAME]).succeeded().stdout);
    assert_shown!("plan-of-what-hibernates", shown::diagnostics(&terraform.plan().succeeded().stdout));
    assert_eq!(terraform.planned(INSTANCE), "no-op");

    // Now and again, with the lease that each start gives it.
    for _ in 0..2 {
        world.spawn(["start", NAME, "--ttl", "30m"]).succeeded();
        until(&world, "running");
        assert_eq!(counts_beyond(&world, n + 1).0, who, "the same process, in its first attempt");
        assert_eq!(status(&world)["status"], "running");
        assert_shown!("stop-of-what-hibernates", world.spawn(["stop", NAME]).succeeded().stdout);
        until(&world, "stopped");
        let told = status(&world)["status_reason"].as_str().unwrap_or_default().to_owned();
        assert!(told.starts_with("the instance is hibernated") && told.ends_with(": somebody stopped it"), "{told}");
    }
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
    assert_eq!(world.control().gaps(), []);
}

#[test]
fn the_schedules_alone_hibernate_it_and_end_it() {
    let world = World::with_setup();
    let before = holdings(&world);
    let up =
        ["up", "--kind", "instance", "--name", NAME, "--type", "c7i.large", "--ttl", "1h", "--on-expiry", "hibernate", "--retain", "1h"];
    let script = "n=0; while :; do n=$((n + 1)); echo \"$$ $SPAWN_ATTEMPT $n\"; sleep 1; done";
    world.spawn(up.into_iter().chain(["--wait", "ready", "--", "sh", "-c", script])).succeeded();
    let (who, n) = counts_beyond(&world, 1);
    // Only AWS's side follows the clock: to the machine's own hands an hour is left.
    let since = world.position();
    world.advance(3_602);
    until(&world, "stopped");
    assert_eq!(seen(&world).map(|instance| instance["hibernation"].clone()), Some(Value::Bool(true)));
    // Somebody at the console; by the command's clock, which does not follow, the lease would not have ended yet.
    world
        .python(&format!("client('ec2').start_instances(InstanceIds=['{}'])\n", seen(&world).expect("it is kept")["id"].as_str().unwrap()));
    until(&world, "running");
    assert_eq!(counts_beyond(&world, n + 1).0, who);
    world.advance(3_600);
    world.eventually("it is gone", || seen(&world).is_none_or(|instance| instance["state"] == "terminated").then_some(()));
    let by_document = |operation: &str| world.calls(since, operation).iter().filter(|call| call.caller.starts_with("automation")).count();
    assert!(by_document("StopInstances") > 0 && by_document("TerminateInstances") > 0);
    world.spawn(["down", NAME]).succeeded();
    assert_same(&before, &holdings(&world));
    assert_eq!(world.control().gaps(), []);
}

/// An idle machine hibernates by itself; one that may not be hibernated, because somebody took the right away, stops and says so.
#[test]
fn an_idle_machine_hibernates_and_one_that_may_not_stops() {
    let world = World::with_setup();
    let up = ["up", "--kind", "instance", "--name", NAME, "--type", "c7i.large", "--ttl", "8h", "--idle-after", "60s"];
    world.spawn(up.into_iter().chain(["--on-idle", "hibernate", "--wait", "ready", "--", "sleep", "3600"])).succeeded();
    until(&world, "stopped");
    let told = status(&world)["status_reason"].as_str().unwrap_or_default().to_owned();
    assert!(told.starts_with("the instance is hibernated") && told.contains(": idle since "), "{told}");

    let role = format!("spawn-{}", status(&world)["id"].as_str().unwrap_or_default());
    world.python(&format!(
        "iam, role = client('iam'), '{role}'\n\
         for name in iam.list_role_policies(RoleName=role)['PolicyNames']:\n\
         \x20   policy = iam.get_role_policy(RoleName=role, PolicyName=name)['PolicyDocument']\n\
         \x20   kept = [one for one in policy['Statement'] if one['Action'] != 'ec2:StopInstances']\n\
         \x20   assert len(kept) < len(policy['Statement'])\n\
         \x20   iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(dict(policy, Statement=kept)))\n"
    ));
    world.spawn(["start", NAME]).succeeded();
    until(&world, "running");
    until(&world, "stopped");
    let told = status(&world)["status_reason"].as_str().unwrap_or_default().to_owned();
    let (stopped, refused) = told.split_once("; it could not hibernate: StopInstances: 403 UnauthorizedOperation").unwrap_or_default();
    assert!(stopped.starts_with("the instance has stopped") && refused.contains("ec2:StopInstances"), "{told}");
    world.spawn(["down", NAME]).succeeded();
}

#[test]
fn what_cannot_hibernate_is_told_by_the_plan() {
    let world = World::with_setup();
    let lease = r#"{ ttl = "1h", on_expiry = "hibernate" }"#;
    let told = |changes: &[(&str, &str)]| {
        let fields: Vec<(&str, &str)> = std::iter::once(("lease", lease)).chain(changes.iter().copied()).collect();
        shown::diagnostics(&world.terraform(&instance(&fields)).plan().ended(1).stderr)
    };
    let since = world.position();
    let type_that_cannot = told(&[("instance_types", r#"["r6i.large"]"#)]);
    let disk_too_small = told(&[("root_volume", "{ size_gib = 9 }")]);
    let in_the_open = told(&[("root_volume", "{ encrypted = false }")]);
    assert_shown!("hibernation-refused", [type_that_cannot, disk_too_small, in_the_open].join("\n"));
    assert_eq!(world.changes(since), Vec::<String>::new());
}
