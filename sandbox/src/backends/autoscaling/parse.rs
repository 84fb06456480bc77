//! A form into a request. What nobody reads is a gap.

use jiff::Timestamp;
use sandbox_cloud::request::{Filter, Page};
use sandbox_cloud::scaling::{
    CreateAutoScalingGroup, DeleteAutoScalingGroup, DeleteScheduledAction, DescribeAutoScalingGroups, DescribeAutoScalingInstances,
    DescribeGroupTags, DescribeScalingActivities, DescribeScheduledActions, GroupTag, Process, PutScheduledUpdateGroupAction, Request,
    ScalingProcesses, SetDesiredCapacity, SetInstanceHealth, SetInstanceProtection, TerminateInstanceInAutoScalingGroup,
    UpdateAutoScalingGroup,
};

use super::settings;
use crate::form::Form;
use crate::protocol::Failure;

const NAME: &str = "AutoScalingGroupName";
const LISTS: [&str; 9] = [
    "ActivityIds",
    "AutoScalingGroupNames",
    "AvailabilityZones",
    "Filters",
    "InstanceIds",
    "ScalingProcesses",
    "ScheduledActionNames",
    "Tags",
    "TerminationPolicies",
];
/// What AWS's groups can do as well, for services that are not here.
const OTHER_PROCESSES: [&str; 3] = ["AddToLoadBalancer", "AlarmNotification", "InstanceRefresh"];

/// Reads the request of an operation, all of it.
pub(crate) fn request(operation: &str, mut form: Form) -> Result<Request, Failure> {
    for name in LISTS {
        // This is how clients write an empty list.
        if form.peek(name) == Some("") {
            form.take(name);
        }
    }
    let request = read(operation, &mut form)?;
    form.finish(&format!("autoscaling {operation}"))?;
    Ok(request)
}

fn read(operation: &str, form: &mut Form) -> Result<Request, Failure> {
    Ok(match operation {
        "CreateAutoScalingGroup" => create(form)?,
        "CreateOrUpdateTags" => Request::CreateOrUpdateTags(tags(form, None)?),
        "DeleteAutoScalingGroup" => Request::DeleteAutoScalingGroup(DeleteAutoScalingGroup {
            name: form.need(NAME)?,
            force: flag(form, "ForceDelete")?.unwrap_or(false),
        }),
        "DeleteScheduledAction" => {
            Request::DeleteScheduledAction(DeleteScheduledAction { group_name: form.need(NAME)?, name: form.need("ScheduledActionName")? })
        }
        "DeleteTags" => Request::DeleteTags(tags(form, None)?),
        "DescribeAutoScalingGroups" => describe_groups(form)?,
        "DescribeAutoScalingInstances" => Request::DescribeAutoScalingInstances(DescribeAutoScalingInstances {
            instance_ids: form.list("InstanceIds"),
            page: page(form)?,
        }),
        "DescribeScalingActivities" => Request::DescribeScalingActivities(DescribeScalingActivities {
            group_name: form.take(NAME),
            activity_ids: form.list("ActivityIds"),
            include_deleted_groups: flag(form, "IncludeDeletedGroups")?.unwrap_or(false),
            page: page(form)?,
        }),
        "DescribeScheduledActions" => describe_actions(form)?,
        "DescribeTags" => Request::DescribeTags(DescribeGroupTags { filters: filters(form)?, page: page(form)? }),
        "PutScheduledUpdateGroupAction" => put_action(form)?,
        "ResumeProcesses" => Request::ResumeProcesses(processes(form)?),
        "SetDesiredCapacity" => set_desired(form)?,
        "SetInstanceHealth" => set_health(form)?,
        "SetInstanceProtection" => Request::SetInstanceProtection(SetInstanceProtection {
            name: form.need(NAME)?,
            instance_ids: form.list("InstanceIds"),
            protected: needed_flag(form, "ProtectedFromScaleIn")?,
        }),
        "SuspendProcesses" => Request::SuspendProcesses(processes(form)?),
        "TerminateInstanceInAutoScalingGroup" => Request::TerminateInstanceInAutoScalingGroup(TerminateInstanceInAutoScalingGroup {
            instance_id: form.need("InstanceId")?,
            decrement: needed_flag(form, "ShouldDecrementDesiredCapacity")?,
        }),
        "UpdateAutoScalingGroup" => {
            let name = form.need(NAME)?;
            Request::UpdateAutoScalingGroup(Box::new(UpdateAutoScalingGroup { name, settings: settings::read(form)? }))
        }
        other => return Err(Failure::gap(format!("autoscaling {other}"))),
    })
}

fn create(form: &mut Form) -> Result<Request, Failure> {
    let name = form.need(NAME)?;
    for size in ["MinSize", "MaxSize"] {
        required(form, size)?;
    }
    let settings = settings::read(form)?;
    let tags = tags(form, Some(&name))?;
    Ok(Request::CreateAutoScalingGroup(Box::new(CreateAutoScalingGroup { name, settings, tags })))
}

