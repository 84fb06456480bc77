//! Placement groups and key pairs: what launches name.

use jiff::Timestamp;
use serde::Serialize;

use super::Tags;

/// How the instances of a placement group lie to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Close together, in one zone.
    Cluster,
    /// Each on hardware of its own.
    Spread,
}

impl Strategy {
    /// EC2's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Strategy::Cluster => "cluster",
            Strategy::Spread => "spread",
        }
    }
}

/// A placement group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlacementGroup {
    /// `pg-…`.
    pub id: String,
    /// Unique in its region.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// How its instances lie to each other.
    pub strategy: Strategy,
    /// Its tags.
    pub tags: Tags,
}

/// The public half of a key that opens instances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyPair {
    /// `key-…`.
    pub id: String,
    /// Unique in its region.
    pub name: String,
    /// `rsa` or `ed25519`.
    pub key_type: &'static str,
    /// As `authorized_keys` has it.
    pub public_key: String,
    /// In the form of EC2's; it follows from the key, but is not the digest that AWS computes.
    pub fingerprint: String,
    /// When it was imported.
    pub create_time: Timestamp,
    /// Its tags.
    pub tags: Tags,
}
