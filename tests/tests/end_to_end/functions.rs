//! The provider's functions, called by Terraform: no AWS is asked, and the same arguments have the same result.

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
        ("weekdays", r#"cron_next("@daily", "UTC", "2027-01-01T00:00:00+01:00", 1)"#),
    ]));
    let at = world.position();
    let applied = terraform.apply().succeeded();
    assert_shown!("functions", applied.stdout.lines().skip_while(|line| !line.starts_with("Outputs:")).collect::<Vec<_>>().join("\n"));
    assert_eq!(world.control().calls(at), []);

    let refused = [
        r#"duration_seconds("5 parsecs")"#,
        r#"cron_next("0 0 30 2 *", "UTC", "2027-01-01T00:00:00Z", 1)"#,
        r#"cron_next("@daily", "Mars/Olympus", "2027-01-01T00:00:00Z", 1)"#,
        r#"cron_next("@daily", "UTC", "tomorrow", 1)"#,
        r#"cron_next("@daily", "UTC", "2027-01-01T00:00:00Z", 1001)"#,
    ]
    .map(|call| {
        terraform.configure(&outputs(&[("wrong", call)]));
        shown::diagnostics(&terraform.plan().ended(1).text())
    });
    assert_shown!("functions-refused", refused.join("\n"));
}
