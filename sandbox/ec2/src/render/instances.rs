//! Instances, and what is told of them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sandbox_cloud::model::{GroupIdentifier, Instance, InstanceState, Interface, format_time};
use sandbox_cloud::reply::{AttributeValue, InstanceStatus, Reservation, StateChange};

use super::tags;
use crate::xml::Xml;

pub(super) fn reservation(xml: &mut Xml, reservation: &Reservation) {
    xml.leaf("reservationId", &reservation.id);
    xml.leaf("ownerId", &reservation.owner_id);
    // Groups of a reservation are from before there were networks.
    xml.list("groupSet", std::iter::empty::<()>(), |_, ()| {});
    xml.list("instancesSet", &reservation.instances, |xml, i| instance(xml, i, &reservation.owner_id));
}

fn state(xml: &mut Xml, name: &str, state: InstanceState) {
    xml.element(name, |xml| {
        xml.leaf("code", state.code());
        xml.leaf("name", state.name());
    });
}

fn enabled(on: bool) -> &'static str {
    if on { "enabled" } else { "disabled" }
}

fn groups(xml: &mut Xml, groups: &[GroupIdentifier]) {
    xml.list("groupSet", groups, |xml, group| {
        xml.leaf("groupId", &group.id);
        xml.leaf("groupName", &group.name);
    });
}

fn instance(xml: &mut Xml, i: &Instance, owner_id: &str) {
    let interface = i.interface.as_ref();
    xml.leaf("instanceId", &i.id);
    xml.leaf("imageId", &i.image_id);
    state(xml, "instanceState", i.state);
    xml.leaf("privateDnsName", interface.map_or("", |n| &n.private_dns_name));
    xml.leaf("dnsName", interface.and_then(|n| n.public_dns_name.as_deref()).unwrap_or(""));
    xml.leaf("reason", &i.state_transition_reason);
    xml.maybe("keyName", i.key_name.as_ref());
    xml.leaf("amiLaunchIndex", i.ami_launch_index);
    xml.list("productCodes", std::iter::empty::<()>(), |_, ()| {});
    xml.leaf("instanceType", &i.instance_type);
    xml.leaf("launchTime", format_time(i.launch_time));
    xml.element("placement", |xml| {
        xml.leaf("availabilityZone", &i.availability_zone);
        xml.leaf("availabilityZoneId", &i.availability_zone_id);
        xml.leaf("groupName", i.placement_group.as_deref().unwrap_or_default());
        xml.leaf("tenancy", "default");
    });
    xml.element("monitoring", |xml| xml.leaf("state", enabled(i.monitoring)));
    xml.maybe("subnetId", interface.map(|n| &n.subnet_id));
    xml.maybe("vpcId", interface.map(|n| &n.vpc_id));
    xml.maybe("privateIpAddress", interface.map(|n| &n.private_ip));
    xml.maybe("ipAddress", interface.and_then(|n| n.public_ip.as_ref()));
    if interface.is_some() {
        xml.leaf("sourceDestCheck", true);
    }
    groups(xml, &i.groups);
    if let Some(reason) = &i.state_reason {
        xml.element("stateReason", |xml| {
            xml.leaf("code", &reason.code);
            xml.leaf("message", &reason.message);
        });
    }
    xml.leaf("architecture", &i.architecture);
    xml.leaf("rootDeviceType", "ebs");
    xml.leaf("rootDeviceName", &i.root_device_name);
    xml.list("blockDeviceMapping", &i.volumes, |xml, volume| {
        xml.leaf("deviceName", &volume.device_name);
        xml.element("ebs", |xml| {
            xml.leaf("volumeId", &volume.volume_id);
            xml.leaf("status", "attached");
            xml.leaf("attachTime", format_time(volume.attach_time));
            xml.leaf("deleteOnTermination", volume.delete_on_termination);
        });
    });
    xml.leaf("virtualizationType", "hvm");
    if let Some(spot) = &i.spot {
        xml.leaf("instanceLifecycle", "spot");
        xml.leaf("spotInstanceRequestId", &spot.id);
    }
    xml.leaf("clientToken", i.client_token.as_deref().unwrap_or(""));
    tags(xml, &i.tags);
    xml.leaf("hypervisor", "xen");
    xml.list("networkInterfaceSet", interface, |xml, n| network_interface(xml, i, n, owner_id));
    if let Some(profile) = &i.profile {
        xml.element("iamInstanceProfile", |xml| {
            xml.leaf("arn", &profile.arn);
            xml.leaf("id", &profile.id);
        });
    }
    xml.leaf("ebsOptimized", i.ebs_optimized);
    xml.leaf("enaSupport", true);
    machine_options(xml, i);
}

