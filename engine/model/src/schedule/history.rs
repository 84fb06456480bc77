//! What is recorded of a schedule, and what is told of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ScheduleSpec, Timing, TimingSpec};
use crate::duration::Seconds;
use crate::ids::{FleetId, RunId};
use crate::read::fields;
use crate::record::SCHEMA;
use crate::spec::{FleetKind, FleetSpec};
use crate::status::Status;
use crate::words::words;

/// How many starts are remembered.
pub const HISTORY_MAX: usize = 100;

/// A schedule for its whole life: what each of its runs is launched from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleRecord {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Its fleet, which has its id: every run is one of that.
    pub fleet: FleetId,
    /// What is launched.
    pub kind: FleetKind,
    /// The fleet of the next run, files included.
    pub spec: FleetSpec,
    /// When.
    pub timing: TimingSpec,
    /// When its times were written: intervals and `max_runs` count from here.
    pub counted_from: Timestamp,
}

impl ScheduleRecord {
    /// What is recorded of a schedule whose times count from a moment.
    #[must_use]
    pub fn new(spec: &ScheduleSpec, fleet: FleetId, counted_from: Timestamp) -> Self {
        Self { schema: SCHEMA, fleet, kind: spec.kind, spec: spec.fleet.clone(), timing: spec.timing.clone(), counted_from }
    }

    /// Its times; nothing if what is recorded cannot be read, which no face writes.
    #[must_use]
    pub fn timing(&self) -> Option<Timing> {
        Timing::of(&self.timing, self.counted_from)
    }

    /// Its starts after a moment, whether or not it is paused.
    pub fn next_starts(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> {
        let timing = self.timing();
        std::iter::successors(timing.as_ref().and_then(|timing| timing.next(after)), move |at| timing.as_ref()?.next(*at))
    }

    /// How it stands at a moment, and when it starts something next.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> (ScheduleStatus, Option<Timestamp>) {
        match self.timing().and_then(|timing| timing.next(now)) {
            None => (ScheduleStatus::Over, None),
            Some(_) if !self.timing.enabled => (ScheduleStatus::Paused, None),
            next => (ScheduleStatus::Active, next),
        }
    }
}

words! {
    /// How a schedule stands.
    pub enum ScheduleStatus, "no state of a schedule" {
        /// It will start something.
        Active = "active",
        /// It would, but is paused, or what invokes it is not there any more.
        Paused = "paused",
        /// Its last start has been.
        Over = "over",
    }
}

words! {
    /// What has become of a start.
    pub enum Outcome, "no outcome of a start" {
        /// A run was launched.
        Started = "started",
        /// None was: the one before still ran.
        Skipped = "skipped",
        /// None was: AWS came too late with it.
        Missed = "missed",
        /// None was: it could not be launched.
        Failed = "failed",
    }
}

/// One start of a schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Occurrence {
    /// When the schedule said.
    pub at: Timestamp,
    /// What has become of it.
    pub outcome: Outcome,
    /// Why no run was launched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// What had become of the run when the next one took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

/// The last starts of a schedule, by time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// [`SCHEMA`].
    pub schema: u32,
    /// At most [`HISTORY_MAX`].
    pub occurrences: Vec<Occurrence>,
}

impl History {
    /// Notes a start, in the place of what is known of the same one; and forgets the oldest of too many.
    pub fn note(&mut self, occurrence: Occurrence) {
        match self.occurrences.binary_search_by_key(&occurrence.at, |known| known.at) {
            // Why it failed says more than that another try came too late.
            Ok(at) if self.occurrences[at].outcome == Outcome::Failed && occurrence.outcome == Outcome::Missed => {}
            Ok(at) => self.occurrences[at] = occurrence,
            Err(at) => self.occurrences.insert(at, occurrence),
        }
        // The last run is remembered, however many starts have been left out since.
        let last_run = self.occurrences.iter().rposition(|known| known.run.is_some());
        while self.occurrences.len() > HISTORY_MAX {
            self.occurrences.remove(usize::from(last_run == Some(0)));
        }
    }

