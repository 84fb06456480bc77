//! The operations of EC2 that are simulated, as types. Field names follow the EC2 API.

use jiff::Timestamp;

use crate::model::{IpPermission, Market, MetadataOptionsRequest, ShutdownBehavior, Tag};

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

/// The role an instance gets: by name or by ARN, one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileSpecification {
    /// The ARN of the instance profile.
    pub arn: Option<String>,
    /// The name of the instance profile.
    pub name: Option<String>,
}

/// A disk an instance starts with, or a change to one that its image names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BlockDevice {
    /// The device, such as `/dev/xvda`.
    pub device_name: String,
    /// Leaves out the device that the image names.
    pub no_device: bool,
    /// GiB.
    pub volume_size: Option<i64>,
    /// `gp3`, `gp2`, `io1`, `io2`, `st1`, `sc1` or `standard`.
    pub volume_type: Option<String>,
    /// Whether the volume ends with its instance.
    pub delete_on_termination: Option<bool>,
    /// Whether the volume is encrypted.
    pub encrypted: Option<bool>,
    /// Provisioned operations a second.
    pub iops: Option<i64>,
    /// Provisioned MiB a second.
    pub throughput: Option<i64>,
    /// The snapshot it starts from.
    pub snapshot_id: Option<String>,
    /// The key it is encrypted with.
    pub kms_key_id: Option<String>,
}

/// The first (and only) network interface of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkInterface {
    /// Must be 0: further interfaces are not simulated.
    pub device_index: Option<i64>,
    /// The subnet.
    pub subnet_id: Option<String>,
    /// The security groups.
    pub groups: Vec<String>,
    /// Whether it gets a public address; else the subnet says.
    pub associate_public_ip_address: Option<bool>,
    /// Whether the interface ends with its instance; only `true` is simulated.
    pub delete_on_termination: Option<bool>,
    /// Free text.
    pub description: Option<String>,
}

/// Where instances go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// The zone by name.
    pub availability_zone: Option<String>,
    /// The zone by id.
    pub availability_zone_id: Option<String>,
    /// The placement group; none exists, so every name is unknown.
    pub group_name: Option<String>,
    /// `default`; the others are not simulated.
    pub tenancy: Option<String>,
}

/// Spot instead of on demand.
#[derive(Clone, Debug, PartialEq)]
pub struct SpotOptions {
    /// US dollars an hour at most; none is the on-demand price.
    pub max_price: Option<f64>,
}

/// Launches instances.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunInstances {
    /// An AMI, or `resolve:ssm:` and the name of a public parameter.
    pub image_id: String,
    /// The instance type.
    pub instance_type: String,
    /// Fewer than this is an error and launches nothing.
    pub min_count: i64,
    /// No more than this.
    pub max_count: i64,
    /// Makes repetition safe: the same token and parameters answer with the same instances.
    pub client_token: Option<String>,
    /// Tags of what is created.
    pub tag_specifications: Vec<TagSpecification>,
    /// The subnet; none means a default subnet.
    pub subnet_id: Option<String>,
    /// The security groups by id; none means the default group.
    pub security_group_ids: Vec<String>,
    /// The security groups by name, in the default network.
    pub security_groups: Vec<String>,
    /// The interface, instead of subnet and groups above.
    pub network_interfaces: Vec<NetworkInterface>,
    /// Zone and tenancy.
    pub placement: Placement,
    /// The instance profile.
    pub iam_instance_profile: Option<ProfileSpecification>,
    /// What the instance reads at its first boot, as it is (not base64), at most 16 KB.
    pub user_data: Option<Vec<u8>>,
    /// What a shutdown from inside means; none means stop.
    pub instance_initiated_shutdown_behavior: Option<ShutdownBehavior>,
    /// The metadata service.
    pub metadata_options: MetadataOptionsRequest,
    /// Disks.
    pub block_device_mappings: Vec<BlockDevice>,
    /// Whether the disk has bandwidth of its own.
    pub ebs_optimized: bool,
    /// Spot, if given.
    pub spot: Option<SpotOptions>,
    /// A key pair; none exists, so every name is unknown.
    pub key_name: Option<String>,
    /// Detailed monitoring.
    pub monitoring: bool,
    /// Refuses TerminateInstances while set.
    pub disable_api_termination: bool,
    /// Checks everything and launches nothing.
    pub dry_run: bool,
}

/// Lists instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeInstances {
    /// Only these; an unknown one is an error.
    pub instance_ids: Vec<String>,
    /// Conditions, all of which must hold.
    pub filters: Vec<Filter>,
    /// Which part of the answer. 5 to 1,000 instances.
    pub page: Page,
}

