//! Launch templates and their versions.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sandbox_cloud::model::{LaunchTemplate, LaunchTemplateVersion, MetadataOptionsRequest, format_time};
use sandbox_cloud::request::{BlockDevice, LaunchTemplateData, NetworkInterface, Placement, SpotOptions};

use super::tags;
use crate::xml::Xml;

pub(super) fn template(xml: &mut Xml, template: &LaunchTemplate) {
    xml.leaf("launchTemplateId", &template.id);
    xml.leaf("launchTemplateName", &template.name);
    xml.leaf("createTime", format_time(template.create_time));
    xml.leaf("createdBy", &template.created_by);
    xml.leaf("defaultVersionNumber", template.default_version);
    xml.leaf("latestVersionNumber", template.latest_version);
    tags(xml, &template.tags);
}

pub(super) fn version(xml: &mut Xml, version: &LaunchTemplateVersion) {
    xml.leaf("launchTemplateId", &version.template_id);
    xml.leaf("launchTemplateName", &version.template_name);
    xml.leaf("versionNumber", version.number);
    xml.maybe("versionDescription", version.description.as_ref());
    xml.leaf("createTime", format_time(version.create_time));
    xml.leaf("createdBy", &version.created_by);
    xml.leaf("defaultVersion", version.is_default);
    xml.element("launchTemplateData", |xml| data(xml, &version.data));
}

fn data(xml: &mut Xml, data: &LaunchTemplateData) {
    xml.maybe("ebsOptimized", data.ebs_optimized);
    if let Some(profile) = &data.iam_instance_profile {
        xml.element("iamInstanceProfile", |xml| {
            xml.maybe("arn", profile.arn.as_ref());
            xml.maybe("name", profile.name.as_ref());
        });
    }
    list(xml, "blockDeviceMappingSet", &data.block_device_mappings, block_device);
    list(xml, "networkInterfaceSet", &data.network_interfaces, network_interface);
    xml.maybe("imageId", data.image_id.as_ref());
    xml.maybe("instanceType", data.instance_type.as_ref());
    xml.maybe("keyName", data.key_name.as_ref());
    if let Some(enabled) = data.monitoring {
        xml.element("monitoring", |xml| xml.leaf("enabled", enabled));
    }
    if let Some(wanted) = &data.placement {
        xml.element("placement", |xml| placement(xml, wanted));
    }
    xml.maybe("disableApiTermination", data.disable_api_termination);
    xml.maybe("instanceInitiatedShutdownBehavior", data.instance_initiated_shutdown_behavior.map(|behavior| behavior.name()));
    xml.maybe("userData", data.user_data.as_ref().map(|bytes| STANDARD.encode(bytes)));
    list(xml, "tagSpecificationSet", &data.tag_specifications, |xml, specification| {
        xml.leaf("resourceType", &specification.resource_type);
        xml.list("tagSet", &specification.tags, |xml, tag| {
            xml.leaf("key", &tag.key);
            xml.leaf("value", &tag.value);
        });
    });
    texts(xml, "securityGroupIdSet", &data.security_group_ids);
    texts(xml, "securityGroupSet", &data.security_groups);
    if let Some(options) = &data.spot {
        xml.element("instanceMarketOptions", |xml| spot(xml, options));
    }
    if let Some(configured) = data.hibernation {
        xml.element("hibernationOptions", |xml| xml.leaf("configured", configured));
    }
    if let Some(options) = &data.metadata_options {
        xml.element("metadataOptions", |xml| metadata_options(xml, options));
    }
}

/// A list that is left out if there is nothing in it.
fn list<T>(xml: &mut Xml, name: &str, items: &[T], item: impl FnMut(&mut Xml, &T)) {
    if !items.is_empty() {
        xml.list(name, items, item);
    }
}

fn texts(xml: &mut Xml, name: &str, items: &[String]) {
    if !items.is_empty() {
        xml.texts(name, items);
    }
}

fn block_device(xml: &mut Xml, device: &BlockDevice) {
    xml.leaf("deviceName", &device.device_name);
    if device.no_device {
        xml.leaf("noDevice", "");
        return;
    }
    xml.element("ebs", |xml| {
        xml.maybe("encrypted", device.encrypted);
        xml.maybe("deleteOnTermination", device.delete_on_termination);
        xml.maybe("iops", device.iops);
        xml.maybe("kmsKeyId", device.kms_key_id.as_ref());
        xml.maybe("snapshotId", device.snapshot_id.as_ref());
        xml.maybe("volumeSize", device.volume_size);
        xml.maybe("volumeType", device.volume_type.as_ref());
        xml.maybe("throughput", device.throughput);
    });
}

fn network_interface(xml: &mut Xml, interface: &NetworkInterface) {
    xml.maybe("associatePublicIpAddress", interface.associate_public_ip_address);
    xml.maybe("deleteOnTermination", interface.delete_on_termination);
    xml.maybe("description", interface.description.as_ref());
    xml.maybe("deviceIndex", interface.device_index);
    if !interface.groups.is_empty() {
        xml.element("groupSet", |xml| interface.groups.iter().for_each(|group| xml.leaf("groupId", group)));
    }
    xml.maybe("subnetId", interface.subnet_id.as_ref());
}

fn placement(xml: &mut Xml, placement: &Placement) {
    xml.maybe("availabilityZone", placement.availability_zone.as_ref());
    xml.maybe("availabilityZoneId", placement.availability_zone_id.as_ref());
    xml.maybe("groupName", placement.group_name.as_ref());
    xml.maybe("groupId", placement.group_id.as_ref());
    xml.maybe("tenancy", placement.tenancy.as_ref());
}

fn spot(xml: &mut Xml, options: &SpotOptions) {
    xml.leaf("marketType", "spot");
    if let Some(price) = options.max_price {
        xml.element("spotOptions", |xml| xml.leaf("maxPrice", price));
    }
}

fn metadata_options(xml: &mut Xml, options: &MetadataOptionsRequest) {
    xml.maybe("httpTokens", options.http_tokens.as_ref());
    xml.maybe("httpPutResponseHopLimit", options.http_put_response_hop_limit);
    xml.maybe("httpEndpoint", options.http_endpoint.as_ref());
    xml.maybe("httpProtocolIpv6", options.http_protocol_ipv6.as_ref());
    xml.maybe("instanceMetadataTags", options.instance_metadata_tags.as_ref());
}
