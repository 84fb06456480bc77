//! How often an account may ask.

use jiff::Timestamp;
use sandbox_cloud::{Limit, TokenBucket};

/// Requests per second of an account, and how many it may make at once ("Quotas" of the Developer Guide: five per second, for all
/// operations together).
///
/// The page "Throttling for Amazon Route 53 API requests" has told of more since: a bucket of 50 that fills by 10 a second, and others
/// for single operations and for changes. Whoever keeps to the old limit keeps to the new one of all operations.
const LIMIT: Limit = Limit { burst: 5.0, refill_per_s: 5.0 };

/// The requests that an account has not made yet: all of them.
pub(super) fn bucket() -> TokenBucket {
    TokenBucket::full(LIMIT, Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_requests_a_second() {
        let mut bucket = bucket();
        let at = |ms: i64| Timestamp::from_millisecond(1_000_000_000 + ms).unwrap();
        let mut passing = |ms| (0..20).take_while(|_| bucket.draw(at(ms), 1.0)).count();
        for (ms, expected) in [(0, 5), (0, 0), (200, 1), (100, 0), (1_200, 5), (60_000, 5)] {
            assert_eq!(passing(ms), expected, "at {ms} ms");
        }
    }
}
