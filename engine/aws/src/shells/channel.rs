//! A session's data channel: what is typed goes to the instance, what is shown comes back, in order and complete.
//!
//! Each side numbers its frames and is told of each that has come; what nobody has acknowledged is sent again. The agent begins with a
//! handshake, in which it says what kind of session it is.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use spawn_core::ports::{FromTerminal, Result};
use spawn_model::error::{Class, Error};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use super::frame::{Frame, kind, payload};
use super::socket::{self, Socket};

/// The most that is typed into one frame.
const TYPED_BYTES: usize = 1024;
/// What is not acknowledged within this is sent again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// What is not acknowledged within this never will be.
const LOST_AFTER: Duration = Duration::from_secs(60);
/// How long the agent may take to greet.
const GREETS_WITHIN: Duration = Duration::from_secs(30);
/// What the agent is told of its client: the version of the plugin whose protocol this is.
const CLIENT_VERSION: &str = "1.2.707.0";
/// How an action of the handshake went.
const DONE: u8 = 1;
const UNSUPPORTED: u8 = 3;

/// A frame that may have to be sent again.
struct Unacknowledged {
    number: i64,
    bytes: Vec<u8>,
    first: Instant,
    latest: Instant,
}

/// A data channel.
pub(super) struct Channel {
    socket: Socket,
    /// The number of the frame that is processed next.
    expected: i64,
    /// Frames that came, by number.
    come: BTreeMap<i64, Frame>,
    /// The number of the next frame that is sent.
    next: i64,
    unacknowledged: VecDeque<Unacknowledged>,
    outbox: VecDeque<Message>,
    /// Whether nothing may be typed for the moment.
    paused: bool,
    closed: Option<String>,
}

impl Channel {
    /// Opens the channel of a session, and waits until the agent is ready.
    pub(super) async fn open(url: &str, token: &str) -> Result<Self> {
        let socket = socket::open(url).await?;
        let mut channel = Self {
            socket,
            expected: 0,
            come: BTreeMap::new(),
            next: 0,
            unacknowledged: VecDeque::new(),
            outbox: VecDeque::new(),
            paused: false,
            closed: None,
        };
        let introduction = json!({
            "MessageSchemaVersion": "1.0", "RequestId": Uuid::new_v4().to_string(), "TokenValue": token,
            "ClientId": Uuid::new_v4().to_string(), "ClientVersion": CLIENT_VERSION,
        });
        channel.outbox.push_back(Message::text(introduction.to_string()));
        match timeout(GREETS_WITHIN, channel.greet()).await {
            Ok(greeted) => greeted.map(|()| channel),
            Err(_) => Err(broken(format!("the agent does not greet within {} s", GREETS_WITHIN.as_secs()))),
        }
    }

    /// Answers the agent's handshake, if it has one.
    async fn greet(&mut self) -> Result<()> {
        loop {
            let Some(frame) = self.frame().await? else { return Ok(()) };
            match frame.payload_kind {
                payload::HANDSHAKE_REQUEST => {
                    let response = response(&frame.payload);
                    self.push(payload::HANDSHAKE_RESPONSE, response.to_string().into_bytes());
                }
                payload::HANDSHAKE_COMPLETE => return Ok(()),
                // An agent of before 2018, which begins at once.
                _ => {
                    self.expected -= 1;
                    self.come.insert(self.expected, frame);
                    return Ok(());
                }
            }
        }
    }

    /// Sends what was typed.
    pub(super) async fn send(&mut self, typed: &[u8]) -> Result<()> {
        for part in typed.chunks(TYPED_BYTES) {
            self.push(payload::BYTES, part.to_vec());
        }
        self.flush().await
    }

    /// Says how large the window is.
    pub(super) async fn resize(&mut self, columns: u16, rows: u16) -> Result<()> {
        self.push(payload::SIZE, json!({ "cols": columns, "rows": rows }).to_string().into_bytes());
        self.flush().await
    }

    /// Waits for what comes next. May be dropped while it waits.
    pub(super) async fn receive(&mut self) -> Result<FromTerminal> {
        loop {
            let Some(frame) = self.frame().await? else {
                return Ok(FromTerminal::Closed(self.closed.clone().unwrap_or_default()));
            };
            match frame.payload_kind {
                payload::BYTES | payload::ERROR | payload::STANDARD_ERROR => return Ok(FromTerminal::Output(frame.payload)),
                // What is not known is not for people's eyes.
                _ => {}
            }
        }
    }

