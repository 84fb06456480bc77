//! Public addresses that somebody holds.

use jiff::Timestamp;

use crate::cloud::Cloud;
use crate::error::ApiError;
use crate::filter::{Table, by_id, maybe, one};
use crate::model::ElasticAddress;
use crate::reply::Address;
use crate::request::{CreateTagged, DescribeById, OneId};
use crate::tags;

/// Addresses of a region.
const LIMIT: usize = 5;

pub(crate) fn unknown(id: &str) -> ApiError {
    ApiError::new("InvalidAllocationID.NotFound", format!("The allocation ID '{id}' does not exist"))
}

pub(crate) fn allocate(cloud: &mut Cloud, region: &str, request: &CreateTagged) -> Result<ElasticAddress, ApiError> {
    let tags = tags::specified(&request.tag_specifications, "elastic-ip")?;
    if cloud.region(region).network.elastic_addresses.len() >= LIMIT {
        return Err(ApiError::new("AddressLimitExceeded", "The maximum number of addresses has been reached."));
    }
    let (public_ip, _) = cloud.public_address(region);
    let address = ElasticAddress { allocation_id: cloud.generator.id("eipalloc"), public_ip, tags };
    cloud.region_mut(region).network.elastic_addresses.insert(address.allocation_id.clone(), address.clone());
    Ok(address)
}

/// An address and what it belongs to.
fn address(cloud: &Cloud, now: Timestamp, region: &str, held: &ElasticAddress) -> Address {
    let mut gateways = cloud.region(region).network.live_nat_gateways(&cloud.config, now);
    let user = gateways.find(|n| n.address.as_ref().is_some_and(|a| a.allocation_id == held.allocation_id));
    Address {
        held: held.clone(),
        network_interface_id: user.map(|n| n.network_interface_id.clone()),
        private_ip: user.map(|n| n.private_ip.clone()),
    }
}

pub(crate) fn release(cloud: &mut Cloud, now: Timestamp, region: &str, request: &OneId) -> Result<(), ApiError> {
    let held = cloud.region(region).network.elastic_addresses.get(&request.id).ok_or_else(|| unknown(&request.id))?;
    if address(cloud, now, region, held).network_interface_id.is_some() {
        let message = format!("Address {} is in use.", held.public_ip);
        return Err(ApiError::new("InvalidIPAddress.InUse", message));
    }
    cloud.region_mut(region).network.elastic_addresses.remove(&request.id);
    Ok(())
}

const FILTERS: Table<Address> = Table {
    columns: &[
        ("allocation-id", |a| one(&a.held.allocation_id)),
        ("association-id", |a| maybe(a.association_id())),
        ("network-interface-id", |a| maybe(a.network_interface_id.as_ref())),
        ("private-ip-address", |a| maybe(a.private_ip.as_ref())),
        ("public-ip", |a| one(&a.held.public_ip)),
    ],
    tags: Some(|a| &a.held.tags),
};

pub(crate) fn describe(cloud: &Cloud, now: Timestamp, region: &str, request: &DescribeById) -> Result<Vec<Address>, ApiError> {
    FILTERS.check(&request.filters)?;
    let all = cloud.region(region).network.elastic_addresses.values().map(|held| address(cloud, now, region, held)).collect();
    let mut found = by_id(all, &request.ids, |a: &Address| a.held.allocation_id.clone(), "", |missing| unknown(missing[0]))?;
    found.retain(|a| FILTERS.passes(&request.filters, a));
    Ok(found)
}
