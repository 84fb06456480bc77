//! Regions, zones, the default network, and the lists that hang on them: instance types, offerings, images.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::{InstanceType, REGIONS, RegionSeed, ZONE_LETTERS, is_offered, types};
use crate::cloud::{Cloud, Region};
use crate::error::ApiError;
use crate::filter::{Table, maybe, one};
use crate::identity::{is_well_formed, stable_id};
use crate::model::{Image, RegionInfo, Subnet, Vpc, Zone};
use crate::paging::{Limits, USUAL, cut};
use crate::reply::{Listing, Offering};
use crate::request::{
    DescribeAvailabilityZones, DescribeById, DescribeImages, DescribeInstanceTypeOfferings, DescribeInstanceTypes, DescribeRegions,
};

/// A subnet of 4,096 addresses, of which EC2 keeps the first four and the last.
const USABLE_ADDRESSES: u32 = 4091;

/// The addresses of a subnet.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    first: u32,
    next: u32,
    taken: BTreeSet<u32>,
}

impl Addresses {
    /// All free, in a block of 4,096 that is written `a.b.c.d/20`.
    pub(crate) fn of(cidr_block: &str) -> Self {
        let address = cidr_block.split('/').next().and_then(|a| a.parse::<std::net::Ipv4Addr>().ok());
        let base = u32::from(address.expect("default subnets are written with an IPv4 address"));
        Addresses { first: base + 4, next: 0, taken: BTreeSet::new() }
    }

    pub(crate) fn free(&self) -> u32 {
        USABLE_ADDRESSES - u32::try_from(self.taken.len()).unwrap_or(USABLE_ADDRESSES)
    }

    /// A free address. They are not used again before the block has been gone through once.
    pub(crate) fn take(&mut self) -> Option<std::net::Ipv4Addr> {
        for _ in 0..USABLE_ADDRESSES {
            let candidate = self.first + self.next;
            self.next = (self.next + 1) % USABLE_ADDRESSES;
            if self.taken.insert(candidate) {
                return Some(candidate.into());
            }
        }
        None
    }

    pub(crate) fn give_back(&mut self, address: &str) {
        if let Ok(address) = address.parse::<std::net::Ipv4Addr>() {
            self.taken.remove(&u32::from(address));
        }
    }
}

/// What every account has in a region.
pub(crate) fn default_network(account: &str, seed: &RegionSeed) -> (Vpc, Vec<Zone>, BTreeMap<String, Subnet>) {
    let vpc = Vpc {
        owner_id: account.to_owned(),
        id: stable_id("vpc", &[account, seed.name]),
        cidr_block: "172.31.0.0/16".to_owned(),
        cidr_association_id: stable_id("vpc-cidr-assoc", &[account, seed.name]),
        dhcp_options_id: stable_id("dopt", &[account, seed.name]),
        tags: BTreeMap::new(),
    };
    let zones: Vec<Zone> = ZONE_LETTERS
        .iter()
        .enumerate()
        .map(|(n, letter)| Zone {
            name: format!("{}{letter}", seed.name),
            id: format!("{}-az{}", seed.zone_prefix, n + 1),
            region: seed.name.to_owned(),
        })
        .collect();
    let subnets = zones.iter().enumerate().map(|(n, zone)| {
        let id = stable_id("subnet", &[account, &zone.name]);
        let subnet = Subnet {
            arn: format!("arn:aws:ec2:{}:{account}:subnet/{id}", seed.name),
            id: id.clone(),
            vpc_id: vpc.id.clone(),
            availability_zone: zone.name.clone(),
            availability_zone_id: zone.id.clone(),
            cidr_block: format!("172.31.{}.0/20", n * 16),
            available_ip_address_count: USABLE_ADDRESSES,
            tags: BTreeMap::new(),
        };
        (id, subnet)
    });
    let subnets = subnets.collect();
    (vpc, zones, subnets)
}

/// Keeps the items with the wanted ids, all if none is wanted; an id that is not there is an error.
pub(crate) fn by_id<T>(
    items: Vec<T>,
    wanted: &[String],
    id: impl Fn(&T) -> String,
    prefix: &str,
    unknown: impl Fn(&[&str]) -> ApiError,
) -> Result<Vec<T>, ApiError> {
    if wanted.is_empty() {
        return Ok(items);
    }
    if let Some(malformed) = wanted.iter().find(|w| !prefix.is_empty() && !is_well_formed(w, prefix)) {
        return Err(unknown(&[malformed]));
    }
    let there: BTreeSet<String> = items.iter().map(&id).collect();
    let missing: Vec<&str> = wanted.iter().filter(|w| !there.contains(*w)).map(String::as_str).collect();
    if !missing.is_empty() {
        return Err(unknown(&missing));
    }
    let wanted: BTreeSet<&String> = wanted.iter().collect();
    Ok(items.into_iter().filter(|item| wanted.contains(&id(item))).collect())
}

