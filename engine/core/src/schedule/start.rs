//! One start of a schedule.
//!
//! Scheduler may invoke twice, or late, and Lambda tries what failed again. Which start a run is for is part of the fleet's record, and
//! every change of that is conditional: so at most one run is launched for a start, and none for one that a later start has overtaken.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use spawn_model::error::{Class, Error};
use spawn_model::ids::{FleetId, RunId};
use spawn_model::record::FleetRecord;
use spawn_model::schedule::{History, Occurrence, Outcome, Overlap, ScheduleRecord};
use spawn_model::status::Status;

use crate::engine::Engine;
use crate::fleet;
use crate::ledger::Ledger;
use crate::operation::Operation;
use crate::ports::Result;
use crate::rerun::{RunAgain, Wanted};
use crate::retry::patiently;

/// No clock of AWS's is off by more.
const LEAD: SignedDuration = SignedDuration::from_mins(1);

/// What a start came to.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Started {
    /// A run was launched, now or by an earlier try.
    Run {
        /// The run.
        run: RunId,
        /// What people should know.
        warnings: Vec<String>,
    },
    /// The start was left out, and that is remembered.
    LeftOut {
        /// Why.
        reason: String,
    },
    /// There is nothing to be started: the schedule is gone or paused, or a later start has been.
    Nothing {
        /// Why.
        reason: String,
    },
}

impl Started {
    fn nothing(reason: impl Into<String>) -> Self {
        Self::Nothing { reason: reason.into() }
    }
}

impl Engine {
    /// Starts the run of a schedule for one of its moments.
    ///
    /// # Errors
    /// What kept the run from being launched, after everything of it was undone. The same call again tries again.
    pub async fn schedule_start(&self, fleet: &FleetId, at: Timestamp, operation: &Operation) -> Result<Started> {
        let Some(setup) = self.found().await? else { return Ok(Started::nothing("there is no set-up")) };
        let ledger = self.ledger(&setup);
        let (record, schedule) = (ledger.fleet(fleet).await?.filter(|record| !record.ended), ledger.schedule(fleet).await?);
        let Some((record, schedule)) = record.zip(schedule) else {
            return Ok(Started::nothing(format!("{fleet} is no schedule any more")));
        };
        let begun = record.next.as_ref().filter(|next| next.record.started_for() == Some(at));
        let goes_on = begun.is_some_and(|next| !next.withdrawn && next.record.spec == schedule.spec.without_files());
        if begun.is_some() && !(goes_on && schedule.timing.enabled) {
            // What a dead launcher has made of it is taken back.
            if let Err(error) = self.undisturbed(&record).await {
                return self.not_started(&ledger, &schedule, at, error, operation).await;
            }
        }
        if !schedule.timing.enabled {
            return Ok(Started::nothing("the schedule is paused"));
        }
        if at > self.now() + LEAD {
            return Ok(Started::nothing(format!("{at} is still to come")));
        }
        if let Some(started) = started(&record, at) {
            self.note(&ledger, &record.fleet, |history| remember(history, &record), operation).await;
            return Ok(started);
        }
        // What was begun in time is gone on with, however late it is by now.
        let left_out = if goes_on { None } else { self.left_out(&ledger, &record, &schedule, at).await? };
        if let Some((outcome, reason)) = left_out {
            return Ok(self.leave_out(&ledger, fleet, (at, outcome, reason), operation).await);
        }
        if !record.has_not_run() {
            self.settle(&ledger, &record).await?;
        }
        match self.rerun(fleet, &schedule.spec, Wanted::Occurrence(at), operation).await {
            Ok(RunAgain { record: run, warnings, .. }) => {
                self.note(&ledger, fleet, |history| remember(history, &run), operation).await;
                Ok(Started::Run { run: run.run, warnings })
            }
            Err(error) => {
                if goes_on && error.class != Class::Conflict {
                    // It failed before it came to what a dead launcher has made, which nobody else looks at before its lease is over.
                    let _reported = self.undisturbed(&record).await;
                }
                self.not_started(&ledger, &schedule, at, error, operation).await
            }
        }
    }

