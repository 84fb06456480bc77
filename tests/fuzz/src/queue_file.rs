//! Queue files of the predecessor.

use spawn_model::problem::Path;
use spawn_model::queue::predecessor::{Converted, NoQueueFile, convert, is_meant};
use spawn_model::spec::FleetKind;
use spawn_model::value::Value;

use crate::{place, queue, written};

/// What is converted is a queue that keeps the rules; what is not is refused at a place that is there, or in words.
pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let is_meant = is_meant(text);
    match convert(text) {
        Ok(converted) => {
            assert_eq!(converted.fields.get("kind"), Some(&"queue".into()));
            becomes_a_queue(converted);
        }
        Err(NoQueueFile::NotJson { line, column, message }) => {
            assert!(!message.is_empty() && place::is_in_by_bytes(text, line, column), "line {line}, column {column}: {message}");
        }
        Err(NoQueueFile::Problems(problems)) => {
            assert!(!problems.is_empty(), "refused, and nobody knows why");
            // What is no object has no place of its own.
            assert!(!is_meant || problems.iter().all(|problem| problem.path != Path::default()), "{problems:?}");
            written::told::<()>(None, &problems, &Value::Null);
        }
    }
}

/// Only name and lease are still to be judged: flags come before them.
fn becomes_a_queue(Converted { mut fields, notes }: Converted) {
    assert!(!notes.is_empty(), "some things are otherwise for every file");
    fields.remove("kind");
    fields.insert("name".to_owned(), "queue".into());
    fields.insert("lease".to_owned(), Value::Map([("ttl".to_owned(), "1h".into())].into()));
    fields.insert("instance_types".to_owned(), Value::List(vec!["c7i.large".into()]));
    let spec = written::fleet(FleetKind::Queue, &Value::Map(fields)).expect("what was converted keeps the rules of a queue");
    queue::runs(&spec.jobs);
}
