//! Alerts: their rules, and that none of them tells a secret.

use serde_json::Value as Json;
use spawn_model::alert::{SECRETS_OF, read_alert};
use spawn_model::value::Value;

use crate::written;

const SECRET: &str = "hunter2/hunter2/hunter2";

/// An alert as JSON.
pub fn target(data: &[u8]) {
    let Ok(json) = serde_json::from_slice::<Json>(data) else { return };
    judge(&Value::from(json));
}

/// An alert is refused, and told why, without what is a secret in it; or it is read.
pub(crate) fn judge(value: &Value) {
    let (spec, problems) = read_alert(value);
    written::told(spec.as_ref(), &problems, value);
    if format!("{value:?}").contains(SECRET) {
        // It may be anything here: a name, which is shown.
        return;
    }
    let (spec, problems) = read_alert(&with_secrets(value));
    let shown = format!("{spec:?} {problems:?}");
    assert!(!shown.contains(SECRET), "{shown}");
    let recorded = spec.map(|spec| serde_json::to_string(&spec).expect("a spec is JSON"));
    assert!(recorded.is_none_or(|recorded| !recorded.contains(SECRET)), "a record has a secret");
}

/// The same with a secret that is known in the place of each.
fn with_secrets(value: &Value) -> Value {
    let mut value = value.clone();
    for (channel, field, _) in SECRETS_OF {
        let place = entry(&mut value, "notify").and_then(|notify| entry(notify, channel)).and_then(|channel| entry(channel, field));
        if let Some(place) = place {
            *place = SECRET.into();
        }
    }
    value
}

fn entry<'v>(value: &'v mut Value, key: &str) -> Option<&'v mut Value> {
    match value {
        Value::Map(entries) => entries.get_mut(key),
        _ => None,
    }
}
