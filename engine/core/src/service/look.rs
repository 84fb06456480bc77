//! A service as it is now.

use std::collections::{BTreeMap, BTreeSet};

use futures::try_join;
use jiff::Timestamp;
use spawn_model::ids::InstanceId;
use spawn_model::layout;
use spawn_model::record::{Completion, Exit, FleetRecord, Launched, RankClaim};
use spawn_model::status::{Dates, Seen, Status, Strength, member_status, service_status};

use super::fall_back;
use crate::around::Around;
use crate::drift;
use crate::fleet::{self, Fleet, Look};
use crate::lease;
use crate::ledger::Ledger;
use crate::ports::{Aws, Group, Instance, Result};
use crate::tags;

/// A service as Auto Scaling, EC2 and its ranks' claims show it.
pub(crate) async fn seen(aws: &Aws, ledger: &Ledger, look: Look<'_>, record: FleetRecord, ended_at: Option<Timestamp>) -> Result<Fleet> {
    let (id, run) = (&record.fleet, &record.run);
    let tags = if record.next.is_some() { tags::of_fleet(id) } else { tags::of_run(run) };
    let name = layout::scaling_name(run);
    let (lease, group, described, claims, around) =
        try_join!(ledger.lease(id, run), aws.scaling.group(&name), aws.instances.describe(&tags), ledger.rank_claims(id, run), async {
            Ok(Around::look(aws, look, &record).await)
        },)?;
    let alive: Vec<InstanceId> = described.iter().filter(|i| i.alive).map(|i| i.launched.instance_id.clone()).collect();
    let instances: Vec<Instance> = described.into_iter().filter(|i| tags::is_of_run(&i.tags, run)).collect();
    let lease = lease.unwrap_or_else(|| lease::object(&record, lease::deadline_of(&record), 0));
    let living = || instances.iter().filter(|instance| instance.alive);
    let group = group.filter(|group| !group.is_going);
    // Not by the tags of its members: one that was launched while the lease was extended has an older one, and follows the lease.
    let (deadline, _) = fleet::dates(&lease, group.iter().filter_map(|group| tags::deadline(&group.tags)), ended_at);
    let dates = Dates { deadline, kept_until: None, now: aws.clock.now() };

    let around = around.of_what_lives(&record, &alive, dates.now).of_group(group.is_some());

    let size = group.as_ref().filter(|_| dates.now < deadline).map_or(record.spec.size, |group| group.size);
    let running = count(living().filter(|instance| instance.seen == Seen::Running));
    let refusals = match &group {
        Some(group) if running < size && dates.now < deadline => aws.scaling.refusals(&group.name).await?,
        _ => Vec::new(),
    };
    let strength = Strength {
        asked: size,
        running,
        alive: count(living()),
        is_maintained: group.is_some(),
        was_maintained: !instances.is_empty() || !claims.is_empty() || ended_at.is_some(),
        refusal: refusals.first().map(|refusal| refusal.why.as_str()),
    };
    let (status, mut status_reason) = service_status(strength, dates);
    if let Some(told) = group.as_ref().filter(|_| dates.now < deadline).and_then(|group| fall_back::told(&record, group, &instances)) {
        status_reason.push_str(&format!("; {told}"));
    }
    status_reason.push_str(&fleet::afterword(&record, ended_at));
    let completions = if status.is_over() { ledger.completions(id, run, 0).await? } else { Vec::new() };
    let of_group = group.as_ref().filter(|_| !status.is_over()).and_then(|group| drift::group(&record, group));
    // What Auto Scaling launches is recorded nowhere.
    let known = drift::Known { record: &record, launched: &BTreeMap::new(), volumes: around.volumes.as_deref(), now: dates.now };
    let of_instances = drift::changed(&known, &instances);
    let changed = around.changed(&record).chain(of_group).chain(of_instances).collect();
    let ranks = Ranks { record: &record, claims: &claims, instances: &instances, completions: &completions, status, dates };
    Ok(Fleet {
        deadline,
        status,
        status_reason,
        size,
        members: ranks.members(),
        jobs: BTreeMap::new(),
        idle: None,
        tags_seen: tags_seen(&record, group.as_ref(), &instances),
        results_uri: fleet::results_uri(ledger, &record),
        changed,
        lease_faults: around.lease_faults(&record, deadline, dates.now),
        unnamed: None,
        stranger: around.stranger,
        unseen: around.unseen,
        notes: ranks.notes(running),
        alive,
        idle_members: 0,
        ended_at,
        record,
    })
}

