//! The volumes an instance starts with.

use jiff::Timestamp;

use crate::cloud::{Cloud, Region};
use crate::error::ApiError;
use crate::identity::Generator;
use crate::kms;
use crate::model::{AttachedVolume, Image, Tags, Volume, VolumeAttachment, Zone};
use crate::request::BlockDevice;
use crate::volumes::rules::{self, Speed};
use crate::volumes::snapshots;

/// A volume to be made for each instance of a launch.
#[derive(Clone, Debug)]
pub(super) struct DiskPlan {
    device_name: String,
    size: i64,
    volume_type: String,
    iops: Option<i64>,
    throughput: Option<i64>,
    snapshot_id: Option<String>,
    encrypted: bool,
    kms_key_id: Option<String>,
    /// Whether EC2 will not find its key, once it looks.
    pub(super) key_is_missing: bool,
    delete_on_termination: bool,
}

impl DiskPlan {
    /// Whether an instance's memory can be kept on it.
    pub(super) fn can_keep(&self, memory_mib: u64) -> bool {
        u64::try_from(self.size).unwrap_or(0) * 1024 >= memory_mib && !matches!(self.volume_type.as_str(), "standard")
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.encrypted
    }
}

/// Where disks are planned: what they may begin as, and be encrypted with.
pub(super) struct Place<'a> {
    pub(super) cloud: &'a Cloud,
    pub(super) now: Timestamp,
    pub(super) region: &'a Region,
    pub(super) image: &'a Image,
}

/// What the image brings, changed and extended by what the launch says.
pub(super) fn plan(place: &Place<'_>, devices: &[BlockDevice]) -> Result<Vec<DiskPlan>, ApiError> {
    let mut seen = std::collections::BTreeSet::new();
    for device in devices {
        if device.device_name.is_empty() {
            return Err(ApiError::missing("BlockDeviceMapping.1.DeviceName"));
        }
        if !seen.insert(&device.device_name) {
            let name = &device.device_name;
            return Err(ApiError::new("InvalidBlockDeviceMapping", format!("Duplicate device name '{name}'")));
        }
    }
    let root_name = &place.image.root_device_name;
    let root = devices.iter().find(|d| d.device_name == *root_name);
    if root.is_some_and(|d| d.no_device) {
        return Err(ApiError::new("InvalidBlockDeviceMapping", "The root device may not be left out."));
    }
    let as_it_is = BlockDevice { device_name: root_name.clone(), ..Default::default() };
    let mut plans = vec![disk(place, true, root.unwrap_or(&as_it_is))?];
    for device in devices.iter().filter(|d| d.device_name != *root_name && !d.no_device) {
        plans.push(disk(place, false, device)?);
    }
    Ok(plans)
}

/// What a disk begins as.
struct Origin {
    snapshot_id: Option<String>,
    /// GiB; 0 if it begins empty.
    size: i64,
    encrypted: bool,
    kms_key_id: Option<String>,
}

fn origin(place: &Place<'_>, root: bool, device: &BlockDevice) -> Result<Origin, ApiError> {
    let image = place.image;
    match &device.snapshot_id {
        Some(id) if root && *id != image.snapshot_id => {
            Err(ApiError::new("InvalidBlockDeviceMapping", "snapshotId cannot be modified on root device"))
        }
        _ if root => {
            Ok(Origin { snapshot_id: Some(image.snapshot_id.clone()), size: image.volume_size, encrypted: false, kms_key_id: None })
        }
        None => Ok(Origin { snapshot_id: None, size: 0, encrypted: false, kms_key_id: None }),
        Some(id) => {
            let snapshot = snapshots::complete(place.region, place.now, id)?;
            Ok(Origin {
                snapshot_id: Some(id.clone()),
                size: snapshot.volume_size,
                encrypted: snapshot.encrypted,
                kms_key_id: snapshot.kms_key_id.clone(),
            })
        }
    }
}

fn disk(place: &Place<'_>, root: bool, device: &BlockDevice) -> Result<DiskPlan, ApiError> {
    let origin = origin(place, root, device)?;
    let size = match (device.volume_size, &origin.snapshot_id) {
        (None, None) => return Err(ApiError::new("MissingParameter", "The request must contain the parameter size or snapshotId")),
        (None, Some(_)) => origin.size,
        (Some(size), Some(id)) if size < origin.size => {
            let message = format!("Volume of size {size}GB is smaller than snapshot '{id}', expect size>= {}GB", origin.size);
            return Err(ApiError::new("InvalidBlockDeviceMapping", message));
        }
        (Some(size), _) => size,
    };
    let volume_type = device.volume_type.clone().unwrap_or_else(|| if root { place.image.volume_type } else { "gp2" }.to_owned());
    let speed = rules::check(&volume_type, size, root, Speed { iops: device.iops, throughput: device.throughput })?;
    if device.kms_key_id.is_some() && device.encrypted != Some(true) {
        return Err(ApiError::combination("The parameter KmsKeyId requires the parameter Encrypted to be set."));
    }
    let encrypted = device.encrypted.unwrap_or(false) || origin.encrypted;
    let kms_key_id = device.kms_key_id.clone().or(origin.kms_key_id).or_else(|| encrypted.then(|| kms::DEFAULT.to_owned()));
    let found = kms_key_id.as_ref().map(|named| place.cloud.keys.find(&place.region.name, named));
    Ok(DiskPlan {
        device_name: device.device_name.clone(),
        size,
        iops: speed.iops,
        throughput: speed.throughput,
        volume_type,
        snapshot_id: origin.snapshot_id,
        encrypted,
        key_is_missing: found == Some(None),
        kms_key_id: found.flatten().or(kms_key_id),
        // An image's root volume ends with its instance; one that a launch adds stays unless told otherwise.
        delete_on_termination: device.delete_on_termination.unwrap_or(root),
    })
}

/// The volume of a plan for one instance, from both sides.
pub(super) fn make(
    plan: &DiskPlan,
    generator: &mut Generator,
    now: Timestamp,
    zone: &Zone,
    instance_id: &str,
    tags: &Tags,
) -> (Volume, AttachedVolume) {
    let id = generator.id("vol");
    let attached = AttachedVolume {
        device_name: plan.device_name.clone(),
        volume_id: id.clone(),
        delete_on_termination: plan.delete_on_termination,
        attach_time: now,
    };
    let volume = Volume {
        id,
        size: plan.size,
        volume_type: plan.volume_type.clone(),
        iops: plan.iops,
        throughput: plan.throughput,
        snapshot_id: plan.snapshot_id.clone(),
        encrypted: plan.encrypted,
        kms_key_id: plan.kms_key_id.clone(),
        availability_zone: zone.name.clone(),
        availability_zone_id: zone.id.clone(),
        create_time: now,
        attachment: Some(VolumeAttachment {
            instance_id: instance_id.to_owned(),
            device: plan.device_name.clone(),
            delete_on_termination: plan.delete_on_termination,
            attach_time: now,
        }),
        modification: None,
        changed_at: Vec::new(),
        tags: tags.clone(),
    };
    (volume, attached)
}
