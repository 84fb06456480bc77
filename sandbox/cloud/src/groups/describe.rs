//! DescribeSecurityGroups and DescribeSecurityGroupRules.

use jiff::Timestamp;

use super::{unknown, unknown_name, unknown_rule};
use crate::cloud::Cloud;
use crate::error::ApiError;
use crate::filter::{Table, by_id, maybe, one};
use crate::model::{RuleTarget, SecurityGroup, SecurityGroupRule};
use crate::paging::{USUAL, cut};
use crate::reply::Listing;
use crate::request::{DescribeById, DescribeSecurityGroups};

const FILTERS: Table<SecurityGroup> = Table {
    columns: &[
        ("description", |g| one(&g.description)),
        ("egress.ip-permission.cidr", |g| targets(g, true, ipv4)),
        ("group-id", |g| one(&g.id)),
        ("group-name", |g| one(&g.name)),
        ("ip-permission.cidr", |g| targets(g, false, ipv4)),
        ("ip-permission.from-port", |g| inbound(g).flat_map(|r| maybe(r.from_port)).collect()),
        ("ip-permission.group-id", |g| targets(g, false, group_id)),
        ("ip-permission.protocol", |g| inbound(g).map(|r| r.protocol.clone()).collect()),
        ("ip-permission.to-port", |g| inbound(g).flat_map(|r| maybe(r.to_port)).collect()),
        ("owner-id", |g| g.rules.first().map(|r| r.owner_id.clone()).into_iter().collect()),
        ("vpc-id", |g| one(&g.vpc_id)),
    ],
    tags: Some(|g| &g.tags),
};

fn inbound(group: &SecurityGroup) -> impl Iterator<Item = &SecurityGroupRule> {
    group.rules.iter().filter(|r| !r.egress)
}

fn targets(group: &SecurityGroup, egress: bool, read: fn(&RuleTarget) -> Option<&String>) -> Vec<String> {
    group.rules.iter().filter(|r| r.egress == egress).filter_map(|r| read(&r.target)).cloned().collect()
}

fn ipv4(target: &RuleTarget) -> Option<&String> {
    if let RuleTarget::Ipv4(block) = target { Some(block) } else { None }
}

fn group_id(target: &RuleTarget) -> Option<&String> {
    if let RuleTarget::Group { group_id, .. } = target { Some(group_id) } else { None }
}

pub(crate) fn groups(
    cloud: &Cloud,
    now: Timestamp,
    region: &str,
    request: &DescribeSecurityGroups,
) -> Result<Listing<SecurityGroup>, ApiError> {
    FILTERS.check(&request.filters)?;
    let here = cloud.region(region);
    let seen = here.groups.seen(now, cloud.lateness());
    if let Some(id) = request.group_ids.iter().find(|id| !seen.iter().any(|g| g.id == **id)) {
        return Err(unknown(id));
    }
    let default_vpc = here.network.default_vpc().map(|v| v.id.as_str()).unwrap_or_default();
    let named = |g: &SecurityGroup, name: &String| g.vpc_id == default_vpc && g.name == *name;
    if let Some(name) = request.group_names.iter().find(|name| !seen.iter().any(|g| named(g, name))) {
        return Err(unknown_name(name, default_vpc));
    }
    let found = seen
        .into_iter()
        .filter(|g| request.group_ids.is_empty() || request.group_ids.contains(&g.id))
        .filter(|g| request.group_names.is_empty() || request.group_names.iter().any(|name| named(g, name)))
        .filter(|g| FILTERS.passes(&request.filters, g))
        .cloned()
        .collect();
    cut(found, &request.page, USUAL, |g| g.id.clone())
}

const RULE_FILTERS: Table<SecurityGroupRule> =
    Table { columns: &[("group-id", |r| one(&r.group_id)), ("security-group-rule-id", |r| one(&r.id))], tags: Some(|r| &r.tags) };

pub(crate) fn rules(cloud: &Cloud, now: Timestamp, region: &str, request: &DescribeById) -> Result<Listing<SecurityGroupRule>, ApiError> {
    RULE_FILTERS.check(&request.filters)?;
    let seen = cloud.region(region).groups.seen(now, cloud.lateness());
    let all: Vec<SecurityGroupRule> = seen.into_iter().flat_map(|g| g.rules.clone()).collect();
    let mut found = by_id(all, &request.ids, |r| r.id.clone(), "", |missing| unknown_rule(missing[0]))?;
    found.retain(|r| RULE_FILTERS.passes(&request.filters, r));
    cut(found, &request.page, USUAL, |r| r.id.clone())
}
