//! Services: kept at their size by Auto Scaling, made larger and smaller in place, and over with their lease; under Terraform and by the
//! command.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use sandbox_cloud::Fault as CloudFault;
use sandbox_cloud::model::Market;
use serde_json::{Value, json};
use spawn_sandbox::FaultScript;
use spawn_tests::configuration::{SERVICE, service};
use spawn_tests::leftovers::{assert_same, holdings, silent};
use spawn_tests::terraform::instance_ids;
use spawn_tests::{Terraform, World, assert_shown, shown};

use crate::lease::{advance_to, living, without_machines};
use crate::names::kept;

const NAME: &str = "web";

fn status(world: &World) -> Value {
    world.spawn(["status", NAME, "-o", "json"]).succeeded().json()
}

/// Waits until a fleet of this size runs, with an instance for each rank and none of those that are lost.
fn until_whole(world: &World, size: usize, lost: &[String]) -> Value {
    world.eventually(&format!("all {size} ranks are held"), || {
        let fleet = status(world);
        let ids = instance_ids(&fleet);
        (fleet["status"] == "running" && ids.len() == size && !lost.iter().any(|id| ids.contains(id))).then_some(fleet)
    })
}

fn ranks(fleet: &Value) -> Vec<u64> {
    fleet["members"].as_array().into_iter().flatten().filter_map(|member| member["rank"].as_u64()).collect()
}

/// The account's Auto Scaling groups, as the sandbox keeps them.
fn groups(world: &World) -> Vec<Value> {
    world.control().snapshot()["ec2"]["regions"]["us-east-1"]["auto_scaling_groups"].as_array().cloned().expect("groups")
}

/// Does something to the account's only group, as somebody with an AWS client would.
fn to_the_group(world: &World, call: &str, arguments: &str) {
    world.python(&format!(
        "scaling = client('autoscaling')\n\
         name = scaling.describe_auto_scaling_groups()['AutoScalingGroups'][0]['AutoScalingGroupName']\n\
         scaling.{call}(AutoScalingGroupName=name, {arguments})"
    ));
}

/// What a plan changes, as people read it. Who holds which rank, and where, differs from run to run.
fn changes(terraform: &Terraform<'_>) -> String {
    let text = terraform.plan().succeeded().stdout;
    let lines = text.lines().map(str::trim).filter(|line| line.starts_with('~') || line.starts_with("Plan:"));
    lines.collect::<Vec<_>>().join("\n")
}

fn refresh(terraform: &Terraform<'_>) {
    terraform.run(["apply", "-refresh-only", "-input=false", "-no-color", "-auto-approve"]).succeeded();
}