    /// What has become of the run of a start, if it had one.
    pub fn settle(&mut self, run: &RunId, status: Status) {
        if let Some(known) = self.occurrences.iter_mut().find(|known| known.run.as_ref() == Some(run)) {
            known.status = Some(status);
        }
    }
}

fields! {
    /// One start of a schedule, and what became of it.
    pub struct Start {
        /// When the schedule said (RFC 3339, UTC).
        scheduled_at: String => Computed, InPlace;
        /// `started`; `skipped`, because the run before still went on; `missed`, because AWS came too late with it; or `failed`.
        outcome: String => Computed, InPlace;
        /// Why nothing was started.
        reason: Option<String> => Computed, InPlace;
        /// The run that was started.
        run_id: Option<String> => Computed, InPlace;
        /// What has become of that run: `launching`, `running`, `succeeded`, `failed`, `expired`, `interrupted` or `lost`.
        status: Option<String> => Computed, InPlace;
    }
}

impl From<&Occurrence> for Start {
    fn from(occurrence: &Occurrence) -> Self {
        Self {
            scheduled_at: occurrence.at.to_string(),
            outcome: occurrence.outcome.word().to_owned(),
            reason: occurrence.reason.clone(),
            run_id: occurrence.run.as_ref().map(ToString::to_string),
            status: occurrence.status.as_ref().map(ToString::to_string),
        }
    }
}

fields! {
    /// What spawn reports about a schedule.
    pub struct ScheduleReport {
        /// The schedule's id, for its whole life. It is that of its fleet: `spawn status ID` shows the last run.
        id: String => Computed, InPlace;
        /// The region it lives in.
        region: String => Computed, InPlace;
        /// `active`, `paused` or `over`.
        status: String => Computed, InPlace;
        /// When it starts something next (RFC 3339, UTC); null if it does not.
        next_run_at: Option<String> => Computed, InPlace;
        /// The last moment at which it starts anything (RFC 3339, UTC), by `end`, `max_runs` or `at`; null if it goes on.
        ends_at: Option<String> => Computed, InPlace;
        /// The last ten starts, the latest first.
        last_runs: Vec<Start> => Computed, InPlace;
    }
}

fields! {
    /// How long an operation on a schedule may take.
    pub struct ScheduleTimeouts {
        /// How long deleting may wait for the instances of a run that goes on to be gone. Left out: `10m`.
        delete: Option<Seconds> => Optional, InPlace;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skipped(minute: i64) -> Occurrence {
        let at = Timestamp::from_second(minute * 60).expect("a time");
        Occurrence { at, outcome: Outcome::Skipped, reason: None, run: None, status: None }
    }

    #[test]
    fn the_last_starts_are_remembered_each_once() {
        let mut history = History::default();
        for minute in (0..150).chain([149, 120]) {
            history.note(skipped(minute));
        }
        let minutes: Vec<i64> = history.occurrences.iter().map(|known| known.at.as_second() / 60).collect();
        assert_eq!(minutes, (50..150).collect::<Vec<_>>());
        let started = Occurrence { outcome: Outcome::Started, run: Some(RunId::from_random([1; 8])), ..skipped(150) };
        history.note(started.clone());
        (151..300).for_each(|minute| history.note(skipped(minute)));
        assert_eq!((history.occurrences.len(), &history.occurrences[0]), (HISTORY_MAX, &started), "the run that may still go on");
    }

    #[test]
    fn why_a_start_failed_is_not_forgotten_over_a_late_try() {
        let mut history = History::default();
        let of = |outcome| Occurrence { outcome, ..skipped(1) };
        for outcome in [Outcome::Failed, Outcome::Missed] {
            history.note(of(outcome));
        }
        assert_eq!(history.occurrences, [of(Outcome::Failed)]);
        history.note(of(Outcome::Started));
        assert_eq!(history.occurrences, [of(Outcome::Started)]);
    }
}
