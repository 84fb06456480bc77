//! The limits this project sets itself, measured in one run and printed beside each other. Nothing here fails for being slow.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::sandbox::Sandbox;
use crate::terraform::Mirror;
use crate::tools;
use crate::workspace::{Profile, Workspace, capture, fresh_directory, run, say};

/// The cookie by which go-plugin tells that Terraform started the process.
const COOKIE: (&str, &str) = ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2");

/// A client certificate as Terraform's: P-521. Its key is nobody's, since no connection is made.
const CLIENT_CERTIFICATE: &str = include_str!("client.pem");

/// How long an idle agent's calls are counted.
const IDLE_FOR: Duration = Duration::from_secs(130);

/// The kernel counts CPU time of ended children in ticks of this many a second (`getconf CLK_TCK`).
const TICKS_PER_S: f64 = 100.0;

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

/// A measured number beside its limit.
struct Row {
    what: String,
    measured: f64,
    limit: f64,
    unit: &'static str,
}

pub(crate) fn bench(built: bool) -> Result<()> {
    tools::require(&[tools::TERRAFORM, tools::PYTHON])?;
    let workspace = Workspace::find()?;
    if !built {
        say("Building the release profile (the AWS SDK takes long)");
        workspace.build_release(&["terraform-provider-spawn", "spored", "spawn-cli"])?;
    }
    let directory = workspace.target().join("bench");
    fresh_directory(&directory)?;
    let programs = workspace.programs(Profile::Release);
    let mut rows = Vec::new();
    say("Controller calls up to launched");
    calls(&programs, &directory, &mut rows)?;
    rerun_calls(&workspace, &programs, &directory, &mut rows)?;
    say("The provider, from its start to the handshake line");
    handshake(&programs.join("terraform-provider-spawn"), &mut rows)?;
    say("A plan of one spawn_instance beside one terraform_data");
    plan(&workspace, &programs, &directory, &mut rows)?;
    say("From RunInstances to the workload, and an idle agent (two minutes)");
    agent(&programs, &directory, &mut rows)?;
    print(&rows);
    Ok(())
}

fn print(rows: &[Row]) {
    println!("\n{:<58} {:>12} {:>12} {:>8}", "", "measured", "limit", "ratio");
    for row in rows {
        let measured = format!("{:.2} {}", row.measured, row.unit);
        let limit = format!("{} {}", row.limit, row.unit);
        let ratio = if row.limit > 0.0 { format!("{:.2}", row.measured / row.limit) } else { "-".to_owned() };
        println!("{:<58} {measured:>12} {limit:>12} {ratio:>8}", row.what);
    }
}

/// A launch makes role and group; what comes after the last launch was recorded are polls.
fn calls(programs: &Path, directory: &Path, rows: &mut Vec<Row>) -> Result<()> {
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
        rows.push(Row { what: format!("controller calls, array of {size}, role and group made"), measured, limit: 24.0, unit: "calls" });
        run(sandbox.spawn()?.args(["--quiet", "down", &name]).stdout(Stdio::null()))?;
    }
    Ok(())
}

/// A launch that finds role and group is another run of a fleet whose first one is over: its triggers change. What comes after it
/// has become the fleet's run are polls.
fn rerun_calls(workspace: &Workspace, programs: &Path, directory: &Path, rows: &mut Vec<Row>) -> Result<()> {
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
    rows.push(Row { what: "controller calls, array of 8, role and group exist".into(), measured, limit: 16.0, unit: "calls" });
    terraform(&["destroy", "-auto-approve", "-input=false", "-var=turn=2"])
}

/// Whether there is an instance that has not terminated.
fn living(sandbox: &Sandbox) -> Result<bool> {
    let snapshot: Value = serde_json::from_str(&capture(sandbox.spawn()?.args(["sandbox", "snapshot", "--output", "json"]))?)?;
    let mut regions = snapshot["ec2"]["regions"].as_object().context("regions")?.values();
    Ok(regions.any(|region| region["instances"] != serde_json::json!([])))
}

fn log(sandbox: &Sandbox) -> Result<Vec<Value>> {
    let text = capture(sandbox.spawn()?.args(["sandbox", "calls", "--output", "json"]))?;
    let mut log: Value = serde_json::from_str(&text)?;
    serde_json::from_value(log["calls"].take()).context("the call log is a list")
}

