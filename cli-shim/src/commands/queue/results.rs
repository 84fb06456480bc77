//! `spawn queue results`.

use std::path::PathBuf;

use clap::Args;

use super::super::results::job_results;
use super::{Outcome, queue};
use crate::output::Output;
use crate::session::Session;

/// List or fetch what a queue's jobs left
///
/// Of each job that is what its last attempt put into `$SPAWN_RESULTS`, and what its `results` patterns match. Fetched into a directory, that of
/// `fetch` is in `DIRECTORY/fetch`. As JSON, a line for each file: `{"job": "fetch", "attempt": 1, "path": "raw/a.csv"}`, and `"file"` where
/// it was fetched to.
#[derive(Debug, Args)]
pub(crate) struct Results {
    /// The queue's name or id; of one that was ended for good, its id
    name: String,
    /// Fetch them into this directory, which is made if it is not there
    #[arg(long, value_name = "DIRECTORY")]
    to: Option<PathBuf>,
    /// Only those of this job
    #[arg(long, value_name = "JOB")]
    job: Option<String>,
}

impl Results {
    pub(super) async fn run(self, session: &Session, output: &Output) -> Outcome {
        let found = queue(session, &self.name).await?;
        job_results(&session.engine, &found.record, self.to.as_deref(), self.job.as_deref(), output).await
    }
}
