//! Sizes that a group takes at a time.

use jiff::Timestamp;

use super::groups::check_name;
use super::{
    AutoScalingGroup, DeleteScheduledAction, DescribeScheduledActions, Process, PutScheduledUpdateGroupAction, Reply, ScheduledAction,
    no_group, part, settings, told, uuid, validation,
};
use crate::cloud::{Cloud, Region};
use crate::error::ApiError;

/// Actions of a group.
const LIMIT: usize = 125;

pub(super) fn put(cloud: &mut Cloud, now: Timestamp, region: &str, request: &PutScheduledUpdateGroupAction) -> Result<Reply, ApiError> {
    let group = cloud.region(region).scaling.group(&request.group_name)?.clone();
    check_name("scheduledActionName", &request.name)?;
    let start = check(&group, now, request)?;
    let known = group.actions.get(&request.name).map(|action| action.arn.clone());
    let arn = known.unwrap_or_else(|| {
        let (account, id) = (cloud.config.account_id.clone(), uuid(&mut cloud.generator));
        let (group, name) = (&request.group_name, &request.name);
        format!(
            "arn:aws:autoscaling:{region}:{account}:scheduledUpdateGroupAction:{id}:autoScalingGroupName/{group}:scheduledActionName/{name}"
        )
    });
    let action = ScheduledAction {
        name: request.name.clone(),
        arn,
        group_name: request.group_name.clone(),
        start,
        end: request.end,
        min_size: request.min_size,
        max_size: request.max_size,
        desired_capacity: request.desired_capacity,
    };
    let scaling = &mut cloud.region_mut(region).scaling;
    scaling.groups.change(now, &request.group_name, |group| drop(group.actions.insert(action.name.clone(), action)));
    scaling.wake(start, &request.group_name);
    Ok(Reply::Done)
}

/// What is wrong with an action, or else when it is due.
fn check(group: &AutoScalingGroup, now: Timestamp, request: &PutScheduledUpdateGroupAction) -> Result<Timestamp, ApiError> {
    let start =
        request.start.ok_or_else(|| validation("Either the start time or the recurrence of a scheduled action must be specified."))?;
    if start <= now {
        return Err(validation("Given start time is in the past"));
    }
    if request.end.is_some_and(|end| end <= start) {
        return Err(validation("Given end time is before start time"));
    }
    let (min, max, desired) = (request.min_size, request.max_size, request.desired_capacity);
    if min.is_none() && max.is_none() && desired.is_none() {
        return Err(validation("At least one of min size, max size and desired capacity must be specified."));
    }
    let above = |low: Option<u32>, high: Option<u32>| low.zip(high).is_some_and(|(low, high)| low > high);
    if above(min, max) {
        return Err(validation("Max size must be greater than or equal to min size"));
    }
    if above(min, desired) {
        return Err(validation("Desired capacity must be greater than or equal to min size"));
    }
    if above(desired, max) {
        return Err(validation("Desired capacity must be less than or equal to max size"));
    }
    let mut others = group.actions.values().filter(|other| other.name != request.name);
    if others.any(|other| other.start == start) {
        return Err(ApiError::new("AlreadyExists", "A scheduled action with this scheduled start time already exists."));
    }
    if group.actions.len() >= LIMIT && !group.actions.contains_key(&request.name) {
        return Err(ApiError::new("LimitExceeded", format!("You have already reached the limit of {LIMIT} scheduled actions.")));
    }
    Ok(start)
}

/// Does what is due, in the order in which it fell due.
pub(super) fn fire(group: &mut AutoScalingGroup, now: Timestamp) {
    while let Some(action) = group.actions.values().filter(|action| action.start <= now).min_by_key(|action| action.start).cloned() {
        group.actions.remove(&action.name);
        if !group.does(Process::ScheduledActions) || group.deleting {
            continue;
        }
        let before = group.desired_capacity;
        let (min, max) = (action.min_size, action.max_size);
        // A size that no longer fits between the bounds is brought between them.
        let bounds = (min.unwrap_or(group.min_size), max.unwrap_or(group.max_size));
        let desired = action.desired_capacity.map(|desired| desired.max(bounds.0).min(bounds.1));
        if settings::resize(group, min, max, desired).is_err() {
            continue;
        }
        group.failures = None;
        if group.desired_capacity != before {
            let changed = format!("Setting desired capacity from {before} to {}.", group.desired_capacity);
            group.reasons.push(format!("At {} the scheduled action {} executed. {changed}", told(now), action.name));
        }
    }
}

pub(super) fn describe(region: &Region, request: &DescribeScheduledActions) -> Result<Reply, ApiError> {
    let scaling = &region.scaling;
    if let Some(name) = request.group_name.as_ref().filter(|name| !scaling.groups.contains(name)) {
        return Err(no_group(name));
    }
    let wanted = |action: &&ScheduledAction| {
        request.group_name.as_ref().is_none_or(|name| action.group_name == *name)
            && (request.names.is_empty() || request.names.contains(&action.name))
            && request.start.is_none_or(|start| action.start >= start)
            && request.end.is_none_or(|end| action.start <= end)
    };
    let found = scaling.groups.values().flat_map(|group| group.actions.values()).filter(wanted).cloned().collect();
    part(found, &request.page, 100, 50, |action: &ScheduledAction| format!("{} {}", action.group_name, action.name))
        .map(Reply::ScheduledActions)
}

pub(super) fn delete(region: &mut Region, now: Timestamp, request: &DeleteScheduledAction) -> Result<Reply, ApiError> {
    let group = region.scaling.group(&request.group_name)?;
    if !group.actions.contains_key(&request.name) {
        return Err(validation(format!("Scheduled action name not found - Scheduled action {} not found", request.name)));
    }
    region.scaling.groups.change(now, &request.group_name, |group| drop(group.actions.remove(&request.name)));
    Ok(Reply::Done)
}
