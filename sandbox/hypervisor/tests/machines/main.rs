//! Machines that really run: every test boots some, and what they do is done by real processes.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

mod errands;
mod metadata;
mod power;
mod programs;
mod support;
mod units;
mod view;
