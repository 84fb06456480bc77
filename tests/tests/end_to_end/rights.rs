//! Least privilege: what each policy of ours allows is enough for whom it is for, is all used, and is no more.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use spawn_sandbox::FaultScript;
use spawn_tests::configuration::{ARRAY, SERVICE, array, schedule, service};
use spawn_tests::leftovers::{assert_same, holdings};
use spawn_tests::{Identity, World, assert_shown, shown};

use crate::names::zone;
use crate::places::{Network, import_key};

/// Rights of a launcher that no life without trouble takes, and what each is for.
const FOR_TROUBLE: [&str; 2] = [
    // A launch that is repeated finds its profile there, and looks whose it is.
    "iam:GetInstanceProfile",
    // Deleting a launch template that is not there is denied, because it has no tags: then whether it is there is looked at.
    "ec2:DescribeLaunchTemplates",
];

/// A managed policy for commands of fleets.
const TEAM: &str = "arn:aws:iam::123456789012:policy/team";

/// Makes the managed policy, and answers with a file that says that commands may have it.
fn team(world: &World) -> String {
    let allows = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}]}"#;
    world.python(&format!("client('iam').create_policy(PolicyName='team', PolicyDocument='{allows}')"));
    let boundary = world.directory().join("boundary.json");
    std::fs::write(&boundary, allows).expect("a file");
    boundary.to_str().expect("a plain path").to_owned()
}

