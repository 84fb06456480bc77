//! What a user asks for. Each field is declared here once; every face takes schema, docs and defaults from it.

use std::collections::BTreeMap;

use crate::dns::DnsSpec;
use crate::duration::Seconds;
use crate::field::{Change, Field, Presence};
use crate::hook::HookSpec;
use crate::idle::IdleSpec;
use crate::market::MarketSpec;
use crate::network::NetworkSpec;
use crate::placement::Placement;
use crate::queue::{Jobs, OnFailure};
use crate::read::fields;
use crate::requirements::RequirementsSpec;
use crate::status::WaitFor;
use crate::stopping::OnEnd;
use crate::volume::VolumeSpec;

fields! {
    /// How long a fleet may live.
    pub struct LeaseSpec {
        /// How long the fleet may live, counted from the moment it is asked for, such as `"20m"`, `"6h"` or `"2d"`. At the
        /// deadline its instances are terminated (see `on_expiry`), whatever runs on them. From `60s` to `30d`. Changing it moves the deadline.
        ttl: Seconds => Default("\"1h\""), InPlace;
        /// Whether an instance ends earlier when nothing happens on it, and what counts as nothing. Its rank is then `expired`, with what
        /// was seen as the reason. Left out: idle or not, it lives until the deadline.
        idle: Option<IdleSpec> => Optional, InPlace;
        /// The most that one run of the fleet may cost, in US dollars: instances and disks, each at the highest price it could have. The
        /// lease ends when that much could be spent, if that is before the deadline. Refused where a price is unknown.
        budget: Option<f64> => Optional, InPlace;
        /// What becomes of an instance at the deadline: `terminate`, `stop` or `hibernate`. One that has stopped costs no more than its disks,
        /// and `spawn start`, or a lease that ends later, starts it again; its command then begins anew, or after hibernation goes on where it
        /// was. To hibernate, type and image have to be able to (Amazon Linux 2023 is; EC2's user guide has the list), and the root volume gets
        /// room for the memory; what is on instance stores is lost, and a public address is another one. Only for `spawn_instance`, on demand.
        on_expiry: OnEnd => Default("\"terminate\""), Replace;
        /// What becomes of an instance that is idle: `terminate`, `stop` or `hibernate`. One that has stopped is terminated at the latest when
        /// its lease says so, and can be started again until then. Only for `spawn_instance`, on demand.
        on_idle: OnEnd => Default("\"terminate\""), Replace;
        /// How long an instance that stopped at its deadline is kept before it is terminated, from `60s` to `90d`, and hibernated at most
        /// `60d` in all. Left out: `7d`.
        retain: Option<Seconds> => Optional, InPlace;
    }
}

