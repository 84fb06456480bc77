//! What a command may do in AWS: nothing, or what `policies` say and the set-up's boundary lets.

use serde_json::Value;
use spawn_tests::configuration::{ARRAY, array};
use spawn_tests::leftovers::{assert_same, holdings};
use spawn_tests::{World, assert_shown, shown};

/// What commands get at most.
const BOUNDARY: &str =
    r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::team-*"}}"#;

/// Asks S3 with whatever credentials it finds, and says how each went.
const WORK: &str = r#"#!/bin/sh
try() { if aws s3api "$@" >/dev/null 2>error; then echo "ok: $*"; else echo "refused: $* ($(grep -o 'AccessDenied\|Unable to locate credentials' error))"; fi; }
echo 'from the machine' > line
try get-object --bucket team-data --key in/numbers numbers
try list-objects-v2 --bucket team-data --prefix in/
try put-object --bucket team-data --key out/line --body line
try put-object --bucket team-data --key in/line --body line
try list-objects-v2 --bucket team-data --prefix other/
try get-object --bucket another --key numbers numbers
try get-object --bucket spawn-123456789012-us-east-1 --key names/tiles name
"#;

const POLICIES: &str = r#"["s3:ReadOnly:arn:aws:s3:::team-data/in/*", jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "s3:PutObject", Resource = "arn:aws:s3:::team-data/out/*" },
                 { Effect = "Allow", Action = "s3:*", Resource = ["arn:aws:s3:::another/*", "arn:aws:s3:::spawn-*"] }]
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
    assert!(set_up.stdout.contains("at most what one statement of the boundary allows"), "{}", set_up.stdout);
    let before = holdings(&world);
    // The last two are allowed by a policy and not by the boundary.
    assert_shown!("rights-of-a-command", told(&world, POLICIES));
    assert_same_but_data(&before, &holdings(&world));
    assert_shown!("a-command-without-rights", told(&world, "[]"));
    assert_eq!(world.control().gaps(), []);
}

/// The same but for what the command put into the team's bucket.
fn assert_same_but_data(before: &Value, after: &Value) {
    let without = |holdings: &Value| {
        let mut holdings = holdings.clone();
        let buckets = holdings["s3"].as_object_mut().expect("buckets");
        assert!(buckets.remove("team-data").is_some(), "{buckets:?}");
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
