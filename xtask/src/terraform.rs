//! Real Terraform with the provider that was just built, installed from a filesystem mirror as a user's would be.

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
        let version = env!("CARGO_PKG_VERSION");
        let mirror = directory.join("plugins");
        let place = mirror.join(format!("registry.terraform.io/spawn-dev/spawn/{version}/linux_amd64"));
        std::fs::create_dir_all(&place)?;
        let plugin = place.join(format!("terraform-provider-spawn_v{version}"));
        drop(std::fs::remove_file(&plugin));
        let built = workspace.programs(profile).join("terraform-provider-spawn");
        // A link where the file system allows it: the program is large.
        std::fs::hard_link(&built, &plugin)
            .or_else(|_| std::fs::copy(&built, &plugin).map(drop))
            .with_context(|| format!("installing {}", built.display()))?;
        let cli_config = directory.join("terraform.rc");
        let text = format!(
            "provider_installation {{\n  filesystem_mirror {{\n    path    = \"{}\"\n    include = [\"spawn-dev/spawn\"]\n  }}\n}}\n",
            mirror.display()
        );
        std::fs::write(&cli_config, text)?;
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
