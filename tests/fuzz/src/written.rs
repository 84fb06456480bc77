//! What becomes of a fleet's fields, however they were written.

use std::collections::BTreeMap;

use spawn_model::field::Kind;
use spawn_model::problem::Problem;
use spawn_model::rules::read_spec;
use spawn_model::spec::{FleetKind, FleetSpec};
use spawn_model::value::Value;

use crate::{alert, schedule};

/// Every kind of fleet.
pub(crate) const KINDS: [FleetKind; 4] = [FleetKind::Instance, FleetKind::JobArray, FleetKind::Service, FleetKind::Queue];

/// Judges what a file asks for: by its `kind`, or as every kind of fleet if it names none.
pub(crate) fn judge(mut fields: BTreeMap<String, Value>) {
    let kind = fields.remove("kind");
    let (word, value) = (kind.as_ref().and_then(Value::as_str), Value::Map(fields));
    match word {
        Some("schedule") => schedule::judge(&value),
        Some("alert") => alert::judge(&value),
        word => {
            let named = KINDS.into_iter().find(|kind| word == Some(kind.word()));
            for kind in named.map_or(KINDS.to_vec(), |kind| vec![kind]) {
                fleet(kind, &value);
            }
        }
    }
}

/// A fleet is refused, and told why; or it is kept as it is by its record, and by being written anew.
pub(crate) fn fleet(kind: FleetKind, value: &Value) -> Option<FleetSpec> {
    let (spec, problems) = read_spec(kind, value);
    told(spec.as_ref(), &problems, value);
    let spec = spec?;
    let anew = read_spec(kind, &rewritten(kind, &spec));
    assert_eq!(anew, (Some(spec.clone()), Vec::new()), "what is recorded is what would be asked for");
    let recorded = serde_json::to_string(&spec).expect("a spec is JSON");
    let stored: FleetSpec = serde_json::from_str(&recorded).expect("what was recorded can be read");
    assert_eq!(stored, spec, "{recorded}");
    assert_eq!(stored.hash(kind), spec.hash(kind), "{recorded}");
    Some(spec)
}

/// What is refused is told, with a way out; only where something is not known yet there may be neither problem nor spec.
pub(crate) fn told<T>(read: Option<&T>, problems: &[Problem], value: &Value) {
    assert!(read.is_none() || problems.is_empty(), "read in spite of {problems:?}");
    assert!(read.is_some() || !problems.is_empty() || value.has_unknown(), "neither read nor refused: {value:?}");
    for problem in problems {
        assert!(!problem.message.is_empty() && !problem.help.is_empty(), "{problem:?}");
    }
}

/// A fleet as somebody would write it who read its record.
fn rewritten(kind: FleetKind, spec: &FleetSpec) -> Value {
    let recorded = Value::from(serde_json::to_value(spec).expect("a spec is JSON"));
    let Value::Map(mut fields) = Kind::Object(FleetSpec::FIELDS).written(recorded) else { panic!("a spec is an object") };
    fields.retain(|_, value| match value {
        Value::Null => false,
        // There is no difference to what was not written, but that some kinds of fleets must not have it.
        Value::List(items) => !items.is_empty(),
        Value::Map(entries) => !entries.is_empty(),
        _ => true,
    });
    if matches!(kind, FleetKind::Instance | FleetKind::Queue) {
        fields.remove("size");
    }
    Value::Map(fields)
}
