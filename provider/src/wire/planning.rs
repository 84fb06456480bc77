//! What every resource's plan begins with, from its field table alone: defaults, unknowns and replacement.
//!
//! The order matters: a plan that changes nothing must equal the prior state exactly, so computed values become unknown
//! only once something else is known to differ.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use spawn_model::field::{Change, Field, Kind, Presence};
use spawn_model::value::Value;

use super::codec;
use super::path::{Path, Step};

/// A plan before the resource itself has looked at it.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// The planned state.
    pub planned: Value,
    /// The attributes whose change means another object.
    pub requires_replace: Vec<Path>,
}

/// Prepares the plan of a resource that exists (`prior`) or is to be created.
///
/// `proposed` is Terraform's merge of `config` and `prior`. `stable` names, with dots, the computed fields that keep
/// their value for as long as the object lives, such as `id`.
#[must_use]
pub fn prepare(fields: &[Field], stable: &[&str], prior: Option<&Value>, proposed: &Value, config: &Value) -> Prepared {
    let mut planned = object_with_defaults(fields, proposed, config);
    if prior != Some(&planned) {
        let is_run_again = prior.is_some_and(|prior| runs_again(fields, prior, &planned));
        forget_computed(fields, stable, prior, &mut planned);
        if is_run_again {
            forget_run(fields, &mut planned);
        }
    }
    let mut requires_replace = Vec::new();
    if let Some(prior) = prior {
        object_replacements(fields, prior, &planned, &Path::root(), &mut requires_replace);
    }
    Prepared { planned, requires_replace }
}

// Defaults.

fn object_with_defaults(fields: &[Field], proposed: &Value, config: &Value) -> Value {
    let fill = |field: &Field| {
        let value = field_with_defaults(field, proposed.get(field.name), config.get(field.name));
        (field.name.to_owned(), value)
    };
    Value::Map(fields.iter().map(fill).collect())
}

fn field_with_defaults(field: &Field, proposed: &Value, config: &Value) -> Value {
    match (field.presence, config) {
        (Presence::Computed, _) => proposed.clone(),
        // No plan and no state has it.
        (Presence::WriteOnly, _) => Value::Null,
        (Presence::Default(json), Value::Null) => {
            let start = keep_computed(&field.kind, default_value(field, json), proposed);
            with_defaults(&field.kind, start, config)
        }
        _ => with_defaults(&field.kind, proposed.clone(), config),
    }
}

fn with_defaults(kind: &Kind, value: Value, config: &Value) -> Value {
    if *config == Value::Unknown {
        // Whatever Terraform proposed: it may turn out to be anything, null included.
        return Value::Unknown;
    }
    match (kind, value) {
        (Kind::Object(fields), value @ Value::Map(_)) => object_with_defaults(fields, &value, config),
        (Kind::List(inner), Value::List(items)) => {
            let items = items.into_iter().enumerate();
            Value::List(items.map(|(index, item)| with_defaults(inner, item, element(config, index))).collect())
        }
        (Kind::Map(inner), Value::Map(entries)) => {
            let fill = |(key, entry): (String, Value)| {
                let entry = with_defaults(inner, entry, config.get(&key));
                (key, entry)
            };
            Value::Map(entries.into_iter().map(fill).collect())
        }
        (_, value) => value,
    }
}

/// A field's default, with every attribute of an object in it.
fn default_value(field: &Field, json: &str) -> Value {
    let tree: Json =
        serde_json::from_str(json).unwrap_or_else(|error| panic!("the default of field `{}` is not JSON: {error}", field.name));
    codec::kind_from_json(&field.kind, &tree)
        .unwrap_or_else(|error| panic!("the default of field `{}` has the wrong type: {error}", field.name))
}

/// A default object knows nothing of its computed fields; they are as `proposed` has them.
fn keep_computed(kind: &Kind, default: Value, proposed: &Value) -> Value {
    let (Kind::Object(fields), Value::Map(mut entries)) = (kind, default.clone()) else { return default };
    for field in *fields {
        let known = proposed.get(field.name);
        let entry = entries.entry(field.name.to_owned()).or_default();
        *entry = match field.presence {
            Presence::Computed => known.clone(),
            _ => keep_computed(&field.kind, std::mem::take(entry), known),
        };
    }
    Value::Map(entries)
}

// Unknowns.

/// True if a field changes by which the object runs again.
fn runs_again(fields: &[Field], prior: &Value, planned: &Value) -> bool {
    let written = |field: &&Field| field.presence != Presence::Computed && field.change == Change::Rerun;
    fields.iter().filter(written).any(|field| prior.get(field.name) != planned.get(field.name))
}

