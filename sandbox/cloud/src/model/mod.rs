//! What exists in a region. Names of fields and values are EC2's.

mod group;
mod image;
mod instance;
mod network;
mod placement;
mod spot;
mod template;
mod volume;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use group::*;
pub use image::*;
pub use instance::*;
pub use network::*;
pub use placement::*;
pub use spot::*;
pub use template::*;
pub use volume::*;

/// A time as EC2 writes it: `2026-01-02T03:04:05.000Z`.
pub fn format_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// The tags of a resource, by key.
pub type Tags = BTreeMap<String, String>;

/// A name and a value on a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// At most 128 characters, and not beginning with `aws:`.
    pub key: String,
    /// At most 256 characters.
    pub value: String,
}

impl Tag {
    /// A tag.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Tag { key: key.into(), value: value.into() }
    }
}

/// How an instance is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Market {
    /// The list price.
    OnDemand,
    /// Spare capacity, which may be taken back.
    Spot,
}

/// One tag of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TaggedResource {
    /// The resource.
    pub resource_id: String,
    /// What it is, such as `instance`.
    pub resource_type: String,
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}
