//! What everything that reads must keep, whatever it is given.
//!
//! A target is a file with one function that takes any bytes, and panics if a law does not hold for them. Most laws say more than that
//! nothing panics: what is read is written as what reads the same, the place that an error names is there, what is refused is told.
//!
//! `corpus/<target>/` has inputs that mean something, near misses among them. `cargo test` replays them, whole and damaged
//! (`tests/corpus.rs`); `cargo xtask fuzz` has libFuzzer go on from there (`libfuzzer/`, a workspace of its own: nothing of libFuzzer is in
//! what is shipped).

pub mod alert;
pub mod cron;
pub mod duration;
pub mod fleet_json;
pub mod fleet_yaml;
pub mod handshake;
pub mod msgpack;
mod place;
pub mod plan;
pub mod queue;
pub mod queue_file;
pub mod record;
pub mod sbatch;
pub mod schedule;
pub mod state_json;
mod tables;
mod written;

/// It panics if a law does not hold for these bytes.
pub type Target = fn(&[u8]);

/// Every target, by its name.
pub const TARGETS: &[(&str, Target)] = &[
    ("alert", alert::target),
    ("cron", cron::target),
    ("duration", duration::target),
    ("fleet_json", fleet_json::target),
    ("fleet_yaml", fleet_yaml::target),
    ("handshake", handshake::target),
    ("msgpack", msgpack::target),
    ("plan", plan::target),
    ("queue", queue::target),
    ("queue_file", queue_file::target),
    ("record", record::target),
    ("sbatch", sbatch::target),
    ("schedule", schedule::target),
    ("state_json", state_json::target),
];