fn describe_groups(form: &mut Form) -> Result<Request, Failure> {
    only(form, "IncludeInstances", &["true"])?;
    let names = form.list("AutoScalingGroupNames");
    Ok(Request::DescribeAutoScalingGroups(DescribeAutoScalingGroups { names, filters: filters(form)?, page: page(form)? }))
}

fn describe_actions(form: &mut Form) -> Result<Request, Failure> {
    Ok(Request::DescribeScheduledActions(DescribeScheduledActions {
        group_name: form.take(NAME),
        names: form.list("ScheduledActionNames"),
        start: time(form, "StartTime")?,
        end: time(form, "EndTime")?,
        page: page(form)?,
    }))
}

fn put_action(form: &mut Form) -> Result<Request, Failure> {
    only(form, "TimeZone", &["UTC", "Etc/UTC"])?;
    Ok(Request::PutScheduledUpdateGroupAction(PutScheduledUpdateGroupAction {
        group_name: form.need(NAME)?,
        name: form.need("ScheduledActionName")?,
        start: time(form, "StartTime")?,
        end: time(form, "EndTime")?,
        min_size: number(form, "MinSize")?,
        max_size: number(form, "MaxSize")?,
        desired_capacity: number(form, "DesiredCapacity")?,
    }))
}

fn set_desired(form: &mut Form) -> Result<Request, Failure> {
    // Without it a group does not wait for its cooldown.
    only(form, "HonorCooldown", &["false"])?;
    let name = form.need(NAME)?;
    required(form, "DesiredCapacity")?;
    let desired_capacity = number(form, "DesiredCapacity")?.unwrap_or_default();
    Ok(Request::SetDesiredCapacity(SetDesiredCapacity { name, desired_capacity }))
}

fn set_health(form: &mut Form) -> Result<Request, Failure> {
    let instance_id = form.need("InstanceId")?;
    let healthy = match form.need("HealthStatus")?.as_str() {
        "Healthy" => true,
        "Unhealthy" => false,
        other => return Err(invalid(format!("Invalid health status: {other}. Valid values are Healthy and Unhealthy."))),
    };
    let respect_grace_period = flag(form, "ShouldRespectGracePeriod")?.unwrap_or(true);
    Ok(Request::SetInstanceHealth(SetInstanceHealth { instance_id, healthy, respect_grace_period }))
}

fn processes(form: &mut Form) -> Result<ScalingProcesses, Failure> {
    let name = form.need(NAME)?;
    let mut processes = Vec::new();
    for named in form.list("ScalingProcesses") {
        match Process::ALL.into_iter().find(|process| process.name() == named) {
            Some(process) => processes.push(process),
            None if OTHER_PROCESSES.contains(&named.as_str()) => return Err(Failure::gap(format!("the scaling process {named}"))),
            None => return Err(invalid(format!("Invalid scaling process: {named}"))),
        }
    }
    Ok(ScalingProcesses { name, processes })
}

/// `Tags.member.N`. Those of a new group need not name it.
fn tags(form: &mut Form, of_new: Option<&str>) -> Result<Vec<GroupTag>, Failure> {
    let mut tags = Vec::new();
    for n in 1.. {
        let field = |name: &str| format!("Tags.member.{n}.{name}");
        let Some(key) = form.take(&field("Key")) else { break };
        only(form, &field("ResourceType"), &["auto-scaling-group"])?;
        let named = form.take(&field("ResourceId")).or_else(|| of_new.map(str::to_owned));
        tags.push(GroupTag {
            group_name: named.ok_or_else(|| invalid("The resource id of a tag must be the name of an Auto Scaling group."))?,
            key,
            value: form.take(&field("Value")).unwrap_or_default(),
            propagate_at_launch: flag(form, &field("PropagateAtLaunch"))?.unwrap_or(false),
        });
    }
    Ok(tags)
}

fn filters(form: &mut Form) -> Result<Vec<Filter>, Failure> {
    let mut filters = Vec::new();
    for n in 1.. {
        let Some(name) = form.take(&format!("Filters.member.{n}.Name")) else { break };
        filters.push(Filter { name, values: form.list(&format!("Filters.member.{n}.Values")) });
    }
    Ok(filters)
}

fn page(form: &mut Form) -> Result<Page, Failure> {
    let max_results = match form.take("MaxRecords") {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| malformed("MaxRecords", &text))?),
    };
    Ok(Page { max_results, next_token: form.take("NextToken") })
}

pub(super) fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(400, "ValidationError", message)
}

fn malformed(name: &str, text: &str) -> Failure {
    Failure::new(400, "MalformedInput", format!("Invalid value '{text}' for {name}"))
}

