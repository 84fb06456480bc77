//! Schedules: EventBridge Scheduler invokes the starter, which launches; under Terraform and by the command.

use serde_json::{Value, json};
use spawn_sandbox::Fault;
use spawn_tests::configuration::{SCHEDULE, SCHEDULED, schedule};
use spawn_tests::leftovers::{assert_same, holdings, silent};
use spawn_tests::{Terraform, World, assert_shown, shown};

use super::rights::assert_function_needs;
use crate::lease::living;

/// What the starter's role allows that none of its calls here takes, and what each is for.
const FOR_OTHERS: [&str; 9] = [
    // Lambda writes with them what the starter says; that it is read here proves them.
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    // A fleet with a key pair, spot instances, subnets of the user's own, or requirements.
    "ec2:DescribeKeyPairs",
    "ec2:DescribeSpotPriceHistory",
    "ec2:DescribeRouteTables",
    "ec2:DescribeVpcEndpoints",
    // A start that another one goes on with, whose schedules are there.
    "scheduler:UpdateSchedule",
    // A run that came to nothing, which is undone.
    "ec2:TerminateInstances",
    "s3:DeleteObject",
];

/// A sandbox with what starts runs in its set-up.
pub(crate) fn with_starter() -> World {
    let mut world = World::start();
    world.upload(&["spored", "spawn-starter"]);
    world.spawn(["setup"]).succeeded();
    world
}

fn starts(world: &World) -> Vec<Value> {
    world.spawn(["schedule", "show", "nightly", "-o", "json"]).succeeded().json()["starts"].as_array().cloned().expect("starts")
}

/// Every ten minutes, in nine for the first time: a test lets them pass, and takes a while of its own beside.
fn every_ten_minutes() -> String {
    let first = (jiff::Timestamp::now().as_second() / 60 + 9).rem_euclid(10);
    let minutes: Vec<String> = (0..6).map(|ten| (first + 10 * ten).to_string()).collect();
    format!("{} * * * *", minutes.join(","))
}

/// Lets ten minutes pass, and waits until it is known what became of the start in them.
fn ten_minutes(world: &World) -> Value {
    let before = starts(world).len();
    world.advance(10 * 60);
    world.eventually("a start is known", || (starts(world).len() > before).then(|| starts(world)[0].clone()))
}

fn refreshed(terraform: &Terraform<'_>) -> String {
    terraform.run(["apply", "-refresh-only", "-input=false", "-no-color", "-auto-approve"]).succeeded().text()
}

#[test]
fn the_clock_launches_what_terraform_has_described() {
    let world = with_starter();
    let before = silent(holdings(&world));
    let cron = every_ten_minutes();
    let written = format!("{cron:?}");
    let on_time = ("cron", written.as_str());
    let terraform = world.terraform(&schedule(&[on_time]));
    assert_shown!("plan-of-a-schedule", terraform.plan().succeeded().stdout.replace(&cron, "*/10 * * * *"));
    terraform.apply().succeeded();
    terraform.assert_settled();
    let state = terraform.state(SCHEDULE);
    assert_eq!((&state["status"], &state["last_runs"]), (&json!("active"), &json!([])));
    assert_eq!((living(&world), world.spawn(["ls"]).succeeded().stdout.contains("scheduled")), (0, true));

    let at = world.position();
    let first = ten_minutes(&world);
    assert_eq!(first["outcome"], "started", "{first}");
    let by_function = world.calls(at, "RunInstances").iter().all(|call| call.caller.starts_with("function"));
    assert!(by_function && !world.calls(at, "RunInstances").is_empty());
    for call in ["CreateRole", "CreateSecurityGroup", "PutRolePolicy"] {
        assert_eq!(world.calls(at, call).len(), 0, "a start makes no role and no group");
    }
    world.eventually("the run is over", || {
        (world.spawn(["status", "nightly", "-o", "json"]).succeeded().json()["status"] == "succeeded").then_some(())
    });

    // What the next one is launched from.
    let changed = SCHEDULED.replace("\"true\"", "\"sleep\", \"600\"").replace("size = 2", "size = 3");
    terraform.configure(&schedule(&[on_time, ("job_array", &changed)]));
    assert_eq!(terraform.planned(SCHEDULE), "update");
    assert_shown!("plan-of-a-changed-schedule", changes(&terraform));
    terraform.apply().succeeded();
    terraform.assert_settled();
    let second = ten_minutes(&world);
    assert_eq!(second["outcome"], "started", "{second}");
    assert_eq!(living(&world), 3);
    let third = ten_minutes(&world);
    assert_eq!(third["outcome"], "skipped", "{third}");
    assert_eq!(living(&world), 3);
    refreshed(&terraform);
    terraform.assert_settled();
    let outcomes: Vec<(Value, Value)> = terraform.state(SCHEDULE)["last_runs"]
        .as_array()
        .expect("runs")
        .iter()
        .map(|start| (start["outcome"].clone(), start["status"].clone()))
        .collect();
    let started = |status: &str| (json!("started"), json!(status));
    assert_eq!(outcomes, [(json!("skipped"), Value::Null), started("running"), started("succeeded")]);

    assert_function_needs(&world, "spawn-setup-starter-us-east-1", &FOR_OTHERS);

    // Destroying it ends what runs, and nothing is started any more.
    terraform.destroy().succeeded();
    assert_eq!(living(&world), 0);
    assert_same(&before, &silent(holdings(&world)));
    world.advance(3600);
    assert_same(&before, &silent(holdings(&world)));
    assert_eq!(world.control().gaps(), []);
}

