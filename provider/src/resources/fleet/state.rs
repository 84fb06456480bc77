//! A fleet as Terraform's state, in the user's own spelling wherever that means the same.

use std::collections::BTreeMap;

use serde::Serialize;
use spawn_core::fleet::Fleet;
use spawn_model::duration::Seconds;
use spawn_model::idle::IdleSpec;
use spawn_model::record::FleetRecord;
use spawn_model::spec::{FleetKind, FleetReport, FleetSpec, LeaseSpec};
use spawn_model::status::Status;
use spawn_model::value::Value;

type Entries = BTreeMap<String, Value>;

/// The whole state of a fleet. `known` is what Terraform knew or planned: its spelling is kept where it means the same.
pub(super) fn of_fleet(kind: FleetKind, fleet: &Fleet, files: BTreeMap<String, String>, known: &Value) -> Value {
    let mut spec = FleetSpec { files, ..fleet.record.spec.clone() };
    if let Some(tags) = &fleet.tags_seen {
        spec.tags.clone_from(tags);
    }
    // Not what was asked for, but what the machines go by.
    spec.lease.idle.clone_from(&fleet.idle);
    let mut entries = of_spec(kind, &spec, known);
    entries.extend(of_report(&fleet.report()));
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
    Value::Map(entries)
}

/// What was planned, with what is reported in the place of what was not known.
pub(super) fn with_report(planned: &Value, report: &FleetReport) -> Value {
    let Value::Map(mut entries) = planned.clone() else { return planned.clone() };
    for (name, value) in of_report(report) {
        if entries.get(&name) == Some(&Value::Unknown) {
            entries.insert(name, value);
        }
    }
    Value::Map(entries)
}

fn of_report(report: &FleetReport) -> Entries {
    match json(report) {
        Value::Map(entries) => entries,
        _ => Entries::new(),
    }
}

fn of_spec(kind: FleetKind, spec: &FleetSpec, known: &Value) -> Entries {
    let written = json(spec);
    let mut entries = Entries::new();
    for field in kind.fields() {
        let before = known.get(field.name);
        let value = match field.name {
            "lease" => lease(&spec.lease, before),
            name => {
                let mut now = written.get(name).clone();
                keep_absence(&mut now, before);
                now
            }
        };
        entries.insert(field.name.to_owned(), value);
    }
    entries
}

fn lease(spec: &LeaseSpec, before: &Value) -> Value {
    let Value::Map(mut entries) = json(spec) else { return Value::Null };
    let idle = spec.idle.as_ref().map_or(Value::Null, |idle| self::idle(idle, before.get("idle")));
    entries.extend([("ttl".to_owned(), duration(spec.ttl, before.get("ttl"))), ("idle".to_owned(), idle)]);
    Value::Map(entries)
}

fn idle(spec: &IdleSpec, before: &Value) -> Value {
    let mut now = Value::Map(spec.written());
    keep_absence(&mut now, before);
    if let Value::Map(entries) = &mut now {
        entries.insert("after".to_owned(), duration(spec.after, before.get("after")));
    }
    now
}

/// `60m` stays `60m` as long as it is an hour.
fn duration(now: Seconds, before: &Value) -> Value {
    let spelled = before.as_str().filter(|text| Seconds::parse(text) == Some(now));
    Value::String(spelled.map_or_else(|| now.to_string(), str::to_owned))
}

/// Left out and empty are the same to a fleet, and different to Terraform.
fn keep_absence(now: &mut Value, before: &Value) {
    match now {
        now if is_empty(now) && (before.is_null() || is_empty(before)) => now.clone_from(before),
        Value::Map(entries) => entries.iter_mut().for_each(|(name, entry)| keep_absence(entry, before.get(name))),
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => entries.is_empty(),
        _ => false,
    }
}

fn json(record: &impl Serialize) -> Value {
    serde_json::to_value(record).map(Value::from).unwrap_or_default()
}
