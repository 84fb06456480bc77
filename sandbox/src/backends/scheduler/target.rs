//! What a schedule does when it fires: the call that its target means.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;

use crate::backends::ssm::check_start;
use crate::json::validation;
use crate::protocol::Failure;

use super::state::Key;

/// Universal targets the sandbox carries out.
const START_AUTOMATION: &str = "arn:aws:scheduler:::aws-sdk:ssm:startAutomationExecution";
/// What context attributes begin with.
const ATTRIBUTE: &str = "<aws.scheduler.";
const INVOKE: &str = "arn:aws:scheduler:::aws-sdk:lambda:invoke";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Target {
    pub(super) arn: String,
    pub(super) role_arn: String,
    pub(super) input: Option<String>,
    retry_policy: Option<Retry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Retry {
    maximum_event_age_in_seconds: Option<i64>,
    maximum_retry_attempts: Option<u32>,
}

/// The input of the universal target that invokes a function.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Invoke {
    function_name: String,
    invocation_type: Option<String>,
    payload: Option<String>,
    qualifier: Option<String>,
}

/// A call that is made when a schedule fires.
#[derive(Debug, Clone)]
pub(crate) struct TargetCall {
    /// Service, such as `ssm`.
    pub(crate) service: &'static str,
    /// Path of the request.
    pub(crate) path: String,
    /// Header fields of the request.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Body of the request.
    pub(crate) body: String,
}

impl Target {
    pub(super) fn max_age(&self) -> SignedDuration {
        let seconds = self.retry_policy.as_ref().and_then(|retry| retry.maximum_event_age_in_seconds);
        SignedDuration::from_secs(seconds.unwrap_or(86_400))
    }

    pub(super) fn max_retries(&self) -> u32 {
        self.retry_policy.as_ref().and_then(|retry| retry.maximum_retry_attempts).unwrap_or(185)
    }

    /// Whether the sandbox can carry it out, and AWS would accept it.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let age = self.max_age().as_secs();
        if !(60..=86_400).contains(&age) || self.max_retries() > 185 {
            return Err(validation(
                "1 validation error detected: retryPolicy is out of range: MaximumEventAgeInSeconds 60 to 86400, MaximumRetryAttempts 0 to 185",
            ));
        }
        let input = self.input.as_deref();
        if let Some(input) = input
            && filled(input, "", Timestamp::UNIX_EPOCH, 1).contains(ATTRIBUTE)
        {
            return Err(Failure::gap("a context attribute that is not known in a scheduler target's input"));
        }
        match self.arn.as_str() {
            START_AUTOMATION => check_start(input.unwrap_or("{}")),
            INVOKE => invoke(input.unwrap_or("{}")).map(|_| ()),
            arn if is_function(arn) => match input.map(serde_json::from_str::<serde_json::Value>) {
                Some(Err(error)) => Err(validation(format!("Invalid Input: {error}"))),
                _ => Ok(()),
            },
            other => Err(Failure::gap(format!("scheduler target {other}"))),
        }
    }

    /// The call of one firing.
    pub(super) fn call(&self, schedule: &str, account: &str, key: &Key, at: Timestamp) -> TargetCall {
        // Of the first attempt: a repeated one is the same call.
        let input = self.input.as_deref().map(|input| filled(input, schedule, at, 1));
        match self.arn.as_str() {
            START_AUTOMATION => TargetCall {
                service: "ssm",
                path: "/".to_owned(),
                headers: vec![("x-amz-target", "AmazonSSM.StartAutomationExecution".to_owned())],
                body: input.unwrap_or_default(),
            },
            INVOKE => {
                // It was read once already, when the schedule was made.
                let asked = invoke(input.as_deref().unwrap_or("{}")).unwrap_or_default();
                let qualifier = asked.qualifier.map(|qualifier| format!(":{qualifier}")).unwrap_or_default();
                invocation(&format!("{}{qualifier}", asked.function_name), asked.payload.unwrap_or_default())
            }
            function => invocation(function, input.unwrap_or_else(|| default_event(schedule, account, key, at))),
        }
    }
}

/// An input with what Scheduler fills in
/// (docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html).
fn filled(input: &str, schedule: &str, at: Timestamp, attempt: u32) -> String {
    let execution = uuid::Uuid::new_v4().simple().to_string();
    [
        ("schedule-arn", schedule),
        ("scheduled-time", &crate::times::iso_seconds(at)),
        ("execution-id", &execution[..16]),
        ("attempt-number", &attempt.to_string()),
    ]
    .iter()
    .fold(input.to_owned(), |text, (name, value)| text.replace(&format!("{ATTRIBUTE}{name}>"), value))
}

/// The ARN of a function, with or without a version.
fn is_function(arn: &str) -> bool {
    let words: Vec<&str> = arn.split(':').collect();
    matches!(words.as_slice(), ["arn", "aws", "lambda", _, _, "function", _] | ["arn", "aws", "lambda", _, _, "function", _, _])
}

fn invoke(input: &str) -> Result<Invoke, Failure> {
    let asked: Invoke = serde_json::from_str(input).map_err(|error| validation(format!("Invalid Input: {error}")))?;
    match asked.invocation_type.as_deref() {
        Some("Event") => Ok(asked),
        // Scheduler would wait for an answer that may take a quarter of an hour, and how it does is not documented.
        _ => Err(Failure::gap("a scheduler target that invokes a function and waits for it")),
    }
}

fn invocation(function: &str, body: String) -> TargetCall {
    TargetCall {
        service: "lambda",
        path: format!("/2015-03-31/functions/{function}/invocations"),
        headers: vec![("x-amz-invocation-type", "Event".to_owned())],
        body,
    }
}

/// What a function is sent whose schedule names no input.
fn default_event(schedule: &str, account: &str, key: &Key, at: Timestamp) -> String {
    json!({
        "version": "0", "id": uuid::Uuid::new_v4().to_string(), "detail-type": "Scheduled Event", "source": "aws.scheduler",
        "account": account, "time": crate::times::iso_seconds(at), "region": key.region, "resources": [schedule], "detail": "{}",
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_scheduler_knows_is_filled_in() {
        let at: Timestamp = "2027-01-05T08:00:00Z".parse().unwrap();
        let input = r#"{"time":"<aws.scheduler.scheduled-time>","of":"<aws.scheduler.schedule-arn>","try":<aws.scheduler.attempt-number>}"#;
        assert_eq!(filled(input, "arn:s", at, 2), r#"{"time":"2027-01-05T08:00:00Z","of":"arn:s","try":2}"#);
        assert_eq!(filled("<aws.scheduler.execution-id>", "", at, 1).len(), 16);
        assert!(filled("<aws.scheduler.weather>", "", at, 1).contains(ATTRIBUTE));
    }
}
