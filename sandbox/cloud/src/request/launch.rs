//! RunInstances.

use super::TagSpecification;
use crate::model::{Market, MetadataOptionsRequest, ShutdownBehavior};

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
    /// The placement group by name.
    pub group_name: Option<String>,
    /// The placement group by id.
    pub group_id: Option<String>,
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
    /// A key pair.
    pub key_name: Option<String>,
    /// Detailed monitoring.
    pub monitoring: bool,
    /// Refuses TerminateInstances while set.
    pub disable_api_termination: bool,
    /// Whether it can keep its memory while it is stopped.
    pub hibernation: bool,
    /// Checks everything and launches nothing.
    pub dry_run: bool,
}

impl RunInstances {
    /// Whether spot or on demand is asked for.
    pub fn market(&self) -> Market {
        if self.spot.is_some() { Market::Spot } else { Market::OnDemand }
    }
}
