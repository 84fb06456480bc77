//! How a channel is opened: the client says whose token it has, and is let in or not.

use std::sync::Arc;
use std::time::Duration;

use hyper::upgrade::Upgraded;
use serde::Deserialize;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::channel::Channel;
use super::connection::Connection;
use super::{Opened, Sessions};

/// Where channels are; the session's id follows.
pub(super) const PATH: &str = "/v1/data-channel/";
/// How long a client may take to send its token.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a client sends before anything else, as text.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct OpenDataChannelInput {
    message_schema_version: String,
    #[serde(rename = "RequestId")]
    _request_id: String,
    token_value: String,
    #[serde(rename = "ClientId")]
    _client_id: String,
    #[serde(rename = "ClientVersion")]
    _client_version: Option<String>,
}

impl Sessions {
    /// The session whose channel a path is.
    pub(crate) fn of_path(path: &str) -> Option<&str> {
        path.strip_prefix(PATH)
    }

    /// Speaks with a client that has connected to a session's channel, until either is gone.
    pub(crate) async fn serve(self: Arc<Self>, id: String, stream: Upgraded) {
        let mut connection = Connection::new(stream).await;
        let opened = tokio::select! {
            opened = timeout(PATIENCE, self.admit(&id, &mut connection)) => opened.ok().flatten(),
            () = self.agents.around.stop.cancelled() => None,
        };
        match opened {
            Some(session) => Channel::new(self, id, session, connection).run().await,
            None => connection.close(Some(CloseFrame { code: CloseCode::Policy, reason: "the token is missing or wrong".into() })).await,
        }
    }

    /// Reads the token, and opens the session if it is the right one.
    async fn admit(&self, id: &str, connection: &mut Connection) -> Option<Opened> {
        let text = loop {
            match connection.next().await? {
                Message::Text(text) => break text,
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Binary(_) | Message::Close(_) | Message::Frame(_) => return None,
            }
        };
        let input: OpenDataChannelInput = match serde_json::from_str(&text) {
            Ok(input) => input,
            Err(error) => {
                self.agents.record_gap(&format!("ssmmessages OpenDataChannel: {error}"));
                return None;
            }
        };
        if input.message_schema_version != "1.0" {
            self.agents.record_gap(&format!("ssmmessages OpenDataChannel of schema {}", input.message_schema_version));
            return None;
        }
        self.open(id, &input.token_value)
    }
}
