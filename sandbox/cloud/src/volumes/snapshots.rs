//! Snapshots of volumes.

use jiff::Timestamp;

use crate::cloud::{Cloud, Region};
use crate::error::ApiError;
use crate::filter::{Table, by_id, maybe, one};
use crate::identity::is_well_formed;
use crate::model::{Snapshot, format_time};
use crate::paging::{USUAL, cut};
use crate::reply::Listing;
use crate::request::{CreateSnapshot, DescribeSnapshots, OneId};
use crate::tags;
use crate::transition::{after, millis};

pub(crate) fn unknown(id: &str) -> ApiError {
    if is_well_formed(id, "snap") {
        ApiError::new("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist."))
    } else {
        ApiError::new("InvalidSnapshotID.Malformed", format!("Invalid id: \"{id}\" (expecting \"snap-...\")"))
    }
}

pub(crate) fn create(cloud: &mut Cloud, now: Timestamp, region: &str, request: &CreateSnapshot) -> Result<Snapshot, ApiError> {
    let tags = tags::specified(&request.tag_specifications, "snapshot")?;
    let volume = cloud.region(region).volumes.get(&request.volume_id).ok_or_else(|| super::unknown(&request.volume_id))?.clone().at(now);
    let snapshot = Snapshot {
        id: cloud.generator.id("snap"),
        owner_id: cloud.config.account_id.clone(),
        volume_id: volume.id,
        volume_size: volume.size,
        encrypted: volume.encrypted,
        kms_key_id: volume.kms_key_id,
        description: request.description.clone(),
        start_time: now,
        complete_at: after(now, millis(cloud.config.boot_delay_ms)),
        completed: false,
        tags,
    };
    cloud.region_mut(region).snapshots.insert(snapshot.id.clone(), snapshot.clone());
    Ok(snapshot)
}

pub(crate) fn delete(region: &mut Region, request: &OneId) -> Result<(), ApiError> {
    region.snapshots.remove(&request.id).map(|_| ()).ok_or_else(|| unknown(&request.id))
}

/// A snapshot that a volume can begin as.
pub(crate) fn complete<'a>(region: &'a Region, now: Timestamp, id: &str) -> Result<&'a Snapshot, ApiError> {
    let snapshot = region.snapshots.get(id).ok_or_else(|| unknown(id))?;
    if now < snapshot.complete_at {
        return Err(ApiError::new("IncorrectState", format!("Snapshot {id} is in invalid state - pending")));
    }
    Ok(snapshot)
}

fn state(snapshot: &Snapshot) -> &'static str {
    if snapshot.completed { "completed" } else { "pending" }
}

const FILTERS: Table<Snapshot> = Table {
    columns: &[
        ("description", |s| one(&s.description)),
        ("encrypted", |s| one(s.encrypted)),
        ("owner-id", |s| one(&s.owner_id)),
        ("progress", |s| maybe(s.completed.then_some("100%"))),
        ("snapshot-id", |s| one(&s.id)),
        ("start-time", |s| one(format_time(s.start_time))),
        ("status", |s| one(state(s))),
        ("volume-id", |s| one(&s.volume_id)),
        ("volume-size", |s| one(s.volume_size)),
    ],
    tags: Some(|s| &s.tags),
};

pub(crate) fn describe(cloud: &Cloud, now: Timestamp, region: &str, request: &DescribeSnapshots) -> Result<Listing<Snapshot>, ApiError> {
    FILTERS.check(&request.filters)?;
    if !request.snapshot_ids.is_empty() && request.page.max_results.is_some() {
        return Err(ApiError::combination("The parameter snapshotSet cannot be used with the parameter maxResults"));
    }
    let told = |s: &Snapshot| Snapshot { completed: now >= s.complete_at, ..s.clone() };
    let all = cloud.region(region).snapshots.values().map(told).collect();
    let owned = |s: &Snapshot| request.owners.is_empty() || request.owners.iter().any(|owner| owner == "self" || *owner == s.owner_id);
    let mut found = by_id(all, &request.snapshot_ids, |s: &Snapshot| s.id.clone(), "", |missing| unknown(missing[0]))?;
    found.retain(|s| owned(s) && FILTERS.passes(&request.filters, s));
    cut(found, &request.page, USUAL, |s| s.id.clone())
}
