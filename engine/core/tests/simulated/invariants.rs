//! What must hold at every moment, whoever dies when.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use sandbox_cloud::Machine;
use sandbox_cloud::model::InstanceState;
use sandbox_cloud::scaling::AutoScalingGroup;
use spawn_core::setup::SCHEDULE_GROUP;
use spawn_model::ids::{FleetId, InstanceId, RunId};
use spawn_model::layout::{self, RunKeys};
use spawn_model::market::Fallback;
use spawn_model::record::{FleetRecord, Lease};
use spawn_model::tag;

use super::{REGION, State};

/// The tag that Auto Scaling itself writes: the group that an instance is of.
pub(super) const GROUP_TAG: &str = "aws:autoscaling:groupName";
/// How long a group may take to become as small as it is told, though EC2 refuses it once or twice.
const SHRINKING: SignedDuration = SignedDuration::from_mins(2);

/// The calls after which something may be wrong that was right before.
const CHANGING: &[&str] = &[
    "ec2:RunInstances",
    "ec2:CreateTags",
    "ec2:DeleteTags",
    "scheduler:UpdateSchedule",
    "scheduler:DeleteSchedule",
    "ssm:DeleteDocument",
    "iam:DeleteRole",
    "autoscaling:CreateAutoScalingGroup",
    "autoscaling:UpdateAutoScalingGroup",
    "autoscaling:CreateOrUpdateTags",
    "autoscaling:DeleteTags",
    "autoscaling:DeleteAutoScalingGroup",
];

impl State {
    /// Checks every invariant after a call, and remembers what is broken.
    pub(super) fn check(&mut self, call: &str, now: Timestamp) {
        if !self.checked || !CHANGING.contains(&call) {
            return;
        }
        let mut broken = self.broken();
        self.cloud.scaling_groups(REGION).for_each(|group| self.check_group(group, now, &mut broken));
        self.violations.extend(broken.into_iter().map(|what| format!("after {call} at {now}: {what}")));
    }

    fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let mut shards: BTreeMap<(String, String), u32> = BTreeMap::new();
        let mut fleets: BTreeMap<String, u32> = BTreeMap::new();
        let machines = self.cloud.machine_ids().into_iter().filter_map(|id| self.cloud.machine(&id));
        for machine in machines.filter(|machine| !machine.state.is_ending()) {
            let tag = |key: &str| machine.tags.get(key).map(String::as_str).unwrap_or_default();
            let (run, shard) = (tag(tag::RUN), tag(tag::SHARD));
            if tag(tag::DEADLINE).parse::<Timestamp>().is_err() {
                broken.push(format!("{} has no deadline", machine.id));
            }
            let schedule = RunId::parse(run).zip(shard.parse().ok()).map(|(run, shard)| layout::schedule_name(&run, shard));
            if !schedule.is_some_and(|name| self.schedules.contains_key(&(SCHEDULE_GROUP.to_owned(), name))) {
                broken.push(format!("{} ({:?}) has no schedule that ends it", machine.id, machine.state));
            }
            let may_stop = || {
                FleetId::parse(tag(tag::FLEET)).and_then(|fleet| self.record(&fleet)).is_some_and(|record| record.spec.lease.ends().stops())
            };
            if machine.state == InstanceState::Stopped && !may_stop() {
                broken.push(format!("{} is stopped and not gone", machine.id));
            }
            *shards.entry((run.to_owned(), shard.to_owned())).or_default() += 1;
            // How many a group may have, it is told itself.
            match tag(GROUP_TAG) {
                "" => *fleets.entry(tag(tag::FLEET).to_owned()).or_default() += 1,
                name if !self.cloud.scaling_groups(REGION).any(|group| group.instances.iter().any(|member| member.id == machine.id)) => {
                    broken.push(format!("{} is of the group {name}, which does not know it", machine.id));
                }
                _ => {}
            }
        }
        for ((run, shard), count) in shards.into_iter().filter(|(_, count)| *count > layout::SHARD_SIZE) {
            broken.push(format!("shard {shard} of {run} has {count} instances, more than one schedule can end"));
        }
        for (fleet, count) in fleets {
            let asked = FleetId::parse(&fleet).and_then(|fleet| self.record(&fleet)).map_or(0, |record| record.spec.size);
            if count > asked {
                broken.push(format!("{fleet} has {count} instances of the {asked} that were asked for"));
            }
        }
        broken
    }

    /// What launches by itself must end by itself, and keep to its size.
    fn check_group(&self, group: &AutoScalingGroup, now: Timestamp, broken: &mut Vec<String>) {
        if group.deleting {
            return;
        }
        let (name, tag) = (&group.name, |key: &str| group.tags.get(key).map(|tag| tag.value.as_str()).unwrap_or_default());
        if tag(tag::DEADLINE).parse::<Timestamp>().is_err() {
            broken.push(format!("{name} has no deadline"));
        }
        let schedule = RunId::parse(tag(tag::RUN)).map(|run| layout::schedule_name(&run, 0));
        if !schedule.is_some_and(|name| self.schedules.contains_key(&(SCHEDULE_GROUP.to_owned(), name))) {
            broken.push(format!("{name} has no schedule that ends it"));
        }
        let had = self.shrunk.get(name).filter(|(at, _)| now < *at + SHRINKING).map_or(0, |(_, had)| *had);
        // What replaces before it ends may be a tenth larger for a while: one at risk, or one of a market that there is too much of.
        let fleet = FleetId::parse(tag(tag::FLEET)).and_then(|fleet| self.record(&fleet));
        let falls_back = fleet.is_some_and(|record| record.spec.market.fallback == Fallback::OnDemand);
        let early = if group.capacity_rebalance || falls_back { group.max_size.div_ceil(10) } else { 0 };
        let most = group.max_size.max(had) + early;
        // One that is emptied has said when, and not how fast.
        if group.capacity() > most && group.max_size > 0 {
            broken.push(format!("{name} has {} instances, of at most {most}", group.capacity()));
        }
    }

    /// When an instance's lease ends: by its tag, and by its run's lease object.
    pub(crate) fn lease_of_instance(&self, tags: &BTreeMap<String, String>) -> (Option<Timestamp>, Option<Timestamp>) {
        let tagged = tags.get(tag::DEADLINE).and_then(|date| date.parse().ok());
        (tagged, self.lease_object(tags).map(|lease| lease.end()))
    }

    /// When an instance stops that is kept afterwards.
    pub(crate) fn stop_of_instance(&self, tags: &BTreeMap<String, String>) -> Option<Timestamp> {
        self.lease_object(tags).filter(|lease| lease.ends_at.is_some()).map(|lease| lease.deadline)
    }

    fn lease_object(&self, tags: &BTreeMap<String, String>) -> Option<Lease> {
        let fleet = tags.get(tag::FLEET).and_then(|id| FleetId::parse(id));
        let run = tags.get(tag::RUN).and_then(|id| RunId::parse(id));
        let key = fleet.zip(run).map(|(fleet, run)| RunKeys::new(&fleet, &run).lease());
        let object = key.and_then(|key| self.buckets.values().find_map(|objects| objects.get(&key)));
        object.and_then(|(body, _)| serde_json::from_slice(body).ok())
    }

    /// The instances whose lease is over by every word there is.
    pub(crate) fn past_their_lease(&self, now: Timestamp) -> BTreeSet<InstanceId> {
        let machines = self.cloud.machine_ids().into_iter().filter_map(|id| self.cloud.machine(&id));
        let past = |machine: &Machine| {
            let (tagged, object) = self.lease_of_instance(&machine.tags);
            !machine.state.is_ending() && tagged.max(object).is_some_and(|latest| latest <= now)
        };
        machines.filter(past).map(|machine| InstanceId(machine.id)).collect()
    }

    /// A reaper ends nothing that is within its lease, unless somebody has begun to end its fleet. One that cannot read goes by tags.
    pub(super) fn check_reaped(&mut self, ids: &[String], past_before: &BTreeSet<InstanceId>, unsure: bool, now: Timestamp) {
        for id in ids.iter().filter(|id| !past_before.contains(&InstanceId((*id).clone()))) {
            let Some(machine) = self.cloud.machine(id).filter(|machine| !machine.state.is_ending()) else { continue };
            let (tagged, object) = self.lease_of_instance(&machine.tags);
            let latest = if unsure { tagged } else { tagged.max(object) };
            let fleet = machine.tags.get(tag::FLEET).and_then(|id| FleetId::parse(id));
            let ended = fleet.and_then(|fleet| self.record(&fleet)).is_some_and(|record| record.ended);
            if !ended && latest.is_none_or(|latest| latest > now) {
                self.violations.push(format!("at {now} the reaper ended {id}, whose lease ends at {latest:?}"));
            }
        }
    }

    /// What was recorded of a fleet.
    pub(crate) fn record(&self, fleet: &FleetId) -> Option<FleetRecord> {
        let key = layout::fleet_key(fleet);
        self.buckets.values().find_map(|objects| objects.get(&key)).and_then(|(body, _)| serde_json::from_slice(body).ok())
    }
}