fn handshake(provider: &Path, rows: &mut Vec<Row>) -> Result<()> {
    let mut times = Vec::new();
    let mut resident = 0.0_f64;
    for _ in 0..20 {
        let began = Instant::now();
        let mut process = Command::new(provider)
            .env(COOKIE.0, COOKIE.1)
            .env("PLUGIN_PROTOCOL_VERSIONS", "5,6")
            .env("PLUGIN_CLIENT_CERT", CLIENT_CERTIFICATE)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("its output")?).read_line(&mut line)?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
        ensure!(line.starts_with("1|6|unix|"), "{line:?} is no handshake");
        resident = resident.max(resident_mb(process.id())?);
        process.kill()?;
        process.wait()?;
        if let Some(socket) = line.split('|').nth(3) {
            drop(std::fs::remove_file(socket));
        }
    }
    times.sort_by(f64::total_cmp);
    let bytes = std::fs::metadata(provider)?.len();
    rows.push(Row { what: "provider, start to handshake line (median of 20)".into(), measured: times[10], limit: 6.0, unit: "ms" });
    rows.push(Row { what: "provider, resident at the handshake".into(), measured: resident, limit: 10.0, unit: "MB" });
    rows.push(Row { what: "provider, on disk".into(), measured: megabytes(bytes), limit: 25.0, unit: "MB" });
    Ok(())
}

fn plan(workspace: &Workspace, programs: &Path, directory: &Path, rows: &mut Vec<Row>) -> Result<()> {
    let sandbox = Sandbox::up(programs, &directory.join("plan"), &["--no-boot"])?;
    run(sandbox.spawn()?.args(["--quiet", "setup"]).stdout(Stdio::null()))?;
    let environment = sandbox.environment()?;
    let mirror = Mirror::install(workspace, Profile::Release, directory)?;
    let ours = directory.join("ours");
    fresh_directory(&ours)?;
    std::fs::copy(workspace.root.join("examples/instance/main.tf"), ours.join("main.tf"))?;
    let floor = directory.join("floor");
    fresh_directory(&floor)?;
    std::fs::write(floor.join("main.tf"), "resource \"terraform_data\" \"one\" {\n  input = \"one\"\n}\n")?;
    let mut cpu_s = BTreeMap::new();
    let mut calls = 0;
    for (name, place) in [("floor", &floor), ("ours", &ours)] {
        run(mirror.terraform(place, &environment).args(["init", "-no-color"]).stdout(Stdio::null()))?;
        let before = log(&sandbox)?.len();
        let began = children_cpu_s()?;
        for _ in 0..5 {
            run(mirror.terraform(place, &environment).args(["plan", "-no-color", "-input=false"]).stdout(Stdio::null()))?;
        }
        cpu_s.insert(name, (children_cpu_s()? - began) / 5.0);
        calls = (log(&sandbox)?.len() - before) / 5;
    }
    let ratio = cpu_s["ours"] / cpu_s["floor"];
    rows.push(Row { what: "plan of one spawn_instance, CPU beside terraform_data".into(), measured: ratio, limit: 2.5, unit: "x" });
    #[expect(clippy::cast_precision_loss, reason = "some calls")]
    rows.push(Row { what: "plan of one spawn_instance, calls".into(), measured: calls as f64, limit: 6.0, unit: "calls" });
    Ok(())
}

fn agent(programs: &Path, directory: &Path, rows: &mut Vec<Row>) -> Result<()> {
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
    let moment = |value: &Value| value.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok()).context("a moment");
    let started = moment(&fleet["members"][0]["started_at"])?;
    let delay_s = started.duration_since(moment(&launched)?).as_secs_f64();
    rows.push(Row { what: "RunInstances accepted to the workload, beyond boot".into(), measured: delay_s, limit: 1.0, unit: "s" });

    let pid = agent_pid(sandbox.directory())?;
    rows.push(Row { what: "agent, resident".into(), measured: resident_mb(pid)?, limit: 10.0, unit: "MB" });
    rows.push(Row {
        what: "agent, on disk".into(),
        measured: megabytes(std::fs::metadata(programs.join("spored"))?.len()),
        limit: 10.0,
        unit: "MB",
    });
    let before = log(&sandbox)?.len();
    std::thread::sleep(IDLE_FOR);
    let calls = log(&sandbox)?.split_off(before);
    let own: Vec<&Value> = calls.iter().filter(|call| call["caller"].as_str().is_some_and(|c| c.contains("instance"))).collect();
    #[expect(clippy::cast_precision_loss, reason = "some calls")]
    let per_hour = own.len() as f64 * 3600.0 / IDLE_FOR.as_secs_f64();
    rows.push(Row { what: "agent, calls an hour while idle (lease reads)".into(), measured: per_hour, limit: 60.0, unit: "calls" });
    #[expect(clippy::cast_precision_loss, reason = "none")]
    let ec2 = own.iter().filter(|call| call["service"] == "ec2").count() as f64;
    rows.push(Row { what: "agent, EC2 calls".into(), measured: ec2, limit: 0.0, unit: "calls" });
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

/// CPU time of all children that have ended: fields 16 and 17 of `/proc/self/stat` (proc(5)).
fn children_cpu_s() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit_once(") ").context("a command")?.1.split(' ').collect();
    let ticks = fields[13].parse::<f64>()? + fields[14].parse::<f64>()?;
    Ok(ticks / TICKS_PER_S)
}
