//! `spawn alert`: what people are told of fleets.

mod apply;
mod down;
mod history;
mod ls;
mod show;
mod test;

use clap::{Args, Subcommand};

use super::{DONE, Outcome};
use crate::cli::Global;
use crate::output::Output;
use crate::session::Session;

/// Be told when a fleet fails, is interrupted, costs too much: by mail, SNS, Slack or a webhook
///
/// A function of the set-up looks every two minutes. What has happened is told once for each run, until a channel takes it.
#[derive(Debug, Args)]
pub(crate) struct Alert {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Apply(apply::Apply),
    Ls(ls::Ls),
    Show(show::Show),
    History(history::History),
    Test(test::Test),
    Down(down::Down),
}

impl Alert {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Outcome {
        match self.command {
            Command::Apply(apply) => apply.run(global, output).await,
            Command::Ls(ls) => ls.run(&Session::connect(global).await?, output).await,
            Command::Show(show) => show.run(&Session::connect(global).await?, output).await,
            Command::History(history) => history.run(&Session::connect(global).await?, output).await,
            Command::Test(test) => test.run(&Session::connect(global).await?, output).await,
            Command::Down(down) => down.run(&Session::connect(global).await?, output).await,
        }
    }
}
