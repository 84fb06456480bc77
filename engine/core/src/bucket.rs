//! EC2's published token buckets, as one operation sees them.
//!
//! Source: Amazon EC2 developer guide, "Request throttling": `RunInstances` and `TerminateInstances` have a bucket of 1,000
//! resources each, of which the first gets 2 a second back and the second 20.

use jiff::{SignedDuration, Timestamp};

/// What EC2 gives an account at once, of launches and of ends.
const BURST: u32 = 1_000;
/// What the launches' bucket gets back.
const LAUNCHES_PER_S: u32 = 2;
/// What the ends' bucket gets back.
const TERMINATIONS_PER_S: u32 = 20;

/// What one kind of call may still ask for, as far as this operation has used it. Others of the account may have used more: EC2 is
/// always asked first, and only what it throttles waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    per_s: f64,
    level: f64,
    at: Timestamp,
}

impl Bucket {
    /// Instances that `RunInstances` launches.
    pub(crate) fn of_launches(now: Timestamp) -> Self {
        Self::full(LAUNCHES_PER_S, now)
    }

    /// Instances that `TerminateInstances` ends.
    pub(crate) fn of_terminations(now: Timestamp) -> Self {
        Self::full(TERMINATIONS_PER_S, now)
    }

    fn full(per_s: u32, now: Timestamp) -> Self {
        Self { per_s: per_s.into(), level: BURST.into(), at: now }
    }

    fn level_at(&self, now: Timestamp) -> f64 {
        (self.level + now.duration_since(self.at).as_secs_f64().max(0.0) * self.per_s).min(BURST.into())
    }

    /// So many were asked for and given.
    pub(crate) fn take(&mut self, count: u32, now: Timestamp) {
        (self.level, self.at) = ((self.level_at(now) - f64::from(count)).max(0.0), now);
    }

    /// How long it takes until so many are there.
    pub(crate) fn wait_for(&self, count: u32, now: Timestamp) -> SignedDuration {
        let missing = f64::from(count.min(BURST)) - self.level_at(now);
        SignedDuration::try_from_secs_f64((missing / self.per_s).max(0.0)).unwrap_or(SignedDuration::ZERO)
    }
}

/// How many seconds EC2's bucket takes to let an account that has used nothing of it launch so many.
#[must_use]
pub(crate) fn launching_s(size: u32) -> u64 {
    size.saturating_sub(BURST).div_ceil(LAUNCHES_PER_S).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_fills_again() {
        let start = Timestamp::UNIX_EPOCH;
        let later = |s: i64| start + SignedDuration::from_secs(s);
        let mut bucket = Bucket::of_terminations(start);
        assert_eq!(bucket.wait_for(1_000, start), SignedDuration::ZERO);
        bucket.take(1_000, start);
        for (count, after, wait) in [(1_000, 0, 50), (1_000, 20, 30), (500, 20, 5), (1_000, 60, 0), (5_000, 0, 50)] {
            assert_eq!(bucket.wait_for(count, later(after)), SignedDuration::from_secs(wait), "{count} after {after} s");
        }
        assert_eq!([0, 1_000, 1_001, 1_667, 10_000].map(launching_s), [0, 0, 1, 334, 4_500]);
    }
}
