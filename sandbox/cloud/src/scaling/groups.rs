//! Making, changing and deleting groups.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    AutoScalingGroup, CreateAutoScalingGroup, DeleteAutoScalingGroup, LaunchSource, Reply, SetDesiredCapacity, TemplateSpecification,
    TerminationPolicy, UpdateAutoScalingGroup, change, later, no_group, purchase, settings, tags, told, uuid, validation,
};
use crate::cloud::{Cloud, Region};
use crate::error::ApiError;

/// Groups of a region.
const LIMIT: usize = 500;

pub(super) fn create(cloud: &mut Cloud, now: Timestamp, region: &str, request: CreateAutoScalingGroup) -> Result<Reply, ApiError> {
    let (name, given) = (&request.name, &request.settings);
    check_name("autoScalingGroupName", name)?;
    if let Some(known) = cloud.region(region).scaling.groups.get(name) {
        return Err(exists(known));
    }
    if cloud.region(region).scaling.groups.values().count() >= LIMIT {
        return Err(ApiError::new("LimitExceeded", format!("You have already reached the limit of {LIMIT} Auto Scaling groups.")));
    }
    if given.source.is_none() {
        return Err(validation(
            "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.",
        ));
    }
    if given.subnets.is_empty() && given.zones.is_empty() {
        return Err(validation("At least one Availability Zone or VPC Subnet is required."));
    }
    let mut group = empty(cloud, now, region, name);
    settings::apply(cloud.region(region), &mut group, given)?;
    // Without a size of its own a group begins with the least.
    settings::resize(&mut group, given.min_size, given.max_size, given.desired_capacity.or(given.min_size))?;
    group.tags = tags::of_new(name, &request.tags)?;
    settings::try_launches(cloud, now, region, &group)?;
    if group.desired_capacity > 0 {
        let desired = group.desired_capacity;
        group.reasons =
            vec![format!("At {} a user request created an AutoScalingGroup changing the desired capacity from 0 to {desired}.", told(now))];
    }
    let scaling = &mut cloud.region_mut(region).scaling;
    scaling.groups.insert(now, name.clone(), group);
    scaling.wake(later(now, super::REACTION), name);
    Ok(Reply::Done)
}

pub(super) fn check_name(member: &str, name: &str) -> Result<(), ApiError> {
    let constraint = match name.chars().count() {
        0 => "Member must have length greater than or equal to 1",
        1..=255 if name.contains(':') && member == "autoScalingGroupName" => {
            return Err(validation("Group name may not contain the character ':'"));
        }
        1..=255 => return Ok(()),
        _ => "Member must have length less than or equal to 255",
    };
    Err(validation(format!("1 validation error detected: Value '{name}' at '{member}' failed to satisfy constraint: {constraint}")))
}

fn exists(known: &AutoScalingGroup) -> ApiError {
    let name = &known.name;
    let message = if known.deleting {
        format!(
            "AutoScalingGroup by this name already exists - A group with the name {name} already exists and is pending delete.  Please wait \
             until Autoscaling completes the deletion process before creating another group with the same name."
        )
    } else {
        format!("AutoScalingGroup by this name already exists - A group with the name {name} already exists")
    };
    ApiError::new("AlreadyExists", message)
}

/// A group before it is told anything, with AWS's defaults.
fn empty(cloud: &mut Cloud, now: Timestamp, region: &str, name: &str) -> AutoScalingGroup {
    let account = cloud.config.account_id.clone();
    let id = uuid(&mut cloud.generator);
    AutoScalingGroup {
        name: name.to_owned(),
        arn: format!("arn:aws:autoscaling:{region}:{account}:autoScalingGroup:{id}:autoScalingGroupName/{name}"),
        created: now,
        min_size: 0,
        max_size: 0,
        desired_capacity: 0,
        source: LaunchSource::Template(TemplateSpecification::default()),
        zones: Vec::new(),
        subnets: Vec::new(),
        health_check_grace_s: 0,
        default_cooldown_s: 300,
        default_instance_warmup_s: None,
        capacity_rebalance: false,
        new_instances_protected: false,
        termination_policies: vec![TerminationPolicy::Default],
        service_linked_role_arn: format!(
            "arn:aws:iam::{account}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
        ),
        tags: BTreeMap::new(),
        suspended: BTreeMap::new(),
        instances: Vec::new(),
        actions: BTreeMap::new(),
        deleting: false,
        reasons: Vec::new(),
        replacing: 0,
        redistributing: None,
        failures: None,
    }
}

