//! Bytes that devices have moved since they came to be, and how many more those are than before.

use std::collections::BTreeMap;
use std::time::Duration;

/// Bytes by device.
pub(super) type Counters = BTreeMap<String, u64>;

/// Bytes a second between two looks. A device that has come meanwhile tells nothing yet, one that has gone nothing more.
pub(super) fn rate(before: &Counters, now: &Counters, elapsed: Duration) -> f64 {
    let grown: u64 = now.iter().filter_map(|(name, now)| Some(grown(*before.get(name)?, *now))).sum();
    #[expect(clippy::cast_precision_loss, reason = "a rate, shown with a few digits")]
    let bytes = grown as f64;
    bytes / elapsed.as_secs_f64()
}

/// A counter that is smaller than before has either run over its 32 bits, as those of some drivers do, or begun anew.
fn grown(before: u64, now: u64) -> u64 {
    const TURN: u64 = 1 << 32;
    match now.checked_sub(before) {
        Some(grown) => grown,
        None if (TURN / 2..TURN).contains(&before) => now + TURN - before,
        None => now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(pairs: &[(&str, u64)]) -> Counters {
        pairs.iter().map(|(name, bytes)| ((*name).to_owned(), *bytes)).collect()
    }

    #[test]
    fn only_growth_counts() {
        let max = u64::from(u32::MAX);
        for (what, before, now, per_second) in [
            ("nothing there", &[][..], &[][..], 0.0),
            ("large totals that stand still", &[("a", 1 << 60)], &[("a", 1 << 60)], 0.0),
            ("growth", &[("a", 1000), ("b", 0)], &[("a", 1500), ("b", 500)], 100.0),
            ("one that has come", &[("a", 1000)], &[("a", 1000), ("b", 1 << 40)], 0.0),
            ("one that has gone", &[("a", 1000), ("b", 1 << 40)], &[("a", 1100)], 10.0),
            ("one under another name", &[("eth0", 1 << 40)], &[("ens5", 1 << 40)], 0.0),
            ("32 bits run over", &[("a", max - 399)], &[("a", 600)], 100.0),
            ("one that began anew", &[("a", 1 << 40)], &[("a", 1000)], 100.0),
            ("a small one that began anew", &[("a", 5000)], &[("a", 1000)], 100.0),
        ] {
            assert_eq!(rate(&counters(before), &counters(now), Duration::from_secs(10)), per_second, "{what}");
        }
    }
}
