//! How EC2 says no.

use thiserror::Error;

/// An answer that is not a result: EC2's error code, its wording and the HTTP status.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// EC2's error code, such as `InvalidInstanceID.NotFound`.
    pub code: String,
    /// EC2's sentence.
    pub message: String,
    /// The HTTP status it travels with.
    pub status: u16,
    /// The caller never gets an answer: its connection breaks. Whether the call took effect, it cannot know.
    pub lost: bool,
    /// What was asked is not simulated, though AWS may know it. Whoever serves this should report it.
    pub gap: bool,
}

impl ApiError {
    /// A refusal with status 400, as most are.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        ApiError { code: code.into(), message: message.into(), status: 400, lost: false, gap: false }
    }

    /// The same, with another HTTP status.
    pub fn with_status(self, status: u16) -> Self {
        ApiError { status, ..self }
    }

    /// What this simulation does not know: refused instead of ignored.
    pub fn gap(code: &str, message: impl Into<String>) -> Self {
        ApiError { gap: true, ..ApiError::new(code, message) }
    }

    /// The answer to a call with `DryRun` that would have been done.
    pub fn dry_run() -> Self {
        ApiError::new("DryRunOperation", "Request would have succeeded, but DryRun flag is set.").with_status(412)
    }

    /// Too many calls, or too many resources in them (`kind` is `request` or `resource`).
    pub(crate) fn throttled(account: &str, operation: &str, kind: &str) -> Self {
        let message = format!(
            "Request limit exceeded. Account {account} has been throttled on ec2:{operation} because it exceeded its {kind} rate limit."
        );
        ApiError::new("RequestLimitExceeded", message).with_status(503)
    }

    pub(crate) fn value(message: impl Into<String>) -> Self {
        ApiError::new("InvalidParameterValue", message)
    }

    pub(crate) fn combination(message: impl Into<String>) -> Self {
        ApiError::new("InvalidParameterCombination", message)
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        ApiError::new("MissingParameter", format!("The request must contain the parameter {parameter}"))
    }
}
