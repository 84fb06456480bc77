//! The instance metadata service of one machine: IMDSv2, and IMDSv1 where the machine allows it.
//!
//! A real one is reached over a link only its instance has. This one is on loopback, so it looks at who asks: the process that holds the
//! other end of the connection must belong to the machine, and must not be in a unit that is denied it. Whoever is refused gets a reset
//! and no answer, as from a packet filter.

mod peer;
mod tree;

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::guest::Guest;
pub(crate) use peer::is_admitted;

const TOKEN_PATH: &str = "/latest/api/token";
const TOKEN_HEADER: &str = "x-aws-ec2-metadata-token";
const TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";

/// The longest life of a session token, in seconds: six hours, from the EC2 user guide.
const TTL_MAX: u64 = 21_600;

type Tokens = Mutex<HashMap<String, Instant>>;

/// Opens the port of a metadata service.
pub(crate) async fn listen() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Answers until `closed`.
pub(crate) async fn serve(listener: TcpListener, guest: Arc<Guest>, closed: CancellationToken) {
    let tokens = Arc::new(Tokens::default());
    loop {
        let accepted = tokio::select! {
            () = closed.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (guest, tokens, closed) = (Arc::clone(&guest), Arc::clone(&tokens), closed.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = closed.cancelled() => {}
                        () = converse(stream, peer, guest, tokens) => {}
                    }
                });
            }
            Err(error) => tracing::warn!(%error, id = &*guest.id, "metadata connection not accepted"),
        }
    }
}

async fn converse(stream: TcpStream, peer: SocketAddr, guest: Arc<Guest>, tokens: Arc<Tokens>) {
    let Ok(local) = stream.local_addr() else { return };
    let (table, machine) = (Arc::clone(&guest.host.table), Arc::clone(&guest.id));
    let admitted = tokio::task::spawn_blocking(move || is_admitted(&table, &machine, peer, local)).await;
    if !admitted.unwrap_or(false) {
        // Without lingering, closing is a reset. Should it fail, the connection is closed without an answer, which refuses as well.
        stream.set_zero_linger().ok();
        return;
    }
    let service = service_fn(move |request: Request<Incoming>| {
        let response = respond(&guest, &tokens, &request);
        async move { Ok::<_, Infallible>(response) }
    });
    if let Err(error) = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "metadata connection ended early");
    }
}

fn respond(guest: &Guest, tokens: &Tokens, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    match *request.method() {
        Method::PUT if path == TOKEN_PATH => issue_token(tokens, request.headers()),
        Method::GET | Method::HEAD => match authorise(guest, tokens, request.headers()) {
            Ok(()) => look_up(guest, path),
            Err(status) => empty(status),
        },
        _ => empty(StatusCode::METHOD_NOT_ALLOWED),
    }
}

fn issue_token(tokens: &Tokens, headers: &HeaderMap) -> Response<Full<Bytes>> {
    // What came through a proxy did not come from the instance.
    if headers.contains_key("x-forwarded-for") {
        return empty(StatusCode::FORBIDDEN);
    }
    let ttl = headers.get(TTL_HEADER).and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    let Some(ttl) = ttl.filter(|ttl| (1..=TTL_MAX).contains(ttl)) else { return empty(StatusCode::BAD_REQUEST) };
    let token = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let now = Instant::now();
    let mut tokens = tokens.lock().unwrap_or_else(PoisonError::into_inner);
    tokens.retain(|_, end| *end > now);
    tokens.insert(token.clone(), now + Duration::from_secs(ttl));
    let mut response = text(token.into());
    response.headers_mut().insert(TTL_HEADER, ttl.into());
    response
}

fn authorise(guest: &Guest, tokens: &Tokens, headers: &HeaderMap) -> Result<(), StatusCode> {
    let Some(token) = headers.get(TOKEN_HEADER) else {
        let required = guest.facts().metadata.tokens_required;
        return if required { Err(StatusCode::UNAUTHORIZED) } else { Ok(()) };
    };
    let tokens = tokens.lock().unwrap_or_else(PoisonError::into_inner);
    let end = token.to_str().ok().and_then(|token| tokens.get(token));
    if end.is_some_and(|end| *end > Instant::now()) { Ok(()) } else { Err(StatusCode::UNAUTHORIZED) }
}

fn look_up(guest: &Guest, path: &str) -> Response<Full<Bytes>> {
    let machine = guest.facts();
    let notices = *guest.notices();
    let credentials = || (guest.host.credentials)(&machine);
    match tree::find(&machine, notices, credentials, path) {
        tree::Found::Content(content) => text(content.into()),
        tree::Found::Absent => empty(StatusCode::NOT_FOUND),
        tree::Found::Unknown => {
            guest.host.add_gap(format!("metadata: {path}"));
            empty(StatusCode::NOT_FOUND)
        }
    }
}

fn text(content: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(content));
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("text/plain"));
    response.headers_mut().insert("server", http::HeaderValue::from_static("EC2ws"));
    response
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = text(Bytes::new());
    *response.status_mut() = status;
    response
}
