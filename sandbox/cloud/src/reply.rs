//! What the operations answer.

use jiff::Timestamp;

use crate::catalogue::InstanceType;
use crate::error::ApiError;
use crate::identity::stable_id;
use crate::model::{
    ElasticAddress, Image, Instance, InstanceState, InternetGateway, IpPermission, KeyPair, LaunchTemplate, LaunchTemplateVersion,
    NatGateway, PlacementGroup, RegionInfo, RouteTable, SecurityGroup, SecurityGroupRule, Snapshot, SpotInstanceRequest, SpotRequestState,
    Subnet, TaggedResource, Volume, VolumeModification, Vpc, VpcEndpoint, Zone,
};

/// Part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next part begins, if there is one.
    pub next_token: Option<String>,
}

/// Instances launched by one call.
#[derive(Clone, Debug, PartialEq)]
pub struct Reservation {
    /// Its id.
    pub id: String,
    /// The account.
    pub owner_id: String,
    /// The instances, or those of them that are in this part of the answer.
    pub instances: Vec<Instance>,
}

/// An instance whose state a call changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// The instance.
    pub instance_id: String,
    /// Its state after the call.
    pub current: InstanceState,
    /// Its state before.
    pub previous: InstanceState,
}

/// The state and health of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceStatus {
    /// The instance.
    pub instance_id: String,
    /// Its zone.
    pub availability_zone: String,
    /// Its zone's id.
    pub availability_zone_id: String,
    /// Its state.
    pub state: InstanceState,
    /// `ok`, `initializing` or `not-applicable`, of machine and system alike.
    pub status: &'static str,
}

/// Where an instance type is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offering {
    /// The type.
    pub instance_type: String,
    /// What `location` is.
    pub location_type: String,
    /// A region, zone or zone id.
    pub location: String,
}

/// One attribute of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpcAttribute {
    /// The network.
    pub vpc_id: String,
    /// `enableDnsSupport` or `enableDnsHostnames`.
    pub name: String,
    /// What it has.
    pub value: bool,
}

/// A public address, and what has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub held: ElasticAddress,
    /// The interface that has it.
    pub network_interface_id: Option<String>,
    /// The address of that in its subnet.
    pub private_ip: Option<String>,
}

impl Address {
    /// `eipassoc-…`, if something has it.
    pub fn association_id(&self) -> Option<String> {
        self.network_interface_id.as_ref().map(|id| stable_id("eipassoc", &[&self.held.allocation_id, id]))
    }
}

/// What one call on several things could not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsuccessful {
    /// The thing.
    pub resource_id: String,
    /// Why not.
    pub error: ApiError,
}

/// A spot request that a call cancelled, or had no need to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelledSpotRequest {
    /// The request.
    pub spot_instance_request_id: String,
    /// Its state after the call.
    pub state: SpotRequestState,
}

/// A spot price from a time on.
#[derive(Clone, Debug, PartialEq)]
pub struct SpotPrice {
    /// The type.
    pub instance_type: String,
    /// The zone.
    pub availability_zone: String,
    /// The zone's id.
    pub availability_zone_id: String,
    /// US dollars an hour.
    pub usd_per_hour: f64,
    /// Since when.
    pub timestamp: Timestamp,
}

/// One attribute of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    /// User data, as it is (not base64); none if there is none.
    UserData(Option<Vec<u8>>),
    /// `stop` or `terminate`.
    ShutdownBehavior(String),
    /// The type.
    InstanceType(String),
    /// Whether TerminateInstances is refused.
    DisableApiTermination(bool),
}

/// Rules that were taken away, and those that were not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// What is gone.
    pub rules: Vec<SecurityGroupRule>,
    /// What was not there; in the default network EC2 says so without an error.
    pub unknown: Vec<IpPermission>,
}