const REGION_FILTERS: Table<RegionInfo> = Table {
    columns: &[("endpoint", |r| one(&r.endpoint)), ("opt-in-status", |_| one("opt-in-not-required")), ("region-name", |r| one(&r.name))],
    tags: None,
};

pub(crate) fn describe_regions(request: &DescribeRegions) -> Result<Vec<RegionInfo>, ApiError> {
    REGION_FILTERS.check(&request.filters)?;
    let all = REGIONS.iter().map(|r| RegionInfo { name: r.name.to_owned(), endpoint: format!("ec2.{}.amazonaws.com", r.name) }).collect();
    let mut found = by_id(
        all,
        &request.region_names,
        |r| r.name.clone(),
        "",
        |missing| ApiError::value(format!("Invalid region provided: [{}]", missing.join(", "))),
    )?;
    found.retain(|r| REGION_FILTERS.passes(&request.filters, r));
    Ok(found)
}

const ZONE_FILTERS: Table<Zone> = Table {
    columns: &[
        ("group-name", |z| one(&z.region)),
        ("opt-in-status", |_| one("opt-in-not-required")),
        ("region-name", |z| one(&z.region)),
        ("state", |_| one("available")),
        ("zone-id", |z| one(&z.id)),
        ("zone-name", |z| one(&z.name)),
        ("zone-type", |_| one("availability-zone")),
    ],
    tags: None,
};

pub(crate) fn describe_zones(region: &Region, request: &DescribeAvailabilityZones) -> Result<Vec<Zone>, ApiError> {
    ZONE_FILTERS.check(&request.filters)?;
    let named = by_id(
        region.zones.clone(),
        &request.zone_names,
        |z| z.name.clone(),
        "",
        |missing| ApiError::value(format!("Invalid availability zone: [{}]", missing.join(", "))),
    )?;
    let mut found = by_id(
        named,
        &request.zone_ids,
        |z| z.id.clone(),
        "",
        |missing| ApiError::value(format!("Invalid availability zone-id: [{}]", missing.join(", "))),
    )?;
    found.retain(|z| ZONE_FILTERS.passes(&request.filters, z));
    Ok(found)
}

const VPC_FILTERS: Table<Vpc> = Table {
    columns: &[
        ("cidr", |v| one(&v.cidr_block)),
        ("cidr-block-association.cidr-block", |v| one(&v.cidr_block)),
        ("dhcp-options-id", |v| one(&v.dhcp_options_id)),
        // EC2 takes both names for it.
        ("is-default", |_| one(true)),
        ("isDefault", |_| one(true)),
        ("owner-id", |v| one(&v.owner_id)),
        ("state", |_| one("available")),
        ("vpc-id", |v| one(&v.id)),
    ],
    tags: Some(|v| &v.tags),
};

pub(crate) fn describe_vpcs(cloud: &Cloud, region: &str, request: &DescribeById) -> Result<Listing<Vpc>, ApiError> {
    VPC_FILTERS.check(&request.filters)?;
    let all = vec![cloud.region(region).vpc.clone()];
    let mut found = by_id(all, &request.ids, |v| v.id.clone(), "", |missing| unknown_vpc(missing[0]))?;
    found.retain(|v| VPC_FILTERS.passes(&request.filters, v));
    cut(found, &request.page, USUAL, |v| v.id.clone())
}

pub(crate) fn unknown_vpc(id: &str) -> ApiError {
    ApiError::new("InvalidVpcID.NotFound", format!("The vpc ID '{id}' does not exist"))
}

pub(crate) fn unknown_subnet(id: &str) -> ApiError {
    ApiError::new("InvalidSubnetID.NotFound", format!("The subnet ID '{id}' does not exist"))
}

const SUBNET_FILTERS: Table<Subnet> = Table {
    columns: &[
        ("availability-zone", |s| one(&s.availability_zone)),
        ("availabilityZone", |s| one(&s.availability_zone)),
        ("availability-zone-id", |s| one(&s.availability_zone_id)),
        ("available-ip-address-count", |s| one(s.available_ip_address_count)),
        ("cidr", |s| one(&s.cidr_block)),
        ("cidr-block", |s| one(&s.cidr_block)),
        ("default-for-az", |_| one(true)),
        ("defaultForAz", |_| one(true)),
        ("map-public-ip-on-launch", |_| one(true)),
        ("state", |_| one("available")),
        ("subnet-arn", |s| one(&s.arn)),
        ("subnet-id", |s| one(&s.id)),
        ("vpc-id", |s| one(&s.vpc_id)),
    ],
    tags: Some(|s| &s.tags),
};

