//! A worker: it learns what has ended, takes what is ready, runs it, and is done when nothing is left.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use spawn_model::ids::InstanceId;
use spawn_model::queue::{JobClaim, JobExit, Jobs, KeptJobs, OnFailure, Outcome, Progress, Standing};
use tokio::time::sleep;

use super::attempt::{self, Held};
use super::{Runner, STALE_AFTER, Store};
use crate::claims::Found;
use crate::failure::{Class, Failure};

/// A worker that finds nothing to do looks again after this part of an interval, and a little more.
const LOOK: u32 = 2;
/// How much more for each worker and each page of what is listed, so that a thousand idle ones are no burden to those that work.
const BREATH: Duration = Duration::from_millis(10);
/// How many keys S3 lists at once.
const PAGE: usize = 1000;
/// What others have is looked at again after this, even if they might have it for longer: how it ended may not have been told.
const LONGEST_LOOK: u32 = 2;
/// A worker that meets jobs of others lists what has ended again if it did so longer ago than this.
const LISTED_WITHIN: Duration = Duration::from_secs(2);

/// How a worker came to its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Drained {
    /// Nothing is left to run.
    Over,
    /// Its machine ends.
    MachineEnds,
    /// This machine cannot do what jobs need, for this reason.
    Unfit(String),
}

/// One of the machines that drain a queue.
pub(crate) struct Worker<'a, S, R> {
    pub(crate) store: &'a S,
    pub(crate) runner: &'a R,
    pub(crate) jobs: &'a Jobs,
    pub(crate) on_failure: OnFailure,
    /// What earlier runs have done.
    pub(crate) kept: &'a KeptJobs,
    pub(crate) instance_id: &'a InstanceId,
    pub(crate) rank: u32,
    /// How many workers there are.
    pub(crate) size: u32,
    /// How often a sign of life is given.
    pub(crate) interval: Duration,
}

/// What a worker knows.
struct Known {
    progress: Progress,
    /// The jobs that were begun, by anybody.
    begun: BTreeSet<String>,
    /// Those that are not to be looked at before a moment, in boot time.
    not_before: BTreeMap<String, Duration>,
    /// What this worker has tried to write of a job it does not hold, and when, in boot time: the answer may be under way, or lost.
    tried: BTreeMap<String, (JobClaim, Duration)>,
    /// When it was last listed what has ended, in boot time.
    listed_at: Option<Duration>,
    /// What was said last.
    said: String,
}

impl Known {
    /// A job has ended, as its claim says.
    fn ends(&mut self, job: &str, outcome: Outcome) {
        self.progress.end(job, outcome);
        if outcome == Outcome::Failed {
            // If that stops the queue, it counts which jobs have begun.
            self.listed_at = None;
        }
    }
}

/// What to do next.
enum Next {
    /// Try to begin a job.
    Job(String),
    /// Look again.
    Nothing,
    /// Nothing is left to run.
    Over,
}

/// What came of trying to begin a job.
enum Begun {
    /// It is this worker's.
    Held(Held),
    /// It has ended.
    Ended(Outcome),
    /// It is not to be had, for so long.
    Later(Duration),
    /// It was never begun, or somebody has taken away what says so.
    Never,
}

