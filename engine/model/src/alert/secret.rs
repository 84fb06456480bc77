//! A secret on its way from a user to where it is kept encrypted.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::field::Kind;
use crate::problem::{Path, Problem};
use crate::read::FieldType;
use crate::value::Value;

/// Text that no record, log or message has: written down it is nothing.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_none()
    }
}

impl<'de> Deserialize<'de> for Secret {
    /// There is nothing to be read where nothing was written.
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("a secret is never written down"))
    }
}

impl FieldType for Secret {
    const KIND: Kind = Kind::String;

    fn read(value: &Value, path: &Path, problems: &mut Vec<Problem>) -> Option<Self> {
        match value {
            Value::Unknown => None,
            Value::String(text) => Some(Self(text.clone())),
            _ => {
                problems.push(Problem::new(path, "this is not text", "Write text"));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown_and_not_written_down() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "(secret)");
        assert_eq!(serde_json::to_string(&Some(secret)).expect("JSON"), "null");
        assert_eq!(serde_json::from_str::<Option<Secret>>("null").expect("nothing"), None);
    }
}
