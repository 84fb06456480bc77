//! One file per command.

mod alert;
mod completions;
mod connect;
mod down;
mod exec;
mod extend;
mod logs;
mod ls;
mod plan;
mod policy;
mod power;
mod queue;
mod reap;
mod rerun;
mod results;
mod sandbox;
mod scale;
mod schedule;
mod setup;
mod status;
mod up;

use clap::Subcommand;

use crate::cli::Cli;
use crate::output::{Failure, Output};

/// How a command ends: its exit code, or why it failed.
pub(crate) type Outcome = Result<u8, Failure>;

/// The exit code of a command that did what it was asked.
pub(crate) const DONE: u8 = 0;

/// The commands, in the order in which a new user meets them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Plan(plan::Plan),
    Up(up::Up),
    Ls(ls::Ls),
    Status(status::Status),
    Logs(logs::Logs),
    Results(results::Results),
    Queue(queue::Queue),
    Schedule(schedule::Schedule),
    Alert(alert::Alert),
    Exec(exec::Exec),
    Connect(connect::Connect),
    Extend(extend::Extend),
    Scale(scale::Scale),
    Stop(power::Stop),
    Start(power::Start),
    Rerun(rerun::Rerun),
    Down(down::Down),
    Reap(reap::Reap),
    Setup(setup::Setup),
    Policy(policy::Policy),
    Sandbox(sandbox::Sandbox),
    Completions(completions::Completions),
}

/// Does what was asked.
pub(crate) async fn run(cli: Cli, output: &Output) -> Outcome {
    let global = &cli.global;
    match cli.command {
        Command::Plan(plan) => plan.run(global, output).await,
        Command::Up(up) => up.run(global, output).await,
        Command::Ls(ls) => ls.run(global, output).await,
        Command::Status(status) => status.run(global, output).await,
        Command::Logs(logs) => logs.run(global, output).await,
        Command::Results(results) => results.run(global, output).await,
        Command::Queue(queue) => queue.run(global, output).await,
        Command::Schedule(schedule) => schedule.run(global, output).await,
        Command::Alert(alert) => alert.run(global, output).await,
        Command::Exec(exec) => exec.run(global, output).await,
        Command::Connect(connect) => connect.run(global, output).await,
        Command::Extend(extend) => extend.run(global, output).await,
        Command::Scale(scale) => scale.run(global, output).await,
        Command::Stop(stop) => stop.run(global, output).await,
        Command::Start(start) => start.run(global, output).await,
        Command::Rerun(rerun) => rerun.run(global, output).await,
        Command::Down(down) => down.run(global, output).await,
        Command::Reap(reap) => reap.run(global, output).await,
        Command::Setup(setup) => setup.run(global, output).await,
        Command::Policy(policy) => policy.run(global, output).await,
        Command::Sandbox(sandbox) => sandbox.run(global, output).await,
        Command::Completions(completions) => completions.run(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn snapshot(command: &mut clap::Command, name: &str) {
        if command.is_hide_set() || name.ends_with("-help") {
            return;
        }
        let help = command.render_long_help().to_string();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        insta::assert_snapshot!(name, lines.join("\n"));
        for inner in command.get_subcommands_mut() {
            let name = format!("{name}-{}", inner.get_name());
            snapshot(inner, &name);
        }
    }

    #[test]
    fn every_command_explains_itself() {
        let mut command = Cli::command().term_width(120);
        command.build();
        command.clone().debug_assert();
        snapshot(&mut command, "help");
    }
}
