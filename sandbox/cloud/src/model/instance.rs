//! Machines, and what belongs to one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Market, Tags};

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
    /// When EC2 recommended to move its work elsewhere, once it has.
    pub rebalance: Option<Timestamp>,
    /// When EC2 will take the instance back, once it has said so.
    pub interruption: Option<Timestamp>,
    /// What EC2 will do next, and when.
    #[serde(skip)]
    pub(crate) ahead: Option<(Timestamp, Ahead)>,
}

/// What EC2 will do to a spot instance by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// Recommend to move its work elsewhere, and give notice later.
    Rebalance {
        /// When the notice follows.
        notice_at: Timestamp,
        /// How long the notice is.
        notice_ms: u64,
    },
    /// Give notice.
    Notice {
        /// How long the notice is.
        notice_ms: u64,
        /// Whether the price is why, and not capacity.
        outbid: bool,
    },
    /// Take it.
    Take {
        /// Whether the price is why, and not capacity.
        outbid: bool,
    },
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
    /// The key that opens it.
    pub key_name: Option<String>,
    /// The placement group it is in, by name.
    pub placement_group: Option<String>,
    /// Whether it can keep its memory while it is stopped.
    pub hibernation: bool,
    /// Detailed monitoring.
    pub monitoring: bool,
    /// Whether TerminateInstances is refused.
    pub disable_api_termination: bool,
    /// Its tags.
    pub tags: Tags,
    /// Whether it will not boot, because a key of its disks is not there.
    #[serde(skip)]
    pub(crate) doomed: bool,
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
