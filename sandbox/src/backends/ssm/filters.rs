//! What lists of Systems Manager are narrowed by.

use jiff::Timestamp;
use serde::Deserialize;

use crate::json::validation;
use crate::protocol::{Failure, Request};

/// A condition that several values meet.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Filter {
    pub(super) key: String,
    #[serde(default)]
    pub(super) values: Vec<String>,
}

/// A condition on what somebody began, that one value meets.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BegunFilter {
    pub(super) key: String,
    pub(super) value: String,
}

impl BegunFilter {
    /// Refuses what is no filter: those of every such list are about when it was begun. `missing` are AWS's that are not known here.
    pub(super) fn check(&self, known: &[&str], missing: &str, request: &Request) -> Result<(), Failure> {
        match self.key.as_str() {
            "InvokedAfter" | "InvokedBefore" if self.value.parse::<Timestamp>().is_ok() => Ok(()),
            "InvokedAfter" | "InvokedBefore" => Err(validation(format!("{} is not a time.", self.value))),
            key if known.contains(&key) => Ok(()),
            key if key == missing => Err(Failure::gap(format!("filter {key} of ssm {}", request.operation))),
            _ => Err(Failure::new(400, "InvalidFilterKey", "The specified key isn't valid.")),
        }
    }

    /// Whether what was begun then is meant, for a filter that is about that.
    pub(super) fn passes_time(&self, begun: Timestamp) -> bool {
        let is_meant = |time: Timestamp| if self.key == "InvokedAfter" { begun > time } else { begun < time };
        self.value.parse().is_ok_and(is_meant)
    }
}
