//! Hand 4 without anybody: the function that set-up deploys, invoked by its schedule, with the other hands removed.

use std::collections::BTreeSet;

use serde_json::Value;
use spawn_tests::leftovers::{assert_same, holdings, silent};
use spawn_tests::process::Ran;
use spawn_tests::{World, assert_shown};

use super::names::zone;
use super::rights::{allowed, assert_function_needs, used};

const ARTIFACTS: [&str; 2] = ["spored", "spawn-reaper"];

/// What the reaper's role allows that none of its calls here takes, and what each is for.
const FOR_OTHERS: [&str; 6] = [
    // Lambda writes with them what the reaper says; that it is read here proves them.
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    // Somebody else attached a policy to a fleet's role, which would keep it from being deleted.
    "iam:DetachRolePolicy",
    // A fleet that was launched close together.
    "ec2:DeletePlacementGroup",
    // Hand 3, which was removed here.
    "scheduler:DeleteSchedule",
    // A launch template that somebody else has deleted meanwhile.
    "ec2:DescribeLaunchTemplates",
];

/// What an administrator's policy allows that no set-up takes to whose roles nobody else has attached anything.
const FOR_TROUBLE: &str = "iam:DetachRolePolicy";

/// A sandbox with a reaper in its set-up, and with what keeps names right, which never comes by: it would take them away, too.
fn with_reaper() -> World {
    let mut world = World::start();
    world.upload(&["spored", "spawn-reaper", "spawn-watcher"]);
    world.spawn(["setup"]).succeeded();
    world.python("client('scheduler').delete_schedule(GroupName='spawn', Name='spawn-watcher')");
    world
}

/// What the reaper has said of its invocations, in order.
fn invocations(world: &World) -> Vec<Value> {
    let printed = world.python(
        "events = client('logs').filter_log_events(logGroupName='/aws/lambda/spawn-reaper-v1')['events']\n\
         print(json.dumps([json.loads(e['message']) for e in events if e['message'].startswith('{')]))",
    );
    serde_json::from_str(&printed).expect("JSON")
}

/// Lets the schedule come, and waits until the reaper has said what it did.
fn quarter_of_an_hour(world: &World) -> Value {
    let before = invocations(world).len();
    world.advance(15 * 60);
    world.eventually("the reaper has said what it did", || invocations(world).get(before).cloned())
}

