//! A fleet as it is now: what was recorded, and what AWS says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{join, try_join};
use jiff::Timestamp;
use spawn_model::error::Error;
use spawn_model::idle::IdleSpec;
use spawn_model::ids::{FleetId, InstanceId, RunId};
use spawn_model::layout::RunKeys;
use spawn_model::queue::{JobReport, Resumed, Workers};
use spawn_model::record::{Completion, Exit, FleetRecord, Launched, Lease, Stop};
use spawn_model::spec::{FleetReport, Member};
use spawn_model::status::{Dates, Seen, Standing, Status, fleet_status, member_status};
use spawn_model::tag;

use crate::around::Around;
use crate::drift;
use crate::engine::whole_second;
use crate::lease;
use crate::ledger::Ledger;
use crate::ports::{Aws, Instance, Result, Tags};
use crate::queue;
use crate::service;
use crate::snapshot::{SETTLE, Snapshot, Snapshots};
use crate::tags;

/// A fleet at one moment.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// What was asked for.
    pub record: FleetRecord,
    /// When it ends: the earliest date that any of the three places holds.
    pub deadline: Timestamp,
    /// Its state.
    pub status: Status,
    /// Why, in a sentence.
    pub status_reason: String,
    /// How many ranks it has: fewer than asked for, if fewer may do and its launch is over.
    pub size: u32,
    /// Its members by rank.
    pub members: Vec<Member>,
    /// Each job of a queue, and how it went.
    pub jobs: BTreeMap<String, JobReport>,
    /// When its instances are idle, as their agents are told.
    pub idle: Option<IdleSpec>,
    /// Tags of the user's as they are on the instances that live, if they differ from what was asked for.
    pub tags_seen: Option<BTreeMap<String, String>>,
    /// Where its results are.
    pub results_uri: String,
    /// What ranks could not keep: uploads that failed, output that was cut.
    pub notes: Vec<String>,
    /// What somebody has changed of instances that live, and of what they hang on, which nobody changes back: a sentence each.
    pub changed: Vec<String>,
    /// What is wrong with what ends it from outside, a clause each. A change of its lease puts it right, if only to the one that it has. Not
    /// looked for by whoever waits for the fleet, or is about to change it.
    pub lease_faults: Vec<String>,
    /// Why its names in DNS could not be written by whoever has waited for it.
    pub unnamed: Option<String>,
    /// What has become of its name in DNS, if it is to have one and has it no more. Not looked for by whoever waits for the fleet, or is about to change it.
    pub stranger: Option<String>,
    /// What it hangs on that could not be looked at, and why.
    pub unseen: Vec<String>,
    /// Instances that still cost money.
    pub alive: Vec<InstanceId>,
    /// How many members ended, or have stopped, for being idle.
    pub idle_members: usize,
    /// When it was ended for good, if it was: nothing but records, results and logs is left of it.
    pub ended_at: Option<Timestamp>,
}

impl Fleet {
    /// What the faces show.
    #[must_use]
    pub fn report(&self) -> FleetReport {
        FleetReport {
            id: self.record.fleet.to_string(),
            run_id: self.record.run.to_string(),
            region: self.record.region.clone(),
            status: self.status.to_string(),
            status_reason: self.status_reason.clone(),
            deadline: self.deadline.to_string(),
            dns_name: self.record.dns_name().map(|place| place.name.clone()),
            image_id: self.record.image.id.clone(),
            results_uri: self.results_uri.clone(),
            price_usd_per_hour: self.record.price_usd_per_hour,
            members: self.members.clone(),
        }
    }
}

