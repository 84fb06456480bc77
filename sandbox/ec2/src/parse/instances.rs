//! Calls about instances that exist.

use sandbox_cloud::model::ShutdownBehavior;
use sandbox_cloud::request::{
    AttributeChange, DescribeInstanceAttribute, DescribeInstanceStatus, DescribeInstances, InstanceIds, ModifyInstanceAttribute,
    StopInstances,
};
use sandbox_cloud::{ApiError, Request};

use super::launch::shutdown_behavior;
use crate::form::Form;

pub(super) fn describe(form: &Form) -> Result<Request, ApiError> {
    form.only("IncludeManagedResources", &["false"])?;
    Ok(Request::DescribeInstances(DescribeInstances {
        instance_ids: form.list("InstanceId"),
        filters: form.filters()?,
        page: form.page()?,
    }))
}

pub(super) fn describe_status(form: &Form) -> Result<Request, ApiError> {
    form.only("IncludeManagedResources", &["false"])?;
    Ok(Request::DescribeInstanceStatus(DescribeInstanceStatus {
        instance_ids: form.list("InstanceId"),
        filters: form.filters()?,
        include_all_instances: form.boolean("IncludeAllInstances")?.unwrap_or(false),
        page: form.page()?,
    }))
}

fn ids(form: &Form) -> InstanceIds {
    InstanceIds { instance_ids: form.list("InstanceId") }
}

pub(super) fn terminate(form: &Form) -> Result<Request, ApiError> {
    form.only("Force", &["false"])?;
    form.only("SkipOsShutdown", &["false"])?;
    Ok(Request::TerminateInstances(ids(form)))
}

pub(super) fn stop(form: &Form) -> Result<Request, ApiError> {
    for name in ["Force", "SkipOsShutdown"] {
        form.only(name, &["false"])?;
    }
    let hibernate = form.boolean("Hibernate")?.unwrap_or(false);
    Ok(Request::StopInstances(StopInstances { instance_ids: form.list("InstanceId"), hibernate }))
}

pub(super) fn start(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::StartInstances(ids(form)))
}

pub(super) fn reboot(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::RebootInstances(ids(form)))
}

pub(super) fn describe_attribute(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::DescribeInstanceAttribute(DescribeInstanceAttribute {
        instance_id: form.required("InstanceId")?,
        attribute: form.required("Attribute")?,
    }))
}

/// An attribute can be named by a parameter of its own, or by `Attribute` and `Value`.
pub(super) fn modify_attribute(form: &Form) -> Result<Request, ApiError> {
    let instance_id = form.required("InstanceId")?;
    let mut changes = Vec::new();
    for (attribute, parameter) in [
        ("instanceInitiatedShutdownBehavior", "InstanceInitiatedShutdownBehavior.Value"),
        ("userData", "UserData.Value"),
        ("instanceType", "InstanceType.Value"),
        ("disableApiTermination", "DisableApiTermination.Value"),
    ] {
        let by_name = form.text("Attribute").is_some_and(|named| named == attribute);
        for parameter in [Some(parameter), by_name.then_some("Value")].into_iter().flatten() {
            if form.has(parameter) {
                changes.push(attribute_change(form, attribute, parameter)?);
            }
        }
    }
    if form.has("GroupId") {
        changes.push(AttributeChange::Groups(form.list("GroupId")));
    }
    let devices = form.items("BlockDeviceMapping").into_iter().map(|item| {
        let name = |field: &str| format!("{item}.{field}");
        Ok((form.required(&name("DeviceName"))?, form.boolean(&name("Ebs.DeleteOnTermination"))?))
    });
    let devices = devices.collect::<Result<Vec<_>, ApiError>>()?;
    if !devices.is_empty() {
        let told = devices.into_iter().filter_map(|(device, ends)| Some((device, ends?))).collect();
        changes.push(AttributeChange::DeleteOnTermination(told));
    }
    let only = changes.pop().filter(|_| changes.is_empty());
    // What was not understood is told before it is found that too little is left.
    form.refuse_leftovers()?;
    let change =
        only.ok_or_else(|| ApiError::new("InvalidParameterCombination", "The request must name exactly one attribute to change"))?;
    Ok(Request::ModifyInstanceAttribute(ModifyInstanceAttribute { instance_id, change }))
}

fn attribute_change(form: &Form, attribute: &str, parameter: &str) -> Result<AttributeChange, ApiError> {
    Ok(match attribute {
        "userData" => AttributeChange::UserData(form.base64(parameter)?.unwrap_or_default()),
        "instanceType" => AttributeChange::InstanceType(form.required(parameter)?),
        "disableApiTermination" => AttributeChange::DisableApiTermination(form.boolean(parameter)?.unwrap_or(false)),
        _ => {
            let behavior = shutdown_behavior(form, parameter)?;
            AttributeChange::ShutdownBehavior(behavior.unwrap_or(ShutdownBehavior::Stop))
        }
    })
}
