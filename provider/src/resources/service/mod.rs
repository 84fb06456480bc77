//! `spawn_service`: ranks that run the command until the lease ends, and are replaced when they are lost.

use std::sync::{Arc, LazyLock};

use spawn_model::field::Field;
use spawn_model::spec::FleetKind;

use super::fleet::{FleetResource, fields};
use crate::provider::Session;

static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| fields(FleetKind::Service));

/// The resource.
pub(super) fn resource(session: &Arc<Session>) -> FleetResource {
    FleetResource::new(FleetKind::Service, include_str!("doc.md"), &FIELDS, session)
}
