//! `spawn alert test`.

use clap::Args;
use serde::Serialize;

use super::{DONE, Outcome};
use crate::output::Output;
use crate::session::Session;

/// Have an alert tell by every channel that it is tested
///
/// The function that tells comes by within two minutes; `spawn alert history` says who took it.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The alert's name or id
    name: String,
}

/// What is sent, as programs read it.
#[derive(Serialize)]
struct Sent {
    name: String,
    occurrence_id: String,
    channels: Vec<String>,
}

impl Test {
    pub(super) async fn run(self, session: &Session, output: &Output) -> Outcome {
        let occurrence = session.engine.alert_test(&self.name).await?;
        let channels = occurrence.deliveries.into_keys().collect();
        output.result(&Sent { name: self.name, occurrence_id: occurrence.id, channels }, |sent| {
            let channels = sent.channels.join(", ");
            format!("A test goes to {channels} within two minutes. `spawn alert history {}` says who took it.\n", sent.name)
        })?;
        Ok(DONE)
    }
}
