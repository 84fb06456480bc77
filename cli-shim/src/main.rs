//! `spawn`: EC2 compute that ends by itself, for one person, now.
//!
//! | module | what it holds |
//! |---|---|
//! | [`cli`] | the command line: global options and the list of commands |
//! | [`commands`] | one file per command |
//! | [`input`] | from a YAML file and flags to a checked fleet |
//! | [`output`] | tables, JSON, times and errors as people and programs read them |
//! | [`session`] | the engine on the AWS that options and environment name, and Ctrl-C |
//!
//! The command keeps no state: what AWS holds is the truth. Only `commands::sandbox` knows that there is a sandbox.

use std::process::ExitCode;

use clap::Parser;

mod cli;
mod commands;
mod input;
mod output;
mod session;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let output = cli.global.output();
    session::log_to_stderr();
    match session::runtime().and_then(|runtime| runtime.block_on(commands::run(cli, &output))) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => ExitCode::from(output.fail(&failure)),
    }
}
