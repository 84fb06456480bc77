//! The operations of EC2 that are simulated, as types. Field names follow the EC2 API.

mod groups;
mod instances;
mod launch;
mod launching;
mod network;
mod offers;
mod spot;
mod tags;
mod templates;
mod volumes;

pub use groups::*;
pub use instances::*;
pub use launch::*;
pub use launching::*;
pub use network::*;
pub use offers::*;
pub use spot::*;
pub use tags::*;
pub use templates::*;
pub use volumes::*;

use crate::model::Tag;
use crate::operations::requests;

/// One condition of a describe call: any of the values, each of which may hold `*` and `?`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// What is compared, such as `instance-state-name` or `tag:Name`.
    pub name: String,
    /// What it may be.
    pub values: Vec<String>,
}

impl Filter {
    /// A filter on one name.
    pub fn new<V: Into<String>>(name: impl Into<String>, values: impl IntoIterator<Item = V>) -> Self {
        Filter { name: name.into(), values: values.into_iter().map(Into::into).collect() }
    }
}

/// Which part of a long answer is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// At most so many items.
    pub max_results: Option<i64>,
    /// Where the last answer ended.
    pub next_token: Option<String>,
}

/// Tags for what a call creates, by kind of resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagSpecification {
    /// `instance`, `volume`, `network-interface`, `spot-instances-request`, `security-group` or `security-group-rule`.
    pub resource_type: String,
    /// The tags.
    pub tags: Vec<Tag>,
}

/// Lists by id, filter and page: networks, subnets, volumes, rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeById {
    /// Only these; an unknown one is an error.
    pub ids: Vec<String>,
    /// Conditions, all of which must hold.
    pub filters: Vec<Filter>,
    /// Which part of the answer.
    pub page: Page,
}

