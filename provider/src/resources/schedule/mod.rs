//! `spawn_schedule`: fleets that are launched by the clock.

mod lifecycle;

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use spawn_model::field::Field;
use spawn_model::read::FieldType;
use spawn_model::schedule::{KINDS, ScheduleReport, ScheduleSpec, ScheduleTimeouts, read_schedule};
use spawn_model::value::Value;

use super::fleet::{messages, timeouts};
use super::identity;
use crate::provider::Session;
use crate::wire::{
    ApplyRequest, ApplyResponse, Diagnostic, Identity, Imported, PlanRequest, PlanResponse, ReadRequest, ReadResponse, Resource,
};

static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let fleets = KINDS.map(ScheduleSpec::fleet_field);
    ScheduleSpec::own_fields()
        .chain(fleets)
        .chain(ScheduleReport::FIELDS.iter().copied())
        .chain([timeouts(<ScheduleTimeouts as FieldType>::KIND)])
        .collect()
});

/// Computed fields that a change leaves as they are, but for what the plan says is not known; Read brings them up to date.
const STABLE: &[&str] = &["id", "region", "status", "next_run_at", "ends_at", "last_runs"];

/// The resource.
pub(super) fn resource(session: &Arc<Session>) -> ScheduleResource {
    ScheduleResource { session: session.clone() }
}

pub(super) struct ScheduleResource {
    session: Arc<Session>,
}

/// The part of a block that is the schedule's spec.
fn spec_part(block: &Value) -> Value {
    let fields = ScheduleSpec::own_fields().chain(KINDS.map(ScheduleSpec::fleet_field));
    Value::Map(fields.map(|field| (field.name.to_owned(), block.get(field.name).clone())).collect())
}

#[async_trait]
impl Resource for ScheduleResource {
    fn type_name(&self) -> &'static str {
        "spawn_schedule"
    }

    fn fields(&self) -> &'static [Field] {
        &FIELDS
    }

    fn doc(&self) -> &'static str {
        include_str!("doc.md")
    }

    fn stable(&self) -> &'static [&'static str] {
        STABLE
    }

    fn identity(&self) -> Option<&'static Identity> {
        Some(identity::IDENTITY)
    }

    fn identity_of(&self, state: &Value) -> Option<Value> {
        identity::of(&self.session, state)
    }

    async fn validate(&self, config: &Value) -> Vec<Diagnostic> {
        let (_, mut problems) = read_schedule(&spec_part(config));
        if !config.get("timeouts").is_null() {
            ScheduleTimeouts::read(config.get("timeouts"), &spawn_model::problem::Path::field("timeouts"), &mut problems);
        }
        problems.iter().map(messages::problem).collect()
    }

    async fn plan(&self, request: PlanRequest) -> PlanResponse {
        self.plan_schedule(request).await
    }

    async fn apply(&self, request: ApplyRequest) -> ApplyResponse {
        match (&request.prior, &request.planned) {
            (None, Some(planned)) => self.create(planned, request.private).await,
            (Some(prior), Some(planned)) => self.update(prior, planned, request.private).await,
            (Some(prior), None) => self.delete(prior, request.private).await,
            (None, None) => ApplyResponse::default(),
        }
    }

    async fn read(&self, request: ReadRequest) -> ReadResponse {
        self.refresh(request).await
    }

    async fn import(&self, id: &str) -> Result<Vec<Imported>, Vec<Diagnostic>> {
        self.import_schedule(id).await
    }

    async fn import_id(&self, identity: &Value) -> Result<String, Vec<Diagnostic>> {
        identity::import_id(&self.session, identity).await
    }
}
