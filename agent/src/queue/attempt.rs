//! One attempt of a job: held while it runs, and then said how it ended.

use std::pin::pin;
use std::time::Duration;

use jiff::Timestamp;
use spawn_model::queue::{Attempt, JobClaim, JobSpec};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::{AGAIN, LOST_AFTER, NAP, Ran, Runner, Store};
use crate::claims::{Problem, renew};

/// A job that this machine runs.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// The claim as it is while the attempt runs.
    pub(super) claim: JobClaim,
    /// Its tag.
    pub(super) tag: String,
    /// When the last sign of life was sent that was heard, in boot time.
    pub(super) heard_at: Duration,
}

/// Why a job is this machine's no more.
#[derive(Debug)]
enum Lost {
    /// This is what is there.
    Another(JobClaim),
    /// Nothing was heard for so long that somebody else might have it.
    Unheard,
}

/// Whether a job is given up when nothing is heard of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Silence {
    /// Its command runs: before somebody else may begin it, it has to have ended.
    GivesUp,
    /// Nothing runs any more, so it is this machine's until somebody else says something of it.
    IsBorne,
}

/// Runs an attempt and says how it ended. Gives the claim as it is then; nothing if that is not known.
pub(super) async fn run<S: Store, R: Runner>(
    (store, runner): (&S, &R),
    (name, job): (&str, &JobSpec),
    mut held: Held,
    interval: Duration,
) -> Option<JobClaim> {
    let number = held.claim.last().map_or(1, |attempt| attempt.number);
    let given_up = Notify::new();
    let ran = {
        let mut running = pin!(runner.run(name, number, given_up.notified()));
        let mut holding = pin!(hold(store, name, &mut held, interval, Silence::GivesUp));
        tokio::select! {
            biased;
            left = &mut running => Ok(left),
            lost = &mut holding => {
                given_up.notify_one();
                running.await;
                Err(lost)
            }
        }
    };
    let left = match ran {
        Ok(left) => left?,
        Err(Lost::Another(claim)) => return Some(claim),
        Err(Lost::Unheard) => {
            eprintln!("spored: job {name} was given up: its sign of life was not heard for {} s", (interval * LOST_AFTER).as_secs());
            return None;
        }
    };
    let ran = tokio::select! {
        biased;
        ran = runner.keep(name, number, left) => ran,
        lost = hold(store, name, &mut held, interval, Silence::IsBorne) => return match lost {
            Lost::Another(claim) => Some(claim),
            Lost::Unheard => None,
        },
    };
    tokio::select! {
        biased;
        claim = commit(store, name, held, said(job, number, ran), interval) => Some(claim),
        () = runner.no_time_at_all() => {
            eprintln!("spored: how job {name} ended could not be said in time");
            None
        }
    }
}

/// How an attempt that has ended changes its claim.
fn said(job: &JobSpec, number: u32, ran: Ran) -> impl Fn(JobClaim) -> JobClaim {
    move |claim: JobClaim| {
        let mut claim = claim.ended(job, ran.exit.clone(), Some(ran.ended_at), chance(number));
        if let Some(last) = claim.attempts.last_mut() {
            *last = Attempt { results: ran.results.clone(), notes: ran.notes.clone(), ..last.clone() };
        }
        claim
    }
}

/// A number from 0 to 1, which need not be more than different from job to job and time to time.
fn chance(number: u32) -> f64 {
    f64::from((Timestamp::now().subsec_nanosecond().unsigned_abs() / 1000).wrapping_add(number) % 1000) / 1000.0
}

/// Gives signs of life. Comes back when the job is lost.
async fn hold(store: &impl Store, name: &str, held: &mut Held, interval: Duration, silence: Silence) -> Lost {
    let mut next = held.heard_at + interval;
    let mut complaint = String::new();
    loop {
        let lost_at = match silence {
            Silence::GivesUp => held.heard_at + interval * LOST_AFTER,
            Silence::IsBorne => store.boot_time() + interval * LOST_AFTER,
        };
        sleep(next.min(lost_at).saturating_sub(store.boot_time()).min(NAP)).await;
        let now = store.boot_time();
        if now >= lost_at {
            return Lost::Unheard;
        }
        if now < next {
            continue;
        }
        let own = held.claim.clone();
        let renewed = tokio::select! {
            biased;
            renewed = renew(store, name, &mut held.tag, &own, |found| *found == own) => renewed,
            () = passes(store, lost_at) => continue,
        };
        match renewed {
            Ok(()) => {
                (held.heard_at, next) = (now, now + interval);
                complaint.clear();
            }
            Err(Problem::Lost(other)) => return Lost::Another(other),
            Err(Problem::Unheard(failure)) => {
                next = store.boot_time() + interval / AGAIN;
                let problem = failure.to_string();
                if problem != complaint {
                    eprintln!("spored: the sign of life of job {name} was not heard: {problem}");
                    complaint = problem;
                }
            }
        }
    }
}

/// Waits for a moment in boot time, which may jump.
async fn passes(store: &impl Store, moment: Duration) {
    loop {
        let left = moment.saturating_sub(store.boot_time());
        if left.is_zero() {
            return;
        }
        sleep(left.min(NAP)).await;
    }
}

/// Says how the attempt ended, until that is heard or the job is lost. What it left counts only if it is.
async fn commit(store: &impl Store, name: &str, mut held: Held, ended: impl Fn(JobClaim) -> JobClaim, interval: Duration) -> JobClaim {
    let done = ended(held.claim.clone());
    loop {
        match renew(store, name, &mut held.tag, &done, |found| *found == held.claim).await {
            Ok(()) => return done,
            // Its own, whose answer was lost; or another one, which counts in its place.
            Err(Problem::Lost(found)) => return found,
            Err(Problem::Unheard(failure)) => {
                eprintln!("spored: how job {name} ended was not heard: {failure}");
                sleep(interval / AGAIN).await;
            }
        }
    }
}
