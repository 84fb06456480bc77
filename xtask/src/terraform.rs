//! Real Terraform with the provider that was just built, installed from a filesystem mirror as a user's would be.

#[path = "../../tests/src/mirror.rs"]
#[expect(unreachable_pub, reason = "the tests' library shows it")]
mod mirror;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::{Profile, Workspace};

/// A mirror with the provider, and the configuration that makes Terraform use it.
pub(crate) struct Mirror {
    pub(crate) cli_config: PathBuf,
}

impl Mirror {
    /// Installs the provider built with `profile` into a mirror below `directory`.
    pub(crate) fn install(workspace: &Workspace, profile: Profile, directory: &Path) -> Result<Self> {
        Self::of(&workspace.programs(profile).join("terraform-provider-spawn"), directory)
    }

    /// Installs this program as the provider.
    pub(crate) fn of(provider: &Path, directory: &Path) -> Result<Self> {
        let cli_config = mirror::install(provider, directory).with_context(|| format!("installing {}", provider.display()))?;
        Ok(Self { cli_config })
    }

    /// `terraform` in a directory, with an environment.
    pub(crate) fn terraform(&self, directory: &Path, environment: &[(String, String)]) -> Command {
        let mut terraform = Command::new("terraform");
        terraform.current_dir(directory).envs(environment.iter().cloned()).env("TF_CLI_CONFIG_FILE", &self.cli_config);
        terraform.env("CHECKPOINT_DISABLE", "1").env("TF_IN_AUTOMATION", "1").env_remove("TF_PLUGIN_CACHE_DIR");
        terraform
    }
}
