//! Records: what lies in the bucket, whoever has written or damaged it.

use std::fmt::Debug;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use spawn_model::alert::Told;
use spawn_model::ids::InstanceId;
use spawn_model::queue::{JobClaim, Standing};
use spawn_model::record::{AgentConfig, Attempt, Batch, Completion, FleetRecord, Lease, NameClaim, Payload, RankClaim, Stop};
use spawn_model::schedule::{History, ScheduleRecord};
use spawn_model::spec::FleetSpec;

/// What can be read as a record is written as what reads the same.
pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    kept::<FleetSpec>(text);
    kept::<NameClaim>(text);
    kept::<Payload>(text);
    kept::<Batch>(text);
    kept::<Attempt>(text);
    kept::<RankClaim>(text);
    kept::<Completion>(text);
    kept::<Stop>(text);
    kept::<AgentConfig>(text);
    kept::<History>(text);
    kept::<Told>(text);
    kept::<FleetRecord>(text);
    if let Some(lease) = kept::<Lease>(text) {
        assert!(lease.end() >= lease.deadline);
    }
    if let Some(schedule) = kept::<ScheduleRecord>(text) {
        starts(&schedule);
    }
    if let Some(claim) = kept::<JobClaim>(text) {
        goes_on(claim);
    }
}

/// A record, if it is one.
pub(crate) fn kept<T: Serialize + DeserializeOwned + PartialEq + Debug>(text: &str) -> Option<T> {
    let read: T = serde_json::from_str(text).ok()?;
    let written = serde_json::to_string(&read).expect("a record is JSON");
    let again: T = serde_json::from_str(&written).unwrap_or_else(|error| panic!("{written} cannot be read: {error}"));
    assert_eq!(again, read, "{written}");
    Some(read)
}

/// A schedule has starts that follow each other, or none: whatever is recorded of it stops nobody who looks at it.
fn starts(schedule: &ScheduleRecord) {
    let starts: Vec<Timestamp> = schedule.next_starts(schedule.counted_from).take(3).collect();
    assert!(starts.is_sorted_by(|one, next| one < next), "{starts:?}");
    let (_, next) = schedule.standing(schedule.counted_from);
    assert!(next.is_none_or(|next| starts.first() == Some(&next)), "{next:?} is not the first of {starts:?}");
}

/// A job can be begun once more, or cancelled, whatever is recorded of its attempts.
fn goes_on(claim: JobClaim) {
    let (attempts, machine) = (claim.attempts.len(), InstanceId("i-0123456789abcdef0".to_owned()));
    let next = claim.next(&machine, 0, Timestamp::UNIX_EPOCH);
    assert_eq!((next.attempts.len(), &next.standing), (attempts + 1, &Standing::Running));
    assert!(next.last().is_some_and(|last| last.exit.is_none() && last.instance_id == machine));
    let cancelled = next.cancel(Timestamp::UNIX_EPOCH);
    assert!(cancelled.attempts.len() == attempts + 1 && matches!(cancelled.standing, Standing::Ended { .. }));
}
