//! The limits that virtual time measures: tests of the engine on the simulated cloud, which print a row each.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use crate::workspace::Workspace;

/// How many launches the storm has.
const STORM_LAUNCHES: &str = "5000";

/// A measured number beside its limit.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) measured: f64,
    pub(crate) limit: f64,
    pub(crate) unit: String,
}

/// Runs the tests that measure, and reads their rows.
pub(crate) fn rows(workspace: &Workspace) -> Result<Vec<Row>> {
    let mut cargo = workspace.cargo("test");
    cargo.args(["--release", "--quiet", "--package", "spawn-core", "--test", "engine", "--", "limits::", "--nocapture"]);
    cargo.env("SPAWN_STORM_LAUNCHES", STORM_LAUNCHES).stderr(Stdio::inherit());
    let output = cargo.output().context("running the engine's tests")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "a limit does not hold:\n{text}");
    text.lines().filter_map(|line| line.split_once("limit\t")).map(|(_, line)| row(line)).collect()
}

fn row(line: &str) -> Result<Row> {
    let [what, measured, limit, unit] = line.split('\t').collect::<Vec<_>>()[..] else { anyhow::bail!("{line:?} is no row") };
    Ok(Row { what: what.to_owned(), measured: measured.parse()?, limit: limit.parse()?, unit: unit.to_owned() })
}
