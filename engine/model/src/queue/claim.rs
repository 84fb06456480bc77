//! What is recorded of a job: who runs it, what became of each attempt, and what follows from that.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Backoff, JobSpec, Outcome, RetrySpec};
use crate::ids::InstanceId;
use crate::record::{Exit, ResultFile, SCHEMA};

/// A job whose workers are lost over it, or cannot do what it needs, has failed after so many.
pub const LOST_MAX: usize = 5;

/// A job, from when it was first begun. The object is made with `If-None-Match: *` and only ever changed with `If-Match`, so that of two machines
/// that want to begin an attempt, or to say how one ended, one succeeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobClaim {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What becomes of it now.
    pub standing: Standing,
    /// Every attempt, the last one last.
    pub attempts: Vec<Attempt>,
}

/// What becomes of a job now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Standing {
    /// The last attempt runs, as long as its machine gives signs of life by writing this again.
    Running,
    /// Any machine may begin the next attempt, so long after this was written.
    Waiting {
        /// In milliseconds.
        delay_ms: u64,
    },
    /// It has ended for good.
    Ended {
        /// How.
        outcome: Outcome,
    },
}

/// One run of a job's command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Which, from 1 on.
    pub number: u32,
    /// The machine.
    pub instance_id: InstanceId,
    /// Its rank among the workers.
    pub rank: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// How it ended, if it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<JobExit>,
    /// The results that were uploaded: paths, and bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<ResultFile>,
    /// What could not be kept, in a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// How an attempt ended.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum JobExit {
    /// By itself.
    Code {
        /// The exit code.
        code: i32,
    },
    /// By a signal.
    Signal {
        /// The signal's number.
        signal: i32,
    },
    /// It could not be started.
    NotStarted {
        /// Why.
        reason: String,
    },
    /// It was ended after its timeout.
    TimedOut,
    /// It was ended because its machine was about to end.
    Interrupted,
    /// Its machine gave no sign of life any more.
    Lost,
    /// Its worker could not do what it needed: fetch its inputs, make its place, or keep what it left.
    WorkerFailed {
        /// Why.
        reason: String,
    },
    /// Somebody cancelled the job.
    Cancelled,
}

impl JobExit {
    /// Whether it says something of the job, and not only of the machine.
    #[must_use]
    pub fn counts(&self) -> bool {
        !matches!(self, Self::Interrupted | Self::Lost | Self::WorkerFailed { .. })
    }

    /// As a shell would tell it; nothing if the command did not end by itself.
    #[must_use]
    pub fn code(&self) -> Option<i64> {
        match self {
            Self::Code { code } => Some(i64::from(*code)),
            Self::Signal { signal } => Some(128 + i64::from(*signal)),
            _ => None,
        }
    }
}

impl From<Exit> for JobExit {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Code { code } => Self::Code { code },
            Exit::Signal { signal } => Self::Signal { signal },
            Exit::NotStarted { reason } => Self::NotStarted { reason },
            Exit::LeaseEnded | Exit::Interrupted | Exit::Idle => Self::Interrupted,
        }
    }
}

impl std::fmt::Display for JobExit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code { code } => write!(f, "it ended with exit code {code}"),
            Self::Signal { signal } => write!(f, "it was killed by signal {signal}"),
            Self::NotStarted { reason } => write!(f, "it could not be started: {reason}"),
            Self::TimedOut => f.write_str("it was ended after its timeout"),
            Self::Interrupted => f.write_str("its machine ended"),
            Self::Lost => f.write_str("its machine was lost"),
            Self::WorkerFailed { reason } => write!(f, "its worker failed: {reason}"),
            Self::Cancelled => f.write_str("it was cancelled"),
        }
    }
}

impl JobClaim {
    /// The first attempt.
    #[must_use]
    pub fn first(instance_id: &InstanceId, rank: u32, now: Timestamp) -> Self {
        Self { schema: SCHEMA, standing: Standing::Waiting { delay_ms: 0 }, attempts: Vec::new() }.next(instance_id, rank, now)
    }

