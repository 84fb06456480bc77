//! The socket to a client. Sending never waits, so that a client that does not read is still heard.

use std::time::Duration;

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_util::task::AbortOnDropHandle;

/// The largest message of a client.
const LARGEST_MESSAGE: usize = 1024 * 1024;
/// How long a client may take to close its side.
const PATIENCE: Duration = Duration::from_secs(2);

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// A connected client.
pub(super) struct Connection {
    incoming: SplitStream<Socket>,
    outgoing: mpsc::UnboundedSender<Message>,
    writer: AbortOnDropHandle<()>,
}

impl Connection {
    /// Takes a connection over whose upgrade was answered.
    pub(super) async fn new(stream: Upgraded) -> Self {
        let config = WebSocketConfig::default().max_message_size(Some(LARGEST_MESSAGE)).max_frame_size(Some(LARGEST_MESSAGE));
        let (sink, incoming) = WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Server, Some(config)).await.split();
        let (outgoing, queue) = mpsc::unbounded_channel();
        Self { incoming, outgoing, writer: AbortOnDropHandle::new(tokio::spawn(write(sink, queue))) }
    }

    /// The next message; none once the client is gone. May be cancelled and asked again.
    pub(super) async fn next(&mut self) -> Option<Message> {
        self.incoming.next().await.and_then(Result::ok)
    }

    /// Sends a message after those before it. That the client is gone is told by [`Connection::next`].
    pub(super) fn send(&self, message: Message) {
        self.outgoing.send(message).ok();
    }

    /// Sends what is still to be sent, closes, and waits for the client to do the same, but not for ever.
    pub(super) async fn close(mut self, reason: Option<CloseFrame>) {
        self.send(Message::Close(reason));
        drop(self.outgoing);
        let closed = async {
            self.writer.await.ok();
            while let Some(Ok(_)) = self.incoming.next().await {}
        };
        timeout(PATIENCE, closed).await.ok();
    }
}

async fn write(mut sink: SplitSink<Socket, Message>, mut queue: mpsc::UnboundedReceiver<Message>) {
    while let Some(message) = queue.recv().await {
        if sink.send(message).await.is_err() {
            return;
        }
    }
}
