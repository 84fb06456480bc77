//! One connection of a client, which speaks with service and agent as if they were one.
//!
//! First the agent may agree with it on how they speak; then there is data, until the program ends, somebody ends the session, or the
//! connection does.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::Message;

use super::super::instances::AGENT_VERSION;
use super::connection::Connection;
use super::frame::{self, Frame, payload};
use super::program::{Happened, Program};
use super::stream::{Inbox, Outbox, Taken};
use super::{Opened, Sessions};

/// How long a client may take to answer the agent.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(15);
/// How long the agent waits at the end for what is still written, and for what has not arrived.
const CLOSING_PATIENCE: Duration = Duration::from_secs(2);
/// Frames that may be on their way before the program has to wait.
const UNACKNOWLEDGED: usize = 1_000;
/// What acknowledgements and the like have for flags: the first and the last of a stream of one.
const SINGLE: u64 = 3;
/// Success, as the client says it of what the agent asked.
const ACTION_SUCCEEDED: u64 = 1;
/// The client wants the session to end.
const FLAG_TERMINATE: u32 = 2;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Acknowledged {
    acknowledged_message_sequence_number: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HandshakeResponse {
    #[serde(default)]
    processed_client_actions: Vec<Value>,
}

#[derive(Deserialize)]
struct Size {
    cols: u32,
    rows: u32,
}

/// How far a session is.
enum Stage {
    /// The agent has asked how they speak.
    Handshake { since: Instant },
    /// The program runs.
    Running,
    /// The program has ended; what it wrote is still sent.
    Closing { since: Instant },
}

/// Why a session ends.
enum End {
    /// As it should, or with something to tell the client.
    Closed(String),
    /// The client is gone.
    Lost,
}

/// One connection.
pub(super) struct Channel {
    sessions: Arc<Sessions>,
    id: String,
    session: Opened,
    connection: Connection,
    inbox: Inbox,
    outbox: Outbox,
    stage: Stage,
    program: Option<Program>,
    /// The client does not want anything for now.
    paused: bool,
}

/// What happens next.
enum Event {
    Message(Option<Message>),
    Program(Happened),
    Resend,
    OutOfTime,
    Ended,
}

impl Channel {
    /// The channel of a session that a client may open.
    pub(super) fn new(sessions: Arc<Sessions>, id: String, session: Opened, connection: Connection) -> Self {
        Self {
            sessions,
            id,
            session,
            connection,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            stage: Stage::Running,
            program: None,
            paused: false,
        }
    }

    /// Speaks with the client until the session is over.
    pub(super) async fn run(mut self) {
        let Err(end) = self.converse().await;
        if let Some(program) = self.program.take() {
            program.end();
        }
        // It is over before the client knows.
        self.sessions.finish(&self.id);
        self.sessions.agents.around.wake.notify_one();
        if let End::Closed(output) = end {
            self.close(&output).await;
        }
    }

    /// Goes through the stages of a session, of which there is always a next one until there is an end.
    async fn converse(&mut self) -> Result<Infallible, End> {
        self.send_single(frame::START_PUBLICATION, &json!({"SchemaVersion": 1, "SessionId": self.id}));
        if self.session.plan.has_handshake() {
            self.ask();
        } else {
            self.start().await?;
        }
        loop {
            match self.event().await {
                Event::Message(message) => self.hear(message).await?,
                Event::Program(Happened::Written(data)) => self.send_data(payload::DATA, data),
                Event::Program(Happened::Silent) => {}
                Event::Program(Happened::Ended) => self.stage = Stage::Closing { since: Instant::now() },
                Event::Resend => self.resend(),
                Event::OutOfTime => return Err(End::Closed(self.out_of_time())),
                Event::Ended => return Err(End::Closed(String::new())),
            }
            if self.outbox.is_empty() && self.program.as_ref().is_some_and(Program::is_done) {
                return Err(End::Closed(String::new()));
            }
        }
    }

    /// What the client is told when something took too long.
    fn out_of_time(&self) -> String {
        let text = match self.stage {
            Stage::Handshake { .. } => "Handshake timed out. Please ensure that you have the latest version of the session manager plugin.",
            _ => "",
        };
        text.to_owned()
    }

    /// Asks the client how it speaks.
    fn ask(&mut self) {
        let kind = json!({"SessionType": self.session.plan.session_type(), "Properties": null});
        let actions = json!([{"ActionType": "SessionType", "ActionParameters": kind}]);
        let request = json!({"AgentVersion": AGENT_VERSION, "RequestedClientActions": actions});
        self.stage = Stage::Handshake { since: Instant::now() };
        self.send_data(payload::HANDSHAKE_REQUEST, request.to_string().into_bytes());
    }

    /// Starts the program.
    async fn start(&mut self) -> Result<(), End> {
        let hypervisor = self.sessions.agents.around.hypervisor.clone().ok_or_else(|| End::Closed(String::new()))?;
        let started = Program::start(&hypervisor, &self.session.target, &self.session.plan).await;
        self.program = Some(started.map_err(|error| End::Closed(format!("Unable to start command: {error}")))?);
        self.stage = Stage::Running;
        Ok(())
    }

    /// Waits for what happens next.
    async fn event(&mut self) -> Event {
        let resend = self.outbox.due().filter(|_| !self.paused);
        let may_send = !self.paused && self.outbox.len() < UNACKNOWLEDGED;
        let limit = match self.stage {
            Stage::Handshake { since } => Some(since + HANDSHAKE_PATIENCE),
            Stage::Running => None,
            Stage::Closing { since } => Some(since + CLOSING_PATIENCE),
        };
        let program = async {
            match &mut self.program {
                Some(program) => program.next(may_send).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.session.end.cancelled() => Event::Ended,
            () = self.sessions.agents.around.stop.cancelled() => Event::Ended,
            message = self.connection.next() => Event::Message(message),
            happened = program => Event::Program(happened),
            () = sleep_until_some(resend) => Event::Resend,
            () = sleep_until_some(limit) => Event::OutOfTime,
        }
    }

    /// Takes in what the client says.
    async fn hear(&mut self, message: Option<Message>) -> Result<(), End> {
        match message {
            Some(Message::Binary(bytes)) => match Frame::decode(&bytes) {
                Ok(frame) => self.take(frame).await,
                Err(error) => {
                    tracing::warn!(%error, session = self.id, "a frame is not understood");
                    Ok(())
                }
            },
            Some(Message::Text(_)) => {
                self.sessions.agents.record_gap("text on an open data channel");
                Ok(())
            }
            // Pongs are sent by the socket itself.
            Some(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => Ok(()),
            Some(Message::Close(_)) | None => Err(End::Lost),
        }
    }

    async fn take(&mut self, frame: Frame) -> Result<(), End> {
        match frame.kind.as_str() {
            frame::ACKNOWLEDGE => {
                self.paused = false;
                if let Ok(content) = serde_json::from_slice::<Acknowledged>(&frame.payload) {
                    self.outbox.acknowledged(content.acknowledged_message_sequence_number);
                }
            }
            frame::PAUSE_PUBLICATION => self.paused = true,
            frame::START_PUBLICATION => self.paused = false,
            frame::INPUT => {
                self.paused = false;
                let acknowledgement = json!({
                    "AcknowledgedMessageType": frame.kind, "AcknowledgedMessageId": frame.id.to_string(),
                    "AcknowledgedMessageSequenceNumber": frame.sequence, "IsSequentialMessage": true,
                });
                let next = match self.inbox.take(frame) {
                    Taken::Again | Taken::Refused => return Ok(()),
                    Taken::Early => Vec::new(),
                    Taken::Next(frames) => frames,
                };
                self.send_single(frame::ACKNOWLEDGE, &acknowledgement);
                for frame in next {
                    self.obey(frame).await?;
                }
            }
            kind => self.sessions.agents.record_gap(&format!("message {kind} on a data channel")),
        }
        Ok(())
    }

    /// Does what a frame of the client's stream says.
    async fn obey(&mut self, frame: Frame) -> Result<(), End> {
        match (frame.payload_type, &self.stage, &self.program) {
            (payload::HANDSHAKE_RESPONSE, Stage::Handshake { since }, _) => return self.agree(&frame.payload, *since).await,
            // What comes before they have agreed is not heard.
            (_, Stage::Handshake { .. }, _) => {}
            (payload::DATA, _, Some(program)) => {
                self.sessions.touch(&self.id);
                program.type_in(frame.payload);
            }
            (payload::SIZE, _, Some(program)) => {
                if let Ok(size) = serde_json::from_slice::<Size>(&frame.payload) {
                    let limited = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
                    program.resize(limited(size.cols), limited(size.rows));
                }
            }
            (payload::FLAG, ..) if frame.payload == FLAG_TERMINATE.to_be_bytes() => return Err(End::Closed(String::new())),
            (payload::DATA | payload::SIZE | payload::HANDSHAKE_RESPONSE, ..) => {}
            (kind, ..) => self.sessions.agents.record_gap(&format!("payload of type {kind} on a data channel")),
        }
        Ok(())
    }

    /// Hears how the client speaks, and starts the program.
    async fn agree(&mut self, response: &[u8], since: Instant) -> Result<(), End> {
        let response: HandshakeResponse = serde_json::from_slice(response)
            .map_err(|error| End::Closed(format!("Unmarshalling of HandshakeResponse message failed, {error}")))?;
        if let Some(failed) = response.processed_client_actions.iter().find(|action| action["ActionStatus"] != ACTION_SUCCEEDED) {
            let text = |name: &str| failed[name].as_str().map_or_else(|| failed[name].to_string(), str::to_owned);
            let what = format!("{} failed on client with status {} error: {}", text("ActionType"), text("ActionStatus"), text("Error"));
            return Err(End::Closed(what));
        }
        let took_ns = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let complete = json!({"HandshakeTimeToComplete": took_ns, "CustomerMessage": ""});
        self.send_data(payload::HANDSHAKE_COMPLETE, complete.to_string().into_bytes());
        self.start().await
    }

    /// Sends the next frame of the agent's stream, if there is something in it.
    fn send_data(&mut self, payload_type: u32, data: Vec<u8>) {
        if data.is_empty() {
            return;
        }
        let (sequence, flags) = self.outbox.number();
        let bytes = Frame::new(frame::OUTPUT, sequence, flags, payload_type, data).encode(Timestamp::now());
        self.outbox.remember(sequence, bytes.clone(), Instant::now());
        self.connection.send(Message::Binary(bytes.into()));
    }

    /// Sends a message that belongs to no stream.
    fn send_single(&self, kind: &str, content: &Value) {
        let frame = Frame::new(kind, 0, SINGLE, 0, content.to_string().into_bytes());
        self.connection.send(Message::Binary(frame.encode(Timestamp::now()).into()));
    }

    /// Sends what was not acknowledged for too long.
    fn resend(&mut self) {
        if let Some(bytes) = self.outbox.overdue(Instant::now()) {
            self.connection.send(Message::Binary(bytes.into()));
        }
    }

    /// Tells the client that it is over.
    async fn close(self, output: &str) {
        let content = json!({
            "MessageType": frame::CHANNEL_CLOSED, "MessageId": uuid::Uuid::new_v4().to_string(), "DestinationId": self.session.target,
            "SessionId": self.id, "SchemaVersion": 1, "CreatedDate": Timestamp::now().as_millisecond().to_string(), "Output": output,
        });
        self.send_single(frame::CHANNEL_CLOSED, &content);
        self.connection.close(None).await;
    }
}

async fn sleep_until_some(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
