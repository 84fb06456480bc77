//! Every resource: one folder each, and one line in this table.

mod alert;
mod fleet;
mod identity;
mod instance;
mod job_array;
mod queue;
mod remembered;
mod schedule;
mod service;

use std::sync::Arc;

use crate::provider::Session;
use crate::wire::Resource;

pub(crate) use fleet::lifecycle::whole;
pub(crate) use fleet::messages::{error, problem};
pub(crate) use fleet::state::json;
#[cfg(test)]
pub(crate) use tests::describe;

/// The table.
pub(crate) fn all(session: &Arc<Session>) -> Vec<Box<dyn Resource>> {
    vec![
        Box::new(alert::resource(session)),
        Box::new(instance::resource(session)),
        Box::new(job_array::resource(session)),
        Box::new(queue::resource(session)),
        Box::new(schedule::resource(session)),
        Box::new(service::resource(session)),
    ]
}

#[cfg(test)]
mod tests;