/// The answer to a call. Each variant says which operations it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Every operation that has nothing to tell.
    Done,
    /// RunInstances.
    Reservation(Reservation),
    /// DescribeInstances.
    Reservations(Listing<Reservation>),
    /// StartInstances, StopInstances, TerminateInstances.
    StateChanges(Vec<StateChange>),
    /// DescribeInstanceStatus.
    Statuses(Listing<InstanceStatus>),
    /// DescribeInstanceTypes.
    InstanceTypes(Listing<InstanceType>),
    /// DescribeInstanceTypeOfferings.
    Offerings(Listing<Offering>),
    /// DescribeImages.
    Images(Listing<Image>),
    /// DescribeRegions.
    Regions(Vec<RegionInfo>),
    /// DescribeAvailabilityZones.
    Zones(Vec<Zone>),
    /// DescribeVpcs.
    Vpcs(Listing<Vpc>),
    /// DescribeSubnets.
    Subnets(Listing<Subnet>),
    /// CreateVpc.
    Vpc(Vpc),
    /// DescribeVpcAttribute.
    VpcAttribute(VpcAttribute),
    /// CreateSubnet.
    Subnet(Subnet),
    /// CreateInternetGateway.
    InternetGateway(InternetGateway),
    /// DescribeInternetGateways.
    InternetGateways(Listing<InternetGateway>),
    /// CreateRouteTable.
    RouteTable(RouteTable),
    /// DescribeRouteTables.
    RouteTables(Listing<RouteTable>),
    /// AssociateRouteTable: the id of the association.
    RouteTableAssociated(String),
    /// AllocateAddress.
    AddressAllocated(ElasticAddress),
    /// DescribeAddresses.
    Addresses(Vec<Address>),
    /// CreateNatGateway.
    NatGateway(NatGateway),
    /// DescribeNatGateways.
    NatGateways(Listing<NatGateway>),
    /// DeleteNatGateway: the id.
    NatGatewayDeleted(String),
    /// CreateVpcEndpoint.
    VpcEndpoint(VpcEndpoint),
    /// DescribeVpcEndpoints.
    VpcEndpoints(Listing<VpcEndpoint>),
    /// DeleteVpcEndpoints: what could not be deleted.
    VpcEndpointsDeleted(Vec<Unsuccessful>),
    /// CreateSecurityGroup.
    GroupCreated(SecurityGroup),
    /// DescribeSecurityGroups.
    Groups(Listing<SecurityGroup>),
    /// AuthorizeSecurityGroupIngress, AuthorizeSecurityGroupEgress.
    RulesAdded(Vec<SecurityGroupRule>),
    /// RevokeSecurityGroupIngress, RevokeSecurityGroupEgress.
    RulesRevoked(Revoked),
    /// DescribeSecurityGroupRules.
    Rules(Listing<SecurityGroupRule>),
    /// DeleteSecurityGroup: the id.
    GroupDeleted(String),
    /// DescribeTags.
    Tags(Listing<TaggedResource>),
    /// DescribeVolumes.
    Volumes(Listing<Volume>),
    /// ModifyVolume.
    VolumeModification(VolumeModification),
    /// DescribeVolumesModifications.
    VolumesModifications(Listing<VolumeModification>),
    /// CreateSnapshot.
    Snapshot(Snapshot),
    /// DescribeSnapshots.
    Snapshots(Listing<Snapshot>),
    /// CreatePlacementGroup.
    PlacementGroup(PlacementGroup),
    /// DescribePlacementGroups.
    PlacementGroups(Vec<PlacementGroup>),
    /// CreateLaunchTemplate, DeleteLaunchTemplate, ModifyLaunchTemplate.
    LaunchTemplate(LaunchTemplate),
    /// DescribeLaunchTemplates.
    LaunchTemplates(Listing<LaunchTemplate>),
    /// CreateLaunchTemplateVersion.
    LaunchTemplateVersion(Box<LaunchTemplateVersion>),
    /// DescribeLaunchTemplateVersions.
    LaunchTemplateVersions(Listing<LaunchTemplateVersion>),
    /// ImportKeyPair.
    KeyPair(KeyPair),
    /// DescribeKeyPairs.
    KeyPairs(Vec<KeyPair>),
    /// DeleteKeyPair: the id, if it was there.
    KeyPairDeleted(Option<String>),
    /// DescribeInstanceAttribute.
    Attribute {
        /// The instance.
        instance_id: String,
        /// What it has.
        value: AttributeValue,
    },
    /// DescribeSpotPriceHistory.
    SpotPrices(Listing<SpotPrice>),
    /// DescribeSpotInstanceRequests.
    SpotRequests(Listing<SpotInstanceRequest>),
    /// CancelSpotInstanceRequests.
    SpotRequestsCancelled(Vec<CancelledSpotRequest>),
    /// DescribeAccountAttributes: names and values.
    AccountAttributes(Vec<(String, Vec<String>)>),
}
