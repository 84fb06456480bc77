//! The developer's commands: `cargo xtask demo`, `test`, `simulate`, `fuzz`, `bench` and `dist`.

mod bench;
mod demo;
mod dist;
mod docs;
mod fuzz;
mod limits;
mod picture;
mod sandbox;
mod simulate;
mod terraform;
mod test;
mod tools;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use workspace::Profile;

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
    /// Write the documentation pages that are made of declarations.
    Docs,
    /// Run every test, end to end ones included.
    Test {
        /// Run only tests whose name contains this.
        filter: Option<String>,
    },
    /// Live random lives of fleets on the simulated cloud: processes die, EC2 fails, and the laws must hold after every step.
    Simulate {
        /// How many lives.
        #[arg(long, default_value_t = 10_000)]
        seeds: u64,
        /// The seed of the first.
        #[arg(long, default_value_t = 0)]
        from: u64,
    },
    /// Look for inputs that break what everything that reads must keep, with libFuzzer.
    Fuzz {
        /// For how many seconds, each target.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Which targets of tests/fuzz [default: every one].
        #[arg(value_name = "TARGET")]
        targets: Vec<String>,
    },
    /// Measure the limits this project sets itself, as a table.
    Bench {
        /// Measure the release programs as they are, without building them.
        #[arg(long)]
        built: bool,
    },
    /// Make the archives of a release and the Action's program, with their checksums and the registry's manifest, and a mirror to install the
    /// provider from.
    ///
    /// All of it is for the platform of this machine. The SHA256SUMS of several platforms, each line once, are the release's. Nothing is
    /// signed here: the registry also asks for a signature of the provider's SHA256SUMS, SHA256SUMS.sig, which the release workflow makes,
    /// because it alone has the key.
    Dist {
        /// Where all of it goes [default: target/dist].
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Pack the programs as they are, without building them.
        #[arg(long)]
        built: bool,
        /// How the programs are built.
        #[arg(long, value_enum, default_value_t = Profile::Release)]
        profile: Profile,
        /// The Action's program, where it is built apart: one that is linked statically runs in any job's container.
        #[arg(long, value_name = "FILE")]
        action: Option<PathBuf>,
    },
    /// Write the table by which the Action's shim knows the programs of a release.
    Hashes {
        /// Where those of all platforms are.
        directory: PathBuf,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Demo { keep } => demo::demo(keep),
        Command::Docs => docs::docs(),
        Command::Test { filter } => test::test(filter.as_deref()),
        Command::Simulate { seeds, from } => simulate::simulate(seeds, from),
        Command::Fuzz { seconds, targets } => fuzz::fuzz(seconds, &targets),
        Command::Bench { built } => bench::bench(built),
        Command::Dist { out, built, profile, action } => dist::dist(out, built, profile, action),
        Command::Hashes { directory } => dist::hashes(&directory),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