/// How a fleet is looked at.
#[derive(Clone, Copy)]
pub(crate) enum Look<'a> {
    /// For its members and its lease: by whoever waits for it, or is about to change it.
    Members,
    /// For its members, as one of many that share what AWS says of instances.
    Glance(&'a Snapshots),
    /// For everything.
    Everything,
    /// As one of many, which share what AWS says of them.
    Shared(&'a Snapshots),
}

/// Looks at a fleet; nothing if there is no such fleet, or it was ended for good.
///
/// # Errors
/// If the bucket or EC2 cannot be read.
pub async fn look(aws: &Aws, ledger: &Ledger, fleet: &FleetId) -> Result<Option<Fleet>> {
    live(aws, ledger, Look::Members, fleet).await
}

/// Looks at a fleet as one of many, which share what AWS says of instances and schedules.
pub(crate) async fn refresh(aws: &Aws, ledger: &Ledger, snapshots: &Snapshots, fleet: &FleetId) -> Result<Option<Fleet>> {
    live(aws, ledger, Look::Shared(snapshots), fleet).await
}

async fn live(aws: &Aws, ledger: &Ledger, look: Look<'_>, fleet: &FleetId) -> Result<Option<Fleet>> {
    match recorded(ledger, fleet).await? {
        Some((record, false)) => seen(aws, ledger, look, record, None).await.map(Some),
        Some((_, true)) | None => Ok(None),
    }
}

/// Looks at a fleet, or back at one that was ended for good; nothing if nothing is recorded of it.
///
/// # Errors
/// If the bucket or EC2 cannot be read.
pub(crate) async fn inspect(aws: &Aws, ledger: &Ledger, look: Look<'_>, fleet: &FleetId) -> Result<Option<Fleet>> {
    let Some((record, ended)) = recorded(ledger, fleet).await? else { return Ok(None) };
    let ended_at = if ended { ledger.ended_at(fleet).await?.map(whole_second) } else { None };
    if ended && ended_at.is_none() {
        // Its records are being deleted at this moment.
        return Ok(None);
    }
    seen(aws, ledger, look, record, ended_at).await.map(Some)
}

/// Looks back at a run of a fleet that another one has taken the place of: what its members have recorded, and what EC2 still shows of them.
pub(crate) async fn former(aws: &Aws, ledger: &Ledger, record: &FleetRecord, run: &RunId) -> Result<Fleet> {
    let batches = ledger.batches(&record.fleet, run).await?;
    let asked_at = batches.iter().map(|batch| batch.recorded_at).min().unwrap_or(record.asked_at);
    // Nothing says any more whether it went on with another one; what it kept does, if it did.
    let resumed = Some(Resumed { run: run.clone(), again: BTreeSet::new() });
    let former = FleetRecord { run: run.clone(), next: None, started_at: None, asked_at, resumed, ..record.clone() };
    seen(aws, ledger, Look::Members, former, None).await
}

/// What is recorded of a fleet, and whether it was ended for good.
async fn recorded(ledger: &Ledger, fleet: &FleetId) -> Result<Option<(FleetRecord, bool)>> {
    let (record, ended) = try_join!(ledger.fleet(fleet), ledger.ended(fleet))?;
    let Some(record) = record else { return Ok(None) };
    // Its name is given back last: until then something of it may be left, and whoever asks must be able to end it again.
    let is_gone = ended && ledger.claim(&record.spec.name).await?.is_none_or(|(claim, _)| claim.fleet != *fleet);
    Ok(Some((record, is_gone)))
}

/// A fleet as records and EC2 show it. The end of one that was ended for good is the end of its lease: what nothing else tells of,
/// it ended.
async fn seen(aws: &Aws, ledger: &Ledger, look: Look<'_>, record: FleetRecord, ended_at: Option<Timestamp>) -> Result<Fleet> {
    if record.has_not_run() {
        return Ok(waiting(ledger, record, ended_at));
    }
    if service::is_service(&record) {
        return service::seen(aws, ledger, look, record, ended_at).await;
    }
    let fleet = &record.fleet;
    let size = size(ledger, &record).await?;
    let (lease, batches, told, completions) = try_join!(
        ledger.lease(fleet, &record.run),
        ledger.batches(fleet, &record.run),
        told(aws, look, &record),
        ledger.completions(fleet, &record.run, size),
    )?;
    let (instances, around) = match told {
        Told::Itself(instances, around) => (instances, *around),
        Told::All(snapshot) if snapshot.tells_all_of(&record.run, size, &batches) => {
            (snapshot.of_run(&record.run).to_vec(), Around::shared(&snapshot, look, &record).await)
        }
        Told::All(_) => (aws.instances.describe(&tags::of_run(&record.run)).await?, Around::default()),
    };
    let alive: Vec<InstanceId> = instances.iter().filter(|i| i.alive).map(|i| i.launched.instance_id.clone()).collect();
    let told_of_jobs = if queue::is_queue(&record) { Some(queue::told(ledger, &record, alive.len()).await?) } else { None };
    let instances: Vec<Instance> = instances.into_iter().filter(|i| tags::is_of_run(&i.tags, &record.run)).collect();
    let lease = lease.unwrap_or_else(|| lease::object(&record, lease::deadline_of(&record), 0));
    let (deadline, end) = dates(&lease, instances.iter().filter(|i| i.alive).filter_map(|i| tags::deadline(&i.tags)), ended_at);
    let now = aws.clock.now();
    let dates = Dates { deadline, kept_until: record.spec.lease.ends().stops().then_some(end), now };
    let around = around.of_what_lives(&record, &alive, now);

    let mut by_rank: BTreeMap<u32, Launched> = BTreeMap::new();
    for batch in &batches {
        by_rank.extend(batch.instances.iter().map(|launched| (batch.base + launched.launch_index, launched.clone())));
    }
    for instance in &instances {
        // Launched, but the launcher died before it could record it.
        if let Some(base) = instance.tags.get(tag::RANK_BASE).and_then(|base| base.parse::<u32>().ok()) {
            by_rank.entry(base + instance.launched.launch_index).or_insert_with(|| instance.launched.clone());
        }
    }
    let seen: BTreeMap<&InstanceId, &Instance> = instances.iter().map(|i| (&i.launched.instance_id, i)).collect();
    let completed: BTreeMap<u32, &Completion> = completions.iter().map(|c| (c.rank, c)).collect();

    let mut members = Vec::new();
    let mut states = Vec::new();
    // Only a fleet of one stops.
    let mut stopped = None;
    for (rank, launched) in &by_rank {
        let completion = completed.get(rank).copied();
        let holder = completion.map_or(&launched.instance_id, |c| &c.instance_id);
        let unsettled = ended_at.is_none() && now < record.asked_at + SETTLE;
        let instance = seen.get(holder);
        let seen = instance.map_or(if unsettled { Seen::Pending } else { Seen::Gone }, |instance| instance.seen);
        let status = member_status(seen, completion, dates);
        if let (Status::Stopped, Some(instance)) = (status, instance) {
            // One from before it was last started says nothing of this stop.
            let of_this = |stop: &Stop| stop.instance_id == *holder && stop.at >= instance.launched_at;
            stopped = ledger.stop(fleet, &record.run, *rank).await?.filter(of_this);
        }
        states.push(Standing { rank: *rank, status, seen, idle: completion.and_then(|c| c.idle.as_ref()) });
        members.push(member(*rank, launched, holder, status, completion));
    }
    reached(&mut members, &record, &instances);
    for state in states.iter_mut().filter(|state| state.status == Status::Stopped) {
        state.idle = stopped.as_ref().and_then(|stop| stop.idle.as_ref());
    }
    let idle_members = states.iter().filter(|state| state.idle.is_some()).count();
    let (status, why) = fleet_status(record.kind, size, &states, dates);
    let workers = Workers { status, alive: alive.len() };
    let ((status, mut status_reason), jobs) = match &told_of_jobs {
        Some(told) => told.judged(&record, (workers, &why), dates),
        None => ((status, why), BTreeMap::new()),
    };
    if let Some(stop) = stopped {
        let told = [("its agent could not work", stop.reason), ("it could not hibernate", stop.not_hibernated)];
        for (what, reason) in told.into_iter().filter_map(|(what, reason)| Some((what, reason?))) {
            status_reason.push_str(&format!("; {what}: {reason}"));
        }
    }
    if size < record.spec.size {
        status_reason.push_str(&format!("; of the {} that were asked for, {size} were launched", record.spec.size));
    }
    status_reason.push_str(&afterword(&record, ended_at));
    let by_instance = by_rank.values().map(|launched| (&launched.instance_id, launched)).collect();
    let known = drift::Known { record: &record, launched: &by_instance, volumes: around.volumes.as_deref(), now };
    let changed = around.changed(&record).chain(drift::changed(&known, &instances)).collect();
    Ok(Fleet {
        deadline,
        status,
        status_reason,
        size,
        members,
        jobs,
        idle: lease.idle,
        tags_seen: tags_seen(&record, &instances),
        results_uri: results_uri(ledger, &record),
        changed,
        lease_faults: around.lease_faults(&record, deadline, now),
        unnamed: None,
        stranger: around.stranger,
        unseen: around.unseen,
        notes: completions
            .iter()
            .flat_map(|completion| notes(completion, size))
            .chain(told_of_jobs.iter().flat_map(queue::Told::notes))
            .collect(),
        alive,
        idle_members,
        ended_at,
        record,
    })
}

/// The fleet of a schedule that has not started anything yet.
fn waiting(ledger: &Ledger, record: FleetRecord, ended_at: Option<Timestamp>) -> Fleet {
    Fleet {
        deadline: ended_at.unwrap_or_else(|| lease::deadline_of(&record)),
        status: Status::Scheduled,
        status_reason: format!("its schedule has started nothing yet{}", afterword(&record, ended_at)),
        size: record.spec.size,
        members: Vec::new(),
        jobs: BTreeMap::new(),
        idle: record.spec.lease.idle.clone(),
        tags_seen: None,
        results_uri: results_uri(ledger, &record),
        notes: Vec::new(),
        changed: Vec::new(),
        lease_faults: Vec::new(),
        unnamed: None,
        stranger: None,
        unseen: Vec::new(),
        alive: Vec::new(),
        idle_members: 0,
        ended_at,
        record,
    }
}

/// What is to be said of a fleet whatever its state.
pub(crate) fn afterword(record: &FleetRecord, ended_at: Option<Timestamp>) -> String {
    match (ended_at, &record.next) {
        (Some(at), _) => format!("; ended for good at {at}"),
        (None, Some(next)) => format!("; {} was begun in its place and is not launched yet", next.record.run),
        (None, None) => String::new(),
    }
}

/// Where the results of a fleet's run are.
pub(crate) fn results_uri(ledger: &Ledger, record: &FleetRecord) -> String {
    format!("s3://{}/{}", ledger.bucket(), RunKeys::new(&record.fleet, &record.run).results())
}

/// Whom AWS has told of a fleet's instances, and of what else it hangs on.
enum Told {
    /// This look alone, just now.
    Itself(Vec<Instance>, Box<Around>),
    /// All looks of a refresh, a while ago.
    All(Arc<Snapshot>),
}

async fn told(aws: &Aws, look: Look<'_>, record: &FleetRecord) -> Result<Told> {
    if record.next.is_some() {
        // While another run is being started, what lives of that one is the fleet's too.
        let instances = aws.instances.describe(&tags::of_fleet(&record.fleet)).await?;
        return Ok(Told::Itself(instances, Box::default()));
    }
    let snapshot = match look {
        Look::Shared(snapshots) | Look::Glance(snapshots) => snapshots.current().await?,
        Look::Members | Look::Everything => None,
    };
    if let Some(snapshot) = snapshot {
        return Ok(Told::All(snapshot));
    }
    let run = tags::of_run(&record.run);
    let (instances, around) = join!(aws.instances.describe(&run), Around::look(aws, look, record));
    Ok(Told::Itself(instances?, Box::new(around)))
}

/// How many ranks a run has: fewer than asked for, if fewer may do and its launch is over.
pub(crate) async fn size(ledger: &Ledger, record: &FleetRecord) -> Result<u32> {
    if record.spec.min_size.is_none() {
        return Ok(record.spec.size);
    }
    let settled = ledger.settled(&record.fleet, &record.run).await?;
    Ok(settled.map_or(record.spec.size, |settled| settled.size))
}

/// What a rank has to say beside its exit code.
fn notes(completion: &Completion, size: u32) -> impl Iterator<Item = String> {
    let not_started = match &completion.exit {
        Exit::NotStarted { reason } => Some(reason.clone()),
        _ => None,
    };
    // Of one alone the reason of its status says so.
    let idle = completion.idle.as_ref().filter(|_| size > 1).map(ToString::to_string);
    let rank = completion.rank;
    not_started.into_iter().chain(idle).chain(completion.notes.iter().cloned()).map(move |note| format!("rank {rank}: {note}"))
}

/// When a run's machines stop or end, and when nothing may be there any more: the earliest of what the lease, the tags and the fleet's end
/// say. The tags tell the end alone: of something that is kept it is after the deadline.
pub(crate) fn dates(lease: &Lease, tagged: impl Iterator<Item = Timestamp>, ended_at: Option<Timestamp>) -> (Timestamp, Timestamp) {
    let end = tagged.fold(lease.end(), Timestamp::min);
    let deadline = ended_at.into_iter().fold(lease.deadline.min(end), Timestamp::min);
    (deadline, end)
}

/// The user's tags of the first living instance that does not carry what was asked for.
pub(crate) fn tags_seen(record: &FleetRecord, instances: &[Instance]) -> Option<BTreeMap<String, String>> {
    instances.iter().filter(|i| i.alive).map(|instance| users_tags(&instance.tags)).find(|tags| *tags != record.spec.tags)
}

/// Those tags that neither spawn nor AWS has put there.
pub(crate) fn users_tags(tags: &Tags) -> BTreeMap<String, String> {
    let users = |key: &str| !key.starts_with(tag::RESERVED_PREFIX) && !key.starts_with("aws:") && key != tag::NAME;
    tags.iter().filter(|(key, _)| users(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Enters by what address and name those members are reached that live. One that has done its part is about to go: what is told of it stays so.
pub(crate) fn reached(members: &mut [Member], record: &FleetRecord, instances: &[Instance]) {
    let living: BTreeMap<&str, &Instance> = instances.iter().filter(|i| i.alive).map(|i| (i.launched.instance_id.0.as_str(), i)).collect();
    for member in members {
        let instance = living.get(member.instance_id.as_str()).filter(|_| !has_done_its_part(record, member));
        let Some(instance) = instance else { continue };
        member.public_ip.clone_from(&instance.public_ip);
        member.dns_name = record.dns_name().map(|place| place.of_rank(record.kind, member.rank));
    }
}

/// Whether nothing is left for a member to do, and its machine is about to end.
pub(crate) fn has_done_its_part(record: &FleetRecord, member: &Member) -> bool {
    record.kind.ends_with_command() && member.ended_at.is_some()
}

pub(crate) fn member(rank: u32, launched: &Launched, holder: &InstanceId, status: Status, completion: Option<&Completion>) -> Member {
    let exit_code = completion.and_then(|c| match c.exit {
        Exit::Code { code } => Some(i64::from(code)),
        // As a shell would tell it.
        Exit::Signal { signal } => Some(128 + i64::from(signal)),
        Exit::NotStarted { .. } | Exit::LeaseEnded | Exit::Interrupted | Exit::Idle => None,
    });
    Member {
        rank,
        instance_id: holder.to_string(),
        private_ip: launched.private_ip.clone(),
        public_ip: None,
        dns_name: None,
        zone: launched.zone.clone(),
        instance_type: launched.instance_type.clone(),
        market: launched.market.word().to_owned(),
        state: status.to_string(),
        exit_code,
        started_at: completion.and_then(|c| c.started_at).map(|at| at.to_string()),
        ended_at: completion.map(|c| c.ended_at.to_string()),
    }
}

/// The fleet with an id or a name.
///
/// # Errors
/// `NoSuchFleet` if there is none.
pub async fn find(ledger: &Ledger, id_or_name: &str) -> Result<FleetId> {
    if let Some(fleet) = FleetId::parse(id_or_name) {
        return Ok(fleet);
    }
    match ledger.claim(id_or_name).await? {
        Some((claim, _)) => Ok(claim.fleet),
        None => Err(no_such_fleet(id_or_name)),
    }
}

/// That there is no fleet of this id or name.
#[must_use]
pub fn no_such_fleet(id_or_name: &str) -> Error {
    let message = format!("there is no fleet {id_or_name:?} in this account and region");
    let mut help = "`spawn ls` lists the fleets of a region; --region or AWS_REGION chooses another".to_owned();
    help.push_str(match FleetId::parse(id_or_name) {
        None => ". One that was ended has given its name back: its id still leads `spawn results`, `logs` and `status` to what it left",
        Some(_) => {
            ". Of one that was ended, `spawn results`, `logs` and `status` find what it left, unless its results were deleted with it"
        }
    });
    Error::new(spawn_model::error::Class::NotFound, "NoSuchFleet", message, &help)
}
