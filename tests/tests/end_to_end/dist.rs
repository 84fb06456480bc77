//! What is released, installed as its users install it: from an archive in a mirror, which Terraform unpacks and checks.

use std::path::{Path, PathBuf};

use spawn_tests::configuration::{INSTANCE, instance};
use spawn_tests::leftovers::{assert_same, holdings};
use spawn_tests::release::{self, PROVIDER, Release};
use spawn_tests::{Terraform, World, programs};
use zip::CompressionMethod;

/// Releases a provider into a directory, and answers with the configuration by which Terraform installs it from there.
fn released(program: &Path, directory: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository");
    let release = Release::here();
    std::fs::create_dir_all(directory).expect("a directory");
    // Not compressed: of the dev profile that would take longer than all the rest of a test.
    let archive = directory.join(release.archive(PROVIDER));
    release::pack(&release.provider_files(program, root), CompressionMethod::Stored, &archive).expect("an archive");
    let cli_config = directory.join("mirror.tfrc");
    std::fs::write(&cli_config, release::configuration(&release.mirror(directory).expect("a mirror"))).expect("a file");
    cli_config
}

fn lock_file(terraform: &Terraform<'_>) -> String {
    std::fs::read_to_string(terraform.path(".terraform.lock.hcl")).expect("a lock file")
}

#[test]
fn a_released_provider_is_installed_from_a_mirror_and_works() {
    let world = World::with_setup();
    let before = holdings(&world);
    let cli_config = released(&programs::program(PROVIDER), &world.directory().join("dist"));
    let terraform = Terraform::installed_by(&world, &cli_config, &instance(&[]));
    terraform.init().succeeded();
    let Release { version, platform } = Release::here();
    let installed = terraform.path(&format!(".terraform/providers/registry.terraform.io/spawn-dev/spawn/{version}/{platform}"));
    assert!(installed.join("LICENSE").is_file() && !installed.is_symlink(), "it is unpacked into {}", installed.display());
    let lock = lock_file(&terraform);
    assert!(lock.contains(&format!("version = \"{version}\"")) && lock.contains("\"h1:"), "{lock}");

    terraform.apply().succeeded();
    terraform.assert_settled();
    assert_eq!(terraform.state(INSTANCE)["status"], "running");
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
    assert_eq!(world.control().gaps(), []);
}

/// Whoever has a configuration and its lock file gets what was locked, or nothing. Installing starts no provider, so any file is one.
#[test]
fn an_archive_of_which_a_byte_was_changed_is_not_installed() {
    let world = World::start();
    let directory = world.directory().join("dist");
    let program = world.directory().join("program");
    let mut content = vec![b'x'; 10_000];
    std::fs::write(&program, &content).expect("a program");
    let terraform = Terraform::installed_by(&world, &released(&program, &directory), "");
    terraform.init().succeeded();
    let lock = lock_file(&terraform);
    let refused = || {
        // As after a checkout. Who was refused has nothing there.
        drop(std::fs::remove_dir_all(terraform.path(".terraform")));
        let told = terraform.init().ended(1).text();
        assert_eq!(lock_file(&terraform), lock);
        told.split_whitespace().collect::<Vec<_>>().join(" ")
    };

    // In the archive: a damaged one.
    let release = Release::here();
    let archive = directory.join(release.archive(PROVIDER));
    let mut packed = std::fs::read(&archive).expect("the archive");
    packed[5_000] = b'y';
    std::fs::write(&archive, packed).expect("another archive");
    release.mirror(&directory).expect("a mirror");
    let told = refused();
    assert!(told.contains("zip: checksum error"), "{told}");

    // In the program: an archive like any other.
    content[5_000] = b'y';
    std::fs::write(&program, &content).expect("another program");
    released(&program, &directory);
    let told = refused();
    assert!(told.contains("doesn't match any of the checksums previously recorded in the dependency lock file"), "{told}");
}
