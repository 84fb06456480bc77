//! What was asked for and the sandbox does not have.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

/// One thing the sandbox lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// What it is, such as `s3 GetBucketAcl`.
    pub what: String,
    /// How often it was asked for.
    pub count: u64,
}

/// The list of gaps.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    seen: Mutex<BTreeMap<String, u64>>,
}

impl Gaps {
    /// Counts a gap.
    pub(crate) fn record(&self, what: &str) {
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *seen.entry(what.to_owned()).or_default() += 1;
    }

    /// All gaps met so far, by name.
    pub(crate) fn list(&self) -> Vec<Gap> {
        let seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        seen.iter().map(|(what, count)| Gap { what: what.clone(), count: *count }).collect()
    }
}
