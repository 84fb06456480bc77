//! `spawn_instance`: one machine that is kept until its lease ends.

use std::sync::{Arc, LazyLock};

use spawn_model::field::Field;
use spawn_model::spec::FleetKind;

use super::fleet::{FleetResource, fields};
use crate::provider::Session;

static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| fields(FleetKind::Instance));

/// The resource.
pub(super) fn resource(session: &Arc<Session>) -> FleetResource {
    FleetResource::new(FleetKind::Instance, include_str!("doc.md"), &FIELDS, session)
}
