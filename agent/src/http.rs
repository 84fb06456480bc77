//! The HTTP client: one request, one answer, within a time.

use std::cell::OnceCell;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::failure::{Class, Failure};

/// What is sent.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// No answer the agent asks for is larger: the payload is at most some 5 MiB of text (files and jobs), as JSON.
const LARGEST_ANSWER_BYTES: usize = 16 << 20;
/// How much of a file is in memory at once.
const BLOCK_BYTES: usize = 128 << 10;

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A client. It reads no proxy from the environment.
pub(crate) struct Http {
    plain: Client<HttpConnector, Body>,
    /// Made when it is first needed: reading the machine's certificates takes longer than the agent's whole start.
    encrypted: OnceCell<Client<HttpsConnector<HttpConnector>, Body>>,
}

impl Http {
    pub(crate) fn new() -> Self {
        Self { plain: builder().build(connector()), encrypted: OnceCell::new() }
    }

    /// Sends a request and reads the whole answer, all within a time.
    pub(crate) async fn send(&self, request: Request<Body>, within: Duration) -> Result<Answer, Failure> {
        let what = format!("{} {}", request.method(), request.uri());
        let broken = |error: &dyn std::error::Error| Failure::new(Class::Transient, format!("{what}: {}", chain(error)));
        let exchange = async {
            let (parts, body) = self.answer(request).await?.map_err(|error| broken(&error))?.into_parts();
            let body = Limited::new(body, LARGEST_ANSWER_BYTES).collect().await.map_err(|error| broken(&*error))?;
            Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
        };
        match tokio::time::timeout(within, exchange).await {
            Ok(result) => result,
            Err(_) => Err(Failure::new(Class::Transient, format!("{what}: no answer within {} s", within.as_secs_f32()))),
        }
    }

    /// Sends a request and writes what is answered to a file, a block at a time. An answer that is none of success is as [`Http::send`] gives it.
    pub(crate) async fn send_to(&self, request: Request<Body>, path: &Path, block_within: Duration) -> Result<Answer, Failure> {
        let what = format!("{} {}", request.method(), request.uri());
        let broken = |error: &dyn std::error::Error| Failure::new(Class::Transient, format!("{what}: {}", chain(error)));
        let late = |_| Failure::new(Class::Transient, format!("{what}: nothing came for {} s", block_within.as_secs_f32()));
        let kept = |error: io::Error| Failure::new(Class::Invalid, format!("{}: {error}", path.display()));
        let response = tokio::time::timeout(block_within, self.answer(request)).await.map_err(late)??;
        let (parts, mut body) = response.map_err(|error| broken(&error))?.into_parts();
        if !parts.status.is_success() {
            let body = Limited::new(body, LARGEST_ANSWER_BYTES).collect();
            let body = tokio::time::timeout(block_within, body).await.map_err(late)?.map_err(|error| broken(&*error))?;
            return Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() });
        }
        let mut file = tokio::fs::File::create(path).await.map_err(kept)?;
        while let Some(frame) = tokio::time::timeout(block_within, body.frame()).await.map_err(late)? {
            if let Ok(block) = frame.map_err(|error| broken(&error))?.into_data() {
                file.write_all(&block).await.map_err(kept)?;
            }
        }
        file.flush().await.map_err(kept)?;
        Ok(Answer { status: parts.status, headers: parts.headers, body: Bytes::new() })
    }

    /// Sends a request, and gives the head of what is answered.
    async fn answer(&self, request: Request<Body>) -> Result<Result<Response<Incoming>, ClientError>, Failure> {
        match request.uri().scheme_str() {
            Some("https") => Ok(self.encrypted()?.request(request).await),
            _ => Ok(self.plain.request(request).await),
        }
    }

    fn encrypted(&self) -> Result<&Client<HttpsConnector<HttpConnector>, Body>, Failure> {
        if let Some(client) = self.encrypted.get() {
            return Ok(client);
        }
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let mut connector = connector();
        connector.enforce_http(false);
        let tls = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(provider)
            .map_err(|error| Failure::new(Class::Invalid, format!("the machine's certificate authorities cannot be read: {error}")))?
            .https_only()
            .enable_http1()
            .wrap_connector(connector);
        Ok(self.encrypted.get_or_init(|| builder().build(tls)))
    }
}

fn builder() -> hyper_util::client::legacy::Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_idle_timeout(Duration::from_secs(20)).pool_timer(TokioTimer::new());
    builder
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(Duration::from_secs(3)));
    connector.set_nodelay(true);
    connector
}

/// An error and its causes, which say more than it does.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// A body in memory.
pub(crate) fn bytes(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// The first `length` bytes of a file, a block at a time. A file that is shorter fails the request.
pub(crate) async fn file(path: &Path, length: u64) -> io::Result<Body> {
    let mut options = tokio::fs::OpenOptions::new();
    // What the workload left may point anywhere; only what is really there is taken.
    let file = options.read(true).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()).open(path).await?;
    let mut rest = file.take(length);
    let (sender, blocks) = mpsc::channel(2);
    tokio::task::spawn_local(async move {
        loop {
            let mut block = Vec::with_capacity(BLOCK_BYTES);
            let item = match (&mut rest).take(BLOCK_BYTES as u64).read_to_end(&mut block).await {
                Ok(0) => return,
                Ok(_) => Ok(Bytes::from(block)),
                Err(error) => Err(error),
            };
            if sender.send(item).await.is_err() {
                return;
            }
        }
    });
    Ok(FileBody { blocks, left: length }.boxed_unsync())
}

struct FileBody {
    blocks: mpsc::Receiver<io::Result<Bytes>>,
    left: u64,
}

impl hyper::body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.blocks.poll_recv(context).map(|block| match block {
            Some(Ok(block)) => {
                self.left -= block.len() as u64;
                Some(Ok(Frame::data(block)))
            }
            Some(Err(error)) => Some(Err(error)),
            None if self.left > 0 => {
                self.left = 0;
                Some(Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was read")))
            }
            None => None,
        })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