impl<S: Store, R: Runner> Worker<'_, S, R> {
    /// Works until nothing is left to run, or the machine ends.
    pub(crate) async fn drain(&self) -> Drained {
        let mut known = Known {
            progress: Progress::new(self.jobs, self.on_failure).keeping(self.kept),
            begun: BTreeSet::new(),
            not_before: BTreeMap::new(),
            tried: BTreeMap::new(),
            listed_at: None,
            said: String::new(),
        };
        loop {
            let next = tokio::select! {
                biased;
                () = self.runner.ending() => return Drained::MachineEnds,
                next = self.next(&mut known) => next,
            };
            let job = match next {
                Next::Job(job) => job,
                Next::Nothing => continue,
                Next::Over => return Drained::Over,
            };
            let Some((spec, held)) = self.jobs.get(&job).zip(self.take(&mut known, &job).await) else { continue };
            let claim = attempt::run((self.store, self.runner), (&job, spec), held, self.interval).await;
            known.tried.remove(&job);
            match claim {
                Some(claim) => {
                    self.came_to(&mut known, &job, &claim).await;
                    if let Some(reason) = self.unfit(&claim) {
                        return Drained::Unfit(format!("job {job}: {reason}"));
                    }
                }
                None => self.leave(&mut known, &job, self.interval * STALE_AFTER),
            }
        }
    }

    /// Why this machine should leave jobs to others: it could not do what one needed.
    fn unfit(&self, claim: &JobClaim) -> Option<String> {
        match claim.last().filter(|last| last.instance_id == *self.instance_id)?.exit.as_ref()? {
            JobExit::WorkerFailed { reason } => Some(reason.clone()),
            _ => None,
        }
    }

    /// How long a worker waits that finds nothing to do.
    fn pause(&self) -> Duration {
        let pages = u32::try_from(self.jobs.len() / PAGE + 1).unwrap_or(u32::MAX);
        self.interval / LOOK + BREATH.saturating_mul(self.size.saturating_mul(pages))
    }

    /// Learns what there is to do. If nothing is, some time has passed.
    async fn next(&self, known: &mut Known) -> Next {
        let is_old = known.listed_at.is_some_and(|at| self.store.boot_time().saturating_sub(at) > self.interval);
        if is_old && self.on_failure == OnFailure::Stop {
            // A job of somebody else may have failed.
            known.listed_at = None;
        }
        if known.listed_at.is_none()
            && let Err(failure) = self.learn(known).await
        {
            self.complain(known, &failure).await;
            return Next::Nothing;
        }
        if known.progress.is_over(|job| known.begun.contains(job)) {
            return Next::Over;
        }
        match self.choose(known) {
            Some(job) => Next::Job(job),
            None => {
                sleep(self.pause()).await;
                known.listed_at = None;
                Next::Nothing
            }
        }
    }

    /// Learns what has ended.
    async fn learn(&self, known: &mut Known) -> Result<(), Failure> {
        let now = self.store.boot_time();
        for (job, outcome) in self.store.ended().await? {
            known.progress.end(&job, outcome);
        }
        if known.progress.is_stopped() {
            known.begun.extend(self.store.begun().await?);
        }
        known.listed_at = Some(now);
        Ok(())
    }

    /// Says what went wrong, and lets some time pass.
    async fn complain(&self, known: &mut Known, failure: &Failure) {
        let problem = failure.to_string();
        if problem != known.said {
            eprintln!("spored: the queue cannot be looked at: {problem}");
            known.said = problem;
        }
        sleep(self.pause()).await;
    }

    /// The job to try next: one of this worker's share of them, then one of any other's. So workers meet only where a share is at its end.
    fn choose(&self, known: &Known) -> Option<String> {
        let now = self.store.boot_time();
        let is_stopped = known.progress.is_stopped();
        let may = |job: &&str| known.not_before.get(*job).is_none_or(|at| *at <= now) && (!is_stopped || known.begun.contains(*job));
        let mut open = known.progress.ready().filter(may);
        let mut others: Option<(u64, &str)> = None;
        open.find(|job| {
            let is_own = number(job, 0).checked_rem(u64::from(self.size)) == Some(u64::from(self.rank));
            if !is_own {
                let other = (number(job, self.rank + 1), *job);
                others = Some(others.map_or(other, |least| least.min(other)));
            }
            is_own
        })
        .or(others.map(|(_, job)| job))
        .map(str::to_owned)
    }

    /// Tries to begin a job, and keeps what that tells.
    async fn take(&self, known: &mut Known, job: &str) -> Option<Held> {
        match self.begin(known, job).await {
            Ok(Begun::Held(held)) => {
                known.begun.insert(job.to_owned());
                known.not_before.remove(job);
                return Some(held);
            }
            Ok(Begun::Ended(outcome)) => known.ends(job, outcome),
            Ok(Begun::Later(wait)) => self.leave(known, job, wait),
            Ok(Begun::Never) => {
                known.begun.remove(job);
                known.not_before.insert(job.to_owned(), self.store.boot_time() + self.interval);
            }
            Err(failure) => {
                self.complain(known, &failure).await;
                // It may be this one alone that cannot be had.
                known.not_before.insert(job.to_owned(), self.store.boot_time() + self.interval);
                known.listed_at = None;
                return None;
            }
        }
        let listed_before = known.listed_at.map(|at| self.store.boot_time().saturating_sub(at));
        if listed_before.is_some_and(|before| before > LISTED_WITHIN) {
            known.listed_at = None;
        }
        None
    }

    fn leave(&self, known: &mut Known, job: &str, wait: Duration) {
        let longest = self.interval * LONGEST_LOOK + BREATH.saturating_mul(self.size);
        known.begun.insert(job.to_owned());
        known.not_before.insert(job.to_owned(), self.store.boot_time() + wait.min(longest));
    }

    async fn begin(&self, known: &mut Known, job: &str) -> Result<Begun, Failure> {
        if !known.begun.contains(job) {
            let (first, heard_at) = (JobClaim::first(self.instance_id, self.rank, now()), self.store.boot_time());
            known.tried.insert(job.to_owned(), (first.clone(), heard_at));
            match self.store.make(job, &first).await {
                Ok(tag) => return Ok(Begun::Held(Held { claim: first, tag, heard_at })),
                Err(failure) if failure.class == Class::Taken => {}
                Err(failure) => return Err(failure),
            }
        }
        loop {
            let found = match self.store.read(job).await {
                Ok(found) => found,
                Err(failure) if failure.class == Class::NotFound => return Ok(Begun::Never),
                // It says something that this version does not know: it is left alone.
                Err(failure) if failure.class == Class::Invalid => return Ok(Begun::Later(self.interval * STALE_AFTER)),
                Err(failure) => return Err(failure),
            };
            if let Some(begun) = self.take_over(known, job, found).await? {
                return Ok(begun);
            }
        }
    }

    /// Takes a job that was begun before, if nobody has it any more. Nothing if it is another by now.
    async fn take_over(&self, known: &mut Known, job: &str, found: Found<JobClaim>) -> Result<Option<Begun>, Failure> {
        let (stale_after, now_boot) = (self.interval * STALE_AFTER, self.store.boot_time());
        let age = found.age.unwrap_or_default();
        let Some(spec) = self.jobs.get(job) else { return Ok(Some(Begun::Later(stale_after))) };
        let free = match &found.claim.standing {
            Standing::Ended { outcome } => {
                self.tell(job, *outcome).await;
                return Ok(Some(Begun::Ended(*outcome)));
            }
            Standing::Waiting { delay_ms } => {
                let delay = Duration::from_millis(*delay_ms);
                if age < delay {
                    return Ok(Some(Begun::Later(delay - age)));
                }
                found.claim
            }
            Standing::Running => match known.tried.get(job) {
                // The answer to what was tried was lost.
                Some((tried, heard_at)) if *tried == found.claim => {
                    let (claim, heard_at) = (tried.clone(), *heard_at);
                    if now_boot < heard_at + self.interval {
                        return Ok(Some(Begun::Held(Held { claim, tag: found.tag, heard_at })));
                    }
                    // Nothing was begun by it.
                    claim.ended(spec, JobExit::Interrupted, None, 0.0)
                }
                _ => {
                    // An earlier life of this agent began it.
                    let is_own = found.claim.last().is_some_and(|last| last.instance_id == *self.instance_id);
                    if !is_own && age <= stale_after {
                        return Ok(Some(Begun::Later(stale_after - age)));
                    }
                    let last_heard = SignedDuration::try_from(age).ok().and_then(|age| now().checked_sub(age).ok());
                    found.claim.ended(spec, JobExit::Lost, last_heard, 0.0)
                }
            },
        };
        let outcome = match free.standing {
            Standing::Ended { outcome } => Some(outcome),
            Standing::Running | Standing::Waiting { .. } => None,
        };
        let claim = if outcome.is_some() { free } else { free.next(self.instance_id, self.rank, now()) };
        let heard_at = self.store.boot_time();
        if outcome.is_none() {
            known.tried.insert(job.to_owned(), (claim.clone(), heard_at));
        }
        match (self.store.replace(job, &found.tag, &claim).await, outcome) {
            (Ok(_), Some(outcome)) => {
                self.tell(job, outcome).await;
                Ok(Some(Begun::Ended(outcome)))
            }
            (Ok(tag), None) => Ok(Some(Begun::Held(Held { claim, tag, heard_at }))),
            // Somebody was faster; or it was we, and the answer was lost.
            (Err(failure), _) if matches!(failure.class, Class::Taken | Class::NotFound) => Ok(None),
            (Err(failure), _) => Err(failure),
        }
    }

    /// An attempt has ended, and this is the claim now.
    async fn came_to(&self, known: &mut Known, job: &str, claim: &JobClaim) {
        match claim.standing {
            Standing::Ended { outcome } => {
                self.tell(job, outcome).await;
                known.ends(job, outcome);
            }
            Standing::Waiting { delay_ms } => self.leave(known, job, Duration::from_millis(delay_ms)),
            Standing::Running => self.leave(known, job, self.interval * STALE_AFTER),
        }
    }

    /// Tells the others that a job has ended. Should they not be told, they find it when they look at the claim.
    async fn tell(&self, job: &str, outcome: Outcome) {
        if let Err(failure) = self.store.tell_ended(job, outcome).await {
            eprintln!("spored: that job {job} has ended could not be told: {failure}");
        }
    }
}

/// When an attempt begins: to the microsecond, as it is read back.
fn now() -> Timestamp {
    Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap_or_default()
}

/// A number that differs from job to job, and for each in another way by `turn`.
fn number(job: &str, turn: u32) -> u64 {
    let mut hasher = DefaultHasher::new();
    (job, turn).hash(&mut hasher);
    hasher.finish()
}
