//! The lease: when a run ends, and the schedules that see to it from outside (hand 3).
//!
//! Extending writes the object, then the schedules, then the tags; shortening the reverse. So whatever a launcher dies in the
//! middle of, the earliest of the three is never later than what was promised, and the next change writes all three again.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use spawn_model::error::{Class, Error};
use spawn_model::ids::RunId;
use spawn_model::layout::{self, SHARD_SIZE};
use spawn_model::problem::Path;
use spawn_model::record::{FleetRecord, Lease, SCHEMA};
use spawn_model::spec::{FleetKind, LeaseSpec};
use spawn_model::stopping::{HIBERNATES_WITHIN, OnEnd};
use spawn_model::tag;

use crate::cost::lasts;
use crate::ledger::Ledger;
use crate::ports::{Aws, Result, Schedule, Scheduled, Schedules, Span, Tags, Target, Times};
use crate::service;
use crate::setup::{SCHEDULE_GROUP, Setup};
use crate::tags;

/// Hand 3 strikes at the deadline and then so often, for an hour: a late launch or a failed attempt is caught.
const REPEAT_MINUTES: u32 = 5;
const REPEAT_FOR: SignedDuration = SignedDuration::from_hours(1);
/// How long after the deadline hand 3 stops what it has asked EC2 to hibernate: after the machine's own timer, [`HIBERNATES_WITHIN`].
const STOPS_AFTER: SignedDuration = SignedDuration::from_secs(HIBERNATES_WITHIN.0.cast_signed() + 300);

/// When a fleet's lease ends by what was asked for.
#[must_use]
pub fn deadline_of(record: &FleetRecord) -> Timestamp {
    record.leased_from() + lasts(&record.spec.lease, record.rate_usd_per_hour)
}

/// When nothing of a fleet may be there any more by what was asked for: at its deadline, or later if it stops there.
#[must_use]
pub fn end_of(record: &FleetRecord) -> Timestamp {
    end_after(record, deadline_of(record))
}

/// When nothing may be there any more of a fleet with this deadline.
fn end_after(record: &FleetRecord, deadline: Timestamp) -> Timestamp {
    deadline + SignedDuration::from(record.spec.lease.retained())
}

/// What a run's agents follow.
pub(crate) fn object(record: &FleetRecord, deadline: Timestamp, generation: u32) -> Lease {
    let end = end_after(record, deadline);
    let ends_at = (end > deadline).then_some(end);
    Lease { schema: SCHEMA, deadline, ends_at, generation, idle: record.spec.lease.idle.clone() }
}

/// Whether the set-up can do what a lease asks for.
///
/// # Errors
/// `SetupOld` if it stops nothing, hibernates nothing, or deletes no groups.
pub(crate) fn check(setup: Option<&Setup>, kind: FleetKind, lease: &LeaseSpec) -> Result<()> {
    match setup {
        Some(setup) if kind == FleetKind::Service => setup.group_document().map(drop),
        Some(setup) => [("on_expiry", lease.on_expiry), ("on_idle", lease.on_idle)].into_iter().try_for_each(|(field, end)| {
            let needed = match end {
                OnEnd::Terminate => Ok(()),
                OnEnd::Stop if field == "on_idle" => Ok(()),
                OnEnd::Stop => setup.stop_document().map(drop),
                // Without it, agents may not hibernate their machines either.
                OnEnd::Hibernate => setup.hibernate_document().and(setup.stop_document()).map(drop),
            };
            needed.map_err(|error| error.at(Path::field("lease").key(field)))
        }),
        None => Ok(()),
    }
}

/// A schedule of hand 3: what it does to the instances of a shard, and from when on.
struct Strike {
    name: String,
    shard: u32,
    does: OnEnd,
    at: Timestamp,
}

