//! The time by which a function judges.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use spawn_core::ports::Clock;

/// A clock that is never behind what its invoker said when it invoked.
///
/// AWS invokes after the moment it names, so there it is the machine's own clock. A clock that runs late would let machines live
/// beyond their lease; and where AWS's time can be moved on, the machine's stays behind. Whoever may invoke a function may name any
/// moment, so one that is too far ahead is not believed.
pub(crate) struct NotBefore {
    clock: Arc<dyn Clock>,
    ahead: SignedDuration,
}

impl NotBefore {
    /// A clock that begins at `told`, if that is later, and at most by `most`.
    pub(crate) fn new(clock: Arc<dyn Clock>, told: Option<Timestamp>, most: SignedDuration) -> Self {
        let ahead = told.map_or(SignedDuration::ZERO, |told| told.duration_since(clock.now()));
        Self { clock, ahead: if ahead > most { SignedDuration::ZERO } else { ahead.max(SignedDuration::ZERO) } }
    }
}

#[async_trait]
impl Clock for NotBefore {
    fn now(&self) -> Timestamp {
        self.clock.now() + self.ahead
    }

    async fn sleep(&self, millis: u64) {
        self.clock.sleep(millis).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Noon;

    #[async_trait]
    impl Clock for Noon {
        fn now(&self) -> Timestamp {
            "2030-01-01T12:00:00Z".parse().expect("a time")
        }

        async fn sleep(&self, _: u64) {}
    }

    const MOST: SignedDuration = SignedDuration::from_mins(20);

    #[test]
    fn the_later_of_both_counts_unless_nobody_can_believe_it() {
        for (told, now) in [
            (None, "2030-01-01T12:00:00Z"),
            (Some("2030-01-01T11:45:00Z"), "2030-01-01T12:00:00Z"),
            (Some("2030-01-01T12:15:00Z"), "2030-01-01T12:15:00Z"),
            (Some("2100-01-01T00:00:00Z"), "2030-01-01T12:00:00Z"),
        ] {
            let clock = NotBefore::new(Arc::new(Noon), told.map(|told| told.parse().expect("a time")), MOST);
            assert_eq!(clock.now().to_string(), now, "{told:?}");
        }
    }
}
