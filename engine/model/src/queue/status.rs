//! What has become of a queue and of its jobs.

use std::collections::{BTreeMap, BTreeSet};

use super::{JobClaim, Jobs, Outcome, Progress, Standing};
use crate::read::fields;
use crate::status::{Dates, Status};

/// The state of a job.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum JobState {
    /// It waits for other jobs, or for a worker.
    Pending,
    /// A worker runs it, as far as is known.
    Running,
    /// It failed, or its machine ended, and it runs again.
    Waiting,
    /// It ended with exit code 0.
    Succeeded,
    /// Its last attempt did not.
    Failed,
    /// It had begun, and nobody is there any more to bring it to its end.
    Interrupted,
    /// It never runs, because another one did not succeed.
    Skipped,
    /// Somebody cancelled it.
    Cancelled,
}

impl JobState {
    /// As it is shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it changes no more.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Skipped | Self::Cancelled)
    }

    /// The state of a job, of which this is known. The claim of one that was begun may not have been read.
    #[must_use]
    pub fn of(name: &str, progress: &Progress, is_begun: bool, claim: Option<&JobClaim>) -> Self {
        let by_outcome = |outcome| match outcome {
            Outcome::Succeeded => Self::Succeeded,
            Outcome::Failed => Self::Failed,
            Outcome::Cancelled => Self::Cancelled,
        };
        if let Some(outcome) = progress.outcome(name) {
            return by_outcome(outcome);
        }
        match claim.map(|claim| &claim.standing) {
            Some(Standing::Ended { outcome }) => by_outcome(*outcome),
            Some(Standing::Running) => Self::Running,
            Some(Standing::Waiting { .. }) => Self::Waiting,
            None if is_begun => Self::Running,
            None if progress.is_skipped(name) || progress.is_stopped() => Self::Skipped,
            None => Self::Pending,
        }
    }

    /// The same, when nobody is left who could change it.
    #[must_use]
    pub const fn left_behind(self) -> Self {
        match self {
            Self::Running | Self::Waiting => Self::Interrupted,
            other => other,
        }
    }
}

fields! {
    /// A job of a queue, and how it went.
    pub struct JobReport {
        /// `pending`, `running`, `waiting` (for its next attempt), `succeeded`, `failed`, `skipped` (a job that it depends on did not succeed, or
        /// the queue has stopped), `interrupted` (every worker ended first) or `cancelled`.
        state: String => Computed, InPlace;
        /// Why it failed or waits, in a sentence.
        reason: Option<String> => Computed, InPlace;
        /// How often it was begun.
        attempts: u32 => Computed, InPlace;
        /// The exit code of the last attempt that has one.
        exit_code: Option<i64> => Computed, InPlace;
        /// The rank of the worker that ran it last.
        rank: Option<u32> => Computed, InPlace;
        /// When its last attempt began (RFC 3339, UTC).
        started_at: Option<String> => Computed, InPlace;
        /// When its last attempt ended (RFC 3339, UTC).
        ended_at: Option<String> => Computed, InPlace;
        /// What its attempts have cost so far, in US dollars: their time at `price_usd_per_hour`; null if that is unknown.
        cost_usd: Option<f64> => Computed, InPlace;
    }
}

fields! {
    /// What spawn reports about a queue, beside what it reports about every fleet.
    pub struct QueueReport {
        /// Each job and how it went, by name.
        outcomes: BTreeMap<String, JobReport> => Computed, Rerun;
    }
}

impl JobReport {
    /// The report of a job, of which this is known.
    #[must_use]
    pub fn new(state: JobState, claim: Option<&JobClaim>, price_usd_per_hour: Option<f64>) -> Self {
        let attempts = claim.map(|claim| claim.attempts.as_slice()).unwrap_or_default();
        let last = attempts.last();
        let ended = attempts.iter().rev().find_map(|attempt| attempt.exit.as_ref());
        let is_told = matches!(state, JobState::Failed | JobState::Waiting | JobState::Interrupted);
        let spent = |price: f64| -> f64 {
            let length = |attempt: &super::Attempt| attempt.started_at.duration_until(attempt.ended_at.unwrap_or(attempt.started_at));
            let usd: f64 = attempts.iter().map(|attempt| price * length(attempt).as_secs_f64().max(0.0) / 3600.0).sum();
            // Digits that mean nothing would differ from reading to reading.
            (usd * 1e9).round() / 1e9
        };
        Self {
            state: state.word().to_owned(),
            reason: ended.filter(|_| is_told).map(ToString::to_string),
            attempts: u32::try_from(attempts.len()).unwrap_or(u32::MAX),
            exit_code: attempts.iter().rev().find_map(|attempt| attempt.exit.as_ref()?.code()),
            rank: last.map(|attempt| attempt.rank),
            started_at: last.map(|attempt| attempt.started_at.to_string()),
            ended_at: last.and_then(|attempt| attempt.ended_at).map(|at| at.to_string()),
            cost_usd: price_usd_per_hour.filter(|_| last.is_some()).map(spent),
        }
    }
}

