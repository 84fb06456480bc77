//! What holds for the table of resources as a whole. Their lives are tested with real Terraform, in `tests/`.

use std::fmt::Write as _;
use std::sync::Arc;

use spawn_model::field::{Change, Field, Kind, Presence};
use spawn_model::value::Value;

use super::all;
use crate::provider::Session;
use crate::wire::prepare;

pub(crate) fn describe(fields: &[Field], depth: usize, out: &mut String) {
    for field in fields {
        let (shape, inner) = match field.kind {
            Kind::Object(inner) => ("object".to_owned(), Some(inner)),
            Kind::List(Kind::Object(inner)) => ("list of objects".to_owned(), Some(*inner)),
            Kind::Map(Kind::Object(inner)) => ("map of objects".to_owned(), Some(*inner)),
            other => (format!("{other:?}"), None),
        };
        let presence = match field.presence {
            Presence::WriteOnly => "write-only".to_owned(),
            Presence::Default(json) => format!("default {json}"),
            other => format!("{other:?}").to_lowercase(),
        };
        let change = match field.change {
            Change::Replace => ", replaces",
            Change::Rerun if field.presence != Presence::Computed => ", runs again",
            Change::Rerun | Change::InPlace => "",
        };
        let indent = "  ".repeat(depth);
        let doc = field.doc.split_whitespace().collect::<Vec<_>>().join(" ");
        writeln!(out, "{indent}{} ({shape}; {presence}{change}): {doc}", field.name).expect("text");
        describe(inner.unwrap_or_default(), depth + 1, out);
    }
}

#[test]
fn every_field_of_every_resource_is_explained() {
    for resource in all(&Arc::new(Session::default())) {
        let mut text = format!("{}\n{}\n", resource.type_name(), resource.doc());
        describe(resource.fields(), 0, &mut text);
        insta::assert_snapshot!(resource.type_name(), text);
    }
}

/// Defaults are JSON in the declarations; this plans with every one of them.
#[test]
fn the_least_that_can_be_written_can_be_planned() {
    let fleet = [("size", Value::Int(2)), ("instance_types", Value::List(vec!["c7i.large".into()]))];
    let nested = Value::Map(fleet.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect());
    let written: Vec<_> = [("name", Value::from("tiles")), ("job_array", nested)].into_iter().chain(fleet).collect();
    for resource in all(&Arc::new(Session::default())) {
        let entry = |field: &Field| {
            let value = written.iter().find(|(name, _)| *name == field.name).map(|(_, value)| value.clone());
            (field.name.to_owned(), value.unwrap_or_default())
        };
        let config = Value::Map(resource.fields().iter().map(entry).collect());
        let prepared = prepare(resource.fields(), resource.stable(), None, &config, &config);
        let is_schedule = resource.type_name() == "spawn_schedule";
        let fleet = if is_schedule { prepared.planned.get("job_array") } else { &prepared.planned };
        if resource.type_name() != "spawn_alert" {
            assert_eq!(fleet.get("lease").get("ttl"), &Value::from("1h"), "{}", resource.type_name());
        }
        assert_eq!(prepared.planned.get("status"), &Value::Unknown, "{}", resource.type_name());
    }
}
