//! What a field table demands and Terraform's type system cannot check.

use spawn_model::field::{Field, Kind, Presence};
use spawn_model::value::Value;

use super::diagnostic::Diagnostic;
use super::path::{Path, Step};

/// Every place in `config` that its field table refuses.
pub(super) fn check(fields: &[Field], config: &Value) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    check_object(fields, config, &Path::root(), &mut found);
    found
}

/// Every secret in `config`, for a Terraform that would store it.
pub(super) fn secrets(fields: &[Field], config: &Value) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    secrets_of(fields, config, &Path::root(), &mut found);
    found
}

fn secrets_of(fields: &[Field], value: &Value, path: &Path, found: &mut Vec<Diagnostic>) {
    for field in fields {
        let (value, path) = (value.get(field.name), path.then(field.name));
        match field.kind {
            _ if value.is_null() => {}
            _ if field.presence == Presence::WriteOnly => {
                let detail = format!("`{path}` is a secret, and this Terraform would keep it in its state. Use Terraform 1.11 or later.");
                found.push(Diagnostic::error("Terraform is too old for a secret", detail).at(path));
            }
            Kind::Object(fields) => secrets_of(fields, value, &path, found),
            _ => {}
        }
    }
}

fn check_object(fields: &[Field], value: &Value, path: &Path, found: &mut Vec<Diagnostic>) {
    for field in fields {
        check_kind(&field.kind, value.get(field.name), &path.then(field.name), found);
    }
}

fn check_kind(kind: &Kind, value: &Value, path: &Path, found: &mut Vec<Diagnostic>) {
    match (kind, value) {
        (Kind::Int, Value::Float(number)) => {
            let detail = format!("`{path}` must be a whole number of at most 63 bits, and {number} is not.");
            found.push(Diagnostic::error("Not a whole number", detail).at(path.clone()));
        }
        (Kind::List(inner), Value::List(items)) => {
            for (index, item) in items.iter().enumerate() {
                check_kind(inner, item, &path.with(Step::Index(index)), found);
            }
        }
        (Kind::Map(inner), Value::Map(entries)) => {
            for (key, entry) in entries {
                check_kind(inner, entry, &path.with(Step::Key(key.clone())), found);
            }
        }
        (Kind::Object(fields), Value::Map(_)) => check_object(fields, value, path, found),
        _ => {}
    }
}
