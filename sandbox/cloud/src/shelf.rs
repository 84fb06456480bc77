//! Storage whose readers may be late.
//!
//! Whoever changes something sees the truth. Whoever describes may be answered from the past, as by EC2, where a reply
//! comes from a copy that has not heard yet. With no lag configured nothing is kept of the past, and reading costs nothing.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

/// Things by id, with as much of their past as a late reader may see.
#[derive(Clone, Debug)]
pub(crate) struct Shelf<T> {
    lag: SignedDuration,
    truth: BTreeMap<String, T>,
    /// What each thing was from a time on, oldest first; none is "did not exist".
    past: BTreeMap<String, Vec<(Timestamp, Option<T>)>>,
}

impl<T: Clone> Shelf<T> {
    pub(crate) fn new(lag_ms: u64) -> Self {
        let lag = SignedDuration::from_millis(i64::try_from(lag_ms).unwrap_or(i64::MAX));
        Shelf { lag, truth: BTreeMap::new(), past: BTreeMap::new() }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.truth.get(id)
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.truth.contains_key(id)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.truth.values()
    }

    pub(crate) fn insert(&mut self, now: Timestamp, id: String, value: T) {
        self.remember(now, &id, Some(value.clone()));
        self.truth.insert(id, value);
    }

    /// Changes a thing that exists; says whether it did.
    pub(crate) fn change(&mut self, now: Timestamp, id: &str, change: impl FnOnce(&mut T)) -> bool {
        let Some(value) = self.truth.get_mut(id) else { return false };
        change(value);
        if self.lag.is_positive() {
            let value = value.clone();
            self.remember(now, id, Some(value));
        }
        true
    }

    pub(crate) fn remove(&mut self, now: Timestamp, id: &str) -> Option<T> {
        let removed = self.truth.remove(id)?;
        self.remember(now, id, None);
        Some(removed)
    }

    /// Everything as a reader sees it who is `lateness` behind on a given id.
    pub(crate) fn seen(&self, now: Timestamp, lateness: impl Fn(&str) -> SignedDuration) -> Vec<&T> {
        if !self.lag.is_positive() {
            return self.truth.values().collect();
        }
        self.past
            .iter()
            .filter_map(|(id, versions)| {
                let at = now.checked_sub(lateness(id)).unwrap_or(Timestamp::MIN);
                versions.iter().rev().find(|(since, _)| *since <= at).and_then(|(_, value)| value.as_ref())
            })
            .collect()
    }

    fn remember(&mut self, now: Timestamp, id: &str, value: Option<T>) {
        if !self.lag.is_positive() {
            return;
        }
        let versions = self.past.entry(id.to_owned()).or_default();
        versions.push((now, value));
        // Of what is older than the longest lag, only the newest can still be seen.
        let horizon = now.checked_sub(self.lag).unwrap_or(Timestamp::MIN);
        let oldest = versions.iter().rposition(|(since, _)| *since <= horizon).unwrap_or(0);
        versions.drain(..oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn seen(shelf: &Shelf<u32>, now: i64, late: i64) -> Vec<u32> {
        shelf.seen(at(now), |_| SignedDuration::from_secs(late)).into_iter().copied().collect()
    }

    #[test]
    fn a_late_reader_sees_the_past() {
        let mut shelf = Shelf::new(10_000);
        shelf.insert(at(100), "a".into(), 1);
        shelf.change(at(105), "a", |v| *v = 2);
        shelf.remove(at(108), "a");
        let cases = [(99, 0, vec![]), (100, 0, vec![1]), (108, 0, vec![]), (108, 1, vec![2]), (108, 5, vec![1]), (108, 9, vec![])];
        for (now, late, expected) in cases {
            assert_eq!(seen(&shelf, now, late), expected, "at {now}, {late} s late");
        }
    }

    #[test]
    fn without_lag_every_reader_sees_the_truth() {
        let mut shelf = Shelf::new(0);
        shelf.insert(at(100), "a".into(), 1);
        assert_eq!(seen(&shelf, 100, 50), vec![1]);
    }
}
