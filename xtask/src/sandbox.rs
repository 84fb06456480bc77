//! A sandbox of our own, ended when it goes out of scope.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::{capture, run};

/// A running sandbox, driven by the command a user would use.
pub(crate) struct Sandbox {
    spawn: PathBuf,
    directory: PathBuf,
    artifacts: PathBuf,
    keep: bool,
}

impl Sandbox {
    /// Starts one in `directory`, with the agent from `programs`.
    pub(crate) fn up(programs: &Path, directory: &Path, arguments: &[&str]) -> Result<Self> {
        let spawn = programs.join("spawn");
        let sandbox = Self { spawn, directory: directory.to_owned(), artifacts: programs.to_owned(), keep: false };
        // One that an interrupted run left behind.
        let _ = sandbox.command().args(["sandbox", "down"]).output();
        run(sandbox.command().args(["sandbox", "up"]).args(arguments))?;
        Ok(sandbox)
    }

    /// `spawn`, told which sandbox is meant.
    fn command(&self) -> Command {
        let mut spawn = Command::new(&self.spawn);
        spawn.env("SPAWN_SANDBOX_DIR", &self.directory).env("SPAWN_ARTIFACTS", &self.artifacts);
        spawn
    }

    /// What points Terraform, the aws command and SDKs at the sandbox.
    pub(crate) fn environment(&self) -> Result<Vec<(String, String)>> {
        let text = capture(self.command().args(["sandbox", "env", "--output", "json"]))?;
        let mut environment: BTreeMap<String, String> = serde_json::from_str(&text).context("reading the sandbox's environment")?;
        environment.insert("SPAWN_ARTIFACTS".to_owned(), self.artifacts.display().to_string());
        Ok(environment.into_iter().collect())
    }

    /// `spawn` with the sandbox's environment.
    pub(crate) fn spawn(&self) -> Result<Command> {
        let mut spawn = self.command();
        spawn.envs(self.environment()?);
        Ok(spawn)
    }

    /// Leaves it running.
    pub(crate) fn keep(mut self) {
        self.keep = true;
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if !self.keep {
            let _ = self.command().args(["sandbox", "down"]).output();
        }
    }
}
