//! Terraform's encoding of values, guided by the field tables.
//!
//! msgpack in and out; JSON only in (state files, and the alternative form of `DynamicValue`).
//! Malformed input is an error, never a panic, and allocates no more than it holds.

mod json;
mod msgpack;
#[cfg(test)]
mod tests;

use spawn_model::field::{Field, Kind};
use spawn_model::value::Value;

use super::path::{Path, Step};
use super::proto::tfplugin6::DynamicValue;

/// A value that does not have the type its schema gives it, or bytes that are no value at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", if path.is_root() { String::new() } else { format!("{path}: ") })]
pub struct CodecError {
    /// Where the problem is.
    pub path: Path,
    /// What it is.
    pub problem: String,
}

impl CodecError {
    fn new(problem: impl Into<String>) -> Self {
        Self { path: Path::root(), problem: problem.into() }
    }

    fn within(mut self, step: Step) -> Self {
        self.path.enclose(step);
        self
    }
}

/// What to do with an attribute that the schema does not have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Strangers {
    /// An error: both sides speak of the same schema.
    Refuse,
    /// Left out: a state that an earlier version of the provider wrote.
    Ignore,
}

/// Reads an object with `fields`; a missing or empty message is [`Value::Null`].
///
/// # Errors
/// If it is not such an object.
pub fn decode(fields: &'static [Field], dynamic: Option<&DynamicValue>) -> Result<Value, CodecError> {
    match dynamic {
        None => Ok(Value::Null),
        Some(dynamic) if !dynamic.msgpack.is_empty() => decode_msgpack(fields, &dynamic.msgpack),
        Some(dynamic) if !dynamic.json.is_empty() => decode_json(fields, &dynamic.json, Strangers::Refuse),
        Some(_) => Ok(Value::Null),
    }
}

/// Reads a value of a type.
///
/// # Errors
/// If it is none.
pub fn decode_kind(kind: &Kind, dynamic: &DynamicValue) -> Result<Value, CodecError> {
    if dynamic.msgpack.is_empty() {
        let tree = serde_json::from_slice(&dynamic.json).map_err(|error| CodecError::new(format!("not JSON: {error}")))?;
        return json::read(kind, &tree, Strangers::Refuse);
    }
    msgpack::read(kind, &dynamic.msgpack)
}

/// Writes a value of a type.
///
/// # Errors
/// If `value` is none.
pub fn encode_kind(kind: &Kind, value: &Value) -> Result<DynamicValue, CodecError> {
    let mut bytes = Vec::new();
    msgpack::write(&mut bytes, kind, value)?;
    Ok(DynamicValue { msgpack: bytes, json: Vec::new() })
}

/// Writes an object with `fields`, every attribute in it.
///
/// # Errors
/// If `value` is not such an object.
pub fn encode(fields: &'static [Field], value: &Value) -> Result<DynamicValue, CodecError> {
    let mut bytes = Vec::new();
    msgpack::write(&mut bytes, &Kind::Object(fields), value)?;
    Ok(DynamicValue { msgpack: bytes, json: Vec::new() })
}

/// Reads an object with `fields` from msgpack.
///
/// # Errors
/// If it is not such an object.
pub fn decode_msgpack(fields: &'static [Field], bytes: &[u8]) -> Result<Value, CodecError> {
    msgpack::read(&Kind::Object(fields), bytes)
}

/// Reads an object with `fields` from JSON text.
///
/// # Errors
/// If it is not such an object.
pub fn decode_json(fields: &'static [Field], bytes: &[u8], strangers: Strangers) -> Result<Value, CodecError> {
    let tree = serde_json::from_slice(bytes).map_err(|error| CodecError::new(format!("not JSON: {error}")))?;
    from_json(fields, &tree, strangers)
}

/// Reads an object with `fields` from a JSON tree. Attributes that are missing are null.
///
/// # Errors
/// If it is not such an object.
pub fn from_json(fields: &'static [Field], tree: &serde_json::Value, strangers: Strangers) -> Result<Value, CodecError> {
    json::read(&Kind::Object(fields), tree, strangers)
}

/// Reads one value of type `kind` from a JSON tree.
pub(super) fn kind_from_json(kind: &Kind, tree: &serde_json::Value) -> Result<Value, CodecError> {
    json::read(kind, tree, Strangers::Refuse)
}

/// What a value of this type is called in an error.
fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool => "a bool",
        Kind::Int | Kind::Float => "a number",
        Kind::String | Kind::Duration => "a string",
        Kind::List(_) => "a list",
        Kind::Map(_) => "a map",
        Kind::Object(_) => "an object",
    }
}

/// A number has one form: [`Value::Int`] wherever that holds it exactly, so that equal numbers compare equal.
fn number_from_f64(number: f64) -> Result<Value, CodecError> {
    // 2^63: the first float above every i64. Whole floats below it convert exactly.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if !number.is_finite() {
        return Err(CodecError::new("the number is not finite"));
    }
    if number.fract() == 0.0 && (-LIMIT..LIMIT).contains(&number) {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and inside i64's range")]
        return Ok(Value::Int(number as i64));
    }
    Ok(Value::Float(number))
}

fn number_from_text(text: &str) -> Result<Value, CodecError> {
    if let Ok(int) = text.parse() {
        return Ok(Value::Int(int));
    }
    // Rust reads "nan" and "infinity" too; number_from_f64 refuses them.
    let number = text.parse().map_err(|_| CodecError::new(format!("{text:?} is not a number")))?;
    number_from_f64(number)
}