/// The object runs again, so what its run has computed is not known, `stable` or not.
pub fn forget_run(fields: &[Field], planned: &mut Value) {
    let Value::Map(entries) = planned else { return };
    for field in fields.iter().filter(|field| field.presence == Presence::Computed && field.change == Change::Rerun) {
        entries.insert(field.name.to_owned(), Value::Unknown);
    }
}

/// Something changes, so whatever is computed may change too, unless it is `stable`.
fn forget_computed(fields: &[Field], stable: &[&str], prior: Option<&Value>, planned: &mut Value) {
    let Value::Map(entries) = planned else { return };
    for field in fields {
        let before = prior.map(|prior| prior.get(field.name));
        let entry = entries.entry(field.name.to_owned()).or_default();
        if field.presence == Presence::Computed {
            let kept = before.filter(|_| stable.contains(&field.name));
            *entry = kept.cloned().unwrap_or(Value::Unknown);
        } else {
            forget_within(&field.kind, &below(stable, field.name), before, entry);
        }
    }
}

fn forget_within(kind: &Kind, stable: &[&str], prior: Option<&Value>, planned: &mut Value) {
    match (kind, planned) {
        (Kind::Object(fields), planned @ Value::Map(_)) => forget_computed(fields, stable, prior, planned),
        (Kind::List(inner), Value::List(items)) => {
            for (index, item) in items.iter_mut().enumerate() {
                forget_within(inner, stable, prior.map(|prior| element(prior, index)), item);
            }
        }
        (Kind::Map(inner), Value::Map(entries)) => {
            for (key, entry) in entries {
                forget_within(inner, stable, prior.map(|prior| prior.get(key)), entry);
            }
        }
        _ => {}
    }
}

/// The dotted names that begin with `name`, without it.
fn below<'a>(stable: &[&'a str], name: &str) -> Vec<&'a str> {
    stable.iter().filter_map(|dotted| dotted.strip_prefix(name)?.strip_prefix('.')).collect()
}

// Replacement.

fn object_replacements(fields: &[Field], prior: &Value, planned: &Value, path: &Path, found: &mut Vec<Path>) {
    for field in fields {
        let (before, after) = (prior.get(field.name), planned.get(field.name));
        if field.presence == Presence::Computed || before == after {
            continue;
        }
        let path = path.then(field.name);
        if field.change == Change::Replace {
            found.push(path);
        } else {
            replacements(&field.kind, before, after, &path, found);
        }
    }
}

/// `prior` and `planned` differ, which is no replacement in itself: perhaps something inside them is one.
fn replacements(kind: &Kind, prior: &Value, planned: &Value, path: &Path, found: &mut Vec<Path>) {
    match (kind, prior, planned) {
        (Kind::Object(fields), Value::Map(_), Value::Map(_)) => {
            object_replacements(fields, prior, planned, path, found);
        }
        (Kind::List(inner), Value::List(before), Value::List(after)) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                replacements(inner, before, after, &path.with(Step::Index(index)), found);
            }
        }
        (Kind::Map(inner), Value::Map(before), Value::Map(after)) if same_keys(before, after) => {
            for (key, before) in before {
                replacements(inner, before, &after[key], &path.with(Step::Key(key.clone())), found);
            }
        }
        // Something comes, goes or is not known yet: there are not two sides to compare further in.
        _ if prior != planned && can_replace(kind) => found.push(path.clone()),
        _ => {}
    }
}

fn same_keys(left: &BTreeMap<String, Value>, right: &BTreeMap<String, Value>) -> bool {
    left.keys().eq(right.keys())
}

/// True if some field inside `kind` replaces the object when it changes.
fn can_replace(kind: &Kind) -> bool {
    match kind {
        Kind::List(inner) | Kind::Map(inner) => can_replace(inner),
        Kind::Object(fields) => {
            fields.iter().any(|field| field.presence != Presence::Computed && (field.change == Change::Replace || can_replace(&field.kind)))
        }
        Kind::Bool | Kind::Int | Kind::Float | Kind::String | Kind::Duration => false,
    }
}

/// An element of a list; null where there is none.
fn element(list: &Value, index: usize) -> &Value {
    match list {
        Value::List(items) => items.get(index).unwrap_or(&Value::Null),
        Value::Unknown => &Value::Unknown,
        _ => &Value::Null,
    }
}

#[cfg(test)]
#[path = "planning_tests.rs"]
mod tests;
