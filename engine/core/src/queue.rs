//! The jobs of a queue, as their workers have recorded them; and what somebody else may do to them.

use std::collections::{BTreeMap, BTreeSet};

use futures::try_join;
use spawn_model::error::{Class, Error};
use spawn_model::ids::RunId;
use spawn_model::queue::{
    JobClaim, JobExit, JobReport, JobState, KeptJob, KeptJobs, OnFailure, Outcome, Progress, Standing, Workers, job_states, kept_jobs,
    queue_status,
};
use spawn_model::record::FleetRecord;
use spawn_model::spec::{FleetKind, FleetSpec};
use spawn_model::status::{Dates, Status};

use crate::engine::Engine;
use crate::fleet::Fleet;
use crate::ledger::Ledger;
use crate::operation::Operation;
use crate::ports::{Condition, Result, Written};
use crate::rerun::{RunAgain, Wanted};

/// Of a queue with more jobs the claims are read only when it is over: until then it is known of each whether it was begun, and how it ended.
const READ_MAX: usize = 1000;
/// How often a job is asked to be cancelled whose worker says something of it at the same moment.
const TRIES_MAX: u32 = 10;

/// What is known of a queue's jobs.
pub(crate) struct Told {
    progress: Progress,
    begun: BTreeSet<String>,
    claims: BTreeMap<String, JobClaim>,
    /// What earlier runs have done.
    kept: KeptJobs,
}

/// Whether the fleet is a queue.
#[must_use]
pub(crate) fn is_queue(record: &FleetRecord) -> bool {
    record.kind == FleetKind::Queue
}

/// Reads what is recorded of a queue's jobs; of many jobs all of it only if they are over, or no worker is `alive` any more.
pub(crate) async fn told(ledger: &Ledger, record: &FleetRecord, alive: usize) -> Result<Told> {
    let (id, run) = (&record.fleet, &record.run);
    let jobs = &record.spec.jobs;
    let kept = kept(ledger, record).await?;
    let progress = || Progress::new(jobs, record.spec.on_failure.unwrap_or(OnFailure::Stop)).keeping(&kept);
    if let Some(claims) = ledger.jobs_gathered(id, run).await? {
        let progress = progress().told(&BTreeMap::new(), &claims);
        return Ok(Told { progress, begun: claims.keys().cloned().collect(), claims, kept });
    }
    let (ended, mut begun) = try_join!(ledger.jobs_ended(id, run), ledger.jobs_begun(id, run))?;
    // Two lists are of two moments.
    begun.extend(ended.keys().cloned());
    let listed = progress().told(&ended, &BTreeMap::new());
    let is_over = listed.is_over(|job| begun.contains(job));
    if jobs.len() > READ_MAX && alive > 0 && !is_over {
        return Ok(Told { progress: listed, begun, claims: BTreeMap::new(), kept });
    }
    let claims = ledger.job_claims(id, run, &begun).await?;
    let progress = progress().told(&ended, &claims);
    let has_ended = |job: &String| matches!(claims.get(job), Some(JobClaim { standing: Standing::Ended { .. }, .. }));
    // In a queue that has stopped, a worker that does not know it yet may still begin a job.
    let is_settled = progress.is_over(|_| true) && begun.iter().all(has_ended) && (!progress.is_stopped() || alive == 0);
    if is_settled && claims.len() > 1 {
        ledger.jobs_gather(id, run, &claims).await;
    }
    Ok(Told { progress, begun, claims, kept })
}

/// What earlier runs have done of the jobs of this one.
async fn kept(ledger: &Ledger, record: &FleetRecord) -> Result<KeptJobs> {
    match &record.resumed {
        Some(_) => ledger.jobs_kept(&record.fleet, &record.run).await,
        None => Ok(KeptJobs::new()),
    }
}

