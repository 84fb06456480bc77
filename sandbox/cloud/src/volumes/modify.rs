//! Volumes that change while they are there: larger, of another type, faster. It takes a moment, and then hours until the next change.

use jiff::{SignedDuration, Timestamp};

use super::rules::{self, Speed};
use super::unknown;
use crate::cloud::{Cloud, Region};
use crate::error::ApiError;
use crate::filter::{Table, by_id, maybe, one};
use crate::model::{ModificationState, Progress, Volume, VolumeModification, VolumeShape, format_time};
use crate::paging::{Limits, cut};
use crate::reply::Listing;
use crate::request::{DescribeById, ModifyVolume};
use crate::transition::{after, millis};

/// So often a volume may be changed within a day (EC2 API reference, `ModifyVolume`).
const CHANGES_A_DAY: usize = 4;
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// How long a change goes on for each GiB: for a TiB usually up to six hours (EBS user guide, "Modify an Amazon EBS volume").
const SECONDS_A_GIB: i64 = 6 * 3_600 / 1_024;

pub(crate) fn modify(cloud: &mut Cloud, now: Timestamp, region: &str, request: &ModifyVolume) -> Result<VolumeModification, ApiError> {
    let here = cloud.region(region);
    let volume = here.volumes.get(&request.volume_id).ok_or_else(|| unknown(&request.volume_id))?;
    let target = target(here, volume, request)?;
    check_ready(volume, now)?;
    let effective_at = after(now, millis(cloud.config.boot_delay_ms));
    let change = VolumeModification {
        volume_id: volume.id.clone(),
        original: volume.shape(),
        complete_at: after(effective_at, SignedDuration::from_secs(target.size.saturating_mul(SECONDS_A_GIB))),
        target,
        start_time: now,
        effective_at,
        told: Progress::NONE,
    };
    let begun = change.clone();
    cloud.region_mut(region).volumes.change(now, &request.volume_id, |volume| begin(volume, begun));
    Ok(change.at(now))
}

/// What a volume is to be.
fn target(here: &Region, volume: &Volume, request: &ModifyVolume) -> Result<VolumeShape, ApiError> {
    let ModifyVolume { size, volume_type, iops, throughput, .. } = request;
    if size.is_none() && volume_type.is_none() && iops.is_none() && throughput.is_none() {
        return Err(ApiError::value("Invalid input: Must specify at least one of size, type, iops, throughput or multi-attach."));
    }
    let size = size.unwrap_or(volume.size);
    if size < volume.size {
        return Err(ApiError::value("New size cannot be smaller than existing size"));
    }
    let volume_type = volume_type.clone().unwrap_or_else(|| volume.volume_type.clone());
    check_simulated(&volume.volume_type, &volume_type, iops.is_some() && throughput.is_some())?;
    let (asked, had) = (Speed { iops: *iops, throughput: *throughput }, Speed { iops: volume.iops, throughput: volume.throughput });
    let root = volume.attachment.as_ref().is_some_and(|attachment| {
        here.instances.get(&attachment.instance_id).is_some_and(|instance| instance.root_device_name == attachment.device)
    });
    let speed = rules::check(&volume_type, size, root, rules::kept(&volume_type, asked, had))?;
    Ok(VolumeShape { size, volume_type, iops: speed.iops, throughput: speed.throughput })
}

/// EC2 has rules of its own for magnetic volumes, and gives one that was gp2 the speed that it had.
fn check_simulated(old: &str, new: &str, speed_is_told: bool) -> Result<(), ApiError> {
    if old == "standard" || new == "standard" {
        return Err(ApiError::gap("UnsupportedOperation", "Changes of magnetic volumes are not simulated"));
    }
    if (old, new) == ("gp2", "gp3") && !speed_is_told {
        let message = "What speed a gp2 volume keeps as gp3 is not simulated: name Iops and Throughput";
        return Err(ApiError::gap("UnsupportedOperation", message));
    }
    Ok(())
}

/// One change at a time, and so many a day.
fn check_ready(volume: &Volume, now: Timestamp) -> Result<(), ApiError> {
    let state = volume.modification.clone().map(|change| change.at(now).told.state);
    if let Some(state) = state.filter(|state| *state != ModificationState::Completed) {
        let message = format!("Volume {} cannot be modified in modification state {}", volume.id, state.name().to_ascii_uppercase());
        return Err(ApiError::new("IncorrectModificationState", message));
    }
    let recent: Vec<Timestamp> = recent(volume, now).collect();
    if let Some(first) = recent.first().filter(|_| recent.len() >= CHANGES_A_DAY) {
        let next = format_time(after(*first, DAY));
        return Err(ApiError::new(
            "VolumeModificationRateExceeded",
            format!(
                "You've reached the maximum modification rate per volume limit. Wait until {next} before you can issue the next \
                 modification request for this volume."
            ),
        ));
    }
    Ok(())
}

/// The changes that count still.
fn recent(volume: &Volume, now: Timestamp) -> impl Iterator<Item = Timestamp> {
    volume.changed_at.iter().copied().filter(move |at| now < after(*at, DAY))
}

fn begin(volume: &mut Volume, change: VolumeModification) {
    let changed_at = recent(volume, change.start_time).chain([change.start_time]).collect();
    let shape = change.target.clone();
    *volume = Volume { modification: Some(change), changed_at, ..volume.clone().shaped(shape) };
}

const FILTERS: Table<VolumeModification> = Table {
    columns: &[
        ("modification-state", |m| one(m.told.state.name())),
        ("original-iops", |m| maybe(m.original.iops)),
        ("original-size", |m| one(m.original.size)),
        ("original-volume-type", |m| one(&m.original.volume_type)),
        ("start-time", |m| one(format_time(m.start_time))),
        ("target-iops", |m| maybe(m.target.iops)),
        ("target-size", |m| one(m.target.size)),
        ("target-volume-type", |m| one(&m.target.volume_type)),
        ("volume-id", |m| one(&m.volume_id)),
    ],
    tags: None,
};

/// The latest change of each volume. To ask for that of one that was never changed is an error.
pub(crate) fn describe(
    cloud: &Cloud,
    now: Timestamp,
    region: &str,
    request: &DescribeById,
) -> Result<Listing<VolumeModification>, ApiError> {
    FILTERS.check(&request.filters)?;
    let seen = cloud.region(region).volumes.seen(now, cloud.lateness());
    if let Some(nobodys) = request.ids.iter().find(|id| seen.iter().all(|volume| volume.id != **id)) {
        return Err(unknown(nobodys));
    }
    let all = seen.into_iter().filter_map(|volume| Some(volume.modification.clone()?.at(now))).collect();
    let never = |missing: &[&str]| {
        let message = format!("Modification for volume '{}' does not exist.", missing[0]);
        ApiError::new("InvalidVolumeModification.NotFound", message)
    };
    let mut found = by_id(all, &request.ids, |m: &VolumeModification| m.volume_id.clone(), "", never)?;
    found.retain(|m| FILTERS.passes(&request.filters, m));
    cut(found, &request.page, Limits { least: 1, most: 500, default: None }, |m| m.volume_id.clone())
}
