//! Cron expressions of five fields, as crontab has them: minute, hour, day of month, month, day of week.

use std::fmt::Write as _;

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan as _};

/// How far ahead is looked for a time: around a century, 29 February is eight years away.
const YEARS_AHEAD: i16 = 9;

/// A set of small numbers, one bit each.
type Set = u64;

/// A cron expression that fires.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cron {
    minutes: Set,
    hours: Set,
    days: Set,
    months: Set,
    /// 0 is Sunday.
    weekdays: Set,
}

/// Why a text is no cron expression, and what to write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NoCron {
    /// One line that names the part and the rule.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

struct Part {
    name: &'static str,
    first: u8,
    last: u8,
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const PARTS: [Part; 5] = [
    Part { name: "minute", first: 0, last: 59, names: &[] },
    Part { name: "hour", first: 0, last: 23, names: &[] },
    Part { name: "day of month", first: 1, last: 31, names: &[] },
    Part { name: "month", first: 1, last: 12, names: &MONTHS },
    // Sunday is 0, and 7 as well.
    Part { name: "day of week", first: 0, last: 7, names: &WEEKDAYS },
];

/// Words for what is written most.
const WORDS: [(&str, &str); 6] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
];

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    /// If a field cannot be read, if both day fields are restricted, or if it never fires.
    pub fn parse(text: &str) -> Result<Self, NoCron> {
        let text = text.trim();
        let written = WORDS.iter().find(|(word, _)| *word == text).map_or(text, |(_, fields)| fields);
        let fields: Vec<&str> = written.split_whitespace().collect();
        let &[minute, hour, day, month, weekday] = fields.as_slice() else {
            let help =
                "Write five: minute, hour, day of month, month and day of week, such as \"30 2 * * MON-FRI\", or a word like \"@daily\"";
            return Err(no_cron(format!("{text:?} has {} fields, and cron has five", fields.len()), help));
        };
        let [minutes, hours, days, months, weekdays] =
            [PARTS[0].set(minute)?, PARTS[1].set(hour)?, PARTS[2].set(day)?, PARTS[3].set(month)?, PARTS[4].set(weekday)?];
        let weekdays = (weekdays | weekdays >> 7) & 0x7f;
        let cron = Self { minutes, hours, days, months, weekdays };
        if !cron.is_every_day_of_month() && !cron.is_every_weekday() {
            let message = format!("{text:?} restricts both the day of the month and the day of the week");
            let help =
                "Cron would take a day that is either, and AWS takes only one of the two: write \"*\" for one, or make two schedules";
            return Err(no_cron(message, help));
        }
        if !cron.is_every_day_of_month() && !cron.has_a_date() {
            return Err(no_cron(format!("{text:?} never comes: no such month has such a day"), "Check day of month and month"));
        }
        Ok(cron)
    }

    fn is_every_day_of_month(&self) -> bool {
        self.days == PARTS[2].all()
    }

    fn is_every_weekday(&self) -> bool {
        self.weekdays == 0x7f
    }

    fn has_a_date(&self) -> bool {
        // The longest of each month.
        let lengths = [31u8, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        lengths.iter().enumerate().any(|(month, length)| has(self.months, month + 1) && self.days & (Set::MAX >> (63 - length)) != 0)
    }

    /// As EventBridge Scheduler writes it: six fields, one of the two day fields a question mark.
    #[must_use]
    pub fn for_scheduler(&self) -> String {
        let (day, weekday) = if self.is_every_weekday() {
            (PARTS[2].written(self.days), "?".to_owned())
        } else {
            // By name: AWS counts weekdays from 1.
            ("?".to_owned(), PARTS[4].written(self.weekdays))
        };
        let [minute, hour, month] =
            [(&PARTS[0], self.minutes), (&PARTS[1], self.hours), (&PARTS[3], self.months)].map(|(part, set)| part.written(set));
        format!("cron({minute} {hour} {day} {month} {weekday} *)")
    }

    /// The first time after `after`. A time of the day that daylight saving skips does not come on that day, and one that comes twice counts
    /// once.
    #[must_use]
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let began = zone.to_datetime(after);
        let mut date = began.date();
        // Clocks are put back by less.
        let earliest = (i32::from(began.hour()) - 3) * 60;
        let last_year = date.year().saturating_add(YEARS_AHEAD);
        while date.year() <= last_year {
            if !has(self.months, date.month()) {
                date = date.last_of_month().checked_add(1.day()).ok()?;
                continue;
            }
            if self.is_on(date) {
                let earliest = if date == began.date() { earliest } else { 0 };
                let times = self.times().filter(|(hour, minute)| i32::from(*hour) * 60 + i32::from(*minute) >= earliest);
                let found = times.filter_map(|(hour, minute)| once(date.at(hour, minute, 0, 0), zone)).find(|at| *at > after);
                if found.is_some() {
                    return found;
                }
            }
            date = date.checked_add(1.day()).ok()?;
        }
        None
    }

    fn is_on(&self, date: Date) -> bool {
        has(self.days, date.day()) && has(self.weekdays, date.weekday().to_sunday_zero_offset())
    }

    fn times(&self) -> impl Iterator<Item = (i8, i8)> {
        let (hours, minutes) = (self.hours, self.minutes);
        let hours = (0..24).filter(move |hour| has(hours, *hour));
        hours.flat_map(move |hour| (0..60).filter(move |minute| has(minutes, *minute)).map(move |minute| (hour, minute)))
    }
}

