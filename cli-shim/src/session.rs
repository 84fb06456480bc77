//! What a command needs before it can do anything: a runtime, the engine on the right AWS, and an ear for Ctrl-C.

use spawn_aws::ConnectOptions;
use spawn_core::engine::Engine;
use spawn_core::operation::Operation;
use spawn_model::error::{Class, Error};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::cli::Global;
use crate::output::{Failure, Output};

/// The exit code of a command that was told twice to stop: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// Writes what libraries trace to standard error, if `SPAWN_LOG` asks for it (`SPAWN_LOG=debug`).
pub(crate) fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("SPAWN_LOG").unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
}

/// The runtime that commands run on.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Error::new(Class::Transient, "NoRuntime", format!("no threads could be started: {error}"), "").into())
}

/// The engine on AWS.
pub(crate) struct Session {
    /// The engine.
    pub(crate) engine: Engine,
}

impl Session {
    /// Connects as options and environment say. Calls nothing yet.
    pub(crate) async fn connect(global: &Global) -> Result<Self, Failure> {
        let options = ConnectOptions { region: global.region.clone(), profile: global.profile.clone(), ..ConnectOptions::default() };
        let aws = spawn_aws::connect(&options).await?;
        Ok(Self { engine: Engine::new(aws, None) })
    }
}

/// An operation whose progress goes to standard error, and that Ctrl-C or SIGTERM cancels. A second one ends the process.
pub(crate) fn operation(output: &Output) -> Result<Operation, Failure> {
    let cancel = CancellationToken::new();
    let failed =
        |error: std::io::Error| Failure::from(Error::new(Class::Bug, "NoSignals", format!("signals cannot be heard: {error}"), ""));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let told = cancel.clone();
    let listener = output.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if told.is_cancelled() {
                std::process::exit(INTERRUPTED);
            }
            told.cancel();
            listener.progress("stopping in good order; once more to exit at once");
        }
    });
    let progress = output.clone();
    Ok(Operation::new(cancel, move |line| progress.progress(line)))
}
