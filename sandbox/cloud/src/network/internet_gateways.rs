//! Internet gateways.

use super::{Network, in_use, vpcs};
use crate::cloud::{Cloud, Region};
use crate::error::ApiError;
use crate::filter::{Table, by_id, maybe, one};
use crate::model::InternetGateway;
use crate::paging::{USUAL, cut};
use crate::reply::Listing;
use crate::request::{CreateTagged, DescribeById, GatewayAttachment, OneId};
use crate::tags;

pub(crate) fn unknown(id: &str) -> ApiError {
    ApiError::new("InvalidInternetGatewayID.NotFound", format!("The internetGateway ID '{id}' does not exist"))
}

pub(crate) fn create(cloud: &mut Cloud, region: &str, request: &CreateTagged) -> Result<InternetGateway, ApiError> {
    let gateway = InternetGateway {
        tags: tags::specified(&request.tag_specifications, "internet-gateway")?,
        id: cloud.generator.id("igw"),
        owner_id: cloud.config.account_id.clone(),
        vpc_id: None,
    };
    cloud.region_mut(region).network.internet_gateways.insert(gateway.id.clone(), gateway.clone());
    Ok(gateway)
}

fn both<'a>(network: &'a Network, request: &GatewayAttachment) -> Result<&'a InternetGateway, ApiError> {
    if !network.vpcs.contains_key(&request.vpc_id) {
        return Err(vpcs::unknown(&request.vpc_id));
    }
    network.internet_gateways.get(&request.internet_gateway_id).ok_or_else(|| unknown(&request.internet_gateway_id))
}

pub(crate) fn attach(region: &mut Region, request: &GatewayAttachment) -> Result<(), ApiError> {
    let (id, vpc_id) = (&request.internet_gateway_id, &request.vpc_id);
    if let Some(there) = &both(&region.network, request)?.vpc_id {
        return Err(ApiError::new("Resource.AlreadyAssociated", format!("resource {id} is already attached to network {there}")));
    }
    if region.network.internet_gateways.values().any(|g| g.vpc_id.as_ref() == Some(vpc_id)) {
        return Err(ApiError::value(format!("Network {vpc_id} already has an internet gateway attached")));
    }
    region.network.internet_gateways.entry(id.clone()).and_modify(|g| g.vpc_id = Some(vpc_id.clone()));
    Ok(())
}

pub(crate) fn detach(region: &mut Region, request: &GatewayAttachment) -> Result<(), ApiError> {
    let (id, vpc_id) = (&request.internet_gateway_id, &request.vpc_id);
    if both(&region.network, request)?.vpc_id.as_ref() != Some(vpc_id) {
        return Err(ApiError::new("Gateway.NotAttached", format!("resource {id} is not attached to network {vpc_id}")));
    }
    let public = |n: &crate::model::Interface| n.vpc_id == *vpc_id && n.public_ip.is_some();
    let mapped = region.instances.values().any(|i| i.interface.as_ref().is_some_and(public))
        || region.network.nat_gateways.values().any(|n| n.vpc_id == *vpc_id && n.address.is_some() && n.delete_time.is_none());
    if mapped {
        let message = format!(
            "Network {vpc_id} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway."
        );
        return Err(ApiError::new("DependencyViolation", message));
    }
    region.network.internet_gateways.entry(id.clone()).and_modify(|g| g.vpc_id = None);
    Ok(())
}

pub(crate) fn delete(region: &mut Region, request: &OneId) -> Result<(), ApiError> {
    let gateway = region.network.internet_gateways.get(&request.id).ok_or_else(|| unknown(&request.id))?;
    if gateway.vpc_id.is_some() {
        return Err(in_use("internetGateway", &request.id));
    }
    region.network.internet_gateways.remove(&request.id);
    Ok(())
}

const FILTERS: Table<InternetGateway> = Table {
    columns: &[
        ("attachment.state", |g| maybe(g.vpc_id.as_ref().map(|_| "available"))),
        ("attachment.vpc-id", |g| maybe(g.vpc_id.as_ref())),
        ("internet-gateway-id", |g| one(&g.id)),
        ("owner-id", |g| one(&g.owner_id)),
    ],
    tags: Some(|g| &g.tags),
};

pub(crate) fn describe(region: &Region, request: &DescribeById) -> Result<Listing<InternetGateway>, ApiError> {
    FILTERS.check(&request.filters)?;
    let all = region.network.internet_gateways.values().cloned().collect();
    let mut found = by_id(all, &request.ids, |g: &InternetGateway| g.id.clone(), "", |missing| unknown(missing[0]))?;
    found.retain(|g| FILTERS.passes(&request.filters, g));
    cut(found, &request.page, USUAL, |g| g.id.clone())
}
