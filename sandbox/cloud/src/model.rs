//! What exists in a region. Names of fields and values are EC2's.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A time as EC2 writes it: `2026-01-02T03:04:05.000Z`.
pub fn format_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// The tags of a resource, by key.
pub type Tags = BTreeMap<String, String>;

/// A name and a value on a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// At most 128 characters, and not beginning with `aws:`.
    pub key: String,
    /// At most 256 characters.
    pub value: String,
}

impl Tag {
    /// A tag.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Tag { key: key.into(), value: value.into() }
    }
}

/// How an instance is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Market {
    /// The list price.
    OnDemand,
    /// Spare capacity, which may be taken back.
    Spot,
}

/// Where an instance is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Accepted, not yet booted.
    Pending,
    /// Booted.
    Running,
    /// On its way to terminated.
    ShuttingDown,
    /// Gone; listed for a while.
    Terminated,
    /// On its way to stopped.
    Stopping,
    /// Off, and able to start again.
    Stopped,
}

impl InstanceState {
    /// EC2's number for it.
    pub fn code(self) -> u16 {
        match self {
            InstanceState::Pending => 0,
            InstanceState::Running => 16,
            InstanceState::ShuttingDown => 32,
            InstanceState::Terminated => 48,
            InstanceState::Stopping => 64,
            InstanceState::Stopped => 80,
        }
    }

    /// EC2's name for it.
    pub fn name(self) -> &'static str {
        match self {
            InstanceState::Pending => "pending",
            InstanceState::Running => "running",
            InstanceState::ShuttingDown => "shutting-down",
            InstanceState::Terminated => "terminated",
            InstanceState::Stopping => "stopping",
            InstanceState::Stopped => "stopped",
        }
    }

    /// Whether it has ended or is about to.
    pub fn is_ending(self) -> bool {
        matches!(self, InstanceState::ShuttingDown | InstanceState::Terminated)
    }
}

/// What a shutdown from inside the instance means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShutdownBehavior {
    /// The instance stops: EC2's default.
    #[default]
    Stop,
    /// The instance ends.
    Terminate,
}

impl ShutdownBehavior {
    /// EC2's name for it.
    pub fn name(self) -> &'static str {
        match self {
            ShutdownBehavior::Stop => "stop",
            ShutdownBehavior::Terminate => "terminate",
        }
    }
}

/// What a launch says about the metadata service; what it leaves out follows the image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetadataOptionsRequest {
    /// `required` or `optional`.
    pub http_tokens: Option<String>,
    /// 1 to 64.
    pub http_put_response_hop_limit: Option<i64>,
    /// `enabled` or `disabled`.
    pub http_endpoint: Option<String>,
    /// `enabled` or `disabled`.
    pub http_protocol_ipv6: Option<String>,
    /// `enabled` or `disabled`.
    pub instance_metadata_tags: Option<String>,
}

/// The metadata service of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MetadataOptions {
    /// Whether a request without a token is refused (IMDSv2 only).
    pub tokens_required: bool,
    /// How many hops an answer with a token may travel.
    pub hop_limit: u8,
    /// Whether the service answers at all.
    pub endpoint_enabled: bool,
    /// Whether it has an IPv6 address too.
    pub ipv6_enabled: bool,
    /// Whether it tells the instance's tags.
    pub tags_enabled: bool,
}

/// A security group as an instance names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupIdentifier {
    /// `sg-…`.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// The instance profile of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProfileIdentifier {
    /// Its ARN.
    pub arn: String,
    /// `AIPA…`.
    pub id: String,
}

/// A volume as its instance names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttachedVolume {
    /// `/dev/…`.
    pub device_name: String,
    /// The volume.
    pub volume_id: String,
    /// Whether the volume ends with the instance.
    pub delete_on_termination: bool,
    /// When it was attached.
    pub attach_time: Timestamp,
}

