//! JSON as state files hold it.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use spawn_model::field::{Field, Kind};
use spawn_model::value::Value;

use super::super::path::Step;
use super::{CodecError, Strangers, kind_name, number_from_f64, number_from_text};

/// Reads one value of type `kind`.
pub(super) fn read(kind: &Kind, tree: &Json, strangers: Strangers) -> Result<Value, CodecError> {
    match (kind, tree) {
        (_, Json::Null) => Ok(Value::Null),
        (Kind::Bool, Json::Bool(truth)) => Ok(Value::Bool(*truth)),
        (Kind::Int | Kind::Float, Json::Number(number)) => read_number(number),
        (Kind::Int | Kind::Float, Json::String(text)) => number_from_text(text),
        (Kind::String | Kind::Duration, Json::String(text)) => Ok(Value::String(text.clone())),
        (Kind::List(inner), Json::Array(items)) => {
            let items = items.iter().enumerate();
            let read_item = |(index, item)| read(inner, item, strangers).map_err(|error: CodecError| error.within(Step::Index(index)));
            items.map(read_item).collect::<Result<_, _>>().map(Value::List)
        }
        (Kind::Map(inner), Json::Object(entries)) => {
            let read_entry = |(key, entry): (&String, &Json)| match read(inner, entry, strangers) {
                Ok(value) => Ok((key.clone(), value)),
                Err(error) => Err(error.within(Step::Key(key.clone()))),
            };
            entries.iter().map(read_entry).collect::<Result<_, _>>().map(Value::Map)
        }
        (Kind::Object(fields), Json::Object(entries)) => read_object(fields, entries, strangers),
        _ => Err(CodecError::new(format!("expected {}", kind_name(kind)))),
    }
}

fn read_number(number: &serde_json::Number) -> Result<Value, CodecError> {
    match (number.as_i64(), number.as_f64()) {
        (Some(int), _) => Ok(Value::Int(int)),
        (None, Some(float)) => number_from_f64(float),
        (None, None) => Err(CodecError::new(format!("{number} is out of range"))),
    }
}

fn read_object(fields: &[Field], entries: &serde_json::Map<String, Json>, strangers: Strangers) -> Result<Value, CodecError> {
    if strangers == Strangers::Refuse
        && let Some(name) = entries.keys().find(|name| fields.iter().all(|field| field.name != name.as_str()))
    {
        return Err(CodecError::new(format!("there is no attribute {name:?}")));
    }
    let mut object = BTreeMap::new();
    for field in fields {
        let tree = entries.get(field.name).unwrap_or(&Json::Null);
        let value = read(&field.kind, tree, strangers).map_err(|error| error.within(Step::Attribute(field.name.to_owned())))?;
        object.insert(field.name.to_owned(), value);
    }
    Ok(Value::Map(object))
}
