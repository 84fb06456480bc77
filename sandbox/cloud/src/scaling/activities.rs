//! What groups did, and why.

use jiff::{SignedDuration, Timestamp};

use super::{Activity, ActivityStatus, AutoScalingGroup, DescribeScalingActivities, Reply, no_group, part, uuid};
use crate::cloud::{Cloud, Region};
use crate::error::ApiError;

/// Activities are remembered for six weeks.
const MEMORY: SignedDuration = SignedDuration::from_hours(6 * 7 * 24);

/// Something that a group begins.
pub(super) struct Began {
    pub(super) description: String,
    pub(super) cause: String,
    pub(super) details: String,
    pub(super) status: ActivityStatus,
}

/// A group begins something; gives its id.
pub(super) fn begin(cloud: &mut Cloud, now: Timestamp, region: &str, group: &AutoScalingGroup, began: Began) -> String {
    let id = uuid(&mut cloud.generator);
    let activity = Activity {
        id: id.clone(),
        group_name: group.name.clone(),
        group_arn: group.arn.clone(),
        description: began.description,
        cause: began.cause,
        start: now,
        end: None,
        status: began.status,
        status_message: None,
        progress: 0,
        details: began.details,
        of_deleted_group: false,
    };
    let activities = &mut cloud.region_mut(region).scaling.activities;
    while activities.front().is_some_and(|oldest| now.duration_since(oldest.start) > MEMORY) {
        activities.pop_front();
    }
    activities.push_back(activity);
    id
}

/// It has come to its end.
pub(super) fn finish(region: &mut Region, now: Timestamp, id: &str, status: ActivityStatus, message: Option<String>) {
    let Some(activity) = region.scaling.activities.iter_mut().rfind(|a| a.id == id) else { return };
    activity.end = Some(now);
    activity.status = status;
    activity.status_message = message;
    activity.progress = 100;
}

pub(super) fn by_id(region: &Region, id: &str) -> Option<Activity> {
    region.scaling.activities.iter().rfind(|a| a.id == id).cloned()
}

/// What goes on comes first, then the newest.
pub(super) fn describe(region: &Region, request: &DescribeScalingActivities) -> Result<Reply, ApiError> {
    let scaling = &region.scaling;
    if let Some(name) = request.group_name.as_ref().filter(|name| !scaling.groups.contains(name))
        && !request.include_deleted_groups
    {
        return Err(no_group(name));
    }
    let wanted = |a: &&Activity| {
        request.group_name.as_ref().is_none_or(|name| a.group_name == *name)
            && (request.activity_ids.is_empty() || request.activity_ids.contains(&a.id))
            && (request.include_deleted_groups || !a.of_deleted_group)
    };
    let found: Vec<(usize, Activity)> =
        scaling.activities.iter().enumerate().filter(|(_, a)| wanted(a)).map(|(n, a)| (n, a.clone())).collect();
    let key = |(n, a): &(usize, Activity)| {
        let since = i64::MAX - a.start.as_millisecond();
        format!("{} {since:020} {:010}", u8::from(!a.status.is_going_on()), usize::MAX - n)
    };
    let cut = part(found, &request.page, 100, 100, key)?;
    let items = cut.items.into_iter().map(|(_, activity)| activity).collect();
    Ok(Reply::Activities(crate::reply::Listing { items, next_token: cut.next_token }))
}
