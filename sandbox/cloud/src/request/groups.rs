//! Calls about security groups.

use super::{Filter, Page, TagSpecification};
use crate::model::IpPermission;

/// Makes a security group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateSecurityGroup {
    /// Unique in its network.
    pub group_name: String,
    /// What it is for; EC2 insists on one.
    pub description: String,
    /// The network; none means the default one.
    pub vpc_id: Option<String>,
    /// Tags, of `security-group`.
    pub tag_specifications: Vec<TagSpecification>,
}

/// Lists security groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeSecurityGroups {
    /// Only these; an unknown one is an error.
    pub group_ids: Vec<String>,
    /// Only these names of the default network; an unknown one is an error.
    pub group_names: Vec<String>,
    /// Conditions, all of which must hold.
    pub filters: Vec<Filter>,
    /// Which part of the answer. 5 to 1,000.
    pub page: Page,
}

/// Adds rules to a security group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorizeRules {
    /// The group by id.
    pub group_id: Option<String>,
    /// The group by name, in the default network.
    pub group_name: Option<String>,
    /// The rules.
    pub permissions: Vec<IpPermission>,
    /// Tags, of `security-group-rule`.
    pub tag_specifications: Vec<TagSpecification>,
}

/// Takes rules from a security group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevokeRules {
    /// The group by id.
    pub group_id: Option<String>,
    /// The group by name, in the default network.
    pub group_name: Option<String>,
    /// The rules by what they say.
    pub permissions: Vec<IpPermission>,
    /// The rules by id.
    pub rule_ids: Vec<String>,
}

/// Deletes a security group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteSecurityGroup {
    /// The group by id.
    pub group_id: Option<String>,
    /// The group by name, in the default network.
    pub group_name: Option<String>,
}
