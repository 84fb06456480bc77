//! HTTP on loopback: requests in, answers out.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::backends::ssm::Sessions;
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
    let served = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).with_upgrades().await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
}

/// An error closes the connection without an answer.
async fn respond(world: Arc<World>, mut request: http::Request<Incoming>) -> Result<Response<Full<Bytes>>, ClosedError> {
    if let Some(session) = Sessions::of_path(request.uri().path()).map(str::to_owned) {
        return Ok(open_channel(&world, &mut request, session));
    }
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

/// The channel of a session: a web socket, on which the client proves itself by its token. What asks for something else is refused.
fn open_channel(world: &World, request: &mut http::Request<Incoming>, session: String) -> Response<Full<Bytes>> {
    let text = |name| request.headers().get(name).and_then(|value: &http::HeaderValue| value.to_str().ok()).unwrap_or_default();
    let upgrades = text(UPGRADE).eq_ignore_ascii_case("websocket") && text(SEC_WEBSOCKET_VERSION) == "13";
    let accepted = request.headers().get(SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let Some(accepted) = accepted.filter(|_| upgrades).and_then(|key| http::HeaderValue::try_from(key).ok()) else {
        return response(Answer::empty(400));
    };
    world.ssm.attend(session, hyper::upgrade::on(request));
    let mut response = response(Answer::empty(101));
    for (name, value) in [(UPGRADE, http::HeaderValue::from_static("websocket")), (CONNECTION, http::HeaderValue::from_static("Upgrade"))] {
        response.headers_mut().insert(name, value);
    }
    response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accepted);
    response
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
