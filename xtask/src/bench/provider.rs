//! What the provider costs: to start, on disk, and in a plan.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::{Row, log, megabytes, resident_mb};
use crate::sandbox::Sandbox;
use crate::terraform::Mirror;
use crate::workspace::{Profile, Workspace, fresh_directory, run};

/// The cookie by which go-plugin tells that Terraform started the process.
const COOKIE: (&str, &str) = ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2");

/// A client certificate as Terraform's: P-521. Its key is nobody's, since no connection is made.
const CLIENT_CERTIFICATE: &str = include_str!("client.pem");

/// The kernel counts CPU time of ended children in ticks of this many a second (`getconf CLK_TCK`).
const TICKS_PER_S: f64 = 100.0;

/// How many plans of each kind are measured: the kernel's ticks are coarse, and a machine is never quite at rest.
const PLANS: usize = 25;

pub(super) fn handshake(provider: &Path, rows: &mut Vec<Row>) -> Result<()> {
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
    rows.push(Row { what: "provider, start to handshake line (median of 20)".into(), measured: times[10], limit: 6.0, unit: "ms".into() });
    rows.push(Row { what: "provider, resident at the handshake".into(), measured: resident, limit: 10.0, unit: "MB".into() });
    rows.push(Row { what: "provider, on disk".into(), measured: megabytes(bytes), limit: 25.0, unit: "MB".into() });
    Ok(())
}

pub(super) fn plan(workspace: &Workspace, programs: &Path, directory: &Path, rows: &mut Vec<Row>) -> Result<()> {
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
    let terraform = |place: &Path, arguments: &[&str]| -> Result<f64> {
        let began = children_cpu_s()?;
        run(mirror.terraform(place, &environment).args(arguments).arg("-no-color").stdout(Stdio::null()))?;
        Ok(children_cpu_s()? - began)
    };
    for place in [&floor, &ours] {
        terraform(place, &["init"])?;
    }
    let before = log(&sandbox)?.len();
    // In turns, so that whatever else the machine does falls on both.
    let (mut floor_s, mut ours_s) = (Vec::new(), Vec::new());
    for _ in 0..PLANS {
        floor_s.push(terraform(&floor, &["plan", "-input=false"])?);
        ours_s.push(terraform(&ours, &["plan", "-input=false"])?);
    }
    let calls = (log(&sandbox)?.len() - before) / PLANS;
    let ratio = ours_s.iter().sum::<f64>() / floor_s.iter().sum::<f64>();
    rows.push(Row { what: "plan of one spawn_instance, CPU beside terraform_data".into(), measured: ratio, limit: 2.5, unit: "x".into() });
    #[expect(clippy::cast_precision_loss, reason = "some calls")]
    rows.push(Row { what: "plan of one spawn_instance, calls".into(), measured: calls as f64, limit: 6.0, unit: "calls".into() });
    Ok(())
}

/// CPU time of all children that have ended: fields 16 and 17 of `/proc/self/stat` (proc(5)).
pub(super) fn children_cpu_s() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit_once(") ").context("a command")?.1.split(' ').collect();
    let ticks = fields[13].parse::<f64>()? + fields[14].parse::<f64>()?;
    Ok(ticks / TICKS_PER_S)
}
