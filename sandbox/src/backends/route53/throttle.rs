//! How often an account may ask.

use jiff::Timestamp;

/// Requests per second of an account, and how many it may make at once ("Quotas" of the Developer Guide: five per second, for all
/// operations together).
///
/// The page "Throttling for Amazon Route 53 API requests" has told of more since: a bucket of 50 that fills by 10 a second, and others
/// for single operations and for changes. Whoever keeps to the old limit keeps to the new one of all operations.
const PER_SECOND: f64 = 5.0;

/// The requests that an account has not made yet.
#[derive(Debug)]
pub(super) struct Bucket {
    level: f64,
    at: Timestamp,
}

impl Default for Bucket {
    fn default() -> Self {
        Self { level: PER_SECOND, at: Timestamp::UNIX_EPOCH }
    }
}

impl Bucket {
    /// Takes what one request costs, if it is there. A clock that steps back gives nothing away.
    pub(super) fn draw(&mut self, now: Timestamp) -> bool {
        let seconds = now.duration_since(self.at).as_secs_f64().max(0.0);
        self.level = (self.level + seconds * PER_SECOND).min(PER_SECOND);
        self.at = self.at.max(now);
        if self.level < 1.0 {
            return false;
        }
        self.level -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_requests_a_second() {
        let mut bucket = Bucket::default();
        let at = |ms: i64| Timestamp::from_millisecond(1_000_000_000 + ms).unwrap();
        let mut passing = |ms| (0..20).take_while(|_| bucket.draw(at(ms))).count();
        for (ms, expected) in [(0, 5), (0, 0), (200, 1), (100, 0), (1_200, 5), (60_000, 5)] {
            assert_eq!(passing(ms), expected, "at {ms} ms");
        }
    }
}
