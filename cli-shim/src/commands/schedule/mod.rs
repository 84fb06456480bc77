//! `spawn schedule`: fleets that are launched by the clock. To everything else a schedule is a fleet.

mod apply;
mod power;
mod show;

use clap::{Args, Subcommand};

use super::{DONE, Outcome};
use crate::cli::Global;
use crate::output::Output;
use crate::session::Session;

/// Make schedules, look at them and at what they have started, pause them
///
/// A schedule launches an instance, a job array or a queue again and again. To `ls`, `status`, `logs`, `results`, `extend` and `down` it is a
/// fleet: the last run of it.
#[derive(Debug, Args)]
pub(crate) struct Schedule {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Apply(apply::Apply),
    Show(show::Show),
    Pause(power::Pause),
    Resume(power::Resume),
}

impl Schedule {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Outcome {
        match self.command {
            Command::Apply(apply) => apply.run(global, output).await,
            Command::Show(show) => show.run(&Session::connect(global).await?, output).await,
            Command::Pause(pause) => pause.run(&Session::connect(global).await?, output).await,
            Command::Resume(resume) => resume.run(&Session::connect(global).await?, output).await,
        }
    }
}
