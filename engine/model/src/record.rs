//! What is written to the bucket, as JSON: the ledger's records. [`crate::layout`] says where.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::dns::DnsName;
use crate::hook::HookSpec;
use crate::idle::{IdleSpec, Idleness};
use crate::ids::{FleetId, InstanceId, RunId};
use crate::market::MarketType;
use crate::queue::{Jobs, OnFailure, Resumed};
use crate::spec::{FleetKind, FleetSpec};
use crate::stopping::Ends;

/// The version of every record and of user data. A reader of another version refuses; it never guesses.
pub const SCHEMA: u32 = 1;

/// Proof that a process lives: enough for another process on the same host to see at once that it does not.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// When it last beat.
    pub at: Timestamp,
    /// `/proc/sys/kernel/random/boot_id` of its host.
    pub boot_id: String,
    /// Its process id there.
    pub pid: u32,
    /// Its start time in clock ticks since boot (`/proc/<pid>/stat`, field 22): a reused pid has another.
    pub start_ticks: u64,
}

/// Who keeps a fleet once it is launched, and so who sees to what it leaves when its lease is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keeper {
    /// Nobody yet: it is being launched, or its launcher died over it. An equal launch may adopt it.
    Launcher,
    /// A person who knows its name, until its lease is over.
    Person,
    /// A face with a state of its own, such as Terraform's: it is there until that ends it, whatever became of its lease.
    State,
}

/// Who holds a name. The object's existence is the claim; it is made with `If-None-Match: *` and changed with `If-Match`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct NameClaim {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The fleet that has the name.
    pub fleet: FleetId,
    /// The run that its creator began.
    pub run: RunId,
    /// Account and role or user that made it, without a session name.
    pub caller: String,
    /// [`crate::spec::FleetSpec`]'s hash: an equal one may be adopted.
    pub spec_hash: String,
    /// Who keeps the fleet.
    pub kept_by: Keeper,
    /// The creator's sign of life.
    pub heartbeat: Heartbeat,
}

impl NameClaim {
    /// Whether somebody keeps the fleet, so that nobody may adopt it.
    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        self.kept_by != Keeper::Launcher
    }
}

/// A fleet for its whole life. Written before anything is made: it is the intent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FleetRecord {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The fleet.
    pub fleet: FleetId,
    /// Its current run.
    pub run: RunId,
    /// What kind of fleet.
    pub kind: FleetKind,
    /// What was asked for, without the files, which are in the payload.
    pub spec: FleetSpec,
    /// The region it lives in.
    pub region: String,
    /// The account it lives in.
    pub account: String,
    /// Who made it.
    pub caller: String,
    /// When it was asked for: the lease counts from here.
    pub asked_at: Timestamp,
    /// When its instance was started again, if it was: the lease counts from here then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// On-demand price of one instance-hour in US dollars, if the Pricing API told one.
    pub price_usd_per_hour: Option<f64>,
    /// The most that an hour of the whole fleet can cost, in US dollars, where a budget goes by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_usd_per_hour: Option<f64>,
    /// The instance types it is launched from, in the order in which they are asked.
    pub instance_types: Vec<String>,
    /// What every instance of the run boots, whatever its reference has come to mean since.
    pub image: BootImage,
    /// What its role was given beside managed policies, as SHA-256 in hexadecimal: whoever made it may have been an older version, which gives
    /// other rights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rights_sha256: Option<String>,
    /// Where it is to have its name in DNS, if its spec says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsName>,
    /// That a schedule starts its runs, and which of them this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled: Option<Scheduled>,
    /// That its run, which is a queue's, goes on with what the one before has done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Resumed>,
    /// Whether its end has begun: nobody may run it again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,
    /// The run that is being started in place of this one. Until it is launched, this one is the fleet's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Rerun>,
}

impl FleetRecord {
    /// When its lease began.
    #[must_use]
    pub fn leased_from(&self) -> Timestamp {
        self.started_at.unwrap_or(self.asked_at)
    }

