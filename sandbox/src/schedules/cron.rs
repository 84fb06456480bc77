//! Cron expressions of six fields: minutes, hours, day of month, month, day of week, year.

use jiff::civil::{Date, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan as _};

/// A cron expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cron {
    minutes: Vec<i16>,
    hours: Vec<i16>,
    days: Days,
    months: Vec<i16>,
    years: Vec<i16>,
}

#[derive(Debug, Clone, PartialEq)]
enum Days {
    Month(Vec<i16>),
    LastOfMonth,
    /// 1 is Sunday.
    Week(Vec<i16>),
}

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Cron {
    /// Reads the six fields. `W`, `#` and `L` in weeks are not known.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, day, month, weekday, year] = fields[..] else { return None };
        // Exactly one of the two day fields is a question mark.
        let days = match (day, weekday) {
            ("L", "?") => Days::LastOfMonth,
            ("?", weekday) if weekday != "?" => Days::Week(list(weekday, 1, 7, &WEEKDAYS)?),
            (day, "?") => Days::Month(list(day, 1, 31, &[])?),
            _ => return None,
        };
        Some(Self {
            minutes: list(minutes, 0, 59, &[])?,
            hours: list(hours, 0, 23, &[])?,
            days,
            months: list(month, 1, 12, &MONTHS)?,
            years: list(year, 1970, 2199, &[])?,
        })
    }

    /// The first time at or after `from`.
    pub(crate) fn next(&self, from: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut date = zone.to_datetime(from).date();
        let last_year = *self.years.last()?;
        while date.year() <= last_year {
            if self.on(date) {
                for hour in &self.hours {
                    for minute in &self.minutes {
                        let (hour, minute) = (i8::try_from(*hour).ok()?, i8::try_from(*minute).ok()?);
                        let at = zone.to_ambiguous_timestamp(date.at(hour, minute, 0, 0));
                        // A time that daylight saving skips is not invoked at, and one that comes twice is once
                        // (docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html).
                        if matches!(at.offset(), AmbiguousOffset::Gap { .. }) {
                            continue;
                        }
                        if let Some(at) = at.earlier().ok().filter(|at| *at >= from) {
                            return Some(at);
                        }
                    }
                }
            }
            date = date.checked_add(1.day()).ok()?;
        }
        None
    }

    fn on(&self, date: Date) -> bool {
        self.years.contains(&date.year())
            && self.months.contains(&i16::from(date.month()))
            && match &self.days {
                Days::LastOfMonth => date == date.last_of_month(),
                Days::Month(days) => days.contains(&i16::from(date.day())),
                Days::Week(days) => days.contains(&sunday_one(date.weekday())),
            }
    }
}

fn sunday_one(day: Weekday) -> i16 {
    i16::from(day.to_sunday_one_offset())
}

fn list(field: &str, first: i16, last: i16, names: &[&str]) -> Option<Vec<i16>> {
    let number = |text: &str| -> Option<i16> {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let value = match named {
            Some(position) => first + i16::try_from(position).ok()?,
            None => text.parse().ok()?,
        };
        (first..=last).contains(&value).then_some(value)
    };
    let mut values = Vec::new();
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<usize>().ok().filter(|step| *step > 0)?)),
            None => (part, None),
        };
        let (low, high) = match (range, range.split_once('-'), step) {
            ("*", _, _) => (first, last),
            (_, Some((low, high)), _) => (number(low)?, number(high)?),
            (one, None, Some(_)) => (number(one)?, last),
            (one, None, None) => (number(one)?, number(one)?),
        };
        values.extend((low..=high).step_by(step.unwrap_or(1)));
    }
    values.sort_unstable();
    values.dedup();
    (!values.is_empty()).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_times() {
        for (text, from, expected) in [
            ("15 10 * * ? *", "2026-11-23T12:00:00Z", Some("2026-11-24T10:15:00Z")),
            ("0 9 ? * MON-FRI *", "2026-11-21T00:00:00Z", Some("2026-11-23T09:00:00Z")),
            ("0/15 * * * ? *", "2026-11-23T12:16:00Z", Some("2026-11-23T12:30:00Z")),
            ("0 0 1 JAN ? 2028", "2026-11-23T12:00:00Z", Some("2028-01-01T00:00:00Z")),
            ("0 0 L * ? *", "2026-11-23T12:00:00Z", Some("2026-11-30T00:00:00Z")),
            ("0 0 1 1 ? 2020", "2026-11-23T12:00:00Z", None),
        ] {
            let next = Cron::parse(text).unwrap().next(from.parse().unwrap(), &TimeZone::UTC);
            assert_eq!(next.map(|next| next.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn daylight_saving_skips_a_time_and_repeats_none() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (from, expected) in [
            ("2027-03-27T12:00:00Z", "2027-03-29T00:30:00Z"),
            ("2027-10-30T12:00:00Z", "2027-10-31T00:30:00Z"),
            ("2027-10-31T00:31:00Z", "2027-11-01T01:30:00Z"),
        ] {
            let next = Cron::parse("30 2 * * ? *").unwrap().next(from.parse().unwrap(), &berlin);
            assert_eq!(next.map(|next| next.to_string()).as_deref(), Some(expected), "{from}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for text in ["* * * * * *", "* * ? * ? *", "60 * * * ? *", "* * ? * 2#1 *", "* * 3W * ? *", "* * * * ?"] {
            assert_eq!(Cron::parse(text), None, "{text}");
        }
    }
}
