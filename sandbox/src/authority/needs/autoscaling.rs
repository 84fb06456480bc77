//! Auto Scaling: rights are about groups, by their ARN. Whoever gives a group a template needs the rights of its launches, too.

use std::collections::{BTreeMap, BTreeSet};

use sandbox_cloud::scaling::{GroupSettings, GroupTag, Request};

use crate::backends::autoscaling::read;
use crate::form::Form;

use super::{Facts, Need, ec2};

pub(super) fn needs(facts: &Facts<'_>) -> Vec<Need> {
    let operation = facts.request.operation.as_str();
    // A call that cannot be read does nothing, and is told so by Auto Scaling itself.
    let Ok(request) = read(operation, Form::parse(&facts.request.body)) else { return Vec::new() };
    match request {
        Request::CreateAutoScalingGroup(call) => {
            let tags = pairs(&call.tags);
            // For a group that is not there yet, these are its tags.
            let made = sized(facts.need(unknown(facts, &call.name)), &call.settings).giving(&tags).on_tagged("autoscaling", &tags);
            with_launches(facts, made, &call.settings)
        }
        Request::UpdateAutoScalingGroup(call) => with_launches(facts, sized(on_group(facts, &call.name), &call.settings), &call.settings),
        Request::CreateOrUpdateTags(tags) => on_tags(facts, &tags, true),
        Request::DeleteTags(tags) => on_tags(facts, &tags, false),
        Request::DeleteAutoScalingGroup(call) => vec![on_group(facts, &call.name)],
        Request::DeleteScheduledAction(call) => vec![on_group(facts, &call.group_name)],
        Request::PutScheduledUpdateGroupAction(call) => vec![on_group(facts, &call.group_name)],
        Request::ResumeProcesses(call) | Request::SuspendProcesses(call) => vec![on_group(facts, &call.name)],
        Request::SetDesiredCapacity(call) => vec![on_group(facts, &call.name)],
        Request::SetInstanceHealth(call) => vec![on_group_of(facts, &call.instance_id)],
        Request::SetInstanceProtection(call) => vec![on_group(facts, &call.name)],
        Request::TerminateInstanceInAutoScalingGroup(call) => vec![on_group_of(facts, &call.instance_id)],
        Request::DescribeAutoScalingGroups(_)
        | Request::DescribeAutoScalingInstances(_)
        | Request::DescribeScalingActivities(_)
        | Request::DescribeScheduledActions(_)
        | Request::DescribeTags(_) => vec![facts.need("*")],
    }
}

fn pairs(tags: &[GroupTag]) -> BTreeMap<String, String> {
    tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect()
}

/// The ARN of a group whose number is not known.
fn unknown(facts: &Facts<'_>, name: &str) -> String {
    facts.arn(&format!("autoScalingGroup:*:autoScalingGroupName/{name}"))
}

fn on_group(facts: &Facts<'_>, name: &str) -> Need {
    let found = facts.ec2.with(facts.request.now, |cloud, _| cloud.group_subject(&facts.request.region, name));
    match found {
        Some((arn, tags)) => facts.need(arn).on_tagged("autoscaling", &tags),
        None => facts.need(unknown(facts, name)),
    }
}

fn on_group_of(facts: &Facts<'_>, instance_id: &str) -> Need {
    let name = facts.ec2.with(facts.request.now, |cloud, _| cloud.group_of_instance(&facts.request.region, instance_id));
    on_group(facts, name.as_deref().unwrap_or("*"))
}

fn sized(need: Need, settings: &GroupSettings) -> Need {
    let version = settings.source.as_ref().map(|source| source.template().version.as_deref());
    // `$Latest` and `$Default` are not versions that somebody has chosen.
    let specified = version.map(|version| version.is_some_and(|text| !text.starts_with('$')).to_string());
    need.with_some("autoscaling:MinSize", settings.min_size.map(|size| size.to_string()))
        .with_some("autoscaling:MaxSize", settings.max_size.map(|size| size.to_string()))
        .with_some("autoscaling:LaunchTemplateVersionSpecified", specified)
}

/// One right for each group that tags are put on or taken from.
fn on_tags(facts: &Facts<'_>, tags: &[GroupTag], values: bool) -> Vec<Need> {
    let groups: BTreeSet<&String> = tags.iter().map(|tag| &tag.group_name).collect();
    let of_group = |name: &String| {
        let mine: Vec<GroupTag> = tags.iter().filter(|tag| tag.group_name == *name).cloned().collect();
        if values {
            return on_group(facts, name).giving(&pairs(&mine));
        }
        let mut need = on_group(facts, name);
        need.context.insert("aws:tagkeys".to_owned(), mine.into_iter().map(|tag| tag.key).collect());
        need
    };
    groups.into_iter().map(of_group).collect()
}

/// The rights of what a group would launch, as if its maker did: those of the template, and of each launch.
fn with_launches(facts: &Facts<'_>, need: Need, settings: &GroupSettings) -> Vec<Need> {
    let Some(source) = &settings.source else { return vec![need] };
    let named = source.template().id.as_ref().or(source.template().name.as_ref()).cloned().unwrap_or_default();
    let refusal = format!("You are not authorized to use launch template: {named}");
    let launches = ec2::needs_of_group(facts, settings).into_iter().map(|need| Need { refusal: Some(refusal.clone()), ..need });
    std::iter::once(need).chain(launches).collect()
}
