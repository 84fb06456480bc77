//! Lengths of time as Go writes them: `1h30m`, `1.5h`, `500ms`.

use crate::duration::Seconds;

const SECOND_NS: u128 = 1_000_000_000;

/// The units of Go's `time.ParseDuration`, in nanoseconds.
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND_NS),
    ("m", 60 * SECOND_NS),
    ("h", 3_600 * SECOND_NS),
];

/// A length of time in whole seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Length {
    pub(super) seconds: Seconds,
    /// Whether a part of a second was made a whole one.
    pub(super) is_rounded: bool,
}

/// Reads a length of time; nothing if it is none, or less than nothing.
pub(super) fn parse(text: &str) -> Option<Length> {
    let text = text.strip_prefix('+').unwrap_or(text);
    // The only number that needs no unit.
    let mut rest = if text == "0" { "0s" } else { text };
    if rest.is_empty() {
        return None;
    }
    let mut total_ns: u128 = 0;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !is_of_number(c))?);
        let (unit, after) = after.split_at(after.find(is_of_number).unwrap_or(after.len()));
        let (_, unit_ns) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total_ns = total_ns.checked_add(times(number, *unit_ns)?)?;
        rest = after;
    }
    let seconds = u64::try_from(total_ns.div_ceil(SECOND_NS)).ok()?;
    Some(Length { seconds: Seconds(seconds), is_rounded: !total_ns.is_multiple_of(SECOND_NS) })
}

fn is_of_number(c: char) -> bool {
    c.is_ascii_digit() || c == '.'
}

/// So many of a unit, in nanoseconds.
fn times(number: &str, unit_ns: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u64>().ok().map(u128::from) };
    // What further digits say is less than a nanosecond of an hour.
    let fraction = &fraction[..fraction.len().min(18)];
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    Some(digits(whole)? * unit_ns + digits(fraction)? * unit_ns / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_as_go_reads_them() {
        for (text, seconds, is_rounded) in [
            ("30s", 30, false),
            ("1h30m", 5_400, false),
            ("30m1h", 5_400, false),
            ("1m1m", 120, false),
            ("1.5h", 5_400, false),
            (".5m", 30, false),
            ("2.m", 120, false),
            ("+5m", 300, false),
            ("1h0m0s", 3_600, false),
            ("0", 0, false),
            ("0s", 0, false),
            ("1000ms", 1, false),
            ("500ms", 1, true),
            ("1.000000000000000000001s", 1, false),
            ("1s1ns", 2, true),
            ("250µs", 1, true),
        ] {
            assert_eq!(parse(text), Some(Length { seconds: Seconds(seconds), is_rounded }), "{text:?}");
        }
        for text in
            ["", "+", "5", "-5m", "soon", "5 m", "1d", "1h30", "1h0", "1.5.5h", ".h", "m", "{{TIMEOUT:30m}}", "99999999999999999999h"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
