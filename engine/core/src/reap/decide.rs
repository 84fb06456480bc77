//! What becomes of what the reaper has seen: pure.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use spawn_model::ids::{FleetId, InstanceId, RunId};
use spawn_model::record::{FleetRecord, Keeper};
use spawn_model::rules::TTL_DEFAULT;
use spawn_model::status::Seen;
use spawn_model::tag;

use crate::ports::{Group, Instance, Tags};
use crate::tags;

/// What says when an instance ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// Its run's lease object.
    Lease,
    /// Its tag.
    Tag,
    /// Neither can be read: the default lease, counted from its launch.
    Default,
}

/// An instance that is past its lease.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Overdue {
    /// The instance.
    pub id: InstanceId,
    /// Its fleet, if its tags tell one.
    pub fleet: Option<FleetId>,
    /// Its name, for people.
    pub name: Option<String>,
    /// Its state.
    pub seen: Seen,
    /// When its lease ended.
    pub deadline: Timestamp,
    /// What says so.
    pub told: Told,
}

/// The Auto Scaling group of a service that is past its lease: it would replace whatever is ended of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OverdueGroup {
    /// Its name.
    pub group: String,
    /// Its fleet, if its tags tell one.
    pub fleet: Option<FleetId>,
    /// The fleet's name, for people.
    pub name: Option<String>,
    /// When its lease ended.
    pub deadline: Timestamp,
    /// What says so.
    pub told: Told,
}

/// A fleet, as far as its fate depends on it.
#[derive(Clone, Debug)]
pub(super) struct Case<'a> {
    /// Who keeps it; nothing if no name is claimed for it.
    pub(super) kept_by: Option<Keeper>,
    /// What was recorded of it.
    pub(super) record: Option<&'a FleetRecord>,
    /// Whether a process is launching it, or a new run of it.
    pub(super) launcher_lives: bool,
    /// When the last of its leases ends, by everything that could be read.
    pub(super) leased_until: Timestamp,
    /// Whether an instance of it lives that is within its lease.
    pub(super) lives: bool,
    /// Of a schedule that is to start more runs: until when whoever makes it may still come back to it.
    pub(super) starts_until: Option<Timestamp>,
}

/// Why what is left of a fleet is removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Somebody had begun to end it.
    EndBegun,
    /// Its lease is over, and nobody has it in a state that it would be missing from.
    LeaseOver,
    /// Its lease is over, and its launcher died before anybody kept it.
    NeverKept,
    /// Nothing is recorded of it: its launcher died before it could make anything, or its records are gone.
    Unrecorded,
}

/// Whether an instance is one of spawn's. EC2 is asked for nothing else; whatever it answers, nothing else is ended.
pub(super) fn is_ours(tags: &Tags) -> bool {
    tags.get(tag::MANAGED).is_some_and(|managed| managed == "true")
}

/// The run that an instance says it is of.
pub(super) fn run_of(tags: &Tags) -> Option<(FleetId, RunId)> {
    Some((fleet_of(tags)?, RunId::parse(tags.get(tag::RUN)?)?))
}

/// The fleet that tags tell.
fn fleet_of(tags: &Tags) -> Option<FleetId> {
    FleetId::parse(tags.get(tag::FLEET)?)
}

/// When an instance ends, and what says so: the later of its run's lease object and its tag, as far as they can be read.
fn end_of(lease: Option<Timestamp>, tag: Option<Timestamp>, launched_at: Timestamp) -> (Timestamp, Told) {
    match (lease, tag) {
        (Some(lease), Some(tag)) if tag > lease => (tag, Told::Tag),
        (Some(lease), _) => (lease, Told::Lease),
        (None, Some(tag)) => (tag, Told::Tag),
        (None, None) => (launched_at + default_lease(), Told::Default),
    }
}

fn default_lease() -> SignedDuration {
    TTL_DEFAULT.into()
}

/// An instance that is to be ended; nothing if it is gone, within its lease, or not ours.
pub(super) fn overdue(instance: &Instance, lease: Option<Timestamp>, now: Timestamp) -> Option<Overdue> {
    let (deadline, told) = end_of(lease, tags::deadline(&instance.tags), instance.launched_at);
    let ends = instance.alive && is_ours(&instance.tags) && deadline <= now;
    ends.then(|| Overdue {
        id: instance.launched.instance_id.clone(),
        fleet: fleet_of(&instance.tags),
        name: instance.tags.get(tag::NAME).cloned(),
        seen: instance.seen,
        deadline,
        told,
    })
}

/// A group that is to be deleted; nothing if it goes already, is within its lease, or not ours.
pub(super) fn overdue_group(group: &Group, lease: Option<Timestamp>, now: Timestamp) -> Option<OverdueGroup> {
    let (deadline, told) = end_of(lease, tags::deadline(&group.tags), group.created_at);
    let ends = !group.is_going && is_ours(&group.tags) && deadline <= now;
    ends.then(|| OverdueGroup {
        group: group.name.clone(),
        fleet: fleet_of(&group.tags),
        name: group.tags.get(tag::NAME).cloned(),
        deadline,
        told,
    })
}

/// Why what is left of a fleet is to be removed; nothing if it stays.
pub(super) fn fate(case: &Case<'_>, now: Timestamp) -> Option<Why> {
    if case.launcher_lives {
        // Whoever launches it answers for it, also if that fails or somebody else ends it meanwhile.
        return None;
    }
    if case.record.is_some_and(|record| record.ended) {
        return Some(Why::EndBegun);
    }
    if let Some(until) = case.starts_until {
        // What nobody keeps would start machines for ever.
        return (case.kept_by == Some(Keeper::Launcher) && until <= now).then_some(Why::NeverKept);
    }
    if case.lives || case.leased_until > now {
        return None;
    }
    match (case.record, case.kept_by) {
        (Some(_), Some(Keeper::Person)) => Some(Why::LeaseOver),
        (Some(_), Some(Keeper::Launcher)) => Some(Why::NeverKept),
        // The record is the first thing that a launcher makes, so this one made nothing.
        (None, Some(Keeper::Launcher)) | (None, None) => Some(Why::Unrecorded),
        // Somebody's state has it, or nothing tells whose it is.
        (_, Some(Keeper::State)) | (Some(_), None) | (None, Some(Keeper::Person)) => None,
    }
}

#[cfg(test)]
mod tests;
