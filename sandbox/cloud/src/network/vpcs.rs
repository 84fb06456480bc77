//! Networks as wholes.

use jiff::Timestamp;

use super::cidr::Block;
use super::{in_use, route_tables};
use crate::cloud::Cloud;
use crate::error::ApiError;
use crate::filter::{Table, by_id, one};
use crate::identity::stable_id;
use crate::model::{Tags, Vpc};
use crate::paging::{USUAL, cut};
use crate::reply::{Listing, VpcAttribute};
use crate::request::{CreateVpc, DescribeById, DescribeVpcAttribute, ModifyVpcAttribute, OneId};
use crate::{groups, tags};

/// Networks of a region.
const LIMIT: usize = 5;

pub(crate) fn unknown(id: &str) -> ApiError {
    ApiError::new("InvalidVpcID.NotFound", format!("The vpc ID '{id}' does not exist"))
}

pub(super) fn default_vpc(account: &str, region: &str) -> Vpc {
    Vpc {
        owner_id: account.to_owned(),
        id: stable_id("vpc", &[account, region]),
        cidr_block: "172.31.0.0/16".to_owned(),
        cidr_association_id: stable_id("vpc-cidr-assoc", &[account, region]),
        dhcp_options_id: stable_id("dopt", &[account, region]),
        is_default: true,
        dns_support: true,
        dns_hostnames: true,
        tags: Tags::new(),
    }
}

/// Reads the block of a network or a subnet.
pub(super) fn block(text: &str, range_error: &str) -> Result<Block, ApiError> {
    let block = Block::parse(text)
        .ok_or_else(|| ApiError::value(format!("Value ({text}) for parameter cidrBlock is invalid. This is not a valid CIDR block.")))?;
    if !(16..=28).contains(&block.length()) {
        return Err(ApiError::new(range_error, format!("The CIDR '{text}' is invalid.")));
    }
    Ok(block)
}

pub(crate) fn create(cloud: &mut Cloud, now: Timestamp, region: &str, request: &CreateVpc) -> Result<Vpc, ApiError> {
    let block = block(&request.cidr_block, "InvalidVpc.Range")?;
    let tags = tags::specified(&request.tag_specifications, "vpc")?;
    if cloud.region(region).network.vpcs.len() >= LIMIT {
        return Err(ApiError::new("VpcLimitExceeded", "The maximum number of VPCs has been reached."));
    }
    let account = cloud.config.account_id.clone();
    let vpc = Vpc {
        id: cloud.generator.id("vpc"),
        owner_id: account.clone(),
        cidr_block: block.to_string(),
        cidr_association_id: cloud.generator.id("vpc-cidr-assoc"),
        dhcp_options_id: stable_id("dopt", &[&account, region]),
        is_default: false,
        dns_support: true,
        dns_hostnames: false,
        tags,
    };
    let table = route_tables::main_table(&vpc, [cloud.generator.id("rtb"), cloud.generator.id("rtbassoc")]);
    let group = groups::default_group(&account, region, &vpc.id);
    let here = cloud.region_mut(region);
    here.groups.insert(now, group.id.clone(), group);
    here.network.route_tables.insert(table.id.clone(), table);
    here.network.vpcs.insert(vpc.id.clone(), vpc.clone());
    Ok(vpc)
}

/// Deletes a network and what came with it: main table and default group.
pub(crate) fn delete(cloud: &mut Cloud, now: Timestamp, region: &str, request: &OneId) -> Result<(), ApiError> {
    let id = &request.id;
    let config = cloud.config.clone();
    let here = cloud.region_mut(region);
    if !here.network.vpcs.contains_key(id) {
        return Err(unknown(id));
    }
    let network = &here.network;
    let used = network.subnets.values().any(|s| s.vpc_id == *id)
        || network.internet_gateways.values().any(|g| g.vpc_id.as_ref() == Some(id))
        || network.route_tables.values().any(|t| t.vpc_id == *id && !t.is_main())
        || network.live_endpoints(&config, now).any(|e| e.vpc_id == *id)
        || here.groups.values().any(|g| g.vpc_id == *id && g.name != "default");
    if used {
        return Err(in_use("vpc", id));
    }
    let group = here.groups.values().find(|g| g.vpc_id == *id).map(|g| g.id.clone());
    if let Some(group) = group {
        here.groups.remove(now, &group);
    }
    here.network.route_tables.retain(|_, t| t.vpc_id != *id);
    here.network.vpcs.remove(id);
    Ok(())
}

const FILTERS: Table<Vpc> = Table {
    columns: &[
        ("cidr", |v| one(&v.cidr_block)),
        ("cidr-block-association.association-id", |v| one(&v.cidr_association_id)),
        ("cidr-block-association.cidr-block", |v| one(&v.cidr_block)),
        ("cidr-block-association.state", |_| one("associated")),
        ("dhcp-options-id", |v| one(&v.dhcp_options_id)),
        // EC2 takes both names for it.
        ("is-default", |v| one(v.is_default)),
        ("isDefault", |v| one(v.is_default)),
        ("owner-id", |v| one(&v.owner_id)),
        ("state", |_| one("available")),
        ("vpc-id", |v| one(&v.id)),
    ],
    tags: Some(|v| &v.tags),
};

pub(crate) fn describe(cloud: &Cloud, region: &str, request: &DescribeById) -> Result<Listing<Vpc>, ApiError> {
    FILTERS.check(&request.filters)?;
    let all = cloud.region(region).network.vpcs.values().cloned().collect();
    let mut found = by_id(all, &request.ids, |v: &Vpc| v.id.clone(), "", |missing| unknown(missing[0]))?;
    found.retain(|v| FILTERS.passes(&request.filters, v));
    cut(found, &request.page, USUAL, |v| v.id.clone())
}

pub(crate) fn attribute(cloud: &Cloud, region: &str, request: &DescribeVpcAttribute) -> Result<VpcAttribute, ApiError> {
    let vpc = cloud.region(region).network.vpcs.get(&request.vpc_id).ok_or_else(|| unknown(&request.vpc_id))?;
    let value = match request.attribute.as_str() {
        "enableDnsSupport" => vpc.dns_support,
        "enableDnsHostnames" => vpc.dns_hostnames,
        other => {
            return Err(ApiError::gap("InvalidParameterValue", format!("Value ({other}) for parameter attribute is invalid.")));
        }
    };
    Ok(VpcAttribute { vpc_id: vpc.id.clone(), name: request.attribute.clone(), value })
}

pub(crate) fn modify(cloud: &mut Cloud, region: &str, request: &ModifyVpcAttribute) -> Result<(), ApiError> {
    let vpc = cloud.region_mut(region).network.vpcs.get_mut(&request.vpc_id).ok_or_else(|| unknown(&request.vpc_id))?;
    match (request.dns_support, request.dns_hostnames) {
        (Some(support), None) => vpc.dns_support = support,
        (None, Some(hostnames)) => vpc.dns_hostnames = hostnames,
        _ => return Err(ApiError::combination("The request must name exactly one attribute to change")),
    }
    Ok(())
}
