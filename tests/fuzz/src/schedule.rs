//! Schedules: their rules, and the times that follow from what keeps them.

use jiff::Timestamp;
use serde_json::Value as Json;
use spawn_model::ids::FleetId;
use spawn_model::schedule::{ScheduleRecord, ScheduleSpec, Timing, read_schedule};
use spawn_model::value::Value;

use crate::{record, written};

/// How many starts are looked at.
const STARTS: usize = 6;

/// When every schedule is made: 27 November 2026, 12:00:30 UTC.
const MADE_S: i64 = 1_795_780_830;

/// A schedule as JSON.
pub fn target(data: &[u8]) {
    let Ok(json) = serde_json::from_slice::<Json>(data) else { return };
    judge(&Value::from(json));
}

/// A schedule is refused, and told why; or it has times, and its record has the same.
pub(crate) fn judge(value: &Value) {
    let (spec, problems) = read_schedule(value);
    written::told(spec.as_ref(), &problems, value);
    let Some(spec) = spec else { return };
    let made = Timestamp::from_second(MADE_S).expect("a moment");
    let timing = Timing::of(&spec.timing, made).expect("what keeps the rules has times");
    starts(&spec, &timing, made);
    let told = timing.starts_at(made);
    assert!(told.is_none() || timing.is_started_by(told, made), "{told:?} was told to Scheduler");
    let recorded = ScheduleRecord::new(&spec, FleetId::from_random([7; 8]), made);
    let text = serde_json::to_string(&recorded).expect("a record is JSON");
    assert_eq!(record::kept::<ScheduleRecord>(&text).as_ref(), Some(&recorded), "{text}");
    assert_eq!(recorded.timing(), Some(timing));
}

/// Starts follow each other, within the bounds that were written.
fn starts(spec: &ScheduleSpec, timing: &Timing, made: Timestamp) {
    let starts: Vec<Timestamp> = std::iter::successors(timing.next(made), |at| timing.next(*at)).take(STARTS).collect();
    assert!(starts.first().is_none_or(|first| *first > made) && starts.is_sorted_by(|one, next| one < next), "{starts:?}");
    assert!(spec.timing.max_runs.is_none_or(|most| u32::try_from(starts.len()).is_ok_and(|count| count <= most)), "{starts:?}");
    if let Some(until) = timing.until() {
        assert!(starts.iter().all(|at| *at <= until), "{starts:?} until {until}");
        assert!(timing.ends_at().is_none_or(|ends| ends >= until), "Scheduler is told an end before {until}");
    }
    let expression = timing.expression();
    assert!(["cron(", "rate(", "at("].iter().any(|form| expression.starts_with(form)), "{expression}");
}