/// When a clock on the wall shows a time first; never, if daylight saving skips it.
pub(super) fn once(at: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(at);
    match ambiguous.offset() {
        AmbiguousOffset::Gap { .. } => None,
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok(),
    }
}

impl Part {
    fn all(&self) -> Set {
        range(self.first, self.last)
    }

    fn set(&self, text: &str) -> Result<Set, NoCron> {
        text.split(',').try_fold(0, |set, item| Ok(set | self.item(item)?))
    }

    /// `*`, a number, a range, and each of them with a step.
    fn item(&self, item: &str) -> Result<Set, NoCron> {
        let (span, step) = match item.split_once('/') {
            Some((span, step)) => (span, Some(self.step(step, item)?)),
            None => (item, None),
        };
        let (low, high) = match (span, span.split_once('-')) {
            ("*", _) => (self.first, if self.names.len() == 7 { 6 } else { self.last }),
            (_, Some((low, high))) => (self.number(low, item)?, self.number(high, item)?),
            (one, None) => {
                let low = self.number(one, item)?;
                (low, if step.is_some() { self.last } else { low })
            }
        };
        if low > high {
            let message = format!("{item:?} in the {} of a cron expression goes backwards", self.name);
            return Err(no_cron(message, "Write the smaller one first, or two ranges with a comma"));
        }
        let step = step.unwrap_or(1);
        Ok((low..=high).step_by(usize::from(step)).fold(0, |set, value| set | 1 << value))
    }

    fn step(&self, text: &str, item: &str) -> Result<u8, NoCron> {
        text.parse().ok().filter(|step| (1..=self.last).contains(step)).ok_or_else(|| {
            let message = format!("{item:?} in the {} of a cron expression has a step of {text:?}", self.name);
            no_cron(message, &format!("Write a step from 1 to {}, such as \"*/2\"", self.last))
        })
    }

    fn number(&self, text: &str, item: &str) -> Result<u8, NoCron> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text)).and_then(|at| u8::try_from(at).ok());
        let value = named.map(|at| at + if self.names.len() == 12 { 1 } else { 0 });
        let digits = || text.parse::<u8>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        value.or_else(digits).filter(|value| (self.first..=self.last).contains(value)).ok_or_else(|| {
            let names = match self.names {
                [] => String::new(),
                [first, .., last] => format!(", or {first} to {last}"),
                [only] => format!(", or {only}"),
            };
            let message = format!("{item:?} cannot be the {} of a cron expression", self.name);
            let help = format!(
                "Write numbers from {} to {}{names}; \"*\" is any, and ranges, lists and steps are like \"1-5\", \"1,3\" and \"*/2\"",
                self.first, self.last
            );
            no_cron(message, &help)
        })
    }

    /// A set as cron writes it, with ranges of three and more.
    fn written(&self, set: Set) -> String {
        let last = if self.names.len() == 7 { 6 } else { self.last };
        if set == range(self.first, last) {
            return "*".to_owned();
        }
        let name = |value: u8| match self.names {
            [] => value.to_string(),
            names => names[usize::from(value - if names.len() == 12 { 1 } else { 0 })].to_owned(),
        };
        let mut text = String::new();
        let mut value = self.first;
        while value <= last {
            if !has(set, value) {
                value += 1;
                continue;
            }
            let mut end = value;
            while end < last && has(set, end + 1) {
                end += 1;
            }
            let separator = if text.is_empty() { "" } else { "," };
            let _infallible = match end - value {
                0 => write!(text, "{separator}{}", name(value)),
                1 => write!(text, "{separator}{},{}", name(value), name(end)),
                _ => write!(text, "{separator}{}-{}", name(value), name(end)),
            };
            value = end + 1;
        }
        text
    }
}

