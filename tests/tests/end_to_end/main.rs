//! From one end to the other: real Terraform, real processes, the command, and clients of others, on a sandbox of each test's own.
//!
//! One program, because most of these tests wait most of the time: together they wait once. `RUST_TEST_THREADS` may well be
//! twice the number of processors.

mod action;
mod action_role;
mod adoption;
mod agentless;
mod alerts;
mod bad_input;
mod ci_role;
mod clients;
mod data;
mod denials;
mod dist;
mod drift;
mod examples;
mod functions;
mod hibernation;
mod hooks;
mod idle;
mod kills;
mod lease;
mod lifecycle;
mod markets;
mod names;
mod places;
mod queues;
mod reaper;
mod reaper_function;
mod rerun;
mod rights;
mod schedules;
mod services;
mod shells;
mod stopping;
mod strict;
mod workflows;
mod workload;
mod workload_rights;
