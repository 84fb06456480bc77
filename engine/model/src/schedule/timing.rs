//! When a schedule starts its runs: from what a user wrote to moments, and to what EventBridge Scheduler is told.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::cron::once;
use super::rules::RUNS_MAX;
use super::{Cron, TimingSpec};

/// Scheduler invokes within the minute: so long after the last start there may be none.
const LAST_MINUTE: SignedDuration = SignedDuration::from_secs(59);

/// When it surely has.
const INVOKED_WITHIN: SignedDuration = SignedDuration::from_mins(2);

/// When a schedule starts its runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    when: When,
    zone: TimeZone,
    /// The first moment at which it may start anything, if it has one.
    from: Option<Timestamp>,
    /// The last one.
    until: Option<Timestamp>,
    counted_from: Timestamp,
}

#[derive(Clone, Debug, PartialEq)]
enum When {
    Cron(Cron),
    Every { first: Timestamp, interval: SignedDuration },
    Once { at: Timestamp, written: DateTime },
}

impl Timing {
    /// The times of a spec that keeps the rules; nothing if a damaged record does not. `counted_from` is when it was written: intervals and
    /// `max_runs` count from there.
    #[must_use]
    pub fn of(spec: &TimingSpec, counted_from: Timestamp) -> Option<Self> {
        let zone = TimeZone::get(&spec.timezone).ok()?;
        let moment = |text: &Option<String>| match text {
            Some(text) => read_time(text).and_then(|at| once(at, &zone)).map(Some),
            None => Some(None),
        };
        let (from, end) = (moment(&spec.start)?, moment(&spec.end)?);
        // Each of them is looked for.
        if spec.max_runs.is_some_and(|runs| i64::from(runs) > RUNS_MAX) {
            return None;
        }
        let when = match (&spec.cron, spec.rate, &spec.at) {
            (Some(cron), None, None) => When::Cron(Cron::parse(cron).ok()?),
            (None, Some(rate), None) if rate.0 > 0 => {
                let interval = SignedDuration::from(rate);
                let next = || whole_minute(counted_from).checked_add(interval).ok();
                When::Every { first: from.or_else(next)?, interval }
            }
            (None, None, Some(at)) => {
                let written = read_time(at)?;
                When::Once { at: once(written, &zone)?, written }
            }
            _ => return None,
        };
        let mut timing = Self { when, zone, from, until: None, counted_from };
        let last = spec.max_runs.and_then(|runs| timing.nth(runs, counted_from));
        timing.until = end.into_iter().chain(last).min();
        Some(timing)
    }

    /// The time of a number of starts, if there are so many.
    fn nth(&self, number: u32, counted_from: Timestamp) -> Option<Timestamp> {
        (0..number).try_fold(counted_from, |at, _| self.next(at))
    }

    /// The first start after a moment; nothing if there is none any more.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let found = match &self.when {
            When::Cron(cron) => {
                let just_before = self.from.map(|from| from.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(from));
                cron.next(just_before.map_or(after, |before| before.max(after)), &self.zone)?
            }
            When::Every { first, interval } => {
                let passed = after.duration_since(*first).as_secs();
                // The first multiple of the interval that is after it.
                let rounds = if after < *first { 0 } else { passed / interval.as_secs() + 1 };
                first.checked_add(SignedDuration::from_secs(rounds.checked_mul(interval.as_secs())?)).ok()?
            }
            When::Once { at, .. } => Some(*at).filter(|at| *at > after)?,
        };
        self.until.is_none_or(|until| found <= until).then_some(found)
    }

    /// The expression that Scheduler reads, in [`Timing::zone`].
    #[must_use]
    pub fn expression(&self) -> String {
        match &self.when {
            When::Cron(cron) => cron.for_scheduler(),
            When::Every { interval, .. } => match interval.as_mins() {
                1 => "rate(1 minute)".to_owned(),
                minutes => format!("rate({minutes} minutes)"),
            },
            When::Once { written, .. } => format!("at({})", written.strftime("%Y-%m-%dT%H:%M:%S")),
        }
    }

    /// The date from which Scheduler may invoke, if it is told one: it takes none that is over for long. Of an interval it is the next one, from
    /// which all others count; or the last one, if Scheduler may not have come to it yet.
    #[must_use]
    pub fn starts_at(&self, now: Timestamp) -> Option<Timestamp> {
        match &self.when {
            When::Cron(_) => self.from.filter(|from| *from > now),
            When::Every { .. } => self.next((now - INVOKED_WITHIN).max(self.counted_from)),
            When::Once { .. } => None,
        }
    }

    /// Whether a date that Scheduler was told at some time leads to the same starts from now on.
    #[must_use]
    pub fn is_started_by(&self, told: Option<Timestamp>, now: Timestamp) -> bool {
        match (&self.when, told) {
            (When::Cron(_), Some(told)) => self.from == Some(told),
            (When::Cron(_), None) => self.from.is_none_or(|from| from <= now),
            (When::Every { first, interval }, Some(told)) => {
                let is_in_phase = told.duration_since(*first).as_secs().rem_euclid(interval.as_secs()) == 0;
                is_in_phase && self.next(now).is_none_or(|next| told <= next)
            }
            (When::Every { .. }, None) => false,
            (When::Once { .. }, told) => told.is_none(),
        }
    }

    /// The date after which Scheduler may not invoke any more, if it is told one.
    #[must_use]
    pub fn ends_at(&self) -> Option<Timestamp> {
        match &self.when {
            When::Once { .. } => None,
            When::Cron(_) | When::Every { .. } => self.until.map(|until| until.checked_add(LAST_MINUTE).unwrap_or(Timestamp::MAX)),
        }
    }

    /// The last moment at which it may start anything, if there is one.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        match &self.when {
            When::Once { at, .. } => Some(*at),
            When::Cron(_) | When::Every { .. } => self.until,
        }
    }
}

