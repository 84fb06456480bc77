//! Ends a fleet for good: nothing of it is left but records, results and logs.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use spawn_model::error::{Class, Error, Leftover};
use spawn_model::ids::{FleetId, InstanceId};
use spawn_model::layout;
use spawn_model::record::{Ended, FleetRecord, Rerun, SCHEMA};
use spawn_model::schedule::ScheduleRecord;

use crate::bucket::Bucket;
use crate::dns::Names;
use crate::lease;
use crate::ledger::{Ledger, is_unreadable};
use crate::operation::Operation;
use crate::ports::{Aws, Result, Tags, Written};
use crate::retry::Patience;
use crate::service;
use crate::setup::Setup;
use crate::tags;

/// `TerminateInstances` draws on a bucket of 1,000 (EC2's published limits).
pub(crate) const TERMINATE_MAX: usize = 1000;

/// EC2 lists an instance for about an hour after it has terminated.
pub(crate) const LISTED: SignedDuration = SignedDuration::from_mins(50);

/// How long EC2 may not list what was just made.
pub(crate) const UNSEEN: SignedDuration = SignedDuration::from_secs(5);

/// The longest pause between two looks at what is left.
pub(crate) const PAUSE_MS_MAX: u64 = 5_000;

/// Ends a fleet: terminates its instances and waits until they are gone, then removes group, schedules, role and name.
///
/// May be repeated, also after it was interrupted anywhere: each step finds what is left by tag or by name. Answers with what is
/// recorded of it, if that stays.
///
/// # Errors
/// The first step that failed, with the instances that are left; `Timeout` if instances do not go away in `timeout`.
pub async fn end(
    aws: &Aws,
    ledger: &Ledger,
    setup: &Setup,
    fleet: &FleetId,
    timeout: SignedDuration,
    operation: &Operation,
) -> Result<Option<FleetRecord>> {
    let record = remove(aws, ledger, setup, fleet, timeout, operation).await?;
    let Some(record) = record else { return release_unrecorded(ledger, fleet).await.map(|()| None) };
    if deletes_results(ledger, &record).await? {
        return forget(ledger, &record, operation).await.map(|()| None);
    }
    release(ledger, &record.spec.name, fleet).await?;
    Ok(Some(record))
}

/// Ends a fleet for good, with its results and records whatever was asked for before.
///
/// # Errors
/// See [`end`].
pub async fn erase(
    aws: &Aws,
    ledger: &Ledger,
    setup: &Setup,
    fleet: &FleetId,
    timeout: SignedDuration,
    operation: &Operation,
) -> Result<()> {
    let record = remove(aws, ledger, setup, fleet, timeout, operation).await?;
    let Some(record) = record else { return release_unrecorded(ledger, fleet).await };
    if record.scheduled.is_some() {
        let marked = |schedule: &mut ScheduleRecord| {
            schedule.spec.delete_results = true;
            Ok(())
        };
        ledger.schedule_edit(fleet, marked).await?;
    }
    forget(ledger, &record, operation).await
}

/// Whether results go with the fleet: of a schedule by what it says now, not by what its last run was started from.
async fn deletes_results(ledger: &Ledger, record: &FleetRecord) -> Result<bool> {
    let schedule = if record.scheduled.is_some() { ledger.schedule(&record.fleet).await? } else { None };
    Ok(schedule.map_or(record.spec.delete_results, |schedule| schedule.spec.delete_results))
}

/// Deletes what is recorded of a fleet of which nothing else is left, and gives its name back.
async fn forget(ledger: &Ledger, record: &FleetRecord, operation: &Operation) -> Result<()> {
    operation.say("deleting results and records");
    if !record.spec.delete_results {
        // Before the first of them is deleted, what says so of a schedule among them: whoever repeats an end that was interrupted here finishes it.
        ledger.fleet_edit(&record.fleet, |record| record.spec.delete_results = true).await?;
    }
    ledger.fleet_erase(&record.fleet).await?;
    release(ledger, &record.spec.name, &record.fleet).await?;
    ledger.fleet_forget(&record.fleet).await
}

