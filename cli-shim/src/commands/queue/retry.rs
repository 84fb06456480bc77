//! `spawn queue retry`.

use std::collections::BTreeSet;

use clap::Args;
use spawn_core::rerun::RunAgain;

use super::super::rerun::goal;
use super::super::up;
use super::{Outcome, queue};
use crate::output::Output;
use crate::session::{Session, operation};

/// Run what failed of a queue again
///
/// Every job that has not succeeded runs again: what failed, was cancelled, was skipped or was never begun. What has succeeded stays, with its
/// results, which are handed on to the jobs that depend on them and stay where the earlier run left them: `spawn queue results` has all. It is a new run of the queue, as with `spawn rerun`: with new workers, and a lease
/// counted from now. A queue that is not over is refused.
#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// The queue's name or id
    name: String,
    /// Jobs that run again too, although they have succeeded, and with them all that depend on them
    #[arg(value_name = "JOB")]
    again: Vec<String>,
    /// What to wait for: `launched`, `running`, `ready` or `completed`; left out, what the queue was launched with
    #[arg(long, value_name = "GOAL")]
    wait: Option<String>,
}

impl Retry {
    pub(super) async fn run(self, session: &Session, output: &Output) -> Outcome {
        let wait_for = self.wait.as_deref().map(goal).transpose()?;
        let engine = &session.engine;
        let operation = operation(output)?;
        let began = engine.now();
        let found = queue(session, &self.name).await?;
        let again: BTreeSet<String> = self.again.into_iter().collect();
        let RunAgain { record, warnings, .. } = engine.job_retry(&found, &again, &operation).await?;
        up::launched(engine, &record, wait_for.unwrap_or(record.spec.wait_for), (began, warnings), &operation, output).await
    }
}
