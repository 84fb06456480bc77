//! A worker: it learns what has ended, takes what is ready, runs it, and is done when nothing is left.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use jiff::Timestamp;
use spawn_model::ids::InstanceId;
use spawn_model::queue::{JobClaim, JobExit, Jobs, OnFailure, Outcome, Progress, Standing};
use tokio::time::sleep;

use super::attempt::{self, Held};
use super::{Runner, STALE_AFTER, Store};
use crate::failure::{Class, Failure};

/// A worker that finds nothing to do looks again after this part of an interval.
const LOOK: u32 = 2;
/// What others have is looked at again after this, even if they might have it for longer: how it ended may not have been told.
const LONGEST_LOOK: u32 = 2;
/// A worker that meets jobs of others lists what has ended again if it did so longer ago than this.
const LISTED_WITHIN: Duration = Duration::from_secs(2);

/// How a worker came to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Drained {
    /// Nothing is left to run.
    Over,
    /// Its machine ends.
    MachineEnds,
}

/// One of the machines that drain a queue.
pub(crate) struct Worker<'a, S, R> {
    pub(crate) store: &'a S,
    pub(crate) runner: &'a R,
    pub(crate) jobs: &'a Jobs,
    pub(crate) on_failure: OnFailure,
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
    /// When it was last listed what has ended, in boot time.
    listed_at: Option<Duration>,
    /// What was said last.
    said: String,
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
}

impl<S: Store, R: Runner> Worker<'_, S, R> {
    /// Works until nothing is left to run, or the machine ends.
    pub(crate) async fn drain(&self) -> Drained {
        let mut known = Known {
            progress: Progress::new(self.jobs, self.on_failure),
            begun: BTreeSet::new(),
            not_before: BTreeMap::new(),
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
            match attempt::run((self.store, self.runner), (&job, spec), held, self.interval).await {
                Some(claim) => self.came_to(&mut known, &job, &claim).await,
                None => self.leave(&mut known, &job, self.interval * STALE_AFTER),
            }
        }
    }

    /// Learns what there is to do. If nothing is, some time has passed.
    async fn next(&self, known: &mut Known) -> Next {
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
                sleep(self.interval / LOOK).await;
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
        sleep(self.interval / LOOK).await;
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
        match self.begin(known.begun.contains(job), job).await {
            Ok(Begun::Held(held)) => {
                known.begun.insert(job.to_owned());
                known.not_before.remove(job);
                return Some(held);
            }
            Ok(Begun::Ended(outcome)) => known.progress.end(job, outcome),
            Ok(Begun::Later(wait)) => self.leave(known, job, wait),
            Err(failure) => {
                self.complain(known, &failure).await;
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
        known.begun.insert(job.to_owned());
        known.not_before.insert(job.to_owned(), self.store.boot_time() + wait.min(self.interval * LONGEST_LOOK));
    }

    async fn begin(&self, is_begun: bool, job: &str) -> Result<Begun, Failure> {
        let first = JobClaim::first(self.instance_id, self.rank, now());
        if !is_begun {
            let heard_at = self.store.boot_time();
            match self.store.make(job, &first).await {
                Ok(tag) => return Ok(Begun::Held(Held { claim: first, tag, heard_at })),
                Err(failure) if failure.class == Class::Taken => {}
                Err(failure) => return Err(failure),
            }
        }
        self.take_over(job, first).await
    }

    /// Takes a job that was begun before, if nobody has it any more. `tried` is what this worker has just tried to write.
    async fn take_over(&self, job: &str, mut tried: JobClaim) -> Result<Begun, Failure> {
        let stale_after = self.interval * STALE_AFTER;
        let mut heard_at = self.store.boot_time();
        loop {
            let found = match self.store.read(job).await {
                Ok(found) => found,
                // Somebody has taken it away, or it says something that this version does not know: it is left alone.
                Err(failure) if matches!(failure.class, Class::NotFound | Class::Invalid) => return Ok(Begun::Later(stale_after)),
                Err(failure) => return Err(failure),
            };
            let age = found.age.unwrap_or_default();
            let free = match &found.claim.standing {
                Standing::Ended { outcome } => {
                    let outcome = *outcome;
                    self.tell(job, outcome).await;
                    return Ok(Begun::Ended(outcome));
                }
                // The answer to what was tried was lost.
                Standing::Running if found.claim == tried => {
                    return Ok(Begun::Held(Held { claim: tried, tag: found.tag, heard_at }));
                }
                Standing::Running => {
                    // An earlier life of this agent began it.
                    let is_own = found.claim.last().is_some_and(|last| last.instance_id == *self.instance_id);
                    if !is_own && age <= stale_after {
                        return Ok(Begun::Later(stale_after - age));
                    }
                    match self.jobs.get(job) {
                        Some(spec) => found.claim.ended(spec, JobExit::Lost, None, 0.0),
                        None => return Ok(Begun::Later(stale_after)),
                    }
                }
                Standing::Waiting { delay_ms } => {
                    let delay = Duration::from_millis(*delay_ms);
                    if age < delay {
                        return Ok(Begun::Later(delay - age));
                    }
                    found.claim
                }
            };
            let outcome = match free.standing {
                Standing::Ended { outcome } => Some(outcome),
                Standing::Running | Standing::Waiting { .. } => None,
            };
            tried = if outcome.is_some() { free } else { free.next(self.instance_id, self.rank, now()) };
            heard_at = self.store.boot_time();
            match (self.store.replace(job, &found.tag, &tried).await, outcome) {
                (Ok(_), Some(outcome)) => {
                    self.tell(job, outcome).await;
                    return Ok(Begun::Ended(outcome));
                }
                (Ok(tag), None) => return Ok(Begun::Held(Held { claim: tried, tag, heard_at })),
                // Somebody was faster; or it was we, and the answer was lost.
                (Err(failure), _) if matches!(failure.class, Class::Taken | Class::NotFound) => {}
                (Err(failure), _) => return Err(failure),
            }
        }
    }

    /// An attempt has ended, and this is the claim now.
    async fn came_to(&self, known: &mut Known, job: &str, claim: &JobClaim) {
        match claim.standing {
            Standing::Ended { outcome } => {
                self.tell(job, outcome).await;
                known.progress.end(job, outcome);
                if outcome == Outcome::Failed {
                    // What has begun by now is looked for anew.
                    known.listed_at = None;
                }
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
