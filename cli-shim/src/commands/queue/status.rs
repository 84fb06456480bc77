//! `spawn queue status`.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;
use spawn_model::queue::JobReport;

use super::{DONE, Outcome, queue};
use crate::output::{Output, fleet};
use crate::session::Session;

/// Show each job of a queue, and how it went
///
/// As JSON: `{"status": "running", "status_reason": "...", "outcomes": {"fetch": {"state": "succeeded", ...}}}`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The queue's name or id; of one that was ended for good, its id
    name: String,
}

#[derive(Serialize)]
struct View {
    status: String,
    status_reason: String,
    outcomes: BTreeMap<String, JobReport>,
}

impl Status {
    pub(super) async fn run(self, session: &Session, output: &Output) -> Outcome {
        let found = queue(session, &self.name).await?;
        let view = View { status: found.status.to_string(), status_reason: found.status_reason, outcomes: found.jobs };
        output.result(&view, |view| format!("{}: {}\n\n{}", view.status, view.status_reason, fleet::jobs(&view.outcomes)))?;
        Ok(DONE)
    }
}
