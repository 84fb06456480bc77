//! `spawn rerun`.

use clap::Args;
use spawn_core::rerun::{RunAgain, Wanted};
use spawn_model::problem::{Path, Problem};
use spawn_model::read::FieldType;
use spawn_model::spec::FleetSpec;
use spawn_model::status::WaitFor;
use spawn_model::value::Value;

use super::{Outcome, up};
use crate::cli::Global;
use crate::output::{Failure, Output};
use crate::session::{Session, operation};

/// Run a fleet again
///
/// The same fleet, with a new run: a lease counted from now, and records and results of its own. What still runs of it is
/// ended first; records and results of the former run stay. A run that was begun and not finished, because the command that
/// did it was killed, is gone on with.
#[derive(Debug, Args)]
pub(crate) struct Rerun {
    /// The fleet's name or id
    name: String,
    /// What to wait for: `launched`, `running`, `ready` or `completed`; left out, what the fleet was launched with
    #[arg(long, value_name = "GOAL")]
    wait: Option<String>,
}

impl Rerun {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Outcome {
        let goal = self.wait.as_deref().map(goal).transpose()?;
        let Session { engine } = Session::connect(global).await?;
        let operation = operation(output)?;
        let began = engine.now();
        let fleet = engine.find(&self.name).await?;
        let files = engine.files(&fleet.record).await?;
        let spec = FleetSpec { files, wait_for: goal.unwrap_or(fleet.record.spec.wait_for), ..fleet.record.spec.clone() };
        let RunAgain { record, warnings, .. } = engine.rerun(&fleet.record.fleet, &spec, Wanted::Anew, &operation).await?;
        up::launched(&engine, &record, spec.wait_for, (began, warnings), &operation, output).await
    }
}

/// What to wait for, by its word.
pub(super) fn goal(text: &str) -> Result<WaitFor, Failure> {
    let mut problems: Vec<Problem> = Vec::new();
    WaitFor::read(&Value::from(text), &Path::field("wait_for"), &mut problems).ok_or_else(|| Failure::from(problems))
}
