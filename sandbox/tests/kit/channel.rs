//! A client of a session's data channel, written from what AWS's own client sends and expects. It shares nothing with the sandbox.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// Only a guard against waiting for ever; nothing here takes this long.
const GUARD: Duration = Duration::from_secs(60);

/// Types of payloads.
pub(crate) const DATA: u32 = 1;
pub(crate) const SIZE: u32 = 3;
pub(crate) const HANDSHAKE_REQUEST: u32 = 5;
pub(crate) const HANDSHAKE_RESPONSE: u32 = 6;
pub(crate) const HANDSHAKE_COMPLETE: u32 = 7;
pub(crate) const FLAG: u32 = 10;

/// A frame that came.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) kind: String,
    pub(crate) sequence: i64,
    pub(crate) flags: u64,
    pub(crate) id: String,
    pub(crate) payload_type: u32,
    pub(crate) payload: Vec<u8>,
}

impl Heard {
    fn read(bytes: &[u8]) -> Self {
        let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let long = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        assert_eq!((number(0), number(36)), (116, 1), "length of the header, version of the schema");
        assert!(long(40) > 1_600_000_000_000, "a time in milliseconds");
        let payload = bytes[120..].to_vec();
        assert_eq!(number(116) as usize, payload.len());
        assert_eq!(&bytes[80..112], Sha256::digest(&payload).as_slice());
        let hex = format!("{:016x}{:016x}", long(72), long(64));
        let id = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
        let kind = std::str::from_utf8(&bytes[4..36]).expect("a type is text").trim_end().to_owned();
        Self { kind, sequence: long(48).cast_signed(), flags: long(56), id, payload_type: number(112), payload }
    }

    /// The payload as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A connection to a session.
pub(crate) struct Client {
    socket: WebSocketStream<TcpStream>,
    /// The number of the next frame of its own.
    next: i64,
    /// The number of the next frame that is to come, and what has come before its time.
    expected: i64,
    early: BTreeMap<i64, Heard>,
    /// Everything that was written, and not been waited for.
    text: String,
    /// Acknowledgements that came, by sequence number.
    pub(crate) acknowledged: Vec<(i64, String)>,
}

impl Client {
    /// Connects to where `StartSession` says, and says nothing.
    pub(crate) async fn connect(session: &Value) -> Self {
        let url = session["StreamUrl"].as_str().expect("a URL");
        let address = url.strip_prefix("ws://").and_then(|rest| rest.split('/').next()).expect("an address");
        let stream = TcpStream::connect(address).await.expect("the sandbox listens");
        let (socket, _) = client_async(url, stream).await.expect("it is a web socket");
        Self { socket, next: 0, expected: 0, early: BTreeMap::new(), text: String::new(), acknowledged: Vec::new() }
    }

    /// Connects, and proves itself by a token.
    pub(crate) async fn open(session: &Value) -> Self {
        let mut client = Self::connect(session).await;
        client.prove(session["TokenValue"].as_str().expect("a token")).await;
        client
    }

    /// Opens a shell: connects, and answers the agent.
    pub(crate) async fn shell(session: &Value) -> Self {
        let mut client = Self::open(session).await;
        let request = client.output().await.expect("the agent asks");
        assert_eq!((request.payload_type, request.flags), (HANDSHAKE_REQUEST, 1));
        let actions = request.json()["RequestedClientActions"].clone();
        assert_eq!(actions[0]["ActionParameters"]["SessionType"], "Standard_Stream", "{actions}");
        client.answer(1).await;
        let complete = client.output().await.expect("the agent agrees");
        assert_eq!((complete.payload_type, complete.flags), (HANDSHAKE_COMPLETE, 0));
        client
    }

    /// Sends a token.
    pub(crate) async fn prove(&mut self, token: &str) {
        let input = json!({
            "MessageSchemaVersion": "1.0", "RequestId": "b7a8ac61-9d8d-4b7c-8e3b-2f3f6c1f0001", "TokenValue": token,
            "ClientId": "b7a8ac61-9d8d-4b7c-8e3b-2f3f6c1f0002", "ClientVersion": "1.2.764.0",
        });
        self.say(Message::Text(input.to_string().into())).await;
    }

    /// Answers what the agent asked: 1 is success.
    pub(crate) async fn answer(&mut self, status: u32) {
        let done = json!({"ActionType": "SessionType", "ActionStatus": status, "ActionResult": null, "Error": "no"});
        let response = json!({"ClientVersion": "1.2.764.0", "ProcessedClientActions": [done], "Errors": null});
        self.send(HANDSHAKE_RESPONSE, response.to_string().as_bytes()).await;
    }

    /// Sends the next frame of its stream.
    pub(crate) async fn send(&mut self, payload_type: u32, payload: &[u8]) {
        let sequence = self.next;
        self.next += 1;
        self.frame("input_stream_data", sequence, payload_type, payload).await;
    }

