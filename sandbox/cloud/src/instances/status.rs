//! DescribeInstanceStatus.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::check_ids;
use crate::cloud::Cloud;
use crate::error::ApiError;
use crate::filter::{Table, one};
use crate::model::{Instance, InstanceState};
use crate::paging::{USUAL, cut};
use crate::reply::{InstanceStatus, Listing};
use crate::request::DescribeInstanceStatus;

const FILTERS: Table<InstanceStatus> = Table {
    columns: &[
        ("availability-zone", |s| one(&s.availability_zone)),
        ("availability-zone-id", |s| one(&s.availability_zone_id)),
        ("instance-state-code", |s| one(s.state.code())),
        ("instance-state-name", |s| one(s.state.name())),
        ("instance-status.status", |s| one(s.status)),
        ("system-status.status", |s| one(s.status)),
    ],
    tags: None,
};

pub(crate) fn describe(
    cloud: &Cloud,
    now: Timestamp,
    region: &str,
    request: &DescribeInstanceStatus,
) -> Result<Listing<InstanceStatus>, ApiError> {
    FILTERS.check(&request.filters)?;
    if !request.instance_ids.is_empty() && request.page.max_results.is_some() {
        return Err(ApiError::combination("The parameter instancesSet cannot be used with the parameter maxResults"));
    }
    let mut seen = cloud.region(region).instances.seen(now, cloud.lateness());
    let there: BTreeSet<&str> = seen.iter().map(|i| i.id.as_str()).collect();
    check_ids(&request.instance_ids, |id| there.contains(id))?;
    let wanted: BTreeSet<&String> = request.instance_ids.iter().collect();
    seen.retain(|i| wanted.is_empty() || wanted.contains(&i.id));
    seen.retain(|i| request.include_all_instances || i.state == InstanceState::Running);
    let mut statuses: Vec<InstanceStatus> = seen.into_iter().map(|i| status(cloud, now, i)).collect();
    statuses.retain(|s| FILTERS.passes(&request.filters, s));
    cut(statuses, &request.page, USUAL, |s| s.instance_id.clone())
}

fn status(cloud: &Cloud, now: Timestamp, instance: &Instance) -> InstanceStatus {
    let checks = SignedDuration::from_millis(i64::try_from(cloud.config.status_checks_ms).unwrap_or(i64::MAX));
    let status = match (instance.state, instance.running_since) {
        (InstanceState::Running, Some(since)) if now.duration_since(since) >= checks => "ok",
        (InstanceState::Running | InstanceState::Pending, _) => "initializing",
        _ => "not-applicable",
    };
    InstanceStatus {
        instance_id: instance.id.clone(),
        availability_zone: instance.availability_zone.clone(),
        availability_zone_id: instance.availability_zone_id.clone(),
        state: instance.state,
        status,
    }
}
