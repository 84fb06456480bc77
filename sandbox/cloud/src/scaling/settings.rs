//! What a group may be told.

use super::source::{LaunchSource, TemplateSpecification};
use super::{AutoScalingGroup, GroupSettings, validation};
use crate::cloud::{Cloud, Region};
use crate::error::ApiError;
use crate::instances::launch;
use crate::request::{LaunchTemplateData, RunInstances, SpotOptions};
use jiff::Timestamp;

/// Puts settings on a group, as far as they are given. The size is not among them: see [`resize`].
pub(super) fn apply(region: &Region, group: &mut AutoScalingGroup, settings: &GroupSettings) -> Result<(), ApiError> {
    if let Some(source) = &settings.source {
        group.source = named(region, source)?;
    }
    if let Some(distribution) = &settings.distribution {
        let LaunchSource::Mixed { distribution: known, .. } = &mut group.source else {
            return Err(validation(
                "You must specify a launch template when you configure an Auto Scaling group with a mixed instances policy.",
            ));
        };
        known.clone_from(distribution);
        check_distribution(&group.source)?;
    }
    if !settings.subnets.is_empty() || !settings.zones.is_empty() {
        (group.zones, group.subnets) = places(region, settings)?;
    }
    let put = |place: &mut u32, value: Option<u32>| *place = value.unwrap_or(*place);
    put(&mut group.health_check_grace_s, settings.health_check_grace_s);
    put(&mut group.default_cooldown_s, settings.default_cooldown_s);
    group.default_instance_warmup_s = settings.default_instance_warmup_s.or(group.default_instance_warmup_s);
    group.capacity_rebalance = settings.capacity_rebalance.unwrap_or(group.capacity_rebalance);
    group.new_instances_protected = settings.new_instances_protected.unwrap_or(group.new_instances_protected);
    if !settings.termination_policies.is_empty() {
        group.termination_policies.clone_from(&settings.termination_policies);
    }
    if let Some(role) = &settings.service_linked_role_arn {
        group.service_linked_role_arn.clone_from(role);
    }
    Ok(())
}

/// The same with id and name of the template.
fn named(region: &Region, source: &LaunchSource) -> Result<LaunchSource, ApiError> {
    let mut source = source.clone();
    let (template, _) = resolve(region, source.template())?;
    let place = source.template_mut();
    (place.id, place.name) = (template.id, template.name);
    check_distribution(&source)?;
    Ok(source)
}

fn check_distribution(source: &LaunchSource) -> Result<(), ApiError> {
    let LaunchSource::Mixed { distribution, overrides, .. } = source else { return Ok(()) };
    if distribution.on_demand_percentage > 100 {
        return Err(validation("OnDemandPercentageAboveBaseCapacity must be between 0 and 100."));
    }
    if let Some(price) = distribution.spot_max_price.filter(|price| *price <= 0.0 || price.is_nan()) {
        return Err(validation(format!("Invalid SpotMaxPrice: {price}")));
    }
    let mut seen = std::collections::BTreeSet::new();
    match overrides.iter().find(|name| !seen.insert(*name)) {
        Some(twice) => Err(validation(format!("Launch template overrides may not contain the instance type {twice} more than once."))),
        None => Ok(()),
    }
}

/// The version that is meant just now: its template by id, name and number, and what it says.
pub(super) fn resolve(
    region: &Region,
    specification: &TemplateSpecification,
) -> Result<(TemplateSpecification, LaunchTemplateData), ApiError> {
    let unusable = |error: ApiError| validation(format!("You must use a valid fully-formed launch template. {}", error.message));
    let kept = region.templates.find(&specification.template()).map_err(unusable)?;
    let version = kept.version(specification.version_text()).map_err(unusable)?;
    let found = TemplateSpecification {
        id: Some(version.template_id),
        name: Some(version.template_name),
        version: Some(version.number.to_string()),
    };
    Ok((found, version.data))
}

/// Zones and subnets; zones alone mean their default subnets, which are not told.
fn places(region: &Region, settings: &GroupSettings) -> Result<(Vec<String>, Vec<String>), ApiError> {
    let mut of_subnets = Vec::new();
    for id in &settings.subnets {
        let subnet = region.network.subnets.get(id);
        let subnet = subnet.ok_or_else(|| validation(format!("The subnet ID '{id}' does not exist")))?;
        of_subnets.push(subnet.availability_zone.clone());
    }
    for zone in &settings.zones {
        if !region.zones.iter().any(|known| known.name == *zone) {
            return Err(validation(format!("Invalid Availability Zone: [{zone}]")));
        }
        if !of_subnets.is_empty() && !of_subnets.contains(zone) {
            return Err(validation("The availability zones of the specified subnets and the Auto Scaling group do not match"));
        }
    }
    let mut zones = if of_subnets.is_empty() { settings.zones.clone() } else { of_subnets };
    zones.sort();
    zones.dedup();
    Ok((zones, settings.subnets.clone()))
}

