//! One request of HTTP, on the stack that the AWS SDKs are on.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, HeaderValue, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(20);
/// How much of an answer is read.
const BYTES_MAX: usize = 64 * 1024;

/// What a server answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// Asks for what is at an address, as whoever holds a token. An error is said in words, and says nothing of the token.
pub(crate) async fn get(url: &str, token: &str) -> Result<Answer, String> {
    let mut bearer = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| "the token cannot be sent".to_owned())?;
    bearer.set_sensitive(true);
    let request = Request::get(url)
        .header(AUTHORIZATION, bearer)
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("spawn-action/", env!("CARGO_PKG_VERSION")))
        .body(Empty::new())
        .map_err(|error| format!("its address cannot be asked: {error}"))?;
    let client = Client::builder(TokioExecutor::new());
    // Whoever speaks no TLS needs nobody's certificates.
    let answered = if url.starts_with("http://") {
        timeout(WITHIN, send(client.build_http(), request)).await
    } else {
        let connector = HttpsConnectorBuilder::new().with_tls_config(spawn_aws::tls()?).https_only().enable_http1().build();
        timeout(WITHIN, send(client.build(connector), request)).await
    };
    answered.unwrap_or_else(|_| Err(format!("it did not answer within {} s", WITHIN.as_secs())))
}

async fn send<C>(client: Client<C, Empty<Bytes>>, request: Request<Empty<Bytes>>) -> Result<Answer, String>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let answer = client.request(request).await.map_err(|error| root_cause(&error))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), BYTES_MAX).collect().await.map_err(|error| error.to_string())?.to_bytes();
    Ok(Answer { status, body })
}

fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
