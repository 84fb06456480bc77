//! A provider process, started as Terraform's plugin library starts it, and connections to it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};

/// The example program that serves the toy provider. `cargo test` builds it beside the tests.
pub(crate) fn toy_provider() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let built = test.parent().and_then(Path::parent).unwrap().join("examples/toy_provider");
    assert!(built.exists(), "{} is missing: build it with `cargo build --examples`", built.display());
    built
}

/// A certificate as go-plugin makes them: P-521, self-signed, an authority, for both sides.
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
    pem: String,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        parameters.insert_extended_key_usage(rcgen::ExtendedKeyUsagePurpose::ClientAuth);
        parameters.insert_extended_key_usage(rcgen::ExtendedKeyUsagePurpose::ServerAuth);
        let certificate = parameters.self_signed(&key).unwrap();
        Self { certificate: certificate.der().clone(), key: key.serialize_der(), pem: certificate.pem() }
    }
}

/// What the environment says beyond the cookie.
#[derive(Default)]
pub(crate) struct Options<'a> {
    /// The one client to admit; none: in plain text.
    pub(crate) client: Option<&'a Identity>,
    pub(crate) socket_directory: Option<&'a Path>,
    /// What is started; none: the toy provider.
    pub(crate) program: Option<PathBuf>,
}

/// The provider's command line and environment.
pub(crate) fn command(options: &Options<'_>) -> Command {
    let mut command = Command::new(options.program.clone().unwrap_or_else(toy_provider));
    command
        .env_clear()
        .env("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2")
        .env("PLUGIN_PROTOCOL_VERSIONS", "6,5")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(identity) = options.client {
        command.env("PLUGIN_CLIENT_CERT", &identity.pem);
    }
    if let Some(directory) = options.socket_directory {
        command.env("PLUGIN_UNIX_SOCKET_DIR", directory);
    }
    command
}

/// A provider that has said where it listens. It is ended with the test, at the latest.
pub(crate) struct Launched {
    child: Child,
    pub(crate) socket: PathBuf,
    certificate: Option<CertificateDer<'static>>,
}

impl Launched {
    pub(crate) fn new(options: &Options<'_>) -> Self {
        let mut child = command(options).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let fields: Vec<_> = line.trim_end_matches('\n').split('|').collect();
        let [core, version, network, socket, protocol, certificate] = fields[..] else { panic!("{line:?}") };
        assert_eq!((core, version, network, protocol), ("1", "6", "unix", "grpc"), "{line:?}");
        assert_eq!(certificate.is_empty(), options.client.is_none(), "{line:?}");
        let certificate = (!certificate.is_empty()).then(|| STANDARD_NO_PAD.decode(certificate).unwrap().into());
        Self { child, socket: socket.into(), certificate }
    }

    /// Connects as Terraform does, with `identity` for a client certificate if the provider asks for any.
    pub(crate) async fn connect(&self, identity: Option<&Identity>) -> Result<Channel, String> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| error.to_string())?;
        let Some(server) = &self.certificate else { return channel(stream).await };
        let mut roots = RootCertStore::empty();
        roots.add(server.clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let key = PrivateKeyDer::Pkcs8(own.key.clone().into());
                builder.with_client_auth_cert(vec![own.certificate.clone()], key).unwrap()
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| error.to_string())?;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        // In TLS 1.3 a client learns only by reading that it was refused. A server of HTTP/2 speaks first.
        let mut first = [0; 1];
        stream.read_exact(&mut first).await.map_err(|error| format!("{error:?}"))?;
        let (read, write) = tokio::io::split(stream);
        channel(tokio::io::join(std::io::Cursor::new(first).chain(read), write)).await
    }

    pub(crate) async fn connect_plainly(&self) -> Result<Channel, String> {
        channel(UnixStream::connect(&self.socket).await.map_err(|error| error.to_string())?).await
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn exited(mut self, code: Option<i32>) {
        // On another thread: this one may still have to close a connection.
        let waited = tokio::task::spawn_blocking(move || self.child.wait());
        assert_eq!(waited.await.unwrap().unwrap().code(), code);
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        // One that has ended already has given its process id back.
        if let Ok(None) = self.child.try_wait() {
            // Not killed, so that it takes its socket with it.
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

async fn channel(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Channel, String> {
    let mut stream = Some(TokioIo::new(stream));
    let connector = tower::service_fn(move |_| {
        let stream = stream.take().ok_or_else(|| std::io::Error::other("there is one connection only"));
        std::future::ready(stream)
    });
    let endpoint = Endpoint::from_static("http://localhost");
    endpoint.connect_with_connector(connector).await.map_err(|error| format!("{error:?}"))
}
