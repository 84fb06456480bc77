//! What must hold after every step of a life, beside what [`crate::simulated::invariants`] sees at every call.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use sandbox_cloud::model::InstanceState;
use spawn_core::ports::Result;
use spawn_model::error::Leftover;
use spawn_model::ids::{FleetId, InstanceId};
use spawn_model::tag;

use super::deeds::Deed;
use crate::simulated::World;

/// Hand 3 strikes at the deadline and every five minutes after it. A life's trouble lets three strikes in a row fail at most.
const MERCY: SignedDuration = SignedDuration::from_mins(16);

/// The instances that cost money now, and whose they are.
pub(super) fn living(world: &World) -> BTreeSet<(InstanceId, Option<FleetId>)> {
    let state = world.state();
    let machines = state.cloud.machine_ids().into_iter().filter_map(|id| state.cloud.machine(&id));
    let fleet = |tags: &std::collections::BTreeMap<String, String>| tags.get(tag::FLEET).and_then(|id| FleetId::parse(id));
    machines.filter(|m| !m.state.is_ending()).map(|m| (InstanceId(m.id.clone()), fleet(&m.tags))).collect()
}

/// Nothing outlives its lease, whoever died: the latest date that tag or lease object hold.
pub(super) fn overdue(world: &World) -> Vec<String> {
    let now = world.now();
    let state = world.state();
    let mut broken = Vec::new();
    for id in state.cloud.machine_ids() {
        let Some(machine) = state.cloud.machine(&id).filter(|m| !m.state.is_ending()) else { continue };
        let (tagged, leased) = state.lease_of_instance(&machine.tags);
        let latest = tagged.max(leased);
        if latest.is_none_or(|latest| latest + MERCY < now) {
            broken.push(format!("{id} lives at {now}, and its lease ended at {latest:?}"));
        }
        let stops_at = state.stop_of_instance(&machine.tags);
        if machine.state == InstanceState::Running && stops_at.is_some_and(|at| at + MERCY < now) {
            broken.push(format!("{id} runs at {now}, and was to stop at {stops_at:?}"));
        }
    }
    broken
}

/// A reaper that says that all went well has left nothing of what was past its lease.
pub(super) fn unreaped(deed: &Deed, outcome: &Result<()>, past: &BTreeSet<InstanceId>, world: &World) -> Option<String> {
    if !matches!(deed, Deed::Reap) || outcome.is_err() {
        return None;
    }
    let living: BTreeSet<InstanceId> = living(world).into_iter().map(|(id, _)| id).collect();
    let left: Vec<_> = past.intersection(&living).collect();
    (!left.is_empty()).then(|| format!("the reaper has left {left:?}, which were past their lease"))
}

/// Whether an error says the truth about what it left behind.
pub(super) fn claim_of(
    deed: &Deed,
    outcome: &Result<()>,
    before: &BTreeSet<(InstanceId, Option<FleetId>)>,
    target: Option<&FleetId>,
    world: &World,
) -> Option<String> {
    let error = outcome.as_ref().err()?;
    let after = living(world);
    let left: BTreeSet<&InstanceId> = match deed {
        // A service of another name may have replaced what it had lost.
        Deed::Launch { name, .. } | Deed::Rerun { name, .. } => {
            after.iter().filter(|one| !before.contains(one)).map(|(id, _)| id).filter(|id| is_of(world, id, name)).collect()
        }
        Deed::End { .. } => after.iter().filter(|(_, fleet)| fleet.is_some() && fleet.as_ref() == target).map(|(id, _)| id).collect(),
        Deed::Lease { .. }
        | Deed::Calm { .. }
        | Deed::Resize { .. }
        | Deed::Tag { .. }
        | Deed::Stop { .. }
        | Deed::Start { .. }
        | Deed::Reap
        | Deed::Watch => return None,
    };
    match &error.left {
        Leftover::Clear if !left.is_empty() => Some(format!("{deed} says that nothing is left, and {left:?} live ({error})")),
        Leftover::Remaining(ids) => {
            let said: BTreeSet<&InstanceId> = ids.iter().collect();
            let more: Vec<_> = left.difference(&said).collect();
            (!more.is_empty()).then(|| format!("{deed} says that {said:?} are left, and {more:?} live as well ({error})"))
        }
        Leftover::Clear | Leftover::Unknown => None,
    }
}

/// Whether an instance is of the fleet with a name.
fn is_of(world: &World, id: &InstanceId, name: &str) -> bool {
    world.state().cloud.machine(&id.0).is_some_and(|machine| machine.tags.get(tag::NAME).is_some_and(|tagged| tagged == name))
}
