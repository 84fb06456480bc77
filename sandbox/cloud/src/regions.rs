//! Regions, their zones, and what an account is in one.

use crate::catalogue::REGIONS;
use crate::cloud::Region;
use crate::error::ApiError;
use crate::filter::{Table, by_id, one};
use crate::model::{RegionInfo, Zone};
use crate::request::{DescribeAvailabilityZones, DescribeRegions};

const REGION_FILTERS: Table<RegionInfo> = Table {
    columns: &[("endpoint", |r| one(&r.endpoint)), ("opt-in-status", |_| one("opt-in-not-required")), ("region-name", |r| one(&r.name))],
    tags: None,
};

pub(crate) fn describe_regions(request: &DescribeRegions) -> Result<Vec<RegionInfo>, ApiError> {
    REGION_FILTERS.check(&request.filters)?;
    let all = REGIONS.iter().map(|r| RegionInfo { name: r.name.to_owned(), endpoint: format!("ec2.{}.amazonaws.com", r.name) }).collect();
    let mut found = by_id(
        all,
        &request.region_names,
        |r| r.name.clone(),
        "",
        |missing| ApiError::value(format!("Invalid region provided: [{}]", missing.join(", "))),
    )?;
    found.retain(|r| REGION_FILTERS.passes(&request.filters, r));
    Ok(found)
}

const ZONE_FILTERS: Table<Zone> = Table {
    columns: &[
        ("group-name", |z| one(&z.region)),
        ("opt-in-status", |_| one("opt-in-not-required")),
        ("region-name", |z| one(&z.region)),
        ("state", |_| one("available")),
        ("zone-id", |z| one(&z.id)),
        ("zone-name", |z| one(&z.name)),
        ("zone-type", |_| one("availability-zone")),
    ],
    tags: None,
};

pub(crate) fn describe_zones(region: &Region, request: &DescribeAvailabilityZones) -> Result<Vec<Zone>, ApiError> {
    ZONE_FILTERS.check(&request.filters)?;
    let named = by_id(
        region.zones.clone(),
        &request.zone_names,
        |z| z.name.clone(),
        "",
        |missing| ApiError::value(format!("Invalid availability zone: [{}]", missing.join(", "))),
    )?;
    let mut found = by_id(
        named,
        &request.zone_ids,
        |z| z.id.clone(),
        "",
        |missing| ApiError::value(format!("Invalid availability zone-id: [{}]", missing.join(", "))),
    )?;
    found.retain(|z| ZONE_FILTERS.passes(&request.filters, z));
    Ok(found)
}

/// What an account is.
pub(crate) fn account_attributes(region: &Region, names: &[String]) -> Result<Vec<(String, Vec<String>)>, ApiError> {
    let all = vec![
        ("default-vpc".to_owned(), vec![region.network.default_vpc().map_or_else(|| "none".to_owned(), |v| v.id.clone())]),
        ("supported-platforms".to_owned(), vec!["VPC".to_owned()]),
    ];
    by_id(
        all,
        names,
        |(name, _)| name.clone(),
        "",
        |missing| ApiError::gap("InvalidParameterValue", format!("Account attribute '{}' is not simulated", missing[0])),
    )
}
