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
    /// The latest change of what it is, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modification: Option<VolumeModification>,
    /// When it was changed within the last day, the first time first.
    #[serde(skip)]
    pub(crate) changed_at: Vec<Timestamp>,
    /// Its tags.
    pub tags: Tags,
}

impl Volume {
    /// What of it can be changed.
    pub fn shape(&self) -> VolumeShape {
        VolumeShape { size: self.size, volume_type: self.volume_type.clone(), iops: self.iops, throughput: self.throughput }
    }

    /// As it is told at a time: it stays what it was for a moment after a change.
    pub(crate) fn at(self, now: Timestamp) -> Volume {
        let before = self.modification.as_ref().filter(|change| now < change.effective_at).map(|change| change.original.clone());
        match before {
            Some(shape) => self.shaped(shape),
            None => self,
        }
    }

    /// The same volume as something else.
    pub(crate) fn shaped(self, shape: VolumeShape) -> Volume {
        let VolumeShape { size, volume_type, iops, throughput } = shape;
        Volume { size, volume_type, iops, throughput, ..self }
    }
}

/// What of a volume can be changed while it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VolumeShape {
    /// GiB.
    pub size: i64,
    /// `gp3` and its like.
    pub volume_type: String,
    /// Operations a second.
    pub iops: Option<i64>,
    /// MiB a second.
    pub throughput: Option<i64>,
}

/// How far a change of a volume has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModificationState {
    /// The volume is still what it was.
    Modifying,
    /// It is what it is to be, and EC2 moves what is on it.
    Optimizing,
    /// It can be changed again.
    Completed,
}

impl ModificationState {
    /// AWS's name for it.
    pub fn name(self) -> &'static str {
        match self {
            ModificationState::Modifying => "modifying",
            ModificationState::Optimizing => "optimizing",
            ModificationState::Completed => "completed",
        }
    }
}

/// A change of a volume while it is there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VolumeModification {
    /// The volume.
    pub volume_id: String,
    /// What it was.
    pub original: VolumeShape,
    /// What it is to be.
    pub target: VolumeShape,
    /// When that was asked for.
    pub start_time: Timestamp,
    /// From when on it is that.
    #[serde(skip)]
    pub(crate) effective_at: Timestamp,
    /// From when on it can be changed again.
    #[serde(skip)]
    pub(crate) complete_at: Timestamp,
    /// How far it had come, at the time it was asked for.
    #[serde(skip)]
    pub told: Progress,
}

/// How far a change of a volume had come at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// In a word.
    pub state: ModificationState,
    /// In percent.
    pub percent: i64,
    /// When it was complete, if it was.
    pub end_time: Option<Timestamp>,
}

impl Progress {
    /// Of what has just begun.
    pub(crate) const NONE: Progress = Progress { state: ModificationState::Modifying, percent: 0, end_time: None };
}

impl VolumeModification {
    /// As it is told at a time.
    pub(crate) fn at(self, now: Timestamp) -> VolumeModification {
        let told = if now < self.effective_at {
            Progress::NONE
        } else if now < self.complete_at {
            let since = |at: Timestamp| at.duration_since(self.effective_at).as_millis();
            let percent = i64::try_from(since(now) * 100 / since(self.complete_at).max(1)).unwrap_or(0);
            Progress { state: ModificationState::Optimizing, percent, end_time: None }
        } else {
            Progress { state: ModificationState::Completed, percent: 100, end_time: Some(self.complete_at) }
        };
        VolumeModification { told, ..self }
    }
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
