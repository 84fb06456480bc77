//! What the agent costs, and how soon the workload starts.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Row, log, megabytes, moment, resident_mb};
use crate::sandbox::Sandbox;
use crate::workspace::{capture, run};

/// How long an idle agent's calls are counted.
const IDLE_FOR: Duration = Duration::from_secs(130);

pub(super) fn agent(programs: &Path, directory: &Path, rows: &mut Vec<Row>) -> Result<()> {
    let sandbox = Sandbox::up(programs, &directory.join("agent"), &["--boot-delay-ms", "0"])?;
    run(sandbox.spawn()?.args(["--quiet", "setup"]).stdout(Stdio::null()))?;
    let mut up = sandbox.spawn()?;
    up.args([
        "--quiet",
        "up",
        "--kind",
        "instance",
        "--name",
        "idle",
        "--type",
        "c7i.large",
        "--ttl",
        "1h",
        "--wait",
        "ready",
        "--",
        "true",
    ]);
    run(up.stdout(Stdio::null()))?;
    let launched = log(&sandbox)?.iter().rfind(|call| call["operation"] == "RunInstances").context("a launch")?["time"].clone();
    // The completion record has the moment of the first instruction; the command is over at once, the machine is not.
    std::thread::sleep(Duration::from_secs(2));
    let fleet: Value = serde_json::from_str(&capture(sandbox.spawn()?.args(["status", "idle", "--output", "json"]))?)?;
    let started = moment(&fleet["members"][0]["started_at"])?;
    let delay_s = started.duration_since(moment(&launched)?).as_secs_f64();
    rows.push(Row { what: "RunInstances accepted to the workload, beyond boot".into(), measured: delay_s, limit: 1.0, unit: "s".into() });

    let pid = agent_pid(sandbox.directory())?;
    rows.push(Row { what: "agent, resident".into(), measured: resident_mb(pid)?, limit: 10.0, unit: "MB".into() });
    rows.push(Row {
        what: "agent, on disk".into(),
        measured: megabytes(std::fs::metadata(programs.join("spored"))?.len()),
        limit: 10.0,
        unit: "MB".into(),
    });
    let before = log(&sandbox)?.len();
    std::thread::sleep(IDLE_FOR);
    let calls = log(&sandbox)?.split_off(before);
    let own: Vec<&Value> = calls.iter().filter(|call| call["caller"].as_str().is_some_and(|c| c.contains("instance"))).collect();
    #[expect(clippy::cast_precision_loss, reason = "some calls")]
    let per_hour = own.len() as f64 * 3600.0 / IDLE_FOR.as_secs_f64();
    rows.push(Row { what: "agent, calls an hour while idle (lease reads)".into(), measured: per_hour, limit: 60.0, unit: "calls".into() });
    #[expect(clippy::cast_precision_loss, reason = "none")]
    let ec2 = own.iter().filter(|call| call["service"] == "ec2").count() as f64;
    rows.push(Row { what: "agent, EC2 calls".into(), measured: ec2, limit: 0.0, unit: "calls".into() });
    Ok(())
}

/// The agent whose machine lives in a sandbox's directory.
fn agent_pid(directory: &Path) -> Result<u32> {
    let directory = directory.display().to_string();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        if words.len() > 1 && words[0].starts_with(&directory) && words[0].ends_with("/spored") && words[1] == "run" {
            return Ok(pid);
        }
    }
    anyhow::bail!("no agent runs in {directory}")
}
