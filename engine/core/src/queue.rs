//! The jobs of a queue, as their workers have recorded them; and what somebody else may do to them.

use std::collections::{BTreeMap, BTreeSet};

use futures::try_join;
use spawn_model::error::{Class, Error};
use spawn_model::queue::{
    JobClaim, JobExit, JobReport, JobState, OnFailure, Outcome, Progress, Standing, Workers, job_states, queue_status,
};
use spawn_model::record::FleetRecord;
use spawn_model::spec::FleetKind;
use spawn_model::status::{Dates, Status};

use crate::engine::Engine;
use crate::fleet::Fleet;
use crate::ledger::Ledger;
use crate::ports::{Condition, Result, Written};

/// Of a queue with more jobs the claims are read only when it is over: until then it is known of each whether it was begun, and how it ended.
const READ_MAX: usize = 1000;
/// How often a job is asked to be cancelled whose worker says something of it at the same moment.
const TRIES_MAX: u32 = 10;

/// What is known of a queue's jobs.
pub(crate) struct Told {
    progress: Progress,
    begun: BTreeSet<String>,
    claims: BTreeMap<String, JobClaim>,
}

/// Whether the fleet is a queue.
#[must_use]
pub(crate) fn is_queue(record: &FleetRecord) -> bool {
    record.kind == FleetKind::Queue
}

/// Reads what is recorded of a queue's jobs; of many jobs all of it only if they are over, or no worker is `alive` any more.
pub(crate) async fn told(ledger: &Ledger, record: &FleetRecord, alive: usize) -> Result<Told> {
    let (id, run) = (&record.fleet, &record.run);
    let (jobs, on_failure) = (&record.spec.jobs, record.spec.on_failure.unwrap_or(OnFailure::Stop));
    if let Some(claims) = ledger.jobs_gathered(id, run).await? {
        let progress = Progress::told(jobs, on_failure, &BTreeMap::new(), &claims);
        return Ok(Told { progress, begun: claims.keys().cloned().collect(), claims });
    }
    let (ended, mut begun) = try_join!(ledger.jobs_ended(id, run), ledger.jobs_begun(id, run))?;
    // Two lists are of two moments.
    begun.extend(ended.keys().cloned());
    let progress = Progress::told(jobs, on_failure, &ended, &BTreeMap::new());
    let is_over = progress.is_over(|job| begun.contains(job));
    if jobs.len() > READ_MAX && alive > 0 && !is_over {
        return Ok(Told { progress, begun, claims: BTreeMap::new() });
    }
    let claims = ledger.job_claims(id, run, &begun).await?;
    let progress = Progress::told(jobs, on_failure, &ended, &claims);
    let has_ended = |job: &String| matches!(claims.get(job), Some(JobClaim { standing: Standing::Ended { .. }, .. }));
    // In a queue that has stopped, a worker that does not know it yet may still begin a job.
    let is_settled = progress.is_over(|_| true) && begun.iter().all(has_ended) && (!progress.is_stopped() || alive == 0);
    if is_settled && claims.len() > 1 {
        ledger.jobs_gather(id, run, &claims).await;
    }
    Ok(Told { progress, begun, claims })
}

impl Told {
    /// What has become of the queue, whose workers are like this, and of each of its jobs.
    pub(crate) fn judged(
        &self,
        record: &FleetRecord,
        (workers, why): (Workers, &str),
        dates: Dates,
    ) -> ((Status, String), BTreeMap<String, JobReport>) {
        let states = job_states(&record.spec.jobs, &self.progress, &self.begun, &self.claims);
        let judged = queue_status(&states, workers, why, dates);
        let is_left = judged.0.is_over();
        let report = |(name, state): (&&str, &JobState)| {
            let state = if is_left { state.left_behind() } else { *state };
            ((*name).to_owned(), JobReport::new(state, self.claims.get(*name), record.price_usd_per_hour))
        };
        let reports = states.iter().map(report).collect();
        (judged, reports)
    }

    /// What could not be kept of jobs, and what became of those whose claim says more than its exit code.
    pub(crate) fn notes(&self) -> impl Iterator<Item = String> {
        self.claims.iter().flat_map(|(job, claim)| {
            let attempts = claim.attempts.iter().flat_map(move |attempt| {
                let not_started = match &attempt.exit {
                    Some(exit @ JobExit::NotStarted { .. }) => Some(exit.to_string()),
                    _ => None,
                };
                not_started.into_iter().chain(attempt.notes.iter().cloned()).map(move |note| (attempt.number, note))
            });
            attempts.map(move |(number, note)| format!("job {job}, attempt {number}: {note}"))
        })
    }
}

/// A result of a job.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JobResult {
    /// The job.
    pub job: String,
    /// The attempt that left it: the last one.
    pub attempt: u32,
    /// Its path below the directory that the job started in, or below `$SPAWN_RESULTS`.
    pub path: String,
}

