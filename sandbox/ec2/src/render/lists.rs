//! What a region offers: types, images, zones, networks; and volumes, tags and prices.

use sandbox_cloud::catalogue::InstanceType;
use sandbox_cloud::model::{Image, RegionInfo, Subnet, TaggedResource, Volume, Vpc, Zone, format_time};
use sandbox_cloud::reply::{Offering, SpotPrice};

use super::tags;
use crate::xml::Xml;

pub(super) fn instance_type(xml: &mut Xml, t: &InstanceType) {
    xml.leaf("instanceType", &t.name);
    xml.leaf("currentGeneration", true);
    xml.leaf("freeTierEligible", t.free_tier);
    xml.texts("supportedUsageClasses", std::iter::once("on-demand").chain(t.spot.then_some("spot")));
    xml.texts("supportedRootDeviceTypes", ["ebs"]);
    xml.texts("supportedVirtualizationTypes", ["hvm"]);
    xml.leaf("bareMetal", false);
    xml.leaf("hypervisor", "nitro");
    xml.element("processorInfo", |xml| {
        xml.texts("supportedArchitectures", [t.architecture]);
        xml.leaf("sustainedClockSpeedInGhz", t.clock_ghz);
        xml.leaf("manufacturer", t.manufacturer);
    });
    xml.element("vCpuInfo", |xml| {
        xml.leaf("defaultVCpus", t.vcpus);
        xml.leaf("defaultCores", t.vcpus / t.threads_per_core);
        xml.leaf("defaultThreadsPerCore", t.threads_per_core);
    });
    xml.element("memoryInfo", |xml| xml.leaf("sizeInMiB", t.memory_mib));
    storage(xml, t);
    xml.element("networkInfo", |xml| {
        xml.leaf("networkPerformance", t.network_performance);
        xml.leaf("maximumNetworkInterfaces", 3);
        xml.leaf("maximumNetworkCards", 1);
        xml.leaf("defaultNetworkCardIndex", 0);
        xml.leaf("ipv4AddressesPerInterface", 10);
        xml.leaf("ipv6AddressesPerInterface", 10);
        xml.leaf("ipv6Supported", true);
        xml.leaf("enaSupport", "required");
        xml.leaf("efaSupported", t.efa);
    });
    accelerators(xml, t);
    xml.element("placementGroupInfo", |xml| {
        let cluster = (!t.burstable).then_some("cluster");
        xml.texts("supportedStrategies", cluster.into_iter().chain(["partition", "spread"]));
    });
    xml.leaf("hibernationSupported", t.hibernation);
    xml.leaf("burstablePerformanceSupported", t.burstable);
    xml.leaf("dedicatedHostsSupported", !t.burstable);
    xml.leaf("autoRecoverySupported", t.instance_storage_gb == 0);
    xml.texts("supportedBootModes", if t.architecture == "arm64" { &["uefi"][..] } else { &["legacy-bios", "uefi"] });
}

fn storage(xml: &mut Xml, t: &InstanceType) {
    xml.leaf("instanceStorageSupported", t.instance_storage_gb > 0);
    if t.instance_storage_gb > 0 {
        xml.element("instanceStorageInfo", |xml| {
            xml.leaf("totalSizeInGB", t.instance_storage_gb);
            xml.list("disks", [t.instance_storage_gb], |xml, size| {
                xml.leaf("sizeInGB", size);
                xml.leaf("count", 1);
                xml.leaf("type", "ssd");
            });
            xml.leaf("nvmeSupport", "required");
            xml.leaf("encryptionSupport", "required");
        });
    }
    xml.element("ebsInfo", |xml| {
        xml.leaf("ebsOptimizedSupport", "default");
        xml.leaf("encryptionSupport", "supported");
        xml.leaf("nvmeSupport", "required");
    });
}

fn accelerators(xml: &mut Xml, t: &InstanceType) {
    let Some(gpu) = &t.gpu else { return };
    xml.element("gpuInfo", |xml| {
        xml.list("gpus", [gpu], |xml, gpu| {
            xml.leaf("name", gpu.name);
            xml.leaf("manufacturer", gpu.manufacturer);
            xml.leaf("count", gpu.count);
            xml.element("memoryInfo", |xml| xml.leaf("sizeInMiB", gpu.memory_mib));
        });
        xml.leaf("totalGpuMemoryInMiB", gpu.count * gpu.memory_mib);
    });
}

pub(super) fn offering(xml: &mut Xml, offering: &Offering) {
    xml.leaf("instanceType", &offering.instance_type);
    xml.leaf("locationType", &offering.location_type);
    xml.leaf("location", &offering.location);
}