/// The subnets of a group's zone.
pub(super) fn subnets_in(region: &Region, group: &AutoScalingGroup, zone: &str) -> Vec<String> {
    let default = || region.network.subnets.values().filter(|s| s.default_for_az && s.availability_zone == zone).map(|s| s.id.clone());
    if group.subnets.is_empty() {
        return default().collect();
    }
    let there = |id: &&String| region.network.subnets.get(*id).is_some_and(|s| s.availability_zone == zone);
    group.subnets.iter().filter(there).cloned().collect()
}

/// A new size: what is not given follows what is.
pub(super) fn resize(group: &mut AutoScalingGroup, min: Option<u32>, max: Option<u32>, desired: Option<u32>) -> Result<(), ApiError> {
    let (min, max) = (min.unwrap_or(group.min_size), max.unwrap_or(group.max_size));
    if max < min {
        return Err(validation(format!("Max bound, {max}, must be greater than or equal to min bound, {min}")));
    }
    if let Some(desired) = desired.filter(|desired| !(min..=max).contains(desired)) {
        return Err(validation(format!("Desired capacity:{desired} must be between the specified min size:{min} and max size:{max}")));
    }
    group.desired_capacity = desired.unwrap_or(group.desired_capacity.clamp(min, max));
    (group.min_size, group.max_size) = (min, max);
    Ok(())
}

/// The launches that a source describes, one for each type, of the market that the template itself names.
pub(super) fn launches(source: &LaunchSource, data: &LaunchTemplateData) -> Vec<RunInstances> {
    let plain = data.launch();
    match source {
        LaunchSource::Mixed { overrides, .. } if !overrides.is_empty() => {
            overrides.iter().map(|instance_type| RunInstances { instance_type: instance_type.clone(), ..plain.clone() }).collect()
        }
        _ => vec![plain],
    }
}

/// A launch in a subnet, whether the launch describes an interface or not.
pub(super) fn placed(launch: &RunInstances, subnet: Option<&String>) -> RunInstances {
    let mut launch = launch.clone();
    match (launch.network_interfaces.first_mut(), subnet) {
        (_, None) => {}
        (Some(interface), Some(subnet)) => interface.subnet_id = Some(subnet.clone()),
        (None, Some(subnet)) => launch.subnet_id = Some(subnet.clone()),
    }
    launch
}

/// Tries a group's launches, as AWS does before it takes a template: whatever is wrong with them but a lack of capacity.
pub(super) fn try_launches(cloud: &mut Cloud, now: Timestamp, region: &str, group: &AutoScalingGroup) -> Result<(), ApiError> {
    let here = cloud.region(region);
    let (_, data) = resolve(here, &group.source.template().found())?;
    if matches!(group.source, LaunchSource::Mixed { .. }) && data.spot.is_some() {
        return Err(validation(
            "You cannot use a launch template that is set to request Spot Instances (InstanceMarketOptions) when you configure an Auto \
             Scaling group with a mixed instances policy.",
        ));
    }
    let subnets: Vec<String> = group.zones.iter().flat_map(|zone| subnets_in(here, group, zone)).collect();
    if subnets.is_empty() {
        return Err(validation("No default subnet exists in the Availability Zones of the Auto Scaling group"));
    }
    for launch in launches(&group.source, &data) {
        let spot = match &group.source {
            LaunchSource::Mixed { distribution, .. } if distribution.on_demand_percentage < 100 => {
                Some(SpotOptions { max_price: distribution.spot_max_price })
            }
            _ => launch.spot.clone(),
        };
        let tried = RunInstances { dry_run: true, spot, ..placed(&launch, subnets.first()) };
        match launch::run(cloud, now, region, tried) {
            Err(error) if error.code == "DryRunOperation" => {}
            Err(error) => {
                let message = format!("You must use a valid fully-formed launch template. {}", error.message);
                return Err(ApiError { code: "ValidationError".to_owned(), message, status: 400, ..error });
            }
            Ok(_) => {}
        }
    }
    Ok(())
}
