//! Strict plans: what AWS would refuse whoever plans is told before anything is made.

use serde_json::Value;
use spawn_tests::configuration::{ARRAY, array, instance, service};
use spawn_tests::leftovers::{assert_same, holdings};
use spawn_tests::{Identity, Terraform, World, assert_shown, shown};

use crate::rights::set_up;

const STRICT: &str = "provider \"spawn\" {\n  region = \"us-east-1\"\n  check  = \"strict\"\n}\n";

fn strict(resources: &str) -> String {
    format!("{STRICT}{resources}")
}

/// Two ranks whose launch nobody waits for.
fn tiles(changes: &[(&str, &str)]) -> String {
    array(&[&[("wait_for", r#""launched""#)], changes].concat())
}

/// A world whose instances run in name only, set up by an administrator.
fn world() -> World {
    let world = World::with(|options| options.boot_machines = false);
    set_up(&world);
    world
}

/// A launcher whose policy lacks a statement.
fn lacking(world: &World, who: &str, is_lacking: impl Fn(&Value) -> bool) -> Identity {
    let mut policy = world.policy("launcher");
    let statements = policy["Statement"].as_array_mut().expect("statements");
    let whole = statements.len();
    statements.retain(|statement| !is_lacking(statement));
    assert_eq!(statements.len(), whole - 1, "one statement is about that");
    world.identity(who, &policy)
}

/// The calls of an operation after a position, by what became of them.
fn outcomes(world: &World, since: u64, operation: &str) -> Vec<String> {
    world.calls(since, operation).into_iter().map(|call| call.outcome).collect()
}

/// Plans strictly, which is refused.
fn refused(terraform: &Terraform<'_>, resources: &str) -> String {
    terraform.configure(&strict(resources));
    shown::diagnostics(&terraform.plan().ended(1).text())
}

#[test]
fn a_right_that_is_missing_is_told_by_the_plan() {
    let world = world();
    let is_of_launches = |statement: &Value| {
        statement["Action"] == "ec2:RunInstances" && statement["Resource"].as_str().is_some_and(|arn| arn.ends_with(":instance/*"))
    };
    let launcher = lacking(&world, "launcher", is_of_launches);
    let (before, at) = (holdings(&world), world.position());
    let terraform = world.terraform(&tiles(&[]));
    terraform.run_by(&launcher);
    terraform.plan().succeeded();
    assert_eq!((world.calls(at, "RunInstances"), world.calls(at, "GetServiceQuota")), (Vec::new(), Vec::new()), "a plan that only looks");
    assert_shown!("strict-plan-without-a-right", refused(&terraform, &tiles(&[])));
    assert_eq!(outcomes(&world, at, "RunInstances"), ["UnauthorizedOperation"]);
    assert_eq!(outcomes(&world, at, "CreateSecurityGroup"), ["DryRunOperation"]);
    let flags = ["--name", "tiles", "--size", "2", "--type", "c7i.large", "--ttl", "20m", "--check", "strict", "--", "true"];
    let [plan, up] = ["plan", "up"].map(|command| world.spawn_as(&launcher, [&[command], &flags[..]].concat()).ended(3).stderr);
    assert!(plan.contains("the permission ec2:RunInstances is missing"), "{plan}");
    assert_eq!(up, format!("trying the launch\n{plan}"), "plan and up refuse alike");
    assert_same(&before, &holdings(&world));
    assert_eq!(world.control().gaps(), []);
}

#[test]
fn a_role_that_may_not_be_handed_on_is_told_where_another_fleet_has_one() {
    let world = world();
    let is_of_roles =
        |statement: &Value| statement["Action"] == "iam:PassRole" && statement.to_string().contains("\"iam:PassedToService\":\"ec2.");
    let launcher = lacking(&world, "launcher", is_of_roles);
    world.spawn(["up", "--name", "near", "--type", "c7i.large", "--ttl", "20m", "--wait", "running"]).succeeded();
    let before = holdings(&world);
    let terraform = world.terraform(&strict(&tiles(&[])));
    terraform.run_by(&launcher);
    assert_shown!("strict-plan-without-passing-a-role", refused(&terraform, &tiles(&[])));
    assert_same(&before, &holdings(&world));
    world.spawn(["down", "near"]).succeeded();
}

#[test]
fn a_launcher_needs_no_other_right_for_it_and_is_told_what_could_not_be_tried() {
    let world = world();
    let launcher = world.identity("launcher", &world.policy("launcher"));
    let before = holdings(&world);
    let terraform = world.terraform(&strict(&tiles(&[])));
    terraform.run_by(&launcher);
    // The first fleet in a network: nothing is there that could stand for its group and its role.
    let planned = terraform.plan().succeeded();
    assert_same(&before, &holdings(&world));
    assert_shown!("strict-plan-of-a-first-fleet", shown::diagnostics(&planned.text()));
    terraform.apply().succeeded();
    terraform.assert_settled();

    // Another one beside it, and the same once more.
    let with_tiles = holdings(&world);
    let bench = instance(&[("wait_for", r#""launched""#), ("depends_on", &format!("[{ARRAY}]"))]);
    let at = world.position();
    let again = tiles(&[("triggers", r#"{ version = "2" }"#)]);
    terraform.configure(&strict(&format!("{again}{bench}")));
    let told = terraform.plan().succeeded().text();
    assert!(told.contains("could not be looked at") && !told.contains("could not be tried"), "{told}");
    assert_eq!(outcomes(&world, at, "RunInstances"), ["DryRunOperation"; 2]);
    assert_eq!(outcomes(&world, at, "CreateSecurityGroup"), ["DryRunOperation"], "what runs again has its group");
    assert_same(&with_tiles, &holdings(&world));

    // A service: its template, and a launch.
    let at = world.position();
    terraform.configure(&strict(&format!("{}{}", tiles(&[]), service(&[("wait_for", r#""launched""#)]))));
    terraform.plan().succeeded();
    assert_eq!((outcomes(&world, at, "CreateLaunchTemplate"), outcomes(&world, at, "RunInstances")), (would(), would()));
    terraform.configure(&strict(&tiles(&[])));
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
    assert_eq!(world.control().gaps(), []);
}

/// What EC2 answers one call that it would have done.
fn would() -> Vec<String> {
    vec!["DryRunOperation".to_owned()]
}

#[test]
fn a_quota_without_room_is_told_by_the_plan() {
    let world = World::with(|options| {
        options.boot_machines = false;
        options.on_demand_vcpu_limit = Some(6);
    });
    world.spawn(["setup"]).succeeded();
    world.spawn(["up", "--name", "near", "--type", "c7i.large", "--ttl", "20m", "--wait", "running"]).succeeded();
    let (before, at) = (holdings(&world), world.position());
    let terraform = world.terraform(&tiles(&[("size", "3")]));
    terraform.plan().succeeded();
    assert_shown!("strict-plan-beyond-the-quota", refused(&terraform, &tiles(&[("size", "3")])));
    let flags = ["--name", "tiles", "--size", "3", "--type", "c7i.large", "--check", "strict", "--wait", "running", "--", "true"];
    for command in ["plan", "up"] {
        let ran = world.spawn([&[command], &flags[..]].concat()).ended(4);
        assert!(ran.stderr.contains("3 instances do not fit into the vCPUs"), "{}", ran.stderr);
    }
    assert_same(&before, &holdings(&world));
    assert!(outcomes(&world, at, "RunInstances").iter().all(|outcome| outcome == "DryRunOperation"));

    // With room enough it is launched, and what takes its place has as much.
    terraform.configure(&strict(&tiles(&[])));
    terraform.apply().succeeded();
    terraform.configure(&strict(&tiles(&[("env", r#"{ PALETTE = "ice" }"#)])));
    assert!(terraform.planned(ARRAY).starts_with("delete create: env"), "{}", terraform.planned(ARRAY));
    terraform.destroy().succeeded();
    world.spawn(["down", "near"]).succeeded();
}

#[test]
fn how_a_plan_is_checked_is_one_of_two_words() {
    let world = World::with_setup();
    let terraform = world.terraform(&format!("{}{}", STRICT.replace("strict", "sometimes"), array(&[])));
    assert_shown!("check-sometimes", shown::diagnostics(&terraform.plan().ended(1).text()));
}
