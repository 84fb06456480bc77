//! What the engine needs of the outside, as traits: coarse, few, and named for what they are for.
//!
//! `engine/aws` implements them on the AWS SDKs, tests on simulations. One call of a method is one call of AWS unless its
//! documentation says otherwise; no implementation retries what changes something.

mod networks;
mod notices;
mod quotas;
mod scaling;
mod shells;
mod trials;
mod zones;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use spawn_model::error::Error;
use spawn_model::ids::InstanceId;
use spawn_model::image::Distribution;
use spawn_model::placement::Placement;
use spawn_model::record::Launched;
use spawn_model::requirements::Architecture;
use spawn_model::status::Seen;
use spawn_model::stopping::Ends;
use spawn_model::volume::{VolumeSpec, VolumeType};

pub use networks::{Endpoint, Networks, RouteTable, SecurityGroup, Subnet, TaggedGroup, WaysOut};
pub use notices::{Note, Subscription, Topics, Webhook, Webhooks};
pub use quotas::Quotas;
pub use scaling::{Group, GroupRequest, Launches, Refusal, Scaling, Template, ZONE_REBALANCE};
pub use shells::{COMMAND_INSTANCES_MAX, CommandResult, FromTerminal, Invocation, Kept, ShellCommand, Shells, Terminal};
pub use trials::Trials;
pub use zones::{Zone, Zones};

/// What a port answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Tags, key to value.
pub type Tags = BTreeMap<String, String>;

/// Everything of AWS that the engine uses, in one region of one account.
#[derive(Clone)]
pub struct Aws {
    /// The region.
    pub region: String,
    /// EC2.
    pub instances: Arc<dyn Instances>,
    /// EC2, where it is only asked whether something would be done.
    pub trials: Arc<dyn Trials>,
    /// Auto Scaling.
    pub scaling: Arc<dyn Scaling>,
    /// EC2's networks, as they are.
    pub networks: Arc<dyn Networks>,
    /// S3.
    pub objects: Arc<dyn Objects>,
    /// IAM and STS.
    pub identity: Arc<dyn Identity>,
    /// EventBridge Scheduler.
    pub schedules: Arc<dyn Schedules>,
    /// Lambda.
    pub functions: Arc<dyn Functions>,
    /// Systems Manager: parameters and documents.
    pub systems: Arc<dyn Systems>,
    /// Run Command and Session Manager.
    pub shells: Arc<dyn Shells>,
    /// CloudWatch Logs.
    pub logs: Arc<dyn Logs>,
    /// The Pricing API.
    pub prices: Arc<dyn Prices>,
    /// SNS.
    pub topics: Arc<dyn Topics>,
    /// Addresses of other people's programs.
    pub webhooks: Arc<dyn Webhooks>,
    /// Service Quotas.
    pub quotas: Arc<dyn Quotas>,
    /// Route 53.
    pub zones: Arc<dyn Zones>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The time, and waiting for it.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
    /// Waits.
    async fn sleep(&self, millis: u64);
}

/// One `RunInstances` call: as many as the pool gives, between the two counts.
#[derive(Clone, Debug, PartialEq)]
pub struct LaunchRequest {
    /// Makes a repeated call return the first one's instances.
    pub client_token: String,
    /// The fewest to accept.
    pub min_count: u32,
    /// The most to launch: at most 1,000.
    pub max_count: u32,
    /// The instance type.
    pub instance_type: String,
    /// The image.
    pub image_id: String,
    /// The root volume, and then the others.
    pub disks: Vec<Disk>,
    /// The subnet, and with it the zone.
    pub subnet_id: String,
    /// Whether instances get public addresses; nothing means as the subnet says.
    pub public_address: Option<bool>,
    /// Security groups.
    pub group_ids: Vec<String>,
    /// The placement group's name.
    pub placement_group: Option<String>,
    /// The key pair whose owner may log in.
    pub key_name: Option<String>,
    /// The instance profile's name. Every launch has one; one that is only tried may have none yet.
    pub profile: Option<String>,
    /// User data, not yet base64-encoded: at most 16 KiB.
    pub user_data: Vec<u8>,
    /// Whether powering off stops an instance or ends it, and whether it has to be able to hibernate.
    pub ends: Ends,
    /// One-time spot instances, on these terms; nothing means on demand.
    pub spot: Option<SpotTerms>,
    /// Tags of instances and volumes.
    pub tags: Tags,
}

