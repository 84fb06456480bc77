//! The services that go-plugin expects of every plugin.

use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::panics::caught;
use super::proto::health::health_check_response::ServingStatus;
use super::proto::health::{HealthCheckRequest, HealthCheckResponse, health_server};
use super::proto::plugin::{ConnInfo, Empty, StdioData, grpc_broker_server, grpc_controller_server, grpc_stdio_server};
use super::provider::Provider;

/// Terraform kills a plugin 2 seconds after it has asked it to end; what the provider still has to do must fit in.
const SHUTDOWN_WORK_MAX: Duration = Duration::from_millis(1500);

/// The name under which go-plugin asks for health.
const HEALTH_SERVICE: &str = "plugin";

/// Ends the process when Terraform asks for it.
pub(super) struct Controller {
    pub(super) provider: Arc<dyn Provider>,
    /// Cancelled once the answer to Shutdown is on its way.
    pub(super) answered: CancellationToken,
}

#[tonic::async_trait]
impl grpc_controller_server::GrpcController for Controller {
    async fn shutdown(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        let work = caught(async {
            self.provider.shutdown().await;
            Ok(())
        });
        match tokio::time::timeout(SHUTDOWN_WORK_MAX, work).await {
            Ok(Ok(())) => {}
            Ok(Err(errors)) => tracing::error!(?errors, "the provider's shutdown failed"),
            Err(_) => tracing::error!("the provider's shutdown took too long and was cut off"),
        }
        self.answered.cancel();
        Ok(Response::new(Empty {}))
    }
}

/// Terraform reads standard output and error from the process itself, so this stream stays open and empty.
pub(super) struct Stdio;

#[tonic::async_trait]
impl grpc_stdio_server::GrpcStdio for Stdio {
    type StreamStdioStream = stream::Pending<Result<StdioData, Status>>;

    async fn stream_stdio(&self, _: Request<()>) -> Result<Response<Self::StreamStdioStream>, Status> {
        Ok(Response::new(stream::pending()))
    }
}

/// Providers hand out no further connections: what comes is read and forgotten.
pub(super) struct Broker;

#[tonic::async_trait]
impl grpc_broker_server::GrpcBroker for Broker {
    type StartStreamStream = Pin<Box<dyn Stream<Item = Result<ConnInfo, Status>> + Send>>;

    async fn start_stream(&self, request: Request<Streaming<ConnInfo>>) -> Result<Response<Self::StartStreamStream>, Status> {
        Ok(Response::new(Box::pin(request.into_inner().filter_map(|_| ready(None)))))
    }
}

/// Healthy as long as it answers.
pub(super) struct Health;

impl Health {
    fn status(request: &HealthCheckRequest) -> ServingStatus {
        match request.service.as_str() {
            "" | HEALTH_SERVICE => ServingStatus::Serving,
            _ => ServingStatus::ServiceUnknown,
        }
    }
}

#[tonic::async_trait]
impl health_server::Health for Health {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        match Self::status(request.get_ref()) {
            ServingStatus::ServiceUnknown => Err(Status::not_found("unknown service")),
            status => Ok(Response::new(HealthCheckResponse { status: status.into() })),
        }
    }

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let status = HealthCheckResponse { status: Self::status(request.get_ref()).into() };
        Ok(Response::new(Box::pin(stream::iter([Ok(status)]).chain(stream::pending()))))
    }
}
