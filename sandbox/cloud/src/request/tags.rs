//! Calls about tags.

use super::{Filter, Page};
use crate::model::Tag;

/// Sets tags on resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateTags {
    /// Ids of any kind.
    pub resources: Vec<String>,
    /// What to set.
    pub tags: Vec<Tag>,
}

/// One tag to remove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagRemoval {
    /// The key.
    pub key: String,
    /// Only if this is its value.
    pub value: Option<String>,
}

/// Removes tags from resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteTags {
    /// Ids of any kind.
    pub resources: Vec<String>,
    /// What to remove; nothing means every tag.
    pub tags: Vec<TagRemoval>,
}

/// Lists tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeTags {
    /// `key`, `value`, `resource-id`, `resource-type` and `tag:<key>`.
    pub filters: Vec<Filter>,
    /// Which part of the answer. 5 to 1,000.
    pub page: Page,
}
