//! What can go wrong: a class that decides what happens next, and what was left behind.

use std::fmt;

use crate::ids::InstanceId;
use crate::problem::{Path, Problem};

/// Decides about retry, exit code and advice. A retry follows the class, never the place of the call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// The spec breaks a rule: change it.
    Invalid,
    /// AWS refused the right to do it.
    Denied,
    /// It does not exist.
    NotFound,
    /// Somebody else has it or changed it.
    Conflict,
    /// AWS asks to go slower.
    Throttled,
    /// AWS has no such machine now.
    Capacity,
    /// The account's limit is reached.
    Quota,
    /// A passing fault.
    Transient,
    /// Asked, and no answer: look before asking again.
    Ambiguous,
    /// The person or caller ended the operation.
    Cancelled,
    /// A fault in spawn.
    Bug,
}

impl Class {
    /// The exit code of the command.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Invalid | Self::NotFound => 2,
            Self::Denied => 3,
            Self::Capacity | Self::Quota => 4,
            Self::Conflict => 5,
            Self::Throttled | Self::Transient | Self::Ambiguous => 6,
            Self::Cancelled => 130,
            Self::Bug => 70,
        }
    }

    /// When the same call is made again, in a few words.
    #[must_use]
    pub const fn retry(self) -> &'static str {
        match self {
            Self::Invalid | Self::Denied | Self::NotFound | Self::Conflict | Self::Bug | Self::Cancelled => "no",
            Self::Throttled => "yes, more slowly, for as long as EC2's buckets need",
            Self::Capacity | Self::Quota => "no: the next pool is asked",
            Self::Transient => "yes, some times",
            Self::Ambiguous => "yes, where the second call finds what the first one made",
        }
    }
}

/// What an operation that failed left behind.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Leftover {
    /// Nothing.
    #[default]
    Clear,
    /// These instances, which their lease ends.
    Remaining(Vec<InstanceId>),
    /// It cannot be said; whatever there is has a lease.
    Unknown,
}

/// An error that says what failed, what to do, and what is left.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct Error {
    /// Its class.
    pub class: Class,
    /// A stable code, or AWS's own.
    pub code: String,
    /// What failed, in a sentence without a full stop.
    pub message: String,
    /// The way out.
    pub help: String,
    /// What it left behind.
    pub left: Leftover,
    /// The field that is to blame, if one is.
    pub path: Path,
}

impl Error {
    /// An error that left nothing behind.
    #[must_use]
    pub fn new(class: Class, code: impl Into<String>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { class, code: code.into(), message: message.into(), help: help.into(), left: Leftover::Clear, path: Path::default() }
    }

    /// The same error, blamed on a field.
    #[must_use]
    pub fn at(mut self, path: Path) -> Self {
        self.path = path;
        self
    }

    /// The same error, with what it left behind.
    #[must_use]
    pub fn leaving(mut self, left: Leftover) -> Self {
        self.left = left;
        self
    }

    /// The same error, with more to say about the way out.
    #[must_use]
    pub fn helped(mut self, more: &str) -> Self {
        self.help = if self.help.is_empty() { more.to_owned() } else { format!("{}. {more}", self.help) };
        self
    }

    /// The same error, told as part of something larger.
    #[must_use]
    pub fn context(mut self, doing: &str) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::new(Class::Invalid, "InvalidSpec", problem.message, problem.help).at(problem.path)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.0.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}", self.message)?;
        if !self.help.is_empty() {
            write!(f, ". {}", self.help)?;
        }
        match &self.left {
            Leftover::Clear => Ok(()),
            Leftover::Remaining(ids) => {
                let ids: Vec<&str> = ids.iter().map(|id| id.0.as_str()).collect();
                write!(f, ". Left until their lease ends them: {}", ids.join(", "))
            }
            Leftover::Unknown => write!(f, ". What is left, if anything, ends with its lease"),
        }
    }
}
