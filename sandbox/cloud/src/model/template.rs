//! Launch templates: launches that were described in advance.

use jiff::Timestamp;
use serde::Serialize;

use super::Tags;
use crate::request::LaunchTemplateData;

/// A launch template; what it launches is in its versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LaunchTemplate {
    /// `lt-…`.
    pub id: String,
    /// Unique in its region.
    pub name: String,
    /// When it was made.
    pub create_time: Timestamp,
    /// Who made it, by ARN: the account, as callers are not known here.
    pub created_by: String,
    /// The version that is meant where none is named.
    pub default_version: u64,
    /// The newest version.
    pub latest_version: u64,
    /// Its tags.
    pub tags: Tags,
}

/// A version of a launch template, which never changes.
#[derive(Clone, Debug, PartialEq)]
pub struct LaunchTemplateVersion {
    /// The template.
    pub template_id: String,
    /// Its name.
    pub template_name: String,
    /// Counted from 1.
    pub number: u64,
    /// Free text.
    pub description: Option<String>,
    /// When it was made.
    pub create_time: Timestamp,
    /// Who made it, by ARN.
    pub created_by: String,
    /// Whether it is the template's default.
    pub is_default: bool,
    /// What it launches.
    pub data: LaunchTemplateData,
}