    /// Remembers what has become of the run that another one takes the place of: one that still goes on is ended by that. Before it is, for
    /// afterwards nothing tells.
    pub(crate) async fn settle(&self, ledger: &Ledger, former: &FleetRecord) -> Result<()> {
        let Some(seen) = fleet::look(self.aws(), ledger, &former.fleet).await? else { return Ok(()) };
        let status = if seen.status.is_over() { seen.status } else { Status::Expired };
        let settled = |history: &mut History| {
            remember(history, former);
            history.settle(&former.run, status);
        };
        patiently(self.aws(), &Operation::quiet(), || ledger.history_edit(&former.fleet, settled)).await
    }

    /// Why a start is left out that has not been made, if it is.
    async fn left_out(
        &self,
        ledger: &Ledger,
        record: &FleetRecord,
        schedule: &ScheduleRecord,
        at: Timestamp,
    ) -> Result<Option<(Outcome, String)>> {
        let late = SignedDuration::from(schedule.timing.start_within);
        if self.now() > at + late {
            return Ok(Some((Outcome::Missed, format!("it could not be made within {}", schedule.timing.start_within))));
        }
        if record.has_not_run() || schedule.timing.overlap == Overlap::Replace {
            return Ok(None);
        }
        let Some(seen) = fleet::look(self.aws(), ledger, &record.fleet).await? else { return Ok(None) };
        Ok((!seen.status.is_over()).then(|| (Outcome::Skipped, format!("{} still went on: {}", record.run, seen.status_reason))))
    }

    async fn leave_out(
        &self,
        ledger: &Ledger,
        fleet: &FleetId,
        (at, outcome, reason): (Timestamp, Outcome, String),
        operation: &Operation,
    ) -> Started {
        let noted = |history: &mut History| {
            history.note(Occurrence { at, outcome, reason: Some(reason.clone()), run: None, status: None });
        };
        self.note(ledger, fleet, noted, operation).await;
        Started::LeftOut { reason }
    }

    async fn not_started(
        &self,
        ledger: &Ledger,
        schedule: &ScheduleRecord,
        at: Timestamp,
        error: Error,
        operation: &Operation,
    ) -> Result<Started> {
        let fleet = &schedule.fleet;
        if error.class == Class::Conflict {
            let there = ledger.fleet(fleet).await?;
            let Some(there) = there.filter(|record| !record.ended) else {
                return Ok(Started::nothing(format!("{fleet} is ended at this moment")));
            };
            if let Some(started) = started(&there, at) {
                return Ok(started);
            }
            let is_launched = there.next.as_ref().map(|next| next.record.started_for());
            match is_launched {
                Some(occurrence) if occurrence == Some(at) => {
                    return Ok(Started::nothing("another process starts it at this moment"));
                }
                Some(_) if schedule.timing.overlap == Overlap::Skip => {
                    let reason = "another run was being launched".to_owned();
                    return Ok(self.leave_out(ledger, fleet, (at, Outcome::Skipped, reason), operation).await);
                }
                _ => {}
            }
        }
        let failed = |history: &mut History| {
            let reason = match error.class {
                Class::Cancelled => "it could not be launched in the quarter of an hour that a function lives".to_owned(),
                _ => error.message.clone(),
            };
            let reason = Some(reason);
            history.note(Occurrence { at, outcome: Outcome::Failed, reason, run: None, status: None });
        };
        self.note(ledger, fleet, failed, operation).await;
        Err(error)
    }

    /// Remembers what became of a start. What cannot be remembered is no reason to undo it: the record of the run says it too.
    async fn note(&self, ledger: &Ledger, fleet: &FleetId, edit: impl Fn(&mut History), operation: &Operation) {
        if let Err(error) = patiently(self.aws(), &Operation::quiet(), || ledger.history_edit(fleet, &edit)).await {
            operation.say(&format!("what became of the start is not in the history: {error}"));
        }
    }
}

/// What is known of a start by the fleet's run: that it was made, or that a later one was.
fn started(record: &FleetRecord, at: Timestamp) -> Option<Started> {
    let last = record.scheduled?.occurrence?;
    if last == at {
        return Some(Started::Run { run: record.run.clone(), warnings: Vec::new() });
    }
    (last > at).then(|| Started::nothing(format!("the start of {last} has been since")))
}

/// Notes the start of a fleet's run, whether or not whoever made it came to that.
pub(super) fn remember(history: &mut History, record: &FleetRecord) {
    let Some(at) = record.started_for() else { return };
    let is_known = history.occurrences.iter().any(|known| known.run.as_ref() == Some(&record.run));
    if !is_known {
        history.note(Occurrence { at, outcome: Outcome::Started, reason: None, run: Some(record.run.clone()), status: None });
    }
}
