//! HTTP on loopback: requests in, answers out.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::control::server::serve_control;
use crate::protocol::Answer;
use crate::router::{Outcome, Raw};
use crate::world::World;

/// The largest body: an object of S3 in one piece may have 5 GiB, but not in memory here.
const LARGEST_BODY: usize = 1024 * 1024 * 1024;

/// Accepts connections until the world stops.
pub(crate) async fn serve(world: Arc<World>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = world.stop.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(Arc::clone(&world), stream));
                }
                Err(error) => tracing::warn!(%error, "connection not accepted"),
            },
        }
    }
    connections.shutdown().await;
}

async fn connection(world: Arc<World>, stream: TcpStream) {
    // Nothing here is ever better off for waiting.
    stream.set_nodelay(true).ok();
    let service = service_fn(move |request| respond(Arc::clone(&world), request));
    let served = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
}

/// An error closes the connection without an answer.
async fn respond(world: Arc<World>, request: http::Request<Incoming>) -> Result<Response<Full<Bytes>>, ClosedError> {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Err(ClosedError),
    };
    if parts.uri.path().starts_with("/_sandbox/") {
        return Ok(serve_control(&world, &parts, &body).await);
    }
    let raw = Raw {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
    };
    let outcome = world.router.serve(raw).await;
    world.wake.notify_one();
    match outcome {
        Outcome::Answer(answer) => Ok(response(answer)),
        Outcome::Close => Err(ClosedError),
        Outcome::Hang => {
            let never: Infallible = std::future::pending().await;
            match never {}
        }
    }
}

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("closed without an answer")]
struct ClosedError;

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(name), http::HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
