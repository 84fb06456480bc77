//! What instances start from.

use serde::Serialize;

use super::Tags;

/// The operating system of an image, and whether it brings the agent of Systems Manager along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Platform {
    /// Its name, as its release file has it.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Whether the agent is installed and enabled.
    pub has_agent: bool,
}

/// What an instance starts from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Image {
    /// `ami-…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// The account it belongs to.
    pub owner_id: String,
    /// `amazon`, or none.
    pub owner_alias: Option<String>,
    /// When it was made.
    pub creation_date: String,
    /// The device of the root volume.
    pub root_device_name: String,
    /// What the root volume begins as.
    pub snapshot_id: String,
    /// GiB.
    pub volume_size: i64,
    /// `gp3` or `gp2`.
    pub volume_type: &'static str,
    /// From when on it is no longer listed unless asked for.
    pub deprecation_time: Option<String>,
    /// `uefi` or `uefi-preferred`.
    pub boot_mode: String,
    /// What is installed.
    pub platform: Platform,
    /// Its tags, those of this account.
    pub tags: Tags,
}
