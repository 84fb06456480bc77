//! DescribeAutoScalingGroups and DescribeAutoScalingInstances.

use jiff::Timestamp;

use super::{AutoScalingGroup, DescribeAutoScalingGroups, DescribeAutoScalingInstances, Reply, part};
use crate::cloud::Cloud;
use crate::error::ApiError;
use crate::filter::{check, passes};

fn values(group: &AutoScalingGroup, name: &str) -> Vec<String> {
    match name {
        "tag-key" => group.tags.keys().cloned().collect(),
        "tag-value" => group.tags.values().map(|tag| tag.value.clone()).collect(),
        name => name.strip_prefix("tag:").and_then(|key| group.tags.get(key)).map(|tag| tag.value.clone()).into_iter().collect(),
    }
}

pub(super) fn groups(cloud: &Cloud, now: Timestamp, region: &str, request: &DescribeAutoScalingGroups) -> Result<Reply, ApiError> {
    check(&request.filters, |name| {
        matches!(name, "tag-key" | "tag-value") || name.strip_prefix("tag:").is_some_and(|key| !key.is_empty())
    })?;
    let seen = cloud.region(region).scaling.groups.seen(now, cloud.lateness());
    let wanted = |group: &&AutoScalingGroup| {
        (request.names.is_empty() || request.names.contains(&group.name)) && passes(&request.filters, |name| values(group, name))
    };
    let found: Vec<AutoScalingGroup> = seen.into_iter().filter(wanted).cloned().collect();
    part(found, &request.page, 100, 50, |group| group.name.clone()).map(Reply::Groups)
}

pub(super) fn instances(cloud: &Cloud, now: Timestamp, region: &str, request: &DescribeAutoScalingInstances) -> Result<Reply, ApiError> {
    let seen = cloud.region(region).scaling.groups.seen(now, cloud.lateness());
    let all = seen.into_iter().flat_map(|group| group.instances.iter().map(|i| (group.name.clone(), i.clone())));
    let found = all.filter(|(_, i)| request.instance_ids.is_empty() || request.instance_ids.contains(&i.id)).collect();
    part(found, &request.page, 50, 50, |(_, i)| i.id.clone()).map(Reply::Instances)
}
