//! `spawn sandbox up`.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::process::Stdio;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use spawn_model::error::{Class, Error};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::serve::{Readiness, Start, start};
use super::{DONE, Outcome, Place};
use crate::cli::Global;
use crate::output::table::labelled;
use crate::output::{Failure, Output};

/// Start the sandbox
///
/// It runs on in the background until `spawn sandbox down`, with random keys that only you can read.
#[derive(Debug, Args)]
pub(super) struct Up {
    /// Stay in the foreground until Ctrl-C
    #[arg(long)]
    foreground: bool,
    /// Run on in the background: the default
    #[arg(long, conflicts_with = "foreground")]
    detach: bool,
    #[command(flatten)]
    start: Start,
}

/// How long it may take until it listens. It takes a fraction of a second; a loaded machine may need more.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How much of the log is shown when it does not start.
const LOG_TAIL_BYTES: u64 = 2_000;

/// A running sandbox, as programs read it.
#[derive(Serialize)]
struct Running {
    endpoint: String,
    pid: u32,
    dir: String,
    log: String,
}

impl Up {
    pub(super) async fn run(self, place: &Place, global: &Global, output: &Output) -> Outcome {
        if let Ok(client) = place.client().await {
            let credentials = client.credentials();
            let message = format!("a sandbox runs in {}: {}, process {}", place.dir.display(), credentials.endpoint, credentials.pid);
            return Err(Error::new(
                Class::Conflict,
                "SandboxRuns",
                message,
                "Use it, stop it with `spawn sandbox down`, or name another --dir",
            )
            .into());
        }
        if self.foreground {
            let sandbox = start(place, &self.start, global).await?;
            show(&Running::new(sandbox.endpoint(), std::process::id(), place), place, output)?;
            sandbox.run_until_signal().await.map_err(|error| failed(format!("the sandbox ended with an error: {error}"), place))?;
            return Ok(DONE);
        }
        let (pid, endpoint) = detach(&self.start, place, global).await?;
        show(&Running::new(endpoint, pid, place), place, output)?;
        Ok(DONE)
    }
}

/// Starts `spawn sandbox serve` in a session of its own and waits for its word that it listens.
async fn detach(options: &Start, place: &Place, global: &Global) -> Result<(u32, String), Failure> {
    let io = |error: std::io::Error| failed(format!("the sandbox cannot be started: {error}"), place);
    DirBuilder::new().recursive(true).mode(0o700).create(&place.dir).map_err(io)?;
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(place.log()).map_err(io)?;
    let mut command = Command::new(std::env::current_exe().map_err(io)?);
    command.arg("sandbox").arg("--dir").arg(&place.dir).arg("serve").args(options.arguments());
    if let Some(region) = &global.region {
        command.arg("--region").arg(region);
    }
    if std::env::var_os("SPAWN_LOG").is_none() {
        command.env("SPAWN_LOG", "info");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).current_dir(&place.dir);
    let mut child = command.spawn().map_err(io)?;
    let pid = child.id().ok_or_else(|| failed("the sandbox ended at once".to_owned(), place))?;
    match tokio::time::timeout(READY_WITHIN, readiness(&mut child)).await {
        Ok(Some(Readiness::Ready { endpoint })) => Ok((pid, endpoint)),
        Ok(Some(Readiness::Failed { message })) => Err(failed(message, place)),
        Ok(None) => Err(failed(format!("the sandbox ended before it was ready: {}", tail(place)), place)),
        Err(_) => {
            // Ours, and of no use to anybody: its directory is not known to be served.
            child.kill().await.map_err(io)?;
            Err(failed(format!("the sandbox was not ready within {} s: {}", READY_WITHIN.as_secs(), tail(place)), place))
        }
    }
}

/// What the child says of itself on its standard output; nothing if it ends first.
async fn readiness(child: &mut Child) -> Option<Readiness> {
    let mut line = String::new();
    BufReader::new(child.stdout.take()?).read_line(&mut line).await.ok()?;
    serde_json::from_str(&line).ok()
}

fn tail(place: &Place) -> String {
    let read = || -> std::io::Result<String> {
        let mut log = std::fs::File::open(place.log())?;
        let bytes = log.metadata()?.len();
        log.seek(SeekFrom::Start(bytes.saturating_sub(LOG_TAIL_BYTES)))?;
        let mut tail = Vec::new();
        log.read_to_end(&mut tail)?;
        Ok(String::from_utf8_lossy(&tail).trim().to_owned())
    };
    read().unwrap_or_else(|error| error.to_string())
}

fn failed(message: String, place: &Place) -> Failure {
    Error::new(Class::Transient, "SandboxFailed", message, format!("See {}", place.log().display())).into()
}

impl Running {
    fn new(endpoint: String, pid: u32, place: &Place) -> Self {
        Self { endpoint, pid, dir: place.dir.display().to_string(), log: place.log().display().to_string() }
    }
}

fn show(running: &Running, place: &Place, output: &Output) -> Result<(), Failure> {
    output.result(running, |running| {
        // As it was called, so that the line works where it is pasted.
        let program = std::env::args().next().unwrap_or_else(|| "spawn".to_owned());
        let named = std::env::var_os("SPAWN_SANDBOX_DIR").map(Into::into);
        let is_default = Place::new(named).is_ok_and(|default| default.dir == place.dir);
        let dir = if is_default { String::new() } else { format!("--dir {} ", running.dir) };
        let mut text = labelled(&[("sandbox", format!("{} (process {})", running.endpoint, running.pid)), ("files", running.dir.clone())]);
        text.push_str("\nPoint spawn, terraform, the aws command and SDKs at it:\n");
        text.push_str(&format!("  eval \"$({program} sandbox {dir}env)\"\n"));
        text
    })
}
