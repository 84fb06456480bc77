//! A reply into XML.

mod groups;
mod instances;
mod launching;
mod lists;
mod network;
mod spot;
mod templates;
mod types;
mod volumes;

use sandbox_cloud::model::{RuleTarget, Tags};
use sandbox_cloud::reply::{Address, Listing};
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
        Reply::Reservations(listing) => listed(xml, "reservationSet", listing, instances::reservation),
        Reply::StateChanges(changes) => xml.list("instancesSet", changes, instances::state_change),
        Reply::Statuses(listing) => listed(xml, "instanceStatusSet", listing, instances::status),
        Reply::Attribute { instance_id, value } => instances::attribute(xml, instance_id, value),
        Reply::InstanceTypes(listing) => listed(xml, "instanceTypeSet", listing, types::instance_type),
        Reply::Offerings(listing) => listed(xml, "instanceTypeOfferingSet", listing, types::offering),
        Reply::Images(listing) => listed(xml, "imagesSet", listing, lists::image),
        Reply::Regions(regions) => xml.list("regionInfo", regions, lists::region),
        Reply::Zones(zones) => xml.list("availabilityZoneInfo", zones, lists::zone),
        Reply::Vpcs(listing) => listed(xml, "vpcSet", listing, network::vpc),
        Reply::Subnets(listing) => listed(xml, "subnetSet", listing, network::subnet),
        Reply::Vpc(vpc) => xml.element("vpc", |xml| network::vpc(xml, vpc)),
        Reply::VpcAttribute(attribute) => network::vpc_attribute(xml, attribute),
        Reply::Subnet(subnet) => xml.element("subnet", |xml| network::subnet(xml, subnet)),
        Reply::InternetGateway(gateway) => xml.element("internetGateway", |xml| network::internet_gateway(xml, gateway)),
        Reply::InternetGateways(listing) => listed(xml, "internetGatewaySet", listing, network::internet_gateway),
        Reply::RouteTable(table) => xml.element("routeTable", |xml| network::route_table(xml, table)),
        Reply::RouteTables(listing) => listed(xml, "routeTableSet", listing, network::route_table),
        Reply::RouteTableAssociated(id) => network::associated(xml, id),
        Reply::AddressAllocated(held) => {
            let address = Address { held: held.clone(), network_interface_id: None, private_ip: None };
            network::address(xml, &address);
        }
        Reply::Addresses(addresses) => xml.list("addressesSet", addresses, network::address),
        Reply::NatGateway(gateway) => xml.element("natGateway", |xml| network::nat_gateway(xml, gateway)),
        Reply::NatGateways(listing) => listed(xml, "natGatewaySet", listing, network::nat_gateway),
        Reply::NatGatewayDeleted(id) => xml.leaf("natGatewayId", id),
        Reply::VpcEndpoint(endpoint) => xml.element("vpcEndpoint", |xml| network::endpoint(xml, endpoint)),
        Reply::VpcEndpoints(listing) => listed(xml, "vpcEndpointSet", listing, network::endpoint),
        Reply::VpcEndpointsDeleted(items) => xml.list("unsuccessful", items, network::unsuccessful),
        Reply::Snapshot(snapshot) => volumes::snapshot(xml, snapshot),
        Reply::Snapshots(listing) => listed(xml, "snapshotSet", listing, volumes::snapshot),
        Reply::PlacementGroup(group) => xml.element("placementGroup", |xml| launching::placement_group(xml, group)),
        Reply::PlacementGroups(groups) => xml.list("placementGroupSet", groups, launching::placement_group),
        Reply::LaunchTemplate(template) => xml.element("launchTemplate", |xml| templates::template(xml, template)),
        Reply::LaunchTemplates(listing) => listed(xml, "launchTemplates", listing, templates::template),
        Reply::LaunchTemplateVersion(version) => xml.element("launchTemplateVersion", |xml| templates::version(xml, version)),
        Reply::LaunchTemplateVersions(listing) => listed(xml, "launchTemplateVersionSet", listing, templates::version),
        Reply::KeyPair(key) => launching::imported(xml, key),
        Reply::KeyPairs(keys) => xml.list("keySet", keys, launching::key_pair),
        Reply::KeyPairDeleted(id) => {
            xml.leaf("return", true);
            xml.maybe("keyPairId", id.as_ref());
        }
        Reply::Volumes(listing) => listed(xml, "volumeSet", listing, volumes::volume),
        Reply::VolumeModification(change) => xml.element("volumeModification", |xml| volumes::modification(xml, change)),
        Reply::VolumesModifications(listing) => listed(xml, "volumeModificationSet", listing, volumes::modification),
        Reply::Tags(listing) => listed(xml, "tagSet", listing, lists::tag),
        Reply::SpotPrices(listing) => {
            xml.list("spotPriceHistorySet", &listing.items, spot::price);
            // Without a next part EC2 writes an empty one here.
            xml.leaf("nextToken", listing.next_token.as_deref().unwrap_or_default());
        }
        Reply::SpotRequests(listing) => listed(xml, "spotInstanceRequestSet", listing, spot::request),
        Reply::SpotRequestsCancelled(cancelled) => xml.list("spotInstanceRequestSet", cancelled, spot::cancelled),
        Reply::AccountAttributes(attributes) => {
            xml.list("accountAttributeSet", attributes, lists::account_attribute);
        }
        Reply::GroupCreated(group) => groups::created(xml, group),
        Reply::GroupDeleted(id) => {
            xml.leaf("return", true);
            xml.leaf("groupId", id);
        }
        Reply::Groups(listing) => listed(xml, "securityGroupInfo", listing, groups::group),
        Reply::RulesAdded(rules) => {
            xml.leaf("return", true);
            xml.list("securityGroupRuleSet", rules, groups::rule);
        }
        Reply::RulesRevoked(revoked) => groups::revoked(xml, revoked),
        Reply::Rules(listing) => listed(xml, "securityGroupRuleSet", listing, groups::rule),
    }
}

/// Part of a list, and where the next part begins.
fn listed<T>(xml: &mut Xml, name: &str, listing: &Listing<T>, item: impl FnMut(&mut Xml, &T)) {
    xml.list(name, &listing.items, item);
    xml.maybe("nextToken", listing.next_token.as_ref());
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