/// Records what the next run need not do of what the former one has done, of which no worker lives any more.
pub(crate) async fn keep(ledger: &Ledger, former: &FleetRecord, next: &RunId, again: &BTreeSet<String>) -> Result<()> {
    let told = told(ledger, former, 0).await?;
    let of_job = |job: &str| {
        let of_former = || Some(KeptJob { run: former.run.clone(), claim: told.claims.get(job)?.clone() });
        Some((job.to_owned(), told.kept.get(job).cloned().or_else(of_former)?))
    };
    let kept = kept_jobs(&former.spec.jobs, &told.progress, again).into_iter().filter_map(of_job).collect();
    ledger.jobs_keep(&former.fleet, next, &kept).await
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
            ((*name).to_owned(), JobReport::new(state, self.claim(name), record.price_usd_per_hour))
        };
        let reports = states.iter().map(report).collect();
        (judged, reports)
    }

    fn claim(&self, job: &str) -> Option<&JobClaim> {
        self.kept.get(job).map(|kept| &kept.claim).or_else(|| self.claims.get(job))
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
    /// The run in which it ended.
    pub run: RunId,
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
        let of_this = claims.iter().map(|(job, claim)| (job, (&record.run, claim)));
        let kept = kept(&ledger, record).await?;
        let of_earlier = kept.iter().map(|(job, kept)| (job, (&kept.run, &kept.claim)));
        let all: BTreeMap<&String, (&RunId, &JobClaim)> = of_this.chain(of_earlier).collect();
        let of_claim = |(job, (run, claim)): (&String, (&RunId, &JobClaim))| -> Vec<JobResult> {
            let Some(last) = claim.last() else { return Vec::new() };
            let result = |path: &str| JobResult { job: job.clone(), run: run.clone(), attempt: last.number, path: path.to_owned() };
            last.results.iter().map(|file| result(&file.path)).collect()
        };
        Ok(all.into_iter().filter(|(name, _)| job.is_none_or(|only| only == *name)).flat_map(of_claim).collect())
    }

    /// A result of a job; nothing if there is none.
    ///
    /// # Errors
    /// If the bucket cannot be read.
    pub async fn job_result(&self, record: &FleetRecord, result: &JobResult) -> Result<Option<Vec<u8>>> {
        self.ledger(&self.warm().await?).job_result(&record.fleet, result).await
    }

    /// What an attempt of a job has printed, and which attempt it is: the one with this number, or the last one that has ended. Nothing if there is
    /// none.
    ///
    /// # Errors
    /// If the queue has no such job, or the bucket cannot be read.
    pub async fn job_output(&self, record: &FleetRecord, job: &str, attempt: Option<u32>) -> Result<Option<(u32, Vec<u8>)>> {
        known(record, job)?;
        let ledger = self.ledger(&self.warm().await?);
        let earlier = kept(&ledger, record).await?.remove(job);
        let run = earlier.as_ref().map_or(&record.run, |kept| &kept.run).clone();
        let last = match attempt {
            Some(attempt) => Some(attempt),
            None => {
                let claim = match earlier {
                    Some(kept) => Some(kept.claim),
                    None => ledger.job_claim(&record.fleet, &run, job).await?.map(|(claim, _)| claim),
                };
                let attempts = claim.map(|claim| claim.attempts).unwrap_or_default();
                attempts.iter().rev().find(|attempt| attempt.ended_at.is_some()).map(|attempt| attempt.number)
            }
        };
        let Some(attempt) = last else { return Ok(None) };
        let output = ledger.job_output(&record.fleet, &run, job, attempt).await?;
        Ok(output.map(|output| (attempt, output)))
    }

    /// Runs what has not succeeded of a queue that is over again; and the jobs of `again`, although they have, with all that depend on them. What the
    /// others have done stays: that is a new run, with a lease of its own, which goes on with it.
    ///
    /// # Errors
    /// If it is no queue, is not over, has no such job, or there is nothing to run; otherwise as [`Engine::rerun`].
    pub async fn job_retry(&self, queue: &Fleet, again: &BTreeSet<String>, operation: &Operation) -> Result<RunAgain> {
        retriable(queue, again)?;
        self.warm().await?.knows(1, "its agents know nothing of what an earlier run has done")?;
        let files = self.files(&queue.record).await?;
        let spec = FleetSpec { files, ..queue.record.spec.clone() };
        self.rerun(&queue.record.fleet, &spec, Wanted::Resumed { run: &queue.record.run, again }, operation).await
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
        if kept(&ledger, record).await?.contains_key(job) {
            return Ok(false);
        }
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

/// Refuses what there is nothing to be run again of.
fn retriable(queue: &Fleet, again: &BTreeSet<String>) -> Result<()> {
    let record = &queue.record;
    let name = &record.spec.name;
    again.iter().try_for_each(|job| known(record, job))?;
    if !queue.status.is_over() {
        let message = format!("{name} is not over: it is {} ({})", queue.status, queue.status_reason);
        let help = format!("Wait for it, or end what runs with `spawn queue cancel {name} JOB`");
        return Err(Error::new(Class::Conflict, "QueueRuns", message, &help));
    }
    if again.is_empty() && queue.jobs.values().all(|job| job.state == JobState::Succeeded.word()) {
        let message = format!("every job of {name} has succeeded");
        let help = format!("`spawn queue retry {name} JOB` runs one again with what depends on it, and `spawn rerun {name}` all");
        return Err(Error::new(Class::Conflict, "NothingToRetry", message, &help));
    }
    Ok(())
}

fn known(record: &FleetRecord, job: &str) -> Result<()> {
    if record.spec.jobs.contains_key(job) {
        return Ok(());
    }
    let name = &record.spec.name;
    let help = if is_queue(record) { format!("`spawn status {name}` lists its jobs") } else { "Only a queue has jobs".to_owned() };
    Err(Error::new(Class::NotFound, "NoSuchJob", format!("{name} has no job {job:?}"), &help))
}
