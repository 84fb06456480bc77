//! What is wrong with a spec, and where.

use std::fmt;

/// A step on the way to a value inside a spec.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// A field or map key.
    Key(String),
    /// A list index, from 0.
    Index(usize),
}

/// The way to a value inside a spec, such as `lease.ttl` or `command[0]`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Path(pub Vec<Step>);

impl Path {
    /// The path of a top-level field.
    #[must_use]
    pub fn field(name: &str) -> Self {
        Self::default().key(name)
    }

    /// This path, one key deeper.
    #[must_use]
    pub fn key(&self, name: &str) -> Self {
        self.with(Step::Key(name.to_owned()))
    }

    /// This path, one list index deeper.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

/// Whether a key can be written after a dot.
fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => write!(f, "{key}")?,
                Step::Key(key) if is_plain(key) => write!(f, ".{key}")?,
                Step::Key(key) => write!(f, "[{key:?}]")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A rule that a spec breaks: the field, what it says, what the rule is, and the way out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where.
    pub path: Path,
    /// One line that names the value and the rule.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

impl Problem {
    /// A problem at `path`.
    #[must_use]
    pub fn new(path: &Path, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { path: path.clone(), message: message.into(), help: help.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.0.is_empty() {
            write!(f, "{}. {}", self.message, self.help)
        } else {
            write!(f, "{}: {}. {}", self.path, self.message, self.help)
        }
    }
}
