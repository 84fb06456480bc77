//! Machines that really run: every test boots some, and what they do is done by real processes.

mod metadata;
mod power;
mod support;
mod units;