#[test]
fn a_lost_member_is_replaced_and_a_size_is_changed_in_place() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&service(&[]));
    assert_shown!("plan-of-a-service", terraform.plan().succeeded().stdout);
    terraform.apply().succeeded();
    terraform.assert_settled();
    let first = terraform.state(SERVICE);
    assert_eq!((first["status"].as_str(), ranks(&first)), (Some("running"), vec![0, 1, 2]));

    let lost = instance_ids(&first)[1].clone();
    world.python(&format!("client('ec2').terminate_instances(InstanceIds=['{lost}'])"));
    let mended = until_whole(&world, 3, &[lost]);
    let (old, new) = (instance_ids(&first), instance_ids(&mended));
    assert_eq!((ranks(&mended), &new[0], &new[2]), (vec![0, 1, 2], &old[0], &old[2]), "the new instance has the free rank");
    assert_eq!(terraform.planned(SERVICE), "no-op");
    refresh(&terraform);
    terraform.assert_settled();

    terraform.configure(&service(&[("size", "2")]));
    assert_eq!(terraform.planned(SERVICE), "update");
    assert_shown!("smaller-service", changes(&terraform));
    terraform.apply().succeeded();
    terraform.assert_settled();
    let smaller = terraform.state(SERVICE);
    assert_eq!((ranks(&smaller), instance_ids(&smaller)), (vec![0, 1], new[..2].to_vec()), "the highest rank goes");
    world.eventually("its instance is gone", || (living(&world) == 2).then_some(()));

    // Larger, longer and tagged otherwise at once; and whoever waits for ready has all of them then.
    let changes = [("size", "4"), ("lease", r#"{ ttl = "50m" }"#), ("tags", r#"{ since = "today" }"#)];
    terraform.configure(&service(&changes));
    assert_eq!(terraform.planned(SERVICE), "update");
    terraform.apply().succeeded();
    terraform.assert_settled();
    let larger = terraform.state(SERVICE);
    assert_eq!((ranks(&larger), &instance_ids(&larger)[..2]), (vec![0, 1, 2, 3], &new[..2]));
    assert_eq!((larger["status"].as_str(), &larger["run_id"]), (Some("running"), &first["run_id"]));
    let tags = world.python(
        "found = client('ec2').describe_instances(Filters=[{'Name': 'instance-state-name', 'Values': ['running']}])\n\
         own = lambda i: [(t['Key'], t['Value']) for t in i['Tags'] if t['Key'].split(':')[0] not in ('spawn', 'aws')]\n\
         print({str(sorted(own(i))) for r in found['Reservations'] for i in r['Instances']})",
    );
    assert_eq!(tags, "{\"[('Name', 'web'), ('since', 'today')]\"}\n");

    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
    assert_eq!(world.control().gaps(), []);
}

#[test]
fn a_member_that_ec2_takes_back_is_replaced() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&service(&[("size", "2"), ("market", r#"{ type = "spot" }"#)]));
    terraform.apply().succeeded();
    let first = instance_ids(&terraform.state(SERVICE));
    world.block_on(world.control().interrupt_spot(&first[1], SignedDuration::from_secs(15))).expect("a spot instance");
    let mended = until_whole(&world, 2, &first[1..]);
    assert_eq!((ranks(&mended), &instance_ids(&mended)[0]), (vec![0, 1], &first[0]));
    assert_eq!(mended["members"][1]["market"], "spot");
    assert_eq!(terraform.planned(SERVICE), "no-op");
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn a_member_that_ec2_may_take_back_is_replaced_before() {
    let world = World::with_setup();
    let before = holdings(&world);
    let market = r#"{ type = "spot", rebalance = true }"#;
    let terraform = world.terraform(&service(&[("size", "2"), ("market", market)]));
    terraform.apply().succeeded();
    let first = instance_ids(&terraform.state(SERVICE));
    world.block_on(world.control().recommend_rebalance(&first[1])).expect("a spot instance");
    let mended = until_whole(&world, 2, &first[1..]);
    assert_eq!((ranks(&mended), &instance_ids(&mended)[0]), (vec![0, 1], &first[0]));
    let launched = instance_ids(&mended)[1].clone();
    let calls = world.python(&format!(
        "group = client('autoscaling').describe_auto_scaling_groups()['AutoScalingGroups'][0]\n\
         told = client('autoscaling').describe_scaling_activities(AutoScalingGroupName=group['AutoScalingGroupName'])['Activities']\n\
         began = lambda what, id: next(a['StartTime'] for a in told if a['Description'].startswith(what) and id in a['Description'])\n\
         print(group['CapacityRebalance'], began('Launching', '{launched}') <= began('Terminating', '{}'))",
        first[1]
    ));
    assert_eq!(calls, "True True\n");
    assert_eq!(terraform.planned(SERVICE), "no-op");

    to_the_group(&world, "update_auto_scaling_group", "CapacityRebalance=False");
    let plan = terraform.plan().succeeded();
    let said = plan.text().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("it does not replace spot instances before EC2 takes them back"), "{said}");
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
    assert_eq!(world.control().gaps(), []);
}

/// How many the account's only group has on demand in any case.
fn on_demand_base(world: &World) -> Value {
    groups(world)[0]["source"]["mixed"]["distribution"]["on_demand_base"].clone()
}

fn markets(fleet: &Value) -> Vec<&str> {
    fleet["members"].as_array().into_iter().flatten().filter_map(|member| member["market"].as_str()).collect()
}

#[test]
fn what_spot_has_no_room_for_is_bought_on_demand_by_what_the_set_up_deploys() {
    let world = kept();
    let before = silent(holdings(&world));
    let configured = |size: &str, ttl: &str| {
        let (market, lease) = (r#"{ type = "spot", fallback = "on_demand" }"#, format!("{{ ttl = \"{ttl}\" }}"));
        service(&[("size", size), ("market", market), ("lease", &lease)])
    };
    let terraform = world.terraform(&configured("2", "30m"));
    terraform.apply().succeeded();
    terraform.assert_settled();
    let first = terraform.state(SERVICE);
    assert_eq!((markets(&first), on_demand_base(&world)), (vec!["spot", "spot"], json!(0)));

    // EC2 takes one back, and has no other.
    let none = CloudFault::Capacity { region: None, zone: None, instance_type: None, market: Some(Market::Spot), above: 0 };
    world.control().add_fault(FaultScript::Cloud(none));
    let lost = instance_ids(&first)[1].clone();
    world.block_on(world.control().interrupt_spot(&lost, SignedDuration::from_secs(15))).expect("a spot instance");
    world.eventually("Auto Scaling has tried", || {
        let reason = status(&world)["status_reason"].as_str().unwrap_or_default().to_owned();
        reason.contains("Could not launch Spot Instances. UnfulfillableCapacity").then_some(())
    });
    world.advance(2 * 60);
    let mended = until_whole(&world, 2, &[lost]);
    assert_eq!((ranks(&mended), markets(&mended), on_demand_base(&world)), (vec![0, 1], vec!["spot", "on_demand"], json!(1)));
    assert_eq!(instance_ids(&mended)[0], instance_ids(&first)[0]);
    let reason = mended["status_reason"].as_str().expect("a reason");
    assert!(reason.ends_with("; 1 of 2 is on demand: spot had no capacity"), "{reason}");
    let by_function: Vec<_> = world.control().calls(0).into_iter().filter(|call| call.caller.starts_with("function")).collect();
    let updates: Vec<&str> = by_function
        .iter()
        .filter(|call| call.rights.iter().any(|right| right == "autoscaling:UpdateAutoScalingGroup"))
        .map(|call| call.outcome.as_str())
        .collect();
    assert_eq!(updates, ["ok"], "once, and with no more than its role");
    assert!(by_function.iter().all(|call| call.rights.iter().all(|right| right != "ec2:RunInstances" && right != "iam:PassRole")));

    // It is nobody's change, and stays.
    let plan = terraform.plan().succeeded();
    assert!(!plan.text().contains("was changed"), "{}", plan.text());
    refresh(&terraform);
    terraform.assert_settled();
    terraform.configure(&configured("2", "50m"));
    assert_eq!(terraform.planned(SERVICE), "update");
    terraform.apply().succeeded();
    terraform.assert_settled();
    assert_eq!(on_demand_base(&world), json!(1));

    // There is spot again: what is more is spot, and a smaller one needs less on demand.
    world.control().clear_faults();
    terraform.configure(&configured("3", "50m"));
    terraform.apply().succeeded();
    assert_eq!(markets(&terraform.state(SERVICE)), ["spot", "on_demand", "spot"]);
    terraform.configure(&configured("1", "50m"));
    terraform.apply().succeeded();
    terraform.assert_settled();
    let smaller = terraform.state(SERVICE);
    assert_eq!((instance_ids(&smaller), on_demand_base(&world)), (instance_ids(&first)[..1].to_vec(), json!(0)));

    terraform.destroy().succeeded();
    assert_same(&before, &silent(holdings(&world)));
    assert_eq!(world.control().gaps(), []);
}

#[test]
fn a_size_that_somebody_else_changes_is_changed_back() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&service(&[("size", "2")]));
    terraform.apply().succeeded();
    let first = instance_ids(&terraform.state(SERVICE));

    to_the_group(&world, "update_auto_scaling_group", "MaxSize=3, DesiredCapacity=3");
    world.eventually("three run", || (living(&world) == 3 && status(&world)["status"] == "running").then_some(()));
    assert_eq!(terraform.planned(SERVICE), "update");
    assert_shown!("service-made-larger-behind-terraform", changes(&terraform));
    terraform.apply().succeeded();
    terraform.assert_settled();
    assert_eq!(instance_ids(&terraform.state(SERVICE)), first, "who has a rank keeps it");
    world.eventually("the others are gone", || (living(&world) == 2).then_some(()));

    let scaled = world.spawn(["scale", NAME, "3", "-o", "json"]).succeeded().json();
    assert_eq!((&scaled["name"], &scaled["size_before"], &scaled["size"]), (&json!("web"), &json!(2), &json!(3)));
    assert_eq!(instance_ids(&until_whole(&world, 3, &[]))[..2], first);
    assert_eq!(terraform.planned(SERVICE), "update");
    assert_eq!(world.spawn(["scale", NAME, "1"]).succeeded().stdout, "web is to have 1 instance; before, it was 3\n");
    assert_eq!(instance_ids(&until_whole(&world, 1, &[])), first[..1]);
    terraform.apply().succeeded();
    terraform.assert_settled();
    assert_eq!(ranks(&terraform.state(SERVICE)), [0, 1]);
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn a_service_whose_group_is_gone_is_made_again() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&service(&[("size", "2")]));
    terraform.apply().succeeded();
    let first = terraform.state(SERVICE);
    to_the_group(&world, "delete_auto_scaling_group", "ForceDelete=True");
    world.eventually("all is gone", || (living(&world) == 0 && groups(&world).is_empty()).then_some(()));
    assert_shown!("service-without-a-group", shown::diagnostics(&terraform.plan().succeeded().stdout));
    assert_eq!(terraform.planned(SERVICE), "delete create: status");
    terraform.apply().succeeded();
    terraform.assert_settled();
    let again = terraform.state(SERVICE);
    assert_eq!((again["status"].as_str(), again["id"] == first["id"]), (Some("running"), false));
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn the_command_keeps_a_service_too() {
    let world = World::with_setup();
    let before = holdings(&world);
    // Its first attempt ends, which a service does not take for an end.
    let serve = "echo attempt $SPAWN_ATTEMPT; test $SPAWN_ATTEMPT = 1 && exit 3; exec sleep 600";
    let fleet = ["--kind", "service", "--name", NAME, "--size", "2", "--type", "c7i.large", "--ttl", "1h", "--wait", "ready"];
    let command = ["--", "sh", "-c", serve];
    assert!(world.spawn(["plan"].into_iter().chain(fleet).chain(command)).succeeded().stdout.contains("web (service of 2)"));
    let first = world.spawn(["up", "-o", "json"].into_iter().chain(fleet).chain(command)).succeeded().json();
    assert_eq!((&first["kind"], &first["size"], ranks(&first)), (&json!("service"), &json!(2), vec![0, 1]));
    let listed = world.spawn(["ls", "-o", "json"]).succeeded().json();
    assert_eq!((&listed["fleets"][0]["kind"], &listed["fleets"][0]["size"]), (&json!("service"), &json!(2)));

    world.eventually("each command is started again", || {
        let lines = world.spawn(["logs", NAME]).succeeded().stdout;
        (0..2).all(|rank| lines.contains(&format!("{rank} | attempt 2"))).then_some(())
    });
    let fleet = world.eventually("it is told", || {
        let fleet = status(&world);
        (fleet["notes"].as_array().is_some_and(|notes| notes.len() == 2)).then_some(fleet)
    });
    assert_shown!(
        "restarts-of-a-service",
        fleet["notes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
    );
    assert_eq!((fleet["status"].as_str(), instance_ids(&fleet)), (Some("running"), instance_ids(&first)));
    assert_eq!(world.spawn(["status", NAME, "--check-complete"]).code, Some(2));

    let extended = world.spawn(["extend", NAME, "--ttl", "2h", "-o", "json"]).succeeded().json();
    assert_eq!((&extended["ttl_s"], &status(&world)["deadline"]), (&json!(7200), &extended["deadline"]));
    let refused = [&["extend", NAME, "--idle-after", "10m"][..], &["scale", NAME, "0"], &["stop", NAME]]
        .map(|line| world.spawn(line).ended(2).stderr);
    assert_shown!("commands-that-no-service-knows", refused.join("\n"));

    let again = world.spawn(["rerun", NAME, "-o", "json"]).succeeded().json();
    assert_eq!((&again["id"], again["run_id"] == first["run_id"], again["status"].as_str()), (&first["id"], false, Some("running")));
    assert!(instance_ids(&again).iter().all(|id| !instance_ids(&first).contains(id)));
    assert_eq!(groups(&world).len(), 1, "the former run's group is gone");
    world.spawn(["down", NAME]).succeeded();
    assert_same(&before, &holdings(&world));
    assert_eq!(world.control().gaps(), []);
}

#[test]
fn what_is_no_service_has_no_other_size() {
    let world = without_machines();
    world.spawn(["up", "--name", NAME, "--size", "2", "--type", "c7i.large", "--wait", "launched", "--", "sleep", "600"]).succeeded();
    let at = world.position();
    assert_shown!("scale-of-an-array", world.spawn(["scale", NAME, "3"]).ended(2).stderr);
    assert_eq!(world.changes(at), [""; 0]);
    world.spawn(["down", NAME]).succeeded();
}

/// Launches a service of three on machines in name only, and answers with its deadline.
fn launch(world: &World) -> Timestamp {
    let up = ["up", "--kind", "service", "--name", NAME, "--size", "3", "--type", "c7i.large", "--ttl", "2h", "--wait", "running"];
    let fleet = world.spawn(up.into_iter().chain(["-o", "json", "--", "serve"])).succeeded().json();
    fleet["deadline"].as_str().and_then(|text| text.parse().ok()).expect("a deadline")
}

/// Who did something to group and instances after a position, and what.
fn ends(world: &World, since: u64) -> Vec<String> {
    let ends = ["DeleteAutoScalingGroup", "TerminateInstances", "TerminateInstanceInAutoScalingGroup"];
    let calls = world.control().calls(since).into_iter().filter(|call| ends.contains(&call.operation.as_str()) && call.outcome == "ok");
    calls.map(|call| format!("{} {}", call.caller.split(' ').next().unwrap_or_default(), call.operation)).collect()
}

#[test]
fn the_schedule_alone_ends_a_service_and_its_group() {
    let world = without_machines();
    let before = holdings(&world);
    let deadline = launch(&world);
    to_the_group(&world, "delete_scheduled_action", "ScheduledActionName='spawn-deadline'");
    advance_to(&world, deadline - SignedDuration::from_secs(20));
    assert_eq!((living(&world), ends(&world, 0)), (3, Vec::new()), "nothing happens before the deadline");
    let at = world.position();
    advance_to(&world, deadline + SignedDuration::from_secs(60));
    assert_eq!((living(&world), groups(&world)), (0, Vec::new()));
    assert_eq!(ends(&world, at).first().map(String::as_str), Some("automation DeleteAutoScalingGroup"));
    // Nothing launches what has ended anew.
    world.advance(2 * 3600);
    assert_eq!((living(&world), &world.control().snapshot()["schedules"]), (0, &json!({})));
    assert!(world.control().calls(at).iter().all(|call| call.caller != "controller"), "nobody else did anything");
    let executions = world.python(
        "pages = client('ssm').get_paginator('describe_automation_executions').paginate()\n\
         print(sorted({e['AutomationExecutionStatus'] for page in pages for e in page['AutomationExecutionMetadataList']}))",
    );
    assert_eq!(executions, "['Success']\n", "finding nothing is no failure");
    world.spawn(["down", NAME]).succeeded();
    assert_same(&before, &holdings(&world));
    assert_eq!(world.control().gaps(), []);
}

#[test]
fn the_group_alone_ends_its_instances_at_the_deadline() {
    let world = without_machines();
    let before = holdings(&world);
    let deadline = launch(&world);
    world.python(
        "scheduler = client('scheduler')\n\
         for s in scheduler.list_schedules(GroupName='spawn')['Schedules']: scheduler.delete_schedule(GroupName='spawn', Name=s['Name'])",
    );
    let at = world.position();
    advance_to(&world, deadline + SignedDuration::from_secs(60));
    assert_eq!((living(&world), &groups(&world)[0]["desired_capacity"]), (0, &json!(0)));
    assert!(ends(&world, at).iter().all(|end| end == "autoscaling TerminateInstances"), "{:?}", ends(&world, at));
    world.spawn(["down", NAME]).succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn terraform_keeps_a_service_whose_lease_is_over_and_starts_it_again() {
    let world = World::with_setup();
    let before = holdings(&world);
    let configured = |ttl: &str| service(&[("lease", &format!("{{ ttl = \"{ttl}\" }}")), ("wait_for", r#""running""#)]);
    // By all hands, in real time.
    let terraform = world.terraform(&configured("60s"));
    terraform.apply().succeeded();
    let first = terraform.state(SERVICE);
    let shown = world.eventually("the end of the lease", || {
        let text = terraform.plan().succeeded().stdout;
        text.contains("web: the lease ended at").then_some(text)
    });
    assert_eq!(living(&world), 0);
    assert_shown!("lease-of-a-service-has-ended", shown::diagnostics(&shown));
    assert_eq!(terraform.planned(SERVICE), "no-op");
    refresh(&terraform);
    terraform.assert_settled();
    assert_eq!((terraform.state(SERVICE)["status"].as_str(), &terraform.state(SERVICE)["size"]), (Some("expired"), &json!(3)));
    terraform.configure(&configured("30m"));
    assert_eq!(terraform.planned(SERVICE), "update");
    terraform.apply().succeeded();
    terraform.assert_settled();
    let again = terraform.state(SERVICE);
    assert_eq!((again["status"].as_str(), again["id"] == first["id"], living(&world)), (Some("running"), true, 3));
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn what_auto_scaling_cannot_launch_is_told_until_it_can() {
    let world = without_machines();
    let before = holdings(&world);
    for name in ["c7i.large", "c7a.large"] {
        world.control().add_fault(FaultScript::Cloud(CloudFault::no_capacity(name)));
    }
    let terraform = world.terraform(&service(&[("wait_for", r#""running""#), ("timeouts", r#"{ create = "2s" }"#)]));
    let applied = terraform.apply().succeeded();
    let text = applied.text().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("0 of 3 instances run: ") && text.contains("We currently do not have sufficient c7"), "{text}");
    assert!(text.contains(" failed. The next refresh"), "{text}");
    assert_eq!((terraform.state(SERVICE)["status"].as_str(), terraform.is_tainted(SERVICE)), (Some("launching"), false));
    terraform.assert_settled();
    world.control().clear_faults();
    world.advance(600);
    refresh(&terraform);
    terraform.assert_settled();
    assert_eq!((terraform.state(SERVICE)["status"].as_str(), living(&world)), (Some("running"), 3));
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn what_no_service_may_be_is_refused_by_the_plan() {
    let world = World::with_setup();
    let (before, at) = (holdings(&world), world.position());
    let cases: [(&str, &[(&str, &str)]); 9] = [
        ("size-0", &[("size", "0")]),
        ("size-1001", &[("size", "1001")]),
        ("without-command", &[("command", "")]),
        ("gang", &[("gang", "true")]),
        ("min-size", &[("min_size", "2")]),
        ("placement", &[("placement", r#""spread""#)]),
        ("idle", &[("lease", r#"{ ttl = "8h", idle = { after = "15m" } }"#)]),
        ("stops", &[("lease", r#"{ ttl = "8h", on_expiry = "stop" }"#)]),
        ("wait-for-an-end", &[("wait_for", r#""completed""#)]),
    ];
    let mut told = String::new();
    for (case, changes) in cases {
        let ran = world.terraform(&service(changes)).plan();
        assert_eq!(ran.code, Some(1), "{case}: {}", ran.text());
        let _ = writeln!(told, "━━━ {case}\n{}\n", shown::diagnostics(&ran.text()).trim());
    }
    assert_shown!("service-refused-by-terraform", told);
    let flags = ["plan", "--kind", "service", "--name", NAME, "--size", "2", "--type", "c7i.large"];
    let more = ["--gang", "--min-size", "1", "--placement", "spread", "--idle-after", "15m", "--", "serve"];
    assert_shown!("service-refused-by-the-command", world.spawn(flags.into_iter().chain(more)).ended(2).stderr);
    // In a set-up that has nobody look after services.
    let refused = world.spawn(flags.into_iter().chain(["--spot", "--fallback", "--", "serve"])).ended(2).stderr;
    assert!(refused.contains("the set-up has no function that buys on demand what spot has no room for"), "{refused}");
    assert_same(&before, &holdings(&world));
    assert_eq!(world.changes(at), [""; 0]);
}
