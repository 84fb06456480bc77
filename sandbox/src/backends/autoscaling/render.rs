//! A reply into XML.

use sandbox_cloud::model::format_time;
use sandbox_cloud::reply::Listing;
use sandbox_cloud::scaling::{Activity, GroupTag, Reply, ScheduledAction};

use super::groups;
use crate::times::iso_seconds;
use crate::xml::element;

const NAMESPACE: &str = "http://autoscaling.amazonaws.com/doc/2011-01-01/";

/// The answer to a call that was done.
pub(super) fn reply(operation: &str, request_id: &str, reply: &Reply) -> String {
    let content = match reply {
        Reply::Done => String::new(),
        Reply::Groups(listing) => listed("AutoScalingGroups", listing, groups::group),
        Reply::Instances(listing) => listed("AutoScalingInstances", listing, |(group, instance)| groups::instance(instance, Some(group))),
        Reply::Activity(activity) => structure("Activity", &[self::activity(activity)]),
        Reply::Activities(listing) => listed("Activities", listing, activity),
        Reply::ScheduledActions(listing) => listed("ScheduledUpdateGroupActions", listing, scheduled_action),
        Reply::Tags(listing) => listed("Tags", listing, tag),
    };
    let result = if content.is_empty() && !operation.ends_with("Protection") {
        String::new()
    } else {
        structure(&format!("{operation}Result"), &[content])
    };
    format!(
        "<{operation}Response xmlns=\"{NAMESPACE}\">{result}<ResponseMetadata>{}</ResponseMetadata></{operation}Response>",
        element("RequestId", request_id)
    )
}

/// An element with elements in it.
pub(super) fn structure(name: &str, content: &[String]) -> String {
    format!("<{name}>{}</{name}>", content.concat())
}

/// `<name><member>…</member>…</name>`.
pub(super) fn list<T>(name: &str, items: impl IntoIterator<Item = T>, item: impl Fn(T) -> String) -> String {
    let members: String = items.into_iter().map(|one| format!("<member>{}</member>", item(one))).collect();
    format!("<{name}>{members}</{name}>")
}

/// A list of texts.
pub(super) fn texts<'a>(name: &str, items: impl IntoIterator<Item = &'a String>) -> String {
    list(name, items, |text| crate::xml::escape(text))
}

/// The same as an element, if there is a value.
pub(super) fn maybe(name: &str, value: Option<impl ToString>) -> String {
    value.map(|value| element(name, &value.to_string())).unwrap_or_default()
}

fn listed<T>(name: &str, listing: &Listing<T>, item: impl Fn(&T) -> String) -> String {
    list(name, &listing.items, item) + &maybe("NextToken", listing.next_token.as_ref())
}

fn activity(activity: &Activity) -> String {
    [
        element("ActivityId", &activity.id),
        element("AutoScalingGroupName", &activity.group_name),
        element("AutoScalingGroupARN", &activity.group_arn),
        maybe("AutoScalingGroupState", activity.of_deleted_group.then_some("Deleted")),
        element("Description", &activity.description),
        element("Cause", &activity.cause),
        element("StartTime", &format_time(activity.start)),
        maybe("EndTime", activity.end.map(iso_seconds)),
        element("StatusCode", &activity.status.name()),
        maybe("StatusMessage", activity.status_message.as_ref()),
        element("Progress", &activity.progress.to_string()),
        element("Details", &activity.details),
    ]
    .concat()
}

fn scheduled_action(action: &ScheduledAction) -> String {
    [
        element("AutoScalingGroupName", &action.group_name),
        element("ScheduledActionName", &action.name),
        element("ScheduledActionARN", &action.arn),
        element("Time", &iso_seconds(action.start)),
        element("StartTime", &iso_seconds(action.start)),
        maybe("EndTime", action.end.map(iso_seconds)),
        maybe("MinSize", action.min_size),
        maybe("MaxSize", action.max_size),
        maybe("DesiredCapacity", action.desired_capacity),
    ]
    .concat()
}

pub(super) fn tag(tag: &GroupTag) -> String {
    [
        element("ResourceId", &tag.group_name),
        element("ResourceType", "auto-scaling-group"),
        element("Key", &tag.key),
        element("Value", &tag.value),
        element("PropagateAtLaunch", &tag.propagate_at_launch.to_string()),
    ]
    .concat()
}
