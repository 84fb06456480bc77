//! From a queue file, as `spawn launch --batch-queue` of the predecessor took it, to the fields of a queue.
//!
//! Its commands run as they were written, by the shell that ran them then. What a queue has no word for, or what it means otherwise, is told; what
//! cannot be carried over is refused, in the words of the file.

mod job;
mod length;
mod retry;

use std::collections::BTreeMap;

use super::{OnFailure, check_queue};
use crate::duration::Seconds;
use crate::problem::{Path, Problem, Step};
use crate::read::FieldType;
use crate::value::Value;

const FIELDS: [&str; 7] = ["queue_id", "queue_name", "jobs", "global_timeout", "on_failure", "result_s3_bucket", "result_s3_prefix"];

/// What is otherwise for every file.
const ALWAYS: [&str; 2] = [
    "commands run as an ordinary user, not as root, and without rights in AWS unless `policies` give them some",
    "each job starts in a new directory; what it leaves elsewhere on its machine is there for other jobs only as long as there is one worker",
];

/// A queue file as the fields of a queue.
#[derive(Clone, Debug, PartialEq)]
pub struct Converted {
    /// The fields, `kind` among them, as a file of ours has them. The rules for what flags come before, `name` and `lease`, are still to be asked.
    pub fields: BTreeMap<String, Value>,
    /// What was left out, and what means something else here.
    pub notes: Vec<String>,
}

/// Why a text is no queue file that can be converted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NoQueueFile {
    /// It is not JSON.
    NotJson {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// Everything that cannot be carried over, in the words of the file: a job is named by its id, where it has one.
    Problems(Vec<Problem>),
}

impl std::fmt::Display for NoQueueFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotJson { line, column, message } => write!(f, "line {line}, column {column}: {message}"),
            Self::Problems(problems) => {
                let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                f.write_str(&lines.join("\n"))
            }
        }
    }
}

impl std::error::Error for NoQueueFile {}

impl From<serde_json::Error> for NoQueueFile {
    fn from(error: serde_json::Error) -> Self {
        let text = error.to_string();
        let message = text.split_once(" at line ").map_or(text.as_str(), |(message, _)| message).to_owned();
        // A text that ends too early does so before the first column of a line that is not there.
        Self::NotJson { line: error.line(), column: error.column().max(1), message }
    }
}

/// Whether a text is meant to be a queue file: JSON with a list of jobs, where a file of ours has a map.
#[must_use]
pub fn is_meant(text: &str) -> bool {
    if !text.trim_start().starts_with('{') {
        return false;
    }
    let Ok(file) = serde_json::from_str::<serde_json::Value>(text) else {
        // Whoever wrote these is helped by where his JSON breaks off, and not by what YAML makes of it.
        return ["\"jobs\"", "\"job_id\""].iter().all(|name| text.contains(name));
    };
    let has_ids = file["jobs"].as_array().is_some_and(|jobs| jobs.iter().any(|job| job.get("job_id").is_some()));
    let is_named = file.get("queue_id").is_some() || file.get("queue_name").is_some();
    !file["jobs"].is_object() && (has_ids || is_named)
}

/// Converts a queue file.
///
/// # Errors
/// The place where it is not JSON, or every field that cannot be carried over.
pub fn convert(text: &str) -> Result<Converted, NoQueueFile> {
    let file = Value::from(serde_json::from_str::<serde_json::Value>(text)?);
    let mut told = Told::default();
    let Some(object) = Object::new(&file, Path::default(), &mut told) else { return Err(NoQueueFile::Problems(told.problems)) };
    let fields = fields(&object, &mut told);
    let mut broken = Vec::new();
    check_queue(true, &Value::Map(fields.clone()), &Path::default(), &mut broken);
    told.problems.extend(broken.into_iter().map(in_words_of_the_file));
    if told.problems.is_empty() { Ok(Converted { fields, notes: told.notes }) } else { Err(NoQueueFile::Problems(told.problems)) }
}

