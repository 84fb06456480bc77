//! What a session begins with: we say which session we mean, the agent says what kind it is, and we answer what of that we know.

use serde_json::{Value, json};
use uuid::Uuid;

/// What the agent is told of its client: the version of the plugin whose protocol this is.
const CLIENT_VERSION: &str = "1.2.707.0";
/// How an action of the handshake went.
const DONE: u8 = 1;
const UNSUPPORTED: u8 = 3;

/// What is said first.
pub(super) fn introduction(token: &str) -> Value {
    json!({
        "MessageSchemaVersion": "1.0", "RequestId": Uuid::new_v4().to_string(), "TokenValue": token,
        "ClientId": Uuid::new_v4().to_string(), "ClientVersion": CLIENT_VERSION,
    })
}

/// What is answered to the agent's request: a session of plain bytes is what we know.
pub(super) fn response(request: &[u8]) -> Value {
    let request: Value = serde_json::from_slice(request).unwrap_or_default();
    let asked = request["RequestedClientActions"].as_array().cloned().unwrap_or_default();
    let answered = |action: &Value| {
        let kind = action["ActionType"].as_str().unwrap_or_default();
        let is_known = kind == "SessionType" && action["ActionParameters"]["SessionType"] != "Port";
        if is_known {
            json!({ "ActionType": kind, "ActionStatus": DONE, "ActionResult": null, "Error": "" })
        } else {
            json!({ "ActionType": kind, "ActionStatus": UNSUPPORTED, "ActionResult": null, "Error": format!("{kind} is not supported") })
        }
    };
    json!({ "ClientVersion": CLIENT_VERSION, "ProcessedClientActions": asked.iter().map(answered).collect::<Vec<_>>(), "Errors": [] })
}

/// What the account wants everybody to read who opens a session, if anything.
pub(super) fn greeting(complete: &[u8]) -> Option<Vec<u8>> {
    let complete: Value = serde_json::from_slice(complete).ok()?;
    let message = complete["CustomerMessage"].as_str().filter(|message| !message.is_empty())?;
    // A raw terminal goes back to the first column only when it is told.
    Some(format!("{message}\r\n").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_session_is_agreed_to() {
        let request = json!({ "AgentVersion": "3.3", "RequestedClientActions": [
            { "ActionType": "KMSEncryption", "ActionParameters": { "KMSKeyID": "alias/sessions" } },
            { "ActionType": "SessionType", "ActionParameters": { "SessionType": "Standard_Stream", "Properties": null } },
        ]});
        let answer = response(request.to_string().as_bytes());
        let statuses: Vec<&Value> =
            answer["ProcessedClientActions"].as_array().unwrap().iter().map(|action| &action["ActionStatus"]).collect();
        assert_eq!(statuses, [&json!(UNSUPPORTED), &json!(DONE)]);
    }
}
