//! When something that was not taken is sent again.

use jiff::{SignedDuration, Timestamp};

use super::Delivery;

/// How long a channel is tried.
const TRIED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// The longest pause between two tries.
const PAUSE_MAX: SignedDuration = SignedDuration::from_hours(1);

impl Delivery {
    /// Whether it is to be tried at a moment, of something that happened at another.
    #[must_use]
    pub fn is_due(&self, happened_at: Timestamp, now: Timestamp) -> bool {
        if self.is_settled(happened_at, now) {
            return false;
        }
        self.tried_at.is_none_or(|tried| now >= tried + pause(self.tries))
    }

    /// Whether nobody tries it any more: it was taken, or refused for a day.
    #[must_use]
    pub fn is_settled(&self, happened_at: Timestamp, now: Timestamp) -> bool {
        self.delivered_at.is_some() || self.tries > 0 && now >= happened_at + TRIED_FOR
    }
}

/// After so many tries: two minutes, four, eight, and at most an hour.
fn pause(tries: u32) -> SignedDuration {
    SignedDuration::from_mins(1_i64 << tries.min(6)).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_tried_for_a_day_and_less_and_less_often() {
        let happened_at: Timestamp = "2030-01-01T00:00:00Z".parse().expect("a time");
        let mut delivery = Delivery::default();
        let mut tried = Vec::new();
        for minute in 0..3_000 {
            let now = happened_at + SignedDuration::from_mins(minute);
            if delivery.is_due(happened_at, now) {
                tried.push(minute);
                delivery.begun(now);
                delivery.ended(Some("503".to_owned()), now);
            }
        }
        assert_eq!(tried[..8], [0, 2, 6, 14, 30, 62, 122, 182]);
        assert!(tried.last().is_some_and(|last| (1_380..1_440).contains(last)), "{tried:?}");
    }

    #[test]
    fn what_was_taken_is_not_sent_again() {
        let at: Timestamp = "2030-01-01T00:00:00Z".parse().expect("a time");
        let mut delivery = Delivery::default();
        assert!(delivery.is_due(at, at));
        delivery.begun(at);
        assert!(!delivery.is_due(at, at + SignedDuration::from_secs(119)), "somebody is at it");
        assert!(delivery.is_due(at, at + SignedDuration::from_secs(120)), "and has died over it");
        delivery.ended(None, at);
        assert!(!delivery.is_due(at, at + SignedDuration::from_hours(1)));
        // Whoever comes late, because nobody was there for a day, tries once all the same.
        assert!(Delivery::default().is_due(at, at + SignedDuration::from_hours(30)));
    }
}
