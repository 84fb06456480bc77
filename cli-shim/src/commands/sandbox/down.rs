//! `spawn sandbox down`.

use std::time::Duration;

use clap::Args;
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::Serialize;
use spawn_model::error::{Class, Error};
use tokio::io::unix::AsyncFd;

use super::{DONE, Outcome, Place, refused};
use crate::output::{Failure, Output};

/// Stop the sandbox and everything that runs in it
///
/// Returns when its process is gone. It is asked to stop, with its own token; no process is ever ended by its number.
#[derive(Debug, Args)]
pub(super) struct Down {}

/// How long its machines may take to end.
const GONE_WITHIN: Duration = Duration::from_secs(60);

/// How stopping went, as programs read it.
#[derive(Serialize)]
struct Stopped {
    /// False if none was running.
    stopped: bool,
    dir: String,
}

impl Down {
    pub(super) async fn run(self, place: &Place, output: &Output) -> Outcome {
        let mut stopped = Stopped { stopped: false, dir: place.dir.display().to_string() };
        match place.client().await {
            Ok(client) => {
                let pid = client.credentials().pid;
                // Before it is asked to stop: afterwards the number may be another's.
                let process = process(pid)?;
                client.stop().await.map_err(|error| refused(&place.dir, &error))?;
                gone(process, pid, place).await?;
                stopped.stopped = true;
            }
            Err(failure) if failure.is_about("NoSandbox") => {}
            Err(failure) => return Err(failure),
        }
        output.result(&stopped, |stopped| match stopped.stopped {
            true => format!("the sandbox in {} is gone\n", stopped.dir),
            false => format!("no sandbox runs in {}\n", stopped.dir),
        })?;
        Ok(DONE)
    }
}

/// A handle of the process, which stays its own whatever becomes of the number.
fn process(pid: u32) -> Result<AsyncFd<OwnedFd>, Failure> {
    let failed = |error: std::io::Error| {
        Failure::from(Error::new(Class::Transient, "SandboxFailed", format!("process {pid} cannot be watched: {error}"), ""))
    };
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| failed(std::io::Error::from(std::io::ErrorKind::InvalidInput)))?;
    let handle = pidfd_open(pid, PidfdFlags::NONBLOCK).map_err(|error| failed(error.into()))?;
    #[expect(deprecated, reason = "its successor is unsafe; an owned handle is what makes this one safe")]
    AsyncFd::new(handle).map_err(failed)
}

async fn gone(process: AsyncFd<OwnedFd>, pid: u32, place: &Place) -> Result<(), Failure> {
    match tokio::time::timeout(GONE_WITHIN, process.readable()).await {
        Ok(_) => Ok(()),
        Err(_) => {
            let message = format!("the sandbox was asked to stop, and process {pid} is still there after {} s", GONE_WITHIN.as_secs());
            Err(Error::new(Class::Transient, "SandboxStuck", message, format!("See {}; `kill {pid}` ends it", place.log().display()))
                .into())
        }
    }
}