/// Removes what costs money and what was made for it. Records and name are left: by them a repetition finds what this one left.
pub(crate) async fn remove(
    aws: &Aws,
    ledger: &Ledger,
    setup: &Setup,
    fleet: &FleetId,
    timeout: SignedDuration,
    operation: &Operation,
) -> Result<Option<FleetRecord>> {
    let record = instances_end(aws, ledger, fleet, timeout, operation).await.map_err(unproven)?;
    placement_group_delete(aws, record.as_ref(), timeout).await?;
    // After the group, whose going proves that no instance is left that a schedule would have to end.
    for run in record.iter().chain(next(record.as_ref())) {
        lease::schedules_delete(aws, setup, run).await?;
    }
    if record.as_ref().is_none_or(|record| record.scheduled.is_some()) {
        // Whatever it has started since the end had begun was refused. Of what is not recorded any more nobody knows whether it had one.
        aws.schedules.delete(&setup.schedule_group, &layout::start_schedule_name(fleet)).await?;
    }
    aws.identity.role_delete(&layout::role_name(fleet)).await?;
    Names { aws, ledger, operation }.remove(fleet).await?;
    Ok(record)
}

/// Ends the instances, and proves by the going of the fleet's group that none is left.
async fn instances_end(
    aws: &Aws,
    ledger: &Ledger,
    fleet: &FleetId,
    timeout: SignedDuration,
    operation: &Operation,
) -> Result<Option<FleetRecord>> {
    let mut record = match ledger.fleet(fleet).await {
        Err(unreadable) if is_unreadable(&unreadable) => {
            machines_end(aws, ledger, fleet, timeout, operation).await?;
            return Err(unreadable);
        }
        found => found?,
    };
    // Without a record nothing was made: the record is the first thing that a launch writes.
    if record.is_some() {
        ledger.ended_write(fleet, &Ended { schema: SCHEMA, at: aws.clock.now() }).await?;
        record = forbid(ledger, fleet).await?;
    }
    let runs = || record.iter().chain(next(record.as_ref()));
    let mut launched = Vec::new();
    for run in runs() {
        launched.extend(launched_lately(aws, ledger, run).await?);
    }
    let settled = runs().map(|run| run.asked_at + UNSEEN).max();
    for run in runs().filter(|run| service::is_service(run)) {
        service::dismiss(aws, &run.run).await?;
    }
    terminate(aws, &tags::of_fleet(fleet), launched, aws.clock.now(), timeout, operation).await?;
    for run in runs().filter(|run| service::is_service(run)) {
        service::gone(aws, &run.run, timeout).await?;
    }
    operation.say("removing schedule, security group and role");
    groups_delete(aws, fleet, settled, timeout, operation).await?;
    Ok(record)
}

/// Ends the instances of a fleet whose record cannot be read: what is in it takes to finish the end, but no machine waits for that.
async fn machines_end(aws: &Aws, ledger: &Ledger, fleet: &FleetId, timeout: SignedDuration, operation: &Operation) -> Result<()> {
    let now = aws.clock.now();
    ledger.ended_write(fleet, &Ended { schema: SCHEMA, at: now }).await?;
    service::dismiss_all(aws, fleet).await?;
    terminate(aws, &tags::of_fleet(fleet), Vec::new(), now + UNSEEN, timeout, operation).await?;
    groups_delete(aws, fleet, Some(now + UNSEEN), timeout, operation).await
}

/// Says in the record that the fleet's end has begun, so that nobody begins to run it again; whoever has begun loses it. What was
/// begun stays in the record: whoever repeats this end must find what was made of it.
async fn forbid(ledger: &Ledger, fleet: &FleetId) -> Result<Option<FleetRecord>> {
    loop {
        let Some((record, etag)) = ledger.fleet_held(fleet).await? else { return Ok(None) };
        let forbidden = forbidden(&record);
        if forbidden == record {
            return Ok(Some(record));
        }
        if let Written::Done(_) = ledger.fleet_replace(&forbidden, &etag).await? {
            return Ok(Some(forbidden));
        }
    }
}