/// A number that is not negative.
pub(super) fn number(form: &mut Form, name: &str) -> Result<Option<u32>, Failure> {
    let Some(text) = form.take(name) else { return Ok(None) };
    match text.parse::<i64>() {
        Ok(number) if number < 0 => {
            let member = format!("{}{}", name[..1].to_lowercase(), &name[1..]);
            Err(invalid(format!(
                "1 validation error detected: Value '{number}' at '{member}' failed to satisfy constraint: Member must have value greater \
                 than or equal to 0"
            )))
        }
        Ok(number) => u32::try_from(number).map(Some).map_err(|_| malformed(name, &text)),
        Err(_) => Err(malformed(name, &text)),
    }
}

pub(super) fn flag(form: &mut Form, name: &str) -> Result<Option<bool>, Failure> {
    match form.take(name).as_deref() {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(other) => Err(malformed(name, other)),
    }
}

/// Refuses a call without a parameter, which stays to be read.
fn required(form: &mut Form, name: &str) -> Result<(), Failure> {
    if form.peek(name).is_none() {
        form.need(name)?;
    }
    Ok(())
}

fn needed_flag(form: &mut Form, name: &str) -> Result<bool, Failure> {
    required(form, name)?;
    flag(form, name).map(Option::unwrap_or_default)
}

fn time(form: &mut Form, name: &str) -> Result<Option<Timestamp>, Failure> {
    let Some(text) = form.take(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| malformed(name, &text))
}

/// A parameter that has an effect for other values than these, which the sandbox does not know.
pub(super) fn only(form: &mut Form, name: &str, known: &[&str]) -> Result<(), Failure> {
    match form.take(name) {
        Some(value) if !known.contains(&value.as_str()) => Err(Failure::gap(format!("{name} {value} of autoscaling"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn parse(operation: &str, form: &'static str) -> Result<Request, Failure> {
        request(operation, Form::parse(&Bytes::from_static(form.as_bytes())))
    }

    #[test]
    fn every_simulated_operation_is_spoken() {
        for operation in sandbox_cloud::scaling::OPERATIONS {
            let gap = parse(operation, "").err().and_then(|failure| failure.gap);
            assert_eq!(gap, None, "{operation}");
        }
        assert_eq!(parse("EnableMetricsCollection", "").unwrap_err().gap.as_deref(), Some("autoscaling EnableMetricsCollection"));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let cases = [
            ("SetDesiredCapacity", "AutoScalingGroupName=g&DesiredCapacity=1&HonorCooldown=true", true, "NotImplemented"),
            ("SetDesiredCapacity", "AutoScalingGroupName=g&DesiredCapacity=-1", false, "ValidationError"),
            ("SetDesiredCapacity", "AutoScalingGroupName=g&DesiredCapacity=many", false, "MalformedInput"),
            ("SetDesiredCapacity", "AutoScalingGroupName=g", false, "ValidationError"),
            ("DeleteAutoScalingGroup", "AutoScalingGroupName=g&ForceDelete=perhaps", false, "MalformedInput"),
            ("DeleteAutoScalingGroup", "AutoScalingGroupName=g&Colour=red", true, "NotImplemented"),
            ("SuspendProcesses", "AutoScalingGroupName=g&ScalingProcesses.member.1=AlarmNotification", true, "NotImplemented"),
            ("SuspendProcesses", "AutoScalingGroupName=g&ScalingProcesses.member.1=Sleep", false, "ValidationError"),
            ("UpdateAutoScalingGroup", "AutoScalingGroupName=g&TerminationPolicies.member.1=arn:aws:lambda:x", true, "NotImplemented"),
            ("UpdateAutoScalingGroup", "AutoScalingGroupName=g&TerminationPolicies.member.1=Youngest", false, "ValidationError"),
            ("UpdateAutoScalingGroup", "AutoScalingGroupName=g&MaxInstanceLifetime=86400", true, "NotImplemented"),
            (
                "UpdateAutoScalingGroup",
                "AutoScalingGroupName=g&MixedInstancesPolicy.InstancesDistribution.SpotInstancePools=2",
                true,
                "NotImplemented",
            ),
            (
                "UpdateAutoScalingGroup",
                "AutoScalingGroupName=g&LaunchTemplate.LaunchTemplateName=t&MixedInstancesPolicy.InstancesDistribution.OnDemandBaseCapacity=1",
                false,
                "ValidationError",
            ),
            ("SetInstanceHealth", "InstanceId=i-1&HealthStatus=Poorly", false, "ValidationError"),
        ];
        for (operation, form, gap, code) in cases {
            let failure = parse(operation, form).unwrap_err();
            assert_eq!((failure.code.as_str(), failure.gap.is_some()), (code, gap), "{operation} {form}");
        }
    }
}
