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
use spawn_model::tag;

use crate::cost::lasts;
use crate::ledger::Ledger;
use crate::ports::{Aws, Result, Schedule, Span, Tags, Target};
use crate::setup::Setup;
use crate::tags;

/// Hand 3 strikes at the deadline and then so often, for an hour: a late launch or a failed attempt is caught.
const REPEAT_MINUTES: u32 = 5;
const REPEAT_FOR: SignedDuration = SignedDuration::from_hours(1);

/// When a fleet's lease ends by what was asked for.
#[must_use]
pub fn deadline_of(record: &FleetRecord) -> Timestamp {
    record.asked_at + lasts(&record.spec.lease, record.rate_usd_per_hour)
}

/// Makes or moves the schedules that end a run's shards.
pub(crate) async fn schedules_put(aws: &Aws, setup: &Setup, record: &FleetRecord, deadline: Timestamp) -> Result<()> {
    let shards = record.spec.size.div_ceil(SHARD_SIZE);
    let puts = (0..shards).map(|shard| {
        let schedule = Schedule {
            name: layout::schedule_name(&record.run, shard),
            group: setup.schedule_group.clone(),
            span: Some(Span { start: deadline, end: deadline + REPEAT_FOR }),
            every_minutes: REPEAT_MINUTES,
            role_arn: setup.scheduler_role_arn.clone(),
            target: Target::Automation {
                document: setup.document.clone(),
                parameters: BTreeMap::from([
                    ("AutomationAssumeRole".to_owned(), vec![setup.automation_role_arn.clone()]),
                    ("Run".to_owned(), vec![record.run.to_string()]),
                    ("Shard".to_owned(), vec![shard.to_string()]),
                ]),
            },
        };
        async move { aws.schedules.put(&schedule).await }
    });
    try_join_all(puts).await.map(drop).map_err(|e| e.context("making the schedule that ends the fleet"))
}

/// Deletes the schedules of a run, also those of shards that nobody remembers.
pub(crate) async fn schedules_delete(aws: &Aws, setup: &Setup, record: &FleetRecord) -> Result<()> {
    let names = aws.schedules.list(&setup.schedule_group, &format!("spawn-{}-", record.run)).await?;
    try_join_all(names.iter().map(|name| aws.schedules.delete(&setup.schedule_group, name))).await.map(drop)
}

/// Deletes the schedules that a run has by its size: one call for each, where nobody can have forgotten any.
pub(crate) async fn schedules_drop(aws: &Aws, setup: &Setup, record: &FleetRecord) -> Result<()> {
    let names = (0..record.spec.size.div_ceil(SHARD_SIZE)).map(|shard| layout::schedule_name(&record.run, shard));
    try_join_all(names.map(|name| async move { aws.schedules.delete(&setup.schedule_group, &name).await })).await.map(drop)
}

/// Moves a run's deadline, on all three places that hold it, and tells its agents when they are idle.
///
/// # Errors
/// `LeaseInPast` if the new deadline is over already; else the first write that failed: what is then promised is the earliest
/// of the three, and the same call again finishes the change.
pub async fn change(aws: &Aws, ledger: &Ledger, setup: &Setup, record: &FleetRecord, deadline: Timestamp) -> Result<()> {
    if deadline <= aws.clock.now() {
        let help = "Ask for a longer one, or end the fleet with `spawn down` or `terraform destroy`";
        let message = format!("the lease would have ended at {deadline}, counted from {}", record.asked_at);
        return Err(Error::new(Class::Invalid, "LeaseInPast", message, help).at(Path::field("lease").key("ttl")));
    }
    let old = ledger.lease(&record.fleet, &record.run).await?;
    let generation = old.as_ref().map_or(0, |lease| lease.generation) + 1;
    let lease = Lease { schema: SCHEMA, deadline, generation, idle: record.spec.lease.idle.clone() };
    if old.is_some_and(|old| deadline < old.deadline) {
        tags_move(aws, record, deadline).await?;
        schedules_put(aws, setup, record, deadline).await?;
        ledger.lease_write(&record.fleet, &record.run, &lease).await
    } else {
        ledger.lease_write(&record.fleet, &record.run, &lease).await?;
        schedules_put(aws, setup, record, deadline).await?;
        tags_move(aws, record, deadline).await
    }
}

async fn tags_move(aws: &Aws, record: &FleetRecord, deadline: Timestamp) -> Result<()> {
    let instances = aws.instances.describe(&tags::of_run(&record.run)).await?;
    let ids: Vec<String> = instances.iter().filter(|i| i.alive).map(|i| i.launched.instance_id.0.clone()).collect();
    tags::change(aws, &ids, &Tags::new(), &Tags::from([(tag::DEADLINE.to_owned(), deadline.to_string())])).await
}
