//! Reading streams of CloudWatch Logs that are still being written.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::{SignedDuration, Timestamp};

use crate::ports::LogEvent;

/// Whoever writes sends it in his own time, so that something older may arrive after something newer: each read goes back so far.
const OVERLAP: SignedDuration = SignedDuration::from_secs(30);

/// What has been read, so that nothing is told twice.
#[derive(Debug)]
pub struct Reader {
    from: Timestamp,
    /// When each was written, and what stands for it: of a million lines, their ids would take a hundred megabytes.
    seen: BTreeSet<(Timestamp, u64)>,
}

impl Reader {
    /// Of what was written since then.
    #[must_use]
    pub fn new(from: Timestamp) -> Self {
        Self { from, seen: BTreeSet::new() }
    }

    /// From when on the next read has to ask; each page of a read asks from the same time.
    #[must_use]
    pub fn from(&self) -> Timestamp {
        self.from
    }

    /// The events of a page that are new. Moves on, and forgets what no later read can return.
    pub fn fresh(&mut self, mut events: Vec<LogEvent>) -> Vec<LogEvent> {
        events.retain(|event| self.seen.insert((event.at, mark(event))));
        if let Some((newest, _)) = self.seen.last() {
            self.from = self.from.max(*newest - OVERLAP);
        }
        self.seen = self.seen.split_off(&(self.from, 0));
        events
    }
}

/// What stands for an event.
fn mark(event: &LogEvent) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&event.stream, &event.id).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn event(second: i64, id: &str) -> LogEvent {
        LogEvent { at: at(second), stream: "fleet-a/run-b/00007".into(), id: id.into(), message: String::new() }
    }

    #[test]
    fn a_late_line_is_told_and_none_twice() {
        let mut reader = Reader::new(at(0));
        let mut ids = |events: Vec<LogEvent>| reader.fresh(events).iter().map(|event| event.id.clone()).collect::<String>();
        assert_eq!(ids(vec![event(10, "a"), event(40, "b")]), "ab");
        assert_eq!(ids(vec![event(10, "a"), event(20, "c"), event(40, "b"), event(40, "d")]), "cd");
        assert_eq!(ids(vec![event(100, "e")]), "e");
        assert_eq!(ids(vec![event(100, "e")]), "");
        assert_eq!((reader.from(), reader.seen.len()), (at(70), 1));
    }
}
