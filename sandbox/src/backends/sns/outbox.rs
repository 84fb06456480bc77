//! What leaves the sandbox: mail, and HTTP to loopback. In the order in which it was sent, in real time.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Mail;

/// How long whoever gets something may take.
const WITHIN: Duration = Duration::from_secs(10);

/// Whom mail comes from.
const SENDER: &str = "no-reply@sns.amazonaws.com";

/// Something to be delivered.
#[derive(Debug)]
pub(super) enum Parcel {
    Mail { to: String, subject: String, text: String },
    Post { to: String, kind: &'static str, topic: String, body: String },
}

/// Delivers.
#[derive(Debug)]
pub(super) struct Outbox {
    parcels: UnboundedSender<Parcel>,
}

impl Outbox {
    /// Delivers until the sandbox stops.
    pub(super) fn open(mail: Mail, stop: CancellationToken) -> Self {
        let (parcels, waiting) = unbounded_channel();
        tokio::spawn(deliver(mail, waiting, stop));
        Self { parcels }
    }

    /// Sends something. Whoever cannot be reached gets nothing: the topic has taken it, as SNS would.
    pub(super) fn send(&self, parcel: Parcel) {
        // Nobody delivers any more when the sandbox stops.
        self.parcels.send(parcel).ok();
    }
}

async fn deliver(mail: Mail, mut waiting: UnboundedReceiver<Parcel>, stop: CancellationToken) {
    let mut files = 0_u32;
    loop {
        let parcel = tokio::select! {
            () = stop.cancelled() => return,
            parcel = waiting.recv() => parcel,
        };
        let Some(parcel) = parcel else { return };
        let delivered = match &parcel {
            Parcel::Mail { to, subject, text } => match &mail.smtp {
                Some(server) => within(smtp(server, to, &message(to, subject, text))).await,
                None => {
                    files += 1;
                    keep(&mail.dir, files, &message(to, subject, text)).await
                }
            },
            Parcel::Post { to, kind, topic, body } => within(post(to, kind, topic, body)).await,
        };
        if let Err(error) = delivered {
            tracing::warn!(%error, ?parcel, "a message of SNS was not delivered");
        }
    }
}

async fn within(delivery: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    timeout(WITHIN, delivery).await.unwrap_or_else(|_| Err("no answer".to_owned()))
}

/// A mail (RFC 5322) of plain text.
fn message(to: &str, subject: &str, text: &str) -> String {
    let text = text.replace('\n', "\r\n");
    format!("From: {SENDER}\r\nTo: {to}\r\nSubject: {subject}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n")
}

async fn keep(dir: &Path, number: u32, message: &str) -> Result<(), String> {
    tokio::fs::create_dir_all(dir).await.map_err(|error| error.to_string())?;
    tokio::fs::write(dir.join(format!("{number:04}.eml")), message).await.map_err(|error| error.to_string())
}

/// Hands a mail to a server (RFC 5321).
async fn smtp(server: &str, to: &str, message: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| error.to_string();
    let mut stream = BufReader::new(TcpStream::connect(server).await.map_err(failed)?);
    // A line that is a dot ends the mail.
    let body = message.replace("\r\n.", "\r\n..");
    let steps = [
        (None, "220"),
        (Some("EHLO sandbox".to_owned()), "250"),
        (Some(format!("MAIL FROM:<{SENDER}>")), "250"),
        (Some(format!("RCPT TO:<{to}>")), "250"),
        (Some("DATA".to_owned()), "354"),
        (Some(format!("{body}.")), "250"),
        (Some("QUIT".to_owned()), "221"),
    ];
    for (line, expected) in steps {
        if let Some(line) = line {
            stream.write_all(format!("{line}\r\n").as_bytes()).await.map_err(failed)?;
        }
        loop {
            let mut reply = String::new();
            stream.read_line(&mut reply).await.map_err(failed)?;
            if !reply.starts_with(expected) {
                return Err(format!("the mail server says {:?}", reply.trim_end()));
            }
            // A reply of several lines has a hyphen after the code of each but the last.
            if reply.as_bytes().get(3) != Some(&b'-') {
                break;
            }
        }
    }
    Ok(())
}

async fn post(to: &str, kind: &str, topic: &str, body: &str) -> Result<(), String> {
    let uri: http::Uri = to.parse().map_err(|_| "no address".to_owned())?;
    if !matches!(uri.host(), Some("127.0.0.1" | "localhost" | "[::1]")) {
        return Err("the sandbox posts to loopback only".to_owned());
    }
    let request = Request::post(uri)
        .header("content-type", "text/plain; charset=UTF-8")
        .header("x-amz-sns-message-type", kind)
        .header("x-amz-sns-topic-arn", topic)
        .body(Full::new(Bytes::from(body.to_owned())))
        .map_err(|error| error.to_string())?;
    let answer = Client::builder(TokioExecutor::new()).build_http().request(request).await.map_err(|error| error.to_string())?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("it answered {}", answer.status())) }
}
