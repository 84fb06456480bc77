//! A reply into XML.

mod groups;
mod instances;
mod lists;
mod spot;
mod types;

use sandbox_cloud::model::{RuleTarget, Tags};
use sandbox_cloud::{ApiError, Reply};

use crate::API_VERSION;
use crate::xml::Xml;

/// The answer to a call that was done.
pub(crate) fn reply(operation: &str, request_id: &str, reply: &Reply) -> String {
    let namespace = format!("http://ec2.amazonaws.com/doc/{API_VERSION}/");
    Xml::document(&format!("{operation}Response"), Some(&namespace), |xml| {
        xml.leaf("requestId", request_id);
        content(xml, reply);
    })
}

/// The answer to a call that was refused.
pub(crate) fn error(request_id: &str, error: &ApiError) -> String {
    Xml::document("Response", None, |xml| {
        xml.element("Errors", |xml| {
            xml.element("Error", |xml| {
                xml.leaf("Code", &error.code);
                xml.leaf("Message", &error.message);
            });
        });
        xml.leaf("RequestID", request_id);
    })
}

fn content(xml: &mut Xml, reply: &Reply) {
    match reply {
        Reply::Done => xml.leaf("return", true),
        Reply::Reservation(reservation) => instances::reservation(xml, reservation),
        Reply::Reservations(listing) => {
            xml.list("reservationSet", &listing.items, instances::reservation);
            xml.maybe("nextToken", listing.next_token.as_ref());
        }
        Reply::StateChanges(changes) => xml.list("instancesSet", changes, instances::state_change),
        Reply::Statuses(listing) => {
            xml.list("instanceStatusSet", &listing.items, instances::status);
            xml.maybe("nextToken", listing.next_token.as_ref());
        }
        Reply::Attribute { instance_id, value } => instances::attribute(xml, instance_id, value),
        Reply::InstanceTypes(listing) => {
            xml.list("instanceTypeSet", &listing.items, types::instance_type);
            xml.maybe("nextToken", listing.next_token.as_ref());
        }
        Reply::Offerings(listing) => {
            xml.list("instanceTypeOfferingSet", &listing.items, types::offering);
            xml.maybe("nextToken", listing.next_token.as_ref());
        }
        Reply::Images(listing) => {
            xml.list("imagesSet", &listing.items, lists::image);
            xml.maybe("nextToken", listing.next_token.as_ref());
        }
        Reply::Regions(regions) => xml.list("regionInfo", regions, lists::region),
        Reply::Zones(zones) => xml.list("availabilityZoneInfo", zones, lists::zone),
        Reply::Vpcs(listing) => {
            xml.list("vpcSet", &listing.items, lists::vpc);
            xml.maybe("nextToken", listing.next_token.as_ref());
        }
        Reply::Subnets(listing) => {
            xml.list("subnetSet", &listing.items, lists::subnet);
            xml.maybe("nextToken", listing.next_token.as_ref());
        }
        Reply::Volumes(listing) => {
            xml.list("volumeSet", &listing.items, lists::volume);
            xml.maybe("nextToken", listing.next_token.as_ref());
        }
        Reply::Tags(listing) => {
            xml.list("tagSet", &listing.items, lists::tag);
            xml.maybe("nextToken", listing.next_token.as_ref());
        }
        Reply::SpotPrices(listing) => {
            xml.list("spotPriceHistorySet", &listing.items, spot::price);
            // Without a next part EC2 writes an empty one here.
            xml.leaf("nextToken", listing.next_token.as_deref().unwrap_or_default());
        }
        Reply::SpotRequests(listing) => {
            xml.list("spotInstanceRequestSet", &listing.items, spot::request);
            xml.maybe("nextToken", listing.next_token.as_ref());
        }
        Reply::SpotRequestsCancelled(cancelled) => xml.list("spotInstanceRequestSet", cancelled, spot::cancelled),
        Reply::AccountAttributes(attributes) => {
            xml.list("accountAttributeSet", attributes, lists::account_attribute);
        }
        Reply::GroupCreated(group) => groups::created(xml, group),
        Reply::GroupDeleted(id) => {
            xml.leaf("return", true);
            xml.leaf("groupId", id);
        }
        Reply::Groups(listing) => {
            xml.list("securityGroupInfo", &listing.items, groups::group);
            xml.maybe("nextToken", listing.next_token.as_ref());
        }
        Reply::RulesAdded(rules) => {
            xml.leaf("return", true);
            xml.list("securityGroupRuleSet", rules, groups::rule);
        }
        Reply::RulesRevoked(revoked) => groups::revoked(xml, revoked),
        Reply::Rules(listing) => {
            xml.list("securityGroupRuleSet", &listing.items, groups::rule);
            xml.maybe("nextToken", listing.next_token.as_ref());
        }
    }
}

/// Tags, where EC2 leaves the list out if there are none.
fn tags(xml: &mut Xml, tags: &Tags) {
    if !tags.is_empty() {
        xml.list("tagSet", tags, |xml, (key, value)| {
            xml.leaf("key", key);
            xml.leaf("value", value);
        });
    }
}

fn ipv4(target: &RuleTarget) -> Option<&String> {
    if let RuleTarget::Ipv4(block) = target { Some(block) } else { None }
}

fn ipv6(target: &RuleTarget) -> Option<&String> {
    if let RuleTarget::Ipv6(block) = target { Some(block) } else { None }
}

fn group(target: &RuleTarget) -> Option<(&String, &String)> {
    if let RuleTarget::Group { group_id, user_id } = target { Some((group_id, user_id)) } else { None }
}
