//! When schedules fire: `at(…)`, `rate(…)` and `cron(…)`.

mod cron;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

pub(crate) use cron::Cron;

/// A schedule expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expression {
    /// Once.
    At(DateTime),
    /// Again and again.
    Rate(SignedDuration),
    /// By the calendar.
    Cron(Cron),
}

/// A schedule's times.
#[derive(Debug, Clone)]
pub(crate) struct Timing {
    /// The expression.
    pub(crate) expression: Expression,
    /// Where `at` and `cron` are read.
    pub(crate) zone: TimeZone,
    /// Not before.
    pub(crate) start: Option<Timestamp>,
    /// Not after.
    pub(crate) end: Option<Timestamp>,
    /// When the schedule was made: a rate without start counts from here.
    pub(crate) created: Timestamp,
}

impl Expression {
    /// Reads an expression; `None` if it is not one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (kind, inside) = text.strip_suffix(')')?.split_once('(')?;
        match kind {
            "at" => inside.parse::<DateTime>().ok().map(Self::At),
            "rate" => {
                let (count, unit) = inside.split_once(' ')?;
                let count: i64 = count.parse().ok().filter(|count| *count > 0)?;
                let minutes = match unit {
                    "minute" | "minutes" => 1,
                    "hour" | "hours" => 60,
                    "day" | "days" => 1_440,
                    _ => return None,
                };
                Some(Self::Rate(SignedDuration::from_mins(count.checked_mul(minutes)?)))
            }
            "cron" => Cron::parse(inside).map(Self::Cron),
            _ => None,
        }
    }
}

impl Timing {
    /// The first time at or after `from` (exclusive of what is before `start` or after `end`).
    pub(crate) fn next(&self, from: Timestamp) -> Option<Timestamp> {
        let from = self.start.map_or(from, |start| from.max(start));
        let next = match &self.expression {
            Expression::At(at) => self.zone.to_timestamp(*at).ok().filter(|at| *at >= from)?,
            Expression::Rate(every) => {
                // With a start the first invocation is at the start, without one an interval after the creation.
                let first = self.start.unwrap_or(self.created.saturating_add(*every).ok()?);
                if from <= first {
                    first
                } else {
                    let passed = from.duration_since(first).as_millis();
                    let rounds = (passed + every.as_millis() - 1) / every.as_millis();
                    let ahead = i64::try_from(rounds * every.as_millis()).ok()?;
                    first.saturating_add(SignedDuration::from_millis(ahead)).ok()?
                }
            }
            Expression::Cron(cron) => cron.next(from, &self.zone)?,
        };
        (self.end.is_none_or(|end| next <= end)).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(expression: &str, start: Option<&str>, end: Option<&str>) -> Timing {
        Timing {
            expression: Expression::parse(expression).unwrap(),
            zone: TimeZone::UTC,
            start: start.map(|text| text.parse().unwrap()),
            end: end.map(|text| text.parse().unwrap()),
            created: "2026-11-23T12:00:30Z".parse().unwrap(),
        }
    }

    #[test]
    fn times_follow_each_other() {
        for (expression, start, end, expected) in [
            ("rate(5 minutes)", None, None, vec!["2026-11-23T12:05:30Z", "2026-11-23T12:10:30Z", "2026-11-23T12:15:30Z"]),
            (
                "rate(5 minutes)",
                Some("2026-11-23T13:00:00Z"),
                Some("2026-11-23T13:09:00Z"),
                vec!["2026-11-23T13:00:00Z", "2026-11-23T13:05:00Z"],
            ),
            ("at(2026-11-24T01:02:03)", None, None, vec!["2026-11-24T01:02:03Z"]),
            ("at(2026-11-22T01:02:03)", None, None, vec![]),
            (
                "cron(0/30 13 * * ? *)",
                None,
                Some("2026-11-24T13:00:00Z"),
                vec!["2026-11-23T13:00:00Z", "2026-11-23T13:30:00Z", "2026-11-24T13:00:00Z"],
            ),
        ] {
            let timing = timing(expression, start, end);
            let mut from = timing.created;
            let mut got = Vec::new();
            while let Some(next) = timing.next(from).filter(|_| got.len() < 3) {
                got.push(next.to_string());
                from = next.saturating_add(SignedDuration::from_millis(1)).unwrap();
            }
            assert_eq!(got, expected, "{expression}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in [
            "",
            "rate(0 minutes)",
            "rate(5 seconds)",
            "rate(5minutes)",
            "at(tomorrow)",
            "cron(* * *)",
            "every(5 minutes)",
            "rate(5 minutes",
        ] {
            assert_eq!(Expression::parse(text), None, "{text}");
        }
    }
}