impl Engine {
    /// The results of a queue's jobs, or of one of them: of each those of its last attempt.
    ///
    /// # Errors
    /// If the queue has no such job, or the bucket cannot be read.
    pub async fn job_results(&self, record: &FleetRecord, job: Option<&str>) -> Result<Vec<JobResult>> {
        job.map_or(Ok(()), |job| known(record, job))?;
        let ledger = self.ledger(&self.warm().await?);
        let claims = match ledger.jobs_gathered(&record.fleet, &record.run).await? {
            Some(claims) => claims,
            None => {
                let begun = ledger.jobs_begun(&record.fleet, &record.run).await?;
                ledger.job_claims(&record.fleet, &record.run, &begun).await?
            }
        };
        let of_claim = |(job, claim): (&String, &JobClaim)| -> Vec<JobResult> {
            let Some(last) = claim.last() else { return Vec::new() };
            let result = |path: &str| JobResult { job: job.clone(), attempt: last.number, path: path.to_owned() };
            last.results.iter().map(|file| result(&file.path)).collect()
        };
        Ok(claims.iter().filter(|(name, _)| job.is_none_or(|only| only == *name)).flat_map(of_claim).collect())
    }

    /// A result of a job; nothing if there is none.
    ///
    /// # Errors
    /// If the bucket cannot be read.
    pub async fn job_result(&self, record: &FleetRecord, result: &JobResult) -> Result<Option<Vec<u8>>> {
        self.ledger(&self.warm().await?).job_result(&record.fleet, &record.run, result).await
    }

    /// What an attempt of a job has printed, and which attempt it is: the one with this number, or the last one that has ended. Nothing if there is
    /// none.
    ///
    /// # Errors
    /// If the queue has no such job, or the bucket cannot be read.
    pub async fn job_output(&self, record: &FleetRecord, job: &str, attempt: Option<u32>) -> Result<Option<(u32, Vec<u8>)>> {
        known(record, job)?;
        let ledger = self.ledger(&self.warm().await?);
        let last = match attempt {
            Some(attempt) => Some(attempt),
            None => {
                let claim = ledger.job_claim(&record.fleet, &record.run, job).await?;
                let attempts = claim.map(|(claim, _)| claim.attempts).unwrap_or_default();
                attempts.iter().rev().find(|attempt| attempt.ended_at.is_some()).map(|attempt| attempt.number)
            }
        };
        let Some(attempt) = last else { return Ok(None) };
        let output = ledger.job_output(&record.fleet, &record.run, job, attempt).await?;
        Ok(output.map(|output| (attempt, output)))
    }

    /// Cancels a job: one that runs is ended by its worker, and one that was not begun never is. Says whether it was to be had: one that has ended
    /// stays as it is.
    ///
    /// # Errors
    /// If the queue has no such job or is over, or the bucket cannot be read or written.
    pub async fn job_cancel(&self, queue: &Fleet, job: &str) -> Result<bool> {
        let record = &queue.record;
        known(record, job)?;
        if queue.status.is_over() || queue.ended_at.is_some() {
            if queue.jobs.get(job).is_some_and(|job| job.state == JobState::Cancelled.word()) {
                return Ok(true);
            }
            let message = format!("nothing of {} runs any more: {}", record.spec.name, queue.status_reason);
            return Err(Error::new(Class::Conflict, "QueueOver", message, "There is nothing to be cancelled"));
        }
        let ledger = self.ledger(&self.warm().await?);
        let (fleet, run) = (&record.fleet, &record.run);
        for _ in 0..TRIES_MAX {
            let (cancelled, condition) = match ledger.job_claim(fleet, run, job).await? {
                None => (JobClaim::cancelled(), Condition::Absent),
                Some((claim, etag)) => match claim.standing {
                    Standing::Ended { outcome } => {
                        // Whoever has cancelled it may have died before this.
                        ledger.job_ended_write(fleet, run, job, outcome).await?;
                        return Ok(outcome == Outcome::Cancelled);
                    }
                    Standing::Running | Standing::Waiting { .. } => (claim.cancel(self.now()), Condition::Unchanged(etag)),
                },
            };
            if let Written::Done(_) = ledger.job_claim_write(fleet, run, job, &cancelled, condition).await? {
                ledger.job_ended_write(fleet, run, job, Outcome::Cancelled).await?;
                return Ok(true);
            }
        }
        let message = format!("job {job} is said something of by its worker, again and again");
        Err(Error::new(Class::Conflict, "JobBusy", message, "Try again"))
    }
}

fn known(record: &FleetRecord, job: &str) -> Result<()> {
    if record.spec.jobs.contains_key(job) {
        return Ok(());
    }
    let name = &record.spec.name;
    let help = if is_queue(record) { format!("`spawn status {name}` lists its jobs") } else { "Only a queue has jobs".to_owned() };
    Err(Error::new(Class::NotFound, "NoSuchJob", format!("{name} has no job {job:?}"), &help))
}