#[test]
fn the_function_alone_ends_a_fleet_and_needs_no_more_than_its_role() {
    let world = with_reaper();
    zone(&world, "hpc.example.com", true);
    let before = holdings(&world);
    let up = ["up", "--name", "tiles", "--size", "2", "--type", "c7i.large", "--ttl", "20m", "--wait", "ready"];
    world.spawn([&up[..], &["--dns-zone", "hpc.example.com", "--", "sleep", "600"]].concat()).succeeded();
    let service =
        ["up", "--kind", "service", "--name", "web", "--type", "c7i.large", "--ttl", "20m", "--wait", "ready", "--", "sleep", "600"];
    world.spawn(service).succeeded();
    world.python(
        "for s in client('scheduler').list_schedules()['Schedules']:\n    \
             if s['Name'].startswith('spawn-run-'): client('scheduler').delete_schedule(GroupName='spawn', Name=s['Name'])\n\
         scaling = client('autoscaling')\n\
         for a in scaling.describe_scheduled_actions()['ScheduledUpdateGroupActions']:\n    \
             scaling.delete_scheduled_action(AutoScalingGroupName=a['AutoScalingGroupName'], ScheduledActionName=a['ScheduledActionName'])",
    );
    let at = world.position();
    // Machines live in real time, for which their lease has just begun: what ends them now is not theirs.
    let early = quarter_of_an_hour(&world);
    assert_eq!((early["living"].as_u64(), early["ended"].as_array().map(Vec::len)), (Some(3), Some(0)), "{early}");
    let late = quarter_of_an_hour(&world);
    assert_eq!((late["living"].as_u64(), late["ended"].as_array().map(Vec::len)), (Some(0), Some(3)), "{late}");
    assert_eq!((late["removed"].as_array().map(Vec::len), late["deleted"].as_array().map(Vec::len)), (Some(2), Some(1)), "{late}");
    assert_eq!(late["errors"], Value::Array(Vec::new()));
    assert!(world.instances().iter().all(|(_, state)| ["shutting-down", "terminated"].contains(&state.as_str())));
    let by = |operation: &str| -> BTreeSet<String> {
        world.calls(at, operation).iter().map(|call| call.caller.split(' ').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(by("DeleteAutoScalingGroup"), BTreeSet::from(["function".to_owned()]));
    // The group ends what is its own.
    let (ends, own) = (by("TerminateInstances"), ["function", "autoscaling"].map(str::to_owned));
    assert!(ends.contains("function") && ends.is_subset(&BTreeSet::from(own)), "{ends:?}");

    assert_function_needs(&world, "spawn-setup-reaper-us-east-1", &FOR_OTHERS);
    world.eventually("they are gone", || world.instances().iter().all(|(_, state)| state == "terminated").then_some(()));
    assert_same(&silent(before), &silent(holdings(&world)));
    assert_eq!(world.control().gaps(), []);
}

/// What a set-up said, but for how large this build's agent is.
fn said(ran: &Ran) -> String {
    let progress: Vec<&str> = ran.stderr.lines().filter(|line| !line.starts_with("agent for ")).collect();
    format!("{}\n{}", ran.stdout, progress.join("\n"))
}

#[test]
fn a_set_up_deploys_the_reaper_once_and_takes_it_away() {
    let mut world = World::start();
    let empty = holdings(&world);
    let administrator = world.identity("administrator", &world.policy("administrator"));
    let with_role = holdings(&world);
    let plain = world.spawn_as(&administrator, ["setup"]).succeeded();
    assert_shown!("setup-without-a-reaper", said(&plain));
    world.upload(&ARTIFACTS);
    let made = world.spawn_as(&administrator, ["setup"]).succeeded();
    assert_shown!("setup-with-a-reaper", said(&made));
    let at = world.position();
    world.spawn_as(&administrator, ["setup"]).succeeded();
    let updates = ["UpdateFunctionCode", "UpdateFunctionConfiguration"].map(|operation| world.calls(at, operation).len());
    assert_eq!(updates, [0, 0], "the same code is not deployed again");
    // Who has no reaper to deploy leaves the one that is there.
    world.upload(&ARTIFACTS[..1]);
    let kept = world.spawn_as(&administrator, ["setup"]).succeeded();
    assert!(kept.stdout.contains(":function:spawn-reaper-v1"), "{}", kept.stdout);
    // Somebody has changed it, and its code.
    let known = "known = client('lambda').get_function_configuration(FunctionName='spawn-reaper-v1')\n\
                 print(known['Timeout'], known['CodeSha256'])";
    let deployed = world.python(known);
    assert!(deployed.starts_with("840 "), "{deployed}");
    world.python(
        "import io, time, zipfile\n\
         other = io.BytesIO()\n\
         zipfile.ZipFile(other, 'w').writestr('bootstrap', 'exit 1')\n\
         functions = client('lambda')\n\
         functions.update_function_code(FunctionName='spawn-reaper-v1', ZipFile=other.getvalue())\n\
         functions.get_waiter('function_updated_v2').wait(FunctionName='spawn-reaper-v1', WaiterConfig={'Delay': 1})\n\
         functions.update_function_configuration(FunctionName='spawn-reaper-v1', Timeout=3)",
    );
    assert_ne!(world.python(known), deployed);
    world.upload(&ARTIFACTS);
    world.spawn_as(&administrator, ["setup"]).succeeded();
    assert_eq!(world.python(known), deployed);
    let boundary = world.directory().join("boundary.json");
    std::fs::write(&boundary, r#"{"Statement": {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}}"#).expect("a file");
    world.spawn_as(&administrator, ["setup", "--workload-boundary", boundary.to_str().expect("a plain path")]).succeeded();
    world.spawn_as(&administrator, ["setup", "--remove"]).succeeded();
    assert_same(&with_role, &holdings(&world));
    assert_ne!(empty, with_role);
    let used = used(&world, &administrator);
    let policy = world.policy("administrator");
    let unused: BTreeSet<String> = allowed(&policy).difference(&used).cloned().collect();
    assert_eq!(unused, BTreeSet::from([FOR_TROUBLE.to_owned()]));
    assert_eq!(world.control().gaps(), []);
}
