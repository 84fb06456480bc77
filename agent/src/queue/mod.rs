//! The jobs of a queue: which is next, whose it is, and what becomes of it. On nothing but S3, and with no worker that is more than the others.
//!
//! A job is claimed as a rank is. Whoever runs one writes its claim again and again as a sign of life, and how it ended over the last of these: of
//! two that run the same job, because one of them was thought to be dead, only one can say so. Who cannot give a sign of life ends what it
//! runs before anybody may take it over.

mod attempt;
mod bucket;
#[cfg(test)]
mod simulate;
mod worker;

use std::time::Duration;

use jiff::Timestamp;
use spawn_model::queue::{JobClaim, JobExit, Outcome};
use spawn_model::record::ResultFile;

use crate::claims::Claims;
use crate::failure::Failure;

pub(crate) use worker::{Drained, Worker};

/// How often who runs a job gives a sign of life.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);
/// After so many intervals without one that was heard, the job is given up.
const LOST_AFTER: u32 = 4;
/// A claim that is older than so many intervals may be taken over. What lies between the two is for a command to end in.
const STALE_AFTER: u32 = 6;
/// A sign of life that was not heard is given again after this part of an interval.
const AGAIN: u32 = 5;
/// The longest sleep beside a job that runs: after it, it is asked what time it is. A machine that was suspended finds that it was away for too long.
const NAP: Duration = Duration::from_secs(1);

/// The jobs' records. A trait, so that workers can be tested with every order of events.
pub(crate) trait Store: Claims<str, JobClaim> {
    /// The jobs that have ended, as far as that is told.
    async fn ended(&self) -> Result<Vec<(String, Outcome)>, Failure>;
    /// The jobs that were ever begun.
    async fn begun(&self) -> Result<Vec<String>, Failure>;
    /// Tells that a job has ended.
    async fn tell_ended(&self, job: &str, outcome: Outcome) -> Result<(), Failure>;
    /// The time since the machine was booted, that in which it was suspended included.
    fn boot_time(&self) -> Duration;
}

/// What runs the commands.
pub(crate) trait Runner {
    /// What a command leaves behind.
    type Left;
    /// Runs the command of an attempt to its end. It is ended when the machine is about to end, and when `given_up` comes: then nothing of it counts.
    async fn run(&self, job: &str, attempt: u32, given_up: impl Future<Output = ()>) -> Option<Self::Left>;
    /// Keeps what it has left, and says how the attempt went.
    async fn keep(&self, job: &str, attempt: u32, left: Self::Left) -> Ran;
    /// Waits until the machine is about to end.
    async fn ending(&self);
    /// Waits until the machine ends, and nothing can be said any more.
    async fn no_time_at_all(&self);
}

/// How an attempt went.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    pub(crate) exit: JobExit,
    pub(crate) ended_at: Timestamp,
    pub(crate) results: Vec<ResultFile>,
    pub(crate) notes: Vec<String>,
}
