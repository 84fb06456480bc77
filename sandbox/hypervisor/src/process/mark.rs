//! The mark: a resource limit no other process below the hypervisor has.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

/// Linux's default for `RLIMIT_MSGQUEUE`, used where this process has no limit at all.
const DEFAULT_LIMIT: u64 = 819_200;

/// A value of `RLIMIT_MSGQUEUE`, given to one machine or one unit.
///
/// Marks only ever fall: a limit can be lowered without privileges but not raised, so a unit's mark can replace its machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mark(u64);

impl Mark {
    /// The next unused mark of this process. All hypervisors of a process share the count, since they share the descendants.
    pub(crate) fn next() -> Self {
        static COUNTER: OnceLock<AtomicU64> = OnceLock::new();
        let counter = COUNTER.get_or_init(|| AtomicU64::new(getrlimit(Resource::Msgqueue).maximum.unwrap_or(DEFAULT_LIMIT)));
        // Below one there is nothing left to tell apart; the environment then has to do.
        let before = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |value| Some(value.saturating_sub(1)));
        Self(before.unwrap_or(0).saturating_sub(1))
    }

    /// Puts the mark on a process, which must not have started children yet.
    pub(crate) fn put(self, pid: i32) {
        let limit = Rlimit { current: Some(self.0), maximum: Some(self.0) };
        if self.0 == 0 {
            return;
        }
        if let Err(error) = prlimit(Pid::from_raw(pid), Resource::Msgqueue, limit) {
            tracing::debug!(%error, pid, "process not marked; its environment will have to do");
        }
    }

    /// Reads the mark of any process, even of one that has ended and waits to be collected.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
        let line = limits.lines().find_map(|line| line.strip_prefix("Max msgqueue size"))?;
        line.split_whitespace().next()?.parse().ok().map(Self)
    }
}
