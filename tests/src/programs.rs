//! Where the programs under test are, and how Terraform finds the provider among them.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

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

/// The configuration by which Terraform takes the provider under test: `SPAWN_TEST_TERRAFORM_RC`, else one with a mirror made here.
///
/// # Panics
/// If the mirror cannot be made.
pub fn terraform_rc() -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    if let Some(named) = std::env::var_os("SPAWN_TEST_TERRAFORM_RC") {
        return named.into();
    }
    MADE.get_or_init(|| {
        let provider = program("terraform-provider-spawn");
        // Beside the programs, so that a link is possible.
        let root = directory().join("tmp/terraform");
        let version = env!("CARGO_PKG_VERSION");
        let place = root.join(format!("plugins/registry.terraform.io/spawn-dev/spawn/{version}/linux_amd64"));
        std::fs::create_dir_all(&place).expect("a directory beside the programs");
        let plugin = place.join(format!("terraform-provider-spawn_v{version}"));
        // Made aside and moved to its place: another test program may do the same at this moment.
        let new = root.join(format!("provider-{}", std::process::id()));
        std::fs::hard_link(&provider, &new)
            .or_else(|_| std::fs::copy(&provider, &new).map(drop))
            .and_then(|()| std::fs::rename(&new, &plugin))
            .expect("a copy of the provider");
        // Where both are one file already, a rename leaves both names.
        drop(std::fs::remove_file(&new));
        let path = root.join("terraform.rc");
        let mirror = root.join("plugins").display().to_string();
        let text = format!(
            "provider_installation {{\n  filesystem_mirror {{\n    path    = {mirror:?}\n    include = [\"spawn-dev/spawn\"]\n  }}\n}}\n"
        );
        std::fs::write(&path, text).expect("a file beside the programs");
        path
    })
    .clone()
}
