//! Cron expressions, by two readings: ours, and that of what EventBridge Scheduler is told.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use spawn_model::schedule::{Cron, NoCron};

/// How many minutes are walked, one by one, to look for a time that was left out.
const WALKED: i64 = 10 * 60;

/// The years for which the rules of zones are those of today: of these an expression has a time, always.
const YEARS: std::ops::Range<i16> = 2020..2200;

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// The lines are an expression, a time zone, and a moment after which it is to come; the last two may be missing.
pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.lines();
    let cron = match Cron::parse(lines.next().unwrap_or_default()) {
        Ok(cron) => cron,
        Err(NoCron { message, help }) => {
            assert!(!message.is_empty() && !help.is_empty(), "what is refused is told, with a way out");
            return;
        }
    };
    let told = cron.for_scheduler();
    let fields = fields(&told);
    let again = fields[..5].join(" ").replace('?', "*");
    assert_eq!(Cron::parse(&again).as_ref(), Ok(&cron), "{told}");
    let zone = lines.next().and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
    let after = lines.next().and_then(|at| at.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH);
    comes(&cron, &Times::of(&fields), &zone, after);
}

/// The next time is later, is one of those that are told, and none is before it.
fn comes(cron: &Cron, times: &Times, zone: &TimeZone, after: Timestamp) {
    let next = cron.next(after, zone);
    if YEARS.contains(&zone.to_datetime(after).year()) {
        assert!(next.is_some(), "an expression that was read has a time");
    }
    if let Some(next) = next {
        assert!(next > after, "{next} is not after {after}");
        let shown = zone.to_datetime(next);
        assert!(times.has(shown), "{next} is {shown} there, which was not asked for");
    }
    let first = (after.as_second().div_euclid(60) + 1) * 60;
    for at in (0..WALKED).map_while(|minute| Timestamp::from_second(first + minute * 60).ok()) {
        if next.is_some_and(|next| at >= next) {
            break;
        }
        let shown = zone.to_datetime(at);
        // A time that comes twice counts once.
        let is_first = || zone.to_ambiguous_timestamp(shown).earlier().is_ok_and(|first| first == at);
        assert!(!times.has(shown) || !is_first(), "{shown} comes after {after}, and was left out for {next:?}");
    }
}

/// The six fields that Scheduler is told.
fn fields(told: &str) -> Vec<&str> {
    let inner = told.strip_prefix("cron(").and_then(|rest| rest.strip_suffix(')')).expect("cron(…)");
    let fields: Vec<&str> = inner.split(' ').collect();
    assert_eq!((fields.len(), fields.last()), (6, Some(&"*")), "{told}");
    assert!((fields[2] == "?") != (fields[4] == "?"), "one of the two days is a question mark: {told}");
    fields
}

/// The times that Scheduler is told, as sets.
struct Times {
    minutes: BTreeSet<i8>,
    hours: BTreeSet<i8>,
    days: BTreeSet<i8>,
    months: BTreeSet<i8>,
    weekdays: BTreeSet<i8>,
}

impl Times {
    fn of(fields: &[&str]) -> Self {
        Self {
            minutes: set(fields[0], 0, 59, &[]),
            hours: set(fields[1], 0, 23, &[]),
            days: set(fields[2], 1, 31, &[]),
            months: set(fields[3], 1, 12, &MONTHS),
            weekdays: set(fields[4], 0, 6, &WEEKDAYS),
        }
    }

    fn has(&self, at: DateTime) -> bool {
        at.second() == 0
            && at.subsec_nanosecond() == 0
            && self.minutes.contains(&at.minute())
            && self.hours.contains(&at.hour())
            && self.days.contains(&at.day())
            && self.months.contains(&at.month())
            && self.weekdays.contains(&at.weekday().to_sunday_zero_offset())
    }
}

/// Numbers, names and ranges of them: in what Scheduler is told there are no steps.
fn set(field: &str, first: i8, last: i8, names: &[&str]) -> BTreeSet<i8> {
    if matches!(field, "*" | "?") {
        return (first..=last).collect();
    }
    let number = |text: &str| {
        let named = names.iter().position(|name| *name == text).and_then(|at| i8::try_from(at).ok());
        named.map_or_else(|| text.parse().expect("a number or a name"), |at| first + at)
    };
    let range = |part: &str| {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        number(low)..=number(high)
    };
    field.split(',').flat_map(range).inspect(|value| assert!((first..=last).contains(value), "{value} in {field}")).collect()
}
