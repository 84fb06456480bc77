//! Where things are, and how cargo is called.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The repository's directories.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Where cargo puts what it builds.
    pub(crate) cargo_target: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self> {
        let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec().context("asking cargo for the workspace")?;
        Ok(Self { root: metadata.workspace_root.into(), cargo_target: metadata.target_directory.into() })
    }

    /// Where the project's own commands put things: always inside the repository, wherever cargo builds.
    pub(crate) fn target(&self) -> PathBuf {
        self.root.join("target")
    }

    /// The directory of built programs.
    pub(crate) fn programs(&self, profile: Profile) -> PathBuf {
        self.cargo_target.join(profile.directory())
    }

    /// Builds every program as it is developed. All of them, because another selection of packages has other features, and would
    /// have the AWS SDKs built once more.
    pub(crate) fn build_programs(&self) -> Result<()> {
        run(self.cargo("build").args(["--workspace", "--bins"]))
    }

    /// Builds every program as it is released.
    pub(crate) fn build_release(&self) -> Result<()> {
        run(self.cargo("build").args(["--release", "--workspace", "--bins"]))
    }

    /// Builds every program in a profile.
    pub(crate) fn build(&self, profile: Profile) -> Result<()> {
        match profile {
            Profile::Dev => self.build_programs(),
            Profile::Release => self.build_release(),
        }
    }

    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.arg(subcommand).current_dir(&self.root);
        cargo
    }
}

#[derive(Clone, Copy, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Profile {
    /// As it is developed.
    Dev,
    /// As it is released.
    Release,
}

impl Profile {
    fn directory(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}

/// Says what is being done: the one way in which these commands speak.
pub(crate) fn say(line: &str) {
    println!("\n▶ {line}");
}

/// Runs a command with our own output, and fails if it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("starting {}", shown(command)))?;
    ensure!(status.success(), "{} failed: {status}", shown(command));
    Ok(())
}

/// Runs a command and gives what it printed.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("starting {}", shown(command)))?;
    ensure!(output.status.success(), "{} failed: {}\n{}", shown(command), output.status, String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn shown(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).map(|w| w.to_string_lossy()).collect();
    words.join(" ")
}

/// Makes a directory empty.
pub(crate) fn fresh_directory(path: &Path) -> Result<()> {
    if path.exists() {
        std::fs::remove_dir_all(path).with_context(|| format!("emptying {}", path.display()))?;
    }
    std::fs::create_dir_all(path).with_context(|| format!("making {}", path.display()))
}

/// Copies the files of a directory, and no directories within it.
pub(crate) fn copy_files(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
