//! The limits this project sets itself, measured in one run and printed beside each other. Nothing here fails for being slow.

mod agent;
mod calls;
mod instances;
mod lease;
mod provider;
mod queue;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::limits::{self, Row};
use crate::sandbox::Sandbox;
use crate::tools;
use crate::workspace::{Profile, Workspace, capture, fresh_directory, say};

pub(crate) fn bench(built: bool) -> Result<()> {
    tools::require(&[tools::TERRAFORM, tools::PYTHON])?;
    let workspace = Workspace::find()?;
    if !built {
        say("Building the release profile (the AWS SDK takes long)");
        workspace.build_release()?;
    }
    let directory = workspace.target().join("bench");
    fresh_directory(&directory)?;
    let programs = workspace.programs(Profile::Release);
    let mut rows = Vec::new();
    say("Controller calls up to launched");
    calls::calls(&programs, &directory, &mut rows)?;
    calls::rerun_calls(&workspace, &programs, &directory, &mut rows)?;
    say("The provider, from its start to the handshake line");
    provider::handshake(&programs.join("terraform-provider-spawn"), &mut rows)?;
    say("A plan of one spawn_instance beside one terraform_data");
    provider::plan(&workspace, &programs, &directory, &mut rows)?;
    say("A thousand spawn_instance in one configuration");
    instances::instances(&programs, &directory, &mut rows)?;
    say("From RunInstances to the workload, and an idle agent (two minutes)");
    agent::agent(&programs, &directory, &mut rows)?;
    say("A thousand members whose only end is the schedule");
    lease::hand_3(&programs, &directory, &mut rows)?;
    say("A queue of small jobs on eight workers");
    queue::drain(&programs, &directory, &mut rows)?;
    say("What virtual time measures: launching and ending many, and a storm of faults");
    rows.extend(limits::rows(&workspace)?);
    print(&rows);
    Ok(())
}

fn print(rows: &[Row]) {
    println!("\n{:<72} {:>12} {:>12} {:>8}", "", "measured", "limit", "ratio");
    for row in rows {
        let measured = format!("{:.2} {}", row.measured, row.unit);
        let limit = format!("{} {}", row.limit, row.unit);
        let ratio = if row.limit > 0.0 { format!("{:.2}", row.measured / row.limit) } else { "-".to_owned() };
        println!("{:<72} {measured:>12} {limit:>12} {ratio:>8}", row.what);
    }
}

fn log(sandbox: &Sandbox) -> Result<Vec<Value>> {
    let text = capture(sandbox.spawn()?.args(["sandbox", "calls", "--output", "json"]))?;
    let mut log: Value = serde_json::from_str(&text)?;
    serde_json::from_value(log["calls"].take()).context("the call log is a list")
}

fn moment(value: &Value) -> Result<jiff::Timestamp> {
    value.as_str().and_then(|text| text.parse().ok()).with_context(|| format!("{value} is no moment"))
}

fn resident_mb(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kib * 1024.0 / 1e6)
}

#[expect(clippy::cast_precision_loss, reason = "sizes of programs")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
