//! How many calls the controller makes up to the moment at which a fleet is launched.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Row, log};
use crate::sandbox::Sandbox;
use crate::terraform::Mirror;
use crate::workspace::{Profile, Workspace, capture, fresh_directory, run};

/// How long the machines of a run may take to be gone after it.
const GONE_AFTER_MAX: Duration = Duration::from_secs(60);

/// An array that is run again with each other turn.
const RERUN: &str = r#"terraform {
  required_providers {
    spawn = { source = "spawn-dev/spawn" }
  }
}
variable "turn" {}
resource "spawn_job_array" "again" {
  name           = "again"
  size           = 8
  instance_types = ["c7i.large"]
  command        = ["true"]
  lease          = { ttl = "1h" }
  triggers       = { turn = var.turn }
  wait_for       = "completed"
}
"#;

/// A launch makes role and group; what comes after the last launch was recorded are polls.
pub(super) fn calls(programs: &Path, directory: &Path, rows: &mut Vec<Row>) -> Result<()> {
    let sandbox = Sandbox::up(programs, &directory.join("calls"), &["--no-boot"])?;
    run(sandbox.spawn()?.args(["--quiet", "setup"]).stdout(Stdio::null()))?;
    for size in [1_u32, 8, 100, 1000] {
        let before = log(&sandbox)?.len();
        let name = format!("calls-{size}");
        let mut up = sandbox.spawn()?;
        up.args(["--quiet", "up", "--name", &name, "--size", &size.to_string(), "--type", "c7i.large", "--ttl", "1h", "--", "true"]);
        run(up.stdout(Stdio::null()))?;
        let calls = log(&sandbox)?.split_off(before);
        let launch = calls.iter().rposition(|call| call["operation"] == "RunInstances").context("a launch")?;
        let recorded = calls[launch..].iter().position(|call| call["operation"] == "PutObject").context("a record of it")?;
        #[expect(clippy::cast_precision_loss, reason = "some calls")]
        let measured = (launch + recorded + 1) as f64;
        rows.push(Row {
            what: format!("controller calls, array of {size}, role and group made"),
            measured,
            limit: 24.0,
            unit: "calls".into(),
        });
        run(sandbox.spawn()?.args(["--quiet", "down", &name]).stdout(Stdio::null()))?;
    }
    Ok(())
}

/// A launch that finds role and group is another run of a fleet whose first one is over: its triggers change. What comes after it
/// has become the fleet's run are polls.
pub(super) fn rerun_calls(workspace: &Workspace, programs: &Path, directory: &Path, rows: &mut Vec<Row>) -> Result<()> {
    let sandbox = Sandbox::up(programs, &directory.join("rerun"), &["--boot-delay-ms", "0"])?;
    run(sandbox.spawn()?.args(["--quiet", "setup"]).stdout(Stdio::null()))?;
    let environment = sandbox.environment()?;
    let mirror = Mirror::install(workspace, Profile::Release, directory)?;
    let place = directory.join("again");
    fresh_directory(&place)?;
    std::fs::write(place.join("main.tf"), RERUN)?;
    let terraform = |arguments: &[&str]| run(mirror.terraform(&place, &environment).args(arguments).arg("-no-color").stdout(Stdio::null()));
    terraform(&["init"])?;
    terraform(&["apply", "-auto-approve", "-input=false", "-var=turn=1"])?;
    let give_up = Instant::now() + GONE_AFTER_MAX;
    while living(&sandbox)? {
        ensure!(Instant::now() < give_up, "the machines of the first run are still there");
        std::thread::sleep(Duration::from_millis(200));
    }
    terraform(&["plan", "-out=again", "-input=false", "-var=turn=2"])?;
    let before = log(&sandbox)?.len();
    terraform(&["apply", "-input=false", "again"])?;
    let calls: Vec<Value> = log(&sandbox)?.split_off(before).into_iter().filter(|call| call["caller"] == "controller").collect();
    let launch = calls.iter().rposition(|call| call["operation"] == "RunInstances").context("a launch")?;
    // The record of the launch, and the fleet's own.
    let mut recorded = calls.iter().enumerate().skip(launch).filter(|(_, call)| call["operation"] == "PutObject").map(|(n, _)| n);
    let last = recorded.nth(1).context("a record of the fleet")?;
    #[expect(clippy::cast_precision_loss, reason = "some calls")]
    let measured = (last + 1) as f64;
    rows.push(Row { what: "controller calls, array of 8, role and group exist".into(), measured, limit: 16.0, unit: "calls".into() });
    terraform(&["destroy", "-auto-approve", "-input=false", "-var=turn=2"])
}

/// Whether there is an instance that has not terminated.
fn living(sandbox: &Sandbox) -> Result<bool> {
    let snapshot: Value = serde_json::from_str(&capture(sandbox.spawn()?.args(["sandbox", "snapshot", "--output", "json"]))?)?;
    let mut regions = snapshot["ec2"]["regions"].as_object().context("regions")?.values();
    Ok(regions.any(|region| region["instances"] != serde_json::json!([])))
}