/// Lists the state and health of instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeInstanceStatus {
    /// Only these; an unknown one is an error.
    pub instance_ids: Vec<String>,
    /// Conditions, all of which must hold.
    pub filters: Vec<Filter>,
    /// Instances in every state, not only running ones.
    pub include_all_instances: bool,
    /// Which part of the answer.
    pub page: Page,
}

/// A call on a list of instances: terminate, stop, start, reboot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstanceIds {
    /// The instances. One unknown id fails the whole call.
    pub instance_ids: Vec<String>,
}

/// Lists instance types.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeInstanceTypes {
    /// Only these; an unknown one is an error.
    pub instance_types: Vec<String>,
    /// Conditions, all of which must hold.
    pub filters: Vec<Filter>,
    /// Which part of the answer. 5 to 100.
    pub page: Page,
}

/// Lists where instance types are offered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeInstanceTypeOfferings {
    /// `region` (the default), `availability-zone` or `availability-zone-id`.
    pub location_type: Option<String>,
    /// `instance-type` and `location`.
    pub filters: Vec<Filter>,
    /// Which part of the answer. 5 to 1,000.
    pub page: Page,
}

/// Lists images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeImages {
    /// Only these; an unknown one is an error.
    pub image_ids: Vec<String>,
    /// Account ids, `amazon`, `self` or `aws-marketplace`.
    pub owners: Vec<String>,
    /// Conditions, all of which must hold.
    pub filters: Vec<Filter>,
    /// Which part of the answer.
    pub page: Page,
}

/// Lists regions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeRegions {
    /// Only these; an unknown one is an error.
    pub region_names: Vec<String>,
    /// Conditions, all of which must hold.
    pub filters: Vec<Filter>,
}

/// Lists the zones of the region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeAvailabilityZones {
    /// Only these.
    pub zone_names: Vec<String>,
    /// Only these.
    pub zone_ids: Vec<String>,
    /// Conditions, all of which must hold.
    pub filters: Vec<Filter>,
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

/// Makes a security group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateSecurityGroup {
    /// Unique in its network.
    pub group_name: String,
    /// What it is for; EC2 insists on one.
    pub description: String,
    /// The network; none means the default one.
    pub vpc_id: Option<String>,
    /// Tags, of `security-group`.
    pub tag_specifications: Vec<TagSpecification>,
}

/// Lists security groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeSecurityGroups {
    /// Only these; an unknown one is an error.
    pub group_ids: Vec<String>,
    /// Only these names of the default network; an unknown one is an error.
    pub group_names: Vec<String>,
    /// Conditions, all of which must hold.
    pub filters: Vec<Filter>,
    /// Which part of the answer. 5 to 1,000.
    pub page: Page,
}

/// Adds rules to a security group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorizeRules {
    /// The group by id.
    pub group_id: Option<String>,
    /// The group by name, in the default network.
    pub group_name: Option<String>,
    /// The rules.
    pub permissions: Vec<IpPermission>,
    /// Tags, of `security-group-rule`.
    pub tag_specifications: Vec<TagSpecification>,
}

/// Takes rules from a security group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevokeRules {
    /// The group by id.
    pub group_id: Option<String>,
    /// The group by name, in the default network.
    pub group_name: Option<String>,
    /// The rules by what they say.
    pub permissions: Vec<IpPermission>,
    /// The rules by id.
    pub rule_ids: Vec<String>,
}

/// Deletes a security group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteSecurityGroup {
    /// The group by id.
    pub group_id: Option<String>,
    /// The group by name, in the default network.
    pub group_name: Option<String>,
}

/// Sets tags on resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateTags {
    /// Ids of any kind.
    pub resources: Vec<String>,
    /// What to set.
    pub tags: Vec<Tag>,
}

/// One tag to remove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagRemoval {
    /// The key.
    pub key: String,
    /// Only if this is its value.
    pub value: Option<String>,
}

/// Removes tags from resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteTags {
    /// Ids of any kind.
    pub resources: Vec<String>,
    /// What to remove; nothing means every tag.
    pub tags: Vec<TagRemoval>,
}

/// Lists tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeTags {
    /// `key`, `value`, `resource-id`, `resource-type` and `tag:<key>`.
    pub filters: Vec<Filter>,
    /// Which part of the answer. 5 to 1,000.
    pub page: Page,
}

/// Deletes a volume that is attached to nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteVolume {
    /// The volume.
    pub volume_id: String,
}

/// Reads one attribute of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeInstanceAttribute {
    /// The instance.
    pub instance_id: String,
    /// `userData`, `instanceInitiatedShutdownBehavior`, `instanceType` or `disableApiTermination`.
    pub attribute: String,
}

/// Changes one attribute of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModifyInstanceAttribute {
    /// The instance.
    pub instance_id: String,
    /// What becomes of it.
    pub change: AttributeChange,
}

