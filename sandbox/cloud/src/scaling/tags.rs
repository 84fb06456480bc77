//! Tags of groups.

use jiff::Timestamp;

use super::{GroupTag, GroupTagValue, GroupTags, Reply, part, validation};
use crate::cloud::{Cloud, Region};
use crate::error::ApiError;
use crate::filter::{Table, one};
use crate::model::Tag;

use super::DescribeGroupTags;

/// Tags of a group.
const LIMIT: usize = 50;

/// The tags that a new group is given.
pub(super) fn of_new(name: &str, given: &[GroupTag]) -> Result<GroupTags, ApiError> {
    let mut tags = GroupTags::new();
    for tag in given {
        if tag.group_name != name {
            return Err(validation(format!("The resource id of a tag must be the name of the group: {name}")));
        }
        check(tag)?;
        let (key, value) = entry(tag);
        if tags.insert(key, value).is_some() {
            return Err(validation(format!("Duplicate key exceptions: Duplicate keys of tags found. Key: {}", tag.key)));
        }
    }
    check_number(&tags)?;
    Ok(tags)
}

fn entry(tag: &GroupTag) -> (String, GroupTagValue) {
    (tag.key.clone(), GroupTagValue { value: tag.value.clone(), propagate_at_launch: tag.propagate_at_launch })
}

/// They become instances' tags, so what EC2 asks of those is asked of them.
fn check(tag: &GroupTag) -> Result<(), ApiError> {
    crate::tags::validated(&[Tag::new(&tag.key, &tag.value)]).map(|_| ()).map_err(|error| validation(error.message))
}

fn check_number(tags: &GroupTags) -> Result<(), ApiError> {
    if tags.len() > LIMIT {
        return Err(ApiError::new("LimitExceeded", format!("The maximum number of tags for an Auto Scaling group is {LIMIT}.")));
    }
    Ok(())
}

fn no_group(name: &str) -> ApiError {
    validation(format!("AutoScalingGroup not found - AutoScaling Group {name} not found"))
}

pub(super) fn set(region: &mut Region, now: Timestamp, given: &[GroupTag]) -> Result<Reply, ApiError> {
    for tag in given {
        let group = region.scaling.groups.get(&tag.group_name).ok_or_else(|| no_group(&tag.group_name))?;
        check(tag)?;
        let mut tags = group.tags.clone();
        tags.extend(given.iter().filter(|other| other.group_name == tag.group_name).map(entry));
        check_number(&tags)?;
    }
    for tag in given {
        region.scaling.groups.change(now, &tag.group_name, |group| group.tags.extend([entry(tag)]));
    }
    Ok(Reply::Done)
}

pub(super) fn delete(region: &mut Region, now: Timestamp, given: &[GroupTag]) -> Result<Reply, ApiError> {
    if let Some(stranger) = given.iter().find(|tag| !region.scaling.groups.contains(&tag.group_name)) {
        return Err(no_group(&stranger.group_name));
    }
    for tag in given {
        region.scaling.groups.change(now, &tag.group_name, |group| drop(group.tags.remove(&tag.key)));
    }
    Ok(Reply::Done)
}

const FILTERS: Table<GroupTag> = Table {
    columns: &[
        ("auto-scaling-group", |t| one(&t.group_name)),
        ("key", |t| one(&t.key)),
        ("propagate-at-launch", |t| one(t.propagate_at_launch)),
        ("value", |t| one(&t.value)),
    ],
    tags: None,
};

pub(super) fn describe(cloud: &Cloud, now: Timestamp, region: &str, request: &DescribeGroupTags) -> Result<Reply, ApiError> {
    FILTERS.check(&request.filters)?;
    let seen = cloud.region(region).scaling.groups.seen(now, cloud.lateness());
    let mut found: Vec<GroupTag> = Vec::new();
    for group in seen {
        found.extend(group.tags.iter().map(|(key, tag)| GroupTag {
            group_name: group.name.clone(),
            key: key.clone(),
            value: tag.value.clone(),
            propagate_at_launch: tag.propagate_at_launch,
        }));
    }
    found.retain(|tag| FILTERS.passes(&request.filters, tag));
    part(found, &request.page, 100, 50, |tag| format!("{} {}", tag.group_name, tag.key)).map(Reply::Tags)
}
