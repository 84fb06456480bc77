//! What must hold at every moment, whoever dies when.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sandbox_cloud::request::DescribeInstances;
use sandbox_cloud::model::InstanceState;
use sandbox_cloud::{Reply, Request};
use spawn_model::ids::{FleetId, RunId};
use spawn_model::layout;
use spawn_model::record::FleetRecord;
use spawn_model::tag;

use super::{REGION, State};

/// The calls after which something may be wrong that was right before.
const CHANGING: &[&str] = &[
    "ec2:RunInstances",
    "ec2:CreateTags",
    "ec2:DeleteTags",
    "scheduler:CreateSchedule",
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
        let broken = self.broken(now);
        self.violations.extend(broken.into_iter().map(|what| format!("after {call} at {now}: {what}")));
    }

    fn broken(&mut self, now: Timestamp) -> Vec<String> {
        let mut broken = Vec::new();
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        let Ok(Reply::Reservations(all)) = self.cloud.call(now, REGION, Request::DescribeInstances(DescribeInstances::default())) else {
            return vec!["instances cannot be listed".to_owned()];
        };
        for instance in all.items.iter().flat_map(|r| &r.instances).filter(|i| !i.state.is_ending()) {
            let tag = |key: &str| instance.tags.get(key).map(String::as_str).unwrap_or_default();
            let (run, shard) = (tag(tag::RUN), tag(tag::SHARD));
            if tag(tag::DEADLINE).parse::<Timestamp>().is_err() {
                broken.push(format!("{} has no deadline", instance.id));
            }
            let scheduled = RunId::parse(run).zip(shard.parse().ok()).is_some_and(|(run, shard)| {
                let name = layout::schedule_name(&run, shard);
                self.schedules.contains_key(&(spawn_core::setup::SCHEDULE_GROUP.to_owned(), name))
            });
            if !scheduled {
                broken.push(format!("{} ({:?}) has no schedule that ends it", instance.id, instance.state));
            }
            *counts.entry(format!("{} {run} {shard}", tag(tag::FLEET))).or_default() += 1;
            if instance.state == InstanceState::Stopped {
                broken.push(format!("{} is stopped and not gone", instance.id));
            }
        }
        let mut by_run: BTreeMap<String, u32> = BTreeMap::new();
        for (place, count) in counts {
            if count > layout::SHARD_SIZE {
                broken.push(format!("{place} has {count} instances, more than one schedule can end"));
            }
            *by_run.entry(place.rsplit_once(' ').map_or(place.clone(), |(run, _)| run.to_owned())).or_default() += count;
        }
        for (place, count) in by_run {
            let fleet = place.split(' ').next().and_then(FleetId::parse);
            let asked = fleet.and_then(|fleet| self.record(&fleet)).map_or(0, |record| record.spec.size);
            if count > asked {
                broken.push(format!("{place} has {count} instances of the {asked} that were asked for"));
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
