//! The one declaration of every field: what schema, documentation and defaults are made from.

use std::collections::BTreeSet;

use spawn_model::field::{Change, Field, Kind, Presence};
use spawn_model::idle::IdleSpec;
use spawn_model::problem::Path;
use spawn_model::queue::{JobReport, JobSpec, QueueReport, RetrySpec};
use spawn_model::read::{FieldType, default_value};
use spawn_model::rules::{TTL_DEFAULT, read_spec};
use spawn_model::spec::{FleetKind, FleetReport, FleetSpec, LeaseSpec, Member};
use spawn_model::value::Value;

/// Every object that is declared, with those inside it.
fn objects() -> [(&'static str, &'static [Field]); 9] {
    [
        ("fleet", FleetSpec::FIELDS),
        ("lease", LeaseSpec::FIELDS),
        ("idle", IdleSpec::FIELDS),
        ("report", FleetReport::FIELDS),
        ("member", Member::FIELDS),
        ("job", JobSpec::FIELDS),
        ("retry", RetrySpec::FIELDS),
        ("outcome", JobReport::FIELDS),
        ("queue", QueueReport::FIELDS),
    ]
}

fn accepts(kind: &Kind, value: &Value) -> bool {
    match (kind, value) {
        (Kind::Bool, Value::Bool(_)) | (Kind::Int, Value::Int(_)) | (Kind::String | Kind::Duration, Value::String(_)) => true,
        (Kind::Float, Value::Int(_) | Value::Float(_)) => true,
        (Kind::List(inner), Value::List(items)) => items.iter().all(|item| accepts(inner, item)),
        (Kind::Map(inner), Value::Map(entries)) => entries.values().all(|entry| accepts(inner, entry)),
        (Kind::Object(fields), Value::Map(entries)) => {
            entries.iter().all(|(key, entry)| fields.iter().any(|field| field.name == key && accepts(&field.kind, entry)))
        }
        _ => false,
    }
}

#[test]
fn every_default_is_json_of_its_field() {
    let mut defaults = 0;
    for (object, fields) in objects() {
        for field in fields {
            if let Presence::Default(json) = field.presence {
                assert!(accepts(&field.kind, &default_value(json)), "{object}.{}: {json}", field.name);
                defaults += 1;
            }
        }
    }
    assert!(defaults >= 5, "the table is not read: {defaults} defaults");
}

#[test]
fn a_lease_that_says_nothing_is_the_one_that_is_meant_everywhere() {
    let ttl = LeaseSpec::FIELDS.iter().find(|field| field.name == "ttl").expect("a field");
    let declared = format!("\"{TTL_DEFAULT}\"");
    assert!(matches!(ttl.presence, Presence::Default(json) if json == declared), "{:?} is not {declared}", ttl.presence);
}

#[test]
fn every_field_is_documented_and_named_once() {
    for (object, fields) in objects() {
        let names: BTreeSet<&str> = fields.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), fields.len(), "{object} names a field twice");
        for field in fields {
            assert!(field.doc.trim().len() > 10, "{object}.{} has no documentation", field.name);
            assert!(field.doc.trim_end().ends_with(['.', ')']), "{object}.{}: {:?}", field.name, field.doc);
        }
    }
}

#[test]
fn reported_fields_and_written_fields_share_no_name() {
    let written: BTreeSet<&str> = FleetSpec::FIELDS.iter().map(|field| field.name).collect();
    for field in FleetReport::FIELDS {
        assert!(!written.contains(field.name), "{}", field.name);
        assert_eq!(field.presence, Presence::Computed, "{}", field.name);
    }
}

#[test]
fn a_spec_with_nothing_but_what_is_required_has_every_default() {
    let value: Value = serde_json::json!({ "name": "n", "instance_types": ["t3.micro"] }).into();
    let (spec, problems) = read_spec(FleetKind::Instance, &value);
    assert_eq!(problems, []);
    insta::assert_json_snapshot!("defaults", spec.unwrap());
}

#[test]
fn the_fields_of_a_kind_are_those_its_users_may_write() {
    let names = |kind: FleetKind| kind.fields().map(|field| (field.name, field.presence)).collect::<Vec<_>>();
    let instance = names(FleetKind::Instance);
    assert!(!instance.iter().any(|(name, _)| *name == "size"));
    let array = names(FleetKind::JobArray);
    for required in ["name", "size", "command"] {
        assert!(array.contains(&(required, Presence::Required)), "{required}");
    }
    let size = |kind: FleetKind| kind.fields().find(|field| field.name == "size").map(|field| field.change);
    assert_eq!((size(FleetKind::JobArray), size(FleetKind::Service)), (Some(Change::Replace), Some(Change::InPlace)));
    let service = names(FleetKind::Service);
    for required in ["name", "size", "command"] {
        assert!(service.contains(&(required, Presence::Required)), "{required}");
    }
    assert!(!service.iter().any(|(name, _)| ["min_size", "gang", "placement"].contains(name)));
}

#[test]
fn an_object_is_read_from_its_own_json() {
    let value: Value = serde_json::json!({ "ttl": "1h30m" }).into();
    let mut problems = Vec::new();
    let lease = LeaseSpec::read(&value, &Path::field("lease"), &mut problems);
    assert_eq!((lease.map(|l| l.ttl.0), problems), (Some(5400), Vec::new()));
}
