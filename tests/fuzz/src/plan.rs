//! Plans: what follows from a configuration, a state and the table of fields.

use spawn_model::field::{Field, Kind, Presence};
use spawn_model::value::Value;
use spawn_provider::wire::codec::decode_msgpack;
use spawn_provider::wire::{Prepared, prepare};

use crate::{msgpack, tables};

/// What is in no msgpack, and in no text either.
const BETWEEN: u8 = 0xc1;

/// The computed fields that keep their values.
const STABLE: &[&str] = &["id"];

/// A configuration and, behind [`BETWEEN`], a state: both msgpack.
pub fn target(data: &[u8]) {
    let mut parts = data.split(|byte| *byte == BETWEEN);
    let (config, prior) = (parts.next().unwrap_or_default(), parts.next());
    for fields in tables::all() {
        let object = |bytes: &[u8]| decode_msgpack(fields, bytes).ok().filter(|value| matches!(value, Value::Map(_)));
        let Some(config) = object(config) else { continue };
        creates(fields, &config);
        if let Some(prior) = prior.and_then(object) {
            changes(fields, &prior, &config);
        }
    }
}

/// A plan has what the block sets; once it is carried out there is nothing left to plan.
fn creates(fields: &'static [Field], config: &Value) {
    let Prepared { planned, requires_replace } = prepare(fields, STABLE, None, config, config);
    assert_eq!(requires_replace, [], "there is nothing that could be replaced");
    assert!(has_what_is_set(&Kind::Object(fields), config, &planned), "{config:?} becomes {planned:?}");
    msgpack::kept(fields, &planned);
    if config.has_unknown() {
        // It is planned again until it is known.
        return;
    }
    let state = carried_out(planned);
    let again = prepare(fields, STABLE, Some(&state), &state, config);
    assert_eq!(again, Prepared { planned: state, requires_replace: Vec::new() }, "nothing has changed");
}

/// The same of a change, whose replacements are of what the schema has.
fn changes(fields: &'static [Field], prior: &Value, config: &Value) {
    let Prepared { planned, requires_replace } = prepare(fields, STABLE, Some(prior), config, config);
    assert!(has_what_is_set(&Kind::Object(fields), config, &planned), "{config:?} becomes {planned:?}");
    msgpack::kept(fields, &planned);
    for path in requires_replace {
        assert!(!path.is_root() && tables::kind_at(fields, &path).is_some(), "{path}");
    }
}

/// Whether everything that a configuration sets is planned as it is set: Terraform refuses any other plan.
fn has_what_is_set(kind: &Kind, config: &Value, planned: &Value) -> bool {
    match (kind, config, planned) {
        (_, Value::Null, _) => true,
        (Kind::Object(fields), Value::Map(_), Value::Map(_)) => {
            let set = |field: &&Field| !matches!(field.presence, Presence::Computed | Presence::WriteOnly);
            fields.iter().filter(set).all(|field| has_what_is_set(&field.kind, config.get(field.name), planned.get(field.name)))
        }
        (Kind::List(inner), Value::List(config), Value::List(planned)) => {
            config.len() == planned.len() && config.iter().zip(planned).all(|(config, planned)| has_what_is_set(inner, config, planned))
        }
        (Kind::Map(inner), Value::Map(config), Value::Map(planned)) => {
            config.keys().eq(planned.keys()) && config.values().zip(planned.values()).all(|(one, other)| has_what_is_set(inner, one, other))
        }
        _ => config == planned,
    }
}

/// The state that a plan leads to, in which what is computed is nothing.
fn carried_out(planned: Value) -> Value {
    match planned {
        Value::Unknown => Value::Null,
        Value::List(items) => Value::List(items.into_iter().map(carried_out).collect()),
        Value::Map(entries) => Value::Map(entries.into_iter().map(|(key, entry)| (key, carried_out(entry))).collect()),
        known => known,
    }
}
