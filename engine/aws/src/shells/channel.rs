//! A session's data channel: what is typed goes to the instance, what is shown comes back, in order and complete.
//!
//! Each side numbers its frames and is told of each that has come; what nobody has acknowledged is sent again. The agent begins with a
//! handshake, in which it says what kind of session it is.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use spawn_core::ports::{FromTerminal, Result};
use spawn_model::error::{Class, Error};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{self, Message};

use super::frame::{Frame, kind, payload};
use super::handshake;
use super::socket::{self, Socket};
use super::unacknowledged::{LOST_AFTER, Unacknowledged};

/// The most that is typed into one frame.
const TYPED_BYTES: usize = 1024;
/// How many frames may be typed ahead of what the agent has acknowledged.
const TYPED_AHEAD: usize = 1000;
/// How long the agent may take to greet.
const GREETS_WITHIN: Duration = Duration::from_secs(30);
/// After so much silence the other side is asked whether it is there,
const PING_AFTER: Duration = Duration::from_secs(60);
/// and after so much more it is not.
const PONG_WITHIN: Duration = Duration::from_secs(120);

/// A data channel.
pub(super) struct Channel {
    socket: Socket,
    /// The number of the frame that is processed next.
    expected: i64,
    /// Frames that came, by number.
    come: BTreeMap<i64, Frame>,
    unacknowledged: Unacknowledged,
    outbox: VecDeque<Message>,
    /// When something was heard last.
    heard: Instant,
    /// When the other side was asked whether it is there, if nothing was heard since.
    asked: Option<Instant>,
    closed: Option<String>,
}

impl Channel {
    /// Opens the channel of a session, and waits until the agent is ready.
    pub(super) async fn open(url: &str, token: &str) -> Result<Self> {
        Self::over(socket::open(url).await?, token).await
    }

    async fn over(socket: Socket, token: &str) -> Result<Self> {
        let mut channel = Self {
            socket,
            expected: 0,
            come: BTreeMap::new(),
            unacknowledged: Unacknowledged::new(),
            outbox: VecDeque::from([Message::text(handshake::introduction(token).to_string())]),
            heard: Instant::now(),
            asked: None,
            closed: None,
        };
        match timeout(GREETS_WITHIN, channel.greet()).await {
            Ok(greeted) => greeted.map(|()| channel),
            Err(_) => Err(broken(format!("the agent does not greet within {} s", GREETS_WITHIN.as_secs()))),
        }
    }

    /// Answers the agent's handshake, if it has one: agents of before 2018 begin at once.
    async fn greet(&mut self) -> Result<()> {
        while let Some(frame) = self.arrival().await? {
            if frame.payload_kind != payload::HANDSHAKE_REQUEST {
                return Ok(());
            }
            let response = handshake::response(&frame.payload);
            self.pass();
            self.push(payload::HANDSHAKE_RESPONSE, response.to_string().into_bytes());
        }
        Err(refused(self.closed.as_deref().unwrap_or_default()))
    }

    /// Sends what was typed. If the agent is far behind, waits for it.
    pub(super) async fn send(&mut self, typed: &[u8]) -> Result<()> {
        for part in typed.chunks(TYPED_BYTES) {
            self.push(payload::BYTES, part.to_vec());
        }
        self.until(|channel, is_written| is_written && channel.unacknowledged.len() <= TYPED_AHEAD).await
    }

    /// Says how large the window is.
    pub(super) async fn resize(&mut self, columns: u16, rows: u16) -> Result<()> {
        self.push(payload::SIZE, json!({ "cols": columns, "rows": rows }).to_string().into_bytes());
        self.until(|_, is_written| is_written).await
    }

    /// Waits for what comes next. May be dropped while it waits.
    pub(super) async fn receive(&mut self) -> Result<FromTerminal> {
        loop {
            self.arrival().await?;
            let Some(frame) = self.pass() else {
                return Ok(FromTerminal::Closed(self.closed.clone().unwrap_or_default()));
            };
            match frame.payload_kind {
                payload::BYTES | payload::ERROR | payload::STANDARD_ERROR => return Ok(FromTerminal::Output(frame.payload)),
                payload::HANDSHAKE_COMPLETE => {
                    if let Some(greeting) = handshake::greeting(&frame.payload) {
                        return Ok(FromTerminal::Output(greeting));
                    }
                }
                // What is not known is not for people's eyes.
                _ => {}
            }
        }
    }

    /// Waits for the agent's next frame, in order, and leaves it where it is; nothing if the channel is closed.
    async fn arrival(&mut self) -> Result<Option<&Frame>> {
        self.until(|channel, _| channel.come.contains_key(&channel.expected)).await?;
        Ok(self.come.get(&self.expected))
    }

    /// Takes the agent's next frame, if it is there.
    fn pass(&mut self) -> Option<Frame> {
        let frame = self.come.remove(&self.expected)?;
        self.expected += 1;
        Some(frame)
    }

    /// Queues a frame of ours.
    fn push(&mut self, payload_kind: u32, payload: Vec<u8>) {
        let message = self.unacknowledged.add(payload_kind, payload);
        self.outbox.push_back(message);
    }

