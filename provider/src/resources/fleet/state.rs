//! A fleet as Terraform's state, in the user's own spelling wherever that means the same.

use std::collections::BTreeMap;

use serde::Serialize;
use spawn_core::fleet::Fleet;
use spawn_model::duration::Seconds;
use spawn_model::field::{Field, Kind};
use spawn_model::record::FleetRecord;
use spawn_model::spec::{FleetKind, FleetReport, FleetSpec};
use spawn_model::status::Status;
use spawn_model::value::Value;

pub(in crate::resources) type Entries = BTreeMap<String, Value>;

/// What is reported of a queue alone.
const OUTCOMES: &str = "outcomes";

/// The whole state of a fleet. `known` is what Terraform knew or planned: its spelling is kept where it means the same.
pub(super) fn of_fleet(kind: FleetKind, fleet: &Fleet, files: BTreeMap<String, String>, known: &Value) -> Value {
    let mut spec = FleetSpec { files, ..fleet.record.spec.clone() };
    if let Some(tags) = &fleet.tags_seen {
        spec.tags.clone_from(tags);
    }
    // Not what was asked for, but what the machines go by.
    spec.lease.idle.clone_from(&fleet.idle);
    if kind == FleetKind::Service && !fleet.status.is_over() {
        // The same: what its group is told to have, whoever told it.
        spec.size = fleet.size;
    }
    let mut entries = of_spec(kind, &spec, known);
    entries.extend(reported(fleet));
    entries.insert("timeouts".to_owned(), known.get("timeouts").clone());
    Value::Map(entries)
}

/// The state of a fleet that was launched and could not be looked at since.
pub(super) fn of_record(record: &FleetRecord, deadline: String, planned: &Value) -> Value {
    let report = FleetReport {
        id: record.fleet.to_string(),
        run_id: record.run.to_string(),
        region: record.region.clone(),
        status: Status::Launching.to_string(),
        status_reason: "launched, and not looked at since".to_owned(),
        deadline,
        dns_name: record.dns_name().map(|place| place.name.clone()),
        image_id: record.image.id.clone(),
        results_uri: String::new(),
        price_usd_per_hour: record.price_usd_per_hour,
        members: Vec::new(),
    };
    let mut entries = match planned {
        Value::Map(entries) => entries.clone(),
        _ => Entries::new(),
    };
    entries.extend(of_report(&report));
    if record.kind == FleetKind::Queue {
        entries.insert(OUTCOMES.to_owned(), Value::Map(Entries::new()));
    }
    Value::Map(entries)
}

/// What was planned, with what came of it in the place of what was not known.
pub(in crate::resources) fn where_unknown(planned: &Value, found: Value) -> Value {
    let (Value::Map(mut entries), Value::Map(found)) = (planned.clone(), found) else { return planned.clone() };
    for (name, value) in found {
        if entries.get(&name) == Some(&Value::Unknown) {
            entries.insert(name, value);
        }
    }
    Value::Map(entries)
}

/// What spawn reports about a fleet.
pub(super) fn reported(fleet: &Fleet) -> Entries {
    let mut entries = of_report(&fleet.report());
    if fleet.record.kind == FleetKind::Queue {
        entries.insert(OUTCOMES.to_owned(), json(&fleet.jobs));
    }
    entries
}

fn of_report(report: &FleetReport) -> Entries {
    match json(report) {
        Value::Map(entries) => entries,
        _ => Entries::new(),
    }
}

fn of_spec(kind: FleetKind, spec: &FleetSpec, known: &Value) -> Entries {
    written(kind.fields(), &json(spec), known)
}

/// Fields of what is recorded, as their user wrote them.
pub(in crate::resources) fn written(fields: impl Iterator<Item = Field>, recorded: &Value, known: &Value) -> Entries {
    let of_field = |field: Field| {
        let mut value = field.kind.written(recorded.get(field.name).clone());
        keep_spelling(&field.kind, &mut value, known.get(field.name));
        (field.name.to_owned(), value)
    };
    fields.map(of_field).collect()
}

/// Keeps what means the same as it was written before: `60m` as long as it is an hour, and nothing or an empty list, which are the same
/// to a fleet and different to Terraform.
fn keep_spelling(kind: &Kind, now: &mut Value, before: &Value) {
    if is_same(kind, now, before) {
        now.clone_from(before);
        return;
    }
    match (kind, now) {
        (Kind::Object(fields), Value::Map(entries)) => {
            for field in *fields {
                if let Some(entry) = entries.get_mut(field.name) {
                    keep_spelling(&field.kind, entry, before.get(field.name));
                }
            }
        }
        (Kind::Map(inner), Value::Map(entries)) => {
            entries.iter_mut().for_each(|(name, entry)| keep_spelling(inner, entry, before.get(name)));
        }
        _ => {}
    }
}

fn is_same(kind: &Kind, now: &Value, before: &Value) -> bool {
    match (kind, now.as_str(), before.as_str()) {
        (Kind::Duration, Some(now), Some(before)) => Seconds::parse(before) == Seconds::parse(now),
        _ => is_empty(now) && (before.is_null() || is_empty(before)),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => entries.is_empty(),
        _ => false,
    }
}

pub(crate) fn json(record: &impl Serialize) -> Value {
    serde_json::to_value(record).map(Value::from).unwrap_or_default()
}
