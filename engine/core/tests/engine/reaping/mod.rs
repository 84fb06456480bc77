//! The reaper: what it ends and removes, what it leaves alone, and what keeps it from nothing.

mod fleets;
mod instances;

use spawn_core::operation::Operation;
use spawn_core::reap::Reaped;
use spawn_model::record::{FleetRecord, Keeper};
use spawn_model::spec::FleetSpec;

use crate::simulated::World;
use crate::simulated::agents::Work;
use crate::{array, launch, warm};

const MINUTE: u64 = 60;

/// A set-up account on whose machines nobody ends anything.
async fn alone() -> World {
    let world = warm().await;
    world.state().agents.work = Box::new(|_| Work::Absent);
    world
}

/// A fleet of so many, for 20 minutes, that somebody keeps. Its schedules never strike.
async fn launched(world: &World, spec: &FleetSpec, keeper: Keeper) -> FleetRecord {
    let launched = launch(&world.process(), spec).await.unwrap();
    if keeper != Keeper::Launcher {
        launched.claim.acknowledge(keeper).await.unwrap();
    }
    world.state().silence_schedules();
    launched.record
}

fn named(name: &str, size: u32) -> FleetSpec {
    FleetSpec { name: name.to_owned(), ..array(size) }
}

/// Reaps, and makes sure that nothing went wrong and no law was broken.
async fn reap(world: &World) -> Reaped {
    let reaped = world.process().reaping().engine().reap(false, &Operation::quiet()).await;
    assert_eq!(reaped.errors, []);
    world.assert_lawful();
    reaped
}

fn alive(world: &World) -> usize {
    let state = world.state();
    let machines = state.cloud.machine_ids().into_iter().filter_map(|id| state.cloud.machine(&id));
    machines.filter(|machine| !machine.state.is_ending()).count()
}

fn ids(world: &World) -> Vec<String> {
    world.state().cloud.machine_ids()
}
