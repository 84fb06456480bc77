//! Spot prices and spot requests.

use sandbox_cloud::model::{SpotInstanceRequest, format_time};
use sandbox_cloud::reply::{CancelledSpotRequest, SpotPrice};

use super::tags;
use crate::xml::Xml;

pub(super) fn price(xml: &mut Xml, price: &SpotPrice) {
    xml.leaf("instanceType", &price.instance_type);
    xml.leaf("productDescription", "Linux/UNIX");
    xml.leaf("spotPrice", format!("{:.6}", price.usd_per_hour));
    xml.leaf("timestamp", format_time(price.timestamp));
    xml.leaf("availabilityZone", &price.availability_zone);
    xml.leaf("availabilityZoneId", &price.availability_zone_id);
}

pub(super) fn request(xml: &mut Xml, r: &SpotInstanceRequest) {
    xml.leaf("spotInstanceRequestId", &r.id);
    xml.leaf("spotPrice", format!("{:.6}", r.max_price));
    xml.leaf("type", "one-time");
    xml.leaf("state", r.state.name());
    xml.element("status", |xml| {
        xml.leaf("code", r.status_code);
        xml.leaf("updateTime", format_time(r.status_update_time));
        xml.leaf("message", r.status_message);
    });
    xml.element("launchSpecification", |xml| specification(xml, r));
    xml.leaf("instanceId", &r.instance_id);
    xml.leaf("createTime", format_time(r.create_time));
    xml.leaf("productDescription", "Linux/UNIX");
    xml.leaf("launchedAvailabilityZone", &r.availability_zone);
    xml.leaf("launchedAvailabilityZoneId", &r.availability_zone_id);
    xml.leaf("instanceInterruptionBehavior", "terminate");
    tags(xml, &r.tags);
}

fn specification(xml: &mut Xml, r: &SpotInstanceRequest) {
    xml.leaf("imageId", &r.image_id);
    xml.list("groupSet", &r.groups, |xml, group| {
        xml.leaf("groupId", &group.id);
        xml.leaf("groupName", &group.name);
    });
    xml.leaf("instanceType", &r.instance_type);
    xml.element("placement", |xml| xml.leaf("availabilityZone", &r.availability_zone));
    xml.element("monitoring", |xml| xml.leaf("enabled", r.monitoring));
    xml.leaf("subnetId", &r.subnet_id);
    if let Some(profile) = &r.profile {
        xml.element("iamInstanceProfile", |xml| xml.leaf("arn", &profile.arn));
    }
}

pub(super) fn cancelled(xml: &mut Xml, cancelled: &CancelledSpotRequest) {
    xml.leaf("spotInstanceRequestId", &cancelled.spot_instance_request_id);
    xml.leaf("state", cancelled.state.name());
}