/// The workers of a queue, as far as its state depends on them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Workers {
    /// What the fleet of them would be called if it were an array.
    pub status: Status,
    /// How many have not ended.
    pub alive: usize,
}

/// The state of a queue from those of its jobs and workers, and why. `why` is what is to be said of the workers.
#[must_use]
pub fn queue_status(states: &BTreeMap<&str, JobState>, workers: Workers, why: &str, dates: Dates) -> (Status, String) {
    let count = |wanted: JobState| states.values().filter(|state| **state == wanted).count();
    let in_state =
        |wanted: JobState| -> Vec<&str> { states.iter().filter(|(_, state)| **state == wanted).map(|(name, _)| *name).collect() };
    let (all, over) = (states.len(), states.values().filter(|state| state.is_over()).count());
    if over == all {
        let also = [(JobState::Cancelled, "cancelled"), (JobState::Skipped, "skipped")];
        let also: String = also
            .into_iter()
            .map(|(state, word)| (count(state), word))
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("; {} {word}", some(count, ["was", "were"])))
            .collect();
        let failed = in_state(JobState::Failed);
        if !failed.is_empty() {
            return (Status::Failed, format!("{} failed{also}", named(&failed)));
        }
        if count(JobState::Succeeded) < all {
            return (Status::Failed, format!("{} ended with exit code 0{also}", some_of(count(JobState::Succeeded), all)));
        }
        let all = if all == 1 { "the job".to_owned() } else { format!("all {all} jobs") };
        return (Status::Succeeded, format!("{all} ended with exit code 0"));
    }
    let ended = format!("{over} of {all} jobs {} ended", if over == 1 { "has" } else { "have" });
    if workers.alive > 0 && !matches!(workers.status, Status::Launching) {
        let running = count(JobState::Running);
        let running = if running > 0 { format!(", {} at work", some(running, ["is", "are"])) } else { String::new() };
        return (Status::Running, format!("{ended}{running}"));
    }
    if workers.status == Status::Launching {
        return (Status::Launching, why.to_owned());
    }
    let begun = count(JobState::Running) + count(JobState::Waiting);
    let left = if begun > 0 { format!("{ended}, and {begun} had begun") } else { ended };
    let failed = in_state(JobState::Failed);
    if !failed.is_empty() {
        return (Status::Failed, format!("{} failed; {left}", named(&failed)));
    }
    let status = match workers.status {
        _ if dates.now >= dates.deadline => Status::Expired,
        // Its workers ended as if there were nothing to do any more.
        Status::Succeeded | Status::Running | Status::Stopped | Status::Launching => Status::Lost,
        other => other,
    };
    let reason = match status {
        Status::Expired if dates.now >= dates.deadline => "the lease ended".to_owned(),
        Status::Lost if workers.status == Status::Succeeded => "every worker has ended".to_owned(),
        _ => why.to_owned(),
    };
    (status, format!("{reason}; {left}"))
}

/// The states of all jobs, of which this is known.
#[must_use]
pub fn job_states<'a>(
    jobs: &'a Jobs,
    progress: &Progress,
    begun: &BTreeSet<String>,
    claims: &BTreeMap<String, JobClaim>,
) -> BTreeMap<&'a str, JobState> {
    jobs.keys().map(|name| (name.as_str(), JobState::of(name, progress, begun.contains(name), claims.get(name)))).collect()
}

fn some(count: usize, [one, several]: [&str; 2]) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

fn some_of(count: usize, all: usize) -> String {
    format!("{count} of {all} jobs")
}

fn named(jobs: &[&str]) -> String {
    match jobs {
        [one] => format!("job {one}"),
        few if few.len() <= 8 => format!("jobs {}", few.join(", ")),
        many => format!("{} jobs", many.len()),
    }
}
