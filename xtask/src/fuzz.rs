//! Looks for what nobody thought of in everything that reads: each target of `tests/fuzz`, by libFuzzer, for a time.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::workspace::{Workspace, run, say};

/// Pinned, as all that is installed. It is asked for no sanitizer: those take a nightly Rust, and there is no unsafe code of ours.
const CARGO_FUZZ: &str = "0.13.2";

/// How many seconds one input may take: all are short, and whatever takes longer is a way to hang a reader.
const INPUT_SECONDS_MAX: u32 = 10;

/// Runs the targets that are named, or every one. What libFuzzer finds worth going on from lies in `target/fuzz/corpus`, and an input that
/// breaks a law where it says.
pub(crate) fn fuzz(seconds: u64, wanted: &[String]) -> Result<()> {
    let workspace = Workspace::find()?;
    let library = workspace.root.join("tests/fuzz");
    let targets = chosen(&library, wanted)?;
    let path = path_with(&installed(&workspace)?)?;
    let programs = library.join("libfuzzer");
    // What is fuzzed is what is shipped: the same version of everything.
    std::fs::copy(workspace.root.join("Cargo.lock"), programs.join("Cargo.lock")).context("copying Cargo.lock")?;
    let mut broken = Vec::new();
    for target in &targets {
        say(&format!("Fuzzing {target} for {seconds} s"));
        let found = workspace.target().join("fuzz/corpus").join(target);
        std::fs::create_dir_all(&found).with_context(|| format!("making {}", found.display()))?;
        let mut cargo = workspace.cargo("fuzz");
        cargo.env("PATH", &path).args(["run", "--sanitizer", "none", "--fuzz-dir"]).arg(&programs);
        cargo.arg("--target-dir").arg(workspace.cargo_target.join("fuzz"));
        // Of several directories the first is written to.
        cargo.arg(target).arg(&found).arg(library.join("corpus").join(target));
        cargo.arg("--").args([format!("-max_total_time={seconds}"), format!("-timeout={INPUT_SECONDS_MAX}")]);
        if let Err(error) = run(&mut cargo) {
            eprintln!("{error:#}");
            broken.push(target.as_str());
        }
    }
    ensure!(broken.is_empty(), "laws do not hold, or could not be tried: {}", broken.join(", "));
    Ok(())
}

/// The targets that are named, if there are such.
fn chosen(library: &Path, wanted: &[String]) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(library.join("corpus")).context("listing tests/fuzz/corpus")?;
    let all: BTreeSet<String> =
        entries.map(|entry| -> Result<String> { Ok(entry?.file_name().to_string_lossy().into_owned()) }).collect::<Result<_>>()?;
    if let Some(stranger) = wanted.iter().find(|name| !all.contains(*name)) {
        bail!("there is no target {stranger:?}; the targets are {}", all.into_iter().collect::<Vec<_>>().join(", "));
    }
    Ok(if wanted.is_empty() { all.into_iter().collect() } else { wanted.to_vec() })
}

/// cargo-fuzz, in `target/tools/cargo-fuzz`. The directory of its program.
fn installed(workspace: &Workspace) -> Result<PathBuf> {
    let directory = workspace.target().join("tools/cargo-fuzz");
    let stamp = directory.join("installed");
    if std::fs::read_to_string(&stamp).is_ok_and(|version| version == CARGO_FUZZ) {
        return Ok(directory.join("bin"));
    }
    say(&format!("Installing cargo-fuzz {CARGO_FUZZ} into target/tools/cargo-fuzz"));
    let mut cargo = workspace.cargo("install");
    cargo.args(["cargo-fuzz", "--version", CARGO_FUZZ, "--locked", "--force", "--root"]).arg(&directory);
    run(cargo.arg("--target-dir").arg(workspace.cargo_target.join("tools")))
        .context("cargo-fuzz comes from crates.io, which has to be reachable")?;
    std::fs::write(&stamp, CARGO_FUZZ)?;
    Ok(directory.join("bin"))
}

fn path_with(first: &Path) -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(std::iter::once(first.to_owned()).chain(std::env::split_paths(&path)))?)
}
