//! Calls about volumes.

/// Deletes a volume that is attached to nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteVolume {
    /// The volume.
    pub volume_id: String,
}