fields! {
    /// A fleet: instances that are launched together, run one command, and end together.
    pub struct FleetSpec {
        /// The fleet's name, unique in the account and region: lower-case letters, digits and hyphens, at most 63
        /// characters, beginning with a letter.
        name: String => Required, Replace;
        /// How many instances, each with a rank from 0 to `size - 1`: 1 to 10000, and of a service 1 to 1000. A service grows and shrinks in
        /// place; the highest ranks go.
        size: u32 => Default("1"), Replace;
        /// How many instances drain the queue, 1 to 1000. Each runs one job at a time, and ends when there is nothing left to do.
        workers: Option<u32> => Optional, Replace;
        /// The fewest instances to be content with, when no pool has room for more. The commands start when it is clear how many there are,
        /// and `SPAWN_SIZE` is that number. Left out: all of `size`, or none.
        min_size: Option<u32> => Optional, Replace;
        /// The EC2 instance types to use, in order of preference. A type that has no capacity is passed over. Left out: see
        /// `requirements`.
        instance_types: Vec<String> => Optional, Replace;
        /// What an instance type must have to be used, instead of names. The cheapest is asked first. Which types those are is looked up
        /// once, when the fleet is launched: new ones and other prices change nothing.
        requirements: Option<RequirementsSpec> => Optional, Replace;
        /// How the instances are bought.
        market: MarketSpec => Default("{}"), Replace;
        /// Whether all instances must come at once and from one pool, or none: for commands whose ranks wait for each other, close
        /// together. At most 1000 instances.
        gang: bool => Default("false"), Replace;
        /// How the instances lie to each other: `cluster`, close together in one zone for the quickest network between them, which
        /// needs `gang`; or `spread`, each on hardware of its own, at most 7 in a zone. Left out: wherever there is room.
        placement: Option<Placement> => Optional, Replace;
        /// Where the instances are, and who reaches them.
        network: NetworkSpec => Default("{}"), Replace;
        /// Names in DNS for the fleet and its members. It takes rights of its own: see `spawn policy namer`. Left out: none.
        dns: Option<DnsSpec> => Optional, InPlace;
        /// The name of an EC2 key pair whose owner may log in. Left out: nobody can by SSH. Somebody has to be let in too: see
        /// `network.security_groups`.
        ssh_key: Option<String> => Optional, Replace;
        /// The disk that each instance boots from.
        root_volume: VolumeSpec => Default("{}"), Replace;
        /// Further disks of each instance, by device: `/dev/sdf` to `/dev/sdz`.
        volumes: BTreeMap<String, VolumeSpec> => Optional, Replace;
        /// The image to boot: an id such as `ami-0123456789abcdef0`, a Systems Manager parameter that holds one, such as
        /// `ssm:/golden/image`, or the newest of `al2023`, `ubuntu-24.04` or `ubuntu-22.04` for the types' architecture. It is looked
        /// up once, when the fleet is launched: a newer one changes nothing. Left out: `al2023`.
        ami: Option<String> => Optional, Replace;
        /// The program to run on every instance and its arguments, as a list: no shell reads it. Its files are in the
        /// directory it starts in. Left out: the instances only boot.
        command: Vec<String> => Optional, Replace;
        /// The jobs, by name: letters, digits, and between them `-`, `_` and `.`; 1 to 10000 of them. A job begins when those that it depends on
        /// have succeeded. Whatever happens to a worker, what has succeeded stays so, and what was running runs again.
        jobs: Jobs => Optional, Replace;
        /// What becomes of the other jobs when one has failed: `stop` begins no other one as soon as the workers know, within ten seconds, and brings those that have begun to their end;
        /// `continue` goes on with those that do not depend on it. Left out: `stop`.
        on_failure: Option<OnFailure> => Optional, Replace;
        /// Whether people who have the right to (see `spawn policy operator`) may open a terminal on the instances and run commands on them,
        /// with `spawn connect` and `spawn exec`. They come through Systems Manager, for which no port is open: whoever the account's policies
        /// let start sessions or send commands is root there, and may do what the fleet's `policies` allow. Left out: an instance lets them in,
        /// a job array does not.
        connect: Option<bool> => Optional, InPlace;
        /// What the command may do in AWS. Each entry is a right to something, such as `"s3:ReadOnly:arn:aws:s3:::data/*"` (`ReadOnly`,
        /// `WriteOnly` or `ReadWrite` of `dynamodb`, `ecr`, `kms`, `logs`, `s3`, `secretsmanager`, `sns`, `sqs`, `ssm`), the ARN of a managed
        /// policy, or a policy document; none may deny anything. The set-up says what fleets may get at most: see
        /// `spawn setup --workload-boundary`. The command then has the machine's credentials, and with them what its agent may do: read and
        /// write the fleet's own records and results. Left out: nothing, and the credentials are out of the command's reach.
        policies: Vec<String> => Optional, Replace;
        /// Files to put into the directory the command starts in: name to content, executable, 1 MiB in all.
        files: BTreeMap<String, String> => Optional, Replace;
        /// Environment variables of the command. Names beginning with `SPAWN_` are taken.
        env: BTreeMap<String, String> => Optional, Replace;
        /// A command that runs before an instance ends early, whether its own command still runs or not: in time before the deadline, when it
        /// is idle, and when EC2 takes a spot instance back, which leaves it at most 85 seconds. Then the fleet's command is asked to end,
        /// and results are kept. A lease that is extended after it has begun comes too late. It does not run when somebody ends the fleet or
        /// the instance, nor before an instance hibernates, which keeps what runs. Left out: nothing but the signal to end.
        pre_stop: Option<HookSpec> => Optional, Replace;
        /// A command that runs beside the fleet's own, while that runs, when EC2 says that a spot instance is likely to be taken back; what
        /// is in `$SPAWN_RESULTS` then is kept, and the fleet's command goes on. EC2 may say so long before its notice, with it, or never: without
        /// a `pre_stop`, it runs at the notice too. Left out: nothing.
        checkpoint: Option<HookSpec> => Optional, Replace;
        /// A command that runs beside the fleet's own on every rank that goes on, when EC2 takes back the machine of another one: what they
        /// compute together may have to be saved together. `$SPAWN_NOTICES` is a file that names the ranks that go, and when; what is in
        /// `$SPAWN_RESULTS` after it is kept. Ranks look for that every ten seconds, of the two minutes that EC2 gives. The rank that goes ends its command
        /// at once, but for a `pre_stop`, which may hold it until the others have saved what they need of it. Left out: nobody looks.
        peer_notice: Option<HookSpec> => Optional, Replace;
        /// How long the fleet may live.
        lease: LeaseSpec => Default("{}"), InPlace;
        /// What to wait for before the launch counts as done: `launched` (asked for and recorded), `running` (EC2 says so),
        /// `ready` (every command has started) or `completed` (every command has ended).
        wait_for: WaitFor => Default("\"launched\""), InPlace;
        /// Tags for everything that is made: at most 38, beside those of spawn. Keys beginning with `spawn:` or `aws:` are taken.
        tags: BTreeMap<String, String> => Optional, InPlace;
        /// Values that, when they change, have the fleet run again. What still runs of it is ended first, and the new run has a
        /// lease, records and results of its own; those of the former run stay. Whatever the command should run again for
        /// belongs here, such as `{ input = filesha256("data.csv") }`.
        triggers: BTreeMap<String, String> => Optional, Rerun;
        /// Whether ending the fleet for good also deletes its results and records. Otherwise they stay in the bucket.
        delete_results: bool => Default("false"), InPlace;
    }
}