    /// A job that was cancelled before anybody began it.
    #[must_use]
    pub fn cancelled() -> Self {
        Self { schema: SCHEMA, standing: Standing::Ended { outcome: Outcome::Cancelled }, attempts: Vec::new() }
    }

    /// The same, cancelled. If somebody runs it, he finds that it is his no more.
    #[must_use]
    pub fn cancel(mut self, now: Timestamp) -> Self {
        if let Some(last) = self.attempts.last_mut().filter(|last| last.exit.is_none()) {
            last.exit = Some(JobExit::Cancelled);
            last.ended_at = Some(now);
        }
        Self { standing: Standing::Ended { outcome: Outcome::Cancelled }, ..self }
    }

    /// The next attempt.
    #[must_use]
    pub fn next(mut self, instance_id: &InstanceId, rank: u32, now: Timestamp) -> Self {
        let number = self.attempts.last().map_or(1, |last| last.number.saturating_add(1));
        // What an attempt left counts only as long as it is the last one.
        self.attempts.iter_mut().for_each(|attempt| attempt.results.clear());
        self.attempts.push(Attempt {
            number,
            instance_id: instance_id.clone(),
            rank,
            started_at: now,
            ended_at: None,
            exit: None,
            results: Vec::new(),
            notes: Vec::new(),
        });
        Self { standing: Standing::Running, ..self }
    }

    /// The attempt that runs or ran last.
    #[must_use]
    pub fn last(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// How often the command has been run to an end that says something of it.
    fn counted(&self) -> usize {
        self.attempts.iter().filter(|attempt| attempt.exit.as_ref().is_some_and(JobExit::counts)).count()
    }

    fn lost(&self) -> usize {
        let is_lost = |attempt: &&Attempt| matches!(attempt.exit, Some(JobExit::Lost | JobExit::WorkerFailed { .. }));
        self.attempts.iter().filter(is_lost).count()
    }

    /// The last attempt has ended like this: whether another one follows, and when. `chance` is a number from 0 to 1.
    #[must_use]
    pub fn ended(mut self, job: &JobSpec, exit: JobExit, at: Option<Timestamp>, chance: f64) -> Self {
        if let Some(last) = self.attempts.last_mut() {
            last.ended_at = at;
            last.exit = Some(exit.clone());
        }
        let standing = match exit {
            JobExit::Code { code: 0 } => Standing::Ended { outcome: Outcome::Succeeded },
            JobExit::Cancelled => Standing::Ended { outcome: Outcome::Cancelled },
            JobExit::Interrupted => Standing::Waiting { delay_ms: 0 },
            JobExit::Lost | JobExit::WorkerFailed { .. } if self.lost() < LOST_MAX => Standing::Waiting { delay_ms: 0 },
            JobExit::Lost | JobExit::WorkerFailed { .. } => Standing::Ended { outcome: Outcome::Failed },
            exit => match job.retry.as_ref().filter(|retry| retry.is_after(&exit) && self.counted() < retry.attempts as usize) {
                Some(retry) => Standing::Waiting { delay_ms: retry.delay_ms(self.counted(), chance) },
                None => Standing::Ended { outcome: Outcome::Failed },
            },
        };
        Self { standing, ..self }
    }
}

impl RetrySpec {
    fn is_after(&self, exit: &JobExit) -> bool {
        match exit {
            JobExit::Code { code } => self.on_exit_codes.is_empty() || self.on_exit_codes.contains(&i64::from(*code)),
            _ => self.on_exit_codes.is_empty(),
        }
    }

