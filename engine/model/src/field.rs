//! The one declaration of a field, from which schema, docs, YAML and messages come.

use crate::duration::Seconds;
use crate::value::Value;

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A truth value.
    Bool,
    /// A whole number.
    Int,
    /// A number that may have a fraction.
    Float,
    /// Text.
    String,
    /// A length of time: text as people write it, such as `20m`, and a number of seconds in a record.
    Duration,
    /// An ordered list of one type.
    List(&'static Kind),
    /// A map from text to one type.
    Map(&'static Kind),
    /// A nested object with fields of its own.
    Object(&'static [Field]),
}

impl Kind {
    /// What a record holds of this kind, as a user would write it.
    #[must_use]
    pub fn written(&self, recorded: Value) -> Value {
        match (self, recorded) {
            (Self::Duration, Value::Int(seconds)) => Value::String(Seconds(u64::try_from(seconds).unwrap_or_default()).to_string()),
            (Self::List(inner), Value::List(items)) => Value::List(items.into_iter().map(|item| inner.written(item)).collect()),
            (Self::Map(inner), Value::Map(entries)) => {
                Value::Map(entries.into_iter().map(|(key, entry)| (key, inner.written(entry))).collect())
            }
            (Self::Object(fields), Value::Map(mut entries)) => {
                for field in *fields {
                    if let Some(entry) = entries.get_mut(field.name) {
                        *entry = field.kind.written(std::mem::take(entry));
                    }
                }
                Value::Map(entries)
            }
            (_, recorded) => recorded,
        }
    }
}

/// Whether a user writes a field, and what it is when they do not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Presence {
    /// Must be written.
    Required,
    /// May be left out.
    Optional,
    /// May be left out, and then has this value (as JSON).
    Default(&'static str),
    /// A secret: it is used and not kept, so that no state, plan, record or log has it. May be left out.
    WriteOnly,
    /// Never written: spawn fills it in.
    Computed,
}

/// What changing a field of an existing fleet does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// The fleet goes on; the new value takes effect on it.
    InPlace,
    /// The fleet stays, and runs again. Of what spawn reports: what running again changes.
    Rerun,
    /// The fleet is ended and another one made.
    Replace,
}

/// A field of a spec or of what spawn reports about a fleet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field {
    /// The name in HCL, YAML and JSON.
    pub name: &'static str,
    /// What it is for, its unit and its limits: Markdown, a paragraph.
    pub doc: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Required, optional, defaulted or computed.
    pub presence: Presence,
    /// What changing it does.
    pub change: Change,
    /// Whether plans and logs must hide it.
    pub sensitive: bool,
}
