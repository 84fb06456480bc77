//! Finds what set-up uploads: the agent, for the architectures that were built, and the functions.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use spawn_model::error::{Class, Error};
use zip::write::{SimpleFileOptions, ZipWriter};

use crate::ports::Result;

/// What the files of the functions are called, but for the architecture.
const REAPER: &str = "spawn-reaper";
const STARTER: &str = "spawn-starter";
const WATCHER: &str = "spawn-watcher";

/// What Lambda starts.
const BOOTSTRAP: &str = "bootstrap";

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

/// The program of a function, on this machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Handler {
    /// The architecture it runs on, as `uname -m` says it.
    pub machine: String,
    path: PathBuf,
}

impl Handler {
    /// A deployment package of it. The same file makes the same package, so that deploying it again changes nothing.
    ///
    /// # Errors
    /// If it cannot be read any more.
    pub fn package(&self) -> Result<Vec<u8>> {
        let program = read(&self.path)?;
        // Without options of its own an entry has the time 1980-01-01, the earliest there is.
        let options = SimpleFileOptions::default().unix_permissions(0o755);
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let packed = zip.start_file(BOOTSTRAP, options).and_then(|()| Ok(zip.write_all(&program)?)).and_then(|()| zip.finish());
        packed.map(Cursor::into_inner).map_err(|error| {
            let message = format!("{} cannot be packed: {error}", self.path.display());
            Error::new(Class::Invalid, "ArtifactUnreadable", message, "Check the file and SPAWN_ARTIFACTS")
        })
    }
}

/// What set-up uploads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Artifacts {
    /// The agents: at least one.
    pub agents: Vec<Agent>,
    /// The reaper, if it was built.
    pub reaper: Option<Handler>,
    /// What starts the runs of schedules, if it was built.
    pub starter: Option<Handler>,
    /// What tells what alerts are for, if it was built.
    pub watcher: Option<Handler>,
}

impl Artifacts {
    /// What is in `directory`, in `SPAWN_ARTIFACTS`, or beside the running program: `spored-x86_64`, `spored-aarch64`, or plain
    /// `spored`, which was built for this machine; and `spawn-reaper`, `spawn-starter` and `spawn-watcher` likewise.
    ///
    /// # Errors
    /// If there is no agent.
    pub fn find(directory: Option<&Path>) -> Result<Self> {
        let mut agents = Vec::new();
        for (machine, path) in agent_paths(directory)? {
            let content = read(&path)?;
            let sha256 = hex::encode(Sha256::digest(&content));
            agents.push(Agent { machine, sha256, bytes: content.len() as u64, path });
        }
        let directory = place(directory)?;
        let handler = |program: &str| paths(&directory, program).into_iter().next().map(|(machine, path)| Handler { machine, path });
        Ok(Self { agents, reaper: handler(REAPER), starter: handler(STARTER), watcher: handler(WATCHER) })
    }
}

/// The architectures, as `uname -m` says them, that there are agents for; reads none of them.
///
/// # Errors
/// If there is none.
pub fn machines(directory: Option<&Path>) -> Result<Vec<String>> {
    Ok(agent_paths(directory)?.into_iter().map(|(machine, _)| machine).collect())
}

fn agent_paths(directory: Option<&Path>) -> Result<Vec<(String, PathBuf)>> {
    let directory = place(directory)?;
    let found = paths(&directory, "spored");
    if found.is_empty() {
        let help = "Build it (`cargo build --package spored`) and name its directory in SPAWN_ARTIFACTS, or let an administrator run `spawn setup`";
        let message = format!("there is no agent (spored, spored-x86_64 or spored-aarch64) in {}", directory.display());
        return Err(Error::new(Class::Invalid, "NoAgent", message, help));
    }
    Ok(found)
}

/// The builds of a program in a directory: architecture, and file.
fn paths(directory: &Path, program: &str) -> Vec<(String, PathBuf)> {
    let build = |machine: &str| {
        let mut candidates = vec![directory.join(format!("{program}-{machine}"))];
        if machine == std::env::consts::ARCH {
            candidates.push(directory.join(program));
        }
        candidates.into_iter().find(|path| path.is_file()).map(|path| (machine.to_owned(), path))
    };
    ["x86_64", "aarch64"].into_iter().filter_map(build).collect()
}

fn place(directory: Option<&Path>) -> Result<PathBuf> {
    directory.map_or_else(beside_program, |directory| Ok(directory.to_owned()))
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