    /// The next frame of the agent's, in order; nothing if the channel is closed.
    async fn frame(&mut self) -> Result<Option<Frame>> {
        loop {
            self.flush().await?;
            if let Some(frame) = self.come.remove(&self.expected) {
                self.expected += 1;
                return Ok(Some(frame));
            }
            if self.closed.is_some() {
                return Ok(None);
            }
            let again = self.unacknowledged.front().map(|oldest| oldest.latest + AGAIN_AFTER);
            tokio::select! {
                message = self.socket.next() => match message {
                    Some(Ok(Message::Binary(bytes))) => self.take(&bytes)?,
                    Some(Ok(Message::Close(_))) | None => return Err(broken("it was closed from the other side".to_owned())),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(broken(error.to_string())),
                },
                () = sleep_until(again.unwrap_or_else(Instant::now)), if again.is_some() => self.send_again()?,
            }
        }
    }

    /// Takes in what came. Nothing here waits, so nothing is lost if a wait is given up.
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        let frame = Frame::read(bytes).map_err(|what| broken(format!("a frame cannot be read: {what}")))?;
        match frame.kind.as_str() {
            kind::ACKNOWLEDGE => {
                let number = frame.acknowledged();
                self.unacknowledged.retain(|sent| Some(sent.number) != number);
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
            kind::PAUSE => self.paused = true,
            kind::START => {
                self.paused = false;
                self.unacknowledged.iter().for_each(|sent| self.outbox.push_back(Message::binary(sent.bytes.clone())));
            }
            _ => {}
        }
        Ok(())
    }

    /// Queues a frame of ours.
    fn push(&mut self, payload_kind: u32, payload: Vec<u8>) {
        let bytes = Frame::input(self.next, payload_kind, payload).write();
        let now = Instant::now();
        if !self.paused {
            self.outbox.push_back(Message::binary(bytes.clone()));
        }
        self.unacknowledged.push_back(Unacknowledged { number: self.next, bytes, first: now, latest: now });
        self.next += 1;
    }

    fn send_again(&mut self) -> Result<()> {
        let paused = self.paused;
        let Some(oldest) = self.unacknowledged.front_mut() else { return Ok(()) };
        if oldest.first.elapsed() > LOST_AFTER && !paused {
            return Err(broken(format!("the agent does not answer for {} s", LOST_AFTER.as_secs())));
        }
        oldest.latest = Instant::now();
        if !paused {
            self.outbox.push_back(Message::binary(oldest.bytes.clone()));
        }
        Ok(())
    }

    /// Sends what is queued.
    async fn flush(&mut self) -> Result<()> {
        let lost = |error: tokio_tungstenite::tungstenite::Error| broken(error.to_string());
        while !self.outbox.is_empty() {
            // Taken out of the queue only when it can be handed over at once.
            poll_fn(|context| self.socket.poll_ready_unpin(context)).await.map_err(lost)?;
            if let Some(message) = self.outbox.pop_front() {
                self.socket.start_send_unpin(message).map_err(lost)?;
            }
        }
        self.socket.flush().await.map_err(lost)
    }
}

/// What is answered to the agent's handshake: a session of plain bytes is what we know.
fn response(request: &[u8]) -> Value {
    let request: Value = serde_json::from_slice(request).unwrap_or_default();
    let asked = request["RequestedClientActions"].as_array().cloned().unwrap_or_default();
    let answered = |action: &Value| {
        let kind = action["ActionType"].as_str().unwrap_or_default();
        let is_known = kind == "SessionType" && action["ActionParameters"]["SessionType"] != "Port";
        if is_known {
            json!({ "ActionType": kind, "ActionStatus": DONE, "ActionResult": null, "Error": "" })
        } else {
            json!({ "ActionType": kind, "ActionStatus": UNSUPPORTED, "ActionResult": null, "Error": format!("{kind} is not supported") })
        }
    };
    json!({ "ClientVersion": CLIENT_VERSION, "ProcessedClientActions": asked.iter().map(answered).collect::<Vec<_>>(), "Errors": [] })
}

fn broken(what: String) -> Error {
    let help = "Connect again; if it is the same, look at the instance with `spawn logs` and `spawn exec`";
    Error::new(Class::Transient, "ChannelBroken", format!("the channel to the instance is broken: {what}"), help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_session_is_agreed_to() {
        let request = json!({ "AgentVersion": "3.3", "RequestedClientActions": [
            { "ActionType": "KMSEncryption", "ActionParameters": { "KMSKeyID": "alias/sessions" } },
            { "ActionType": "SessionType", "ActionParameters": { "SessionType": "Standard_Stream", "Properties": null } },
        ]});
        let answer = response(request.to_string().as_bytes());
        let statuses: Vec<&Value> =
            answer["ProcessedClientActions"].as_array().unwrap().iter().map(|action| &action["ActionStatus"]).collect();
        assert_eq!(statuses, [&json!(UNSUPPORTED), &json!(DONE)]);
    }
}