/// A disk of an instance. It ends with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Disk {
    /// The device, such as `/dev/xvda`.
    pub device: String,
    /// What it is.
    pub volume: VolumeSpec,
}

/// What a spot request says beside what every launch says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpotTerms {
    /// The most to pay for an hour, in US dollars; nothing means the on-demand price.
    pub max_usd_per_hour: Option<f64>,
}

/// What an hour of a spot instance costs now.
#[derive(Clone, Debug, PartialEq)]
pub struct SpotPrice {
    /// The instance type.
    pub instance_type: String,
    /// The availability zone.
    pub zone: String,
    /// US dollars.
    pub usd_per_hour: f64,
    /// Since when.
    pub since: Timestamp,
}

/// An instance as EC2 describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// What the launch returned of it.
    pub launched: Launched,
    /// Its state.
    pub seen: Seen,
    /// Whether nobody has begun to terminate it: pending, running, stopping or stopped.
    pub alive: bool,
    /// Whether it is terminated: no longer even shutting down.
    pub gone: bool,
    /// When it was launched, or started again after a stop.
    pub launched_at: Timestamp,
    /// Its public address, if it has one now.
    pub public_ip: Option<String>,
    /// Its security groups.
    pub group_ids: Vec<String>,
    /// The volumes that are attached to it; while it is pending, some of them.
    pub volumes: Vec<Attached>,
    /// Its tags.
    pub tags: Tags,
}

/// A volume that is attached to an instance.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attached {
    /// The device, such as `/dev/xvda`.
    pub device: String,
    /// `vol-…`.
    pub volume_id: String,
    /// Whether it is deleted when the instance terminates.
    pub ends_with_it: bool,
}

/// A volume as EC2 describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Volume {
    /// `vol-…`.
    pub id: String,
    /// How many GiB it has.
    pub size_gib: u32,
    /// What kind of disk it is, such as `gp3`.
    pub kind: String,
    /// Operations a second, if EC2 tells them.
    pub iops: Option<u32>,
    /// MiB a second, if EC2 tells them.
    pub throughput_mib_s: Option<u32>,
}

/// What EC2 says of an instance type.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceType {
    /// Its name.
    pub name: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// vCPUs.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// GPUs.
    pub gpus: u32,
    /// Whether its instances can be bought as spot.
    pub spot: bool,
    /// Whether its instances can be in a cluster placement group.
    pub clusters: bool,
    /// Whether its instances can hibernate.
    pub hibernates: bool,
}

/// An image to boot.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// `ami-…`.
    pub id: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// Its root device name.
    pub root_device: String,
    /// How many GiB its root volume has unless told otherwise.
    pub root_gib: Option<u32>,
}

/// Which image.
#[derive(Clone, Debug, PartialEq)]
pub enum ImageQuery {
    /// This one.
    Id(String),
    /// The newest of a distribution for an architecture.
    Newest {
        /// Which distribution.
        distribution: Distribution,
        /// `x86_64` or `arm64`.
        architecture: String,
    },
}

