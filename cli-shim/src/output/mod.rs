//! Results to standard output, progress to standard error, errors to both where a program reads.

mod failure;
pub(crate) mod fleet;
pub(crate) mod money;
pub(crate) mod reaped;
pub(crate) mod table;
pub(crate) mod time;

use std::io::Write;

use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;
use spawn_model::error::{Class, Error};

pub(crate) use failure::Failure;

/// How results are written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs: one JSON document, in a shape that only ever gains fields.
    Json,
}

/// How a command talks to its user.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    format: Format,
    quiet: bool,
}

impl Output {
    /// Results in `format`; no progress if `quiet`.
    pub(crate) fn new(format: Format, quiet: bool) -> Self {
        Self { format, quiet }
    }

    /// Whether results are JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Writes a result: `value` as JSON, or what `text` makes for people.
    pub(crate) fn result<T: Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        match self.format {
            Format::Table => print(&text(value)),
            Format::Json => print(&pretty(value)?),
        }
    }

    /// Writes a result that there is although something failed, reports what did, and answers the exit code.
    pub(crate) fn result_with_errors<T: Serialize>(
        &self,
        value: &T,
        errors: Vec<Error>,
        text: impl FnOnce(&T) -> String,
    ) -> Result<u8, Failure> {
        if errors.is_empty() {
            return self.result(value, text).map(|()| 0);
        }
        let failure = Failure::several(errors);
        match self.format {
            Format::Table => print(&text(value))?,
            Format::Json => print(&pretty(&with_errors(value, &failure)?)?)?,
        }
        say(failure.text().trim_end());
        Ok(failure.exit_code())
    }

    /// Writes one of many results as it comes: `value` as a line of JSON, or `text`.
    pub(crate) fn line<T: Serialize>(&self, value: &T, text: &str) -> Result<(), Failure> {
        match self.format {
            Format::Table => print(&format!("{text}\n")),
            Format::Json => print(&format!("{}\n", serde_json::to_string(value).map_err(not_json)?)),
        }
    }

    /// Tells what is happening.
    pub(crate) fn progress(&self, line: &str) {
        if !self.quiet {
            say(line);
        }
    }

    /// Tells how what was written was understood, quiet or not.
    pub(crate) fn note(&self, line: &str) {
        say(&format!("note: {line}"));
    }

    /// Tells what the user should know, quiet or not.
    pub(crate) fn warn(&self, line: &str) {
        say(&format!("warning: {line}"));
    }

    /// Reports a failure and answers the exit code.
    pub(crate) fn fail(&self, failure: &Failure) -> u8 {
        say(failure.text().trim_end());
        if self.is_json() {
            // The failure itself is being told: one of telling it has nobody to be told to.
            let _ = pretty(&failure.json()).and_then(|text| print(&text));
        }
        failure.exit_code()
    }
}

/// A line on standard error. Nobody may be reading any more, and that changes nothing.
fn say(line: &str) {
    if !line.is_empty() {
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }
}

/// A line of a rank behind its number, which takes as much room as the highest of `size` ranks.
pub(crate) fn of_rank(rank: u32, size: u32, line: &str) -> String {
    let width = size.saturating_sub(1).to_string().len();
    format!("{rank:>width$} | {line}")
}

/// Writes a whole text to standard output.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => Failure::reader_gone(),
        _ => Error::new(Class::Transient, "OutputFailed", format!("standard output cannot be written: {error}"), "").into(),
    })
}

/// A result and what failed beside it, for programs: one document, in the shape that each has alone.
fn with_errors<T: Serialize>(value: &T, failure: &Failure) -> Result<Value, Failure> {
    let mut document = serde_json::to_value(value).map_err(not_json)?;
    if let (Value::Object(document), Value::Object(errors)) = (&mut document, failure.json()) {
        document.extend(errors);
    }
    Ok(document)
}

fn pretty<T: Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(not_json)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn not_json(error: serde_json::Error) -> Failure {
    Error::new(Class::Bug, "ResultJson", format!("a result is not JSON: {error}"), "").into()
}
