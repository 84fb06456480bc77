//! Calls about what launches name: placement groups and key pairs.

use super::{Filter, TagSpecification};

/// Makes a placement group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreatePlacementGroup {
    /// Unique in its region.
    pub group_name: String,
    /// `cluster` (the default) or `spread`.
    pub strategy: Option<String>,
    /// Tags, of `placement-group`.
    pub tag_specifications: Vec<TagSpecification>,
}

/// Lists placement groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribePlacementGroups {
    /// Only these; an unknown one is an error.
    pub group_names: Vec<String>,
    /// Only these; an unknown one is an error.
    pub group_ids: Vec<String>,
    /// Conditions, all of which must hold.
    pub filters: Vec<Filter>,
}

/// Tells EC2 the public half of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportKeyPair {
    /// Unique in its region.
    pub key_name: String,
    /// As `authorized_keys` has it (not base64).
    pub public_key_material: Vec<u8>,
    /// Tags, of `key-pair`.
    pub tag_specifications: Vec<TagSpecification>,
}

/// Lists key pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeKeyPairs {
    /// Only these; an unknown one is an error.
    pub key_names: Vec<String>,
    /// Only these; an unknown one is an error.
    pub key_pair_ids: Vec<String>,
    /// Conditions, all of which must hold.
    pub filters: Vec<Filter>,
    /// Tells the keys as well.
    pub include_public_key: bool,
}

/// Forgets a key pair.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteKeyPair {
    /// By name. One that is not there is no error.
    pub key_name: Option<String>,
    /// By id.
    pub key_pair_id: Option<String>,
}
