//! What is released: archives, the Action's program, their sums, the registry's manifest, and a mirror from which Terraform installs the provider.

#[expect(unreachable_pub, reason = "the tests' library shows it")]
mod release;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use zip::CompressionMethod;

use crate::workspace::{Profile, Workspace, say};
use release::{ACTION, COMMAND, COMMAND_PROGRAMS, PROVIDER, Release};

/// The configuration that has Terraform use the mirror.
const CLI_CONFIG: &str = "mirror.tfrc";

/// By which the Action's shim knows what it may run.
const HASHES: &str = "hashes.json";

/// What of the programs is released.
struct Built<'a> {
    programs: &'a Path,
    /// The Action's, which may have been built apart.
    action: &'a Path,
    /// The repository, for texts.
    root: &'a Path,
}

pub(crate) fn dist(out: Option<PathBuf>, built: bool, profile: Profile, action: Option<PathBuf>) -> Result<()> {
    let workspace = Workspace::find()?;
    let directory = std::path::absolute(out.unwrap_or_else(|| workspace.target().join("dist")))?;
    if !built {
        say("Building every program (the AWS SDK takes long)");
        workspace.build(profile)?;
    }
    let programs = workspace.programs(profile);
    let action = action.unwrap_or_else(|| programs.join(ACTION));
    let built = Built { programs: &programs, action: &action, root: &workspace.root };
    require(&built)?;
    say("Packing");
    let release = Release::here();
    let sums = make(&release, &built, compression(profile), &directory)?;
    say(&format!("Made in {}", directory.display()));
    print!("{sums}");
    println!("{}", [PROVIDER, COMMAND, ACTION].map(|product| release.sums(product)).join(", "));
    say("Terraform installs the provider from the mirror with");
    println!("export TF_CLI_CONFIG_FILE={}", directory.join(CLI_CONFIG).display());
    Ok(())
}

/// Writes the table of the Action's shim anew, by the programs of all platforms in a directory.
pub(crate) fn hashes(directory: &Path) -> Result<()> {
    let table = Workspace::find()?.root.join("action/shim").join(HASHES);
    let text = release::hashes(directory, env!("CARGO_PKG_VERSION"))?;
    std::fs::write(&table, &text).with_context(|| format!("writing {}", table.display()))?;
    print!("{text}");
    Ok(())
}

/// Fails with what was not built, and with what to do.
fn require(built: &Built<'_>) -> Result<()> {
    let programs = [PROVIDER].into_iter().chain(COMMAND_PROGRAMS).map(|name| built.programs.join(name));
    let missing: Vec<String> =
        programs.chain([built.action.to_owned()]).filter(|path| !path.is_file()).map(|path| path.display().to_string()).collect();
    ensure!(missing.is_empty(), "these programs are missing:\n  {}\nleave out --built to have them built", missing.join("\n  "));
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
fn make(release: &Release, built: &Built<'_>, compression: CompressionMethod, directory: &Path) -> Result<String> {
    let making = |name: &str| format!("making {name} in {}", directory.display());
    let write = |name: &str, text: &str| std::fs::write(directory.join(name), text).with_context(|| making(name));
    std::fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    let (provider, command, manifest, action) = (release.archive(PROVIDER), release.archive(COMMAND), release.manifest(), release.action());
    let provider_files = release.provider_files(&built.programs.join(PROVIDER), built.root);
    for (name, files) in [(&provider, provider_files), (&command, release::command_files(built.programs, built.root))] {
        release::pack(&files, compression, &directory.join(name)).with_context(|| making(name))?;
    }
    // As it is: the shim has nothing to unpack with, and looks at what it will run.
    std::fs::copy(built.action, directory.join(&action)).with_context(|| making(&action))?;
    write(&manifest, release::MANIFEST)?;
    // The command's archive has sums of its own: from a provider's, which are signed, Terraform writes every line into lock files, as
    // a package of that provider that may be installed.
    let of_provider = release::sums(directory, &[provider, manifest])?;
    let of_command = release::sums(directory, &[command])?;
    let of_action = release::sums(directory, &[action])?;
    write(&release.sums(PROVIDER), &of_provider)?;
    write(&release.sums(COMMAND), &of_command)?;
    write(&release.sums(ACTION), &of_action)?;
    write(HASHES, &release::hashes(directory, &release.version)?)?;
    let mirror = release.mirror(directory).with_context(|| making("the mirror"))?;
    write(CLI_CONFIG, &release::configuration(&mirror))?;
    Ok(of_provider + &of_command + &of_action)
}