    /// The moment of a schedule that the run was started for, if it was.
    #[must_use]
    pub fn started_for(&self) -> Option<Timestamp> {
        self.scheduled.filter(|scheduled| !scheduled.by_hand)?.occurrence
    }

    /// Where it is to have names in DNS.
    #[must_use]
    pub fn dns_name(&self) -> Option<&DnsName> {
        self.dns.as_ref().filter(|_| self.spec.dns.is_some())
    }

    /// Whether nothing has run yet: a schedule has been made, and its first start is still to come.
    #[must_use]
    pub fn has_not_run(&self) -> bool {
        self.scheduled.is_some_and(|scheduled| scheduled.occurrence.is_none())
    }
}

/// Of a fleet whose runs a schedule starts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Scheduled {
    /// The moment of the schedule that the run was started for; nothing before the first one.
    pub occurrence: Option<Timestamp>,
    /// Whether somebody has run it again since by hand: then it is none of the schedule's starts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_hand: bool,
}

/// The intent to run a fleet again. Written with `If-Match` over the record it is part of, so that at most one launcher has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rerun {
    /// The fleet's record as it will be.
    pub record: Box<FleetRecord>,
    /// Its launcher's sign of life; nothing if the fleet's end has begun and nobody may go on with it.
    pub heartbeat: Option<Heartbeat>,
    /// Whether its launcher takes it back: part of it is gone, and nobody may go on with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
}

/// An image as a launch names it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct BootImage {
    /// `ami-…`.
    pub id: String,
    /// Its root device's name, such as `/dev/xvda`.
    pub root_device: String,
    /// How many GiB its root volume gets if the fleet does not say so: as many as the image has, and where machines hibernate room for their memory.
    /// Nothing means as many as the image has, which nobody recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_gib: Option<u32>,
}

/// The lease: the truth about when a run ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// [`SCHEMA`].
    pub schema: u32,
    /// When the run's instances end.
    pub deadline: Timestamp,
    /// Counts changes, so that a half-made change is seen.
    pub generation: u32,
    /// When instances that stopped at the deadline end for good; nothing if there is nothing after the deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// When an instance is idle, and ends earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<IdleSpec>,
}

impl Lease {
    /// When nothing of the run may be there any more.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.ends_at.map_or(self.deadline, |ends_at| ends_at.max(self.deadline))
    }
}

/// That an instance has stopped, and why. It is overwritten when it stops again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The instance.
    pub instance_id: InstanceId,
    /// When.
    pub at: Timestamp,
    /// That it was idle, if that was why; else its lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Idleness>,
    /// What kept its agent from working, if that was why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What kept the machine from hibernating, which is what should have become of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_hibernated: Option<String>,
}

/// What a rank runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Payload {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The program and its arguments; empty if the instance only boots.
    pub command: Vec<String>,
    /// Files beside the command: name to text.
    pub files: BTreeMap<String, String>,
    /// The user's environment.
    pub env: BTreeMap<String, String>,
    /// Ranks in the fleet.
    pub size: u32,
    /// Whether fewer may do: then [`Settled`] says how many there are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fewer_may_do: bool,
    /// Whether the command may use the machine's credentials: it was given rights of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub uses_aws: bool,
    /// What runs before the machine ends early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_stop: Option<HookSpec>,
    /// What runs when EC2 is likely to take the machine back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<HookSpec>,
    /// What runs when EC2 takes the machine of another rank back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_notice: Option<HookSpec>,
    /// What the workers of a queue drain.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub jobs: Jobs,
    /// What becomes of the other jobs when one has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    /// Whether jobs have been done by earlier runs: [`crate::layout::RunKeys::jobs_kept`] says which.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumed: bool,
    /// The fleet's name.
    pub name: String,
}

/// That EC2 takes the machine of a rank back, written by its agent as soon as it knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The rank.
    pub rank: u32,
    /// The machine.
    pub instance_id: InstanceId,
    /// When it is gone.
    pub gone_at: Timestamp,
}

/// How many ranks a run has in the end, of which fewer may do than were asked for. Written when the launch is over; nothing is launched after
/// it, and no command is started before.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Ranks from 0 on.
    pub size: u32,
}