    /// Writes, reads and keeps the channel alive until something is reached, or the channel is closed. What is to be reached is asked of the
    /// channel, and of whether all of its outbox is on its way. May be dropped while it waits: everything that it knows is in the channel.
    async fn until(&mut self, is_reached: impl Fn(&Self, bool) -> bool) -> Result<()> {
        loop {
            self.outbox.extend(self.unacknowledged.again());
            let due = self.due();
            tokio::select! {
                // Somebody who was not asked for long, as standard output was blocked, hears first what has come by now.
                biased;
                went = poll_fn(|context| self.poll(context, &is_reached)) => if went? { return Ok(()) },
                () = sleep_until(due) => self.bear_silence()?,
            }
        }
    }

    /// Writes what can be written, and takes in a message if there is one; pending if not. Whether what is waited for is reached.
    ///
    /// Both in one: if each side only wrote until the other read, none would.
    fn poll(&mut self, context: &mut Context<'_>, is_reached: impl Fn(&Self, bool) -> bool) -> Poll<Result<bool>> {
        let written = self.poll_write(context);
        if self.closed.is_some() || is_reached(self, matches!(written, Ok(true))) {
            return Poll::Ready(Ok(true));
        }
        match (self.socket.poll_next_unpin(context), written) {
            (Poll::Ready(message), _) => Poll::Ready(self.take(message).map(|()| false)),
            // Only now: what came before may have said why nobody listens any more.
            (Poll::Pending, Err(error)) => Poll::Ready(Err(broken(error.to_string()))),
            (Poll::Pending, Ok(_)) => Poll::Pending,
        }
    }

    /// Writes what can be written of the outbox. Whether all of it is on its way.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Result<bool, tungstenite::Error> {
        while !self.outbox.is_empty() {
            // Taken out of the queue only when it can be handed over at once.
            if self.socket.poll_ready_unpin(context)?.is_pending() {
                return Ok(false);
            }
            if let Some(message) = self.outbox.pop_front() {
                self.socket.start_send_unpin(message)?;
            }
        }
        Ok(self.socket.poll_flush_unpin(context)?.is_ready())
    }

    /// Takes in what came. Nothing here waits, so nothing is lost if a wait is given up.
    fn take(&mut self, message: Option<Result<Message, tungstenite::Error>>) -> Result<()> {
        let message = message.ok_or_else(gone)?.map_err(|error| broken(error.to_string()))?;
        (self.heard, self.asked) = (Instant::now(), None);
        match message {
            Message::Binary(bytes) => match Frame::read(&bytes) {
                Ok(frame) => self.process(frame),
                // If it was data it comes again, as nobody acknowledges it; what only the service itself says may lack half of the header.
                Err(what) => tracing::debug!(bytes = bytes.len(), what, "a frame that cannot be read"),
            },
            Message::Close(_) => return Err(gone()),
            _ => {}
        }
        Ok(())
    }

    fn process(&mut self, frame: Frame) {
        match frame.kind.as_str() {
            kind::ACKNOWLEDGE => {
                if let Some(number) = frame.acknowledged() {
                    self.unacknowledged.acknowledge(number);
                }
            }
            kind::OUTPUT => {
                self.outbox.push_back(Message::binary(Frame::acknowledgement(&frame).write()));
                if frame.number >= self.expected {
                    self.come.insert(frame.number, frame);
                }
            }
            kind::CLOSED => {
                let content: Value = serde_json::from_slice(&frame.payload).unwrap_or_default();
                self.closed = Some(content["Output"].as_str().unwrap_or_default().trim().to_owned());
            }
            // AWS's client does nothing at `pause_publication` and `start_publication` either.
            _ => {}
        }
    }

    /// When something is to be done if nothing comes.
    fn due(&self) -> Instant {
        let silence = self.asked.map_or(self.heard + PING_AFTER, |asked| asked + PONG_WITHIN);
        self.unacknowledged.due().map_or(silence, |again| again.min(silence))
    }

    /// Asks the other side whether it is there, if it was silent for long, and gives it up if it did not answer.
    fn bear_silence(&mut self) -> Result<()> {
        if self.unacknowledged.is_lost() {
            return Err(broken(format!("the agent does not answer for {} s", LOST_AFTER.as_secs())));
        }
        match self.asked {
            Some(asked) if asked.elapsed() >= PONG_WITHIN => {
                Err(broken(format!("nothing was heard for {} s", (PING_AFTER + PONG_WITHIN).as_secs())))
            }
            None if self.heard.elapsed() >= PING_AFTER => {
                self.outbox.push_back(Message::Ping(Default::default()));
                self.asked = Some(Instant::now());
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn gone() -> Error {
    broken("it was closed from the other side".to_owned())
}

fn broken(what: String) -> Error {
    let help = "Connect again; if it is the same, look at the instance with `spawn logs` and `spawn exec`";
    Error::new(Class::Transient, "ChannelBroken", format!("the channel to the instance is broken: {what}"), help)
}

fn refused(words: &str) -> Error {
    let words = if words.is_empty() { "it does not say why" } else { words };
    let help = "Session Manager preferences of the account that demand encryption with a key of KMS are not supported";
    Error::new(Class::Denied, "SessionRefused", format!("the agent on the instance refuses the session: {words}"), help)
}

#[cfg(test)]
mod tests;
