//! Calls about instances of groups.

use jiff::{SignedDuration, Timestamp};

use super::activities::{Began, begin, by_id, finish};
use super::round::details;
use super::{
    ActivityStatus, GroupInstance, Lifecycle, Reply, SetInstanceHealth, SetInstanceProtection, TerminateInstanceInAutoScalingGroup, change,
    told, validation,
};
use crate::cloud::{Cloud, Region};
use crate::error::ApiError;
use crate::transition::Cause;

fn with_member(region: &mut Region, now: Timestamp, group: &str, id: &str, work: impl FnOnce(&mut GroupInstance)) {
    change(region, now, group, |group| {
        if let Some(member) = group.instances.iter_mut().find(|i| i.id == id) {
            work(member);
        }
    });
}

pub(super) fn terminate(
    cloud: &mut Cloud,
    now: Timestamp,
    region: &str,
    request: &TerminateInstanceInAutoScalingGroup,
) -> Result<Reply, ApiError> {
    let id = &request.instance_id;
    let group = cloud.region(region).scaling.group_of(id)?.clone();
    let Some(member) = group.instances.iter().find(|i| i.id == *id && i.counts()) else {
        return Err(ApiError::new("ScalingActivityInProgress", format!("The instance {id} is being terminated already.")));
    };
    if request.decrement && group.desired_capacity <= group.min_size {
        return Err(validation(format!(
            "Currently, desiredSize equals minSize ({}). Terminating instance without replacement will violate group's min size \
             constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.",
            group.min_size
        )));
    }
    let shrinking = match group.capacity() {
        capacity if request.decrement => format!(", shrinking the capacity from {capacity} to {}", capacity - 1),
        _ => String::new(),
    };
    let subnet = cloud.region(region).instances.get(id).and_then(|i| i.interface.as_ref()).map(|n| n.subnet_id.clone());
    let began = Began {
        description: format!("Terminating EC2 instance: {id}"),
        cause: format!("At {} instance {id} was taken out of service in response to a user request{shrinking}.", told(now)),
        details: details(subnet.as_deref(), &member.availability_zone),
        status: ActivityStatus::InProgress,
    };
    let activity = begin(cloud, now, region, &group, began);
    let here = cloud.region_mut(region);
    if let Some(launch) = &member.activity {
        finish(here, now, launch, ActivityStatus::Cancelled, Some("Instance was terminated before it came into service.".to_owned()));
    }
    change(here, now, &group.name, |group| {
        if request.decrement {
            group.desired_capacity -= 1;
            // Of the other market there may be too many now, which AWS puts right, too (kubernetes/autoscaler, issue 6787).
            group.redistributing = group.redistributing.or(Some(0));
        }
    });
    with_member(here, now, &group.name, id, |member| {
        (member.lifecycle, member.activity) = (Lifecycle::Terminating, Some(activity.clone()));
    });
    cloud.own_call(now, region, "TerminateInstances", &Ok(()));
    cloud.begin_terminate(now, region, id, Cause::User);
    by_id(cloud.region(region), &activity)
        .map(|activity| Reply::Activity(Box::new(activity)))
        .ok_or_else(|| validation("No such activity."))
}

pub(super) fn set_health(region: &mut Region, now: Timestamp, request: &SetInstanceHealth) -> Result<Reply, ApiError> {
    let id = &request.instance_id;
    let group = region.scaling.group_of(id)?;
    let (name, grace_s) = (group.name.clone(), group.health_check_grace_s);
    with_member(region, now, &name, id, |member| {
        let over = member.in_service_at.is_some_and(|since| now.duration_since(since) >= SignedDuration::from_secs(i64::from(grace_s)));
        if !request.healthy && request.respect_grace_period && grace_s > 0 && !over {
            return;
        }
        member.healthy = request.healthy;
        member.reported = !request.healthy;
    });
    Ok(Reply::Done)
}

pub(super) fn set_protection(region: &mut Region, now: Timestamp, request: &SetInstanceProtection) -> Result<Reply, ApiError> {
    let group = region.scaling.group(&request.name)?;
    if let Some(stranger) = request.instance_ids.iter().find(|id| !group.instances.iter().any(|i| i.id == **id)) {
        return Err(validation(format!("The instance {stranger} is not part of Auto Scaling group {}.", request.name)));
    }
    change(region, now, &request.name, |group| {
        let named = group.instances.iter_mut().filter(|i| request.instance_ids.contains(&i.id));
        named.for_each(|i| i.protected_from_scale_in = request.protected);
    });
    Ok(Reply::Done)
}
