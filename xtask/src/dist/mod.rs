//! What is released: archives, their sums, the registry's manifest, and a mirror from which Terraform installs the provider.

#[expect(unreachable_pub, reason = "the tests' library shows it")]
mod release;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use zip::CompressionMethod;

use crate::workspace::{Profile, Workspace, say};
use release::{COMMAND, COMMAND_PROGRAMS, PROVIDER, Release};

/// The configuration that has Terraform use the mirror.
const CLI_CONFIG: &str = "mirror.tfrc";

pub(crate) fn dist(out: Option<PathBuf>, built: bool, profile: Profile) -> Result<()> {
    let workspace = Workspace::find()?;
    let directory = std::path::absolute(out.unwrap_or_else(|| workspace.target().join("dist")))?;
    if !built {
        say("Building every program (the AWS SDK takes long)");
        workspace.build(profile)?;
    }
    let programs = workspace.programs(profile);
    require(&programs)?;
    say("Packing");
    let release = Release::here();
    let sums = make(&release, &programs, &workspace.root, compression(profile), &directory)?;
    say(&format!("Made in {}", directory.display()));
    print!("{sums}");
    println!("{}, {}", release.sums(PROVIDER), release.sums(COMMAND));
    say("Terraform installs the provider from the mirror with");
    println!("export TF_CLI_CONFIG_FILE={}", directory.join(CLI_CONFIG).display());
    Ok(())
}

/// Fails with what was not built, and with what to do.
fn require(programs: &Path) -> Result<()> {
    let missing: Vec<&str> = [PROVIDER].into_iter().chain(COMMAND_PROGRAMS).filter(|name| !programs.join(name).is_file()).collect();
    let place = programs.display();
    ensure!(missing.is_empty(), "these programs are missing in {place}: {}\nleave out --built to have them built", missing.join(", "));
    Ok(())
}

/// What is released is downloaded often. What was developed is nearly a gigabyte, is tried once, and would take half a minute to compress.
fn compression(profile: Profile) -> CompressionMethod {
    match profile {
        Profile::Dev => CompressionMethod::Stored,
        Profile::Release => CompressionMethod::Deflated,
    }
}

/// Makes everything in `directory`, and answers with the sums of what is released.
fn make(release: &Release, programs: &Path, root: &Path, compression: CompressionMethod, directory: &Path) -> Result<String> {
    let making = |name: &str| format!("making {name} in {}", directory.display());
    let write = |name: &str, text: &str| std::fs::write(directory.join(name), text).with_context(|| making(name));
    std::fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    let (provider, command, manifest) = (release.archive(PROVIDER), release.archive(COMMAND), release.manifest());
    let provider_files = release.provider_files(&programs.join(PROVIDER), root);
    for (name, files) in [(&provider, provider_files), (&command, release::command_files(programs, root))] {
        release::pack(&files, compression, &directory.join(name)).with_context(|| making(name))?;
    }
    write(&manifest, release::MANIFEST)?;
    // The command's archive has sums of its own: from a provider's, which are signed, Terraform writes every line into lock files, as
    // a package of that provider that may be installed.
    let of_provider = release::sums(directory, &[provider, manifest])?;
    let of_command = release::sums(directory, &[command])?;
    write(&release.sums(PROVIDER), &of_provider)?;
    write(&release.sums(COMMAND), &of_command)?;
    let mirror = release.mirror(directory).with_context(|| making("the mirror"))?;
    write(CLI_CONFIG, &release::configuration(&mirror))?;
    Ok(of_provider + &of_command)
}
