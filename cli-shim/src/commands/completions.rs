//! `spawn completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{DONE, Outcome};
use crate::cli::Cli;
use crate::output::print;

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "bash: spawn completions bash > ~/.local/share/bash-completion/completions/spawn")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "spawn", &mut script);
        print(&String::from_utf8_lossy(&script))?;
        Ok(DONE)
    }
}