/// A fleet's record with its end begun.
pub(crate) fn forbidden(record: &FleetRecord) -> FleetRecord {
    let next = record.next.clone().map(|next| Rerun { heartbeat: None, ..next });
    FleetRecord { ended: true, next, ..record.clone() }
}

/// What an operation has left that failed, and could not be undone either: whatever one of the two knows of.
pub(crate) fn left_by_both(failed: &Leftover, undoing: Leftover) -> Leftover {
    match (failed, undoing) {
        (Leftover::Clear, Leftover::Remaining(ids)) => Leftover::Remaining(ids),
        (Leftover::Remaining(known), Leftover::Remaining(mut ids)) => {
            ids.extend(known.iter().filter(|id| !ids.contains(id)).cloned().collect::<Vec<_>>());
            Leftover::Remaining(ids)
        }
        _ => Leftover::Unknown,
    }
}

/// Until it is proved that no instance is left, no error may say so.
pub(crate) fn unproven(error: Error) -> Error {
    if error.left == Leftover::Clear { error.leaving(Leftover::Unknown) } else { error }
}

/// Gives the name back last: until then nobody else can begin under it, and a repetition finds the fleet by it.
///
/// Whoever else ends the fleet at the same time may have done so, and somebody may have the name since.
pub(crate) async fn release(ledger: &Ledger, name: &str, fleet: &FleetId) -> Result<()> {
    while let Some((_, etag)) = ledger.claim(name).await?.filter(|(claim, _)| claim.fleet == *fleet) {
        if ledger.claim_delete(name, &etag).await? {
            break;
        }
    }
    Ok(())
}

/// Gives back the name of a launch that died, or failed, before it could record what it was about to make.
async fn release_unrecorded(ledger: &Ledger, fleet: &FleetId) -> Result<()> {
    for name in ledger.names().await? {
        release(ledger, &name, fleet).await?;
    }
    Ok(())
}

/// The run that is being started in a fleet.
fn next(record: Option<&FleetRecord>) -> Option<&FleetRecord> {
    record.and_then(|record| record.next.as_ref()).map(|next| &*next.record)
}

/// The recorded instances of a launch that is so young that EC2 lists even those that are gone: one that it does not list, it
/// has not noticed yet. What cannot be read names none: once noticed, they have their tags, and their group cannot go before them.
pub(crate) async fn launched_lately(aws: &Aws, ledger: &Ledger, record: &FleetRecord) -> Result<Vec<InstanceId>> {
    if aws.clock.now() >= record.asked_at + LISTED {
        return Ok(Vec::new());
    }
    let batches = ledger.batches_readable(&record.fleet, &record.run).await?;
    Ok(batches.into_iter().flat_map(|batch| batch.instances).map(|launched| launched.instance_id).collect())
}

/// Terminates by tag until two looks in a row find nothing: a look right after a launch may miss the newest instances, which is
/// why those in `launched` are terminated unseen. Until `settled` there may be others.
pub(crate) async fn terminate(
    aws: &Aws,
    tags: &Tags,
    launched: Vec<InstanceId>,
    settled: Timestamp,
    timeout: SignedDuration,
    operation: &Operation,
) -> Result<()> {
    let give_up = aws.clock.now() + timeout;
    let mut unseen = launched;
    let mut empty_looks = 0;
    let mut pause_ms = 200;
    let mut told = 0;
    let mut bucket = Bucket::of_terminations(aws.clock.now());
    loop {
        let instances = aws.instances.describe(tags).await?;
        let left: Vec<InstanceId> = instances.iter().filter(|i| !i.gone).map(|i| i.launched.instance_id.clone()).collect();
        let mut alive: Vec<InstanceId> = instances.iter().filter(|i| i.alive).map(|i| i.launched.instance_id.clone()).collect();
        let listed: BTreeSet<&InstanceId> = instances.iter().map(|i| &i.launched.instance_id).collect();
        alive.extend(std::mem::take(&mut unseen).into_iter().filter(|id| !listed.contains(id)));
        if left.is_empty() {
            empty_looks += 1;
            if empty_looks >= 2 && aws.clock.now() >= settled {
                return Ok(());
            }
        } else {
            empty_looks = 0;
        }
        if !alive.is_empty() {
            operation.say(&format!("terminating {}", instances_of(alive.len())));
            for ids in alive.chunks(TERMINATE_MAX) {
                let left = |error: Error| error.leaving(Leftover::Remaining(alive.clone()));
                terminate_paced(aws, ids, &mut bucket, operation).await.map_err(left)?;
            }
        } else if !left.is_empty() && left.len() != told {
            told = left.len();
            operation.say(&format!("waiting for {} to be gone", instances_of(told)));
        }
        // Nothing left is not too late: the second look is only to be sure.
        if !left.is_empty() && aws.clock.now() > give_up {
            let message = format!("{} did not go away within {} s", instances_of(left.len()), timeout.as_secs());
            let help = "Run it again; a longer timeouts.delete gives EC2 more time";
            return Err(Error::new(Class::Transient, "Timeout", message, help).leaving(Leftover::Remaining(left)));
        }
        aws.clock.sleep(pause_ms).await;
        pause_ms = (pause_ms * 3 / 2).min(PAUSE_MS_MAX);
    }
}

