//! Which operation is done where.

use jiff::Timestamp;

use crate::cloud::Cloud;
use crate::error::ApiError;
use crate::reply::Reply;
use crate::request::Request;
use crate::{groups, images, instances, keys, network, offers, placement, regions, spot, tags, templates, volumes};

impl Cloud {
    /// Does the call in a region that exists.
    pub(crate) fn dispatch(&mut self, now: Timestamp, region: &str, request: Request) -> Result<Reply, ApiError> {
        use Request as R;
        Ok(match request {
            R::AllocateAddress(r) => Reply::AddressAllocated(network::elastic::allocate(self, region, &r)?),
            R::AssociateRouteTable(r) => Reply::RouteTableAssociated(network::route_tables::associate(self, region, &r)?),
            R::AttachInternetGateway(r) => network::internet_gateways::attach(self.region_mut(region), &r).map(|()| Reply::Done)?,
            R::AuthorizeSecurityGroupEgress(r) => Reply::RulesAdded(groups::authorize(self, now, region, &r, true)?),
            R::AuthorizeSecurityGroupIngress(r) => Reply::RulesAdded(groups::authorize(self, now, region, &r, false)?),
            R::CancelSpotInstanceRequests(r) => Reply::SpotRequestsCancelled(spot::requests::cancel(self.region_mut(region), now, &r)?),
            R::CreateInternetGateway(r) => Reply::InternetGateway(network::internet_gateways::create(self, region, &r)?),
            R::CreateLaunchTemplate(r) => templates::create(self, now, region, &r)?,
            R::CreateLaunchTemplateVersion(r) => templates::create_version(self, now, region, &r)?,
            R::CreateNatGateway(r) => Reply::NatGateway(network::nat_gateways::create(self, now, region, &r)?),
            R::CreatePlacementGroup(r) => Reply::PlacementGroup(placement::create(self, region, &r)?),
            R::CreateRoute(r) => network::route_tables::create_route(self.region_mut(region), &r).map(|()| Reply::Done)?,
            R::CreateRouteTable(r) => Reply::RouteTable(network::route_tables::create(self, region, &r)?),
            R::CreateSecurityGroup(r) => Reply::GroupCreated(groups::create(self, now, region, &r)?),
            R::CreateSnapshot(r) => Reply::Snapshot(volumes::snapshots::create(self, now, region, &r)?),
            R::CreateSubnet(r) => Reply::Subnet(network::subnets::create(self, region, &r)?),
            R::CreateTags(r) => tags::create(self.region_mut(region), now, &r).map(|()| Reply::Done)?,
            R::CreateVpc(r) => Reply::Vpc(network::vpcs::create(self, now, region, &r)?),
            R::CreateVpcEndpoint(r) => Reply::VpcEndpoint(network::endpoints::create(self, now, region, &r)?),
            R::DeleteInternetGateway(r) => network::internet_gateways::delete(self.region_mut(region), &r).map(|()| Reply::Done)?,
            R::DeleteKeyPair(r) => Reply::KeyPairDeleted(keys::delete(self.region_mut(region), &r)?),
            R::DeleteLaunchTemplate(r) => Reply::LaunchTemplate(templates::delete(self.region_mut(region), &r)?),
            R::DeleteNatGateway(r) => Reply::NatGatewayDeleted(network::nat_gateways::delete(self, now, region, &r)?),
            R::DeletePlacementGroup(r) => placement::delete(self.region_mut(region), &r).map(|()| Reply::Done)?,
            R::DeleteRoute(r) => network::route_tables::delete_route(self.region_mut(region), &r).map(|()| Reply::Done)?,
            R::DeleteRouteTable(r) => network::route_tables::delete(self.region_mut(region), &r).map(|()| Reply::Done)?,
            R::DeleteSecurityGroup(r) => Reply::GroupDeleted(groups::delete(self, now, region, &r)?),
            R::DeleteSnapshot(r) => volumes::snapshots::delete(self.region_mut(region), &r).map(|()| Reply::Done)?,
            R::DeleteSubnet(r) => network::subnets::delete(self, now, region, &r).map(|()| Reply::Done)?,
            R::DeleteTags(r) => tags::delete(self.region_mut(region), now, &r).map(|()| Reply::Done)?,
            R::DeleteVolume(r) => volumes::delete(self.region_mut(region), now, &r).map(|()| Reply::Done)?,
            R::DeleteVpc(r) => network::vpcs::delete(self, now, region, &r).map(|()| Reply::Done)?,
            R::DeleteVpcEndpoints(r) => Reply::VpcEndpointsDeleted(network::endpoints::delete(self, now, region, &r)?),
            R::DescribeAccountAttributes(names) => Reply::AccountAttributes(regions::account_attributes(self.region(region), &names)?),
            R::DescribeAddresses(r) => Reply::Addresses(network::elastic::describe(self, now, region, &r)?),
            R::DescribeAvailabilityZones(r) => Reply::Zones(regions::describe_zones(self.region(region), &r)?),
            R::DescribeImages(r) => Reply::Images(images::describe(self, now, region, &r)?),
            R::DescribeInstanceAttribute(r) => instances::attributes::describe(self.region(region), &r)?,
            R::DescribeInstanceStatus(r) => Reply::Statuses(instances::status::describe(self, now, region, &r)?),
            R::DescribeInstanceTypeOfferings(r) => Reply::Offerings(offers::describe_offerings(self.region(region), &r)?),
            R::DescribeInstanceTypes(r) => Reply::InstanceTypes(offers::describe_types(self.region(region), &r)?),
            R::DescribeInstances(r) => Reply::Reservations(instances::describe::describe(self, now, region, &r)?),
            R::DescribeInternetGateways(r) => Reply::InternetGateways(network::internet_gateways::describe(self.region(region), &r)?),
            R::DescribeKeyPairs(r) => Reply::KeyPairs(keys::describe(self.region(region), &r)?),
            R::DescribeLaunchTemplateVersions(r) => Reply::LaunchTemplateVersions(templates::describe::versions(self.region(region), &r)?),
            R::DescribeLaunchTemplates(r) => Reply::LaunchTemplates(templates::describe::templates(self.region(region), &r)?),
            R::DescribeNatGateways(r) => Reply::NatGateways(network::nat_gateways::describe(self, now, region, &r)?),
            R::DescribePlacementGroups(r) => Reply::PlacementGroups(placement::describe(self.region(region), &r)?),
            R::DescribeRegions(r) => Reply::Regions(regions::describe_regions(&r)?),
            R::DescribeRouteTables(r) => Reply::RouteTables(network::route_tables::describe(self, now, region, &r)?),
            R::DescribeSecurityGroupRules(r) => Reply::Rules(groups::describe::rules(self, now, region, &r)?),
            R::DescribeSecurityGroups(r) => Reply::Groups(groups::describe::groups(self, now, region, &r)?),
            R::DescribeSnapshots(r) => Reply::Snapshots(volumes::snapshots::describe(self, now, region, &r)?),
            R::DescribeSpotInstanceRequests(r) => Reply::SpotRequests(spot::requests::describe(self, now, region, &r)?),
            R::DescribeSpotPriceHistory(r) => Reply::SpotPrices(spot::prices::describe(self.region(region), self.config.seed, now, &r)?),
            R::DescribeSubnets(r) => Reply::Subnets(network::subnets::describe(self, region, &r)?),
            R::DescribeTags(r) => Reply::Tags(tags::describe(self, now, region, &r)?),
            R::DescribeVolumes(r) => Reply::Volumes(volumes::describe(self, now, region, &r)?),
            R::DescribeVpcAttribute(r) => Reply::VpcAttribute(network::vpcs::attribute(self, region, &r)?),
            R::DescribeVpcEndpoints(r) => Reply::VpcEndpoints(network::endpoints::describe(self, now, region, &r)?),
            R::DescribeVpcs(r) => Reply::Vpcs(network::vpcs::describe(self, region, &r)?),
            R::DetachInternetGateway(r) => network::internet_gateways::detach(self.region_mut(region), &r).map(|()| Reply::Done)?,
            R::DisassociateRouteTable(r) => network::route_tables::disassociate(self.region_mut(region), &r).map(|()| Reply::Done)?,
            R::ImportKeyPair(r) => Reply::KeyPair(keys::import(self, now, region, &r)?),
            R::ModifyInstanceAttribute(r) => instances::attributes::modify(self.region_mut(region), now, r).map(|()| Reply::Done)?,
            R::ModifyLaunchTemplate(r) => Reply::LaunchTemplate(templates::modify(self.region_mut(region), &r)?),
            R::ModifySubnetAttribute(r) => network::subnets::modify(self, region, &r).map(|()| Reply::Done)?,
            R::ModifyVpcAttribute(r) => network::vpcs::modify(self, region, &r).map(|()| Reply::Done)?,
            R::RebootInstances(r) => instances::power::reboot(self, now, region, &r).map(|()| Reply::Done)?,
            R::ReleaseAddress(r) => network::elastic::release(self, now, region, &r).map(|()| Reply::Done)?,
            R::RevokeSecurityGroupEgress(r) => Reply::RulesRevoked(groups::revoke(self.region_mut(region), now, &r, true)?),
            R::RevokeSecurityGroupIngress(r) => Reply::RulesRevoked(groups::revoke(self.region_mut(region), now, &r, false)?),
            R::RunInstances(r) => Reply::Reservation(instances::launch::run(self, now, region, *r)?),
            R::StartInstances(r) => Reply::StateChanges(instances::power::start(self, now, region, &r)?),
            R::StopInstances(r) => Reply::StateChanges(instances::power::stop(self, now, region, &r)?),
            R::TerminateInstances(r) => Reply::StateChanges(instances::power::terminate(self, now, region, &r)?),
        })
    }
}
