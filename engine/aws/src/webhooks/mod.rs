//! Addresses of other people's programs: HTTPS, to whom the certificates of this machine say it is.

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use spawn_core::ports::{Result, Webhook, Webhooks};
use spawn_model::error::{Class, Error};
use tokio::time::timeout;

use crate::http::tls;

/// How long an address may take to answer.
const WITHIN: Duration = Duration::from_secs(10);

/// How much of an answer is read: what it says of a refusal is in its first line.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// How much of that is told.
const SAID_MAX: usize = 200;

/// Characters of what is no word by chance.
const TELLING_MIN: usize = 4;

/// The client. Whom it trusts is read once, by the first who posts.
#[derive(Debug, Default)]
pub(crate) struct Https {
    config: OnceLock<Result<ClientConfig, String>>,
}

fn refused(class: Class, why: &str) -> Error {
    Error::new(class, "WebhookRefused", why, "Check the address, and whether it can be reached from AWS Lambda")
}

#[async_trait]
impl Webhooks for Https {
    async fn post(&self, webhook: &Webhook) -> Result<()> {
        let request = request(webhook).ok_or_else(|| refused(Class::Invalid, "its address or header cannot be sent"))?;
        let config =
            self.config.get_or_init(tls).clone().map_err(|cause| refused(Class::Invalid, &format!("TLS cannot be spoken: {cause}")))?;
        let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let answered = async {
            let answer = client.request(request).await.map_err(|error| root_cause(&error))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            Ok::<_, String>((status, body))
        };
        // What went wrong may name the host, which is no secret, but never the path.
        let (status, body) = match timeout(WITHIN, answered).await {
            Ok(answered) => answered.map_err(|cause| refused(Class::Transient, &format!("it cannot be reached: {cause}")))?,
            Err(_) => return Err(refused(Class::Transient, &format!("it did not answer within {} s", WITHIN.as_secs()))),
        };
        if status.is_success() {
            return Ok(());
        }
        let class = if status.is_server_error() { Class::Transient } else { Class::Denied };
        Err(refused(class, &format!("it answered {}{}", status.as_u16(), said(&body, webhook))))
    }
}

fn request(webhook: &Webhook) -> Option<Request<Full<Bytes>>> {
    let mut request = Request::builder().method(Method::POST).uri(webhook.url.reveal());
    request = request.header(CONTENT_TYPE, "application/json").header(USER_AGENT, concat!("spawn/", env!("CARGO_PKG_VERSION")));
    for (name, value) in &webhook.headers {
        let mut value = HeaderValue::from_str(value.reveal()).ok()?;
        value.set_sensitive(true);
        request = request.header(HeaderName::from_bytes(name.as_bytes()).ok()?, value);
    }
    request.body(Full::new(Bytes::from(webhook.body.clone()))).ok()
}

/// The first line of an answer, as far as people can read it; nothing if it repeats what was sent, which may be a secret.
fn said(body: &[u8], webhook: &Webhook) -> String {
    let text = String::from_utf8_lossy(body);
    let line: String = text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(SAID_MAX).collect();
    let (_, path) = webhook.url.reveal().split_once("://").unwrap_or_default();
    let of_path = path.split(['/', '?', '&', '=', '#']).skip(1);
    let of_headers = webhook.headers.iter().map(|(_, value)| value.reveal());
    let repeats = of_path.chain(of_headers).any(|part| part.len() >= TELLING_MIN && line.contains(part));
    if line.is_empty() || repeats { String::new() } else { format!(": {line}") }
}

fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use spawn_model::alert::Secret;

    use super::*;

    #[test]
    fn what_is_posted_is_json_with_its_headers() {
        let headers = vec![("Authorization".to_owned(), Secret::new("Bearer x"))];
        let webhook = Webhook { url: Secret::new("https://example.com/hook?a=b"), headers, body: "{}".to_owned() };
        let request = request(&webhook).expect("a request");
        assert_eq!(request.uri(), "https://example.com/hook?a=b");
        assert_eq!(request.headers()["authorization"], "Bearer x");
        assert!(request.headers()["authorization"].is_sensitive());
        assert_eq!(request.headers()[CONTENT_TYPE], "application/json");
    }

    #[test]
    fn of_a_refusal_the_first_line_is_told() {
        let headers = vec![("Authorization".to_owned(), Secret::new("hunter2"))];
        let webhook = Webhook { url: Secret::new("https://example.com/services/T00/B00?key=abcdef"), headers, body: String::new() };
        for (body, expected) in [
            ("", ""),
            ("no_service", ": no_service"),
            ("<html>\n<body>", ": <html>"),
            ("a\u{7}b\nc", ": ab"),
            ("there is no /services/T00/B00", ""),
            ("bad key abcdef", ""),
            ("hunter2 is wrong", ""),
            ("example.com is down", ": example.com is down"),
        ] {
            assert_eq!(said(body.as_bytes(), &webhook), expected);
        }
        assert_eq!(said("x".repeat(500).as_bytes(), &webhook).len(), SAID_MAX + 2);
    }
}