/// EC2.
#[async_trait]
pub trait Instances: Send + Sync {
    /// `RunInstances`.
    async fn launch(&self, request: &LaunchRequest) -> Result<Vec<Launched>>;
    /// `DescribeInstances` by tag, in any state that EC2 still shows; one call a page of 1,000. `*` in a value stands for any text.
    async fn describe(&self, tags: &Tags) -> Result<Vec<Instance>>;
    /// `DescribeInstances`: what counts against the account's quotas of vCPUs now. It is pending or running, on no host that is the account's alone and
    /// from no block of capacity; one call a page of 1,000.
    async fn running(&self) -> Result<Vec<Instance>>;
    /// `TerminateInstances`, at most 1,000 in a call. Unknown ids are as good as terminated.
    async fn terminate(&self, ids: &[InstanceId]) -> Result<()>;
    /// `StopInstances`, of at most 1,000. One that has stopped is as good. If it is to hibernate, what is in its memory is kept.
    async fn stop(&self, ids: &[InstanceId], hibernate: bool) -> Result<()>;
    /// `StartInstances`, of at most 1,000. One that runs is as good; one that is still stopping is refused.
    async fn start(&self, ids: &[InstanceId]) -> Result<()>;
    /// `DescribeInstanceTypes`. A type that does not exist is [`spawn_model::error::Class::Invalid`] and named in the message.
    async fn types(&self, names: &[String]) -> Result<Vec<InstanceType>>;
    /// `DescribeInstanceTypes`: those of an architecture that are of the current generations, neither bare metal nor burstable; one
    /// call a page of 100.
    async fn types_of(&self, architecture: Architecture) -> Result<Vec<InstanceType>>;
    /// `DescribeImages`.
    async fn image(&self, query: &ImageQuery) -> Result<Image>;
    /// `DescribeKeyPairs`: whether there is one of this name.
    async fn key_pair_exists(&self, name: &str) -> Result<bool>;
    /// `CreatePlacementGroup`. It exists counts as done.
    async fn placement_group_ensure(&self, name: &str, placement: Placement, tags: &Tags) -> Result<()>;
    /// `DeletePlacementGroup`. [`spawn_model::error::Class::Conflict`] while an instance is in it; gone is gone.
    async fn placement_group_delete(&self, name: &str) -> Result<()>;
    /// `CreateSecurityGroup`; the id of the one that is there if it exists and has these tags (one more call).
    async fn group_create(&self, name: &str, vpc_id: &str, description: &str, tags: &Tags) -> Result<String>;
    /// `AuthorizeSecurityGroupIngress`: everything from members of the group itself. Done already is done.
    async fn group_admit_itself(&self, group_id: &str) -> Result<()>;
    /// `DescribeSecurityGroups` by tag: ids.
    async fn groups(&self, tags: &Tags) -> Result<Vec<String>>;
    /// `DeleteSecurityGroup`. [`spawn_model::error::Class::Conflict`] while an instance uses it; gone is gone.
    async fn group_delete(&self, group_id: &str) -> Result<()>;
    /// `CreateTags`.
    async fn tag(&self, ids: &[String], tags: &Tags) -> Result<()>;
    /// `DeleteTags`.
    async fn untag(&self, ids: &[String], keys: &[String]) -> Result<()>;
    /// `DescribeVolumes` by tag: those that still exist; one call a page of 1,000. `*` in a value stands for any text.
    async fn volumes(&self, tags: &Tags) -> Result<Vec<Volume>>;
    /// `DescribeRegions`: the names of those that the account has enabled.
    async fn regions(&self) -> Result<Vec<String>>;
    /// `DescribeSpotPriceHistory`: what Linux instances of these types cost now, in each zone that sells them; one call a page.
    async fn spot_prices(&self, types: &[String], now: Timestamp) -> Result<Vec<SpotPrice>>;
}

/// On which condition an object is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Condition {
    /// In any case.
    Always,
    /// Only if there is none (`If-None-Match: *`).
    Absent,
    /// Only if it is still this one (`If-Match`).
    Unchanged(String),
}

/// How a conditional write went.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Written {
    /// Done; the new ETag.
    Done(String),
    /// The condition did not hold (412), or another write was under way (409).
    Refused,
}

