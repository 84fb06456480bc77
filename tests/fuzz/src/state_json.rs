//! Values as state files hold them.

use serde_json::{Number, Value as Json};
use spawn_model::value::Value;
use spawn_provider::wire::codec::{Strangers, decode_json};

use crate::{msgpack, tables};

/// What is read of a state is sent as the same, and once more stored it is the same; what is not is refused at a place that the schema has.
pub fn target(data: &[u8]) {
    for fields in tables::all() {
        let read = decode_json(fields, data, Strangers::Ignore);
        if let Ok(strict) = decode_json(fields, data, Strangers::Refuse) {
            assert_eq!(read.as_ref(), Ok(&strict), "an attribute counts, whether or not others would be refused");
        }
        match read {
            Ok(value) => {
                msgpack::kept(fields, &value);
                let again = stored(&value).to_string();
                assert_eq!(decode_json(fields, again.as_bytes(), Strangers::Refuse), Ok(value), "{again}");
            }
            Err(error) => assert!(tables::kind_at(fields, &error.path).is_some(), "{error}"),
        }
    }
}

/// As Terraform would store it.
fn stored(value: &Value) -> Json {
    match value {
        Value::Null | Value::Unknown => Json::Null,
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Int(number) => Json::from(*number),
        Value::Float(number) => Json::Number(Number::from_f64(*number).expect("no number of a state is infinite")),
        Value::String(text) => Json::String(text.clone()),
        Value::List(items) => items.iter().map(stored).collect(),
        Value::Map(entries) => Json::Object(entries.iter().map(|(key, entry)| (key.clone(), stored(entry))).collect()),
    }
}
