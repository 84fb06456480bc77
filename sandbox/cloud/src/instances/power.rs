//! TerminateInstances, StopInstances, StartInstances and RebootInstances: each is all or nothing.

use jiff::Timestamp;

use super::capacity::in_pool;
use super::check_ids;
use super::quota::quota;
use crate::catalogue::known_type;
use crate::cloud::{Cloud, Region};
use crate::error::ApiError;
use crate::model::{Instance, InstanceState};
use crate::placement;
use crate::reply::StateChange;
use crate::request::{InstanceIds, StopInstances};
use crate::transition::{Cause, Change, HaltReason};

/// The instances a call names, after every one of them was found.
fn named<'a>(cloud: &'a Cloud, region: &str, ids: &[String]) -> Result<Vec<&'a Instance>, ApiError> {
    if ids.is_empty() {
        return Err(ApiError::missing("InstanceId"));
    }
    let here = cloud.region(region);
    check_ids(ids, |id| here.instances.contains(id))?;
    let mut seen = std::collections::BTreeSet::new();
    Ok(ids.iter().filter(|id| seen.insert(*id)).filter_map(|id| here.instances.get(id)).collect())
}

fn wrong_state(instance: &Instance, verb: &str) -> ApiError {
    let id = &instance.id;
    ApiError::new("IncorrectInstanceState", format!("The instance '{id}' is not in a state from which it can be {verb}."))
}

/// Applies a change to each instance and tells the states around it.
fn changed(
    cloud: &mut Cloud,
    region: &str,
    before: Vec<(String, InstanceState)>,
    mut change: impl FnMut(&mut Cloud, &str),
) -> Vec<StateChange> {
    before
        .into_iter()
        .map(|(instance_id, previous)| {
            change(cloud, &instance_id);
            let current = cloud.region(region).instances.get(&instance_id).map_or(previous, |i| i.state);
            StateChange { instance_id, current, previous }
        })
        .collect()
}

fn states(instances: &[&Instance]) -> Vec<(String, InstanceState)> {
    instances.iter().map(|i| (i.id.clone(), i.state)).collect()
}

pub(crate) fn terminate(cloud: &mut Cloud, now: Timestamp, region: &str, request: &InstanceIds) -> Result<Vec<StateChange>, ApiError> {
    let instances = named(cloud, region, &request.instance_ids)?;
    if let Some(kept) = instances.iter().find(|i| i.disable_api_termination && !i.state.is_ending()) {
        return Err(ApiError::new(
            "OperationNotPermitted",
            format!(
                "The instance '{}' may not be terminated. Modify its 'disableApiTermination' instance attribute and \
                 try again.",
                kept.id
            ),
        ));
    }
    let before = states(&instances);
    Ok(changed(cloud, region, before, |cloud, id| cloud.begin_terminate(now, region, id, Cause::User)))
}

pub(crate) fn stop(cloud: &mut Cloud, now: Timestamp, region: &str, request: &StopInstances) -> Result<Vec<StateChange>, ApiError> {
    let instances = named(cloud, region, &request.instance_ids)?;
    for instance in &instances {
        if instance.spot.is_some() {
            return Err(ApiError::new(
                "UnsupportedOperation",
                format!(
                    "You can't stop the Spot Instance '{}' because it is associated with a one-time Spot Instance \
                     request. You can only stop Spot Instances associated with persistent Spot Instance requests.",
                    instance.id
                ),
            ));
        }
        if instance.state == InstanceState::Pending || instance.state.is_ending() {
            return Err(wrong_state(instance, "stopped"));
        }
    }
    if let Some(instance) = instances.iter().find(|i| request.hibernate && !i.hibernation) {
        let message = format!("The instance can't be hibernated because it was not configured at launch for hibernation: {}", instance.id);
        return Err(ApiError::new("UnsupportedHibernationConfiguration", message));
    }
    let before = states(&instances);
    let cause = if request.hibernate { Cause::Hibernation } else { Cause::User };
    Ok(changed(cloud, region, before, |cloud, id| cloud.begin_stop(now, region, id, cause)))
}

pub(crate) fn start(cloud: &mut Cloud, now: Timestamp, region: &str, request: &InstanceIds) -> Result<Vec<StateChange>, ApiError> {
    let instances = named(cloud, region, &request.instance_ids)?;
    for instance in &instances {
        if instance.state == InstanceState::Stopping || instance.state.is_ending() {
            return Err(wrong_state(instance, "started"));
        }
    }
    capacity_to_start(cloud, region, &instances)?;
    let before = states(&instances);
    Ok(changed(cloud, region, before, |cloud, id| cloud.begin_start(now, region, id)))
}

/// A stopped instance has given its capacity back, and may not get it again.
fn capacity_to_start(cloud: &Cloud, region: &str, instances: &[&Instance]) -> Result<(), ApiError> {
    let here = cloud.region(region);
    for first in instances.iter().filter(|i| i.state == InstanceState::Stopped) {
        let (zone, name, market) = (&first.availability_zone, &first.instance_type, first.market());
        let alike = instances.iter().filter(|i| i.state == InstanceState::Stopped && i.instance_type == *name);
        if let Some((left, refusal)) = known_type(name).and_then(|of_type| quota(cloud, here, market, of_type))
            && alike.clone().count() > left as usize
        {
            return Err(refusal);
        }
        placement_to_start(here, instances, first)?;
        let Some(limit) = cloud.faults.pool_limit(region, zone, name, market) else { continue };
        let taken = here.instances.values().filter(|i| in_pool(i, zone, name, market)).count();
        let wanted = alike.filter(|i| i.availability_zone == *zone).count();
        if taken + wanted > limit as usize {
            return Err(ApiError::new("InsufficientInstanceCapacity", "Insufficient capacity.").with_status(500));
        }
    }
    Ok(())
}

/// A group that spreads its instances counts those that run.
fn placement_to_start(here: &Region, instances: &[&Instance], first: &Instance) -> Result<(), ApiError> {
    let group = first.placement_group.as_ref().and_then(|name| here.placement_groups.get(name));
    let Some((left, refusal)) = group.and_then(|group| placement::room(here, group, &first.availability_zone)) else { return Ok(()) };
    let together = |i: &&&Instance| {
        i.state == InstanceState::Stopped && i.placement_group == first.placement_group && i.availability_zone == first.availability_zone
    };
    if instances.iter().filter(together).count() > left as usize { Err(refusal) } else { Ok(()) }
}

pub(crate) fn reboot(cloud: &mut Cloud, now: Timestamp, region: &str, request: &InstanceIds) -> Result<(), ApiError> {
    let instances = named(cloud, region, &request.instance_ids)?;
    if let Some(instance) = instances.iter().find(|i| i.state != InstanceState::Running) {
        return Err(wrong_state(instance, "rebooted"));
    }
    for (id, _) in states(&instances) {
        cloud.outbox.push((now, Change::Halt { id: id.clone(), why: HaltReason::Reboot }));
        cloud.outbox.push((now, Change::Boot(id)));
    }
    Ok(())
}
