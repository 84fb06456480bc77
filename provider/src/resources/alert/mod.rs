//! `spawn_alert`: what people are told of fleets.

mod lifecycle;

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use spawn_model::alert::{AlertReport, AlertSpec, read_alert};
use spawn_model::field::Field;
use spawn_model::value::Value;

use super::fleet::messages;
use super::identity;
use crate::provider::Session;
use crate::wire::{
    ApplyRequest, ApplyResponse, Diagnostic, Identity, Imported, PlanRequest, PlanResponse, ReadRequest, ReadResponse, Resource,
};

static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| AlertSpec::FIELDS.iter().chain(AlertReport::FIELDS).copied().collect());

/// What follows from the channels of an alert.
const OF_CHANNELS: &[&str] = &["status", "status_reason", "topic_arn", "pending_confirmation"];

/// Computed fields that a change leaves as they are, but for what the plan says is not known; Read brings them up to date.
const STABLE: &[&str] = &["id", "region", "status", "status_reason", "topic_arn", "pending_confirmation"];

/// The resource.
pub(super) fn resource(session: &Arc<Session>) -> AlertResource {
    AlertResource { session: session.clone() }
}

pub(super) struct AlertResource {
    session: Arc<Session>,
}

/// The part of a block that is the alert's spec.
fn spec_part(block: &Value) -> Value {
    Value::Map(AlertSpec::FIELDS.iter().map(|field| (field.name.to_owned(), block.get(field.name).clone())).collect())
}

#[async_trait]
impl Resource for AlertResource {
    fn type_name(&self) -> &'static str {
        "spawn_alert"
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
        read_alert(&spec_part(config)).1.iter().map(messages::problem).collect()
    }

    async fn plan(&self, request: PlanRequest) -> PlanResponse {
        self.plan_alert(request).await
    }

    async fn apply(&self, request: ApplyRequest) -> ApplyResponse {
        match (&request.prior, &request.planned) {
            (None, Some(planned)) => self.create(&request.config, planned, request.private).await,
            (Some(prior), Some(planned)) => self.update(&request.config, prior, planned, request.private).await,
            (Some(prior), None) => self.delete(prior, request.private).await,
            (None, None) => ApplyResponse::default(),
        }
    }

    async fn read(&self, request: ReadRequest) -> ReadResponse {
        self.refresh(request).await
    }

    async fn import(&self, id: &str) -> Result<Vec<Imported>, Vec<Diagnostic>> {
        self.import_alert(id).await
    }

    async fn import_id(&self, identity: &Value) -> Result<String, Vec<Diagnostic>> {
        identity::import_id(&self.session, identity).await
    }
}