/// Terminates at most as many as one call takes, as soon as EC2 lets so many through.
pub(crate) async fn terminate_paced(aws: &Aws, ids: &[InstanceId], bucket: &mut Bucket, operation: &Operation) -> Result<()> {
    let count = u32::try_from(ids.len()).unwrap_or(u32::MAX);
    let mut patience = Patience::new(aws, operation);
    loop {
        match aws.instances.terminate(ids).await {
            Ok(()) => {
                bucket.take(count, aws.clock.now());
                return Ok(());
            }
            Err(error) if error.class == Class::Throttled => patience.after_asking(error, bucket, count).await?,
            Err(error) => return Err(error),
        }
        operation.go_on()?;
    }
}

/// Deletes a fleet's group. EC2 refuses while an instance uses it, also one that no look has shown yet: then there is one to end.
async fn groups_delete(
    aws: &Aws,
    fleet: &FleetId,
    settled: Option<Timestamp>,
    timeout: SignedDuration,
    operation: &Operation,
) -> Result<()> {
    let give_up = aws.clock.now() + timeout;
    let mut pause_ms = 200;
    loop {
        let groups = aws.instances.groups(&tags::of_fleet(fleet)).await?;
        let mut used = false;
        for group in &groups {
            match aws.instances.group_delete(group).await {
                Err(error) if error.class == Class::Conflict && aws.clock.now() < give_up => used = true,
                other => other?,
            }
        }
        let unseen = groups.is_empty() && settled.is_some_and(|settled| aws.clock.now() < settled);
        if !used && !unseen {
            return Ok(());
        }
        aws.clock.sleep(pause_ms).await;
        pause_ms = (pause_ms * 3 / 2).min(PAUSE_MS_MAX);
        if used {
            terminate(aws, &tags::of_fleet(fleet), Vec::new(), aws.clock.now(), timeout, operation).await?;
        }
    }
}

/// Deletes a fleet's placement group, if it has one. EC2 may take an instance that has just gone for one of it a while longer.
async fn placement_group_delete(aws: &Aws, record: Option<&FleetRecord>, timeout: SignedDuration) -> Result<()> {
    let Some(record) = record.filter(|record| record.spec.placement.is_some()) else { return Ok(()) };
    let give_up = aws.clock.now() + timeout;
    let mut pause_ms = 200;
    loop {
        match aws.instances.placement_group_delete(&layout::group_name(&record.fleet)).await {
            Err(error) if error.class == Class::Conflict && aws.clock.now() < give_up => {}
            other => return other,
        }
        aws.clock.sleep(pause_ms).await;
        pause_ms = (pause_ms * 3 / 2).min(PAUSE_MS_MAX);
    }
}

pub(crate) fn instances_of(count: usize) -> String {
    if count == 1 { "1 instance".to_owned() } else { format!("{count} instances") }
}
