//! Jobs that depend on each other, and the machines that drain them.

mod claim;
mod graph;
mod kept;
pub mod predecessor;
mod rules;
mod status;

use std::collections::BTreeMap;

use crate::duration::Seconds;
use crate::read::fields;
use crate::words::words;

pub use claim::{Attempt, JobClaim, JobExit, LOST_MAX, Standing};
pub use graph::{Outcome, Progress, cycle};
pub use kept::{KeptJob, KeptJobs, Resumed, kept_jobs};
pub(crate) use rules::check_queue;
pub use rules::{JOBS_MAX, WORKERS_MAX};
pub use status::{JobReport, JobState, QueueReport, Workers, job_states, queue_status};

/// The jobs of a queue, by name.
pub type Jobs = BTreeMap<String, JobSpec>;

words! {
    /// What becomes of the other jobs when one has failed.
    pub enum OnFailure, "nothing to do after a failure" {
        /// No job is begun any more; those that have begun are brought to their end.
        Stop = "stop",
        /// Those go on that do not depend on it.
        Continue = "continue",
    }
}

words! {
    /// How the pause before the next attempt grows.
    pub enum Backoff, "no way to grow" {
        /// It is always `base_delay`.
        Fixed = "fixed",
        /// It doubles with every attempt.
        Exponential = "exponential",
    }
}

fields! {
    /// When a job that failed runs again.
    pub struct RetrySpec {
        /// How often the job runs at most, the first time included: 1 to 100. Attempts that ended because their machine did are not counted.
        attempts: u32 => Required, Replace;
        /// How the pause before the next attempt grows: `exponential`, doubling with every attempt, or `fixed`.
        backoff: Backoff => Default("\"exponential\""), Replace;
        /// The pause before the second attempt, from `0s` to `1h`.
        base_delay: Seconds => Default("\"1s\""), Replace;
        /// The longest pause, from `0s` to `1h`.
        max_delay: Seconds => Default("\"5m\""), Replace;
        /// How much of a pause is left to chance, from 0 (nothing) to 1 (all of it), so that jobs that failed together do not come back
        /// together.
        jitter: f64 => Default("0"), Replace;
        /// The exit codes after which it runs again. Left out: all but 0, and after a timeout or a signal too.
        on_exit_codes: Vec<i64> => Optional, Replace;
    }
}

fields! {
    /// A job of a queue: a command that one of its workers runs.
    pub struct JobSpec {
        /// The program to run and its arguments, as a list: no shell reads it. Each attempt starts in a directory of its own, with the queue's
        /// `files` in it.
        command: Vec<String> => Required, Replace;
        /// The jobs that have to have succeeded before this one begins. What they left as results is in `$SPAWN_INPUTS`, in a directory with
        /// the name of each.
        depends_on: Vec<String> => Optional, Replace;
        /// Environment variables of this job, beside those of the queue and before them.
        env: BTreeMap<String, String> => Optional, Replace;
        /// Parameters: the command finds each as `SPAWN_PARAM_<name>`.
        params: BTreeMap<String, String> => Optional, Replace;
        /// How long an attempt may take, such as `"20m"`, from `1s` to `30d`: then its processes are ended, and it has failed. Left out: until
        /// the lease ends.
        timeout: Option<Seconds> => Optional, Replace;
        /// When it runs again after it has failed. Left out: never, unless its machine was lost.
        retry: Option<RetrySpec> => Optional, Replace;
        /// Which files of the directory it starts in are results, as patterns such as `"raw/*.csv"` or `"out/**/*.png"`, beside what it puts
        /// into `$SPAWN_RESULTS`. They keep their paths.
        results: Vec<String> => Optional, Replace;
    }
}
