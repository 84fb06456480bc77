//! `spawn alert history`.

use clap::Args;
use serde::Serialize;
use spawn_model::alert::{Delivery, Occurrence};

use super::{DONE, Outcome};
use crate::output::Output;
use crate::output::table::{NOTHING, table};
use crate::session::Session;

/// Show what an alert has told in the last 90 days, the latest first, and who took it
///
/// As JSON: `{"name": "render", "occurrences": [{"id": "...", "at": "...", "kind": "failed", "deliveries": {...}, "document": {...}, ...}]}`.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// The alert's name or id
    name: String,
}

/// What an alert has told, as programs read it.
#[derive(Serialize)]
struct Told {
    name: String,
    /// The latest first.
    occurrences: Vec<Occurrence>,
}

impl Told {
    fn text(&self) -> String {
        if self.occurrences.is_empty() {
            return format!("{} has told nothing.\n", self.name);
        }
        let row = |known: &Occurrence| {
            let run = known.run.as_ref().map_or_else(|| NOTHING.to_owned(), ToString::to_string);
            let channels: Vec<String> =
                known.deliveries.iter().map(|(channel, delivery)| format!("{channel}: {}", went(delivery))).collect();
            vec![known.at.to_string(), known.subject.clone(), run, channels.join("; ")]
        };
        table(&["AT", "WHAT", "RUN", "CHANNELS"], self.occurrences.iter().map(row))
    }
}

/// How a channel took it.
fn went(delivery: &Delivery) -> String {
    match (&delivery.delivered_at, &delivery.refusal) {
        (Some(_), _) => "taken".to_owned(),
        (None, Some(refusal)) => format!("not taken: {refusal}"),
        (None, None) => "to be told".to_owned(),
    }
}

impl History {
    pub(super) async fn run(self, session: &Session, output: &Output) -> Outcome {
        let look = session.engine.alert_find(&self.name).await?;
        let occurrences = look.told.occurrences.into_iter().rev().collect();
        output.result(&Told { name: look.record.spec.name, occurrences }, Told::text)?;
        Ok(DONE)
    }
}