fn fields(file: &Object<'_>, told: &mut Told) -> BTreeMap<String, Value> {
    ALWAYS.into_iter().for_each(|note| told.note(note));
    let written = [
        ("kind", Some("queue".into())),
        ("name", name(file, told)),
        ("lease", lease(file, told)),
        ("on_failure", on_failure(file, told)),
        ("jobs", jobs(file, told)),
    ];
    let places = ["result_s3_bucket", "result_s3_prefix"].map(|place| file.get::<String>(place, told));
    if places.iter().any(Option::is_some) {
        told.note(
            "result_s3_bucket and result_s3_prefix are left out: results lie in spawn's own bucket, and `spawn queue results` fetches them",
        );
    }
    file.tell_others(&FIELDS, told);
    written.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// What the fleet is called: the id, by which results were asked for.
fn name(file: &Object<'_>, told: &mut Told) -> Option<Value> {
    let (id, shown) = (file.get::<String>("queue_id", told), file.get::<String>("queue_name", told));
    if id.is_some() {
        told.note("QUEUE_ID is the id of the run, and not queue_id");
    }
    if shown.is_some() && shown != id {
        told.left_out(&Path::field("queue_name"), "a fleet has one name, and that is queue_id");
    }
    id.map(Value::String)
}

/// The lease: the machine that ran the queue lived as long.
fn lease(file: &Object<'_>, told: &mut Told) -> Option<Value> {
    if file.written("global_timeout").is_none() {
        told.note("there is no global_timeout: without a `ttl` of your own the lease ends the queue after its default of an hour");
    }
    let ttl = file.length("global_timeout", told)?;
    Some(Value::Map([("ttl".to_owned(), text(ttl))].into()))
}

fn on_failure(file: &Object<'_>, told: &mut Told) -> Option<Value> {
    if file.written("on_failure").is_none() {
        told.note("there is no on_failure: a failure stops the queue; write \"continue\" to go on with what does not depend on it");
    }
    let on_failure = file.get::<OnFailure>("on_failure", told)?;
    if on_failure == OnFailure::Continue {
        told.note("on_failure: jobs that depend on one that has failed are skipped, and not run in spite of it");
    }
    Some(on_failure.word().into())
}

fn jobs(file: &Object<'_>, told: &mut Told) -> Option<Value> {
    let written = file.written("jobs");
    if let Some(Value::List(items)) = written {
        return Some(Value::Map(job::jobs(items, told)));
    }
    let message = if written.is_some() { "is not a list" } else { "is required" };
    told.refuse(&Path::field("jobs"), message, "Write a list of jobs");
    None
}

/// A problem of the rules for queues, as somebody finds it who wrote a queue file.
fn in_words_of_the_file(mut problem: Problem) -> Problem {
    let field = match problem.path.0.as_mut_slice() {
        [_, _, Step::Key(object), Step::Key(field), ..] if *object == "retry" => Some(field),
        [_, _, Step::Key(field), ..] => Some(field),
        _ => None,
    };
    let names = [("attempts", "max_attempts"), ("on_exit_codes", "retry_on_codes"), ("results", "result_paths")];
    if let Some(field) = field
        && let Some((_, name)) = names.iter().find(|(ours, _)| *ours == field.as_str())
    {
        *field = (*name).to_owned();
    }
    problem
}

/// What is told of a file while it is read.
#[derive(Default)]
struct Told {
    notes: Vec<String>,
    problems: Vec<Problem>,
}

impl Told {
    /// Tells something of the whole file, once.
    fn note(&mut self, note: &str) {
        if !self.notes.iter().any(|told| told == note) {
            self.notes.push(note.to_owned());
        }
    }

    fn left_out(&mut self, path: &Path, why: &str) {
        self.notes.push(format!("{path} is left out: {why}"));
    }

    fn refuse(&mut self, path: &Path, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::new(path, message, help));
    }
}

/// An object of the file, and where it is.
struct Object<'a> {
    entries: &'a BTreeMap<String, Value>,
    path: Path,
}

impl<'a> Object<'a> {
    fn new(value: &'a Value, path: Path, told: &mut Told) -> Option<Self> {
        let Value::Map(entries) = value else {
            told.refuse(&path, "this is not an object", "Write an object: {\"name\": value}");
            return None;
        };
        Some(Self { entries, path })
    }

    /// A field as it was written. To Go, in which the file was read, an empty text is none.
    fn written(&self, name: &str) -> Option<&'a Value> {
        self.entries.get(name).filter(|value| !value.is_null() && value.as_str() != Some(""))
    }

    /// A field; nothing if it was not written, or is of another type, which is told.
    fn get<T: FieldType>(&self, name: &str, told: &mut Told) -> Option<T> {
        T::read(self.written(name)?, &self.path.key(name), &mut told.problems)
    }

    /// The same, of a field that has to be there.
    fn required<T: FieldType>(&self, name: &str, told: &mut Told) -> Option<T> {
        if self.written(name).is_none() {
            let path = self.path.key(name);
            told.refuse(&path, "is required", format!("Set {path}"));
        }
        self.get(name, told)
    }

    /// A length of time.
    fn length(&self, name: &str, told: &mut Told) -> Option<Seconds> {
        let (written, path) = (self.get::<String>(name, told)?, self.path.key(name));
        let Some(length) = length::parse(&written) else {
            told.refuse(&path, format!("{written:?} is not a length of time"), "Write it like \"90s\", \"20m\" or \"1h30m\"");
            return None;
        };
        if length.is_rounded {
            told.notes.push(format!("{path}: {written:?} becomes {}: spawn counts in whole seconds", length.seconds));
        }
        Some(length.seconds)
    }

    /// Tells which fields are none of those that are known. Go ignored them, but not those that differ in case alone.
    fn tell_others(&self, known: &[&str], told: &mut Told) {
        for name in self.entries.keys().filter(|name| !known.contains(&name.as_str())) {
            let path = self.path.key(name);
            match known.iter().find(|known| known.eq_ignore_ascii_case(name)) {
                Some(known) => told.refuse(&path, "is written otherwise", format!("Write {known}")),
                None => told.left_out(&path, "a queue file has no such field"),
            }
        }
    }
}

/// A length of time as a field has it.
fn text(length: Seconds) -> Value {
    Value::String(length.to_string())
}
