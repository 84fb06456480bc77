//! Why a command failed, as people and programs read it.

use serde_json::{Value, json};
use spawn_model::error::{Class, Error, Leftover};
use spawn_model::problem::Problem;

/// The exit code of a process that SIGPIPE ended: what a shell expects when the reader of a pipe has gone.
const READER_GONE: u8 = 141;

/// One error or several, such as every problem of a spec. None at all: nobody reads the output any more.
#[derive(Debug)]
pub(crate) struct Failure {
    errors: Vec<Error>,
}

impl Failure {
    /// That whoever read standard output has gone, as `head` does.
    pub(crate) fn reader_gone() -> Self {
        Self { errors: Vec::new() }
    }

    /// Several errors; the first decides about the exit code.
    pub(crate) fn several(errors: Vec<Error>) -> Self {
        Self { errors }
    }

    /// The exit code of the command.
    pub(crate) fn exit_code(&self) -> u8 {
        self.errors.first().map_or(READER_GONE, |error| error.class.exit_code())
    }

    /// Whether it is the error with this code.
    pub(crate) fn is_about(&self, code: &str) -> bool {
        matches!(self.errors.as_slice(), [error] if error.code == code)
    }

    /// What failed, in a line.
    pub(crate) fn first_line(&self) -> String {
        self.errors.first().map(|error| error.message.clone()).unwrap_or_default()
    }

    /// For people. Meaning never depends on colour, so there is none.
    pub(crate) fn text(&self) -> String {
        match self.errors.as_slice() {
            [] => String::new(),
            [error] => format!("error: {}", one(error, "  ")),
            errors => {
                let listed: String = errors.iter().map(|error| format!("  {}", one(error, "    "))).collect();
                format!("error: there are {} problems\n{listed}", errors.len())
            }
        }
    }

    /// For programs: `error` is the first, `errors` are all.
    pub(crate) fn json(&self) -> Value {
        let errors: Vec<Value> = self.errors.iter().map(object).collect();
        json!({ "error": errors.first(), "errors": errors })
    }
}

fn one(error: &Error, indent: &str) -> String {
    let mut text = match error.path.0.is_empty() {
        true => error.message.clone(),
        false => format!("{}: {}", error.path, error.message),
    };
    text.push('\n');
    if !error.help.is_empty() {
        text.push_str(&format!("{indent}help: {}\n", error.help));
    }
    match &error.left {
        Leftover::Clear => {}
        Leftover::Remaining(ids) => {
            let ids: Vec<&str> = ids.iter().map(|id| id.0.as_str()).collect();
            text.push_str(&format!("{indent}left: {}, until their lease ends them\n", ids.join(", ")));
        }
        Leftover::Unknown => text.push_str(&format!("{indent}left: unknown; whatever there is ends with its lease\n")),
    }
    text
}

fn object(error: &Error) -> Value {
    let (left, instances) = match &error.left {
        Leftover::Clear => ("clear", Vec::new()),
        Leftover::Remaining(ids) => ("remaining", ids.iter().map(|id| id.0.as_str()).collect()),
        Leftover::Unknown => ("unknown", Vec::new()),
    };
    json!({
        "class": class(error.class),
        "code": error.code,
        "message": error.message,
        "help": error.help,
        "path": error.path.to_string(),
        "left": { "what": left, "instance_ids": instances },
    })
}

/// The class as programs read it.
fn class(class: Class) -> &'static str {
    match class {
        Class::Invalid => "invalid",
        Class::Denied => "denied",
        Class::NotFound => "not_found",
        Class::Conflict => "conflict",
        Class::Throttled => "throttled",
        Class::Capacity => "capacity",
        Class::Quota => "quota",
        Class::Transient => "transient",
        Class::Ambiguous => "ambiguous",
        Class::Cancelled => "cancelled",
        Class::Bug => "bug",
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { errors: vec![error] }
    }
}

impl From<Vec<Problem>> for Failure {
    fn from(problems: Vec<Problem>) -> Self {
        Self { errors: problems.into_iter().map(Error::from).collect() }
    }
}

#[cfg(test)]
mod tests {
    use spawn_model::ids::InstanceId;
    use spawn_model::problem::Path;

    use super::*;

    #[test]
    fn an_error_says_what_failed_what_to_do_and_what_is_left() {
        let left = Leftover::Remaining(vec![InstanceId("i-0a".into()), InstanceId("i-0b".into())]);
        let capacity = Error::new(Class::Capacity, "NoCapacity", "no pool has 8 instances", "Name another type").leaving(left);
        let several = vec![
            Problem::new(&Path::field("size"), "0 instances are not possible", "Write a number from 1 to 10000"),
            Problem::new(&Path::field("lease").key("ttl"), "\"5 parsecs\" is not a duration", "Write it like \"20m\""),
        ];
        let unknown = Error::new(Class::Cancelled, "Cancelled", "the operation was cancelled", "").leaving(Leftover::Unknown);
        for (name, failure) in [
            ("failure-with-leftovers", Failure::from(capacity)),
            ("failure-several", Failure::from(several)),
            ("failure-unknown-leftovers", Failure::from(unknown)),
        ] {
            let json = serde_json::to_string_pretty(&failure.json()).expect("JSON");
            insta::assert_snapshot!(name, format!("exit code {}\n{}\n{json}", failure.exit_code(), failure.text()));
        }
    }
}