/// S3, in the set-up's bucket, whose owner every call names.
#[async_trait]
pub trait Objects: Send + Sync {
    /// `PutObject`.
    async fn put(&self, bucket: &str, key: &str, body: Vec<u8>, condition: Condition) -> Result<Written>;
    /// `GetObject`: body and ETag, or nothing if there is none.
    async fn get(&self, bucket: &str, key: &str) -> Result<Option<(Vec<u8>, String)>>;
    /// `HeadObject`.
    async fn exists(&self, bucket: &str, key: &str) -> Result<bool>;
    /// `ListObjectsV2`: the keys under a prefix, in order; one call a page of 1,000.
    async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<String>>;
    /// `DeleteObject` for one, `DeleteObjects` for up to 1,000 a call. Gone is gone.
    async fn delete(&self, bucket: &str, keys: &[String]) -> Result<()>;
    /// `DeleteObject`, only if it is still this one (`If-Match`). Says whether it is gone; it was before is as good.
    async fn delete_unchanged(&self, bucket: &str, key: &str, etag: &str) -> Result<bool>;
    /// Makes the bucket, private, encrypted and TLS-only; it exists and is ours counts as done. Several calls.
    async fn bucket_ensure(&self, bucket: &str, policy: &str) -> Result<()>;
    /// Empties and deletes the bucket. Several calls; gone is gone.
    async fn bucket_delete(&self, bucket: &str) -> Result<()>;
}

/// Who is asking.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Caller {
    /// The account id.
    pub account: String,
    /// The ARN, session name included.
    pub arn: String,
}

/// A role and what it may do.
#[derive(Clone, Debug, PartialEq)]
pub struct RoleRequest {
    /// Its name.
    pub name: String,
    /// The service that may assume it, such as `ec2.amazonaws.com`.
    pub service: String,
    /// Its inline policy, JSON.
    pub policy: String,
    /// The ARNs of managed policies that it has too.
    pub managed: Vec<String>,
    /// The ARN of its permissions boundary, if it has one.
    pub boundary: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// A role as IAM has it, but for what its policies say.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Role {
    /// The service that alone may assume it; nothing if its trust policy says anything else than ours do.
    pub service: Option<String>,
    /// The ARN of its permissions boundary, if it has one.
    pub boundary: Option<String>,
    /// The ARNs of its managed policies.
    pub managed: Vec<String>,
    /// The names of the inline policies that it has beside the one that [`RoleRequest::policy`] is.
    pub others: Vec<String>,
}

/// IAM and STS.
#[async_trait]
pub trait Identity: Send + Sync {
    /// `GetCallerIdentity`.
    async fn caller(&self) -> Result<Caller>;
    /// Makes a role under the path `/spawn/`: `CreateRole`, `PutRolePolicy`, and `AttachRolePolicy` for each managed policy; it exists counts as
    /// done, and the policies are put again. The ARN.
    async fn role_ensure(&self, role: &RoleRequest) -> Result<String>;
    /// `GetRolePolicy`: what the inline policy of a role says (JSON), as [`Identity::role_ensure`] puts it; nothing if there is no such role
    /// or no policy in it.
    async fn role_policy(&self, name: &str) -> Result<Option<String>>;
    /// `GetRole`, `ListAttachedRolePolicies` and `ListRolePolicies`, at once: a role, or nothing if there is none.
    async fn role(&self, name: &str) -> Result<Option<Role>>;
    /// `PutRolePolicy`: what a role that is there may do from now on. `NoSuchEntity` if it is not.
    async fn role_policy_put(&self, name: &str, policy: &str) -> Result<()>;
    /// Makes an instance profile with the role of the same name: `CreateInstanceProfile`, `AddRoleToInstanceProfile`.
    async fn profile_ensure(&self, name: &str, tags: &Tags) -> Result<()>;
    /// Deletes a role, its policies and its profile. Gone is gone.
    async fn role_delete(&self, name: &str) -> Result<()>;
    /// The names of roles under `/spawn/` that begin with a prefix.
    async fn roles(&self, name_prefix: &str) -> Result<Vec<String>>;
    /// `CreateServiceLinkedRole`: the role that a service of AWS acts with in this account. It exists counts as done.
    async fn service_role_ensure(&self, service: &str) -> Result<()>;
    /// `GetPolicy` and `GetPolicyVersion`: what a managed policy says (JSON), or nothing if there is none.
    async fn policy_document(&self, arn: &str) -> Result<Option<String>>;
    /// Makes a managed policy under `/spawn/`; the ARN. It exists: `GetPolicy` and `GetPolicyVersion`; if it says something else,
    /// `CreatePolicyVersion`, after every version that does not count any more is deleted.
    async fn policy_ensure(&self, account: &str, name: &str, document: &str) -> Result<String>;
    /// Deletes a managed policy. Gone is gone.
    async fn policy_delete(&self, arn: &str) -> Result<()>;
}

