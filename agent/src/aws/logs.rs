//! CloudWatch Logs: one stream, written in batches.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use jiff::Timestamp;
use serde_json::json;

use super::sign::Service;
use super::{Call, Content, Session};
use crate::failure::Failure;

/// The time one call may take.
const WITHIN: Duration = Duration::from_secs(15);

/// A log stream.
pub(crate) struct Stream {
    session: Rc<Session>,
    group: String,
    name: String,
}

impl Stream {
    pub(crate) fn new(session: Rc<Session>, group: &str, name: String) -> Self {
        Self { session, group: group.to_owned(), name }
    }

    /// Makes the stream. One that is there already is as good, and one that this agent made is not made again.
    pub(crate) async fn create(&self) -> Result<(), Failure> {
        if self.session.has_made(&self.name) {
            return Ok(());
        }
        let request = json!({"logGroupName": self.group, "logStreamName": self.name});
        match self.call("CreateLogStream", &request).await {
            Err(failure) if failure.code == "ResourceAlreadyExistsException" => {}
            result => result?,
        }
        self.session.keep_made(&self.name);
        Ok(())
    }

    /// Appends lines that were seen at `now`.
    pub(crate) async fn put(&self, lines: &[String], now: Timestamp) -> Result<(), Failure> {
        let timestamp = now.as_millisecond();
        let events: Vec<_> = lines.iter().map(|line| json!({"timestamp": timestamp, "message": line})).collect();
        self.call("PutLogEvents", &json!({"logGroupName": self.group, "logStreamName": self.name, "logEvents": events})).await
    }

    async fn call(&self, operation: &str, request: &serde_json::Value) -> Result<(), Failure> {
        let call = Call {
            service: Service::Logs,
            method: Method::POST,
            url: format!("{}/", self.session.endpoint("logs").await?),
            headers: vec![
                ("content-type", "application/x-amz-json-1.1".to_owned()),
                ("x-amz-target", format!("Logs_20140328.{operation}")),
            ],
            content: Content::Bytes(Bytes::from(request.to_string())),
            within: WITHIN,
        };
        let answer = self.session.send(call).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
        let code = text("__type").rsplit('#').next().unwrap_or_default();
        let message = if text("message").is_empty() { text("Message") } else { text("message") };
        Err(Failure::answered(operation, answer.status, code, message))
    }
}
