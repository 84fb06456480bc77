//! Placement groups.

use crate::catalogue::InstanceType;
use crate::cloud::{Cloud, Region};
use crate::error::ApiError;
use crate::filter::{Table, by_id, one};
use crate::model::{Instance, InstanceState, PlacementGroup, Strategy};
use crate::request::{CreatePlacementGroup, DescribePlacementGroups, OneId};
use crate::tags;

/// Running instances of a spread group in one zone.
const SPREAD_LIMIT: usize = 7;
/// Groups of a region.
const LIMIT: usize = 500;

pub(crate) fn unknown(name: &str) -> ApiError {
    ApiError::new("InvalidPlacementGroup.Unknown", format!("The Placement Group '{name}' is unknown."))
}

fn in_use(name: &str, how: &str) -> ApiError {
    ApiError::new("InvalidPlacementGroup.InUse", format!("The placement group '{name}' is in use {how}"))
}

pub(crate) fn create(cloud: &mut Cloud, region: &str, request: &CreatePlacementGroup) -> Result<PlacementGroup, ApiError> {
    let name = &request.group_name;
    if name.is_empty() || name.len() > 255 || !name.is_ascii() {
        return Err(ApiError::value(format!("Value ({name}) for parameter groupName is invalid. It must be 1 to 255 ASCII characters.")));
    }
    let strategy = match request.strategy.as_deref() {
        None | Some("cluster") => Strategy::Cluster,
        Some("spread") => Strategy::Spread,
        Some("partition") => return Err(ApiError::gap("InvalidParameterValue", "Partition placement groups are not simulated")),
        Some(other) => return Err(ApiError::value(format!("Value ({other}) for parameter strategy is invalid."))),
    };
    let tags = tags::specified(&request.tag_specifications, "placement-group")?;
    let groups = &cloud.region(region).placement_groups;
    if groups.contains_key(name) {
        return Err(ApiError::new("InvalidPlacementGroup.Duplicate", format!("The Placement Group '{name}' already exists.")));
    }
    if groups.len() >= LIMIT {
        return Err(ApiError::new("PlacementGroupLimitExceeded", "The maximum number of placement groups has been reached."));
    }
    let arn = format!("arn:aws:ec2:{region}:{}:placement-group/{name}", cloud.config.account_id);
    let group = PlacementGroup { id: cloud.generator.id("pg"), name: name.clone(), arn, strategy, tags };
    cloud.region_mut(region).placement_groups.insert(name.clone(), group.clone());
    Ok(group)
}

/// The instances that belong to a group, stopped ones too.
fn members<'a>(region: &'a Region, name: &str) -> impl Iterator<Item = &'a Instance> {
    let belongs = move |i: &&Instance| i.state != InstanceState::Terminated && i.placement_group.as_deref() == Some(name);
    region.instances.values().filter(belongs).collect::<Vec<_>>().into_iter()
}

pub(crate) fn delete(region: &mut Region, request: &OneId) -> Result<(), ApiError> {
    let name = &request.id;
    if !region.placement_groups.contains_key(name) {
        return Err(unknown(name));
    }
    if members(region, name).next().is_some() {
        return Err(in_use(name, "and may not be deleted."));
    }
    region.placement_groups.remove(name);
    Ok(())
}

const FILTERS: Table<PlacementGroup> = Table {
    columns: &[
        ("group-arn", |g| one(&g.arn)),
        ("group-name", |g| one(&g.name)),
        ("spread-level", |g| if g.strategy == Strategy::Spread { one("rack") } else { Vec::new() }),
        ("state", |_| one("available")),
        ("strategy", |g| one(g.strategy.name())),
    ],
    tags: Some(|g| &g.tags),
};

pub(crate) fn describe(region: &Region, request: &DescribePlacementGroups) -> Result<Vec<PlacementGroup>, ApiError> {
    FILTERS.check(&request.filters)?;
    let all: Vec<PlacementGroup> = region.placement_groups.values().cloned().collect();
    let named = by_id(all, &request.group_names, |g| g.name.clone(), "", |missing| unknown(missing[0]))?;
    let mut found = by_id(named, &request.group_ids, |g| g.id.clone(), "", |missing| unknown(missing[0]))?;
    found.retain(|g| FILTERS.passes(&request.filters, g));
    Ok(found)
}

/// The group that a launch names, by name or by id, if instances of a type may be in it.
pub(crate) fn of_launch(
    region: &Region,
    name: Option<&String>,
    id: Option<&String>,
    of_type: &InstanceType,
) -> Result<Option<PlacementGroup>, ApiError> {
    let group = match (name, id) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(ApiError::combination("You may specify GroupName or GroupId, but not both.")),
        (Some(name), None) => region.placement_groups.get(name).ok_or_else(|| unknown(name))?,
        (None, Some(id)) => region.placement_groups.values().find(|g| g.id == *id).ok_or_else(|| unknown(id))?,
    };
    if !of_type.placement_strategies().contains(&group.strategy.name()) {
        let message = format!("Placement groups may not be used with instances of type '{}'.", of_type.name);
        return Err(ApiError::combination(message));
    }
    Ok(Some(group.clone()))
}

/// How many more instances of a group a zone can take, and what EC2 says if that is too few; none is no limit.
pub(crate) fn room(region: &Region, group: &PlacementGroup, zone: &str) -> Option<(u32, ApiError)> {
    match group.strategy {
        Strategy::Cluster => {
            let elsewhere = members(region, &group.name).find(|i| i.availability_zone != zone)?;
            let how = format!("in another availability zone: {}", elsewhere.availability_zone);
            Some((0, in_use(&group.name, &how)))
        }
        Strategy::Spread => {
            let running = |i: &Instance| i.availability_zone == zone && i.state != InstanceState::Stopped;
            let taken = members(region, &group.name).filter(|i| running(i)).count();
            // AWS documents the limit, and not what it says about it: this is what it says when hardware is short.
            let message = format!(
                "The placement group '{}' may have at most {SPREAD_LIMIT} running instances in the Availability Zone {zone}.",
                group.name
            );
            let left = u32::try_from(SPREAD_LIMIT.saturating_sub(taken)).unwrap_or(0);
            Some((left, ApiError::new("InsufficientInstanceCapacity", message).with_status(500)))
        }
    }
}