/// The actions that a policy allows.
pub(crate) fn allowed(policy: &Value) -> BTreeSet<String> {
    let texts = |value: &Value| -> Vec<String> {
        let list = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    policy["Statement"].as_array().expect("statements").iter().flat_map(|statement| texts(&statement["Action"])).collect()
}

/// Asserts that the function with a role of the set-up has used all that it may do, but for what is said, and nothing else.
#[track_caller]
pub(crate) fn assert_function_needs(world: &World, role: &str, for_others: &[&str]) {
    let policy = world.python(&format!(
        "name = client('iam').list_role_policies(RoleName='{role}')['PolicyNames'][0]\n\
         print(json.dumps(client('iam').get_role_policy(RoleName='{role}', PolicyName=name)['PolicyDocument']))",
    ));
    let policy: Value = serde_json::from_str(&policy).expect("JSON");
    let calls = world.control().calls(0);
    let mine = calls.iter().filter(|call| call.caller.starts_with("function"));
    let rights: BTreeSet<String> =
        mine.flat_map(|call| call.rights.clone()).chain(for_others.iter().map(|right| (*right).to_owned())).collect();
    assert_eq!(rights, allowed(&policy), "used, and allowed");
}

/// The rights that somebody's calls took.
pub(crate) fn used(world: &World, who: &Identity) -> BTreeSet<String> {
    world.control().calls(0).into_iter().filter(|call| who.made(call)).flat_map(|call| call.rights).collect()
}

/// Whoever made the set-up, by no more than the administrator's policy.
pub(crate) fn set_up(world: &World) -> Identity {
    let administrator = world.identity("administrator", &world.policy("administrator"));
    world.spawn_as(&administrator, ["setup"]).succeeded();
    administrator
}

fn living(world: &World) -> usize {
    world.instances().iter().filter(|(_, state)| state != "terminated").count()
}

#[test]
fn a_launcher_needs_its_policy_and_all_of_it() {
    let mut world = World::start();
    world.upload(&["spored", "spawn-starter"]);
    let network = Network::make(&world);
    network.with_endpoints(&world);
    import_key(&world, "ada");
    let boundary = team(&world);
    let policy = world.policy("launcher");
    let launcher = world.identity("launcher", &policy);
    let untouched = holdings(&world);
    let administrator = world.identity("administrator", &world.policy("administrator"));
    let with_roles = holdings(&world);
    assert_ne!(untouched, with_roles);
    world.spawn_as(&administrator, ["setup"]).succeeded();
    // Again is as good as once.
    world.spawn_as(&administrator, ["setup", "--workload-boundary", &boundary]).succeeded();
    let before = holdings(&world);

    // Terraform: apply, nothing to do, update in place, destroy.
    let fields = [("market", r#"{ type = "spot", fallback = "on_demand" }"#), ("command", r#"["sleep", "600"]"#)];
    let terraform = world.terraform(&array(&fields));
    terraform.run_by(&launcher);
    terraform.apply().succeeded();
    terraform.assert_settled();
    let changed = [("lease", r#"{ ttl = "50m" }"#), ("tags", r#"{ since = "today" }"#)];
    terraform.configure(&array(&[&fields[..], &changed].concat()));
    assert_eq!(terraform.planned(ARRAY), "update");
    terraform.apply().succeeded();
    terraform.assert_settled();
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));

    // The command: every one that is about a fleet.
    let spawn = |arguments: &[&str]| world.spawn_as(&launcher, arguments).succeeded();
    let flags = ["--name", "tiles", "--size", "2", "--type", "c7i.large", "--ttl", "20m"];
    spawn(&[&["plan"], &flags[..], &["--", "true"]].concat());
    spawn(
        &[
            &["up"],
            &flags[..],
            &["--delete-results", "--wait", "ready", "--", "sh", "-c", "echo hello; echo x >$SPAWN_RESULTS/x; sleep 600"],
        ]
        .concat(),
    );
    assert!(spawn(&["ls"]).stdout.contains("tiles"));
    spawn(&["status", "tiles"]);
    spawn(&["extend", "tiles", "--by", "10m"]);
    world.eventually("the output", || world.spawn_as(&launcher, ["logs", "tiles"]).stdout.contains("hello").then_some(()));
    spawn(&["rerun", "tiles"]);
    spawn(&["results", "tiles", "--to", world.directory().join("results").to_str().expect("a plain path")]);
    spawn(&["down", "tiles"]);

    // Close together, in a network of its owner's, with rights for the command.
    let close = ["--placement", "cluster", "--gang", "--subnet", &network.subnet, "--ssh-key", "ada", "--policy", TEAM];
    let close = [&close[..], &["--wait", "running", "--delete-results"]].concat();
    spawn(&[&["up"], &flags[..], &close, &["--", "sleep", "600"]].concat());
    spawn(&["down", "tiles"]);
    assert_same(&before, &holdings(&world));

    // One that stops, and is started again.
    let bench = ["up", "--kind", "instance", "--name", "bench", "--type", "c7i.large", "--ttl", "1h", "--on-expiry", "stop"];
    spawn(&[&bench[..], &["--wait", "running", "--delete-results"]].concat());
    spawn(&["stop", "bench"]);
    spawn(&["start", "bench"]);
    spawn(&["down", "bench"]);
    assert_same(&before, &holdings(&world));

    // One that is kept at its size, which changes.
    let web = [("size", "3"), ("market", r#"{ type = "spot", on_demand_base = 1 }"#), ("wait_for", r#""running""#)];
    let terraform = world.terraform(&service(&web));
    terraform.run_by(&launcher);
    terraform.apply().succeeded();
    terraform.assert_settled();
    terraform.configure(&service(&[&web[..], &changed, &[("size", "2")]].concat()));
    assert_eq!(terraform.planned(SERVICE), "update");
    terraform.apply().succeeded();
    terraform.assert_settled();
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));

    // By the clock.
    let terraform = world.terraform(&schedule(&[]));
    terraform.run_by(&launcher);
    terraform.apply().succeeded();
    terraform.assert_settled();
    terraform.configure(&schedule(&[("cron", r#""@hourly""#)]));
    terraform.apply().succeeded();
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));

    let refused: Vec<_> =
        world.control().calls(0).into_iter().filter(|call| launcher.made(call) && call.outcome.contains("enied")).collect();
    assert_eq!(refused, []);
    let needed: BTreeSet<String> = used(&world, &launcher).into_iter().chain(FOR_TROUBLE.map(str::to_owned)).collect();
    assert_eq!(needed, allowed(&policy), "used, and allowed");

    world.spawn_as(&administrator, ["setup", "--remove"]).succeeded();
    assert_same(&with_roles, &holdings(&world));
    assert_eq!(world.control().gaps(), []);
}

#[test]
fn an_observer_plans_and_looks_and_changes_nothing() {
    let mut world = World::start();
    world.upload(&["spored", "spawn-starter", "spawn-watcher"]);
    let network = Network::make(&world);
    network.with_endpoints(&world);
    import_key(&world, "ada");
    set_up(&world);
    let boundary = team(&world);
    world.spawn(["setup", "--workload-boundary", &boundary]).succeeded();
    let policy = world.policy("observer");
    let observer = world.identity("observer", &policy);
    let place = format!("{{ subnets = [\"{}\"] }}", network.subnet);
    let policies = format!("[\"{TEAM}\"]");
    let fields =
        [("market", r#"{ type = "spot" }"#), ("network", place.as_str()), ("ssh_key", r#""ada""#), ("policies", policies.as_str())];
    let terraform = world.terraform(&array(&fields));
    terraform.run_by(&observer);
    terraform.plan().succeeded();
    let (before, at) = (holdings(&world), world.position());
    let refused = terraform.apply().ended(1);
    assert_shown!("apply-of-an-observer", shown::diagnostics(&refused.text()));
    assert_same(&before, &holdings(&world));
    let tried: Vec<String> = world
        .control()
        .calls(at)
        .into_iter()
        .filter(|call| observer.made(call) && call.outcome != "ok")
        .map(|call| call.operation)
        .collect();
    assert!(!tried.iter().any(|operation| operation == "RunInstances" || operation.starts_with("Create")), "{tried:?}");

    world
        .spawn([
            "up",
            "--name",
            "tiles",
            "--size",
            "1",
            "--type",
            "c7i.large",
            "--wait",
            "ready",
            "--",
            "sh",
            "-c",
            "echo hello; sleep 600",
        ])
        .succeeded();
    let look = |arguments: &[&str]| world.spawn_as(&observer, arguments).succeeded().stdout;
    assert!(look(&["ls"]).contains("tiles"));
    look(&["status", "tiles"]);
    world.eventually("the output", || look(&["logs", "tiles"]).contains("hello").then_some(()));
    look(&["results", "tiles", "--to", world.directory().to_str().expect("a plain path")]);
    look(&["plan", "--name", "other", "--type", "c7i.large", "--spot"]);
    zone(&world, "hpc.example.com", true);
    look(&["plan", "--name", "other", "--type", "c7i.large", "--dns-zone", "hpc.example.com"]);
    // Why a service is not of its size.
    world.control().add_fault(FaultScript::Cloud(sandbox_cloud::Fault::no_capacity("c7a.large")));
    world.spawn(["up", "--kind", "service", "--name", "web", "--type", "c7a.large", "--wait", "launched", "--", "serve"]).succeeded();
    world.eventually("the reason", || look(&["status", "web"]).contains("sufficient c7a.large capacity").then_some(()));
    let file = nightly(&world, "nightly");
    world.spawn(["schedule", "apply", "-f", &file]).succeeded();
    look(&["schedule", "show", "nightly"]);
    look(&["schedule", "apply", "--dry-run", "-f", &file]);
    let alert = world.directory().join("alert.yaml");
    let text = "name: money\nwatch: {everything: true}\non: [failed]\nnotify:\n  email: [ada@example.com]\n  slack: {webhook_url: https://example.com/hook}\n";
    std::fs::write(&alert, text).expect("a file");
    world.spawn(["alert", "apply", "-f", alert.to_str().expect("a plain path")]).succeeded();
    assert!(look(&["alert", "ls"]).contains("money"));
    look(&["alert", "history", "money"]);
    for arguments in [
        &["down", "tiles"][..],
        &["extend", "tiles", "--by", "5m"],
        &["setup"],
        &["schedule", "pause", "nightly"],
        &["alert", "down", "money"],
        &["alert", "test", "money"],
    ] {
        let refused = world.spawn_as(&observer, arguments).ended(3);
        assert!(refused.stderr.contains("is missing"), "{}", refused.stderr);
    }
    assert_eq!(used(&world, &observer), allowed(&policy), "used, and allowed");
    world.spawn(["down", "tiles", "web", "nightly"]).succeeded();
}

/// A file with a schedule of this name.
fn nightly(world: &World, name: &str) -> String {
    let file = world.directory().join(format!("{name}.yaml"));
    let yaml = format!("name: {name}\ncron: '@daily'\ninstance: {{instance_types: [c7i.large]}}\n");
    std::fs::write(&file, yaml).expect("a file");
    file.to_str().expect("a plain path").to_owned()
}

#[test]
fn a_launcher_is_told_who_makes_the_set_up() {
    let world = World::start();
    let launcher = world.identity("launcher", &world.policy("launcher"));
    let before = holdings(&world);
    assert_shown!("setup-by-a-launcher", world.spawn_as(&launcher, ["setup"]).ended(3).stderr);
    let terraform = world.terraform(&array(&[]));
    terraform.run_by(&launcher);
    assert_shown!("first-apply-by-a-launcher", shown::diagnostics(&terraform.apply().ended(1).text()));
    assert_same(&before, &holdings(&world));
}

#[test]
fn what_ends_fleets_may_do_just_that() {
    let world = World::start();
    set_up(&world);
    let before = holdings(&world);
    let up = |name: &str| {
        world
            .spawn([
                "up",
                "--name",
                name,
                "--size",
                "2",
                "--type",
                "c7i.large",
                "--wait",
                "running",
                "--delete-results",
                "--",
                "sleep",
                "600",
            ])
            .succeeded();
    };
    let reaper = world.identity("reaper", &world.policy("reaper"));
    up("tiles");
    world.spawn_as(&reaper, ["down", "tiles"]).succeeded();
    let with_reaper = holdings(&world);
    assert_ne!(before, with_reaper, "the reaper's own role");
    up("tiles");
    let ids: Vec<String> = world.instances().into_iter().filter(|(_, state)| state == "running").map(|(id, _)| id).collect();
    world.python_as(&reaper, &format!("client('ec2').describe_regions(); client('ec2').terminate_instances(InstanceIds={})", json!(ids)));
    let refused = world.spawn_as(&reaper, ["up", "--name", "more", "--type", "c7i.large"]).ended(3);
    assert!(refused.stderr.contains("is missing"), "{}", refused.stderr);
    world.spawn_as(&reaper, ["down", "tiles"]).succeeded();
    world
        .spawn(["up", "--kind", "service", "--name", "web", "--type", "c7i.large", "--wait", "running", "--delete-results", "--", "serve"])
        .succeeded();
    world.spawn_as(&reaper, ["down", "web"]).succeeded();
    assert_same(&with_reaper, &holdings(&world));
}

/// Whether an error says that an action is missing. Of an absent key S3 does not tell which of two rights it wants.
pub(crate) fn is_missed(action: &str, text: &str) -> bool {
    let either = format!("the permission s3:GetObject or {action} is missing");
    text.contains(&format!("the permission {action} is missing")) || text.contains(&either)
}

/// The policy without an action.
pub(crate) fn without(policy: &Value, action: &str) -> Value {
    let mut policy = policy.clone();
    let statements = policy["Statement"].as_array_mut().expect("statements");
    statements.retain(|statement| statement["Action"] != action);
    for actions in statements.iter_mut().filter_map(|statement| statement["Action"].as_array_mut()) {
        actions.retain(|other| other != action);
    }
    policy
}

/// How many machines a fleet has, by its name.
fn machines_of(world: &World, name: &str) -> usize {
    let snapshot = world.control().snapshot();
    let instances = snapshot["ec2"]["regions"]["us-east-1"]["instances"].as_array().cloned().expect("instances");
    instances.iter().filter(|instance| instance["tags"]["Name"] == name).count()
}

/// Whether it is a right that only services take.
fn is_of_services(action: &str) -> bool {
    action.starts_with("autoscaling:") || action.contains("LaunchTemplate")
}

/// A fleet's life without one right: what is wrong with how it ends, if anything is.
fn life_without(world: &World, policy: &Value, subnet: &str, action: &str, name: &str) -> Option<String> {
    let who = world.identity(&format!("without-{name}"), &without(policy, action));
    let flags = ["--name", name, "--type", "c7i.large", "--spot", "--ttl", "30m", "--delete-results", "--wait"];
    let close = ["launched", "--placement", "cluster", "--gang", "--subnet", subnet, "--ssh-key", "ada", "--policy", TEAM];
    // What lives can become less.
    let kept = ["running", "--kind", "service", "--size", "2"];
    let kind = if is_of_services(action) { &kept[..] } else { &close };
    let up = [&["up"], &flags[..], kind, &["--", "sleep", "9"]].concat();
    let scale: &[&str] = if is_of_services(action) { &["scale", name, "1"] } else { &["status", name] };
    let to = world.directory().join(name);
    let results = ["results", name, "--to", to.to_str().expect("a plain path")];
    let file = nightly(world, name);
    let schedule: [&[&str]; 3] = [&["schedule", "apply", "-f", &file], &["schedule", "show", name], &["down", name]];
    let life: [&[&str]; 6] = [&up, &["logs", name], &results, &["extend", name, "--by", "10m"], scale, &["down", name]];
    let life = if action == "scheduler:GetSchedule" { &schedule[..] } else { &life };
    let refused = life.iter().map(|arguments| (arguments[0], world.spawn_as(&who, *arguments))).find(|(_, ran)| ran.code != Some(0));
    let wrong = match refused {
        Some((command, ran)) if ran.code == Some(3) && is_missed(action, &ran.stderr) => {
            // A launch that was refused is undone by itself, or says that something may be left, which its lease ends.
            let untold = command == "up" && machines_of(world, name) > 0 && !ran.stderr.contains("left: ");
            untold.then(|| format!("{action}: machines run on, and nobody is told"))
        }
        Some((command, ran)) => Some(format!("{action}: {command} ended with {:?}: {}", ran.code, ran.stderr)),
        None => Some(format!("{action}: nobody missed it")),
    };
    // What a life without the right to end it has left is ended by who may.
    let left = world.spawn(["down", name]);
    let ended = [Some(0), Some(2)].contains(&left.code) && machines_of(world, name) == 0;
    wrong.or_else(|| (!ended).then(|| format!("{action}: {}", left.text())))
}

#[test]
fn each_right_of_a_launcher_is_missed_by_name_and_nothing_runs_on_without_it() {
    // In name only: what machines do is not what is asked here.
    let mut world = World::with(|options| {
        options.boot_machines = false;
        options.throttle = false;
    });
    world.upload(&["spored", "spawn-starter"]);
    set_up(&world);
    let policy = world.policy("launcher");
    let network = Network::make(&world);
    network.with_endpoints(&world);
    import_key(&world, "ada");
    let boundary = team(&world);
    world.spawn(["setup", "--workload-boundary", &boundary]).succeeded();
    // A price that is not known keeps nobody from launching, and nor does what may not be looked at; Terraform alone changes tags; only instances stop.
    let apart = [
        "autoscaling:DescribeScheduledActions",
        "iam:GetRole",
        "iam:GetRolePolicy",
        "pricing:GetProducts",
        "ec2:DeleteTags",
        "autoscaling:DeleteTags",
        "ec2:DescribeVolumes",
        "ec2:StartInstances",
        "ec2:StopInstances",
    ];
    let needed: Vec<String> =
        allowed(&policy).into_iter().filter(|action| FOR_TROUBLE.iter().chain(&apart).all(|other| action != other)).collect();
    let lives: Vec<(usize, &String)> = needed.iter().enumerate().collect();
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let (world, policy, subnet) = (&world, &policy, network.subnet.as_str());
        let one = |(number, action): &(usize, &String)| life_without(world, policy, subnet, action, &format!("fleet-{number}"));
        let workers =
            lives.chunks(lives.len().div_ceil(4)).map(|lives| scope.spawn(move || lives.iter().filter_map(one).collect::<Vec<_>>()));
        let workers: Vec<_> = workers.collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a life ends")).collect()
    });
    assert_eq!(wrong, [""; 0], "{}", wrong.join("\n"));

    let poor = world.identity("poor", &without(&policy, "pricing:GetProducts"));
    let plan = world.spawn_as(&poor, ["plan", "--name", "tiles", "--type", "c7i.large", "--", "true"]).succeeded();
    assert!(plan.stdout.contains("unknown"), "{}", plan.text());
}

#[test]
fn rights_that_only_terraform_needs_are_missed_by_name() {
    let world = World::with(|options| options.boot_machines = false);
    set_up(&world);
    let policy = world.policy("launcher");
    let terraform = world.terraform(&array(&[("wait_for", r#""launched""#)]));
    terraform.apply().succeeded();
    let identities: Vec<(&str, Identity)> = [("ec2:DescribeVolumes", "blind"), ("ec2:DeleteTags", "tied")]
        .map(|(action, role)| (action, world.identity(role, &without(&policy, action))))
        .into_iter()
        .collect();
    terraform.configure(&array(&[("wait_for", r#""launched""#), ("tags", r#"{ since = "today" }"#)]));
    let web = world.terraform(&service(&[("wait_for", r#""running""#)]));
    web.apply().succeeded();
    web.configure(&service(&[("wait_for", r#""running""#), ("tags", r#"{ since = "today" }"#)]));
    let unbound = world.identity("unbound", &without(&policy, "autoscaling:DeleteTags"));
    let all = identities.iter().map(|(action, who)| (&terraform, *action, who)).chain([(&web, "autoscaling:DeleteTags", &unbound)]);
    for (terraform, action, who) in all {
        terraform.run_by(who);
        let refused = terraform.apply().ended(1).text().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(refused.contains(&format!("The permission {action} is missing")), "{refused}");
    }
    let launcher = world.identity("launcher", &policy);
    for terraform in [&terraform, &web] {
        terraform.run_by(&launcher);
        terraform.apply().succeeded();
        terraform.destroy().succeeded();
    }
    assert_eq!(living(&world), 0);
}
