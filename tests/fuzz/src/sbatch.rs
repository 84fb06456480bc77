//! Batch scripts of Slurm.

use std::collections::BTreeMap;

use spawn_model::problem::Step;
use spawn_model::rules::read_spec;
use spawn_model::slurm::{Converted, Unconverted, convert};
use spawn_model::spec::FleetKind;
use spawn_model::value::Value;

use crate::{place, written};

/// What is converted is a job array that runs the script as it is; what is not is refused at a place that is there.
pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match convert(text) {
        Ok(converted) => becomes_an_array(text, converted),
        Err(Unconverted { line, column, message }) => {
            assert!(!message.is_empty() && place::is_in(text, line, column), "line {line}, column {column}: {message}");
        }
    }
}

/// The conversion takes the names of variables and the size of a script as they are; all else keeps the rules.
fn becomes_an_array(script: &str, converted: Converted) {
    assert!(converted.files.values().any(|file| file == script), "the script is not what it was");
    let value = fields(converted);
    let (_, problems) = read_spec(FleetKind::JobArray, &value);
    let is_taken_as_it_is = |step: Option<&Step>| matches!(step, Some(Step::Key(field)) if field == "env" || field == "files");
    assert!(problems.iter().all(|problem| is_taken_as_it_is(problem.path.0.first())), "{problems:?}");
    if problems.is_empty() {
        written::fleet(FleetKind::JobArray, &value);
    }
}

/// As `examples/slurm` makes an array of it.
fn fields(converted: Converted) -> Value {
    let Value::Map(mut fields) = Value::from(serde_json::to_value(converted).expect("fields are JSON")) else { return Value::Null };
    fields.remove("notes");
    let ttl = fields.remove("ttl").unwrap_or_default();
    fields.insert("lease".to_owned(), Value::Map(BTreeMap::from([("ttl".to_owned(), ttl)])));
    Value::Map(fields)
}
