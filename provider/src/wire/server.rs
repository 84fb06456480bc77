//! The life of a provider process, from its start by Terraform to its end.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use super::connection::{self, Tally};
use super::handshake::{self, Launch, Refusal};
use super::plugin::{Broker, Controller, Health, Stdio};
use super::proto::health::health_server::HealthServer;
use super::proto::plugin::grpc_broker_server::GrpcBrokerServer;
use super::proto::plugin::grpc_controller_server::GrpcControllerServer;
use super::proto::plugin::grpc_stdio_server::GrpcStdioServer;
use super::proto::tfplugin6::provider_server::ProviderServer;
use super::provider::Provider;
use super::service::Service;
use super::socket::Socket;
use super::tls::{self, TlsError};
use super::{log, panics};

/// The largest message in either direction: what the Go providers allow.
const MESSAGE_BYTES_MAX: usize = 256 << 20;

/// How long the answer to Shutdown may be on its way before the process ends anyway. Terraform closes the connection
/// within a millisecond of it.
const LINGER_MAX: Duration = Duration::from_millis(500);

/// How long the first connection may take. Terraform gives a plugin as long to print its line.
const FIRST_CONNECTION_MAX: Duration = Duration::from_secs(60);

/// Why a provider cannot be served.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error("{0}")]
    Refused(#[from] Refusal),
    #[error("the provider cannot start: {0}")]
    System(#[from] io::Error),
    #[error("the provider cannot start: {0}")]
    Tls(#[from] TlsError),
    #[error("the provider's server failed: {0}")]
    Server(#[from] tonic::transport::Error),
}

/// Who waits for whom.
enum Mode {
    /// Terraform started this process and ends it.
    Plugin(Launch),
    /// A developer started this process, and Terraform is told of it by the developer.
    Debug,
}

/// Serves `provider` until Terraform needs it no more. The whole of a provider's `main`.
///
/// `address` is the provider's source address, such as `registry.terraform.io/example/thing`. With `--debug` among
/// the arguments the process waits for a Terraform that is told of it by `TF_REATTACH_PROVIDERS`.
pub fn serve(provider: impl Provider, address: &str) -> ExitCode {
    let variable = |name: &str| std::env::var(name).ok();
    let debug = std::env::args().skip(1).any(|argument| argument == "--debug" || argument == "-debug");
    log::install(variable);
    panics::install_hook();
    let mode = if debug { Ok(Mode::Debug) } else { Launch::from_environment(variable).map(Mode::Plugin) };
    match mode.map_err(ServeError::from).and_then(|mode| run(Arc::new(provider), mode, address)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(provider: Arc<dyn Provider>, mode: Mode, address: &str) -> Result<(), ServeError> {
    // One thread: calls wait for the network, and a pool of threads costs every launch its start.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(live(provider, mode, address));
    // What still runs has nobody left to answer to, and Terraform waits for the process to end.
    runtime.shutdown_background();
    outcome
}

async fn live(provider: Arc<dyn Provider>, mode: Mode, address: &str) -> Result<(), ServeError> {
    // Ctrl-C reaches the whole process group. Terraform says by StopProvider what it means; dying of it would lose
    // every answer. Having a handler is enough to be spared.
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    let (debug, launch) = match mode {
        Mode::Debug => (true, Launch { client_certificate: None, socket_directory: None }),
        Mode::Plugin(launch) => (false, launch),
    };
    let identity = launch.client_certificate.as_deref().map(tls::identity).transpose()?;
    let (socket, listener) = Socket::bind(launch.socket_directory.as_deref())?;
    let (tally, tallied) = watch::channel(Tally::default());
    let connections = connection::accept(listener, identity.as_ref().map(|own| Arc::clone(&own.config)), tally);
    let answered = CancellationToken::new();
    let server = services(provider, answered.clone()).serve_with_incoming(ReceiverStream::new(connections));

    let greeting = if debug {
        reattach_text(&handshake::reattach(address, std::process::id(), socket.path()))
    } else {
        handshake::line(socket.path(), identity.as_ref().map(|own| own.certificate.as_ref()))
    };
    announce(&greeting)?;

    tokio::select! {
        outcome = server => outcome?,
        () = last_use(answered, tallied), if !debug => {}
        _ = interrupts.recv(), if debug => {}
        _ = terminations.recv() => {}
    }
    Ok(())
}

fn services(provider: Arc<dyn Provider>, answered: CancellationToken) -> tonic::transport::server::Router {
    let service = ProviderServer::new(Service::new(Arc::clone(&provider)))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    Server::builder()
        .add_service(service)
        .add_service(GrpcControllerServer::new(Controller { provider, answered }))
        .add_service(GrpcStdioServer::new(Stdio))
        .add_service(GrpcBrokerServer::new(Broker))
        .add_service(HealthServer::new(Health))
}

/// Ends when Terraform has no more use for this process: it said so, or it is gone, or it never came.
async fn last_use(answered: CancellationToken, mut tallied: watch::Receiver<Tally>) {
    let mut closing = tallied.clone();
    let ended = async {
        let came = tokio::time::timeout(FIRST_CONNECTION_MAX, tallied.wait_for(|tally| tally.any())).await.is_ok();
        if came {
            // An error would mean that the acceptor is gone, and with it every further use.
            let _ = tallied.wait_for(|tally| tally.over()).await;
        }
    };
    tokio::select! {
        () = ended => {}
        () = answered.cancelled() => {
            let _ = tokio::time::timeout(LINGER_MAX, closing.wait_for(|tally| tally.over())).await;
        }
    }
}

fn announce(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn reattach_text(value: &str) -> String {
    // Inside single quotes the shell takes everything but a single quote as it is.
    let quoted = value.replace('\'', r"'\''");
    format!(
        "Provider started. To attach Terraform to it, set the TF_REATTACH_PROVIDERS environment variable:\n\n\
         \tTF_REATTACH_PROVIDERS='{quoted}'\n"
    )
}
