//! The tables of fields by which the wire is read.

use std::sync::LazyLock;

use spawn_model::alert::{AlertReport, AlertSpec};
use spawn_model::field::{Change, Field, Kind, Presence};
use spawn_model::queue::QueueReport;
use spawn_model::read::FieldType;
use spawn_model::spec::{FleetKind, FleetReport, Timeouts};
use spawn_provider::wire::{Path, Step};

const fn field(name: &'static str, kind: Kind, presence: Presence, change: Change) -> Field {
    Field { name, doc: "", kind, presence, change, sensitive: false }
}

const INNER: &[Field] = &[
    field("a", Kind::String, Presence::Optional, Change::InPlace),
    field("b", Kind::Bool, Presence::Default("true"), Change::Replace),
    field("seen", Kind::Int, Presence::Computed, Change::InPlace),
];

/// Every kind of field, presence and change, and the nestings that schemas use.
const EVERY_KIND: &[Field] = &[
    field("id", Kind::String, Presence::Computed, Change::InPlace),
    field("run", Kind::String, Presence::Computed, Change::Rerun),
    field("bool", Kind::Bool, Presence::Optional, Change::InPlace),
    field("int", Kind::Int, Presence::Default("5"), Change::Replace),
    field("float", Kind::Float, Presence::Optional, Change::InPlace),
    field("string", Kind::String, Presence::Required, Change::Replace),
    field("length", Kind::Duration, Presence::Default("\"1h\""), Change::InPlace),
    field("list", Kind::List(&Kind::Int), Presence::Optional, Change::Rerun),
    field("map", Kind::Map(&Kind::String), Presence::Optional, Change::InPlace),
    field("object", Kind::Object(INNER), Presence::Default("{}"), Change::InPlace),
    field("objects", Kind::List(&Kind::Object(INNER)), Presence::Optional, Change::InPlace),
    field("named", Kind::Map(&Kind::Object(INNER)), Presence::Optional, Change::InPlace),
    field("deep", Kind::Map(&Kind::List(&Kind::List(&Kind::Float))), Presence::Optional, Change::InPlace),
    field("secret", Kind::String, Presence::WriteOnly, Change::InPlace),
];

/// As `spawn_queue` has them, which has most.
static QUEUE: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let timeouts = field("timeouts", <Timeouts as FieldType>::KIND, Presence::Optional, Change::InPlace);
    FleetKind::Queue.fields().chain(FleetReport::FIELDS.iter().chain(QueueReport::FIELDS).copied()).chain([timeouts]).collect()
});

/// As `spawn_alert` has them, which has secrets.
static ALERT: LazyLock<Vec<Field>> = LazyLock::new(|| AlertSpec::FIELDS.iter().chain(AlertReport::FIELDS).copied().collect());

/// Every table.
pub(crate) fn all() -> [&'static [Field]; 3] {
    [EVERY_KIND, &QUEUE, &ALERT]
}

/// The type of what is at the end of a path; nothing if a table has no such place.
pub(crate) fn kind_at(fields: &'static [Field], path: &Path) -> Option<Kind> {
    path.steps().iter().try_fold(Kind::Object(fields), |kind, step| match (kind, step) {
        (Kind::Object(fields), Step::Attribute(name)) => fields.iter().find(|field| field.name == *name).map(|field| field.kind),
        (Kind::Map(inner), Step::Key(_)) | (Kind::List(inner), Step::Index(_)) => Some(*inner),
        _ => None,
    })
}
