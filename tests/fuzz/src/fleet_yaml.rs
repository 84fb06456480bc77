//! Files as `spawn up -f`, `spawn schedule apply -f` and `spawn alert apply -f` take them.

use serde_yaml_ng::Value as Yaml;
use spawn_model::value::Value;

use crate::{place, written};

/// A fleet, a schedule or an alert, by its `kind`; what is no YAML is refused at a place that is there.
pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match serde_yaml_ng::from_str(text).map(value) {
        Ok(Value::Map(fields)) => written::judge(fields),
        Ok(_) => {}
        Err(error) => assert!(is_placed(text, &error), "{error}"),
    }
}

/// YAML has more kinds of line breaks, and ends a text that does not end with one by a line of its own.
fn is_placed(text: &str, error: &serde_yaml_ng::Error) -> bool {
    let Some(location) = error.location() else { return true };
    let (line, column) = (location.line(), location.column());
    let lines = text.replace("\r\n", "\n").replace(['\r', '\u{85}', '\u{2028}', '\u{2029}'], "\n");
    place::is_in(&lines, line, column) || (line, column) == (lines.split('\n').count() + 1, 1)
}

/// As `spawn up` makes user data of it (`cli-shim/src/input/yaml.rs`), but that `!file` and `!env` stand for themselves: a target reads no
/// files. What is refused there is not known here.
fn value(yaml: Yaml) -> Value {
    match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(truth) => Value::Bool(truth),
        Yaml::Number(number) => match number.as_i64() {
            Some(int) => Value::Int(int),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Yaml::String(text) => Value::String(text),
        Yaml::Sequence(items) => Value::List(items.into_iter().map(value).collect()),
        Yaml::Mapping(entries) => {
            let named = entries.into_iter().filter_map(|(key, item)| match key {
                Yaml::String(key) => Some((key, value(item))),
                _ => None,
            });
            Value::Map(named.collect())
        }
        Yaml::Tagged(tagged) => match (tagged.tag.to_string().as_str(), tagged.value) {
            ("!file" | "!env", Yaml::String(name)) => Value::String(name),
            _ => Value::Unknown,
        },
    }
}