    /// The pause after so many attempts, in milliseconds.
    fn delay_ms(&self, attempts: usize, chance: f64) -> u64 {
        let doublings = match self.backoff {
            Backoff::Fixed => 0,
            Backoff::Exponential => u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX),
        };
        let factor = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
        let longest_ms = self.base_delay.0.saturating_mul(factor).min(self.max_delay.0).saturating_mul(1000);
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an hour at most")]
        let random_ms = (longest_ms as f64 * self.jitter.clamp(0.0, 1.0) * chance.clamp(0.0, 1.0)) as u64;
        longest_ms - random_ms.min(longest_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::FieldType;
    use crate::value::Value;

    fn job(retry: serde_json::Value) -> JobSpec {
        let value = Value::from(serde_json::json!({ "command": ["true"], "retry": retry }));
        JobSpec::read(&value, &crate::problem::Path::default(), &mut Vec::new()).expect("a job")
    }

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn machine() -> InstanceId {
        InstanceId("i-a".to_owned())
    }

    /// What becomes of a job whose attempts end like this, one after the other.
    fn standings(job: &JobSpec, exits: &[JobExit], chance: f64) -> Vec<String> {
        let mut claim = JobClaim::first(&machine(), 0, NOW);
        let mut told = Vec::new();
        for exit in exits {
            claim = claim.ended(job, exit.clone(), Some(NOW), chance);
            told.push(match &claim.standing {
                Standing::Running => "running".to_owned(),
                Standing::Waiting { delay_ms } => delay_ms.to_string(),
                Standing::Ended { outcome } => outcome.word().to_owned(),
            });
            claim = claim.next(&machine(), 0, NOW);
        }
        told
    }

    #[test]
    fn how_an_attempt_ends_decides_what_follows() {
        use serde_json::json;
        let code = |code| JobExit::Code { code };
        let never = job(json!(null));
        for (exit, expected) in [
            (code(0), "succeeded"),
            (code(3), "failed"),
            (JobExit::Signal { signal: 9 }, "failed"),
            (JobExit::TimedOut, "failed"),
            (JobExit::NotStarted { reason: "no".to_owned() }, "failed"),
            (JobExit::Cancelled, "cancelled"),
            (JobExit::Interrupted, "0"),
            (JobExit::Lost, "0"),
            (JobExit::WorkerFailed { reason: "full".to_owned() }, "0"),
        ] {
            assert_eq!(standings(&never, std::slice::from_ref(&exit), 0.0), [expected], "{exit:?}");
        }
        let doubling = job(json!({ "attempts": 6, "base_delay": "2s", "max_delay": "9s" }));
        assert_eq!(standings(&doubling, &vec![code(1); 6], 0.0), ["2000", "4000", "8000", "9000", "9000", "failed"]);
        let fixed = job(json!({ "attempts": 3, "backoff": "fixed", "base_delay": "2s", "jitter": 0.5 }));
        assert_eq!(standings(&fixed, &[code(1), JobExit::TimedOut, code(1)], 0.0), ["2000", "2000", "failed"]);
        assert_eq!(standings(&fixed, &[code(1), code(0)], 1.0), ["1000", "succeeded"]);
        let of_code = job(json!({ "attempts": 3, "on_exit_codes": [75] }));
        assert_eq!(standings(&of_code, &[code(75), code(1)], 0.0), ["1000", "failed"]);
        assert_eq!(standings(&of_code, &[JobExit::TimedOut], 0.0), ["failed"]);
    }

    #[test]
    fn what_the_machine_did_is_no_attempt_of_the_job_but_not_without_end() {
        let retried = job(serde_json::json!({ "attempts": 2 }));
        let exits = [JobExit::Interrupted, JobExit::Lost, JobExit::Code { code: 1 }, JobExit::Interrupted, JobExit::Code { code: 1 }];
        assert_eq!(standings(&retried, &exits, 0.0), ["0", "0", "1000", "0", "failed"]);
        let failed = JobExit::WorkerFailed { reason: "full".to_owned() };
        let lost = [vec![JobExit::Lost; LOST_MAX - 1], vec![failed]].concat();
        let lost = standings(&retried, &lost, 0.0);
        assert_eq!(lost, ["0", "0", "0", "0", "failed"]);
    }
}
