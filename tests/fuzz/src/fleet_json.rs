//! Fleets as JSON: what Terraform's values and files of other programs become.

use serde_json::Value as Json;
use spawn_model::value::Value;

use crate::written;

/// A fleet, a schedule or an alert, by its `kind`.
pub fn target(data: &[u8]) {
    let Ok(json) = serde_json::from_slice::<Json>(data) else { return };
    match Value::from(json) {
        Value::Map(fields) => written::judge(fields),
        other => written::KINDS.into_iter().for_each(|kind| assert_eq!(written::fleet(kind, &other), None, "{other:?}")),
    }
}