/// What ends a run, and what stops it before that, if its deadline is after `now`.
fn strikes(record: &FleetRecord, deadline: Timestamp, now: Timestamp) -> Vec<Strike> {
    let run = &record.run;
    let of_all = |name: fn(&RunId, u32) -> String, does: OnEnd, at: Timestamp| {
        shards(record).map(move |shard| Strike { name: name(run, shard), shard, does, at })
    };
    let mut strikes: Vec<Strike> = of_all(layout::schedule_name, OnEnd::Terminate, end_after(record, deadline)).collect();
    // What was to be stopped has stopped.
    if stops_first(record) && deadline > now {
        let mut stops_at = deadline;
        if record.spec.lease.on_expiry == OnEnd::Hibernate {
            strikes.extend(of_all(layout::hibernate_schedule_name, OnEnd::Hibernate, deadline));
            stops_at += STOPS_AFTER;
        }
        strikes.extend(of_all(layout::stop_schedule_name, OnEnd::Stop, stops_at));
    }
    strikes
}

/// Makes or moves the schedules that end a run's shards.
pub(crate) async fn schedules_put(aws: &Aws, setup: &Setup, record: &FleetRecord, deadline: Timestamp) -> Result<()> {
    let schedule = |strike: Strike| {
        let document = match strike.does {
            OnEnd::Terminate if service::is_service(record) => setup.group_document()?,
            OnEnd::Terminate => &setup.document,
            OnEnd::Stop => setup.stop_document()?,
            OnEnd::Hibernate => setup.hibernate_document()?,
        };
        Ok(Schedule {
            name: strike.name,
            group: setup.schedule_group.clone(),
            times: Times::Every { minutes: REPEAT_MINUTES, span: Some(Span { start: strike.at, end: strike.at + REPEAT_FOR }) },
            is_enabled: true,
            role_arn: setup.scheduler_role_arn.clone(),
            target: Target::Automation {
                document: document.to_owned(),
                parameters: BTreeMap::from([
                    ("AutomationAssumeRole".to_owned(), vec![setup.automation_role_arn.clone()]),
                    ("Run".to_owned(), vec![record.run.to_string()]),
                    ("Shard".to_owned(), vec![strike.shard.to_string()]),
                ]),
            },
        })
    };
    let schedules: Vec<Schedule> = strikes(record, deadline, aws.clock.now()).into_iter().map(schedule).collect::<Result<_>>()?;
    let puts = schedules.iter().map(|schedule| aws.schedules.put(schedule));
    try_join_all(puts).await.map(drop).map_err(|e| e.context("making the schedule that ends the fleet"))
}

/// What is wrong with the schedules of a run that lives, a sentence each: one that is not there, or that somebody has disabled.
pub(crate) fn schedule_faults(record: &FleetRecord, deadline: Timestamp, now: Timestamp, there: &[Scheduled]) -> Vec<String> {
    if end_after(record, deadline) <= now {
        // They are at work, and delete themselves.
        return Vec::new();
    }
    let there: BTreeMap<&str, bool> = there.iter().map(|schedule| (schedule.name.as_str(), schedule.is_enabled)).collect();
    let fault = |strike: Strike| {
        let does = match strike.does {
            OnEnd::Terminate => "ends",
            OnEnd::Stop => "stops",
            OnEnd::Hibernate => "hibernates",
        };
        let what = match there.get(strike.name.as_str()) {
            Some(true) => return None,
            Some(false) => "is disabled",
            None => "is not there",
        };
        Some(format!("the schedule {} that {does} it {what}", strike.name))
    };
    strikes(record, deadline, now).into_iter().filter_map(fault).collect()
}

/// The schedules that a run has.
pub(crate) async fn schedules_of(schedules: &dyn Schedules, run: &RunId) -> Result<Vec<Scheduled>> {
    schedules.list(SCHEDULE_GROUP, &layout::schedule_prefix(run)).await
}

/// Those that any run has.
pub(crate) async fn schedules_of_all(schedules: &dyn Schedules) -> Result<Vec<Scheduled>> {
    schedules.list(SCHEDULE_GROUP, layout::SCHEDULES_PREFIX).await
}