/// Instances that one `RunInstances` call returned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The rank of launch index 0.
    pub base: u32,
    /// How many were asked for: a pool that gave fewer has no more.
    pub asked: u32,
    /// What came back, by launch index.
    pub instances: Vec<Launched>,
    /// When: whoever asked EC2 long before cannot have been told of them.
    pub recorded_at: Timestamp,
}

/// Where a launcher is about to ask, written before it leaves the pool it asked last: a successor goes on from there, and never
/// asks an earlier pool again that might by now give what a later one has given already.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The rank of the next launch's index 0.
    pub base: u32,
    /// Whose turn it is: the pool's place in the plan, or that and the number of pools for its second turn.
    pub turn: usize,
    /// The places of pools that were passed over, and get a second turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<usize>,
}

/// That a fleet was ended for good, by destroy or `spawn down`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// [`SCHEMA`].
    pub schema: u32,
    /// When.
    pub at: Timestamp,
}

/// An instance as the launch returned it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Launched {
    /// The instance.
    pub instance_id: InstanceId,
    /// Its place in the launch, from 0.
    pub launch_index: u32,
    /// Its address within the network.
    pub private_ip: String,
    /// The availability zone.
    pub zone: String,
    /// The instance type.
    pub instance_type: String,
    /// How it is bought.
    pub market: MarketType,
}

/// A rank's holder. Made with `If-None-Match: *`, so that no rank has two. In a service it is written again and again, with `If-Match`, as a
/// sign of life, and may be taken over when there is none any more.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct RankClaim {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The holder.
    pub instance_id: InstanceId,
    /// Its address within the network.
    pub private_ip: String,
    /// When the command started; claimed just before.
    pub started_at: Timestamp,
    /// What the holder says of itself, in a service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
}

/// What a member of a service says with each sign of life.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Whether it has given its rank back, for anybody to take.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub released: bool,
    /// How often its command has ended and was started again.
    pub restarts: u32,
    /// How the command ended last, if it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<Exit>,
}

/// How a command ended.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Exit {
    /// By itself.
    Code {
        /// The exit code.
        code: i32,
    },
    /// By a signal.
    Signal {
        /// The signal's number.
        signal: i32,
    },
    /// It could not be started.
    NotStarted {
        /// Why.
        reason: String,
    },
    /// The lease ended while it ran.
    LeaseEnded,
    /// EC2 took the machine back while it ran.
    Interrupted,
    /// The machine was idle while it ran; [`Completion::idle`] has the rest.
    Idle,
}

/// The durable record of a rank: it outlives the instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The rank.
    pub rank: u32,
    /// The instance that ran it.
    pub instance_id: InstanceId,
    /// How it ended.
    pub exit: Exit,
    /// When the command started; nothing if it never did.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The results that were uploaded: path below `$SPAWN_RESULTS`, and bytes.
    pub results: Vec<ResultFile>,
    /// What could not be kept or looked at, in a sentence each: a result that failed to upload, output that was cut.
    pub notes: Vec<String>,
    /// That the machine ended for being idle, perhaps long after its command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Idleness>,
}

/// A file that a rank left in `$SPAWN_RESULTS`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct ResultFile {
    /// Its path below the directory.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// What user data gives the agent: where to find everything else, and the floor deadline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentConfig {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The account that owns bucket and fleet; every S3 call names it.
    pub account: String,
    /// The region.
    pub region: String,
    /// The set-up's bucket.
    pub bucket: String,
    /// The fleet.
    pub fleet: FleetId,
    /// The run.
    pub run: RunId,
    /// The kind of fleet: whether the machine ends with its command.
    pub kind: FleetKind,
    /// The rank of launch index 0.
    pub rank_base: u32,
    /// When the machine ends, if the lease object cannot be read.
    pub deadline: Timestamp,
    /// What becomes of it at its ends. One that stops may be started again, and user data does not run another time.
    #[serde(default, skip_serializing_if = "Ends::is_final")]
    pub ends: Ends,
    /// The log group output streams to.
    pub log_group: String,
}
