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

/// What a volume was at a moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Snapshot {
    /// `snap-…`.
    pub id: String,
    /// The account it belongs to.
    pub owner_id: String,
    /// Of which volume.
    pub volume_id: String,
    /// GiB.
    pub volume_size: i64,
    /// Whether it is encrypted, and what is made of it too.
    pub encrypted: bool,
    /// With which key.
    pub kms_key_id: Option<String>,
    /// What it is for.
    pub description: String,
    /// When it was taken.
    pub start_time: Timestamp,
    /// When it is complete.
    #[serde(skip)]
    pub(crate) complete_at: Timestamp,
    /// Whether it was, at the time it was asked for.
    #[serde(skip)]
    pub completed: bool,
    /// Its tags.
    pub tags: Tags,
}
