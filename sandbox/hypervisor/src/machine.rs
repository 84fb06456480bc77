//! What a machine is told about itself: the facts the metadata service answers with.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// One instance, as the cloud that launched it describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// The instance id (`i-…`); also the name of the machine's directory, so letters, digits and dashes only.
    pub id: String,
    /// The region, such as `us-east-1`.
    pub region: String,
    /// The availability zone, such as `us-east-1a`.
    pub zone: String,
    /// The zone's id, such as `use1-az1`; absent where the cloud does not say.
    pub zone_id: Option<String>,
    /// The instance type, such as `c7i.large`.
    pub instance_type: String,
    /// `x86_64` or `arm64`. Both run the host's programs; the console says so where they differ.
    pub architecture: String,
    /// The image it was launched from (`ami-…`).
    pub image_id: String,
    /// The twelve digits of the owning account.
    pub account_id: String,
    /// User data as the instance sees it: decoded from base64, perhaps still compressed.
    pub user_data: Vec<u8>,
    /// Its index among the instances of one launch request.
    pub launch_index: u32,
    /// Its private IPv4 address. Told, not bound: machines share the host's network.
    pub private_ip: String,
    /// Its private host name.
    pub private_dns: String,
    /// Its public IPv4 address, if it has one.
    pub public_ip: Option<String>,
    /// The name of its public address.
    pub public_dns: Option<String>,
    /// The key that opens it: its name, and the line of `authorized_keys`.
    pub public_key: Option<(String, String)>,
    /// The placement group it is in.
    pub placement_group: Option<String>,
    /// Its hardware address, such as `02:00:00:00:00:01`.
    pub mac: String,
    /// The reservation it belongs to (`r-…`).
    pub reservation_id: String,
    /// The instance profile, if it has one.
    pub profile: Option<Profile>,
    /// How its metadata service answers.
    pub metadata: MetadataOptions,
    /// Its tags, shown by the metadata service only where [`MetadataOptions::tags_enabled`].
    pub tags: BTreeMap<String, String>,
    /// The names of its security groups.
    pub security_groups: Vec<String>,
    /// Spot or on-demand.
    pub lifecycle: Lifecycle,
    /// When it was launched.
    pub launch_time: Timestamp,
}

/// An instance profile: the way a role reaches an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The profile's ARN.
    pub arn: String,
    /// The profile's unique id (`AIPA…`).
    pub id: String,
    /// The profile's name.
    pub name: String,
    /// The name of the role in the profile; a profile may be empty.
    pub role: Option<String>,
}

/// How the metadata service of a machine answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataOptions {
    /// Whether requests without a session token (IMDSv1) are refused.
    pub tokens_required: bool,
    /// How many network hops an answer may travel. Recorded; on loopback there are none.
    pub hop_limit: u32,
    /// Whether the machine's tags can be read.
    pub tags_enabled: bool,
}

impl Default for MetadataOptions {
    fn default() -> Self {
        Self { tokens_required: true, hop_limit: 1, tags_enabled: false }
    }
}

/// How an instance is paid for, which is how it may be taken away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lifecycle {
    /// Kept until its owner ends it.
    #[default]
    OnDemand,
    /// May be reclaimed.
    Spot,
}

/// Temporary credentials of a role, as the metadata service hands them out.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The access key id.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: String,
    /// The session token.
    pub session_token: String,
    /// When they end.
    pub expiration: Timestamp,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// What will happen to a spot instance that is being reclaimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpotAction {
    /// It will be terminated.
    Terminate,
    /// It will be stopped.
    Stop,
    /// It will be hibernated.
    Hibernate,
}

/// The notice a spot instance finds in its metadata before it is reclaimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpotNotice {
    /// What will happen.
    pub action: SpotAction,
    /// When it will happen.
    pub time: Timestamp,
}