/// A service has one, whatever its size becomes.
fn shards(record: &FleetRecord) -> std::ops::Range<u32> {
    0..record.spec.size.div_ceil(SHARD_SIZE)
}

/// Whether instances stop or hibernate at their deadline, and end later.
fn stops_first(record: &FleetRecord) -> bool {
    record.spec.lease.on_expiry.keeps()
}

/// Deletes the schedules of a run, also those of shards that nobody remembers.
pub(crate) async fn schedules_delete(aws: &Aws, setup: &Setup, record: &FleetRecord) -> Result<()> {
    let found = aws.schedules.list(&setup.schedule_group, &layout::schedule_prefix(&record.run)).await?;
    try_join_all(found.iter().map(|schedule| aws.schedules.delete(&setup.schedule_group, &schedule.name))).await.map(drop)
}

/// Deletes the schedules that a run has by its size: one call for each, where nobody can have forgotten any.
pub(crate) async fn schedules_drop(aws: &Aws, setup: &Setup, record: &FleetRecord) -> Result<()> {
    // Those that stop it, too, whether they have been or not.
    let all = strikes(record, deadline_of(record), Timestamp::MIN);
    try_join_all(all.iter().map(|strike| aws.schedules.delete(&setup.schedule_group, &strike.name))).await.map(drop)
}

/// Moves a run's deadline, on all three places that hold it, and tells its agents when they are idle.
///
/// # Errors
/// `LeaseInPast` if the new deadline is over already; else the first write that failed: what is then promised is the earliest
/// of the three, and the same call again finishes the change.
pub async fn change(aws: &Aws, ledger: &Ledger, setup: &Setup, record: &FleetRecord, deadline: Timestamp) -> Result<()> {
    let old = ledger.lease(&record.fleet, &record.run).await?;
    // How long something is kept that has stopped may change when its deadline is over.
    let is_kept =
        stops_first(record) && old.as_ref().is_some_and(|old| old.deadline == deadline) && end_after(record, deadline) > aws.clock.now();
    if deadline <= aws.clock.now() && !is_kept {
        let help = "Ask for a longer one, or end the fleet with `spawn down` or `terraform destroy`";
        let message = format!("the lease would have ended at {deadline}, counted from {}", record.leased_from());
        return Err(Error::new(Class::Invalid, "LeaseInPast", message, help).at(Path::field("lease").key("ttl")));
    }
    let generation = old.as_ref().map_or(0, |lease| lease.generation) + 1;
    let lease = object(record, deadline, generation);
    if old.is_some_and(|old| deadline < old.deadline || lease.end() < old.end()) {
        tags_move(aws, setup, record, deadline).await?;
        hands_move(aws, setup, record, deadline).await?;
        ledger.lease_write(&record.fleet, &record.run, &lease).await
    } else {
        ledger.lease_write(&record.fleet, &record.run, &lease).await?;
        hands_move(aws, setup, record, deadline).await?;
        tags_move(aws, setup, record, deadline).await
    }
}

/// What ends a run from outside.
async fn hands_move(aws: &Aws, setup: &Setup, record: &FleetRecord, deadline: Timestamp) -> Result<()> {
    schedules_put(aws, setup, record, deadline).await?;
    if service::is_service(record) { service::empty_at(aws, record, deadline).await } else { Ok(()) }
}

/// The tags of what lives, and before that of what a service launches from now on.
async fn tags_move(aws: &Aws, setup: &Setup, record: &FleetRecord, deadline: Timestamp) -> Result<()> {
    if service::is_service(record) {
        service::renew(aws, setup, record).await?;
    }
    let instances = aws.instances.describe(&tags::of_run(&record.run)).await?;
    let ids: Vec<String> = instances.iter().filter(|i| i.alive).map(|i| i.launched.instance_id.0.clone()).collect();
    let end = end_after(record, deadline);
    tags::change(aws, &ids, &Tags::new(), &Tags::from([(tag::DEADLINE.to_owned(), end.to_string())])).await
}