    /// Types something.
    pub(crate) async fn type_in(&mut self, text: &str) {
        self.send(DATA, text.as_bytes()).await;
    }

    /// Goes on after frames that were read one by one.
    pub(crate) fn expect_from(&mut self, sequence: i64) {
        self.expected = sequence;
    }

    /// Leaves numbers out, to be sent later.
    pub(crate) fn skip(&mut self, count: i64) -> i64 {
        let first = self.next;
        self.next += count;
        first
    }

    /// Sends a frame as it is told.
    pub(crate) async fn frame(&mut self, kind: &str, sequence: i64, payload_type: u32, payload: &[u8]) {
        let mut bytes = vec![0; 120 + payload.len()];
        bytes[0..4].copy_from_slice(&116_u32.to_be_bytes());
        bytes[4..36].fill(b' ');
        bytes[4..4 + kind.len()].copy_from_slice(kind.as_bytes());
        bytes[36..40].copy_from_slice(&1_u32.to_be_bytes());
        bytes[40..48].copy_from_slice(&1_700_000_000_000_u64.to_be_bytes());
        bytes[48..56].copy_from_slice(&sequence.to_be_bytes());
        // The UUID 00010203-0405-0607-…: its lower half comes first.
        bytes[64..80].copy_from_slice(&[8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7]);
        bytes[80..112].copy_from_slice(&Sha256::digest(payload));
        bytes[112..116].copy_from_slice(&payload_type.to_be_bytes());
        bytes[116..120].copy_from_slice(&u32::try_from(payload.len()).expect("short").to_be_bytes());
        bytes[120..].copy_from_slice(payload);
        self.raw(bytes).await;
    }

    /// Sends bytes that may be no frame.
    pub(crate) async fn raw(&mut self, bytes: Vec<u8>) {
        self.say(Message::Binary(bytes.into())).await;
    }

    async fn say(&mut self, message: Message) {
        // Whether it arrives is seen by what comes of it.
        self.socket.send(message).await.ok();
    }

    /// The next frame, whatever it is, without an acknowledgement; none when the connection is closed.
    pub(crate) async fn hear(&mut self) -> Option<Heard> {
        loop {
            let message = timeout(GUARD, self.socket.next()).await.unwrap_or_else(|_| panic!("nothing comes; last was {:?}", self.text));
            match message {
                Some(Ok(Message::Binary(bytes))) => return Some(Heard::read(&bytes)),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(other)) => panic!("{other:?}"),
            }
        }
    }

    /// Acknowledges a frame.
    pub(crate) async fn acknowledge(&mut self, heard: &Heard) {
        let content = json!({
            "AcknowledgedMessageType": heard.kind, "AcknowledgedMessageId": heard.id,
            "AcknowledgedMessageSequenceNumber": heard.sequence, "IsSequentialMessage": true,
        });
        self.frame("acknowledge", 0, 0, content.to_string().as_bytes()).await;
    }

    /// The next frame of the agent's stream, in order and acknowledged; none when the session is closed.
    pub(crate) async fn output(&mut self) -> Option<Heard> {
        loop {
            if let Some(heard) = self.early.remove(&self.expected) {
                self.expected += 1;
                return Some(heard);
            }
            let heard = self.hear().await?;
            match heard.kind.as_str() {
                "output_stream_data" => {
                    self.acknowledge(&heard).await;
                    if heard.sequence >= self.expected {
                        self.early.insert(heard.sequence, heard);
                    }
                }
                "acknowledge" => {
                    let content = heard.json();
                    assert_eq!((heard.sequence, heard.flags, heard.payload_type), (0, 3, 0));
                    let number = content["AcknowledgedMessageSequenceNumber"].as_i64().expect("a number");
                    self.acknowledged.push((number, content["AcknowledgedMessageId"].as_str().unwrap_or_default().to_owned()));
                }
                "start_publication" => {}
                "channel_closed" => {
                    self.early.insert(i64::MAX, heard);
                    return None;
                }
                other => panic!("{other}"),
            }
        }
    }

    /// Everything that is written until a text has come.
    pub(crate) async fn until(&mut self, wanted: &str) -> String {
        loop {
            if let Some(at) = self.text.find(wanted) {
                let rest = self.text.split_off(at + wanted.len());
                return std::mem::replace(&mut self.text, rest);
            }
            let heard = self.output().await.unwrap_or_else(|| panic!("closed before {wanted:?}: {:?}", self.text));
            assert_eq!(heard.payload_type, DATA);
            self.text.push_str(std::str::from_utf8(&heard.payload).expect("characters stay whole"));
        }
    }

    /// Waits for the end of the session: what was written until then, and what the client is told, if it is told anything.
    pub(crate) async fn closed(&mut self) -> (String, Option<Value>) {
        while let Some(heard) = self.output().await {
            self.text.push_str(&String::from_utf8_lossy(&heard.payload));
        }
        (std::mem::take(&mut self.text), self.early.remove(&i64::MAX).map(|heard| heard.json()))
    }
}
