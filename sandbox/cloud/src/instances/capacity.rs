//! How much of a launch a place can take, and what EC2 says if that is too little.

use jiff::Timestamp;

use super::launch::Launch;
use super::quota::quota;
use super::validate::Target;
use crate::catalogue::is_offered;
use crate::cloud::{Cloud, Region};
use crate::error::ApiError;
use crate::model::{Instance, InstanceState, Market};
use crate::placement;
use crate::spot::prices::Walk;

/// How many instances a place can take, and what EC2 says if that is too few.
pub(super) struct Room {
    pub(super) count: u32,
    pub(super) refusal: Option<ApiError>,
}

pub(super) fn room(cloud: &Cloud, now: Timestamp, region: &str, launch: &Launch, target: &Target, max: u32, named: bool) -> Room {
    let here = cloud.region(region);
    let name = &launch.instance_type.name;
    let market = launch.request.market();
    if !is_offered(region, &target.zone, name) {
        return Room { count: 0, refusal: Some(not_offered(here, &target.zone, name)) };
    }
    if let Some(refusal) = price_refusal(cloud, now, region, launch, target) {
        return Room { count: 0, refusal: Some(refusal) };
    }
    let mut room = Room { count: max, refusal: None };
    let mut narrow = |count: u32, refusal: ApiError| {
        if count < room.count {
            room = Room { count, refusal: Some(refusal) };
        }
    };
    narrow(
        here.network.addresses[&target.subnet_id].free(),
        ApiError::new(
            "InsufficientFreeAddressesInSubnet",
            format!("There are not enough free addresses in subnet '{}' to satisfy the requested number of instances.", target.subnet_id),
        ),
    );
    if let Some((count, refusal)) = quota(cloud, here, market, launch.instance_type) {
        narrow(count, refusal);
    }
    if let Some((count, refusal)) = launch.placement_group.as_ref().and_then(|group| placement::room(here, group, &target.zone)) {
        narrow(count, refusal);
    }
    if let Some(limit) = cloud.faults.pool_limit(region, &target.zone, name, market) {
        let taken = here.instances.values().filter(|i| in_pool(i, &target.zone, name, market)).count();
        let left = limit.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX));
        narrow(left, no_capacity(cloud, here, &target.zone, name, market, named));
    }
    room
}

/// Whether an instance takes part of a pool's capacity.
pub(crate) fn in_pool(instance: &Instance, zone: &str, instance_type: &str, market: Market) -> bool {
    instance.availability_zone == zone
        && instance.instance_type == instance_type
        && instance.market() == market
        && !matches!(instance.state, InstanceState::Terminated | InstanceState::Stopped)
}

fn not_offered(here: &Region, zone: &str, name: &str) -> ApiError {
    let elsewhere = zones_where(here, |z| is_offered(&here.name, z, name));
    let advice = if elsewhere.is_empty() { String::new() } else { format!(" or choosing {elsewhere}") };
    ApiError::new(
        "Unsupported",
        format!(
            "Your requested instance type ({name}) is not supported in your requested Availability Zone ({zone}). \
             Please retry your request by not specifying an Availability Zone{advice}."
        ),
    )
}

fn no_capacity(cloud: &Cloud, here: &Region, zone: &str, name: &str, market: Market, named: bool) -> ApiError {
    let message = match (market, named) {
        (Market::Spot, _) => "There is no Spot capacity available that matches your request.".to_owned(),
        (Market::OnDemand, false) => format!(
            "We currently do not have sufficient {name} capacity in the zones you can use. \
             Our system will be working on provisioning additional capacity."
        ),
        (Market::OnDemand, true) => {
            let full = |z: &str| cloud.faults.pool_limit(&here.name, z, name, market) == Some(0);
            let elsewhere = zones_where(here, |z| z != zone && is_offered(&here.name, z, name) && !full(z));
            let advice = if elsewhere.is_empty() { String::new() } else { format!(" or choosing {elsewhere}") };
            format!(
                "We currently do not have sufficient {name} capacity in the Availability Zone you requested ({zone}). \
                 Our system will be working on provisioning additional capacity. You can currently get {name} capacity \
                 by not specifying an Availability Zone in your request{advice}."
            )
        }
    };
    ApiError::new("InsufficientInstanceCapacity", message).with_status(500)
}

fn zones_where(here: &Region, condition: impl Fn(&str) -> bool) -> String {
    let names: Vec<&str> = here.zones.iter().map(|z| z.name.as_str()).filter(|z| condition(z)).collect();
    names.join(", ")
}

/// A spot launch that offers less than the pool costs gets nothing.
fn price_refusal(cloud: &Cloud, now: Timestamp, region: &str, launch: &Launch, target: &Target) -> Option<ApiError> {
    let offered = launch.request.spot.as_ref()?.max_price?;
    let price = Walk::of(cloud.config.seed, region, &target.zone, &launch.instance_type.name)?.price(now);
    (offered < price).then(|| {
        ApiError::new(
            "SpotMaxPriceTooLow",
            format!(
                "Your Spot request price of {offered} is lower than the minimum required Spot request fulfillment \
                 price of {price}."
            ),
        )
    })
}
