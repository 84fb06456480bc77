//! Random lives on the simulated cloud, as many as one likes.

use anyhow::Result;

use crate::workspace::{Workspace, run, say};

/// Lives `seeds` lives from a seed on. The one that went wrong first is told, with the line that lives it again.
pub(crate) fn simulate(seeds: u64, from: u64) -> Result<()> {
    let workspace = Workspace::find()?;
    say(&format!("Living {seeds} lives from seed {from} on"));
    let mut cargo = workspace.cargo("test");
    cargo.args(["--release", "--quiet", "--package", "spawn-core", "--test", "engine", "--", "--exact", "simulate::lives", "--nocapture"]);
    cargo.env("SPAWN_SIMULATE_SEEDS", seeds.to_string()).env("SPAWN_SIMULATE_FROM", from.to_string());
    run(&mut cargo)
}
