//! Accepted connections, encrypted or not, and the count of those that are open.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

/// How long a peer may take over its side of the TLS handshake.
const TLS_HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// How many accepted connections may wait for the server. Terraform makes one.
const ACCEPTED_MAX: usize = 16;

/// How many connections there are and were.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Tally {
    open: usize,
    ever: usize,
}

impl Tally {
    /// True once somebody was admitted.
    pub(super) fn any(self) -> bool {
        self.ever > 0
    }

    /// True once all who were admitted have gone.
    pub(super) fn over(self) -> bool {
        self.any() && self.open == 0
    }
}

/// A connection whose peer was admitted.
pub(super) struct Connection {
    stream: Stream,
    tally: watch::Sender<Tally>,
}

enum Stream {
    Plain(UnixStream),
    Tls(Box<TlsStream<UnixStream>>),
}

impl Connection {
    fn new(stream: Stream, tally: watch::Sender<Tally>) -> Self {
        tally.send_modify(|tally| {
            tally.open += 1;
            tally.ever += 1;
        });
        Self { stream, tally }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.tally.send_modify(|tally| tally.open -= 1);
    }
}

/// Accepts for as long as the receiver lives. Peers who fail the TLS handshake are turned away and not counted.
pub(super) fn accept(
    listener: UnixListener,
    tls: Option<Arc<ServerConfig>>,
    tally: watch::Sender<Tally>,
) -> mpsc::Receiver<io::Result<Connection>> {
    let (accepted, connections) = mpsc::channel(ACCEPTED_MAX);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = accepted.closed() => return,
                stream = listener.accept() => match stream {
                    Ok((stream, _)) => admit(stream, tls.clone(), tally.clone(), accepted.clone()),
                    Err(error) => tracing::warn!(%error, "a connection could not be accepted"),
                },
            }
        }
    });
    connections
}

/// In a task of its own, so that a slow peer keeps nobody waiting.
fn admit(stream: UnixStream, tls: Option<Arc<ServerConfig>>, tally: watch::Sender<Tally>, accepted: mpsc::Sender<io::Result<Connection>>) {
    tokio::spawn(async move {
        let stream = match tls {
            None => Stream::Plain(stream),
            Some(config) => match tokio::time::timeout(TLS_HANDSHAKE_MAX, TlsAcceptor::from(config).accept(stream)).await {
                Ok(Ok(stream)) => Stream::Tls(Box::new(stream)),
                Ok(Err(error)) => return tracing::error!(%error, "a peer was refused"),
                Err(_) => return tracing::error!("a peer did not finish the TLS handshake"),
            },
        };
        // The server is gone only when the process ends.
        let _ = accepted.send(Ok(Connection::new(stream, tally))).await;
    });
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

macro_rules! delegate {
    ($self:ident, $stream:ident => $call:expr) => {
        match &mut $self.get_mut().stream {
            Stream::Plain(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Stream::Tls(stream) => {
                let $stream = Pin::new(stream.as_mut());
                $call
            }
        }
    };
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        delegate!(self, stream => stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        delegate!(self, stream => stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => stream.poll_shutdown(cx))
    }
}
