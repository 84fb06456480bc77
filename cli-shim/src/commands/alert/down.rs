//! `spawn alert down`.

use clap::Args;
use serde::Serialize;

use super::{DONE, Outcome};
use crate::output::Output;
use crate::session::{Session, operation};

/// End an alert: nothing of it is left, what it has told included
#[derive(Debug, Args)]
pub(crate) struct Down {
    /// The alert's name or id
    name: String,
}

/// What was ended, as programs read it.
#[derive(Serialize)]
struct Ended {
    name: String,
    id: String,
}

impl Down {
    pub(super) async fn run(self, session: &Session, output: &Output) -> Outcome {
        let record = session.engine.alert_find(&self.name).await?.record;
        session.engine.alert_end(&record.spec.name, &record.id, &operation(output)?).await?;
        let ended = Ended { name: record.spec.name, id: record.id.to_string() };
        output.result(&ended, |ended| format!("{} is ended.\n", ended.name))?;
        Ok(DONE)
    }
}
