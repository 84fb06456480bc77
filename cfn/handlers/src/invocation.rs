//! What every function begins with: the engine by the time of its invoker, and an operation that stops before Lambda stops it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use lambda_runtime::{Context, Error};
use spawn_aws::{ConnectOptions, connect};
use spawn_core::engine::Engine;
use spawn_core::operation::Operation;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::time::NotBefore;

/// No clock of AWS's is off by more.
const LEAD: SignedDuration = SignedDuration::from_mins(1);

/// One invocation.
pub(crate) struct Invocation {
    pub(crate) engine: Engine,
    pub(crate) operation: Operation,
    watch: JoinHandle<()>,
}

impl Invocation {
    /// Begins one that was meant for `time`, and is cancelled `margin` before Lambda ends it.
    pub(crate) async fn begin(context: &Context, time: Option<Timestamp>, margin: Duration) -> Result<Self, Error> {
        let mut aws = connect(&ConnectOptions::default()).await?;
        aws.clock = Arc::new(NotBefore::new(aws.clock, time, lead()));
        let cancel = CancellationToken::new();
        let remaining = context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        let watch = tokio::spawn(cancelled_after(cancel.clone(), remaining.saturating_sub(margin)));
        let operation = Operation::new(cancel, |line| println!("{line}"));
        Ok(Self { engine: Engine::new(aws, None), operation, watch })
    }
}

impl Drop for Invocation {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

async fn cancelled_after(cancel: CancellationToken, time: Duration) {
    tokio::time::sleep(time).await;
    cancel.cancel();
}

/// How far the moment that it is sent may be ahead of its own clock. Where the endpoint of AWS is named, its time may be any.
fn lead() -> SignedDuration {
    match std::env::var_os("AWS_ENDPOINT_URL") {
        Some(_) => SignedDuration::MAX,
        None => LEAD,
    }
}
