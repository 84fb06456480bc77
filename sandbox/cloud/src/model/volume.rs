//! Disks.

use jiff::Timestamp;
use serde::Serialize;

use super::Tags;

/// A disk.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Volume {
    /// `vol-…`.
    pub id: String,
    /// GiB.
    pub size: i64,
    /// `gp3` and its like.
    pub volume_type: String,
    /// Operations a second.
    pub iops: Option<i64>,
    /// MiB a second.
    pub throughput: Option<i64>,
    /// The snapshot it began as.
    pub snapshot_id: Option<String>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// With which key.
    pub kms_key_id: Option<String>,
    /// Its zone.
    pub availability_zone: String,
    /// Its zone's id.
    pub availability_zone_id: String,
    /// When it was made.
    pub create_time: Timestamp,
    /// The instance it is attached to, and how; none means it is available.
    pub attachment: Option<VolumeAttachment>,
    /// Its tags.
    pub tags: Tags,
}

/// How a volume is attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VolumeAttachment {
    /// The instance.
    pub instance_id: String,
    /// `/dev/…`.
    pub device: String,
    /// Whether the volume ends with the instance.
    pub delete_on_termination: bool,
    /// When it was attached.
    pub attach_time: Timestamp,
}