/// The network interface of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Interface {
    /// `eni-…`.
    pub id: String,
    /// Its subnet.
    pub subnet_id: String,
    /// Its network.
    pub vpc_id: String,
    /// `eni-attach-…`.
    pub attachment_id: String,
    /// Its hardware address.
    pub mac: String,
    /// Its address in the subnet.
    pub private_ip: String,
    /// The name of that address.
    pub private_dns_name: String,
    /// Its public address; none while the instance is not running, or if it has none.
    pub public_ip: Option<String>,
    /// The name of that address.
    pub public_dns_name: Option<String>,
    /// Whether it gets a public address when it starts.
    pub public: bool,
    /// Free text.
    pub description: String,
    /// Its tags.
    pub tags: Tags,
}

/// Why an instance is in its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateReason {
    /// Such as `Client.UserInitiatedShutdown`.
    pub code: String,
    /// Code and sentence.
    pub message: String,
}

/// The spot side of an instance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpotRequest {
    /// `sir-…`.
    pub id: String,
    /// US dollars an hour at most.
    pub max_price: f64,
    /// When EC2 will take the instance back, once it has said so.
    pub interruption: Option<Timestamp>,
    /// Its tags.
    pub tags: Tags,
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Instance {
    /// `i-…`.
    pub id: String,
    /// The call it came from.
    pub reservation_id: String,
    /// The token of that call.
    pub client_token: Option<String>,
    /// Its number in that call, from 0.
    pub ami_launch_index: u32,
    /// When it was launched, or started again.
    pub launch_time: Timestamp,
    /// Where it is in its life.
    pub state: InstanceState,
    /// Why, once somebody or something ended or stopped it.
    pub state_reason: Option<StateReason>,
    /// The same in EC2's older form: `User initiated (2026-01-02 03:04:05 GMT)`.
    pub state_transition_reason: String,
    /// Its image.
    pub image_id: String,
    /// Its type.
    pub instance_type: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// Its zone.
    pub availability_zone: String,
    /// Its zone's id.
    pub availability_zone_id: String,
    /// Its security groups; none once it has terminated.
    pub groups: Vec<GroupIdentifier>,
    /// Its network interface; none once it has terminated.
    pub interface: Option<Interface>,
    /// Its role.
    pub profile: Option<ProfileIdentifier>,
    /// What it reads at its first boot.
    #[serde(skip)]
    pub user_data: Option<Vec<u8>>,
    /// What a shutdown from inside means.
    pub shutdown_behavior: ShutdownBehavior,
    /// Its metadata service.
    pub metadata_options: MetadataOptions,
    /// The device of its root volume.
    pub root_device_name: String,
    /// Its volumes.
    pub volumes: Vec<AttachedVolume>,
    /// Whether its disk has bandwidth of its own.
    pub ebs_optimized: bool,
    /// Its spot request, if it is a spot instance.
    pub spot: Option<SpotRequest>,
    /// Detailed monitoring.
    pub monitoring: bool,
    /// Whether TerminateInstances is refused.
    pub disable_api_termination: bool,
    /// Its tags.
    pub tags: Tags,
    /// When the next thing happens to it by itself.
    #[serde(skip)]
    pub(crate) due: Option<Timestamp>,
    /// Whether it has been switched on and not off again.
    #[serde(skip)]
    pub(crate) powered: bool,
    /// When it last entered `running`.
    #[serde(skip)]
    pub(crate) running_since: Option<Timestamp>,
}

impl Instance {
    /// How it is paid for.
    pub fn market(&self) -> Market {
        if self.spot.is_some() { Market::Spot } else { Market::OnDemand }
    }
}

/// A disk.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Volume {
    /// `vol-…`.
    pub id: String,
    /// GiB.
    pub size: i64,
    /// `gp3` and its like.
    pub volume_type: String,
    /// Operations a second.
    pub iops: Option<i64>,
    /// MiB a second.
    pub throughput: Option<i64>,
    /// The snapshot it began as.
    pub snapshot_id: Option<String>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// With which key.
    pub kms_key_id: Option<String>,
    /// Its zone.
    pub availability_zone: String,
    /// Its zone's id.
    pub availability_zone_id: String,
    /// When it was made.
    pub create_time: Timestamp,
    /// The instance it is attached to, and how; none means it is available.
    pub attachment: Option<VolumeAttachment>,
    /// Its tags.
    pub tags: Tags,
}

