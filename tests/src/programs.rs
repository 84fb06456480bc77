//! Where the programs under test are, and how Terraform finds the provider among them.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::mirror;

/// The directory of the programs under test: `SPAWN_TEST_PROGRAMS`, else where cargo put this test.
///
/// # Panics
/// If the program that runs cannot be found.
pub fn directory() -> PathBuf {
    if let Some(named) = std::env::var_os("SPAWN_TEST_PROGRAMS") {
        return named.into();
    }
    let test = std::env::current_exe().expect("a test knows where it is");
    // target/debug/deps/<test>
    test.parent().and_then(Path::parent).expect("cargo puts tests two directories deep").to_owned()
}

/// A program under test.
///
/// # Panics
/// If it was not built, with what to run.
pub fn program(name: &str) -> PathBuf {
    let path = directory().join(name);
    assert!(path.is_file(), "{} is missing: run `cargo xtask test`, or `cargo build --workspace --bins` first", path.display());
    path
}

/// A directory with these programs under test and no others, to upload from.
///
/// # Panics
/// If one was not built, or the directory cannot be made.
pub fn artifacts(names: &[&str]) -> PathBuf {
    let place = directory().join("tmp/artifacts").join(names.join("+"));
    std::fs::create_dir_all(&place).expect("a directory beside the programs");
    for name in names {
        // Whoever comes second finds it made.
        match std::os::unix::fs::symlink(program(name), place.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => panic!("{name} cannot be linked: {error}"),
            _ => {}
        }
    }
    place
}

/// The configuration by which Terraform takes the provider under test.
///
/// # Panics
/// If the mirror cannot be made.
pub fn terraform_rc() -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    // Beside the programs, so that a link is possible.
    let make = || mirror::install(&program("terraform-provider-spawn"), &directory().join("tmp/terraform"));
    MADE.get_or_init(|| make().expect("a mirror beside the programs")).clone()
}
