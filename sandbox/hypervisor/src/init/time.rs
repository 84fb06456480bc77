//! Time as systemd writes it: spans (`5min 20s`) and points (`2026-11-23 14:00:00 UTC`).

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Reads a span of time. A number without a unit counts seconds; `infinity` is [`Duration::MAX`].
pub(crate) fn parse_span(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest == "infinity" {
        return Some(Duration::MAX);
    }
    let mut total = Duration::ZERO;
    let mut parts = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let value: f64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        total = total.checked_add(Duration::try_from_secs_f64(value * unit_seconds(&rest[..letters])?).ok()?)?;
        rest = rest[letters..].trim_start();
        parts += 1;
    }
    (parts > 0).then_some(total)
}

/// The length of a unit, from systemd.time(7).
fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "us" | "usec" | "µs" => 1e-6,
        "ms" | "msec" => 1e-3,
        "" | "s" | "sec" | "second" | "seconds" => 1.0,
        "m" | "min" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        "M" | "month" | "months" => 2_629_800.0,
        "y" | "year" | "years" => 31_557_600.0,
        _ => return None,
    })
}

/// Reads a point in time. Machines live in UTC, so a missing zone means UTC. Repeating calendar expressions are not points in time.
pub(crate) fn parse_point(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Some(seconds) = text.strip_prefix('@') {
        return Timestamp::from_second(seconds.parse().ok()?).ok();
    }
    let text = text.strip_suffix(" UTC").or_else(|| text.strip_suffix('Z')).unwrap_or(text);
    let text = match text.split_once(' ') {
        Some((weekday, rest)) if weekday.chars().all(char::is_alphabetic) => rest.trim_start(),
        _ => text,
    };
    if !text.contains([' ', 'T']) {
        return None;
    }
    TimeZone::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok()
}

/// Writes a point in time the way systemd shows it.
pub(crate) fn show_point(point: Timestamp) -> String {
    point.strftime("%a %Y-%m-%d %H:%M:%S UTC").to_string()
}

/// How long until `point`; zero if it has passed.
pub(crate) fn until(point: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(point.duration_since(now)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let table = [
            ("90", Some(Duration::from_secs(90))),
            ("5min 20s", Some(Duration::from_secs(320))),
            ("1h30m", Some(Duration::from_secs(5400))),
            ("250ms", Some(Duration::from_millis(250))),
            ("1.5 s", Some(Duration::from_millis(1500))),
            ("infinity", Some(Duration::MAX)),
            ("", None),
            ("5 parsecs", None),
            ("soon", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse_span(text), expected, "{text:?}");
        }
    }

    #[test]
    fn points() {
        let point: Timestamp = "2026-11-23T14:00:00Z".parse().unwrap();
        let same = ["2026-11-23 14:00:00 UTC", "2026-11-23 14:00:00", "Mon 2026-11-23 14:00 UTC", "2026-11-23T14:00:00Z", "@1795442400"];
        for text in same {
            assert_eq!(parse_point(text), Some(point), "{text:?}");
        }
        for text in ["hourly", "*-*-* 04:00:00", "2026-11-23", "14:00", ""] {
            assert_eq!(parse_point(text), None, "{text:?}");
        }
        assert_eq!(show_point(point), "Mon 2026-11-23 14:00:00 UTC");
    }
}
