//! Networks and their subnets.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::{RegionSeed, ZONE_LETTERS};
use crate::cloud::Cloud;
use crate::error::ApiError;
use crate::filter::{Table, by_id, one};
use crate::identity::stable_id;
use crate::model::{Subnet, Vpc, Zone};
use crate::paging::{USUAL, cut};
use crate::reply::Listing;
use crate::request::DescribeById;

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