fn has<T: TryInto<u32>>(set: Set, value: T) -> bool {
    value.try_into().is_ok_and(|value| value < 64 && set >> value & 1 == 1)
}

const fn range(first: u8, last: u8) -> Set {
    (Set::MAX >> (63 - last)) & (Set::MAX << first)
}

fn no_cron(message: String, help: &str) -> NoCron {
    NoCron { message, help: help.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nexts(text: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let (cron, zone) = (Cron::parse(text).expect(text), TimeZone::get(zone).expect("a zone"));
        let mut at: Timestamp = from.parse().expect("a time");
        let mut found = Vec::new();
        while let Some(next) = cron.next(at, &zone).filter(|_| found.len() < count) {
            found.push(next.to_string());
            at = next;
        }
        found
    }

    #[test]
    fn the_next_times_are_those_of_the_wall_clock() {
        for (text, zone, from, expected) in [
            ("30 2 * * MON-FRI", "UTC", "2026-11-27T02:30:00Z", &["2026-11-30T02:30:00Z", "2026-12-01T02:30:00Z"][..]),
            ("*/20 9-10 * * *", "UTC", "2026-11-27T09:30:00Z", &["2026-11-27T09:40:00Z", "2026-11-27T10:00:00Z"]),
            ("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
            ("0 8 * * 7", "Europe/Berlin", "2026-11-27T00:00:00Z", &["2026-11-29T07:00:00Z"]),
            // 2:30 does not come on 28 March 2027 in Berlin, and comes twice on 31 October.
            ("30 2 * * *", "Europe/Berlin", "2027-03-26T12:00:00Z", &["2027-03-27T01:30:00Z", "2027-03-29T00:30:00Z"]),
            ("30 2 * * *", "Europe/Berlin", "2027-10-30T12:00:00Z", &["2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"]),
            ("@monthly", "America/New_York", "2026-11-27T00:00:00Z", &["2026-12-01T05:00:00Z", "2027-01-01T05:00:00Z"]),
        ] {
            assert_eq!(nexts(text, zone, from, expected.len()), expected, "{text} in {zone}");
        }
    }

    #[test]
    fn scheduler_is_told_the_same_in_its_own_words() {
        for (text, expected) in [
            ("30 2 * * MON-FRI", "cron(30 2 ? * MON-FRI *)"),
            ("*/15 * * * *", "cron(0,15,30,45 * * * ? *)"),
            ("0 0 1,15 jan-mar *", "cron(0 0 1,15 JAN-MAR ? *)"),
            ("5 4 * * 0,6", "cron(5 4 ? * SUN,SAT *)"),
            ("5 4 * * 5-7", "cron(5 4 ? * SUN,FRI,SAT *)"),
            ("0-2,30 */12 * * *", "cron(0-2,30 0,12 * * ? *)"),
            ("@hourly", "cron(0 * * * ? *)"),
        ] {
            assert_eq!(Cron::parse(text).expect(text).for_scheduler(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let texts = [
            "",
            "* * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "5-1 * * * *",
            "*/0 * * * *",
            "*/99 * * * *",
            "a * * * *",
            "* * * * MONDAY",
            "+1 * * * *",
            "1, * * * *",
            "0 0 13 * FRI",
            "0 0 30 2 *",
            "0 0 31 4,6,9,11 *",
            "@fortnightly",
        ];
        let shown = texts.map(|text| match Cron::parse(text) {
            Ok(cron) => format!("{text:?} was read: {}", cron.for_scheduler()),
            Err(NoCron { message, help }) => format!("{message}\n    {help}"),
        });
        insta::assert_snapshot!(shown.join("\n"));
    }
}