/// The attribute that [`ModifyInstanceAttribute`] changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeChange {
    /// What a shutdown from inside means.
    ShutdownBehavior(ShutdownBehavior),
    /// User data, as it is (not base64). Only while stopped.
    UserData(Vec<u8>),
    /// The instance type. Only while stopped.
    InstanceType(String),
    /// Whether TerminateInstances is refused.
    DisableApiTermination(bool),
    /// The security groups.
    Groups(Vec<String>),
}

/// Lists spot prices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeSpotPriceHistory {
    /// Only these.
    pub instance_types: Vec<String>,
    /// Only these; `Linux/UNIX` is what exists.
    pub product_descriptions: Vec<String>,
    /// Only this zone.
    pub availability_zone: Option<String>,
    /// From here, and what was in force then; none means the last 90 days.
    pub start_time: Option<Timestamp>,
    /// Up to here; none means now.
    pub end_time: Option<Timestamp>,
    /// Conditions, all of which must hold.
    pub filters: Vec<Filter>,
    /// Which part of the answer, 1,000 prices if unsaid.
    pub page: Page,
}

macro_rules! requests {
    ($($(#[$doc:meta])* $name:ident($type:ty),)*) => {
        /// One call.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Request {
            $($(#[$doc])* $name($type),)*
        }

        impl Request {
            /// The operation's name in the EC2 API.
            pub fn operation(&self) -> &'static str {
                match self {
                    $(Request::$name(_) => stringify!($name),)*
                }
            }
        }

        /// The names of every simulated operation.
        pub const OPERATIONS: &[&str] = &[$(stringify!($name),)*];
    };
}

requests! {
    /// See [`AuthorizeRules`].
    AuthorizeSecurityGroupEgress(AuthorizeRules),
    /// See [`AuthorizeRules`].
    AuthorizeSecurityGroupIngress(AuthorizeRules),
    /// See [`CreateSecurityGroup`].
    CreateSecurityGroup(CreateSecurityGroup),
    /// See [`CreateTags`].
    CreateTags(CreateTags),
    /// See [`DeleteSecurityGroup`].
    DeleteSecurityGroup(DeleteSecurityGroup),
    /// See [`DeleteTags`].
    DeleteTags(DeleteTags),
    /// See [`DeleteVolume`].
    DeleteVolume(DeleteVolume),
    /// What the account has: `default-vpc` and `supported-platforms`; these names, or all.
    DescribeAccountAttributes(Vec<String>),
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
    /// See [`DescribeRegions`].
    DescribeRegions(DescribeRegions),
    /// See [`DescribeById`].
    DescribeSecurityGroupRules(DescribeById),
    /// See [`DescribeSecurityGroups`].
    DescribeSecurityGroups(DescribeSecurityGroups),
    /// See [`DescribeSpotPriceHistory`].
    DescribeSpotPriceHistory(DescribeSpotPriceHistory),
    /// See [`DescribeById`].
    DescribeSubnets(DescribeById),
    /// See [`DescribeTags`].
    DescribeTags(DescribeTags),
    /// See [`DescribeById`].
    DescribeVolumes(DescribeById),
    /// See [`DescribeById`].
    DescribeVpcs(DescribeById),
    /// See [`ModifyInstanceAttribute`].
    ModifyInstanceAttribute(ModifyInstanceAttribute),
    /// See [`InstanceIds`].
    RebootInstances(InstanceIds),
    /// See [`RevokeRules`].
    RevokeSecurityGroupEgress(RevokeRules),
    /// See [`RevokeRules`].
    RevokeSecurityGroupIngress(RevokeRules),
    /// See [`RunInstances`].
    RunInstances(Box<RunInstances>),
    /// See [`InstanceIds`].
    StartInstances(InstanceIds),
    /// See [`InstanceIds`].
    StopInstances(InstanceIds),
    /// See [`InstanceIds`].
    TerminateInstances(InstanceIds),
}

impl RunInstances {
    /// Whether spot or on demand is asked for.
    pub fn market(&self) -> Market {
        if self.spot.is_some() { Market::Spot } else { Market::OnDemand }
    }
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
            Request::DescribeVolumes(r) => !r.ids.is_empty() || !r.filters.is_empty() || paged(&r.page),
            _ => true,
        }
    }

    /// How many resources the call is about, for the operations whose resources are limited too.
    pub(crate) fn resources(&self) -> u64 {
        match self {
            Request::RunInstances(r) => u64::try_from(r.max_count).unwrap_or(0),
            Request::StartInstances(r) | Request::StopInstances(r) | Request::TerminateInstances(r) => r.instance_ids.len() as u64,
            _ => 0,
        }
    }
}
