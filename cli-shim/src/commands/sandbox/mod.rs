//! `spawn sandbox`: the only commands that know that there is a sandbox.

mod calls;
mod clock;
mod down;
mod env;
mod gaps;
mod serve;
mod snapshot;
mod status;
mod up;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use spawn_model::error::{Class, Error};
use spawn_sandbox::{ControlClient, ControlError};

use super::{DONE, Outcome};
use crate::cli::Global;
use crate::output::{Failure, Output};

/// The AWS on your own machine, in which fleets really run
///
/// It speaks the AWS protocols on a loopback port, and its instances are processes of your own: spawn, Terraform, the aws
/// command and SDKs use it as they use AWS, once `eval "$(spawn sandbox env)"` points them at it.
#[derive(Debug, Args)]
pub(crate) struct Sandbox {
    /// Where it keeps its files: left out, below $XDG_RUNTIME_DIR, else in ~/.cache/spawn/sandbox
    #[arg(long, global = true, env = "SPAWN_SANDBOX_DIR", hide_env_values = true, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Up),
    Down(down::Down),
    Status(status::Status),
    Env(env::Env),
    Calls(calls::Calls),
    Gaps(gaps::Gaps),
    Clock(clock::Clock),
    Snapshot(snapshot::Snapshot),
    #[command(hide = true)]
    Serve(serve::Serve),
}

impl Sandbox {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Outcome {
        let place = Place::new(self.dir)?;
        match self.command {
            Command::Up(up) => up.run(&place, global, output).await,
            Command::Down(down) => down.run(&place, output).await,
            Command::Status(status) => status.run(&place, output).await,
            Command::Env(env) => env.run(&place, output).await,
            Command::Calls(calls) => calls.run(&place, output).await,
            Command::Gaps(gaps) => gaps.run(&place, output).await,
            Command::Clock(clock) => clock.run(&place, output).await,
            Command::Snapshot(snapshot) => snapshot.run(&place, output).await,
            Command::Serve(serve) => serve.run(&place, global).await,
        }
    }
}

/// A sandbox's directory.
#[derive(Debug)]
struct Place {
    dir: PathBuf,
}

impl Place {
    fn new(dir: Option<PathBuf>) -> Result<Self, Failure> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let dir = dir
            .or_else(|| variable("XDG_RUNTIME_DIR").map(|dir| dir.join("spawn-sandbox")))
            .or_else(|| variable("HOME").map(|home| home.join(".cache/spawn/sandbox")));
        let no_place =
            |why: &str| Failure::from(Error::new(Class::Invalid, "NoDirectory", why, "Name one with --dir or SPAWN_SANDBOX_DIR"));
        let dir = dir.ok_or_else(|| no_place("there is no directory for the sandbox: neither XDG_RUNTIME_DIR nor HOME is set"))?;
        let dir = std::path::absolute(&dir).map_err(|error| no_place(&format!("{} is no directory: {error}", dir.display())))?;
        Ok(Self { dir })
    }

    /// Where the sandbox writes what it has to say.
    fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// A client of the sandbox that runs here.
    async fn client(&self) -> Result<ControlClient, Failure> {
        let client = ControlClient::from_dir(&self.dir).map_err(|error| refused(&self.dir, &error))?;
        let status = client.status().await.map_err(|error| refused(&self.dir, &error))?;
        if status.pid != client.credentials().pid {
            let message = format!("at {} answers another sandbox than the one of {}", status.endpoint, self.dir.display());
            return Err(Error::new(Class::Conflict, "AnotherSandbox", message, "Stop the other one, or use another --dir").into());
        }
        Ok(client)
    }
}

/// What the sandbox or its absence says, as an error like any other.
fn refused(dir: &Path, error: &ControlError) -> Failure {
    let start = "Start one with `spawn sandbox up`";
    match error {
        ControlError::NoSandbox { .. } => Error::new(Class::NotFound, "NoSandbox", error.to_string(), start),
        ControlError::Unreachable { .. } => {
            let message = format!("no sandbox runs in {}: {error}", dir.display());
            Error::new(Class::NotFound, "NoSandbox", message, format!("It was killed, as {} may tell. {start}", dir.join("log").display()))
        }
        ControlError::Refused(_) => Error::new(Class::Invalid, "SandboxRefused", error.to_string(), ""),
        ControlError::Malformed(_) => Error::new(
            Class::Conflict,
            "SandboxUnknown",
            format!("the sandbox in {}: {error}", dir.display()),
            "Use the version of spawn that started it",
        ),
    }
    .into()
}
