//! Calls about volumes and their snapshots.

use super::{Filter, Page, TagSpecification};

/// Deletes a volume that is attached to nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteVolume {
    /// The volume.
    pub volume_id: String,
}

/// Changes what a volume is, while it is there; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModifyVolume {
    /// The volume.
    pub volume_id: String,
    /// GiB.
    pub size: Option<i64>,
    /// `gp3` and its like.
    pub volume_type: Option<String>,
    /// Operations a second.
    pub iops: Option<i64>,
    /// MiB a second.
    pub throughput: Option<i64>,
}

/// Takes a snapshot of a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateSnapshot {
    /// The volume.
    pub volume_id: String,
    /// What it is for.
    pub description: String,
    /// Tags, of `snapshot`.
    pub tag_specifications: Vec<TagSpecification>,
}

/// Lists the snapshots of the account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeSnapshots {
    /// Only these; an unknown one is an error.
    pub snapshot_ids: Vec<String>,
    /// Account ids, `self` or `amazon`.
    pub owners: Vec<String>,
    /// Conditions, all of which must hold.
    pub filters: Vec<Filter>,
    /// Which part of the answer.
    pub page: Page,
}
