//! Subnets.

use jiff::Timestamp;

use super::cidr::Block;
use super::{in_use, vpcs};
use crate::cloud::{Cloud, Region};
use crate::error::ApiError;
use crate::filter::{Table, by_id, one};
use crate::identity::stable_id;
use crate::model::{Subnet, Tags, Vpc, Zone};
use crate::paging::{USUAL, cut};
use crate::reply::Listing;
use crate::request::{CreateSubnet, DescribeById, ModifySubnetAttribute, OneId};
use crate::tags;

pub(crate) fn unknown(id: &str) -> ApiError {
    ApiError::new("InvalidSubnetID.NotFound", format!("The subnet ID '{id}' does not exist"))
}

/// The `n`-th sixteenth of the default network.
pub(super) fn default_subnet(account: &str, vpc: &Vpc, zone: &Zone, n: usize) -> Subnet {
    let id = stable_id("subnet", &[account, &zone.name]);
    Subnet {
        arn: arn(account, &zone.region, &id),
        id,
        vpc_id: vpc.id.clone(),
        availability_zone: zone.name.clone(),
        availability_zone_id: zone.id.clone(),
        cidr_block: format!("172.31.{}.0/20", n * 16),
        available_ip_address_count: 0,
        default_for_az: true,
        map_public_ip_on_launch: true,
        tags: Tags::new(),
    }
}

fn arn(account: &str, region: &str, id: &str) -> String {
    format!("arn:aws:ec2:{region}:{account}:subnet/{id}")
}

pub(crate) fn create(cloud: &mut Cloud, region: &str, request: &CreateSubnet) -> Result<Subnet, ApiError> {
    let here = cloud.region(region);
    let vpc = here.network.vpcs.get(&request.vpc_id).ok_or_else(|| vpcs::unknown(&request.vpc_id))?;
    let block = vpcs::block(&request.cidr_block, "InvalidSubnet.Range")?;
    let inside = Block::parse(&vpc.cidr_block).is_some_and(|whole| whole.contains(block));
    if !inside {
        return Err(ApiError::new("InvalidSubnet.Range", format!("The CIDR '{}' is invalid.", request.cidr_block)));
    }
    let mut others = here.network.subnets.values().filter(|s| s.vpc_id == vpc.id).filter_map(|s| Block::parse(&s.cidr_block));
    if others.any(|other| other.overlaps(block)) {
        return Err(ApiError::new("InvalidSubnet.Conflict", format!("The CIDR '{block}' conflicts with another subnet")));
    }
    let zone = zone(here, request)?.clone();
    let tags = tags::specified(&request.tag_specifications, "subnet")?;
    let id = cloud.generator.id("subnet");
    let subnet = Subnet {
        arn: arn(&cloud.config.account_id, region, &id),
        id: id.clone(),
        vpc_id: request.vpc_id.clone(),
        availability_zone: zone.name,
        availability_zone_id: zone.id,
        cidr_block: block.to_string(),
        available_ip_address_count: 0,
        default_for_az: false,
        map_public_ip_on_launch: false,
        tags,
    };
    let network = &mut cloud.region_mut(region).network;
    network.add_subnet(subnet.clone());
    Ok(Subnet { available_ip_address_count: network.addresses[&id].free(), ..subnet })
}

fn zone<'a>(here: &'a Region, request: &CreateSubnet) -> Result<&'a Zone, ApiError> {
    let found = match (&request.availability_zone, &request.availability_zone_id) {
        (Some(_), Some(_)) => {
            return Err(ApiError::combination("You may specify AvailabilityZone or AvailabilityZoneId, but not both."));
        }
        (Some(name), None) => here.zones.iter().find(|z| z.name == *name).ok_or(name),
        (None, Some(id)) => here.zones.iter().find(|z| z.id == *id).ok_or(id),
        (None, None) => return Ok(&here.zones[0]),
    };
    found.map_err(|wanted| ApiError::value(format!("Value ({wanted}) for parameter availabilityZone is invalid.")))
}

/// Whether anything has an address in a subnet.
fn is_used(cloud: &Cloud, now: Timestamp, here: &Region, id: &str) -> bool {
    here.instances.values().any(|i| i.interface.as_ref().is_some_and(|n| n.subnet_id == id))
        || here.network.live_nat_gateways(&cloud.config, now).any(|n| n.subnet_id == id)
        || here.network.live_endpoints(&cloud.config, now).any(|e| e.interfaces.iter().any(|n| n.subnet_id == id))
}

pub(crate) fn delete(cloud: &mut Cloud, now: Timestamp, region: &str, request: &OneId) -> Result<(), ApiError> {
    let id = &request.id;
    let here = cloud.region(region);
    if !here.network.subnets.contains_key(id) {
        return Err(unknown(id));
    }
    if is_used(cloud, now, here, id) {
        return Err(in_use("subnet", id));
    }
    let network = &mut cloud.region_mut(region).network;
    for table in network.route_tables.values_mut() {
        table.associations.retain(|a| a.subnet_id.as_ref() != Some(id));
    }
    network.subnets.remove(id);
    network.addresses.remove(id);
    Ok(())
}

pub(crate) fn modify(cloud: &mut Cloud, region: &str, request: &ModifySubnetAttribute) -> Result<(), ApiError> {
    let found = cloud.region_mut(region).network.subnets.get_mut(&request.subnet_id);
    found.ok_or_else(|| unknown(&request.subnet_id))?.map_public_ip_on_launch = request.map_public_ip_on_launch;
    Ok(())
}

const FILTERS: Table<Subnet> = Table {
    columns: &[
        ("availability-zone", |s| one(&s.availability_zone)),
        ("availabilityZone", |s| one(&s.availability_zone)),
        ("availability-zone-id", |s| one(&s.availability_zone_id)),
        ("availabilityZoneId", |s| one(&s.availability_zone_id)),
        ("available-ip-address-count", |s| one(s.available_ip_address_count)),
        ("cidr", |s| one(&s.cidr_block)),
        ("cidr-block", |s| one(&s.cidr_block)),
        ("cidrBlock", |s| one(&s.cidr_block)),
        ("default-for-az", |s| one(s.default_for_az)),
        ("defaultForAz", |s| one(s.default_for_az)),
        ("map-public-ip-on-launch", |s| one(s.map_public_ip_on_launch)),
        ("owner-id", |s| one(s.arn.split(':').nth(4).unwrap_or_default())),
        ("state", |_| one("available")),
        ("subnet-arn", |s| one(&s.arn)),
        ("subnet-id", |s| one(&s.id)),
        ("vpc-id", |s| one(&s.vpc_id)),
    ],
    tags: Some(|s| &s.tags),
};

pub(crate) fn describe(cloud: &Cloud, region: &str, request: &DescribeById) -> Result<Listing<Subnet>, ApiError> {
    FILTERS.check(&request.filters)?;
    let network = &cloud.region(region).network;
    let told = |s: &Subnet| Subnet { available_ip_address_count: network.addresses[&s.id].free(), ..s.clone() };
    let all = network.subnets.values().map(told).collect();
    let mut found = by_id(all, &request.ids, |s| s.id.clone(), "", |missing| unknown(missing[0]))?;
    found.retain(|s| FILTERS.passes(&request.filters, s));
    cut(found, &request.page, USUAL, |s| s.id.clone())
}