requests! {
    "EC2":
    /// See [`CreateTagged`].
    AllocateAddress(CreateTagged),
    /// See [`AssociateRouteTable`].
    AssociateRouteTable(AssociateRouteTable),
    /// See [`GatewayAttachment`].
    AttachInternetGateway(GatewayAttachment),
    /// See [`AuthorizeRules`].
    AuthorizeSecurityGroupEgress(AuthorizeRules),
    /// See [`AuthorizeRules`].
    AuthorizeSecurityGroupIngress(AuthorizeRules),
    /// See [`CancelSpotInstanceRequests`].
    CancelSpotInstanceRequests(CancelSpotInstanceRequests),
    /// See [`CreateTagged`].
    CreateInternetGateway(CreateTagged),
    /// See [`CreateLaunchTemplate`].
    CreateLaunchTemplate(Box<CreateLaunchTemplate>),
    /// See [`CreateLaunchTemplateVersion`].
    CreateLaunchTemplateVersion(Box<CreateLaunchTemplateVersion>),
    /// See [`CreateNatGateway`].
    CreateNatGateway(CreateNatGateway),
    /// See [`CreatePlacementGroup`].
    CreatePlacementGroup(CreatePlacementGroup),
    /// See [`CreateRoute`].
    CreateRoute(CreateRoute),
    /// See [`CreateRouteTable`].
    CreateRouteTable(CreateRouteTable),
    /// See [`CreateSecurityGroup`].
    CreateSecurityGroup(CreateSecurityGroup),
    /// See [`CreateSnapshot`].
    CreateSnapshot(CreateSnapshot),
    /// See [`CreateSubnet`].
    CreateSubnet(CreateSubnet),
    /// See [`CreateTags`].
    CreateTags(CreateTags),
    /// See [`CreateVpc`].
    CreateVpc(CreateVpc),
    /// See [`CreateVpcEndpoint`].
    CreateVpcEndpoint(CreateVpcEndpoint),
    /// See [`OneId`].
    DeleteInternetGateway(OneId),
    /// See [`DeleteKeyPair`].
    DeleteKeyPair(DeleteKeyPair),
    /// See [`NamedTemplate`].
    DeleteLaunchTemplate(NamedTemplate),
    /// See [`OneId`].
    DeleteNatGateway(OneId),
    /// See [`OneId`].
    DeletePlacementGroup(OneId),
    /// See [`DeleteRoute`].
    DeleteRoute(DeleteRoute),
    /// See [`OneId`].
    DeleteRouteTable(OneId),
    /// See [`DeleteSecurityGroup`].
    DeleteSecurityGroup(DeleteSecurityGroup),
    /// See [`OneId`].
    DeleteSnapshot(OneId),
    /// See [`OneId`].
    DeleteSubnet(OneId),
    /// See [`DeleteTags`].
    DeleteTags(DeleteTags),
    /// See [`DeleteVolume`].
    DeleteVolume(DeleteVolume),
    /// See [`OneId`].
    DeleteVpc(OneId),
    /// See [`DeleteVpcEndpoints`].
    DeleteVpcEndpoints(DeleteVpcEndpoints),
    /// What the account has: `default-vpc` and `supported-platforms`; these names, or all.
    DescribeAccountAttributes(Vec<String>),
    /// See [`DescribeById`].
    DescribeAddresses(DescribeById),
    /// See [`DescribeAvailabilityZones`].
    DescribeAvailabilityZones(DescribeAvailabilityZones),
    /// See [`DescribeImages`].
    DescribeImages(DescribeImages),
    /// See [`DescribeInstanceAttribute`].
    DescribeInstanceAttribute(DescribeInstanceAttribute),
    /// See [`DescribeInstanceStatus`].
    DescribeInstanceStatus(DescribeInstanceStatus),
    /// See [`DescribeInstanceTypeOfferings`].
    DescribeInstanceTypeOfferings(DescribeInstanceTypeOfferings),
    /// See [`DescribeInstanceTypes`].
    DescribeInstanceTypes(DescribeInstanceTypes),
    /// See [`DescribeInstances`].
    DescribeInstances(DescribeInstances),
    /// See [`DescribeById`].
    DescribeInternetGateways(DescribeById),
    /// See [`DescribeKeyPairs`].
    DescribeKeyPairs(DescribeKeyPairs),
    /// See [`DescribeLaunchTemplateVersions`].
    DescribeLaunchTemplateVersions(DescribeLaunchTemplateVersions),
    /// See [`DescribeLaunchTemplates`].
    DescribeLaunchTemplates(DescribeLaunchTemplates),
    /// See [`DescribeById`].
    DescribeNatGateways(DescribeById),
    /// See [`DescribePlacementGroups`].
    DescribePlacementGroups(DescribePlacementGroups),
    /// See [`DescribeRegions`].
    DescribeRegions(DescribeRegions),
    /// See [`DescribeById`].
    DescribeRouteTables(DescribeById),
    /// See [`DescribeById`].
    DescribeSecurityGroupRules(DescribeById),
    /// See [`DescribeSecurityGroups`].
    DescribeSecurityGroups(DescribeSecurityGroups),
    /// See [`DescribeSnapshots`].
    DescribeSnapshots(DescribeSnapshots),
    /// See [`DescribeById`].
    DescribeSpotInstanceRequests(DescribeById),
    /// See [`DescribeSpotPriceHistory`].
    DescribeSpotPriceHistory(DescribeSpotPriceHistory),
    /// See [`DescribeById`].
    DescribeSubnets(DescribeById),
    /// See [`DescribeTags`].
    DescribeTags(DescribeTags),
    /// See [`DescribeById`].
    DescribeVolumes(DescribeById),
    /// See [`DescribeById`]; ids are those of volumes.
    DescribeVolumesModifications(DescribeById),
    /// See [`DescribeVpcAttribute`].
    DescribeVpcAttribute(DescribeVpcAttribute),
    /// See [`DescribeById`].
    DescribeVpcEndpoints(DescribeById),
    /// See [`DescribeById`].
    DescribeVpcs(DescribeById),
    /// See [`GatewayAttachment`].
    DetachInternetGateway(GatewayAttachment),
    /// See [`OneId`].
    DisassociateRouteTable(OneId),
    /// See [`ImportKeyPair`].
    ImportKeyPair(ImportKeyPair),
    /// See [`ModifyInstanceAttribute`].
    ModifyInstanceAttribute(ModifyInstanceAttribute),
    /// See [`ModifyLaunchTemplate`].
    ModifyLaunchTemplate(ModifyLaunchTemplate),
    /// See [`ModifySubnetAttribute`].
    ModifySubnetAttribute(ModifySubnetAttribute),
    /// See [`ModifyVolume`].
    ModifyVolume(ModifyVolume),
    /// See [`ModifyVpcAttribute`].
    ModifyVpcAttribute(ModifyVpcAttribute),
    /// See [`InstanceIds`].
    RebootInstances(InstanceIds),
    /// See [`OneId`].
    ReleaseAddress(OneId),
    /// See [`RevokeRules`].
    RevokeSecurityGroupEgress(RevokeRules),
    /// See [`RevokeRules`].
    RevokeSecurityGroupIngress(RevokeRules),
    /// See [`RunInstances`].
    RunInstances(Box<RunInstances>),
    /// See [`InstanceIds`].
    StartInstances(InstanceIds),
    /// See [`StopInstances`].
    StopInstances(StopInstances),
    /// See [`InstanceIds`].
    TerminateInstances(InstanceIds),
}

impl Request {
    /// Whether the call names a filter, a page or ids: EC2 has a smaller token bucket for a describe call that does not.
    pub(crate) fn is_narrowed(&self) -> bool {
        let paged = |page: &Page| page.max_results.is_some() || page.next_token.is_some();
        match self {
            Request::DescribeInstances(r) => !r.instance_ids.is_empty() || !r.filters.is_empty() || paged(&r.page),
            Request::DescribeInstanceStatus(r) => !r.instance_ids.is_empty() || !r.filters.is_empty() || paged(&r.page),
            Request::DescribeSecurityGroups(r) => {
                !r.group_ids.is_empty() || !r.group_names.is_empty() || !r.filters.is_empty() || paged(&r.page)
            }
            Request::DescribeSpotInstanceRequests(r) | Request::DescribeVolumes(r) => {
                !r.ids.is_empty() || !r.filters.is_empty() || paged(&r.page)
            }
            Request::DescribeSnapshots(r) => !r.snapshot_ids.is_empty() || !r.filters.is_empty() || paged(&r.page),
            _ => true,
        }
    }

    /// How many resources the call is about, for the operations whose resources are limited too.
    pub(crate) fn resources(&self) -> u64 {
        match self {
            Request::RunInstances(r) => u64::try_from(r.max_count).unwrap_or(0),
            Request::StartInstances(r) | Request::TerminateInstances(r) => r.instance_ids.len() as u64,
            Request::StopInstances(r) => r.instance_ids.len() as u64,
            _ => 0,
        }
    }
}
