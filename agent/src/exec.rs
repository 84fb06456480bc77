//! `spored exec`: the process between the agent and the command.
//!
//! It runs as the workload's user, in the workload's unit, and gives the command a process group of its own. What to run is in a file,
//! so no argument meets a shell, systemd's specifiers or a limit on the way; how it ended is written to a file, so that a death by
//! signal is told from an exit code.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use spawn_model::record::Exit;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

/// What to run.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Job {
    pub(crate) argv: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    /// Where it starts. A program named by a relative path is found from here.
    pub(crate) directory: PathBuf,
    /// Whether it may reach the metadata service, which has the machine's credentials.
    pub(crate) uses_aws: bool,
    /// How long the command may take to end after it was asked to.
    pub(crate) grace: Duration,
    /// How long it may run until it is asked to; without a limit until it ends by itself.
    pub(crate) limit: Option<Duration>,
}

/// How the command ended: the last line of the report.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Ended {
    #[serde(flatten)]
    pub(crate) exit: Exit,
    /// Why.
    pub(crate) cause: Cause,
}

/// Why a command ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    /// Nobody asked it to.
    Itself,
    /// Its unit, its agent or the system did.
    Asked,
    /// Its time was up.
    Limit,
}

/// What the report begins with; the command's process id follows, and on a line of its own how it ended.
pub(crate) const STARTED: &str = "started";

/// Runs the job and reports how it ended. The exit code says only whether the report was written.
pub(crate) async fn run(job: &Path, report: &Path) -> ExitCode {
    if let Err(error) = std::fs::write(report, STARTED) {
        eprintln!("spored: {}: {error}", report.display());
        return ExitCode::FAILURE;
    }
    let ended = match read(job) {
        Ok(job) => perform(&job, report).await,
        Err(reason) => Ended { exit: Exit::NotStarted { reason }, cause: Cause::Itself },
    };
    let written = serde_json::to_string(&ended).map_err(io::Error::from).and_then(|text| append(report, &format!("\n{text}")));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("spored: {}: {error}", report.display());
            ExitCode::FAILURE
        }
    }
}

/// Whoever is killed in the middle of this leaves what was there: without a report the command would count as never begun, and run twice.
fn append(path: &Path, text: &str) -> io::Result<()> {
    std::fs::OpenOptions::new().append(true).open(path)?.write_all(text.as_bytes())
}

fn read(path: &Path) -> Result<Job, String> {
    let text = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))
}

async fn perform(job: &Job, report: &Path) -> Ended {
    let not_started = |reason: String| Ended { exit: Exit::NotStarted { reason }, cause: Cause::Itself };
    // Before the command starts, so that a request to end that comes at the same moment is not lost.
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => return not_started(format!("signals cannot be received: {error}")),
    };
    let Some((program, arguments)) = job.argv.split_first() else {
        return not_started("there is no command".to_owned());
    };
    if let Err(error) = std::env::set_current_dir(&job.directory) {
        return not_started(format!("{}: {error}", job.directory.display()));
    }
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(&job.env).stdin(Stdio::null()).process_group(0);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return not_started(explain(program, &error)),
    };
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    if let Some(id) = child.id()
        && let Err(error) = append(report, &format!(" {id}"))
    {
        eprintln!("spored: {}: {error}", report.display());
    }
    let over = async {
        match job.limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    let (status, cause) = tokio::select! {
        status = child.wait() => (status, Cause::Itself),
        _ = terminate.recv() => (end(&mut child, group, job.grace).await, Cause::Asked),
        () = over => (end(&mut child, group, job.grace).await, Cause::Limit),
    };
    // Who is asked together with this process may be faster.
    let is_asked = cause == Cause::Itself && tokio::time::timeout(Duration::ZERO, terminate.recv()).await.is_ok();
    let cause = if is_asked { Cause::Asked } else { cause };
    // What it left running would hold the output open, and nobody would wait for it.
    tell(group, Signal::KILL);
    match status {
        Ok(status) => Ended { exit: exit(status), cause },
        Err(error) => not_started(format!("{program:?} was lost: {error}")),
    }
}

/// Asks the command to end, and makes it end when the time is up.
async fn end(child: &mut Child, group: Option<Pid>, grace: Duration) -> io::Result<ExitStatus> {
    tell(group, Signal::TERM);
    match timeout(grace, child.wait()).await {
        Ok(status) => status,
        Err(_) => {
            tell(group, Signal::KILL);
            child.wait().await
        }
    }
}

fn tell(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        // It fails when nobody is left to be told.
        let _ = kill_process_group(group, signal);
    }
}

fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code { code },
        (None, Some(signal)) => Exit::Signal { signal },
        (None, None) => Exit::NotStarted { reason: format!("it ended with {status}") },
    }
}

/// Says why a program did not start, which the error alone does not: a missing interpreter is reported as a missing file.
fn explain(program: &str, error: &io::Error) -> String {
    let there = program.contains('/') && Path::new(program).exists();
    let hint = match error.kind() {
        io::ErrorKind::NotFound if there => ": the file is there, but the interpreter that it names is not",
        io::ErrorKind::NotFound if !program.contains('/') => ": no directory of PATH has it",
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            ": it is neither a program for this kind of machine nor a script that begins with #!"
        }
        _ => "",
    };
    format!("{program:?} cannot be run: {error}{hint}")
}
