//! The volumes an instance starts with.

use jiff::Timestamp;

use crate::error::ApiError;
use crate::identity::Generator;
use crate::model::{AttachedVolume, Image, Tags, Volume, VolumeAttachment, Zone};
use crate::request::BlockDevice;

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
    delete_on_termination: bool,
}

/// What the image brings, changed and extended by what the launch says.
pub(super) fn plan(image: &Image, devices: &[BlockDevice]) -> Result<Vec<DiskPlan>, ApiError> {
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
    let root = devices.iter().find(|d| d.device_name == image.root_device_name);
    if root.is_some_and(|d| d.no_device) {
        return Err(ApiError::new("InvalidBlockDeviceMapping", "The root device may not be left out."));
    }
    let mut plans = vec![disk(image, true, root.unwrap_or(&root_of(image)))?];
    for device in devices.iter().filter(|d| d.device_name != image.root_device_name && !d.no_device) {
        plans.push(disk(image, false, device)?);
    }
    Ok(plans)
}

fn root_of(image: &Image) -> BlockDevice {
    BlockDevice { device_name: image.root_device_name.clone(), ..Default::default() }
}

fn disk(image: &Image, root: bool, device: &BlockDevice) -> Result<DiskPlan, ApiError> {
    let refuse = |message: String| Err(ApiError::new("InvalidBlockDeviceMapping", message));
    if let Some(snapshot) = device.snapshot_id.as_ref().filter(|s| !root || **s != image.snapshot_id) {
        return Err(ApiError::new("InvalidSnapshot.NotFound", format!("The snapshot '{snapshot}' does not exist.")));
    }
    let size = match device.volume_size {
        Some(size) if root && size < image.volume_size => {
            return refuse(format!(
                "Volume of size {size}GB is smaller than snapshot '{}', expect size>= {}GB",
                image.snapshot_id, image.volume_size
            ));
        }
        Some(size) if !(1..=65_536).contains(&size) => {
            return Err(ApiError::value(format!("Volume size {size} GiB is not within 1 and 65536.")));
        }
        Some(size) => size,
        None if root => image.volume_size,
        None => return Err(ApiError::new("MissingParameter", "The request must contain the parameter size or snapshotId")),
    };
    let volume_type = device.volume_type.clone().unwrap_or_else(|| if root { image.volume_type } else { "gp2" }.to_owned());
    if !["gp2", "gp3", "io1", "io2", "st1", "sc1", "standard"].contains(&volume_type.as_str()) {
        return Err(ApiError::value(format!("Invalid value '{volume_type}' for VolumeType.")));
    }
    if device.throughput.is_some() && volume_type != "gp3" {
        return Err(ApiError::combination(format!("The parameter throughput is not supported for {volume_type} volumes.")));
    }
    if device.iops.is_some() && !["gp3", "io1", "io2"].contains(&volume_type.as_str()) {
        return Err(ApiError::combination(format!("The parameter iops is not supported for {volume_type} volumes.")));
    }
    if device.kms_key_id.is_some() && device.encrypted != Some(true) {
        return Err(ApiError::combination("The parameter KmsKeyId requires the parameter Encrypted to be set."));
    }
    Ok(DiskPlan {
        device_name: device.device_name.clone(),
        size,
        iops: device.iops.or((volume_type == "gp3").then_some(3000)),
        throughput: device.throughput.or((volume_type == "gp3").then_some(125)),
        volume_type,
        snapshot_id: root.then(|| image.snapshot_id.clone()),
        encrypted: device.encrypted.unwrap_or(false),
        kms_key_id: device.kms_key_id.clone(),
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
        tags: tags.clone(),
    };
    (volume, attached)
}
