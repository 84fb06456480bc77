//! Instance types, and where they are offered.

use sandbox_cloud::catalogue::InstanceType;
use sandbox_cloud::reply::Offering;

use crate::xml::Xml;

pub(super) fn instance_type(xml: &mut Xml, t: &InstanceType) {
    xml.leaf("instanceType", &t.name);
    xml.leaf("currentGeneration", t.current_generation);
    xml.leaf("freeTierEligible", t.free_tier);
    xml.texts("supportedUsageClasses", t.usage_classes());
    xml.texts("supportedRootDeviceTypes", t.root_device_types());
    xml.texts("supportedVirtualizationTypes", t.virtualization_types());
    xml.leaf("bareMetal", t.bare_metal);
    xml.maybe("hypervisor", t.hypervisor());
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
        xml.leaf("maximumNetworkInterfaces", t.interfaces);
        xml.leaf("maximumNetworkCards", 1);
        xml.leaf("defaultNetworkCardIndex", 0);
        xml.leaf("ipv4AddressesPerInterface", t.addresses_per_interface);
        xml.leaf("ipv6AddressesPerInterface", if t.nitro { t.addresses_per_interface } else { 0 });
        xml.leaf("ipv6Supported", t.nitro);
        xml.leaf("enaSupport", t.nitro_support());
        xml.leaf("efaSupported", t.efa);
    });
    accelerators(xml, t);
    xml.element("placementGroupInfo", |xml| xml.texts("supportedStrategies", t.placement_strategies()));
    xml.leaf("hibernationSupported", t.hibernation);
    xml.leaf("burstablePerformanceSupported", t.burstable);
    xml.leaf("dedicatedHostsSupported", t.dedicated_hosts());
    xml.leaf("autoRecoverySupported", t.auto_recovery());
    xml.texts("supportedBootModes", t.boot_modes());
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
            xml.leaf("nvmeSupport", t.nitro_support());
            xml.leaf("encryptionSupport", t.nitro_support());
        });
    }
    xml.element("ebsInfo", |xml| {
        xml.leaf("ebsOptimizedSupport", t.ebs_optimized_support());
        xml.leaf("encryptionSupport", "supported");
        xml.leaf("nvmeSupport", t.nitro_support());
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
