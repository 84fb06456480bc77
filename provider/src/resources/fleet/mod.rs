//! What `spawn_instance`, `spawn_job_array`, `spawn_service` and `spawn_queue` share: each is a fleet.

pub(super) mod lifecycle;
pub(super) mod messages;
pub(super) mod state;

use std::sync::Arc;

use async_trait::async_trait;
use spawn_model::field::{Change, Field, Kind, Presence};
use spawn_model::queue::QueueReport;
use spawn_model::read::FieldType;
use spawn_model::rules::read_spec;
use spawn_model::spec::{FleetKind, FleetReport, Timeouts};
use spawn_model::value::Value;

use super::identity;
use crate::provider::Session;
use crate::wire::{
    ApplyRequest, ApplyResponse, Diagnostic, Identity, Imported, PlanRequest, PlanResponse, ReadRequest, ReadResponse, Resource,
};

/// Computed fields that an update leaves as they are; Read brings them up to date.
const STABLE: &[&str] = &[
    "id",
    "run_id",
    "region",
    "status",
    "status_reason",
    "deadline",
    "dns_name",
    "image_id",
    "results_uri",
    "price_usd_per_hour",
    "members",
    "outcomes",
];

/// The field that is Terraform's alone, for a resource whose operations are these.
pub(super) const fn timeouts(kind: Kind) -> Field {
    Field {
        name: "timeouts",
        doc: "How long operations may take.",
        kind,
        presence: Presence::Optional,
        change: Change::InPlace,
        sensitive: false,
    }
}

/// The fields of a resource of this kind: what the user writes, what spawn reports, and timeouts.
pub(super) fn fields(kind: FleetKind) -> Vec<Field> {
    let of_jobs = if kind == FleetKind::Queue { QueueReport::FIELDS } else { &[] };
    let reported = FleetReport::FIELDS.iter().chain(of_jobs).copied();
    kind.fields().chain(reported).chain([timeouts(<Timeouts as FieldType>::KIND)]).collect()
}

/// The resource that a kind of fleet is.
const fn type_name(kind: FleetKind) -> &'static str {
    match kind {
        FleetKind::Instance => "spawn_instance",
        FleetKind::JobArray => "spawn_job_array",
        FleetKind::Service => "spawn_service",
        FleetKind::Queue => "spawn_queue",
    }
}

/// A resource that is a fleet.
pub(super) struct FleetResource {
    kind: FleetKind,
    doc: &'static str,
    fields: &'static [Field],
    session: Arc<Session>,
}

impl FleetResource {
    pub(super) fn new(kind: FleetKind, doc: &'static str, fields: &'static [Field], session: &Arc<Session>) -> Self {
        Self { kind, doc, fields, session: session.clone() }
    }

    /// Whether it is to be there until its lease ends, whatever its command does.
    fn is_kept(&self) -> bool {
        !self.kind.ends_with_command()
    }

    /// The part of a block that is the fleet's spec.
    fn spec_part(&self, block: &Value) -> Value {
        Value::Map(self.kind.fields().map(|field| (field.name.to_owned(), block.get(field.name).clone())).collect())
    }
}

#[async_trait]
impl Resource for FleetResource {
    fn type_name(&self) -> &'static str {
        type_name(self.kind)
    }

    fn fields(&self) -> &'static [Field] {
        self.fields
    }

    fn doc(&self) -> &'static str {
        self.doc
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
        let (_, mut problems) = read_spec(self.kind, &self.spec_part(config));
        if !config.get("timeouts").is_null() {
            Timeouts::read(config.get("timeouts"), &spawn_model::problem::Path::field("timeouts"), &mut problems);
        }
        problems.iter().map(messages::problem).collect()
    }

    async fn plan(&self, request: PlanRequest) -> PlanResponse {
        self.plan_fleet(request).await
    }

    async fn apply(&self, request: ApplyRequest) -> ApplyResponse {
        match (&request.prior, &request.planned) {
            (None, Some(planned)) => self.create(planned.clone(), request.private).await,
            (Some(prior), Some(planned)) => self.update(prior, planned, request.private).await,
            (Some(prior), None) => self.delete(prior, request.private).await,
            (None, None) => ApplyResponse::default(),
        }
    }

    async fn read(&self, request: ReadRequest) -> ReadResponse {
        self.refresh(request).await
    }

    async fn import(&self, id: &str) -> Result<Vec<Imported>, Vec<Diagnostic>> {
        self.import_fleet(id).await
    }

    async fn import_id(&self, identity: &Value) -> Result<String, Vec<Diagnostic>> {
        identity::import_id(&self.session, identity).await
    }
}
