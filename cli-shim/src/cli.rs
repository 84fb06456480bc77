//! The command line.

use clap::{Args, Parser};

use crate::commands::Command;
use crate::output::{Format, Output};

/// What the exit codes of every command say.
const EXIT_CODES: &str = "\
Exit codes: 0 done, 2 the input is wrong or there is no such thing, 3 AWS denies it, 4 no capacity or quota, 5 somebody else has \
or changed it, 6 a passing fault: try again, 70 a fault in spawn, 130 stopped by you.";

/// EC2 compute that ends by itself.
///
/// Every fleet has a lease, and ends with it, whatever happens to this command or to your machine. Credentials, region and
/// endpoints come from the environment and the shared configuration files, as in every AWS tool.
#[derive(Debug, Parser)]
#[command(name = "spawn", version, max_term_width = 120, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The AWS region, instead of the one in the environment or profile
    #[arg(long, global = true, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// The profile of the shared AWS configuration files
    #[arg(long, global = true, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// How results are written to standard output
    #[arg(short, long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
    /// Say nothing about progress on standard error
    #[arg(short, long, global = true)]
    quiet: bool,
}

impl Global {
    /// The same options for another region.
    pub(crate) fn in_region(&self, region: String) -> Self {
        Self { region: Some(region), ..self.clone() }
    }

    /// How to talk to the user.
    pub(crate) fn output(&self) -> Output {
        Output::new(self.output, self.quiet)
    }
}
