//! `spawn queue results`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::super::results::{below, write};
use super::{DONE, Outcome, queue};
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

/// A result, as programs read it.
#[derive(Serialize)]
struct Line<'a> {
    job: &'a str,
    attempt: u32,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
}

impl Results {
    pub(super) async fn run(self, session: &Session, output: &Output) -> Outcome {
        let found = queue(session, &self.name).await?;
        for result in &session.engine.job_results(&found.record, self.job.as_deref()).await? {
            let mut line = Line { job: &result.job, attempt: result.attempt, path: &result.path, file: None };
            if let Some(directory) = &self.to {
                // Recorded, and gone since: somebody deletes results while we read.
                let Some(content) = session.engine.job_result(&found.record, result).await? else { continue };
                let file = directory.join(&result.job).join(below(&result.path)?);
                write(&file, &content)?;
                line.file = Some(file);
            }
            let place = line.file.as_ref().map_or_else(|| result.path.clone(), |file| file.display().to_string());
            output.line(&line, &format!("{}  {place}", result.job))?;
        }
        Ok(DONE)
    }
}
