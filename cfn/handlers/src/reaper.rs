//! The reaper as a function of AWS Lambda: what `spawn reap` does by hand, in the function's own region, on a schedule.
//!
//! It succeeds if it could do everything. Otherwise it has done what it could, and fails with what it could not, so that Lambda's
//! count of errors is a reason to look.

mod invocation;
mod time;

use std::time::Duration;

use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};
use spawn_core::reap::Reaped;

use crate::invocation::Invocation;

/// How long before Lambda ends it, it stops by itself, to tell what it has not done.
const MARGIN: Duration = Duration::from_secs(20);

/// What it is sent: EventBridge Scheduler's own event, of which it reads one field. Nothing is as good.
#[derive(Debug, Default, Deserialize)]
struct Event {
    /// When the schedule said.
    #[serde(default)]
    time: Option<Timestamp>,
    /// Only say what would be done.
    #[serde(default)]
    dry_run: bool,
}

/// What it did, for whoever reads the log.
#[derive(Debug, Serialize)]
struct Done {
    region: String,
    dry_run: bool,
    /// Auto Scaling groups of services.
    deleted: Vec<String>,
    ended: Vec<String>,
    removed: Vec<String>,
    living: usize,
    errors: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Option<Event>>) -> Result<Done, Error> {
    let (asked, context) = event.into_parts();
    let asked = asked.unwrap_or_default();
    let invocation = Invocation::begin(&context, asked.time, MARGIN).await?;
    let reaped = invocation.engine.reap(asked.dry_run, &invocation.operation).await;
    let done = Done::new(reaped, asked.dry_run);
    println!("{}", serde_json::to_string(&done)?);
    if done.errors.is_empty() { Ok(done) } else { Err(done.errors.join("; ").into()) }
}

impl Done {
    fn new(reaped: Reaped, dry_run: bool) -> Self {
        let name = |removed: &spawn_core::reap::Removed| match &removed.name {
            Some(name) => format!("{name} ({})", removed.fleet),
            None => removed.fleet.to_string(),
        };
        Self {
            region: reaped.region,
            dry_run,
            deleted: reaped.groups.into_iter().map(|overdue| overdue.group).collect(),
            ended: reaped.instances.iter().map(|overdue| overdue.id.to_string()).collect(),
            removed: reaped.fleets.iter().map(name).collect(),
            living: reaped.living,
            errors: reaped.errors.iter().map(ToString::to_string).collect(),
        }
    }
}
