//! A part of a fleet that is there already, judged by the rules of the whole.

use spawn_model::rules::read_spec;
use spawn_model::spec::{FleetKind, FleetSpec};
use spawn_model::value::Value;

use super::Fields;
use crate::output::Failure;

/// Checks fields of a fleet of a kind. What such a fleet has to have beside them is that of the smallest one: nothing else of it decides
/// about them.
pub(crate) fn judged(kind: FleetKind, mut fields: Fields) -> Result<FleetSpec, Failure> {
    let words = |word: &str| Value::List(vec![word.into()]);
    let job = Value::Map([("command".to_owned(), words("true"))].into());
    let smallest = [
        ("name", "a".into()),
        ("instance_types", words("t3.micro")),
        ("command", words("true")),
        ("size", Value::Int(1)),
        ("jobs", Value::Map([("a".to_owned(), job)].into())),
    ];
    for (name, value) in smallest {
        if kind.fields().any(|field| field.name == name) {
            fields.entry(name.to_owned()).or_insert(value);
        }
    }
    let (spec, problems) = read_spec(kind, &Value::Map(fields));
    spec.ok_or_else(|| problems.into())
}
