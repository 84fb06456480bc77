//! What a command may do in AWS: nothing, or what `policies` say and the set-up's boundary lets.

use spawn_tests::configuration::{ARRAY, array};
use spawn_tests::leftovers::{assert_same, holdings};
use spawn_tests::{World, assert_shown, shown};

/// What commands get at most.
const BOUNDARY: &str =
    r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::team-*"}}"#;

/// Asks S3 with whatever credentials it finds, and says how each went.
const WORK: &str = r#"#!/bin/sh
try() { if aws "$@" >/dev/null 2>error; then echo "ok: $*"; else echo "refused: $* ($(grep -o 'AccessDenied\|Forbidden\|Unable to locate credentials' error))"; fi; }
echo 'from the machine' > line
try s3 cp s3://team-data/in/numbers -
try s3 ls s3://team-data/in/
try s3 cp line s3://team-data/out/line
try s3 cp line s3://team-data/in/line
try s3 ls s3://team-data/other/
try s3 cp s3://another/numbers -
"#;

const POLICIES: &str = r#"["s3:ReadOnly:arn:aws:s3:::team-data/in/*", jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "s3:PutObject", Resource = "arn:aws:s3:::team-data/out/*" },
                 { Effect = "Allow", Action = "s3:*", Resource = "arn:aws:s3:::another/*" }]
  })]"#;

fn world() -> World {
    let world = World::with_setup();
    world.python(
        "s3 = client('s3')\n\
         for bucket, key in [('team-data', 'in/numbers'), ('another', 'numbers')]:\n    \
             s3.create_bucket(Bucket=bucket)\n    s3.put_object(Bucket=bucket, Key=key, Body=b'1 2 3')",
    );
    world
}

/// Runs the work with these policies, and tells what it printed, in order.
fn told(world: &World, policies: &str) -> String {
    let path = std::env::var("PATH").expect("a path");
    let fields = [
        ("size", "1"),
        ("files", r#"{ work = file("work") }"#),
        ("command", r#"["./work"]"#),
        ("env", &format!("{{ PATH = {path:?} }}")),
        ("policies", policies),
        ("wait_for", r#""completed""#),
    ];
    let terraform = world.terraform(&array(&fields));
    terraform.write("work", WORK);
    terraform.apply().succeeded();
    terraform.assert_settled();
    assert_eq!(terraform.state(ARRAY)["status"], "succeeded");
    let lines = world.spawn(["logs", "tiles"]).succeeded().stdout;
    terraform.destroy().succeeded();
    lines
}

#[test]
fn a_command_has_the_rights_that_it_was_given_and_no_others() {
    let world = world();
    let boundary = world.directory().join("boundary.json");
    std::fs::write(&boundary, BOUNDARY).expect("a file");
    let set_up = world.spawn(["setup", "--workload-boundary", boundary.to_str().expect("a plain path")]).succeeded();
    assert!(set_up.stdout.contains("what one statement of the boundary allows"), "{}", set_up.stdout);
    let before = holdings(&world);
    // The last is allowed by a policy and not by the boundary.
    assert_shown!("rights-of-a-command", told(&world, POLICIES));
    assert_same_but_data(&before, &holdings(&world));
    assert_shown!("a-command-without-rights", told(&world, "[]"));
    assert_eq!(world.control().gaps(), []);
}

/// The same but for what the command put into the team's bucket.
fn assert_same_but_data(before: &serde_json::Value, after: &serde_json::Value) {
    let without = |holdings: &serde_json::Value| {
        let mut holdings = holdings.clone();
        holdings["s3"] = serde_json::Value::Null;
        holdings
    };
    assert_same(&without(before), &without(after));
}

#[test]
fn rights_that_cannot_be_given_are_refused_before_anything_is_made() {
    let world = world();
    let before = holdings(&world);
    let terraform = world.terraform(&array(&[("policies", POLICIES)]));
    assert_shown!("policies-without-a-boundary", shown::diagnostics(&terraform.plan().ended(1).text()));
    let boundary = world.directory().join("boundary.json");
    std::fs::write(&boundary, "{}").expect("a file");
    let refused = world.spawn(["setup", "--workload-boundary", boundary.to_str().expect("a plain path")]).ended(2);
    assert_shown!("a-boundary-that-is-none", refused.stderr);
    assert_same(&before, &holdings(&world));
    std::fs::write(&boundary, BOUNDARY).expect("a file");
    world.spawn(["setup", "--workload-boundary", boundary.to_str().expect("a plain path")]).succeeded();
    let policy = "arn:aws:iam::123456789012:policy/nobodys";
    let up = world.spawn(["up", "--name", "tiles", "--type", "c7i.large", "--policy", policy, "--", "true"]).ended(2);
    assert_shown!("a-policy-that-is-nobodys", up.stderr);
}