impl FleetSpec {
    /// Whether people may come onto the instances of a fleet of this kind.
    #[must_use]
    pub fn lets_in(&self, kind: FleetKind) -> bool {
        self.connect.unwrap_or(kind == FleetKind::Instance)
    }

    /// The same fleet as its record holds it: files may be a megabyte, and are in the payload.
    #[must_use]
    pub fn without_files(&self) -> Self {
        Self { files: BTreeMap::new(), ..self.clone() }
    }
}

fields! {
    /// One instance of a fleet, and how its command went.
    pub struct Member {
        /// From 0 to `size - 1`.
        rank: u32 => Computed, InPlace;
        /// EC2's id of the instance.
        instance_id: String => Computed, InPlace;
        /// The address by which the fleet's members reach it.
        private_ip: String => Computed, InPlace;
        /// The public address that it has now, if it has one.
        public_ip: Option<String> => Computed, InPlace;
        /// Its name in DNS, if the fleet has `dns`.
        dns_name: Option<String> => Computed, InPlace;
        /// The availability zone.
        zone: String => Computed, InPlace;
        /// The instance type it became.
        instance_type: String => Computed, InPlace;
        /// How it is bought: `on_demand` or `spot`.
        market: String => Computed, InPlace;
        /// `launching`, `running`, `succeeded`, `failed`, `expired`, `interrupted` or `lost`.
        state: String => Computed, InPlace;
        /// The exit code of the command, once it has one.
        exit_code: Option<i64> => Computed, InPlace;
        /// When the command started (RFC 3339, UTC).
        started_at: Option<String> => Computed, InPlace;
        /// When the command ended (RFC 3339, UTC).
        ended_at: Option<String> => Computed, InPlace;
    }
}

