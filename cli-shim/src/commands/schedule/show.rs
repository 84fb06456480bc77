//! `spawn schedule show`.

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use spawn_core::schedule::ScheduleLook;
use spawn_model::schedule::{Start, TimingSpec};

use super::{DONE, Outcome};
use crate::output::table::{NOTHING, labelled, table};
use crate::output::{Output, time};
use crate::session::Session;

/// How many of its next starts are shown.
pub(super) const NEXT: usize = 5;

/// Show when a schedule starts something next, and what became of its last hundred starts
///
/// As JSON: `{"name": "nightly", "status": "active", "next_runs": ["2027-01-05T01:30:00Z", ...], "starts": [{"scheduled_at": "...",
/// "outcome": "started", "status": "succeeded", ...}], ...}`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The schedule's name or id
    name: String,
}

/// A schedule, as programs read it.
#[derive(Serialize)]
pub(super) struct ScheduleView {
    name: String,
    id: String,
    kind: &'static str,
    region: String,
    status: String,
    #[serde(flatten)]
    timing: TimingSpec,
    next_runs: Vec<String>,
    ends_at: Option<String>,
    /// What somebody has changed; applying it again puts it right.
    faults: Vec<String>,
    /// The latest first.
    starts: Vec<Start>,
    #[serde(skip)]
    next: Vec<Timestamp>,
}

impl ScheduleView {
    pub(super) fn new(look: &ScheduleLook, now: Timestamp) -> Self {
        let report = look.report();
        let next: Vec<Timestamp> = look.next.iter().flat_map(|_| look.record.next_starts(now).take(NEXT)).collect();
        Self {
            name: look.record.spec.name.clone(),
            id: report.id,
            kind: look.record.kind.word(),
            region: report.region,
            status: report.status,
            timing: look.timing_seen.clone(),
            next_runs: next.iter().map(ToString::to_string).collect(),
            ends_at: report.ends_at,
            faults: look.faults.clone(),
            starts: look.starts().collect(),
            next,
        }
    }

    pub(super) fn text(&self) -> String {
        let timing = &self.timing;
        let when = match (&timing.cron, timing.rate, &timing.at) {
            (Some(cron), ..) => format!("{cron}, in {}", timing.timezone),
            (_, Some(rate), _) => format!("every {rate}"),
            (.., Some(at)) => format!("{at}, in {}", timing.timezone),
            _ => NOTHING.to_owned(),
        };
        let mut rows = vec![
            ("schedule", format!("{} ({}, {})", self.name, self.kind, self.id)),
            ("status", self.status.clone()),
            ("starts", when),
            ("overlap", timing.overlap.word().to_owned()),
        ];
        for (number, at) in self.next.iter().enumerate() {
            rows.push((if number == 0 { "next" } else { "" }, time::moment(*at)));
        }
        rows.extend(self.ends_at.iter().map(|at| ("until", at.clone())));
        let mut text = labelled(&rows);
        for fault in &self.faults {
            text.push_str(&format!("\nwarning: {fault}; applying it again puts it right\n"));
        }
        if !self.starts.is_empty() {
            let cell = |text: &Option<String>| text.clone().unwrap_or_else(|| NOTHING.to_owned());
            let row = |start: &Start| {
                vec![start.scheduled_at.clone(), start.outcome.clone(), cell(&start.status), cell(&start.run_id), cell(&start.reason)]
            };
            text.push_str(&format!("\n{}", table(&["SCHEDULED", "OUTCOME", "STATUS", "RUN", "REASON"], self.starts.iter().map(row))));
        }
        text
    }
}

impl Show {
    pub(super) async fn run(self, session: &Session, output: &Output) -> Outcome {
        let look = session.engine.schedule_find(&self.name).await?;
        output.result(&ScheduleView::new(&look, session.engine.now()), ScheduleView::text)?;
        Ok(DONE)
    }
}
