//! What must hold at every moment, whoever dies when.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sandbox_cloud::model::InstanceState;
use spawn_core::setup::SCHEDULE_GROUP;
use spawn_model::ids::{FleetId, RunId};
use spawn_model::layout;
use spawn_model::record::FleetRecord;
use spawn_model::tag;

use super::State;

/// The calls after which something may be wrong that was right before.
const CHANGING: &[&str] = &[
    "ec2:RunInstances",
    "ec2:CreateTags",
    "ec2:DeleteTags",
    "scheduler:UpdateSchedule",
    "scheduler:DeleteSchedule",
    "ssm:DeleteDocument",
    "iam:DeleteRole",
];

impl State {
    /// Checks every invariant after a call, and remembers what is broken.
    pub(super) fn check(&mut self, call: &str, now: Timestamp) {
        if !CHANGING.contains(&call) {
            return;
        }
        let broken = self.broken();
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
            if machine.state == InstanceState::Stopped {
                broken.push(format!("{} is stopped and not gone", machine.id));
            }
            *shards.entry((run.to_owned(), shard.to_owned())).or_default() += 1;
            *fleets.entry(tag(tag::FLEET).to_owned()).or_default() += 1;
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

    /// What was recorded of a fleet.
    pub(crate) fn record(&self, fleet: &FleetId) -> Option<FleetRecord> {
        let key = layout::fleet_key(fleet);
        self.buckets.values().find_map(|objects| objects.get(&key)).and_then(|(body, _)| serde_json::from_slice(body).ok())
    }
}
