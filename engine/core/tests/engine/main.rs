//! The engine on a simulated AWS, on virtual time.

#![allow(clippy::unwrap_used)]

#[expect(dead_code, reason = "what writes logs is not in the simulation")]
#[path = "../contract/mod.rs"]
mod contract;
#[path = "../simulated/mod.rs"]
mod simulated;

mod adoption;
mod alerts;
mod budgets;
mod capacity;
mod crashes;
mod drifting;
mod ending;
mod falling_back;
mod idle;
mod images;
mod launching;
mod laws;
mod leases;
mod limits;
mod markets;
mod names;
mod places;
mod ports;
mod queues;
mod reaping;
mod refreshing;
mod requirements;
mod rerun;
mod rights;
mod schedules;
mod services;
mod shells;
mod simulate;
mod stopping;
mod strict;
mod watching;

use sandbox_cloud::Fault;
use serde_json::json;
use spawn_core::engine::Launch;
use spawn_core::operation::Operation;
use spawn_core::ports::Result;
use spawn_core::setup::Choices;
use spawn_model::duration::Seconds;
use spawn_model::error::Error;
use spawn_model::idle::IdleSpec;
use spawn_model::problem::Path;
use spawn_model::read::FieldType;
use spawn_model::record::FleetRecord;
use spawn_model::rules::read_spec;
use spawn_model::spec::{FleetKind, FleetSpec, LeaseSpec};
use spawn_model::stopping::OnEnd;

use simulated::World;
use simulated::door::Process;

/// An array of so many ranks, with what every test can do without left out.
fn array(size: u32) -> FleetSpec {
    let value = json!({
        "name": "tiles", "size": size, "instance_types": ["c7i.large", "c7a.large"], "command": ["./render"],
        "files": { "render": "#!/bin/sh\n" }, "lease": { "ttl": "20m" }, "tags": { "team": "maps" },
    });
    let (spec, problems) = read_spec(FleetKind::JobArray, &value.into());
    assert_eq!(problems, []);
    spec.unwrap()
}

/// A lease of so many seconds.
fn lasting(ttl_s: u64) -> LeaseSpec {
    LeaseSpec { ttl: Seconds(ttl_s), idle: None, budget: None, on_expiry: OnEnd::Terminate, on_idle: OnEnd::Terminate, retain: None }
}

/// Idleness after so many seconds.
fn idle_after(after_s: u64) -> IdleSpec {
    let value = json!({ "after": Seconds(after_s).to_string() }).into();
    IdleSpec::read(&value, &Path::default(), &mut Vec::new()).unwrap()
}

/// A world whose account is set up.
async fn warm() -> World {
    let world = World::new();
    world.engine().setup(&Choices::default(), &Operation::quiet()).await.unwrap();
    world
}

/// Launches an array in a process.
async fn launch(process: &Process, spec: &FleetSpec) -> Result<Launch> {
    process.engine().launch(FleetKind::JobArray, spec, &Operation::quiet()).await
}

/// Gives no pool room for all: two, three and none in the zones of c7i.large, and enough of c7a.large.
fn scatter(world: &World) {
    for (zone, above) in [("us-east-1a", 2), ("us-east-1b", 3), ("us-east-1c", 0)] {
        world.state().cloud.fault(Fault::Capacity {
            region: None,
            zone: Some(zone.to_owned()),
            instance_type: Some("c7i.large".to_owned()),
            market: None,
            above,
        });
    }
}

/// A message without the ids that differ each time.
fn told(error: &Error, record: &FleetRecord) -> String {
    error.to_string().replace(record.fleet.as_str(), "FLEET").replace(record.run.as_str(), "RUN")
}
