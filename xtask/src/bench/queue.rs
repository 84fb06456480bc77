//! How quickly a queue of small jobs is drained, and what each costs in requests.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Row, log, moment};
use crate::sandbox::Sandbox;
use crate::workspace::{capture, run};

/// Jobs that do nothing, none of which depends on another one.
const JOBS: usize = 10_000;
/// Workers, which share this machine's processors.
const WORKERS: u32 = 8;

/// Drains a queue on the sandbox; counted from the first job's beginning to the last one's end.
pub(super) fn drain(programs: &Path, directory: &Path, rows: &mut Vec<Row>) -> Result<()> {
    let sandbox = Sandbox::up(programs, &directory.join("queue"), &["--boot-delay-ms", "0"])?;
    run(sandbox.spawn()?.args(["--quiet", "setup"]).stdout(Stdio::null()))?;
    let jobs: serde_json::Map<String, Value> = (0..JOBS).map(|job| (format!("job-{job}"), json!({ "command": ["true"] }))).collect();
    let queue = json!({
        "kind": "queue", "name": "many", "workers": WORKERS, "instance_types": ["c7i.large"], "lease": { "ttl": "2h" }, "jobs": jobs,
    });
    let file = directory.join("queue.yaml");
    // JSON is YAML.
    std::fs::write(&file, queue.to_string())?;
    let before = log(&sandbox)?.len();
    run(sandbox.spawn()?.args(["--quiet", "up", "--wait", "completed", "-f"]).arg(&file).stdout(Stdio::null()))?;
    let of_workers =
        |call: &Value| call["service"] == "s3" && call["caller"].as_str().is_some_and(|caller| caller.starts_with("instance "));
    let requests = log(&sandbox)?.split_off(before).iter().filter(|call| of_workers(call)).count();
    let told: Value = serde_json::from_str(&capture(sandbox.spawn()?.args(["queue", "status", "many", "--output", "json"]))?)?;
    let outcomes = told["outcomes"].as_object().context("outcomes")?;
    ensure!(outcomes.values().all(|job| job["state"] == "succeeded"), "not every job succeeded: {}", told["status_reason"]);
    let moments = |field: &str| outcomes.values().map(|job| moment(&job[field])).collect::<Result<Vec<_>>>();
    let (began, ended) = (moments("started_at")?, moments("ended_at")?);
    let took = ended.iter().max().context("an end")?.duration_since(*began.iter().min().context("a beginning")?);
    #[expect(clippy::cast_precision_loss, reason = "some jobs")]
    let (per_second, per_job) = (JOBS as f64 / took.as_secs_f64(), requests as f64 / JOBS as f64);
    let what = |what: &str| format!("a queue of {JOBS} jobs on {WORKERS} workers, {what}");
    rows.push(Row { what: what("jobs a second"), measured: per_second, limit: 0.0, unit: String::new() });
    rows.push(Row { what: what("S3 requests a job"), measured: per_job, limit: 6.0, unit: "calls".into() });
    run(sandbox.spawn()?.args(["--quiet", "down", "many"]).stdout(Stdio::null()))
}