fields! {
    /// What spawn reports about a fleet.
    pub struct FleetReport {
        /// The fleet's id, for its whole life.
        id: String => Computed, InPlace;
        /// The id of the execution that this describes.
        run_id: String => Computed, Rerun;
        /// The region the fleet lives in.
        region: String => Computed, InPlace;
        /// `launching`, `running`, `succeeded`, `failed`, `expired`, `interrupted` or `lost`.
        status: String => Computed, Rerun;
        /// Why the status is what it is, in a sentence.
        status_reason: String => Computed, Rerun;
        /// When the lease ends (RFC 3339, UTC).
        deadline: String => Computed, Rerun;
        /// Its name in DNS, if it has `dns`.
        dns_name: Option<String> => Computed, Rerun;
        /// The image that its instances booted.
        image_id: String => Computed, Rerun;
        /// Where the results are: an S3 URI with a directory for each rank, and of a queue for each job and attempt.
        results_uri: String => Computed, Rerun;
        /// On-demand price of one instance-hour in US dollars by the Pricing API when the fleet was launched; null if it is unknown.
        price_usd_per_hour: Option<f64> => Computed, InPlace;
        /// The instances by rank.
        members: Vec<Member> => Computed, Rerun;
    }
}

fields! {
    /// How long an operation on a fleet may take.
    pub struct Timeouts {
        /// How long creating, running again, or giving a service another size may wait for what `wait_for` says. Left out: as long as the
        /// lease. The fleet goes on when the wait ends early, and its `status` says how far it is.
        create: Option<Seconds> => Optional, InPlace;
        /// How long deleting may wait for the instances to be gone. Left out: `10m`.
        delete: Option<Seconds> => Optional, InPlace;
    }
}

/// Which fields of [`FleetSpec`] a kind of fleet has, and how it behaves when it is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FleetKind {
    /// One machine that stays until its lease ends: `spawn_instance`.
    Instance,
    /// Ranks that each run the command once, and are gone: `spawn_job_array`.
    JobArray,
    /// Ranks that run the command for as long as the lease lasts, and are replaced when they are lost: `spawn_service`.
    Service,
    /// Workers that drain jobs, and are gone when there are none left: `spawn_queue`.
    Queue,
}

impl FleetKind {
    /// As it is written and shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::JobArray => "job_array",
            Self::Service => "service",
            Self::Queue => "queue",
        }
    }

    /// The fields a user may write for this kind.
    pub fn fields(self) -> impl Iterator<Item = Field> {
        FleetSpec::FIELDS.iter().copied().filter_map(move |field| match (self, field.name) {
            (Self::Queue, "size" | "min_size" | "gang" | "placement" | "command" | "pre_stop" | "checkpoint" | "peer_notice")
            | (Self::Instance | Self::JobArray | Self::Service, "workers" | "jobs" | "on_failure")
            | (Self::Instance, "size" | "min_size" | "peer_notice")
            | (Self::Service, "min_size" | "gang" | "placement") => None,
            (Self::Queue, "workers") => Some(Field { presence: Presence::Default("1"), ..field }),
            (Self::Queue, "jobs") => Some(Field { presence: Presence::Required, ..field }),
            (Self::Queue, "on_failure") => Some(Field { presence: Presence::Default("\"stop\""), ..field }),
            (Self::Service, "size") => Some(Field { presence: Presence::Required, change: Change::InPlace, ..field }),
            (Self::JobArray, "size" | "command") | (Self::Service, "command") => Some(Field { presence: Presence::Required, ..field }),
            _ => Some(field),
        })
    }

    /// Whether the machine ends when its work is done.
    #[must_use]
    pub fn ends_with_command(self) -> bool {
        matches!(self, Self::JobArray | Self::Queue)
    }
}
