//! `spawn down`.

use clap::Args;
use jiff::SignedDuration;
use serde::Serialize;
use spawn_core::engine::Engine;
use spawn_core::operation::Operation;
use spawn_model::error::Error;
use spawn_model::ids::FleetId;
use tokio::task::JoinSet;

use super::{DONE, Outcome};
use crate::cli::Global;
use crate::output::{Failure, Output};
use crate::session::{Session, operation};

/// End fleets for good
///
/// Their instances, schedules, groups and roles are gone when this returns, and their names are free. Results, records and logs stay in
/// the account: `spawn results`, `logs` and `status` find them by the fleet's id. Works again on a fleet whose end was interrupted. A
/// fleet that Terraform keeps is better ended with `terraform destroy`.
#[derive(Debug, Args)]
pub(crate) struct Down {
    /// The fleets' names or ids
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Delete their results and records as well
    #[arg(long)]
    delete_results: bool,
}

/// How long instances may take to go away.
const TIMEOUT: SignedDuration = SignedDuration::from_mins(10);

/// A fleet that is no more, as programs read it.
#[derive(Serialize)]
struct Ended {
    name: String,
    id: FleetId,
    /// Null if they were deleted, or if nothing was recorded of the fleet.
    results_uri: Option<String>,
}

#[derive(Serialize)]
struct AllEnded {
    ended: Vec<Ended>,
}

impl Down {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Outcome {
        let Session { engine } = Session::connect(global).await?;
        let operation = operation(output)?;
        // All names are looked up first: a misspelt one ends nothing.
        let mut fleets = Vec::new();
        for name in &self.names {
            fleets.push((name.clone(), engine.identify(name).await?));
        }
        let mut ends = JoinSet::new();
        for (name, id) in fleets {
            let (engine, operation) = (engine.clone(), operation.clone());
            ends.spawn(async move { end(&engine, name, id, self.delete_results, &operation).await });
        }
        let (mut ended, mut errors) = (Vec::new(), Vec::new());
        for result in ends.join_all().await {
            match result {
                Ok(fleet) => ended.push(fleet),
                Err(error) => errors.push(error),
            }
        }
        ended.sort_by(|a, b| a.name.cmp(&b.name));
        if errors.is_empty() {
            output.result(&AllEnded { ended }, |all| all.ended.iter().map(text).collect())?;
            return Ok(DONE);
        }
        for fleet in &ended {
            output.progress(text(fleet).trim_end());
        }
        Err(Failure::several(errors))
    }
}

async fn end(engine: &Engine, name: String, id: FleetId, delete_results: bool, operation: &Operation) -> Result<Ended, Error> {
    // Nothing is looked at before: what cannot be looked at, because a record is damaged, has to be ended all the same.
    let ended = match delete_results {
        true => engine.erase(&id, TIMEOUT, operation).await.map(|()| None),
        false => engine.end(&id, TIMEOUT, operation).await,
    };
    let results_uri = ended.map_err(|error| error.context(&name))?;
    Ok(Ended { name, id, results_uri })
}

fn text(ended: &Ended) -> String {
    match &ended.results_uri {
        Some(uri) => format!("{} is gone; its results stay in {uri}, and `spawn results {}` finds them\n", ended.name, ended.id),
        None => format!("{} is gone\n", ended.name),
    }
}
