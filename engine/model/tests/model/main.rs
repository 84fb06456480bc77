//! The rules over specs and statuses, as tables of what a user writes and is told.

#![allow(clippy::unwrap_used)]

mod declarations;
mod layout;
mod predecessor;
mod queue;
mod rules;
mod spec;
mod status;
