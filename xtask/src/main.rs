//! The developer's commands: `cargo xtask demo`, `cargo xtask test`, `cargo xtask bench`.

mod bench;
mod demo;
mod picture;
mod sandbox;
mod terraform;
mod test;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The developer's commands", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Launch eight machines on this machine with real Terraform, assemble their results into a picture, and clean up.
    Demo {
        /// Leave the sandbox and the fleet up, and say how to look around.
        #[arg(long)]
        keep: bool,
    },
    /// Run every test, end to end ones included.
    Test {
        /// Run only tests whose name contains this.
        filter: Option<String>,
    },
    /// Measure the limits this project sets itself, as a table.
    Bench {
        /// Measure the release programs as they are, without building them.
        #[arg(long)]
        built: bool,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Demo { keep } => demo::demo(keep),
        Command::Test { filter } => test::test(filter.as_deref()),
        Command::Bench { built } => bench::bench(built),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
