//! What a region offers: images and zones; and tags.

use sandbox_cloud::model::{Image, RegionInfo, TaggedResource, Zone};

use super::tags;
use crate::xml::Xml;

pub(super) fn image(xml: &mut Xml, i: &Image) {
    xml.leaf("imageId", &i.id);
    let owner = i.owner_alias.as_ref().unwrap_or(&i.owner_id);
    xml.leaf("imageLocation", format!("{owner}/{}", i.name));
    xml.leaf("imageState", "available");
    xml.leaf("imageOwnerId", &i.owner_id);
    xml.leaf("creationDate", &i.creation_date);
    xml.maybe("deprecationTime", i.deprecation_time.as_ref());
    xml.leaf("isPublic", true);
    xml.leaf("architecture", &i.architecture);
    xml.leaf("imageType", "machine");
    xml.maybe("imageOwnerAlias", i.owner_alias.as_ref());
    xml.leaf("name", &i.name);
    xml.leaf("description", &i.description);
    xml.leaf("rootDeviceType", "ebs");
    xml.leaf("rootDeviceName", &i.root_device_name);
    xml.list("blockDeviceMapping", [i], |xml, i| {
        xml.leaf("deviceName", &i.root_device_name);
        xml.element("ebs", |xml| {
            xml.leaf("snapshotId", &i.snapshot_id);
            xml.leaf("volumeSize", i.volume_size);
            xml.leaf("deleteOnTermination", true);
            xml.leaf("volumeType", i.volume_type);
            if i.volume_type == "gp3" {
                xml.leaf("iops", 3000);
                xml.leaf("throughput", 125);
            }
            xml.leaf("encrypted", false);
        });
    });
    xml.leaf("virtualizationType", "hvm");
    tags(xml, &i.tags);
    xml.leaf("hypervisor", "xen");
    xml.leaf("enaSupport", true);
    xml.leaf("sriovNetSupport", "simple");
    xml.leaf("platformDetails", "Linux/UNIX");
    xml.leaf("usageOperation", "RunInstances");
    xml.leaf("bootMode", &i.boot_mode);
    xml.leaf("imdsSupport", "v2.0");
}

pub(super) fn region(xml: &mut Xml, region: &RegionInfo) {
    xml.leaf("regionName", &region.name);
    xml.leaf("regionEndpoint", &region.endpoint);
    xml.leaf("optInStatus", "opt-in-not-required");
}

pub(super) fn zone(xml: &mut Xml, zone: &Zone) {
    xml.leaf("zoneName", &zone.name);
    xml.leaf("zoneId", &zone.id);
    xml.leaf("zoneState", "available");
    xml.leaf("zoneType", "availability-zone");
    xml.leaf("regionName", &zone.region);
    xml.leaf("groupName", &zone.region);
    xml.leaf("networkBorderGroup", &zone.region);
    xml.leaf("optInStatus", "opt-in-not-required");
    xml.list("messageSet", std::iter::empty::<()>(), |_, ()| {});
}

pub(super) fn tag(xml: &mut Xml, tag: &TaggedResource) {
    xml.leaf("resourceId", &tag.resource_id);
    xml.leaf("resourceType", &tag.resource_type);
    xml.leaf("key", &tag.key);
    xml.leaf("value", &tag.value);
}

pub(super) fn account_attribute(xml: &mut Xml, (name, values): &(String, Vec<String>)) {
    xml.leaf("attributeName", name);
    xml.list("attributeValueSet", values, |xml, value| xml.leaf("attributeValue", value));
}
