//! Who gets what leaves the sandbox: a mail server, and an address that takes JSON over TLS or without.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

/// A mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Whom it is to.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
}

/// An SMTP server that takes everything. It lives as long as the test's process.
pub struct Mailbox {
    address: String,
    mails: Arc<Mutex<Vec<Mail>>>,
}

impl Mailbox {
    /// Listens on a port of its own.
    ///
    /// # Panics
    /// If it cannot listen.
    #[must_use]
    pub fn open() -> Self {
        let (listener, address) = listen();
        let mails: Arc<Mutex<Vec<Mail>>> = Arc::default();
        let kept = mails.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(mail) = take_mail(&stream) {
                    kept.lock().unwrap_or_else(PoisonError::into_inner).push(mail);
                }
            }
        });
        Self { address, mails }
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What has come, in order.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    (listener, address)
}

/// One mail of a connection (RFC 5321, as far as a client that behaves goes).
fn take_mail(mut stream: &TcpStream) -> Option<Mail> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    stream.write_all(b"220 mailbox\r\n").ok()?;
    let (mut to, mut body) = (String::new(), None);
    while let Some(Ok(line)) = lines.next() {
        let answer: &[u8] = match line.as_str() {
            "DATA" => b"354 go on\r\n",
            "QUIT" => b"221 bye\r\n",
            line => {
                if let Some(address) = line.strip_prefix("RCPT TO:<") {
                    to = address.trim_end_matches('>').to_owned();
                }
                b"250-mailbox\r\n250 fine\r\n"
            }
        };
        stream.write_all(answer).ok()?;
        if line == "DATA" {
            let text: Vec<String> = lines.by_ref().map_while(Result::ok).take_while(|line| line != ".").collect();
            body = Some(text.join("\n"));
            stream.write_all(b"250 taken\r\n").ok()?;
        }
    }
    let (head, text) = body.as_ref()?.split_once("\n\n")?;
    let subject = head.lines().find_map(|line| line.strip_prefix("Subject: "))?;
    Some(Mail { to, subject: subject.to_owned(), text: text.to_owned() })
}

/// What was posted.
#[derive(Clone, Debug)]
pub struct Posted {
    /// The path.
    pub path: String,
    /// Headers, in lower case.
    pub headers: Vec<(String, String)>,
    /// The document.
    pub document: Value,
}

impl Posted {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// An address that takes documents, and answers as it is told. It lives as long as the test's process.
pub struct Hook {
    url: String,
    certificate: Option<String>,
    answers: Arc<AtomicU16>,
    posted: Arc<Mutex<Vec<Posted>>>,
}

impl Hook {
    /// One that is spoken to without TLS.
    #[must_use]
    pub fn plain() -> Self {
        Self::open(None)
    }

    /// One that proves who it is by a certificate of its own.
    ///
    /// # Panics
    /// If none can be made.
    #[must_use]
    pub fn secure() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
        let config = builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).expect("a certificate and its key");
        Self::open(Some((Arc::new(config), made.cert.pem())))
    }

    fn open(tls: Option<(Arc<ServerConfig>, String)>) -> Self {
        let (listener, address) = listen();
        let (answers, posted): (Arc<AtomicU16>, Arc<Mutex<Vec<Posted>>>) = (Arc::new(AtomicU16::new(200)), Arc::default());
        let (config, certificate) = tls.unzip();
        let url = format!("{}://{address}", if config.is_some() { "https" } else { "http" });
        let (status, kept) = (answers.clone(), posted.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let status = status.load(Ordering::SeqCst);
                let taken = match &config {
                    Some(config) => {
                        let connection = ServerConnection::new(config.clone()).expect("a connection");
                        take_document(StreamOwned::new(connection, stream), status)
                    }
                    None => take_document(stream, status),
                };
                // What was refused was not taken.
                kept.lock().unwrap_or_else(PoisonError::into_inner).extend(taken.filter(|_| status < 300));
            }
        });
        Self { url, certificate, answers, posted }
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its certificate, in PEM.
    #[must_use]
    pub fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    /// Answers with a status from now on.
    pub fn answer(&self, status: u16) {
        self.answers.store(status, Ordering::SeqCst);
    }

    /// What it has taken, in order.
    #[must_use]
    pub fn posted(&self) -> Vec<Posted> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One document of a connection. It is answered before it is kept: nobody waits for a test.
fn take_document(mut stream: impl Read + Write, status: u16) -> Option<Posted> {
    let (mut head, mut byte) = (Vec::new(), [0_u8]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: Vec<(String, String)> =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok())?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbusy");
    stream.write_all(answer.as_bytes()).ok()?;
    stream.flush().ok()?;
    Some(Posted { path, headers, document: serde_json::from_slice(&body).ok()? })
}
