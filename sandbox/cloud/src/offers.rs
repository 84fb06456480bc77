//! Instance types, and where they are offered.

use std::collections::BTreeSet;

use crate::catalogue::{InstanceType, is_offered, types};
use crate::cloud::Region;
use crate::error::ApiError;
use crate::filter::{Table, by_id, maybe, one};
use crate::paging::{Limits, USUAL, cut};
use crate::reply::{Listing, Offering};
use crate::request::{DescribeInstanceTypeOfferings, DescribeInstanceTypes};

/// EC2 has none for accelerators and placement strategies: whoever wants those looks at what comes back.
const TYPE_FILTERS: Table<InstanceType> = Table {
    columns: &[
        ("auto-recovery-supported", |t| one(t.auto_recovery())),
        ("bare-metal", |t| one(t.bare_metal)),
        ("burstable-performance-supported", |t| one(t.burstable)),
        ("current-generation", |t| one(t.current_generation)),
        ("dedicated-hosts-supported", |t| one(t.dedicated_hosts())),
        ("ebs-info.ebs-optimized-support", |t| one(t.ebs_optimized_support())),
        ("ebs-info.encryption-support", |_| one("supported")),
        ("ebs-info.nvme-support", |t| one(t.nitro_support())),
        ("free-tier-eligible", |t| one(t.free_tier)),
        ("hibernation-supported", |t| one(t.hibernation)),
        ("hypervisor", |t| maybe(t.hypervisor())),
        ("instance-storage-info.disk.type", |t| maybe((t.instance_storage_gb > 0).then_some("ssd"))),
        ("instance-storage-info.total-size-in-gb", |t| maybe((t.instance_storage_gb > 0).then_some(t.instance_storage_gb))),
        ("instance-storage-supported", |t| one(t.instance_storage_gb > 0)),
        ("instance-type", |t| one(&t.name)),
        ("memory-info.size-in-mib", |t| one(t.memory_mib)),
        ("network-info.efa-supported", |t| one(t.efa)),
        ("network-info.ena-support", |t| one(t.nitro_support())),
        ("network-info.ipv4-addresses-per-interface", |t| one(t.addresses_per_interface)),
        ("network-info.ipv6-supported", |t| one(t.nitro)),
        ("network-info.maximum-network-interfaces", |t| one(t.interfaces)),
        ("network-info.network-performance", |t| one(t.network_performance)),
        ("processor-info.supported-architecture", |t| one(t.architecture)),
        ("processor-info.sustained-clock-speed-in-ghz", |t| one(t.clock_ghz)),
        ("supported-boot-mode", |t| several(t.boot_modes())),
        ("supported-root-device-type", |t| several(t.root_device_types())),
        ("supported-usage-class", |t| several(&t.usage_classes())),
        ("supported-virtualization-type", |t| several(t.virtualization_types())),
        ("vcpu-info.default-cores", |t| one(t.vcpus / t.threads_per_core)),
        ("vcpu-info.default-threads-per-core", |t| one(t.threads_per_core)),
        ("vcpu-info.default-vcpus", |t| one(t.vcpus)),
    ],
    tags: None,
};

fn several(values: &[&str]) -> Vec<String> {
    values.iter().map(|v| (*v).to_owned()).collect()
}

pub(crate) fn describe_types(region: &Region, request: &DescribeInstanceTypes) -> Result<Listing<InstanceType>, ApiError> {
    TYPE_FILTERS.check(&request.filters)?;
    if !request.instance_types.is_empty() && request.page.max_results.is_some() {
        return Err(ApiError::combination("The parameter InstanceTypes cannot be used with the parameter MaxResults"));
    }
    let offered = |t: &&InstanceType| region.zones.iter().any(|z| is_offered(&region.name, &z.name, &t.name));
    let here = types().iter().filter(offered).cloned().collect();
    let mut found = by_id(
        here,
        &request.instance_types,
        |t| t.name.clone(),
        "",
        |missing| {
            let list = missing.join(", ");
            ApiError::new("InvalidInstanceType", format!("The following supplied instance types do not exist: [{list}]"))
        },
    )?;
    found.retain(|t| TYPE_FILTERS.passes(&request.filters, t));
    cut(found, &request.page, Limits { least: 5, most: 100, default: Some(100) }, |t| t.name.clone())
}

const OFFERING_FILTERS: Table<Offering> =
    Table { columns: &[("instance-type", |o| one(&o.instance_type)), ("location", |o| one(&o.location))], tags: None };

pub(crate) fn describe_offerings(region: &Region, request: &DescribeInstanceTypeOfferings) -> Result<Listing<Offering>, ApiError> {
    OFFERING_FILTERS.check(&request.filters)?;
    let location_type = request.location_type.as_deref().unwrap_or("region");
    let mut found = BTreeSet::new();
    for t in types() {
        for zone in region.zones.iter().filter(|z| is_offered(&region.name, &z.name, &t.name)) {
            let location = match location_type {
                "region" => &region.name,
                "availability-zone" => &zone.name,
                "availability-zone-id" => &zone.id,
                other => {
                    return Err(ApiError::gap("InvalidParameterValue", format!("Value ({other}) for parameter locationType is invalid.")));
                }
            };
            found.insert((t.name.clone(), location.clone()));
        }
    }
    let mut offerings: Vec<Offering> = found
        .into_iter()
        .map(|(instance_type, location)| Offering { instance_type, location_type: location_type.to_owned(), location })
        .collect();
    offerings.retain(|o| OFFERING_FILTERS.passes(&request.filters, o));
    cut(offerings, &request.page, USUAL, |o| format!("{} {}", o.instance_type, o.location))
}
