//! Volumes: they come with instances, and mostly go with them.

pub(crate) mod modify;
pub(crate) mod rules;
pub(crate) mod snapshots;

use jiff::Timestamp;

use crate::cloud::{Cloud, Region};
use crate::error::ApiError;
use crate::filter::{Table, maybe, one};
use crate::identity::is_well_formed;
use crate::model::{Volume, VolumeAttachment, format_time};
use crate::paging::{USUAL, cut};
use crate::reply::Listing;
use crate::request::{DeleteVolume, DescribeById};

const FILTERS: Table<Volume> = Table {
    columns: &[
        ("attachment.attach-time", |v| attachment(v, |a| format_time(a.attach_time))),
        ("attachment.delete-on-termination", |v| attachment(v, |a| a.delete_on_termination.to_string())),
        ("attachment.device", |v| attachment(v, |a| a.device.clone())),
        ("attachment.instance-id", |v| attachment(v, |a| a.instance_id.clone())),
        ("attachment.status", |v| attachment(v, |_| "attached".to_owned())),
        ("availability-zone", |v| one(&v.availability_zone)),
        ("availability-zone-id", |v| one(&v.availability_zone_id)),
        ("create-time", |v| one(format_time(v.create_time))),
        ("encrypted", |v| one(v.encrypted)),
        ("size", |v| one(v.size)),
        ("snapshot-id", |v| maybe(v.snapshot_id.as_ref())),
        ("status", |v| one(if v.attachment.is_some() { "in-use" } else { "available" })),
        ("volume-id", |v| one(&v.id)),
        ("volume-type", |v| one(&v.volume_type)),
    ],
    tags: Some(|v| &v.tags),
};

fn attachment(volume: &Volume, read: impl Fn(&VolumeAttachment) -> String) -> Vec<String> {
    maybe(volume.attachment.as_ref().map(read))
}

pub(crate) fn unknown(id: &str) -> ApiError {
    if is_well_formed(id, "vol") {
        ApiError::new("InvalidVolume.NotFound", format!("The volume '{id}' does not exist."))
    } else {
        ApiError::value(format!("Value ({id}) for parameter volumes is invalid. Expected: 'vol-...'."))
    }
}

pub(crate) fn describe(cloud: &Cloud, now: Timestamp, region: &str, request: &DescribeById) -> Result<Listing<Volume>, ApiError> {
    FILTERS.check(&request.filters)?;
    if !request.ids.is_empty() && request.page.max_results.is_some() {
        return Err(ApiError::combination("The parameter volumeSet cannot be used with the parameter maxResults"));
    }
    let seen = cloud.region(region).volumes.seen(now, cloud.lateness());
    let all = seen.into_iter().map(|volume| volume.clone().at(now)).collect();
    let mut found = crate::filter::by_id(all, &request.ids, |v: &Volume| v.id.clone(), "", |missing| unknown(missing[0]))?;
    found.retain(|v| FILTERS.passes(&request.filters, v));
    cut(found, &request.page, USUAL, |v| v.id.clone())
}

pub(crate) fn delete(region: &mut Region, now: Timestamp, request: &DeleteVolume) -> Result<(), ApiError> {
    let id = &request.volume_id;
    let volume = region.volumes.get(id).ok_or_else(|| unknown(id))?;
    if let Some(attachment) = &volume.attachment {
        return Err(ApiError::new("VolumeInUse", format!("Volume {id} is currently attached to {}", attachment.instance_id)));
    }
    region.volumes.remove(now, id);
    Ok(())
}
