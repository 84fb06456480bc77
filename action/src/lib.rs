//! The Action's program.

pub mod inputs;
