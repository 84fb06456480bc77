//! AWS's side of the sandbox lives by a clock that can be put forward; processes live in real time.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// Real time plus an offset that only grows.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    offset_ms: AtomicI64,
}

impl Clock {
    /// The sandbox's time.
    pub(crate) fn now(&self) -> Timestamp {
        let offset = SignedDuration::from_millis(self.offset_ms.load(Ordering::SeqCst));
        self.real_now().saturating_add(offset).unwrap_or(Timestamp::MAX)
    }

    /// Real time: signatures are dated by it.
    pub(crate) fn real_now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// Puts the clock forward and answers the new time. A negative duration changes nothing: time never runs backwards.
    pub(crate) fn advance(&self, by: SignedDuration) -> Timestamp {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX).max(0);
        self.offset_ms.fetch_add(by, Ordering::SeqCst);
        self.now()
    }

    /// How far it is ahead of real time.
    pub(crate) fn offset(&self) -> SignedDuration {
        SignedDuration::from_millis(self.offset_ms.load(Ordering::SeqCst))
    }
}