/// A schedule: what is done, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// Its group's name.
    pub group: String,
    /// When.
    pub times: Times,
    /// Whether it does anything when its moment comes.
    pub is_enabled: bool,
    /// The role it assumes.
    pub role_arn: String,
    /// What it does.
    pub target: Target,
}

/// When a schedule does what it does.
#[derive(Clone, Debug, PartialEq)]
pub enum Times {
    /// Again and again.
    Every {
        /// Minutes between invocations.
        minutes: u32,
        /// From when until when; nothing means from now on, for ever.
        span: Option<Span>,
    },
    /// By the calendar.
    By(Calendar),
}

/// An expression of EventBridge Scheduler, and its bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    /// `cron(…)`, `rate(…)` or `at(…)`.
    pub expression: String,
    /// The time zone in which it is read.
    pub zone: String,
    /// The first moment at which it may come.
    pub start: Option<Timestamp>,
    /// The last one.
    pub end: Option<Timestamp>,
    /// How late an invocation may be, in seconds: 60 to 86,400. Until then it is tried again.
    pub late_s: u32,
}

/// From the first invocation until there are no more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span {
    /// The first invocation.
    pub start: Timestamp,
    /// After it, none; the schedule deletes itself.
    pub end: Timestamp,
}

/// A schedule as a list of them shows it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Scheduled {
    /// Its name.
    pub name: String,
    /// Whether it does anything when its moment comes: somebody may have disabled it.
    pub is_enabled: bool,
}

/// What a schedule does.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// Starts an automation.
    Automation {
        /// The document.
        document: String,
        /// Its parameters.
        parameters: BTreeMap<String, Vec<String>>,
    },
    /// Invokes a function.
    Function {
        /// The function.
        arn: String,
        /// What it is sent, in which Scheduler fills in its own words; nothing means Scheduler's own event.
        input: Option<String>,
    },
}

/// EventBridge Scheduler.
#[async_trait]
pub trait Schedules: Send + Sync {
    /// `CreateSchedule`; it exists: `UpdateSchedule`.
    async fn put(&self, schedule: &Schedule) -> Result<()>;
    /// `DeleteSchedule`. Gone is gone.
    async fn delete(&self, group: &str, name: &str) -> Result<()>;
    /// `GetSchedule`: as it is now, by the calendar whatever was put, or nothing. Nothing too if it does what none of ours does.
    async fn find(&self, group: &str, name: &str) -> Result<Option<Schedule>>;
    /// `ListSchedules`: those in a group whose names begin with a prefix; one call a page of 100.
    async fn list(&self, group: &str, name_prefix: &str) -> Result<Vec<Scheduled>>;
    /// `CreateScheduleGroup`. It exists counts as done.
    async fn group_ensure(&self, group: &str) -> Result<()>;
    /// `DeleteScheduleGroup`. Gone is gone.
    async fn group_delete(&self, group: &str) -> Result<()>;
}

/// A function and what it runs on.
#[derive(Clone, PartialEq)]
pub struct FunctionRequest {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The role it has.
    pub role_arn: String,
    /// Its code: a zip with a `bootstrap` that speaks the runtime API.
    pub package: Vec<u8>,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// Memory.
    pub memory_mib: u32,
    /// How long an invocation may take.
    pub timeout_s: u32,
    /// Its tags.
    pub tags: Tags,
}

