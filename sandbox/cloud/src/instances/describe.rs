//! DescribeInstances.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::check_ids;
use crate::cloud::Cloud;
use crate::error::ApiError;
use crate::filter::{Table, maybe, one};
use crate::model::{Instance, Interface, format_time};
use crate::paging::{USUAL, cut};
use crate::reply::{Listing, Reservation};
use crate::request::DescribeInstances;

pub(crate) const FILTERS: Table<Instance> = Table {
    columns: &[
        ("architecture", |i| one(&i.architecture)),
        ("availability-zone", |i| one(&i.availability_zone)),
        ("availability-zone-id", |i| one(&i.availability_zone_id)),
        ("block-device-mapping.volume-id", |i| i.volumes.iter().map(|v| v.volume_id.clone()).collect()),
        ("client-token", |i| maybe(i.client_token.as_ref())),
        ("dns-name", |i| from_interface(i, |n| n.public_dns_name.clone())),
        ("group-id", |i| i.groups.iter().map(|g| g.id.clone()).collect()),
        ("group-name", |i| i.groups.iter().map(|g| g.name.clone()).collect()),
        ("iam-instance-profile.arn", |i| maybe(i.profile.as_ref().map(|p| &p.arn))),
        ("iam-instance-profile.id", |i| maybe(i.profile.as_ref().map(|p| &p.id))),
        ("image-id", |i| one(&i.image_id)),
        ("instance-id", |i| one(&i.id)),
        ("instance-lifecycle", |i| maybe(i.spot.as_ref().map(|_| "spot"))),
        ("instance-state-code", |i| one(i.state.code())),
        ("instance-state-name", |i| one(i.state.name())),
        ("instance-type", |i| one(&i.instance_type)),
        ("instance.group-id", |i| i.groups.iter().map(|g| g.id.clone()).collect()),
        ("instance.group-name", |i| i.groups.iter().map(|g| g.name.clone()).collect()),
        ("ip-address", |i| from_interface(i, |n| n.public_ip.clone())),
        ("hibernation-options.configured", |i| one(i.hibernation)),
        ("key-name", |i| maybe(i.key_name.as_ref())),
        ("launch-index", |i| one(i.ami_launch_index)),
        ("launch-time", |i| one(format_time(i.launch_time))),
        ("network-interface.network-interface-id", |i| from_interface(i, |n| Some(n.id.clone()))),
        ("network-interface.subnet-id", |i| from_interface(i, |n| Some(n.subnet_id.clone()))),
        ("placement-group-name", |i| maybe(i.placement_group.as_ref())),
        ("private-dns-name", |i| from_interface(i, |n| Some(n.private_dns_name.clone()))),
        ("private-ip-address", |i| from_interface(i, |n| Some(n.private_ip.clone()))),
        ("reservation-id", |i| one(&i.reservation_id)),
        ("root-device-name", |i| one(&i.root_device_name)),
        ("spot-instance-request-id", |i| maybe(i.spot.as_ref().map(|s| &s.id))),
        ("state-reason-code", |i| maybe(i.state_reason.as_ref().map(|r| &r.code))),
        ("subnet-id", |i| from_interface(i, |n| Some(n.subnet_id.clone()))),
        ("vpc-id", |i| from_interface(i, |n| Some(n.vpc_id.clone()))),
    ],
    tags: Some(|i| &i.tags),
};

fn from_interface(instance: &Instance, read: impl Fn(&Interface) -> Option<String>) -> Vec<String> {
    maybe(instance.interface.as_ref().and_then(read))
}

pub(crate) fn describe(cloud: &Cloud, now: Timestamp, region: &str, request: &DescribeInstances) -> Result<Listing<Reservation>, ApiError> {
    FILTERS.check(&request.filters)?;
    if !request.instance_ids.is_empty() && request.page.max_results.is_some() {
        return Err(ApiError::combination("The parameter instancesSet cannot be used with the parameter maxResults"));
    }
    let here = cloud.region(region);
    let mut seen: BTreeMap<&str, &Instance> = here.instances.seen(now, cloud.lateness()).into_iter().map(|i| (i.id.as_str(), i)).collect();
    check_ids(&request.instance_ids, |id| seen.contains_key(id))?;
    if !request.instance_ids.is_empty() {
        seen = request.instance_ids.iter().filter_map(|id| seen.get_key_value(id.as_str())).map(|(k, v)| (*k, *v)).collect();
    }
    seen.retain(|_, instance| FILTERS.passes(&request.filters, instance));
    let part = cut(seen.into_values().collect(), &request.page, USUAL, |i| i.id.clone())?;
    let mut reservations: BTreeMap<&str, Vec<Instance>> = BTreeMap::new();
    for instance in part.items {
        reservations.entry(&instance.reservation_id).or_default().push(instance.clone());
    }
    let items = reservations.into_iter().map(|(id, instances)| reservation(&cloud.config.account_id, id, instances)).collect();
    Ok(Listing { items, next_token: part.next_token })
}

pub(super) fn reservation(account: &str, id: &str, instances: Vec<Instance>) -> Reservation {
    Reservation { id: id.to_owned(), owner_id: account.to_owned(), instances }
}
