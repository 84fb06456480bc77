//! `spawn queue logs`.

use clap::Args;
use serde::Serialize;
use spawn_model::error::{Class, Error};

use super::{DONE, Outcome, queue};
use crate::output::Output;
use crate::session::Session;

/// Show what an attempt of a job wrote
///
/// It is kept when the attempt has ended by itself. What runs is in `spawn logs -f`, behind the rank of its worker.
///
/// As JSON, a line for each line: `{"job": "fetch", "attempt": 1, "message": "..."}`.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The queue's name or id; of one that was ended for good, its id
    name: String,
    /// The job
    job: String,
    /// The attempt, from 1 on; left out, the last one that has ended
    #[arg(long, value_name = "N")]
    attempt: Option<u32>,
}

/// A line, as programs read it.
#[derive(Serialize)]
struct Line<'a> {
    job: &'a str,
    attempt: u32,
    message: &'a str,
}

impl Logs {
    pub(super) async fn run(self, session: &Session, output: &Output) -> Outcome {
        let found = queue(session, &self.name).await?;
        let kept = session.engine.job_output(&found.record, &self.job, self.attempt).await?;
        let Some((attempt, text)) = kept else {
            let message = match self.attempt {
                Some(attempt) => format!("nothing is kept of attempt {attempt} of job {}", self.job),
                None => format!("nothing is kept of any attempt of job {}", self.job),
            };
            let help = format!("`spawn queue status {0}` shows its attempts, and `spawn logs -f {0}` what runs", self.name);
            return Err(Error::new(Class::NotFound, "NoOutput", message, &help).into());
        };
        for message in String::from_utf8_lossy(&text).lines() {
            output.line(&Line { job: &self.job, attempt, message }, message)?;
        }
        Ok(DONE)
    }
}
