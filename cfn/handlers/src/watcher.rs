//! Tells what alerts are for, keeps names in DNS right, and has services buy on demand what spot has no room for, as a function of AWS Lambda that
//! a schedule of the set-up invokes.
//!
//! It succeeds if it could look at everything that is watched. Otherwise it has told what it could, and fails with what it could not, so that
//! Lambda's count of errors is a reason to look. A channel that takes nothing is no failure of its: the alert says so.

mod invocation;
mod time;

use std::time::Duration;

use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};
use spawn_core::alert::Telling;
use spawn_core::dns::NamesKept;
use spawn_core::service::ServicesKept;

use crate::invocation::Invocation;

/// How long before Lambda ends it, it stops by itself, to note what it has told.
const MARGIN: Duration = Duration::from_secs(20);

/// What it is sent: EventBridge Scheduler's own event, of which it reads one field. Nothing is as good.
#[derive(Debug, Default, Deserialize)]
struct Event {
    /// When the schedule said.
    #[serde(default)]
    time: Option<Timestamp>,
}

/// What came of a look.
#[derive(Debug, Serialize)]
struct Looked {
    #[serde(flatten)]
    told: Telling,
    names: NamesKept,
    services: ServicesKept,
}

impl Looked {
    /// Whether there was anything to look at for anybody.
    fn is_worth_a_line(&self) -> bool {
        self.told.alerts > 0 || self.names.fleets > 0 || !self.services.fell_back.is_empty()
    }

    /// What could not be looked at.
    fn errors(&self) -> Vec<&str> {
        self.told.errors.iter().chain(&self.names.errors).chain(&self.services.errors).map(String::as_str).collect()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(handle)).await
}

fn failed(error: spawn_model::error::Error) -> Error {
    Error::from(error.to_string())
}

async fn handle(event: LambdaEvent<Option<Event>>) -> Result<Looked, Error> {
    let (asked, context) = event.into_parts();
    let invocation = Invocation::begin(&context, asked.unwrap_or_default().time, MARGIN).await?;
    let Invocation { engine, operation, .. } = &invocation;
    let (told, names, services) =
        tokio::join!(engine.alerts_tell(operation), engine.names_keep(operation), engine.services_keep(operation));
    let looked = Looked { told: told.map_err(failed)?, names: names.map_err(failed)?, services: services.map_err(failed)? };
    if looked.is_worth_a_line() {
        println!("{}", serde_json::to_string(&looked)?);
    }
    let errors = looked.errors().join("; ");
    if errors.is_empty() { Ok(looked) } else { Err(errors.into()) }
}
