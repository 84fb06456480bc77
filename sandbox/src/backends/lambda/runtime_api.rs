//! The runtime API of one process, on a loopback port of its own.
//!
//! On AWS it can be reached from within the environment alone; here whoever asks must be one of the environment's own processes.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sandbox_hypervisor::Tree;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::report::MOST_ANSWER;
use super::surroundings::Surroundings;

/// What a process says.
#[derive(Debug)]
pub(super) enum Said {
    /// It is ready for the next invocation.
    Next,
    /// It has answered.
    Response(Bytes),
    /// Its answer is too large.
    TooLarge,
    /// It has failed.
    Error(Bytes),
    /// It cannot start.
    InitError(Bytes),
}

/// An invocation, as a process is told of it.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) id: String,
    pub(super) payload: Bytes,
    pub(super) headers: Vec<(&'static str, String)>,
}

/// Lambda's end of the API.
pub(super) struct RuntimeApi {
    said: mpsc::UnboundedReceiver<Said>,
    work: mpsc::Sender<Work>,
    closed: CancellationToken,
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

/// The process's end.
struct Desk {
    around: Arc<Surroundings>,
    said: mpsc::UnboundedSender<Said>,
    work: tokio::sync::Mutex<mpsc::Receiver<Work>>,
    stage: Mutex<Stage>,
}

/// What the process is at, which decides what it may say.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Starting,
    Ready,
    /// At work on the invocation with this id.
    Working(String),
}

/// A port on which no process has been told of yet.
pub(super) struct Port {
    listener: TcpListener,
    /// `host:port`.
    pub(super) address: SocketAddr,
}

impl Port {
    /// Takes a free port.
    pub(super) async fn take() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Serves the processes of a tree, and nobody else.
    pub(super) fn serve(self, around: Arc<Surroundings>, tree: Tree) -> RuntimeApi {
        let (said_sender, said) = mpsc::unbounded_channel();
        let (work, work_receiver) = mpsc::channel(1);
        let closed = CancellationToken::new();
        let desk = Desk { around, said: said_sender, work: tokio::sync::Mutex::new(work_receiver), stage: Mutex::new(Stage::Starting) };
        tokio::spawn(accept(self.listener, Arc::new(desk), tree, closed.clone()));
        RuntimeApi { said, work, closed }
    }
}

impl RuntimeApi {
    /// What the process says next.
    pub(super) async fn hear(&mut self) -> Option<Said> {
        self.said.recv().await
    }

    /// Gives it something to do; it must have asked.
    pub(super) fn give(&self, work: Work) {
        if self.work.try_send(work).is_err() {
            tracing::error!("a process was given an invocation before it had taken the last one");
        }
    }
}

async fn accept(listener: TcpListener, desk: Arc<Desk>, tree: Tree, closed: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = closed.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (desk, tree, closed) = (Arc::clone(&desk), tree.clone(), closed.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = closed.cancelled() => {}
                        () = converse(stream, peer, desk, tree) => {}
                    }
                });
            }
            Err(error) => tracing::warn!(%error, "connection of a function not accepted"),
        }
    }
}

async fn converse(stream: TcpStream, peer: SocketAddr, desk: Arc<Desk>, tree: Tree) {
    let Ok(local) = stream.local_addr() else { return };
    if !tree.holds(peer, local).await {
        // Without lingering, closing is a reset.
        stream.set_zero_linger().ok();
        return;
    }
    stream.set_nodelay(true).ok();
    let service = service_fn(move |request| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(desk.answer(request).await) }
    });
    // Names are written as on AWS, for the shell scripts that look for them.
    if let Err(error) = http1::Builder::new().title_case_headers(true).serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "connection of a function ended early");
    }
}

