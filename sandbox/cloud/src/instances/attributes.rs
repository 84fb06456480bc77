//! DescribeInstanceAttribute and ModifyInstanceAttribute.

use jiff::Timestamp;

use super::existing;
use crate::catalogue;
use crate::cloud::Region;
use crate::error::ApiError;
use crate::model::{GroupIdentifier, InstanceState};
use crate::reply::{AttributeValue, Reply};
use crate::request::{AttributeChange, DescribeInstanceAttribute, ModifyInstanceAttribute};

pub(crate) fn describe(region: &Region, request: &DescribeInstanceAttribute) -> Result<Reply, ApiError> {
    let instance = existing(region, &request.instance_id)?;
    let value = match request.attribute.as_str() {
        "userData" => AttributeValue::UserData(instance.user_data.clone()),
        "instanceInitiatedShutdownBehavior" => AttributeValue::ShutdownBehavior(instance.shutdown_behavior.name().to_owned()),
        "instanceType" => AttributeValue::InstanceType(instance.instance_type.clone()),
        "disableApiTermination" => AttributeValue::DisableApiTermination(instance.disable_api_termination),
        other => {
            return Err(ApiError::gap(
                "InvalidParameterValue",
                format!("Value ({other}) for parameter attribute is invalid. Unknown attribute."),
            ));
        }
    };
    Ok(Reply::Attribute { instance_id: instance.id.clone(), value })
}

pub(crate) fn modify(region: &mut Region, now: Timestamp, request: ModifyInstanceAttribute) -> Result<(), ApiError> {
    let instance = existing(region, &request.instance_id)?;
    let id = instance.id.clone();
    if instance.state == InstanceState::Terminated {
        return Err(ApiError::new(
            "IncorrectInstanceState",
            format!("The instance '{id}' is not in a state in which its attributes can be modified."),
        ));
    }
    let needs_stop = matches!(request.change, AttributeChange::UserData(_) | AttributeChange::InstanceType(_));
    if needs_stop && instance.state != InstanceState::Stopped {
        return Err(ApiError::new("IncorrectInstanceState", format!("The instance '{id}' is not in the 'stopped' state.")));
    }
    match request.change {
        AttributeChange::ShutdownBehavior(behavior) => {
            region.change_instance(now, &id, |i| i.shutdown_behavior = behavior);
        }
        AttributeChange::UserData(data) => {
            if data.len() > 16_384 {
                return Err(ApiError::value("User data is limited to 16384 bytes"));
            }
            region.change_instance(now, &id, |i| i.user_data = (!data.is_empty()).then_some(data));
        }
        AttributeChange::InstanceType(name) => {
            let known = catalogue::known_type(&name).ok_or_else(|| ApiError::value(format!("Invalid value '{name}' for InstanceType.")))?;
            if known.architecture != instance.architecture {
                return Err(ApiError::combination(format!("The architecture of '{name}' does not match that of the instance '{id}'.")));
            }
            region.change_instance(now, &id, |i| i.instance_type = name);
        }
        AttributeChange::DisableApiTermination(disabled) => {
            region.change_instance(now, &id, |i| i.disable_api_termination = disabled);
        }
        AttributeChange::Groups(ids) => {
            let mut groups = Vec::new();
            for group in &ids {
                let found = crate::groups::by_id(region, group)?;
                if instance.interface.as_ref().is_some_and(|n| n.vpc_id != found.vpc_id) {
                    let message = "You have specified two resources that belong to different networks.";
                    return Err(ApiError::new("InvalidGroup.NotFound", message));
                }
                groups.push(GroupIdentifier { id: found.id.clone(), name: found.name.clone() });
            }
            if groups.is_empty() {
                return Err(ApiError::missing("GroupId"));
            }
            region.change_instance(now, &id, |i| i.groups = groups);
        }
        AttributeChange::DeleteOnTermination(devices) => {
            let mut changes = Vec::new();
            for (device, ends) in devices {
                let Some(volume) = instance.volumes.iter().find(|volume| volume.device_name == device) else {
                    let message = format!("No device is currently mapped at {device}");
                    return Err(ApiError::new("InvalidInstanceAttributeValue", message));
                };
                changes.push((volume.volume_id.clone(), ends));
            }
            for (volume_id, ends) in changes {
                region.change_instance(now, &id, |i| {
                    let of_it = i.volumes.iter_mut().filter(|volume| volume.volume_id == volume_id);
                    of_it.for_each(|volume| volume.delete_on_termination = ends);
                });
                region.volumes.change(now, &volume_id, |volume| {
                    volume.attachment.iter_mut().for_each(|attachment| attachment.delete_on_termination = ends);
                });
            }
        }
    }
    Ok(())
}