/// Lambda.
#[async_trait]
pub trait Functions: Send + Sync {
    /// `GetFunctionConfiguration`: its ARN, or nothing.
    async fn find(&self, name: &str) -> Result<Option<String>>;
    /// `GetFunctionConfiguration`, and `CreateFunction`, or `UpdateFunctionCode` and `UpdateFunctionConfiguration` of what is otherwise.
    /// `FunctionBusy`, which passes, while a former change has not come into effect. The ARN.
    async fn ensure(&self, function: &FunctionRequest) -> Result<String>;
    /// `DeleteFunction`. Gone is gone.
    async fn delete(&self, name: &str) -> Result<()>;
}

/// Systems Manager.
#[async_trait]
pub trait Systems: Send + Sync {
    /// `GetParameter`: the value, or nothing.
    async fn parameter(&self, name: &str) -> Result<Option<String>>;
    /// `PutParameter`, overwriting.
    async fn parameter_put(&self, name: &str, value: &str) -> Result<()>;
    /// `DeleteParameter`. Gone is gone.
    async fn parameter_delete(&self, name: &str) -> Result<()>;
    /// `PutParameter` (`SecureString`, with the account's key for Systems Manager), overwriting: the version that it is now.
    async fn secret_put(&self, name: &str, value: &str) -> Result<i64>;
    /// `GetParameter`, decrypted: the value, or nothing.
    async fn secret(&self, name: &str) -> Result<Option<String>>;
    /// `DescribeParameters`: the versions of the parameters whose names begin with a prefix, by name; nobody is told what they hold.
    async fn versions(&self, prefix: &str) -> Result<BTreeMap<String, i64>>;
    /// `CreateDocument` (Automation, JSON). It exists counts as done: a document's name carries its version.
    async fn document_ensure(&self, name: &str, content: &str) -> Result<()>;
    /// `DeleteDocument`. Gone is gone.
    async fn document_delete(&self, name: &str) -> Result<()>;
}

/// A line of output.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogEvent {
    /// When it was written.
    pub at: Timestamp,
    /// The stream it is in.
    pub stream: String,
    /// Tells events apart.
    pub id: String,
    /// The line.
    pub message: String,
}

/// Lines of output, as many as one answer holds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LogPage {
    /// The lines, in the order of time.
    pub events: Vec<LogEvent>,
    /// What asks for those that follow; nothing if there are none yet.
    pub next: Option<String>,
}

/// CloudWatch Logs.
#[async_trait]
pub trait Logs: Send + Sync {
    /// `FilterLogEvents`: the events of all streams with a prefix, from a time on, in order; one page, which follows on the one that told of `next`.
    async fn page(&self, group: &str, stream_prefix: &str, from: Timestamp, next: Option<&str>) -> Result<LogPage>;
    /// The same, all pages.
    async fn read(&self, group: &str, stream_prefix: &str, from: Timestamp) -> Result<Vec<LogEvent>> {
        let mut all = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let page = self.page(group, stream_prefix, from, next.as_deref()).await?;
            all.extend(page.events);
            next = page.next;
            if next.is_none() {
                // Stable, so that what was written in the same millisecond stays in the order in which it was told.
                all.sort_by_key(|event| event.at);
                return Ok(all);
            }
        }
    }
    /// Makes a log group that keeps events so many days: `CreateLogGroup`, `PutRetentionPolicy`. It exists counts as done.
    async fn group_ensure(&self, group: &str, days: u32) -> Result<()>;
    /// `DeleteLogGroup`. Gone is gone.
    async fn group_delete(&self, group: &str) -> Result<()>;
}

/// The Pricing API.
#[async_trait]
pub trait Prices: Send + Sync {
    /// `GetProducts`: the on-demand price of a Linux instance-hour in US dollars; nothing if it is not known.
    async fn on_demand_usd_per_hour(&self, region: &str, instance_type: &str) -> Result<Option<f64>>;
    /// `GetProducts`: the price of storing a GiB on a kind of volume for a month in US dollars; nothing if it is not known.
    async fn volume_usd_per_gib_month(&self, region: &str, kind: VolumeType) -> Result<Option<f64>>;
}
