//! `spawn queue cancel`.

use clap::Args;
use serde::Serialize;

use super::{DONE, Outcome, queue};
use crate::output::Output;
use crate::session::Session;

/// Cancel jobs of a queue
///
/// One that runs is ended by its worker, which learns of it within ten seconds; one that was not begun never is, and one that has ended stays as it is. What depends on a
/// cancelled job is skipped; the others go on. `spawn down` ends the whole queue.
///
/// As JSON, a line for each job: `{"job": "fetch", "cancelled": true}`.
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// The queue's name or id
    name: String,
    /// The jobs
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<String>,
}

/// A job, as programs read it.
#[derive(Serialize)]
struct Line<'a> {
    job: &'a str,
    cancelled: bool,
}

impl Cancel {
    pub(super) async fn run(self, session: &Session, output: &Output) -> Outcome {
        let found = queue(session, &self.name).await?;
        for job in &self.jobs {
            let cancelled = session.engine.job_cancel(&found, job).await?;
            let text = if cancelled { format!("{job} is cancelled") } else { format!("{job} had ended already") };
            output.line(&Line { job, cancelled }, &text)?;
        }
        Ok(DONE)
    }
}