fn machine_options(xml: &mut Xml, i: &Instance) {
    xml.element("capacityReservationSpecification", |xml| xml.leaf("capacityReservationPreference", "open"));
    xml.element("hibernationOptions", |xml| xml.leaf("configured", i.hibernation));
    xml.element("enclaveOptions", |xml| xml.leaf("enabled", false));
    let options = &i.metadata_options;
    xml.element("metadataOptions", |xml| {
        xml.leaf("state", if i.state == InstanceState::Pending { "pending" } else { "applied" });
        xml.leaf("httpTokens", if options.tokens_required { "required" } else { "optional" });
        xml.leaf("httpPutResponseHopLimit", options.hop_limit);
        xml.leaf("httpEndpoint", enabled(options.endpoint_enabled));
        xml.leaf("httpProtocolIpv6", enabled(options.ipv6_enabled));
        xml.leaf("instanceMetadataTags", enabled(options.tags_enabled));
    });
    xml.leaf("platformDetails", "Linux/UNIX");
    xml.leaf("usageOperation", "RunInstances");
    xml.leaf("usageOperationUpdateTime", format_time(i.launch_time));
    xml.element("maintenanceOptions", |xml| xml.leaf("autoRecovery", "default"));
    xml.element("privateDnsNameOptions", |xml| {
        xml.leaf("hostnameType", "ip-name");
        xml.leaf("enableResourceNameDnsARecord", false);
        xml.leaf("enableResourceNameDnsAAAARecord", false);
    });
}

fn network_interface(xml: &mut Xml, i: &Instance, n: &Interface, owner_id: &str) {
    let association = |xml: &mut Xml| {
        if let (Some(ip), Some(name)) = (&n.public_ip, &n.public_dns_name) {
            xml.element("association", |xml| {
                xml.leaf("ipOwnerId", "amazon");
                xml.leaf("publicDnsName", name);
                xml.leaf("publicIp", ip);
            });
        }
    };
    xml.leaf("networkInterfaceId", &n.id);
    xml.leaf("subnetId", &n.subnet_id);
    xml.leaf("vpcId", &n.vpc_id);
    xml.leaf("description", &n.description);
    xml.leaf("ownerId", owner_id);
    xml.leaf("status", "in-use");
    xml.leaf("macAddress", &n.mac);
    xml.leaf("privateIpAddress", &n.private_ip);
    xml.leaf("privateDnsName", &n.private_dns_name);
    xml.leaf("sourceDestCheck", true);
    xml.leaf("interfaceType", "interface");
    groups(xml, &i.groups);
    xml.element("attachment", |xml| {
        xml.leaf("attachmentId", &n.attachment_id);
        xml.leaf("deviceIndex", 0);
        xml.leaf("networkCardIndex", 0);
        xml.leaf("status", "attached");
        xml.leaf("attachTime", format_time(i.launch_time));
        xml.leaf("deleteOnTermination", true);
    });
    association(xml);
    xml.list("privateIpAddressesSet", [n], |xml, n| {
        xml.leaf("privateIpAddress", &n.private_ip);
        xml.leaf("privateDnsName", &n.private_dns_name);
        xml.leaf("primary", true);
        association(xml);
    });
    xml.list("ipv6AddressesSet", std::iter::empty::<()>(), |_, ()| {});
}

pub(super) fn state_change(xml: &mut Xml, change: &StateChange) {
    xml.leaf("instanceId", &change.instance_id);
    state(xml, "currentState", change.current);
    state(xml, "previousState", change.previous);
}

pub(super) fn status(xml: &mut Xml, status: &InstanceStatus) {
    xml.leaf("instanceId", &status.instance_id);
    xml.leaf("availabilityZone", &status.availability_zone);
    xml.leaf("availabilityZoneId", &status.availability_zone_id);
    state(xml, "instanceState", status.state);
    let reachability = match status.status {
        "ok" => Some("passed"),
        "initializing" => Some("initializing"),
        _ => None,
    };
    for name in ["systemStatus", "instanceStatus"] {
        xml.element(name, |xml| {
            xml.leaf("status", status.status);
            if let Some(reachability) = reachability {
                xml.list("details", [reachability], |xml, reachability| {
                    xml.leaf("name", "reachability");
                    xml.leaf("status", reachability);
                });
            }
        });
    }
}

pub(super) fn attribute(xml: &mut Xml, instance_id: &str, value: &AttributeValue) {
    xml.leaf("instanceId", instance_id);
    match value {
        AttributeValue::UserData(data) => xml.element("userData", |xml| {
            xml.maybe("value", data.as_ref().map(|data| STANDARD.encode(data)));
        }),
        AttributeValue::ShutdownBehavior(behavior) => {
            xml.element("instanceInitiatedShutdownBehavior", |xml| xml.leaf("value", behavior));
        }
        AttributeValue::InstanceType(name) => xml.element("instanceType", |xml| xml.leaf("value", name)),
        AttributeValue::DisableApiTermination(disabled) => {
            xml.element("disableApiTermination", |xml| xml.leaf("value", disabled));
        }
    }
}
