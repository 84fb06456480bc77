//! Calls that list what a region offers.

use super::{Filter, Page};

/// Lists instance types.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeInstanceTypes {
    /// Only these; an unknown one is an error.
    pub instance_types: Vec<String>,
    /// Conditions, all of which must hold.
    pub filters: Vec<Filter>,
    /// Which part of the answer. 5 to 100.
    pub page: Page,
}

/// Lists where instance types are offered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeInstanceTypeOfferings {
    /// `region` (the default), `availability-zone` or `availability-zone-id`.
    pub location_type: Option<String>,
    /// `instance-type` and `location`.
    pub filters: Vec<Filter>,
    /// Which part of the answer. 5 to 1,000.
    pub page: Page,
}

/// Lists images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeImages {
    /// Only these; an unknown one is an error.
    pub image_ids: Vec<String>,
    /// Account ids, `amazon`, `self` or `aws-marketplace`.
    pub owners: Vec<String>,
    /// Those as well whose owners advise against them.
    pub include_deprecated: bool,
    /// Conditions, all of which must hold.
    pub filters: Vec<Filter>,
    /// Which part of the answer.
    pub page: Page,
}

/// Lists regions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeRegions {
    /// Only these; an unknown one is an error.
    pub region_names: Vec<String>,
    /// Conditions, all of which must hold.
    pub filters: Vec<Filter>,
}

/// Lists the zones of the region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeAvailabilityZones {
    /// Only these.
    pub zone_names: Vec<String>,
    /// Only these.
    pub zone_ids: Vec<String>,
    /// Conditions, all of which must hold.
    pub filters: Vec<Filter>,
}
