//! Spot requests: one-time, made by RunInstances, each with its instance.

use jiff::{SignedDuration, Timestamp};

use crate::cloud::{Cloud, Region};
use crate::error::ApiError;
use crate::filter::{Table, by_id, one};
use crate::model::{Instance, SpotInstanceRequest, SpotRequestState, Tags, format_time};
use crate::paging::{USUAL, cut};
use crate::reply::{CancelledSpotRequest, Listing};
use crate::request::{CancelSpotInstanceRequests, DescribeById};
use crate::transition::Cause;

/// Requests are listed this long after they and their instances have ended.
const LISTED: SignedDuration = SignedDuration::from_hours(4);

/// Price as EC2 writes it.
pub(crate) fn price_text(usd: f64) -> String {
    format!("{usd:.6}")
}

const FILTERS: Table<SpotInstanceRequest> = Table {
    columns: &[
        ("create-time", |r| one(format_time(r.create_time))),
        ("instance-id", |r| one(&r.instance_id)),
        ("launch.group-id", |r| r.groups.iter().map(|g| g.id.clone()).collect()),
        ("launch.group-name", |r| r.groups.iter().map(|g| g.name.clone()).collect()),
        ("launch.image-id", |r| one(&r.image_id)),
        ("launch.instance-type", |r| one(&r.instance_type)),
        ("launch.monitoring-enabled", |r| one(r.monitoring)),
        ("launched-availability-zone", |r| one(&r.availability_zone)),
        ("launched-availability-zone-id", |r| one(&r.availability_zone_id)),
        ("network-interface.subnet-id", |r| one(&r.subnet_id)),
        ("product-description", |_| one("Linux/UNIX")),
        ("spot-instance-request-id", |r| one(&r.id)),
        ("spot-price", |r| one(price_text(r.max_price))),
        ("state", |r| one(r.state.name())),
        ("status-code", |r| one(r.status_code)),
        ("status-message", |r| one(r.status_message)),
        ("type", |_| one("one-time")),
    ],
    tags: Some(|r| &r.tags),
};

pub(crate) fn unknown(id: &str) -> ApiError {
    ApiError::new("InvalidSpotInstanceRequestID.NotFound", format!("The spot instance request ID '{id}' does not exist"))
}

fn listed(request: &SpotInstanceRequest, now: Timestamp) -> bool {
    request.gone_at.is_none_or(|at| now < at)
}

pub(crate) fn describe(
    cloud: &Cloud,
    now: Timestamp,
    region: &str,
    request: &DescribeById,
) -> Result<Listing<SpotInstanceRequest>, ApiError> {
    FILTERS.check(&request.filters)?;
    let seen = cloud.region(region).spot_requests.seen(now, cloud.lateness());
    let all = seen.into_iter().filter(|r| listed(r, now)).cloned().collect();
    let mut found = by_id(all, &request.ids, |r: &SpotInstanceRequest| r.id.clone(), "", |missing| unknown(missing[0]))?;
    found.retain(|r| FILTERS.passes(&request.filters, r));
    cut(found, &request.page, USUAL, |r| r.id.clone())
}

/// The request whose instance this is.
pub(crate) fn record(region: &mut Region, now: Timestamp, instance: &Instance, tags: &Tags) {
    let Some(spot) = &instance.spot else { return };
    let forgotten: Vec<String> = region.spot_requests.values().filter(|r| !listed(r, now)).map(|r| r.id.clone()).collect();
    for id in forgotten {
        region.spot_requests.remove(now, &id);
    }
    let request = SpotInstanceRequest {
        id: spot.id.clone(),
        instance_id: instance.id.clone(),
        state: SpotRequestState::Active,
        status_code: "fulfilled",
        status_message: "Your Spot request is fulfilled.",
        status_update_time: now,
        create_time: now,
        max_price: spot.max_price,
        availability_zone: instance.availability_zone.clone(),
        availability_zone_id: instance.availability_zone_id.clone(),
        instance_type: instance.instance_type.clone(),
        image_id: instance.image_id.clone(),
        groups: instance.groups.clone(),
        subnet_id: instance.interface.as_ref().map(|n| n.subnet_id.clone()).unwrap_or_default(),
        profile: instance.profile.clone(),
        monitoring: instance.monitoring,
        tags: tags.clone(),
        gone_at: None,
    };
    region.spot_requests.insert(now, spot.id.clone(), request);
}

fn change(region: &mut Region, now: Timestamp, instance_id: &str, change: impl FnOnce(&mut SpotInstanceRequest)) {
    let Some(id) = region.instances.get(instance_id).and_then(|i| i.spot.as_ref()).map(|s| s.id.clone()) else { return };
    region.spot_requests.change(now, &id, |request| {
        request.status_update_time = now;
        change(request);
    });
}

/// The instance has been given notice.
pub(crate) fn marked(region: &mut Region, now: Timestamp, instance_id: &str) {
    change(region, now, instance_id, |request| {
        request.status_code = "marked-for-termination";
        request.status_message = "Your Spot instance is marked for termination.";
    });
}

/// The instance ends: a one-time request ends with it, unless it was cancelled before.
pub(crate) fn ended(region: &mut Region, now: Timestamp, instance_id: &str, cause: Cause) {
    let (code, message) = match cause {
        Cause::User | Cause::Guest | Cause::Hibernation => {
            ("instance-terminated-by-user", "Your Spot instance was terminated due to a user-initiated termination.")
        }
        Cause::Spot => ("instance-terminated-no-capacity", "Your Spot instance was terminated because there is no longer Spot capacity."),
        Cause::Outbid => {
            ("instance-terminated-by-price", "Your Spot instance was terminated because your maximum price is lower than the Spot price.")
        }
        Cause::HostLost | Cause::KeyMissing => ("instance-terminated-by-service", "Your Spot instance was terminated by the service."),
    };
    change(region, now, instance_id, |request| {
        (request.status_code, request.status_message) = (code, message);
        if request.state == SpotRequestState::Active {
            request.state = SpotRequestState::Closed;
        }
        request.gone_at = now.checked_add(LISTED).ok();
    });
}

/// Cancels requests. Their instances run on.
pub(crate) fn cancel(
    region: &mut Region,
    now: Timestamp,
    request: &CancelSpotInstanceRequests,
) -> Result<Vec<CancelledSpotRequest>, ApiError> {
    if request.spot_instance_request_ids.is_empty() {
        return Err(ApiError::missing("SpotInstanceRequestId"));
    }
    for id in &request.spot_instance_request_ids {
        if region.spot_requests.get(id).is_none_or(|r| !listed(r, now)) {
            return Err(unknown(id));
        }
    }
    let cancel_one = |id: &String| {
        region.spot_requests.change(now, id, |request| {
            if request.state == SpotRequestState::Active {
                request.state = SpotRequestState::Cancelled;
                request.status_code = "request-canceled-and-instance-running";
                request.status_message = "Your Spot request is canceled, but your instance is still running.";
                request.status_update_time = now;
            }
        });
        let state = region.spot_requests.get(id).map_or(SpotRequestState::Cancelled, |r| r.state);
        CancelledSpotRequest { spot_instance_request_id: id.clone(), state }
    };
    Ok(request.spot_instance_request_ids.iter().map(cancel_one).collect())
}