/// A time of a wall clock, without a zone, to the minute.
pub(super) fn read_time(text: &str) -> Option<DateTime> {
    let at: DateTime = text.parse().ok()?;
    let is_plain = !text.contains(['Z', '+', '[']) && text.contains('T') && text.rsplit('T').next().is_some_and(|time| !time.contains('-'));
    (is_plain && at.second() == 0 && at.subsec_nanosecond() == 0).then_some(at)
}

fn whole_minute(at: Timestamp) -> Timestamp {
    let seconds = at.as_second();
    Timestamp::from_second(seconds + (60 - seconds.rem_euclid(60)) % 60).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Path;
    use crate::read::FieldType;
    use crate::value::Value;

    const MADE: &str = "2026-11-27T12:00:30Z";

    fn spec(fields: serde_json::Value) -> TimingSpec {
        TimingSpec::read(&Value::from(fields), &Path::default(), &mut Vec::new()).expect("a timing")
    }

    #[test]
    fn a_schedule_starts_when_it_says_and_tells_scheduler_the_same() {
        let cases = [
            serde_json::json!({"cron": "30 2 * * MON-FRI", "timezone": "Europe/Berlin"}),
            serde_json::json!({"cron": "0 * * * *", "start": "2026-12-24T12:00", "end": "2026-12-24T14:30"}),
            serde_json::json!({"cron": "0 0 1 * *", "max_runs": 2}),
            serde_json::json!({"rate": "6h"}),
            serde_json::json!({"rate": "1m", "max_runs": 3}),
            serde_json::json!({"rate": "90m", "start": "2026-11-27T00:00", "timezone": "America/New_York", "end": "2026-11-27T09:00"}),
            serde_json::json!({"at": "2027-01-05T08:00:00", "timezone": "Asia/Tokyo"}),
            serde_json::json!({"at": "2020-01-05T08:00:00"}),
        ];
        let shown = cases.map(|fields| {
            let made: Timestamp = MADE.parse().expect("a time");
            let timing = Timing::of(&spec(fields.clone()), made).expect("times");
            let mut starts = Vec::new();
            let mut at = made;
            while let Some(next) = timing.next(at).filter(|_| starts.len() < 4) {
                starts.push(next.to_string());
                at = next;
            }
            let date = |at: Option<Timestamp>| at.map_or("-".to_owned(), |at| at.to_string());
            let dates = format!("{} .. {}", date(timing.starts_at(made)), date(timing.ends_at()));
            format!("{fields}\n  {} {dates}\n  {}", timing.expression(), starts.join(" "))
        });
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn what_scheduler_was_told_before_is_as_good_as_long_as_it_leads_to_the_same() {
        let made: Timestamp = MADE.parse().expect("a time");
        let later = made + SignedDuration::from_hours(30);
        let rate = Timing::of(&spec(serde_json::json!({"rate": "6h"})), made).expect("times");
        let [first, next] = [rate.starts_at(made), rate.starts_at(later)];
        assert!(next > Some(later) && first < Some(later));
        for told in [first, next] {
            assert!(rate.is_started_by(told, later), "{told:?}");
        }
        for told in [None, Some(later), next.map(|next| next + SignedDuration::from_hours(6))] {
            assert!(!rate.is_started_by(told, later), "{told:?}");
        }
        let cron = Timing::of(&spec(serde_json::json!({"cron": "@daily", "start": "2026-11-28T00:00"})), made).expect("times");
        let from = cron.starts_at(made);
        assert_eq!((cron.starts_at(later), cron.is_started_by(from, later), cron.is_started_by(None, later)), (None, true, true));
        assert_eq!((cron.is_started_by(None, made), cron.is_started_by(Some(later), made)), (false, false));
    }

    #[test]
    fn a_time_is_one_of_a_wall_clock() {
        for (text, is_read) in [
            ("2027-01-05T08:00:00", true),
            ("2027-01-05T08:00", true),
            ("2027-01-05T08:00:01", false),
            ("2027-01-05T08:00:00Z", false),
            ("2027-01-05T08:00:00+01:00", false),
            ("2027-01-05T08:00:00-01:00", false),
            ("2027-01-05T08:00:00[Europe/Berlin]", false),
            ("2027-01-05", false),
            ("tomorrow", false),
        ] {
            assert_eq!(read_time(text).is_some(), is_read, "{text}");
        }
    }
}