/// How a volume is attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VolumeAttachment {
    /// The instance.
    pub instance_id: String,
    /// `/dev/…`.
    pub device: String,
    /// Whether the volume ends with the instance.
    pub delete_on_termination: bool,
    /// When it was attached.
    pub attach_time: Timestamp,
}

/// What a rule lets through to or from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleTarget {
    /// IPv4 addresses, as a prefix.
    Ipv4(String),
    /// IPv6 addresses, as a prefix.
    Ipv6(String),
    /// Members of a security group.
    Group {
        /// Its id.
        group_id: String,
        /// Its account.
        user_id: String,
    },
}

/// One rule of a security group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecurityGroupRule {
    /// `sgr-…`.
    pub id: String,
    /// Its group.
    pub group_id: String,
    /// The account.
    pub owner_id: String,
    /// Out of the group, not into it.
    pub egress: bool,
    /// `tcp`, `udp`, `icmp`, a number, or `-1` for all.
    pub protocol: String,
    /// The first port; none with protocol `-1`.
    pub from_port: Option<i64>,
    /// The last port; none with protocol `-1`.
    pub to_port: Option<i64>,
    /// To or from whom.
    pub target: RuleTarget,
    /// Free text.
    pub description: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// A source or destination as a call names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionTarget {
    /// To or from whom. A group may be named by id only.
    pub target: RuleTarget,
    /// Free text.
    pub description: Option<String>,
}

/// Rules that share protocol and ports, as calls name them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpPermission {
    /// `tcp`, `udp`, `icmp`, a number, or `-1` for all.
    pub protocol: String,
    /// The first port.
    pub from_port: Option<i64>,
    /// The last port.
    pub to_port: Option<i64>,
    /// To or from whom: a rule for each.
    pub targets: Vec<PermissionTarget>,
}

/// Who may reach whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecurityGroup {
    /// `sg-…`.
    pub id: String,
    /// Unique in its network.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its network.
    pub vpc_id: String,
    /// Its ARN.
    pub arn: String,
    /// Its rules, in both directions.
    pub rules: Vec<SecurityGroupRule>,
    /// Its tags.
    pub tags: Tags,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Vpc {
    /// `vpc-…`.
    pub id: String,
    /// The account it belongs to.
    pub owner_id: String,
    /// Its addresses.
    pub cidr_block: String,
    /// The id of that range.
    pub cidr_association_id: String,
    /// Its DHCP options.
    pub dhcp_options_id: String,
    /// Its tags.
    pub tags: Tags,
}

/// A part of a network in one zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subnet {
    /// `subnet-…`.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// Its network.
    pub vpc_id: String,
    /// Its zone.
    pub availability_zone: String,
    /// Its zone's id.
    pub availability_zone_id: String,
    /// Its addresses.
    pub cidr_block: String,
    /// How many of them are free.
    pub available_ip_address_count: u32,
    /// Its tags.
    pub tags: Tags,
}

/// A zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Zone {
    /// Such as `us-east-1a`.
    pub name: String,
    /// Such as `use1-az1`.
    pub id: String,
    /// Its region.
    pub region: String,
}

/// A region as DescribeRegions tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RegionInfo {
    /// Such as `us-east-1`.
    pub name: String,
    /// Its host name.
    pub endpoint: String,
}

/// What an instance starts from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Image {
    /// `ami-…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// The account it belongs to.
    pub owner_id: String,
    /// `amazon`, or none.
    pub owner_alias: Option<String>,
    /// When it was made.
    pub creation_date: String,
    /// The device of the root volume.
    pub root_device_name: String,
    /// What the root volume begins as.
    pub snapshot_id: String,
    /// GiB.
    pub volume_size: i64,
    /// `uefi` or `uefi-preferred`.
    pub boot_mode: String,
    /// Its tags, those of this account.
    pub tags: Tags,
}

/// One tag of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TaggedResource {
    /// The resource.
    pub resource_id: String,
    /// What it is, such as `instance`.
    pub resource_type: String,
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}