pub(super) fn update(cloud: &mut Cloud, now: Timestamp, region: &str, request: &UpdateAutoScalingGroup) -> Result<Reply, ApiError> {
    let here = cloud.region(region);
    let given = &request.settings;
    let mut group = here.scaling.group(&request.name)?.clone();
    let (before, division) = (group.desired_capacity, purchase::division(&group.source));
    settings::apply(here, &mut group, given)?;
    settings::resize(&mut group, given.min_size, given.max_size, given.desired_capacity)?;
    if purchase::division(&group.source) != division {
        // It is reached by replacing what runs (Auto Scaling API reference, InstancesDistribution, OnDemandBaseCapacity).
        group.redistributing = group.redistributing.or(Some(0));
    }
    if given.source.is_some() || !given.subnets.is_empty() || !given.zones.is_empty() {
        settings::try_launches(cloud, now, region, &group)?;
    }
    if group.desired_capacity != before {
        group.reasons.push(format!(
            "At {} a user request update of AutoScalingGroup constraints to min: {}, max: {}, desired: {} changing the desired capacity \
             from {before} to {}.",
            told(now),
            group.min_size,
            group.max_size,
            group.desired_capacity,
            group.desired_capacity
        ));
    }
    // Whoever changes a group wants to see what comes of it now.
    group.failures = None;
    change(cloud.region_mut(region), now, &request.name, |known| *known = group);
    Ok(Reply::Done)
}

pub(super) fn set_desired(region: &mut Region, now: Timestamp, request: &SetDesiredCapacity) -> Result<Reply, ApiError> {
    let group = region.scaling.group(&request.name)?;
    let (wanted, before) = (request.desired_capacity, group.desired_capacity);
    if wanted > group.max_size {
        let max = group.max_size;
        return Err(validation(format!("New SetDesiredCapacity value {wanted} is above max value {max} for the AutoScalingGroup.")));
    }
    if wanted < group.min_size {
        let min = group.min_size;
        return Err(validation(format!("New SetDesiredCapacity value {wanted} is below min value {min} for the AutoScalingGroup.")));
    }
    change(region, now, &request.name, |group| {
        group.desired_capacity = wanted;
        group.failures = None;
        if wanted != before {
            group.reasons.push(format!(
                "At {} a user request explicitly set group desired capacity changing the desired capacity from {before} to {wanted}.",
                told(now)
            ));
        }
    });
    Ok(Reply::Done)
}

pub(super) fn delete(region: &mut Region, now: Timestamp, request: &DeleteAutoScalingGroup) -> Result<Reply, ApiError> {
    let name = &request.name;
    let group = region.scaling.groups.get(name).ok_or_else(|| no_group(name))?;
    if !request.force && !group.instances.is_empty() {
        let message =
            "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.";
        return Err(ApiError::new("ResourceInUse", message));
    }
    if group.instances.is_empty() {
        vanish(region, now, name);
        return Ok(Reply::Done);
    }
    change(region, now, name, |group| {
        group.deleting = true;
        group.desired_capacity = 0;
        group.min_size = 0;
        group.reasons = vec![format!("At {} a user request force deleted AutoScalingGroup.", told(now))];
    });
    Ok(Reply::Done)
}

/// Forgets a group that has no instances; what it did is remembered.
pub(super) fn vanish(region: &mut Region, now: Timestamp, name: &str) {
    let Some(group) = region.scaling.groups.remove(now, name) else { return };
    region.scaling.due.remove(name);
    region.scaling.activities.iter_mut().filter(|a| a.group_arn == group.arn).for_each(|a| a.of_deleted_group = true);
}
