//! The sandbox's own process: hidden, because `spawn sandbox up` starts it.

use clap::Args;
use serde::{Deserialize, Serialize};
use spawn_model::error::{Class, Error};
use spawn_sandbox::{Options, Sandbox, SandboxError};

use super::{DONE, Outcome, Place};
use crate::cli::Global;
use crate::output::{Failure, print};

/// How a sandbox is started.
#[derive(Clone, Debug, Args)]
pub(super) struct Start {
    /// The port on 127.0.0.1: left out, any that is free
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// What everything in EC2 that looks random follows from
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How long an instance is pending, in milliseconds
    #[arg(long, default_value_t = Options::default().boot_delay_ms, value_name = "MILLISECONDS")]
    boot_delay_ms: u64,
    /// Let instances run in name only: no processes
    #[arg(long)]
    no_boot: bool,
    /// Throttle as EC2 does, by its published token buckets
    #[arg(long)]
    throttle: bool,
    /// Hand the mail of SNS to an SMTP server on this machine: left out, it lies in the directory's `mail`
    #[arg(long, value_name = "HOST:PORT")]
    smtp: Option<String>,
}

impl Start {
    /// The same options on a command line.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        for (name, value) in [("--port", u64::from(self.port)), ("--seed", self.seed), ("--boot-delay-ms", self.boot_delay_ms)] {
            arguments.extend([name.to_owned(), value.to_string()]);
        }
        arguments.extend(self.no_boot.then(|| "--no-boot".to_owned()));
        arguments.extend(self.throttle.then(|| "--throttle".to_owned()));
        arguments.extend(self.smtp.iter().flat_map(|server| ["--smtp".to_owned(), server.clone()]));
        arguments
    }

    fn options(&self, place: &Place, global: &Global) -> Options {
        let default = Options::default();
        Options {
            dir: place.dir.clone(),
            port: self.port,
            seed: self.seed,
            boot_delay_ms: self.boot_delay_ms,
            boot_machines: !self.no_boot,
            throttle: self.throttle,
            smtp: self.smtp.clone(),
            region: global.region.clone().unwrap_or_else(|| default.region.clone()),
            ..default
        }
    }
}

/// Starts the sandbox in this process.
pub(super) async fn start(place: &Place, options: &Start, global: &Global) -> Result<Sandbox, Failure> {
    Sandbox::start(options.options(place, global)).await.map_err(|error| {
        let (class, help) = match &error {
            SandboxError::InUse { .. } => (Class::Conflict, "Stop it with `spawn sandbox down`, or name another --dir"),
            SandboxError::Io(_) => (Class::Transient, "Choose another --port or --dir"),
        };
        Error::new(class, "SandboxFailed", error.to_string(), help).into()
    })
}

/// What the process tells the one who started it, as one line on its standard output.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(super) enum Readiness {
    /// It listens.
    Ready {
        /// Where.
        endpoint: String,
    },
    /// It ends.
    Failed {
        /// Why.
        message: String,
    },
}

/// Be the sandbox, and tell standard output when it listens
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    start: Start,
}

impl Serve {
    pub(super) async fn run(self, place: &Place, global: &Global) -> Outcome {
        // Away from the terminal, whose Ctrl-C and hang-up are not meant for it. It fails for the leader of a process group,
        // which a shell makes of a command that was typed: then the terminal is wanted.
        let _ = rustix::process::setsid();
        let started = start(place, &self.start, global).await;
        let word = match &started {
            Ok(sandbox) => Readiness::Ready { endpoint: sandbox.endpoint() },
            Err(failure) => Readiness::Failed { message: failure.first_line() },
        };
        let line = serde_json::to_string(&word).map_err(|error| Error::new(Class::Bug, "ReadinessJson", error.to_string(), ""))?;
        print(&format!("{line}\n"))?;
        let ended = started?.run_until_signal().await;
        ended.map_err(|error| Error::new(Class::Transient, "SandboxFailed", format!("the sandbox ended with an error: {error}"), ""))?;
        Ok(DONE)
    }
}
