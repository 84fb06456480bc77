//! How soon, and by how many calls, a fleet ends whose only end is the schedule.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Row, log, moment};
use crate::sandbox::Sandbox;
use crate::workspace::{capture, run};

/// Instances in name only: no shutdown timer and no agent are there, nobody launches or ends, and AWS's clock passes the deadline.
pub(super) fn hand_3(programs: &Path, directory: &Path, rows: &mut Vec<Row>) -> Result<()> {
    let sandbox = Sandbox::up(programs, &directory.join("hand-3"), &["--no-boot"])?;
    run(sandbox.spawn()?.args(["--quiet", "setup"]).stdout(Stdio::null()))?;
    let mut up = sandbox.spawn()?;
    up.args(["--quiet", "up", "--name", "many", "--size", "1000", "--type", "c7i.large", "--ttl", "1h", "--", "true"]);
    run(up.stdout(Stdio::null()))?;
    let fleet: Value = serde_json::from_str(&capture(sandbox.spawn()?.args(["status", "many", "--output", "json"]))?)?;
    let deadline = moment(&fleet["deadline"])?;
    let before = log(&sandbox)?.len();
    run(sandbox.spawn()?.args(["--quiet", "sandbox", "clock", "--advance", "60m"]).stdout(Stdio::null()))?;
    let calls = log(&sandbox)?.split_off(before);
    let of_automation = |call: &&Value| call["service"] == "ec2" && call["caller"].as_str().is_some_and(|c| c.starts_with("automation "));
    let calls: Vec<&Value> = calls.iter().filter(of_automation).collect();
    let ended = calls.iter().find(|call| call["operation"] == "TerminateInstances" && call["outcome"] == "ok");
    let ended_s = moment(&ended.context("the schedule ended nothing")?["time"])?.duration_since(deadline).as_secs_f64();
    let (what, unit) = ("1,000 members ended by hand 3 alone, after the deadline", "s".to_owned());
    rows.push(Row { what: what.into(), measured: ended_s, limit: 180.0, unit });
    #[expect(clippy::cast_precision_loss, reason = "some calls")]
    let measured = calls.len() as f64;
    rows.push(Row { what: "1,000 members ended by hand 3 alone, EC2 calls".into(), measured, limit: 10.0, unit: "calls".into() });
    Ok(())
}
