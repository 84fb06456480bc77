//! Networks, and where they are.

use serde::Serialize;

use super::Tags;

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Vpc {
    /// `vpc-…`.
    pub id: String,
    /// The account it belongs to.
    pub owner_id: String,
    /// Its addresses.
    pub cidr_block: String,
    /// The id of that range.
    pub cidr_association_id: String,
    /// Its DHCP options.
    pub dhcp_options_id: String,
    /// Its tags.
    pub tags: Tags,
}

/// A part of a network in one zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subnet {
    /// `subnet-…`.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// Its network.
    pub vpc_id: String,
    /// Its zone.
    pub availability_zone: String,
    /// Its zone's id.
    pub availability_zone_id: String,
    /// Its addresses.
    pub cidr_block: String,
    /// How many of them are free.
    pub available_ip_address_count: u32,
    /// Its tags.
    pub tags: Tags,
}

/// A zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Zone {
    /// Such as `us-east-1a`.
    pub name: String,
    /// Such as `use1-az1`.
    pub id: String,
    /// Its region.
    pub region: String,
}

/// A region as DescribeRegions tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RegionInfo {
    /// Such as `us-east-1`.
    pub name: String,
    /// Its host name.
    pub endpoint: String,
}
