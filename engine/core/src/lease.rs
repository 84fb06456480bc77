//! The lease: when a run ends, and the schedules that see to it from outside (hand 3).
//!
//! Extending writes the object, then the schedules, then the tags; shortening the reverse. So whatever a launcher dies in the
//! middle of, the earliest of the three is never later than what was promised, and the next change writes all three again.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use spawn_model::error::{Class, Error};
use spawn_model::layout::{self, SHARD_SIZE};
use spawn_model::problem::Path;
use spawn_model::record::{FleetRecord, Lease, SCHEMA};
use spawn_model::spec::{FleetKind, LeaseSpec};
use spawn_model::stopping::{HIBERNATES_WITHIN, OnEnd};
use spawn_model::tag;

use crate::cost::lasts;
use crate::ledger::Ledger;
use crate::ports::{Aws, Result, Schedule, Span, Tags, Target};
use crate::service;
use crate::setup::Setup;
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

/// Makes or moves the schedules that end a run's shards.
pub(crate) async fn schedules_put(aws: &Aws, setup: &Setup, record: &FleetRecord, deadline: Timestamp) -> Result<()> {
    let strike = |name: String, shard: u32, document: &str, at: Timestamp| Schedule {
        name,
        group: setup.schedule_group.clone(),
        span: Some(Span { start: at, end: at + REPEAT_FOR }),
        every_minutes: REPEAT_MINUTES,
        role_arn: setup.scheduler_role_arn.clone(),
        target: Target::Automation {
            document: document.to_owned(),
            parameters: BTreeMap::from([
                ("AutomationAssumeRole".to_owned(), vec![setup.automation_role_arn.clone()]),
                ("Run".to_owned(), vec![record.run.to_string()]),
                ("Shard".to_owned(), vec![shard.to_string()]),
            ]),
        },
    };
    let (run, end) = (&record.run, end_after(record, deadline));
    let document = if service::is_service(record) { setup.group_document()? } else { &setup.document };
    let mut schedules: Vec<Schedule> =
        shards(record).map(|shard| strike(layout::schedule_name(run, shard), shard, document, end)).collect();
    // What was to be stopped has stopped.
    if stops_first(record) && deadline > aws.clock.now() {
        let mut stops_at = deadline;
        if record.spec.lease.on_expiry == OnEnd::Hibernate {
            let document = setup.hibernate_document()?;
            schedules.extend(shards(record).map(|shard| strike(layout::hibernate_schedule_name(run, shard), shard, document, deadline)));
            stops_at += STOPS_AFTER;
        }
        let document = setup.stop_document()?;
        schedules.extend(shards(record).map(|shard| strike(layout::stop_schedule_name(run, shard), shard, document, stops_at)));
    }
    let puts = schedules.iter().map(|schedule| aws.schedules.put(schedule));
    try_join_all(puts).await.map(drop).map_err(|e| e.context("making the schedule that ends the fleet"))
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
    let names = aws.schedules.list(&setup.schedule_group, &format!("spawn-{}-", record.run)).await?;
    try_join_all(names.iter().map(|name| aws.schedules.delete(&setup.schedule_group, name))).await.map(drop)
}

/// Deletes the schedules that a run has by its size: one call for each, where nobody can have forgotten any.
pub(crate) async fn schedules_drop(aws: &Aws, setup: &Setup, record: &FleetRecord) -> Result<()> {
    let ends = shards(record).map(|shard| layout::schedule_name(&record.run, shard));
    let stops = shards(record).filter(|_| stops_first(record)).map(|shard| layout::stop_schedule_name(&record.run, shard));
    let hibernates = record.spec.lease.on_expiry == OnEnd::Hibernate;
    let hibernations = shards(record).filter(|_| hibernates).map(|shard| layout::hibernate_schedule_name(&record.run, shard));
    try_join_all(ends.chain(stops).chain(hibernations).map(|name| async move { aws.schedules.delete(&setup.schedule_group, &name).await }))
        .await
        .map(drop)
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
