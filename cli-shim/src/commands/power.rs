//! `spawn start` and `spawn stop`.

use clap::Args;
use serde::Serialize;
use spawn_core::fleet::Fleet;
use spawn_model::duration::Seconds;
use spawn_model::spec::LeaseSpec;
use spawn_model::value::Value;

use super::extend::lease_fields;
use super::{DONE, Outcome};
use crate::cli::Global;
use crate::input::{Fields, judged};
use crate::output::{Failure, Output, time};
use crate::session::{Session, operation};

/// Start an instance again that has stopped
///
/// With a lease that begins now. Its disks are as they were, its address within the network too; its command begins anew, unless it had ended
/// by itself, and after hibernation goes on where it was. It may stop if `on_expiry` or `on_idle` of its lease say so.
#[derive(Debug, Args)]
pub(crate) struct Start {
    /// The fleet's name or id
    name: String,
    /// How long it may live from now on; left out, as long as before
    #[arg(long, value_name = "DURATION")]
    ttl: Option<String>,
}

/// Stop an instance now that can be started again
///
/// What it runs is asked to end; or it is kept as it is, if `on_expiry` or `on_idle` of its lease are `hibernate`. The instance costs no more
/// than its disks, until its lease ends it for good.
#[derive(Debug, Args)]
pub(crate) struct Stop {
    /// The fleet's name or id
    name: String,
}

/// An instance that was started, as programs read it.
#[derive(Serialize)]
struct Started {
    id: String,
    name: String,
    ttl_s: u64,
    deadline: String,
}

/// An instance that was stopped, as programs read it.
#[derive(Serialize)]
struct Stopped {
    id: String,
    name: String,
    /// Whether it hibernates.
    hibernates: bool,
}

impl Start {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Outcome {
        let Session { engine } = Session::connect(global).await?;
        let operation = operation(output)?;
        let fleet = engine.find(&self.name).await?;
        let lease = self.lease(&fleet)?;
        let deadline = engine.start(&fleet, &lease, &operation).await?;
        let Seconds(ttl_s) = lease.ttl;
        let record = &fleet.record;
        let started = Started { id: record.fleet.to_string(), name: record.spec.name.clone(), ttl_s, deadline: deadline.to_string() };
        output
            .result(&started, |started| format!("{} starts, and runs until {}\n", started.name, time::deadline(deadline, engine.now())))?;
        Ok(DONE)
    }

    fn lease(&self, fleet: &Fleet) -> Result<LeaseSpec, Failure> {
        let Some(ttl) = &self.ttl else { return Ok(fleet.record.spec.lease.clone()) };
        let mut lease = lease_fields(fleet);
        lease.insert("ttl".to_owned(), Value::String(ttl.clone()));
        judged(fleet.record.kind, Fields::from([("lease".to_owned(), Value::Map(lease))])).map(|spec| spec.lease)
    }
}

impl Stop {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Outcome {
        let Session { engine } = Session::connect(global).await?;
        let operation = operation(output)?;
        let fleet = engine.find(&self.name).await?;
        engine.stop(&fleet, &operation).await?;
        let record = &fleet.record;
        let hibernates = record.spec.lease.ends().hibernates();
        let stopped = Stopped { id: record.fleet.to_string(), name: record.spec.name.clone(), hibernates };
        output.result(&stopped, |stopped| {
            let verb = if stopped.hibernates { "hibernates" } else { "stops" };
            format!("{0} {verb}; `spawn start {0}` starts it again\n", stopped.name)
        })?;
        Ok(DONE)
    }
}
