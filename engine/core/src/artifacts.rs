//! Finds what set-up uploads: the agent, for the architectures that were built.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use spawn_model::error::{Class, Error};

use crate::ports::Result;

/// An agent binary on this machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Agent {
    /// The architecture it runs on, as `uname -m` says it: `x86_64` or `aarch64`.
    pub machine: String,
    /// Its SHA-256 in hex.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    path: PathBuf,
}

impl Agent {
    /// Its content.
    ///
    /// # Errors
    /// If it cannot be read any more.
    pub fn read(&self) -> Result<Vec<u8>> {
        read(&self.path)
    }
}

/// The agents in `SPAWN_ARTIFACTS`, else beside the running program: `spored-x86_64`, `spored-aarch64`, or plain `spored`,
/// which was built for this machine.
///
/// # Errors
/// If there is none.
pub fn agents(directory: Option<&Path>) -> Result<Vec<Agent>> {
    let mut found = Vec::new();
    for (machine, path) in paths(directory)? {
        let content = read(&path)?;
        let sha256 = hex::encode(Sha256::digest(&content));
        found.push(Agent { machine, sha256, bytes: content.len() as u64, path });
    }
    Ok(found)
}

/// The architectures, as `uname -m` says them, that there are agents for; reads none of them.
///
/// # Errors
/// If there is none.
pub fn machines(directory: Option<&Path>) -> Result<Vec<String>> {
    Ok(paths(directory)?.into_iter().map(|(machine, _)| machine).collect())
}

fn paths(directory: Option<&Path>) -> Result<Vec<(String, PathBuf)>> {
    let directory = match directory {
        Some(directory) => directory.to_owned(),
        None => beside_program()?,
    };
    let mut found = Vec::new();
    for machine in ["x86_64", "aarch64"] {
        let mut candidates = vec![directory.join(format!("spored-{machine}"))];
        if machine == std::env::consts::ARCH {
            candidates.push(directory.join("spored"));
        }
        found.extend(candidates.into_iter().find(|path| path.is_file()).map(|path| (machine.to_owned(), path)));
    }
    if found.is_empty() {
        let help = "Build it (`cargo build --package spored`) and name its directory in SPAWN_ARTIFACTS, or let an administrator run `spawn setup`";
        let message = format!("there is no agent (spored, spored-x86_64 or spored-aarch64) in {}", directory.display());
        return Err(Error::new(Class::Invalid, "NoAgent", message, help));
    }
    Ok(found)
}

fn beside_program() -> Result<PathBuf> {
    if let Some(directory) = std::env::var_os("SPAWN_ARTIFACTS") {
        return Ok(directory.into());
    }
    let program = std::env::current_exe().map_err(|error| failed(Path::new("the running program"), &error))?;
    Ok(program.parent().map(Path::to_owned).unwrap_or_default())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::new(
        Class::Invalid,
        "ArtifactUnreadable",
        format!("{} cannot be read: {error}", path.display()),
        "Check the file and SPAWN_ARTIFACTS",
    )
}