impl Desk {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, said: Said) {
        // Nobody listening means that the environment is being ended.
        self.said.send(said).ok();
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let words: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (request.method(), words.as_slice()) {
            (&Method::GET, ["2018-06-01", "runtime", "invocation", "next"]) => self.next().await,
            (&Method::POST, ["2018-06-01", "runtime", "invocation", id, "response"]) => self.response(id, request).await,
            (&Method::POST, ["2018-06-01", "runtime", "invocation", id, "error"]) => self.error(id, request).await,
            (&Method::POST, ["2018-06-01", "runtime", "init", "error"]) => self.init_error(request).await,
            _ => self.unknown(&format!("{} {path} of the runtime API", request.method())),
        }
    }

    async fn next(&self) -> Response<Full<Bytes>> {
        {
            let mut stage = self.stage();
            if matches!(*stage, Stage::Working(_)) {
                return wrong_stage();
            }
            *stage = Stage::Ready;
        }
        self.tell(Said::Next);
        let Some(work) = self.work.lock().await.recv().await else { return refusal(StatusCode::GONE, "Gone", "The environment ends.") };
        *self.stage() = Stage::Working(work.id.clone());
        let mut response = Response::new(Full::new(work.payload));
        let headers = response.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        for (name, value) in work.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }

    async fn response(&self, id: &str, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if let Some(mode) = request.headers().get("lambda-runtime-function-response-mode") {
            return self.unknown(&format!("response mode {mode:?} of the runtime API"));
        }
        if let Some(refused) = self.not_at(id) {
            return refused;
        }
        match read(request.into_body()).await {
            Ok(Some(body)) => self.finish(Said::Response(body)),
            Ok(None) => {
                self.finish(Said::TooLarge);
                too_large()
            }
            Err(refused) => refused,
        }
    }

    async fn error(&self, id: &str, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if let Some(refused) = self.not_at(id) {
            return refused;
        }
        match read(request.into_body()).await {
            Ok(Some(body)) => self.finish(Said::Error(body)),
            Ok(None) => too_large(),
            Err(refused) => refused,
        }
    }

    async fn init_error(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if *self.stage() != Stage::Starting {
            return wrong_stage();
        }
        match read(request.into_body()).await {
            Ok(Some(body)) => self.finish(Said::InitError(body)),
            Ok(None) => too_large(),
            Err(refused) => refused,
        }
    }

    fn finish(&self, said: Said) -> Response<Full<Bytes>> {
        *self.stage() = Stage::Ready;
        self.tell(said);
        json_response(StatusCode::ACCEPTED, &json!({"status": "OK"}))
    }

    /// The refusal, if the process is not at work on this invocation.
    fn not_at(&self, id: &str) -> Option<Response<Full<Bytes>>> {
        match &*self.stage() {
            Stage::Working(current) if current == id => None,
            Stage::Working(_) => Some(refusal(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")),
            Stage::Starting | Stage::Ready => Some(wrong_stage()),
        }
    }

    fn unknown(&self, what: &str) -> Response<Full<Bytes>> {
        self.around.record_gap(&format!("lambda: {what}"));
        refusal(StatusCode::NOT_FOUND, "NotImplemented", &format!("The sandbox does not know {what}."))
    }
}

/// A body, to its end; nothing if it is too large. Whoever sends it hears the refusal only when all of it has been taken.
async fn read(mut body: Incoming) -> Result<Option<Bytes>, Response<Full<Bytes>>> {
    let mut bytes = BytesMut::new();
    let mut size = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| refusal(StatusCode::BAD_REQUEST, "BodyReadError", "The body cannot be read."))?;
        let Ok(data) = frame.into_data() else { continue };
        size += data.len();
        if size <= MOST_ANSWER {
            bytes.extend_from_slice(&data);
        }
    }
    Ok(Some(bytes.freeze()).filter(|_| size <= MOST_ANSWER))
}

fn too_large() -> Response<Full<Bytes>> {
    let message = format!("Exceeded maximum allowed payload size ({MOST_ANSWER} bytes).");
    refusal(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message)
}

fn wrong_stage() -> Response<Full<Bytes>> {
    refusal(StatusCode::FORBIDDEN, "InvalidStateTransition", "State transition is not allowed")
}

fn refusal(status: StatusCode, kind: &str, message: &str) -> Response<Full<Bytes>> {
    json_response(status, &json!({"errorType": kind, "errorMessage": message}))
}

fn json_response(status: StatusCode, body: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response
}
