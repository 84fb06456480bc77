//! What a request and its answer are once HTTP and signature are dealt with, and how each AWS protocol spells an error.

use bytes::Bytes;
use http::{HeaderMap, Method};
use jiff::Timestamp;

use crate::callers::Caller;
use crate::xml::escape;

/// How a service frames its requests and errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Form-encoded request, XML answer (IAM, STS). Errors of Route 53 are framed the same, though it is asked by method and path.
    Query,
    /// The query protocol as EC2 speaks it.
    Ec2,
    /// JSON with the operation in `X-Amz-Target` (Systems Manager, Logs, Pricing, Service Quotas).
    Json,
    /// JSON with the operation in method and path (Scheduler, Lambda).
    RestJson,
    /// XML with the operation in method, path and query (S3).
    RestXml,
}

impl Protocol {
    /// The protocol of a service, by its name in the credential scope.
    pub(crate) fn of(service: &str) -> Self {
        match service {
            "ec2" => Self::Ec2,
            "s3" => Self::RestXml,
            "iam" | "sts" | "autoscaling" | "sns" | "cloudformation" | "route53" => Self::Query,
            "scheduler" | "lambda" => Self::RestJson,
            _ => Self::Json,
        }
    }
}

/// One authenticated call, body decoded.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Service name of the credential scope (`s3`, `ec2`, …).
    pub(crate) service: String,
    /// Region of the credential scope.
    pub(crate) region: String,
    /// Name of the operation, such as `RunInstances`.
    pub(crate) operation: String,
    /// HTTP method.
    pub(crate) method: Method,
    /// Path as it was sent, still percent-encoded.
    pub(crate) path: String,
    /// Query parameters, decoded.
    pub(crate) query: Vec<(String, String)>,
    /// Header fields.
    pub(crate) headers: HeaderMap,
    /// The body; aws-chunked framing is already removed.
    pub(crate) body: Bytes,
    /// Who asks.
    pub(crate) caller: Caller,
    /// The sandbox's time.
    pub(crate) now: Timestamp,
    /// Request id, echoed in answers.
    pub(crate) id: String,
}

impl Request {
    /// A request the sandbox itself makes for somebody, such as a schedule's.
    pub(crate) fn own(service: &str, region: &str, caller: Caller, body: Bytes, target: Option<&str>, now: Timestamp) -> Self {
        let mut headers = HeaderMap::new();
        if let Some(target) = target.and_then(|target| http::HeaderValue::from_str(target).ok()) {
            headers.insert("x-amz-target", target);
        }
        Self {
            service: service.to_owned(),
            region: region.to_owned(),
            operation: String::new(),
            method: Method::POST,
            path: "/".to_owned(),
            query: Vec::new(),
            headers,
            body,
            caller,
            now,
            id: uuid::Uuid::new_v4().to_string(),
        }
    }

    /// A header's value, if it is there and text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A query parameter's value.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What goes back to the client.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// Header fields.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Bytes,
    /// The service's error code, when it is an error.
    pub(crate) code: Option<String>,
    /// What the sandbox lacks, if that is the reason.
    pub(crate) gap: Option<String>,
    /// The caller must not hear of it: its connection closes.
    pub(crate) lost: bool,
}

impl Answer {
    /// An XML document.
    pub(crate) fn xml(body: String) -> Self {
        Self { status: 200, ..Self::default() }.header("content-type", "text/xml").with_body(body)
    }

    /// A JSON document.
    pub(crate) fn json(body: &serde_json::Value) -> Self {
        Self { status: 200, ..Self::default() }.header("content-type", "application/x-amz-json-1.1").with_body(body.to_string())
    }

    /// No body.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// Adds a header field.
    #[must_use]
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub(crate) fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

/// A refusal, before it is put into the form of a protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// HTTP status.
    pub(crate) status: u16,
    /// AWS error code.
    pub(crate) code: String,
    /// Message for people.
    pub(crate) message: String,
    /// Header fields that belong to it.
    pub(crate) headers: Vec<(String, String)>,
    /// What the sandbox lacks, if that is the reason.
    pub(crate) gap: Option<String>,
}

impl Failure {
    /// A refusal AWS would give.
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), headers: Vec::new(), gap: None }
    }

    /// Something AWS has and the sandbox has not: refused, and listed by the gaps.
    pub(crate) fn gap(what: impl Into<String>) -> Self {
        let what = what.into();
        let mut failure = Self::new(501, "NotImplemented", format!("The sandbox does not know {what}."));
        failure.gap = Some(what);
        failure
    }

    /// Adds a header field.
    #[must_use]
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The refusal as an answer in the protocol's own form.
    pub(crate) fn answer(&self, protocol: Protocol, request_id: &str, resource: &str) -> Answer {
        let (code, message) = (escape(&self.code), escape(&self.message));
        let kind = if self.status < 500 { "Sender" } else { "Receiver" };
        let mut answer = match protocol {
            Protocol::Query => Answer::xml(format!(
                "<ErrorResponse><Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message></Error>\
                 <RequestId>{request_id}</RequestId></ErrorResponse>"
            )),
            Protocol::Ec2 => Answer::xml(format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code>\
                 <Message>{message}</Message></Error></Errors><RequestID>{request_id}</RequestID></Response>"
            )),
            Protocol::RestXml => Answer::xml(format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
                 <Resource>{}</Resource><RequestId>{request_id}</RequestId></Error>",
                escape(resource)
            )),
            Protocol::Json => Answer::json(&serde_json::json!({"__type": self.code, "message": self.message})),
            Protocol::RestJson => Answer::json(&serde_json::json!({"Message": self.message})).header("x-amzn-errortype", self.code.clone()),
        };
        answer.status = self.status;
        answer.code = Some(self.code.clone());
        answer.headers.extend(self.headers.iter().cloned());
        answer
    }
}
