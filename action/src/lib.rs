//! The Action's program.

pub mod inputs;
pub mod outputs;
