//! Times and lengths of time for people. Programs read RFC 3339 and seconds.

use jiff::fmt::friendly::{Designator, FractionalUnit, Spacing, SpanPrinter};
use jiff::{RoundMode, SignedDuration, Span, SpanRound, Timestamp, Unit};

const PRINTER: SpanPrinter = SpanPrinter::new().designator(Designator::Compact).spacing(Spacing::BetweenUnits);

/// Below this, a tenth of a second tells something.
const TENTHS_BELOW: SignedDuration = SignedDuration::from_secs(10);
/// From here on, seconds tell nothing.
const MINUTES_FROM: SignedDuration = SignedDuration::from_hours(24);

/// A length of time such as `17m 3s`, `2d 4h` or `0.4s`; cut, never rounded up, so that what is left is never overstated.
pub(crate) fn length(duration: SignedDuration) -> String {
    let duration = duration.max(SignedDuration::ZERO);
    if duration < TENTHS_BELOW {
        let tenths = SignedDuration::from_millis(i64::try_from(duration.as_millis() / 100 * 100).unwrap_or(i64::MAX));
        return PRINTER.fractional(Some(FractionalUnit::Second)).duration_to_string(&tenths);
    }
    let smallest = if duration < MINUTES_FROM { Unit::Second } else { Unit::Minute };
    let round = SpanRound::new().largest(Unit::Day).smallest(smallest).mode(RoundMode::Trunc).days_are_24_hours();
    match Span::try_from(duration).and_then(|span| span.round(round)) {
        Ok(span) => PRINTER.span_to_string(&span),
        // Beyond what a span can hold: hundreds of years.
        Err(_) => PRINTER.duration_to_string(&duration),
    }
}

/// A moment such as `2026-11-23 13:05:07 UTC`.
pub(crate) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The time of day such as `13:05:07`.
pub(crate) fn time_of_day(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}

/// A deadline and how far it is: `2026-11-23 13:05:07 UTC (17m 3s left)`.
pub(crate) fn deadline(at: Timestamp, now: Timestamp) -> String {
    let left = now.duration_until(at);
    if left.is_positive() {
        format!("{} ({} left)", moment(at), length(left))
    } else {
        format!("{} ({} ago)", moment(at), length(at.duration_until(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_short_and_never_overstated() {
        for (millis, text) in [
            (-5_000, "0s"),
            (0, "0s"),
            (460, "0.4s"),
            (9_999, "9.9s"),
            (10_999, "10s"),
            (1_023_000, "17m 3s"),
            (3_600_000, "1h"),
            (86_399_999, "23h 59m 59s"),
            (187_259_000, "2d 4h"),
            (2_592_000_000, "30d"),
        ] {
            assert_eq!(length(SignedDuration::from_millis(millis)), text, "{millis} ms");
        }
    }

    #[test]
    fn a_deadline_says_how_far_it_is() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().expect("a time");
        assert_eq!(deadline(now + SignedDuration::from_mins(20), now), "2026-11-23 12:20:00 UTC (20m left)");
        assert_eq!(deadline(now - SignedDuration::from_mins(20), now), "2026-11-23 11:40:00 UTC (20m ago)");
    }
}
