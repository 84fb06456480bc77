//! Starts the runs of schedules, as a function of AWS Lambda that EventBridge Scheduler invokes at their times.
//!
//! It succeeds if there is nothing left to be done for a start: a run was launched, or none is to be. Otherwise everything of the run was
//! undone, and it fails, so that Lambda invokes it again with the same start, and its count of errors is a reason to look.

mod invocation;
mod time;

use std::time::Duration;

use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use spawn_core::schedule::Started;
use spawn_model::ids::FleetId;

use crate::invocation::Invocation;

/// How long before Lambda ends it, it stops by itself: to undo what it has launched takes a while.
const MARGIN: Duration = Duration::from_mins(1);

/// What Scheduler sends.
#[derive(Debug, Deserialize)]
struct Event {
    /// Whose start it is.
    fleet: FleetId,
    /// When the schedule said.
    time: Timestamp,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Event>) -> Result<Started, Error> {
    let (Event { fleet, time }, context) = event.into_parts();
    let invocation = Invocation::begin(&context, Some(time), MARGIN).await?;
    let started = invocation.engine.schedule_start(&fleet, time, &invocation.operation).await;
    let started = started.map_err(|error| Error::from(error.to_string()))?;
    println!("{}", serde_json::json!({ "fleet": fleet, "time": time, "started": started }));
    Ok(started)
}
