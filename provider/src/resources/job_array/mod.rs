//! `spawn_job_array`: ranks that each run the command once.

use std::sync::{Arc, LazyLock};

use spawn_model::field::Field;
use spawn_model::spec::FleetKind;

use super::fleet::{FleetResource, fields};
use crate::provider::Session;

static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| fields(FleetKind::JobArray));

/// The resource.
pub(super) fn resource(session: &Arc<Session>) -> FleetResource {
    FleetResource::new(FleetKind::JobArray, include_str!("doc.md"), &FIELDS, session)
}
