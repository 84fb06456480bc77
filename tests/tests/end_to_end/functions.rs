//! The provider's functions, called by Terraform: no AWS is asked, and the same arguments have the same result.

use serde_json::json;
use spawn_tests::{World, assert_shown, shown};

fn outputs(values: &[(&str, &str)]) -> String {
    values.iter().map(|(name, value)| format!("output \"{name}\" {{ value = provider::spawn::{value} }}\n")).collect()
}

#[test]
fn functions_are_worked_out_without_aws() {
    let world = World::start();
    let terraform = world.terraform(&outputs(&[
        ("seconds", r#"duration_seconds("1h30m")"#),
        ("none", r#"duration_seconds("0s")"#),
        ("nights", r#"cron_next("30 2 * * *", "Europe/Berlin", "2027-03-26T12:00:00Z", 3)"#),
        ("midnight", r#"cron_next("@daily", "UTC", "2027-01-01T00:00:00+01:00", 1)"#),
    ]));
    let at = world.position();
    terraform.apply().succeeded();
    let found = terraform.run(["output", "-json"]).succeeded().json();
    let value = |name: &str| found[name]["value"].clone();
    assert_eq!((value("seconds"), value("none")), (json!(5400), json!(0)));
    // 2:30 does not come on the 28th.
    assert_eq!(value("nights"), json!(["2027-03-27T01:30:00Z", "2027-03-29T00:30:00Z", "2027-03-30T00:30:00Z"]));
    assert_eq!(value("midnight"), json!(["2027-01-01T00:00:00Z"]));
    assert_eq!(world.control().calls(at), []);

    let refused = [
        r#"duration_seconds("5 parsecs")"#,
        r#"cron_next("0 0 30 2 *", "UTC", "2027-01-01T00:00:00Z", 1)"#,
        r#"cron_next("@daily", "Mars/Olympus", "2027-01-01T00:00:00Z", 1)"#,
        r#"cron_next("@daily", "UTC", "tomorrow", 1)"#,
        r#"cron_next("@daily", "UTC", "2027-01-01T00:00:00Z", 1001)"#,
        r##"slurm_to_job_array("#!/bin/sh\n#SBATCH --nodes=4\n")"##,
        r##"slurm_to_job_array("#!/bin/sh\n#SBATCH --tiem=4\n")"##,
    ]
    .map(|call| {
        terraform.configure(&outputs(&[("wrong", call)]));
        shown::diagnostics(&terraform.plan().ended(1).text())
    });
    assert_shown!("functions-refused", refused.join("\n"));
}
