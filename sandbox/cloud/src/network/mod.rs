//! Networks: subnets, gateways, routes and endpoints. What no instance lives in is simulated as far as it can be seen from
//! outside: nothing here carries a packet.

pub(crate) mod addresses;
pub(crate) mod cidr;
pub(crate) mod elastic;
pub(crate) mod endpoints;
pub(crate) mod internet_gateways;
pub(crate) mod nat_gateways;
pub(crate) mod route_tables;
pub(crate) mod subnets;
pub(crate) mod vpcs;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::catalogue::{RegionSeed, ZONE_LETTERS};
use crate::config::Config;
use crate::error::ApiError;
use crate::identity::stable_id;
use crate::model::{ElasticAddress, InternetGateway, LinkState, NatGateway, RouteTable, Subnet, Tags, Vpc, VpcEndpoint, Zone};
use crate::transition::{after, millis};

use addresses::Addresses;
use cidr::Block;

/// The networks of a region.
#[derive(Debug, Default)]
pub(crate) struct Network {
    pub(crate) vpcs: BTreeMap<String, Vpc>,
    pub(crate) subnets: BTreeMap<String, Subnet>,
    /// Which addresses of each subnet are taken.
    pub(crate) addresses: BTreeMap<String, Addresses>,
    pub(crate) internet_gateways: BTreeMap<String, InternetGateway>,
    pub(crate) route_tables: BTreeMap<String, RouteTable>,
    pub(crate) elastic_addresses: BTreeMap<String, ElasticAddress>,
    pub(crate) nat_gateways: BTreeMap<String, NatGateway>,
    pub(crate) endpoints: BTreeMap<String, VpcEndpoint>,
}

/// A refusal because something else is still there.
pub(crate) fn in_use(noun: &str, id: &str) -> ApiError {
    ApiError::new("DependencyViolation", format!("The {noun} '{id}' has dependencies and cannot be deleted."))
}

impl Network {
    /// What every account has.
    pub(crate) fn new(account: &str, seed: &RegionSeed, zones: &[Zone]) -> Network {
        let mut network = Network::default();
        let vpc = vpcs::default_vpc(account, seed.name);
        network.default_routes(account, seed.name, &vpc);
        for (n, zone) in zones.iter().enumerate() {
            let subnet = subnets::default_subnet(account, &vpc, zone, n);
            network.add_subnet(subnet);
        }
        network.vpcs.insert(vpc.id.clone(), vpc);
        network
    }

    fn default_routes(&mut self, account: &str, region: &str, vpc: &Vpc) {
        let gateway = InternetGateway {
            id: stable_id("igw", &[account, region]),
            owner_id: account.to_owned(),
            vpc_id: Some(vpc.id.clone()),
            tags: Tags::new(),
        };
        let ids = [stable_id("rtb", &[account, region]), stable_id("rtbassoc", &[account, region])];
        let mut table = route_tables::main_table(vpc, ids);
        table.routes.push(route_tables::to_internet(&gateway.id));
        self.route_tables.insert(table.id.clone(), table);
        self.internet_gateways.insert(gateway.id.clone(), gateway);
    }

    pub(crate) fn add_subnet(&mut self, subnet: Subnet) {
        let block = Block::parse(&subnet.cidr_block).expect("a subnet's block was read before");
        self.addresses.insert(subnet.id.clone(), Addresses::of(block));
        self.subnets.insert(subnet.id.clone(), subnet);
    }

    /// The network that calls mean which name none.
    pub(crate) fn default_vpc(&self) -> Option<&Vpc> {
        self.vpcs.values().find(|v| v.is_default)
    }

    /// The same, for a call that cannot do without.
    pub(crate) fn needed_default_vpc(&self) -> Result<&Vpc, ApiError> {
        self.default_vpc().ok_or_else(|| {
            ApiError::new("VPCIdNotSpecified", "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.")
        })
    }

    /// The ids, kinds and tags of everything in it.
    pub(crate) fn tagged(&self) -> impl Iterator<Item = (&String, &'static str, &Tags)> {
        let vpcs = self.vpcs.iter().map(|(id, v)| (id, "vpc", &v.tags));
        let subnets = self.subnets.iter().map(|(id, s)| (id, "subnet", &s.tags));
        let gateways = self.internet_gateways.iter().map(|(id, g)| (id, "internet-gateway", &g.tags));
        let tables = self.route_tables.iter().map(|(id, t)| (id, "route-table", &t.tags));
        let addresses = self.elastic_addresses.iter().map(|(id, a)| (id, "elastic-ip", &a.tags));
        let nat_gateways = self.nat_gateways.iter().map(|(id, n)| (id, "natgateway", &n.tags));
        let endpoints = self.endpoints.iter().map(|(id, e)| (id, "vpc-endpoint", &e.tags));
        vpcs.chain(subnets).chain(gateways).chain(tables).chain(addresses).chain(nat_gateways).chain(endpoints)
    }

    /// The tags of one thing, to change them; what is not there is refused in EC2's words.
    pub(crate) fn tags_mut(&mut self, id: &str) -> Result<&mut Tags, ApiError> {
        match id.split('-').next().unwrap_or_default() {
            "vpc" => self.vpcs.get_mut(id).map(|v| &mut v.tags).ok_or_else(|| vpcs::unknown(id)),
            "subnet" => self.subnets.get_mut(id).map(|s| &mut s.tags).ok_or_else(|| subnets::unknown(id)),
            "igw" => self.internet_gateways.get_mut(id).map(|g| &mut g.tags).ok_or_else(|| internet_gateways::unknown(id)),
            "rtb" => self.route_tables.get_mut(id).map(|t| &mut t.tags).ok_or_else(|| route_tables::unknown(id)),
            "eipalloc" => self.elastic_addresses.get_mut(id).map(|a| &mut a.tags).ok_or_else(|| elastic::unknown(id)),
            "nat" => self.nat_gateways.get_mut(id).map(|n| &mut n.tags).ok_or_else(|| nat_gateways::unknown(id)),
            _ => self.endpoints.get_mut(id).map(|e| &mut e.tags).ok_or_else(|| endpoints::unknown(id)),
        }
    }
}

/// The zones of a region.
pub(crate) fn zones(seed: &RegionSeed) -> Vec<Zone> {
    let zone = |(n, letter): (usize, &char)| Zone {
        name: format!("{}{letter}", seed.name),
        id: format!("{}-az{}", seed.zone_prefix, n + 1),
        region: seed.name.to_owned(),
    };
    ZONE_LETTERS.iter().enumerate().map(zone).collect()
}

/// Where something is in its life that takes its time to come and to go; none once it is no longer listed.
pub(crate) fn link_state(config: &Config, now: Timestamp, made: Timestamp, deleted: Option<Timestamp>) -> Option<LinkState> {
    let Some(deleted) = deleted else {
        let there = now >= after(made, millis(config.boot_delay_ms));
        return Some(if there { LinkState::Available } else { LinkState::Pending });
    };
    let gone = after(deleted, millis(config.shutdown_delay_ms));
    if now < gone {
        return Some(LinkState::Deleting);
    }
    (now < after(gone, millis(config.terminated_visible_ms))).then_some(LinkState::Deleted)
}
