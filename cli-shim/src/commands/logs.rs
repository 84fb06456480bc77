//! `spawn logs`.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use spawn_core::engine::Engine;
use spawn_core::fleet::Fleet;
use spawn_core::log::Reader;
use spawn_core::operation::Operation;
use spawn_core::ports::LogEvent;
use spawn_model::error::Class;
use spawn_model::spec::FleetKind;

use super::{DONE, Outcome};
use crate::cli::Global;
use crate::output::{Failure, Output, of_rank};
use crate::session::{Session, operation};

/// Show what a fleet's commands write
///
/// Standard output and standard error, oldest first, each line behind its rank.
///
/// As JSON, a line for each line: `{"rank": 3, "at": "2026-11-23T12:00:20Z", "message": "..."}`.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The fleet's name or id; of one that was ended for good, its id
    name: String,
    /// Go on until the fleet is over, or stops
    #[arg(short, long)]
    follow: bool,
    /// Only this rank, without its number before each line
    #[arg(long, value_name = "RANK")]
    rank: Option<u32>,
}

/// Between two reads while following. `FilterLogEvents` allows 5 a second in an account.
const PAUSE: Duration = Duration::from_secs(1);

/// After so many reads, whether the fleet is over is looked at.
const READS_PER_LOOK: u32 = 5;

/// A line, as programs read it.
#[derive(Serialize)]
struct Line<'a> {
    rank: Option<u32>,
    at: Timestamp,
    message: &'a str,
}

impl Logs {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Outcome {
        let Session { engine } = Session::connect(global).await?;
        let operation = operation(output)?;
        let fleet = engine.inspect(&self.name).await?;
        let mut reader = Reader::new(fleet.record.asked_at);
        let mut is_over = fleet.status.goes_no_further();
        let mut reads = 0;
        loop {
            self.read(&engine, &fleet, &mut reader, output).await?;
            if !self.follow || is_over {
                return Ok(DONE);
            }
            if pause(&operation).await {
                return Ok(Class::Cancelled.exit_code());
            }
            reads += 1;
            if reads % READS_PER_LOOK == 0 {
                // Looked at before the last read, so that nothing written before the end is missed.
                is_over = engine.look(&fleet.record.fleet).await?.is_none_or(|now| now.status.goes_no_further());
            }
        }
    }

    /// Shows what is new, page by page: there may be more than memory holds.
    async fn read(&self, engine: &Engine, fleet: &Fleet, reader: &mut Reader, output: &Output) -> Result<(), Failure> {
        let from = reader.from();
        let mut next: Option<String> = None;
        loop {
            let page = engine.output(&fleet.record, from, next.as_deref()).await?;
            for event in reader.fresh(page.events) {
                self.show(&event, fleet, output)?;
            }
            next = page.next;
            if next.is_none() {
                return Ok(());
            }
        }
    }

    fn show(&self, event: &LogEvent, fleet: &Fleet, output: &Output) -> Result<(), Failure> {
        let rank = rank_of(&event.stream);
        // A service of one may have had more.
        let had_several = fleet.size > 1 || fleet.record.kind == FleetKind::Service;
        if self.rank.is_some() && rank != self.rank {
            return Ok(());
        }
        let message = event.message.trim_end_matches('\n');
        let text = match rank {
            Some(rank) if had_several && self.rank.is_none() => of_rank(rank, fleet.size, message),
            _ => message.to_owned(),
        };
        output.line(&Line { rank, at: event.at, message }, &text)
    }
}

/// Waits for the next read; true if the user has had enough.
async fn pause(operation: &Operation) -> bool {
    tokio::select! {
        () = tokio::time::sleep(PAUSE) => false,
        () = operation.cancel.cancelled() => true,
    }
}

/// The rank in the name of a stream, its last part.
fn rank_of(stream: &str) -> Option<u32> {
    stream.rsplit('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rank_is_the_last_part_of_the_stream() {
        assert_eq!(rank_of("fleet-a/run-b/00007"), Some(7));
        assert_eq!(rank_of("fleet-a/run-b/agent"), None);
    }
}
