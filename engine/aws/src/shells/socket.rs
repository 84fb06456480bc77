//! The websocket that a session's data goes through.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use rustls::pki_types::ServerName;
use spawn_core::ports::Result;
use spawn_model::error::{Class, Error};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::http::tls;

/// How long it may take to be there.
const WITHIN: Duration = Duration::from_secs(10);

/// What the websocket stands on.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<W: AsyncRead + AsyncWrite + Send + Unpin> Wire for W {}

/// A websocket.
pub(super) type Socket = WebSocketStream<Box<dyn Wire>>;

/// Opens the websocket at a URL.
pub(super) async fn open(url: &str) -> Result<Socket> {
    let broken = |cause: String| {
        let help = "Check the way from here to ssmmessages, port 443; a proxy is not used";
        Error::new(Class::Transient, "ChannelBroken", format!("the channel to the instance cannot be opened: {cause}"), help)
    };
    let uri: Uri = url.parse().map_err(|error| broken(format!("{url}: {error}")))?;
    let host = uri.host().unwrap_or_default().to_owned();
    let is_plain = uri.scheme_str() == Some("ws");
    let port = uri.port_u16().unwrap_or(if is_plain { 80 } else { 443 });
    let opened = async {
        let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|error| format!("{host}:{port}: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let wire: Box<dyn Wire> = if is_plain { Box::new(stream) } else { Box::new(encrypted(&host, stream).await?) };
        let (socket, _) = client_async(url, wire).await.map_err(|error| format!("{host}: {error}"))?;
        Ok(socket)
    };
    match timeout(WITHIN, opened).await {
        Ok(opened) => opened.map_err(broken),
        Err(_) => Err(broken(format!("{host}:{port} does not answer within {} s", WITHIN.as_secs()))),
    }
}

async fn encrypted(host: &str, stream: TcpStream) -> Result<impl Wire + use<>, String> {
    let name = ServerName::try_from(host.to_owned()).map_err(|error| format!("{host}: {error}"))?;
    let connector = TlsConnector::from(Arc::new(tls()?));
    connector.connect(name, stream).await.map_err(|error| format!("{host}: {error}"))
}
