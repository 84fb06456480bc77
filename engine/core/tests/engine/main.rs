//! The engine on a simulated AWS, on virtual time.

#![allow(clippy::unwrap_used)]

#[path = "../simulated/mod.rs"]
mod simulated;

mod adoption;
mod crashes;
mod launching;

use serde_json::json;
use spawn_core::engine::Launch;
use spawn_core::operation::Operation;
use spawn_core::ports::Result;
use spawn_model::rules::read_spec;
use spawn_model::spec::{FleetKind, FleetSpec};

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

/// A world whose account is set up.
async fn warm() -> World {
    let world = World::new();
    world.engine().setup(&Operation::quiet()).await.unwrap();
    world
}

/// Launches an array in a process.
async fn launch(process: &Process, spec: &FleetSpec) -> Result<Launch> {
    process.engine().launch(FleetKind::JobArray, spec, &Operation::quiet()).await
}