fn count<'a>(instances: impl Iterator<Item = &'a Instance>) -> u32 {
    u32::try_from(instances.count()).unwrap_or(u32::MAX)
}

/// The user's tags where they are not what was asked for: on an instance, or on the group, which gives them to the next one.
fn tags_seen(record: &FleetRecord, group: Option<&Group>, instances: &[Instance]) -> Option<BTreeMap<String, String>> {
    let of_group = group.map(|group| fleet::users_tags(&group.tags)).filter(|tags| *tags != record.spec.tags);
    of_group.or_else(|| fleet::tags_seen(record, instances))
}

/// What is known of a service's ranks.
struct Ranks<'a> {
    record: &'a FleetRecord,
    claims: &'a [(u32, RankClaim)],
    instances: &'a [Instance],
    completions: &'a [Completion],
    status: Status,
    dates: Dates,
}

impl Ranks<'_> {
    /// The ranks that are held: by instances that live, or, when all is over, by those that held them last.
    fn held(&self) -> impl Iterator<Item = (u32, &RankClaim)> {
        let living: BTreeSet<&InstanceId> = self.instances.iter().filter(|i| i.alive).map(|i| &i.launched.instance_id).collect();
        let is_held = move |claim: &RankClaim| living.contains(&claim.instance_id) || self.status.is_over();
        self.claims.iter().filter(move |(_, claim)| is_held(claim)).map(|(rank, claim)| (*rank, claim))
    }

    fn members(&self) -> Vec<spawn_model::spec::Member> {
        let mut members: Vec<_> = self.held().filter_map(|(rank, claim)| self.member(rank, claim)).collect();
        members.sort_by_key(|member| member.rank);
        fleet::reached(&mut members, self.record, self.instances);
        members
    }

    fn member(&self, rank: u32, claim: &RankClaim) -> Option<spawn_model::spec::Member> {
        let holder = &claim.instance_id;
        let instance = self.instances.iter().find(|instance| instance.launched.instance_id == *holder)?;
        let completion = self.completions.iter().find(|done| done.rank == rank && done.instance_id == *holder);
        let status = member_status(instance.seen, completion, self.dates);
        let launched = Launched { private_ip: claim.private_ip.clone(), ..instance.launched.clone() };
        let mut member = fleet::member(rank, &launched, holder, status, completion);
        member.started_at.get_or_insert_with(|| claim.started_at.to_string());
        Some(member)
    }

    /// That commands have ended, which a service starts again; and that instances run on which none does yet.
    fn notes(&self, running: u32) -> Vec<String> {
        let note = |(rank, claim): (u32, &RankClaim)| {
            let service = claim.service.as_ref().filter(|service| service.restarts > 0)?;
            let times = if service.restarts == 1 { "once".to_owned() } else { format!("{} times", service.restarts) };
            let last = service.last_exit.as_ref().map(|exit| format!(", last {}", ended(exit))).unwrap_or_default();
            Some(format!("rank {rank}: the command has ended {times} and was started again{last}"))
        };
        let idle = (running as usize).saturating_sub(self.held().count());
        let waiting = match idle {
            0 => None,
            1 => Some("1 instance that runs has no rank yet".to_owned()),
            _ => Some(format!("{idle} instances that run have no rank yet")),
        };
        self.held().filter_map(note).chain(waiting.filter(|_| !self.status.is_over())).collect()
    }
}

/// How a command ended, behind "last".
fn ended(exit: &Exit) -> String {
    match exit {
        Exit::Code { code } => format!("with exit code {code}"),
        Exit::Signal { signal } => format!("by signal {signal}"),
        Exit::NotStarted { reason } => format!("because {reason}"),
        Exit::LeaseEnded => "with the lease".to_owned(),
        Exit::Interrupted => "when EC2 took the machine back".to_owned(),
        Exit::Idle => "for being idle".to_owned(),
    }
}