pub(crate) fn describe_subnets(cloud: &Cloud, region: &str, request: &DescribeById) -> Result<Listing<Subnet>, ApiError> {
    SUBNET_FILTERS.check(&request.filters)?;
    let here = cloud.region(region);
    let all = here.subnets.values().map(|s| Subnet { available_ip_address_count: here.addresses[&s.id].free(), ..s.clone() }).collect();
    let mut found = by_id(all, &request.ids, |s| s.id.clone(), "", |missing| unknown_subnet(missing[0]))?;
    found.retain(|s| SUBNET_FILTERS.passes(&request.filters, s));
    cut(found, &request.page, USUAL, |s| s.id.clone())
}

/// What an account is.
pub(crate) fn account_attributes(region: &Region, names: &[String]) -> Result<Vec<(String, Vec<String>)>, ApiError> {
    let all = vec![("default-vpc".to_owned(), vec![region.vpc.id.clone()]), ("supported-platforms".to_owned(), vec!["VPC".to_owned()])];
    by_id(
        all,
        names,
        |(name, _)| name.clone(),
        "",
        |missing| ApiError::gap("InvalidParameterValue", format!("Account attribute '{}' is not simulated", missing[0])),
    )
}

const TYPE_FILTERS: Table<InstanceType> = Table {
    columns: &[
        ("bare-metal", |_| one(false)),
        ("burstable-performance-supported", |t| one(t.burstable)),
        ("current-generation", |_| one(true)),
        ("free-tier-eligible", |t| one(t.free_tier)),
        ("hibernation-supported", |t| one(t.hibernation)),
        ("hypervisor", |_| one("nitro")),
        ("instance-storage-supported", |t| one(t.instance_storage_gb > 0)),
        ("instance-type", |t| one(&t.name)),
        ("memory-info.size-in-mib", |t| one(t.memory_mib)),
        ("network-info.efa-supported", |t| one(t.efa)),
        ("network-info.ena-support", |_| one("required")),
        ("processor-info.supported-architecture", |t| one(t.architecture)),
        ("supported-root-device-type", |_| one("ebs")),
        ("supported-usage-class", usage_classes),
        ("supported-virtualization-type", |_| one("hvm")),
        ("vcpu-info.default-cores", |t| one(t.vcpus / t.threads_per_core)),
        ("vcpu-info.default-threads-per-core", |t| one(t.threads_per_core)),
        ("vcpu-info.default-vcpus", |t| one(t.vcpus)),
    ],
    tags: None,
};

fn usage_classes(t: &InstanceType) -> Vec<String> {
    let spot = t.spot.then_some("spot");
    std::iter::once("on-demand").chain(spot).map(str::to_owned).collect()
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

const IMAGE_FILTERS: Table<Image> = Table {
    columns: &[
        ("architecture", |i| one(&i.architecture)),
        ("block-device-mapping.volume-type", |_| one("gp3")),
        ("creation-date", |i| one(&i.creation_date)),
        ("description", |i| one(&i.description)),
        ("ena-support", |_| one(true)),
        ("hypervisor", |_| one("xen")),
        ("image-id", |i| one(&i.id)),
        ("image-type", |_| one("machine")),
        ("is-public", |_| one(true)),
        ("name", |i| one(&i.name)),
        ("owner-alias", |i| maybe(i.owner_alias.as_ref())),
        ("owner-id", |i| one(&i.owner_id)),
        ("root-device-name", |i| one(&i.root_device_name)),
        ("root-device-type", |_| one("ebs")),
        ("state", |_| one("available")),
        ("virtualization-type", |_| one("hvm")),
    ],
    tags: Some(|i| &i.tags),
};

pub(crate) fn unknown_image(id: &str) -> ApiError {
    if is_well_formed(id, "ami") {
        ApiError::new("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist"))
    } else {
        ApiError::new("InvalidAMIID.Malformed", format!("Invalid id: \"{id}\" (expecting \"ami-...\")"))
    }
}

pub(crate) fn describe_images(images: &[Image], account: &str, request: &DescribeImages) -> Result<Listing<Image>, ApiError> {
    IMAGE_FILTERS.check(&request.filters)?;
    if !request.image_ids.is_empty() && request.page.max_results.is_some() {
        return Err(ApiError::combination("The parameter imageIdsSet cannot be used with the parameter maxResults"));
    }
    let owned = |image: &Image| {
        request.owners.is_empty()
            || request.owners.iter().any(|owner| match owner.as_str() {
                "self" => image.owner_id == account,
                id => image.owner_id == id || image.owner_alias.as_deref() == Some(id),
            })
    };
    let mut found = by_id(images.to_vec(), &request.image_ids, |i| i.id.clone(), "", |missing| unknown_image(missing[0]))?;
    found.retain(|i| owned(i) && IMAGE_FILTERS.passes(&request.filters, i));
    cut(found, &request.page, USUAL, |i| i.id.clone())
}
