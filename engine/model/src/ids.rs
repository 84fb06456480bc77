//! Identifiers. Each is a type of its own, so that a run cannot be passed where a fleet is meant.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[doc = $doc:literal])* $name:ident, $prefix:literal) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Makes an id from 8 random bytes.
            #[must_use]
            pub fn from_random(bytes: [u8; 8]) -> Self {
                Self(format!("{}{}", $prefix, hex::encode(bytes)))
            }

            /// Reads an id; nothing if it has not the form of one.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let digits = text.strip_prefix($prefix)?;
                let valid = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
                valid.then(|| Self(text.to_owned()))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// A fleet, for its whole life.
    FleetId,
    "fleet-"
);
id!(
    /// One execution of a fleet.
    RunId,
    "run-"
);
id!(
    /// An alert, for its whole life.
    AlertId,
    "alert-"
);

/// An instance of EC2, `i-…`, as AWS names it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(pub String);

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_and_nothing_else_is() {
        let id = FleetId::from_random([0xab; 8]);
        assert_eq!(id.as_str(), "fleet-abababababababab");
        assert_eq!(FleetId::parse(id.as_str()), Some(id));
        for text in ["", "fleet-", "run-abababababababab", "fleet-ABABABABABABABAB", "fleet-abababababababab/.."] {
            assert_eq!(FleetId::parse(text), None, "{text:?}");
        }
    }
}