pub(super) fn image(xml: &mut Xml, i: &Image) {
    xml.leaf("imageId", &i.id);
    let owner = i.owner_alias.as_ref().unwrap_or(&i.owner_id);
    xml.leaf("imageLocation", format!("{owner}/{}", i.name));
    xml.leaf("imageState", "available");
    xml.leaf("imageOwnerId", &i.owner_id);
    xml.leaf("creationDate", &i.creation_date);
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
            xml.leaf("volumeType", "gp3");
            xml.leaf("iops", 3000);
            xml.leaf("throughput", 125);
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

pub(super) fn vpc(xml: &mut Xml, vpc: &Vpc) {
    xml.leaf("vpcId", &vpc.id);
    xml.leaf("ownerId", &vpc.owner_id);
    xml.leaf("state", "available");
    xml.leaf("cidrBlock", &vpc.cidr_block);
    xml.list("cidrBlockAssociationSet", [vpc], |xml, vpc| {
        xml.leaf("associationId", &vpc.cidr_association_id);
        xml.leaf("cidrBlock", &vpc.cidr_block);
        xml.element("cidrBlockState", |xml| xml.leaf("state", "associated"));
    });
    xml.leaf("dhcpOptionsId", &vpc.dhcp_options_id);
    xml.leaf("instanceTenancy", "default");
    xml.leaf("isDefault", true);
    tags(xml, &vpc.tags);
}

pub(super) fn subnet(xml: &mut Xml, s: &Subnet) {
    xml.leaf("subnetId", &s.id);
    xml.leaf("subnetArn", &s.arn);
    xml.leaf("ownerId", s.arn.split(':').nth(4).unwrap_or_default());
    xml.leaf("state", "available");
    xml.leaf("vpcId", &s.vpc_id);
    xml.leaf("cidrBlock", &s.cidr_block);
    xml.leaf("availableIpAddressCount", s.available_ip_address_count);
    xml.leaf("availabilityZone", &s.availability_zone);
    xml.leaf("availabilityZoneId", &s.availability_zone_id);
    xml.leaf("defaultForAz", true);
    xml.leaf("mapPublicIpOnLaunch", true);
    xml.leaf("assignIpv6AddressOnCreation", false);
    xml.list("ipv6CidrBlockAssociationSet", std::iter::empty::<()>(), |_, ()| {});
    tags(xml, &s.tags);
}

pub(super) fn volume(xml: &mut Xml, v: &Volume) {
    xml.leaf("volumeId", &v.id);
    xml.leaf("size", v.size);
    xml.leaf("snapshotId", v.snapshot_id.as_deref().unwrap_or(""));
    xml.leaf("availabilityZone", &v.availability_zone);
    xml.leaf("availabilityZoneId", &v.availability_zone_id);
    xml.leaf("status", if v.attachment.is_some() { "in-use" } else { "available" });
    xml.leaf("createTime", format_time(v.create_time));
    xml.list("attachmentSet", v.attachment.as_ref(), |xml, a| {
        xml.leaf("volumeId", &v.id);
        xml.leaf("instanceId", &a.instance_id);
        xml.leaf("device", &a.device);
        xml.leaf("status", "attached");
        xml.leaf("attachTime", format_time(a.attach_time));
        xml.leaf("deleteOnTermination", a.delete_on_termination);
    });
    tags(xml, &v.tags);
    xml.leaf("volumeType", &v.volume_type);
    xml.maybe("iops", v.iops);
    xml.maybe("throughput", v.throughput);
    xml.leaf("encrypted", v.encrypted);
    xml.maybe("kmsKeyId", v.kms_key_id.as_ref());
    xml.leaf("multiAttachEnabled", false);
}

pub(super) fn tag(xml: &mut Xml, tag: &TaggedResource) {
    xml.leaf("resourceId", &tag.resource_id);
    xml.leaf("resourceType", &tag.resource_type);
    xml.leaf("key", &tag.key);
    xml.leaf("value", &tag.value);
}

pub(super) fn spot_price(xml: &mut Xml, price: &SpotPrice) {
    xml.leaf("instanceType", &price.instance_type);
    xml.leaf("productDescription", "Linux/UNIX");
    xml.leaf("spotPrice", format!("{:.6}", price.usd_per_hour));
    xml.leaf("timestamp", format_time(price.timestamp));
    xml.leaf("availabilityZone", &price.availability_zone);
    xml.leaf("availabilityZoneId", &price.availability_zone_id);
}

pub(super) fn account_attribute(xml: &mut Xml, (name, values): &(String, Vec<String>)) {
    xml.leaf("attributeName", name);
    xml.list("attributeValueSet", values, |xml, value| xml.leaf("attributeValue", value));
}
