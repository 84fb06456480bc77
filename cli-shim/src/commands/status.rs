//! `spawn status`.

use clap::Args;
use spawn_model::status::Status as FleetStatus;

use super::{DONE, Outcome};
use crate::cli::Global;
use crate::output::Output;
use crate::output::fleet::FleetView;
use crate::session::Session;

/// Show a fleet, its members and what it has cost
///
/// Its status and why, its lease, what it has cost so far, where its results are, and its members.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The fleet's name or id; of one that was ended for good, its id
    name: String,
    /// Exit with 0 if it succeeded, 1 if it failed, was lost, interrupted or expired, 2 if it is not over, 3 on an error
    #[arg(long)]
    check_complete: bool,
}

/// The exit code of `--check-complete` when the fleet cannot be looked at.
const CANNOT_TELL: u8 = 3;

impl Status {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Outcome {
        match self.show(global, output).await {
            Ok(status) if self.check_complete => Ok(completeness(status)),
            Ok(_) => Ok(DONE),
            Err(failure) if self.check_complete => {
                output.fail(&failure);
                Ok(CANNOT_TELL)
            }
            Err(failure) => Err(failure),
        }
    }

    async fn show(&self, global: &Global, output: &Output) -> Result<FleetStatus, crate::output::Failure> {
        let Session { engine } = Session::connect(global).await?;
        let fleet = engine.examine(&self.name).await?;
        output.result(&FleetView::new(&fleet, engine.now()), FleetView::text)?;
        Ok(fleet.status)
    }
}

fn completeness(status: FleetStatus) -> u8 {
    match status {
        FleetStatus::Succeeded => 0,
        FleetStatus::Failed | FleetStatus::Lost | FleetStatus::Interrupted | FleetStatus::Expired => 1,
        FleetStatus::Scheduled | FleetStatus::Launching | FleetStatus::Running | FleetStatus::Stopped => 2,
    }
}
