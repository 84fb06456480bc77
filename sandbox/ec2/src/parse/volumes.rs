//! Calls about volumes and their snapshots.

use sandbox_cloud::request::{CreateSnapshot, DeleteVolume, DescribeSnapshots, ModifyVolume, OneId};
use sandbox_cloud::{ApiError, Request};

use super::lists::by_id;
use crate::form::Form;

pub(super) fn volumes(form: &Form) -> Result<Request, ApiError> {
    form.only("IncludeManagedResources", &["false"])?;
    by_id(form, "VolumeId").map(Request::DescribeVolumes)
}

pub(super) fn delete_volume(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::DeleteVolume(DeleteVolume { volume_id: form.required("VolumeId")? }))
}

pub(super) fn modify_volume(form: &Form) -> Result<Request, ApiError> {
    form.only("MultiAttachEnabled", &["false"])?;
    Ok(Request::ModifyVolume(ModifyVolume {
        volume_id: form.required("VolumeId")?,
        size: form.integer("Size")?,
        volume_type: form.text("VolumeType"),
        iops: form.integer("Iops")?,
        throughput: form.integer("Throughput")?,
    }))
}

pub(super) fn modifications(form: &Form) -> Result<Request, ApiError> {
    by_id(form, "VolumeId").map(Request::DescribeVolumesModifications)
}

pub(super) fn create_snapshot(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::CreateSnapshot(CreateSnapshot {
        volume_id: form.required("VolumeId")?,
        description: form.text("Description").unwrap_or_default(),
        tag_specifications: form.tag_specifications("")?,
    }))
}

pub(super) fn delete_snapshot(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::DeleteSnapshot(OneId { id: form.required("SnapshotId")? }))
}

pub(super) fn snapshots(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::DescribeSnapshots(DescribeSnapshots {
        snapshot_ids: form.list("SnapshotId"),
        owners: form.list("Owner"),
        filters: form.filters()?,
        page: form.page()?,
    }))
}
