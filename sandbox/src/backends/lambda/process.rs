//! One process of an environment, and what is heard of it.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;

use futures::FutureExt as _;
use sandbox_hypervisor::{Hypervisor, Program, Running};
use tokio::time::{Instant, sleep_until};

use super::output::Output;
use super::report::End;
use super::runtime_api::{Port, RuntimeApi, Said, Work};
use super::surroundings::Surroundings;

/// A running `bootstrap`.
pub(super) struct Process {
    around: Arc<Surroundings>,
    running: Running,
    api: RuntimeApi,
}

/// What is heard of a process.
pub(super) enum Heard {
    Said(Said),
    Exited(ExitStatus),
    TimedOut,
    /// The sandbox ends.
    Stopped,
}

/// What to start.
pub(super) struct Start<'a> {
    pub(super) around: &'a Arc<Surroundings>,
    pub(super) hypervisor: &'a Hypervisor,
    pub(super) program: PathBuf,
    pub(super) directory: PathBuf,
    pub(super) variables: &'a [(String, String)],
}

impl Start<'_> {
    /// Starts it; what it prints goes to `output`.
    pub(super) async fn process(self, output: &mut Output) -> std::io::Result<Process> {
        let port = Port::take().await?;
        let mut environment = self.variables.to_vec();
        environment.push(("AWS_LAMBDA_RUNTIME_API".to_owned(), port.address.to_string()));
        let program = Program {
            id: format!("function-{}", uuid::Uuid::new_v4().simple()),
            argv: vec![self.program.display().to_string()],
            environment,
            directory: self.directory,
        };
        let mut running = self.hypervisor.run(program).await?;
        if let Some(pipe) = running.take_output() {
            output.attach(pipe);
        }
        let api = port.serve(Arc::clone(self.around), running.tree());
        Ok(Process { around: Arc::clone(self.around), running, api })
    }
}

impl Process {
    /// Whether it has not ended by itself.
    pub(super) fn is_alive(&mut self) -> bool {
        self.running.ended().now_or_never().is_none()
    }

    /// Gives it an invocation; it must have asked.
    pub(super) fn give(&self, work: Work) {
        self.api.give(work);
    }

    /// Waits for what happens next.
    pub(super) async fn hear(&mut self, deadline: Instant) -> Heard {
        let stop = self.around.stop.clone();
        tokio::select! {
            biased;
            () = stop.cancelled() => Heard::Stopped,
            // What it said before it ended was said.
            Some(said) = self.api.hear() => Heard::Said(said),
            status = self.running.ended() => match status {
                Ok(status) => Heard::Exited(status),
                Err(error) => {
                    tracing::error!(%error, "a function's process cannot be waited for");
                    Heard::Stopped
                }
            },
            () = sleep_until(deadline) => Heard::TimedOut,
        }
    }

    /// The most memory it has used, in bytes, while it runs.
    pub(super) fn peak_memory(&self) -> Option<u64> {
        self.running.peak_memory()
    }

    /// Ends it, with everything it started.
    pub(super) async fn end(self) {
        self.running.end().await;
    }
}

/// How an end came, if what was heard is one.
impl Heard {
    pub(super) fn end(self) -> Option<End> {
        match self {
            Self::Said(Said::Response(body)) => Some(End::Answered(body)),
            Self::Said(Said::Error(body) | Said::InitError(body)) => Some(End::Failed(body)),
            Self::Said(Said::TooLarge) => Some(End::TooLarge),
            Self::Said(Said::Next) => None,
            Self::Exited(status) => Some(End::Exited(status)),
            Self::TimedOut => Some(End::TimedOut),
            Self::Stopped => Some(End::Broken("The sandbox ends.".to_owned())),
        }
    }
}