/// What a plan changes, without what is refreshed first.
fn changes(terraform: &Terraform<'_>) -> String {
    let text = terraform.plan().succeeded().stdout;
    text.lines().filter(|line| !line.contains("Refreshing state")).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_field_can_be_changed_and_what_others_change_is_noticed() {
    let world = with_starter();
    let before = silent(holdings(&world));
    let terraform = world.terraform(&schedule(&[]));
    terraform.apply().succeeded();
    let id = terraform.state(SCHEDULE)["id"].clone();

    for (field, value, planned) in [
        ("cron", r#""@hourly""#, "update"),
        ("overlap", r#""replace""#, "update"),
        ("start", r#""2099-01-01T00:00""#, "update"),
        ("end", r#""2099-02-01T00:00""#, "update"),
        ("max_runs", "7", "update"),
        ("start_within", r#""5m""#, "update"),
        ("timezone", r#""Asia/Tokyo""#, "update"),
        ("enabled", "false", "update"),
        ("timeouts", r#"{ delete = "5m" }"#, "update"),
    ] {
        terraform.configure(&schedule(&[(field, value)]));
        assert_eq!(terraform.planned(SCHEDULE), planned, "{field}");
        terraform.apply().succeeded();
        terraform.assert_settled();
        assert_eq!(terraform.state(SCHEDULE)["id"], id, "{field}");
    }
    let cron = schedule(&[("cron", r#""30 2 * * MON-FRI""#), ("timezone", r#""Europe/Berlin""#)]);
    terraform.configure(&schedule(&[("cron", ""), ("rate", r#""6h""#)]));
    assert_eq!(terraform.planned(SCHEDULE), "update");
    terraform.apply().succeeded();
    terraform.assert_settled();
    terraform.configure(&cron);
    terraform.apply().succeeded();
    terraform.assert_settled();

    // Imported it is the same.
    for by in ["nightly", id.as_str().expect("an id")] {
        terraform.run(["state", "rm", SCHEDULE]).succeeded();
        terraform.import(SCHEDULE, by).succeeded();
        assert_eq!(terraform.planned(SCHEDULE), "no-op", "imported by {by}");
    }

    let put = |changes: &str| {
        format!(
            "s = client('scheduler')\nname = s.list_schedules(NamePrefix='spawn-fleet-')['Schedules'][0]['Name']\n\
             it = s.get_schedule(GroupName='spawn', Name=name)\n\
             it = {{k: v for k, v in it.items() if k not in ('Arn', 'CreationDate', 'LastModificationDate', 'ResponseMetadata')}}\n\
             {changes}\ns.update_schedule(**it)"
        )
    };
    for (what, change) in [
        ("expression", "it['ScheduleExpression'] = 'cron(0 3 * * ? *)'"),
        ("zone", "it['ScheduleExpressionTimezone'] = 'UTC'"),
        ("state", "it['State'] = 'DISABLED'"),
        ("lateness", "it['Target']['RetryPolicy']['MaximumEventAgeInSeconds'] = 60"),
        ("end", "import datetime\nit['EndDate'] = datetime.datetime(2099, 1, 1)"),
        ("input", "it['Target']['Input'] = '{}'"),
    ] {
        world.python(&put(change));
        assert_eq!(terraform.planned(SCHEDULE), "update", "{what}");
        if what == "expression" {
            assert_shown!("drift-of-a-schedule", changes(&terraform));
        }
        terraform.apply().succeeded();
        terraform.assert_settled();
    }
    world.python(
        "s = client('scheduler')\ns.delete_schedule(GroupName='spawn', Name=s.list_schedules(NamePrefix='spawn-fleet-')['Schedules'][0]['Name'])",
    );
    assert_eq!(terraform.planned(SCHEDULE), "update");
    assert_shown!("a-schedule-that-is-gone", changes(&terraform));
    terraform.apply().succeeded();
    terraform.assert_settled();

    // What runs are launched into.
    world.python(
        "ec2 = client('ec2')\ngroup = ec2.describe_security_groups(Filters=[{'Name': 'tag:spawn:managed', 'Values': ['true']}])['SecurityGroups'][0]\n\
         ec2.delete_security_group(GroupId=group['GroupId'])",
    );
    assert_eq!(terraform.planned(SCHEDULE), "update", "its group");
    terraform.apply().succeeded();
    terraform.assert_settled();

    // What the next run is launched from, in the record.
    world.spawn(["schedule", "pause", "nightly"]).succeeded();
    assert_eq!(terraform.planned(SCHEDULE), "update");
    terraform.apply().succeeded();
    terraform.assert_settled();

    terraform.configure(&cron.replace("command", "connect = true, command"));
    assert_eq!(terraform.planned(SCHEDULE), "delete create: job_array.connect");
    terraform.configure(&cron.replace("\"nightly\"", "\"weekly\""));
    assert_eq!(terraform.planned(SCHEDULE), "delete create: name");
    terraform.configure(&schedule(&[("job_array", ""), ("instance", r#"{ instance_types = ["t3.micro"] }"#)]));
    assert!(terraform.planned(SCHEDULE).starts_with("delete create: "), "another kind takes another schedule");

    world.spawn(["down", "nightly"]).succeeded();
    assert_eq!(terraform.planned(SCHEDULE), "create");
    assert_same(&before, &silent(holdings(&world)));
}

#[test]
fn a_start_that_fails_is_told_and_leaves_nothing() {
    let world = with_starter();
    let terraform = world.terraform(&schedule(&[("cron", &format!("{:?}", every_ten_minutes()))]));
    terraform.apply().succeeded();
    let before = silent(holdings(&world));
    let message = "There is no capacity.".to_owned();
    let full = Fault::Error { code: "InsufficientInstanceCapacity".to_owned(), status: 500, message };
    world.fault_for("function", "ec2", "RunInstances", None, full);
    let failed = ten_minutes(&world);
    assert_eq!((&failed["outcome"], &failed["run_id"]), (&json!("failed"), &Value::Null), "{failed}");
    let told = refreshed(&terraform);
    assert_shown!("a-start-that-failed", shown::diagnostics(&told));
    assert!(!refreshed(&terraform).contains("failed"), "told once");
    let ids = |value: &Value| value.to_string().contains("instance");
    assert_eq!(ids(&before), ids(&silent(holdings(&world))));
    terraform.destroy().succeeded();
}

#[test]
fn what_cannot_be_a_schedule_is_refused_before_anything_is_made() {
    let world = with_starter();
    let at = world.position();
    let cases: [(&str, &[(&str, &str)]); 14] = [
        ("both days", &[("cron", r#""0 0 13 * FRI""#)]),
        ("never", &[("cron", r#""0 0 30 2 *""#)]),
        ("minute", &[("cron", r#""61 0 * * *""#)]),
        ("two times", &[("rate", r#""6h""#)]),
        ("no time", &[("cron", "")]),
        ("zone", &[("timezone", r#""Mars/Olympus""#)]),
        ("gap", &[("cron", ""), ("at", r#""2027-03-28T02:30:00""#), ("timezone", r#""Europe/Berlin""#)]),
        ("past", &[("cron", ""), ("at", r#""2020-01-05T08:00:00""#)]),
        ("seconds", &[("cron", ""), ("rate", r#""90s""#)]),
        ("two fleets", &[("instance", r#"{ instance_types = ["t3.micro"] }"#)]),
        ("too many", &[("job_array", r#"{ size = 2601, instance_types = ["c7i.large"], command = ["true"] }"#)]),
        ("keys", &[("job_array", &SCHEDULED.replace("size = 2", r#"size = 2, root_volume = { kms_key = "alias/mine" }"#))]),
        (
            "groups",
            &[("job_array", &SCHEDULED.replace("size = 2", r#"size = 2, network = { security_groups = ["sg-0123456789abcdef0"] }"#))],
        ),
        ("within", &[("job_array", r#"{ size = 0, instance_types = ["c7i.large"], command = [] }"#)]),
    ];
    let terraform = world.terraform(&schedule(&[]));
    // What is not known yet is not judged.
    terraform.configure(&format!(
        "variable \"small\" {{ default = true }}\n{}",
        schedule(&[
            ("job_array", &format!("var.small ? null : {SCHEDULED}")),
            ("instance", r#"var.small ? { instance_types = ["t3.micro"] } : null"#)
        ])
    ));
    terraform.plan().succeeded();
    let shown = cases.map(|(name, changes)| {
        terraform.configure(&schedule(changes));
        format!("--- {name}\n{}", shown::diagnostics(&terraform.plan().ended(1).text()))
    });
    assert_shown!("schedules-refused", shown.join("\n"));
    assert_eq!(world.changes(at), Vec::<String>::new());

    // A set-up of before there was a starter.
    let older = World::with_setup();
    let terraform = older.terraform(&schedule(&[]));
    assert_shown!("a-set-up-without-a-starter", shown::diagnostics(&terraform.plan().ended(1).text()));
}

#[test]
fn the_command_makes_a_schedule_from_a_file() {
    let world = with_starter();
    let before = silent(holdings(&world));
    let file = world.directory().join("nightly.yaml");
    let cron = format!("cron: '{}'", every_ten_minutes());
    let yaml =
        format!("kind: schedule\nname: nightly\n{cron}\nmax_runs: 9\ninstance:\n  instance_types: [t3.micro]\n  lease: {{ttl: 1h}}\n");
    std::fs::write(&file, &yaml).expect("a file");
    let file = file.to_str().expect("a path");
    let dry = world.spawn(["schedule", "apply", "--dry-run", "-f", file]).succeeded().stdout;
    assert_eq!((dry.lines().count(), dry.contains("Nothing was changed.")), (7, true), "{dry}");
    assert_same(&before, &silent(holdings(&world)));
    world.spawn(["schedule", "apply", "-f", file]).succeeded();
    let paused = world.spawn(["schedule", "pause", "nightly", "-o", "json"]).succeeded().json();
    assert_eq!((&paused["status"], &paused["next_runs"], &paused["enabled"]), (&json!("paused"), &json!([]), &json!(false)));
    world.advance(15 * 60);
    assert_eq!(living(&world), 0);
    world.spawn(["schedule", "resume", "nightly"]).succeeded();
    let started = ten_minutes(&world);
    assert_eq!(started["outcome"], "started", "{started}");
    assert_eq!(living(&world), 1);
    // Longer than the sandbox is ahead: an interval cannot begin in its past.
    std::fs::write(file, yaml.replace(&cron, "rate: 2h")).expect("a file");
    let changed = world.spawn(["schedule", "apply", "-f", file, "-o", "json"]).succeeded().json();
    assert_eq!(changed["rate"], 7200, "{changed}");
    let shown = world.spawn(["schedule", "show", "nightly"]).succeeded().stdout;
    let table = shown.lines().filter(|line| ["starts", "overlap", "status"].iter().any(|label| line.starts_with(label)));
    assert_eq!(table.collect::<Vec<_>>(), ["status    active", "starts    every 2h", "overlap   skip"]);
    let other = world.directory().join("other.yaml");
    std::fs::write(&other, yaml.replace("instance:", "job_array:\n  size: 1\n  command: ['true']")).expect("a file");
    let other = world.spawn(["schedule", "apply", "-f", other.to_str().expect("a path")]).ended(5).stderr;
    assert!(other.contains("error: the kind of nightly cannot be changed"), "{other}");
    let refused = [(&["schedule", "show", "nothing"][..], 2), (&["up", "-f", file], 2), (&["rerun", "nothing"], 2)]
        .map(|(line, code)| world.spawn(line).ended(code).stderr);
    assert_shown!("commands-that-no-schedule-knows", refused.join("\n"));
    world.spawn(["down", "nightly"]).succeeded();
    assert_same(&before, &silent(holdings(&world)));
}
