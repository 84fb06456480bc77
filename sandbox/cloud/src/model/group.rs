//! Security groups.

use serde::Serialize;

use super::Tags;

/// What a rule lets through to or from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleTarget {
    /// IPv4 addresses, as a prefix.
    Ipv4(String),
    /// IPv6 addresses, as a prefix.
    Ipv6(String),
    /// Members of a security group.
    Group {
        /// Its id.
        group_id: String,
        /// Its account.
        user_id: String,
    },
}

/// One rule of a security group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecurityGroupRule {
    /// `sgr-…`.
    pub id: String,
    /// Its group.
    pub group_id: String,
    /// The account.
    pub owner_id: String,
    /// Out of the group, not into it.
    pub egress: bool,
    /// `tcp`, `udp`, `icmp`, a number, or `-1` for all.
    pub protocol: String,
    /// The first port; none with protocol `-1`.
    pub from_port: Option<i64>,
    /// The last port; none with protocol `-1`.
    pub to_port: Option<i64>,
    /// To or from whom.
    pub target: RuleTarget,
    /// Free text.
    pub description: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// A source or destination as a call names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionTarget {
    /// To or from whom. A group may be named by id only.
    pub target: RuleTarget,
    /// Free text.
    pub description: Option<String>,
}

/// Rules that share protocol and ports, as calls name them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpPermission {
    /// `tcp`, `udp`, `icmp`, a number, or `-1` for all.
    pub protocol: String,
    /// The first port.
    pub from_port: Option<i64>,
    /// The last port.
    pub to_port: Option<i64>,
    /// To or from whom: a rule for each.
    pub targets: Vec<PermissionTarget>,
}

/// Who may reach whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecurityGroup {
    /// `sg-…`.
    pub id: String,
    /// Unique in its network.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its network.
    pub vpc_id: String,
    /// Its ARN.
    pub arn: String,
    /// Its rules, in both directions.
    pub rules: Vec<SecurityGroupRule>,
    /// Its tags.
    pub tags: Tags,
}
