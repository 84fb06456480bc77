//! `spawn_queue`: jobs that depend on each other, and the workers that drain them.

use std::sync::{Arc, LazyLock};

use spawn_model::field::Field;
use spawn_model::spec::FleetKind;

use super::fleet::{FleetResource, fields};
use crate::provider::Session;

static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| fields(FleetKind::Queue));

/// The resource.
pub(super) fn resource(session: &Arc<Session>) -> FleetResource {
    FleetResource::new(FleetKind::Queue, include_str!("doc.md"), &FIELDS, session)
}
