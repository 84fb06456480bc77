//! Trying again, by the class of the failure.

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::failure::{Class, Failure};

/// The pause after the first failure; it doubles after each.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Until when to try again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// After [`Class::Rights`].
    pub(crate) rights: Instant,
    /// After [`Class::Transient`] and [`Class::Conflict`].
    pub(crate) trouble: Instant,
    /// After [`Class::NotFound`].
    pub(crate) missing: Instant,
}

impl Patience {
    fn with(&self, class: Class) -> Option<Instant> {
        match class {
            Class::Rights => Some(self.rights),
            Class::Transient | Class::Conflict => Some(self.trouble),
            Class::NotFound => Some(self.missing),
            Class::Taken | Class::Invalid => None,
        }
    }
}

/// Repeats `attempt` until it goes well, or can never, or patience ends. For reads and writes that may be made twice.
pub(crate) async fn retry<T>(patience: Patience, mut attempt: impl AsyncFnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    let mut pause = FIRST_PAUSE;
    loop {
        let failure = match attempt().await {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        let wait = jitter(pause);
        match patience.with(failure.class) {
            Some(end) if Instant::now() + wait <= end => sleep(wait).await,
            _ => return Err(failure),
        }
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// Between half of `pause` and all of it, so that a thousand machines that failed together do not come back together.
fn jitter(pause: Duration) -> Duration {
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    pause / 2 + (pause / 2).mul_f64((random % 1000) as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_class_decides_how_often() {
        for (class, once) in [
            (Class::Rights, false),
            (Class::Transient, false),
            (Class::Conflict, false),
            (Class::NotFound, true),
            (Class::Taken, true),
            (Class::Invalid, true),
        ] {
            let mut attempts = 0;
            let start = Instant::now();
            let end = start + Duration::from_secs(60);
            let result: Result<(), Failure> = retry(Patience { rights: end, trouble: end, missing: start }, async || {
                attempts += 1;
                Err(Failure::new(class, "no"))
            })
            .await;
            assert!(result.is_err());
            assert_eq!(attempts == 1, once, "{class:?}: {attempts}");
            assert!(attempts < 40 && start.elapsed() <= Duration::from_secs(60), "{class:?}: {attempts}");
        }
    }
}
