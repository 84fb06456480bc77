//! A filesystem mirror from which Terraform installs the provider, as it would a user's. `xtask` includes this file.

use std::io::Result;
use std::path::{Path, PathBuf};

/// Makes a mirror with a provider below `root`, and answers with the configuration by which Terraform takes it.
///
/// # Errors
/// If a file cannot be made there.
pub fn install(provider: &Path, root: &Path) -> Result<PathBuf> {
    let version = env!("CARGO_PKG_VERSION");
    let mirror = root.join("plugins");
    // Unpacked, so that Terraform links it: of an archive every init makes a copy, 140 MB in the dev profile and 20 GB for all tests, in
    // 0.1 s more of processor time. `end_to_end/dist.rs` installs what is released.
    let place = mirror.join(format!("registry.terraform.io/spawn-dev/spawn/{version}/linux_amd64"));
    std::fs::create_dir_all(&place)?;
    // Made aside and moved to its place: another program may do the same at this moment.
    let new = root.join(format!("provider-{}", std::process::id()));
    // A link where the file system allows it: the program is large.
    std::fs::hard_link(provider, &new).or_else(|_| std::fs::copy(provider, &new).map(drop))?;
    std::fs::rename(&new, place.join(format!("terraform-provider-spawn_v{version}")))?;
    // Where both are one file already, a rename leaves both names.
    drop(std::fs::remove_file(&new));
    let configuration = root.join("terraform.rc");
    let path = mirror.display().to_string();
    let text = format!(
        "provider_installation {{\n  filesystem_mirror {{\n    path    = {path:?}\n    include = [\"spawn-dev/spawn\"]\n  }}\n}}\n"
    );
    std::fs::write(&configuration, text)?;
    Ok(configuration)
}
