//! `spawn queue`: the jobs of a queue. To everything else a queue is a fleet.

mod cancel;
mod logs;
mod results;
mod retry;
mod status;

use clap::{Args, Subcommand};
use spawn_core::fleet::Fleet;
use spawn_model::error::{Class, Error};
use spawn_model::spec::FleetKind;

use super::{DONE, Outcome};
use crate::cli::Global;
use crate::output::{Failure, Output};
use crate::session::Session;

/// Look at the jobs of a queue, fetch what they left, cancel them, run failed ones again
///
/// A queue is launched with `spawn up -f FILE`, whose `jobs` are its jobs. To `ls`, `status`, `extend` and `down` it is a fleet.
#[derive(Debug, Args)]
pub(crate) struct Queue {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Status(status::Status),
    Logs(logs::Logs),
    Results(results::Results),
    Cancel(cancel::Cancel),
    Retry(retry::Retry),
}

impl Queue {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Outcome {
        let session = Session::connect(global).await?;
        match self.command {
            Command::Status(status) => status.run(&session, output).await,
            Command::Logs(logs) => logs.run(&session, output).await,
            Command::Results(results) => results.run(&session, output).await,
            Command::Cancel(cancel) => cancel.run(&session, output).await,
            Command::Retry(retry) => retry.run(&session, output).await,
        }
    }
}

/// The queue of a name or an id.
async fn queue(session: &Session, name: &str) -> Result<Fleet, Failure> {
    let fleet = session.engine.inspect(name).await?;
    if fleet.record.kind == FleetKind::Queue {
        return Ok(fleet);
    }
    let message = format!("{name} is no queue");
    let help = format!("`spawn status {name}` shows what it is");
    Err(Error::new(Class::Invalid, "NoQueue", message, &help).into())
}
