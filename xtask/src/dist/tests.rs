//! Releases of stand-ins for the programs.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use zip::{CompressionMethod, DateTime, ZipArchive};

use super::release::{ACTION, COMMAND_PROGRAMS, PROVIDER, Release, hashes};
use super::{Built, make, require};

/// Directories of a repository: its root, what was built in it, and what is made of that.
struct Repository {
    root: TempDir,
}

impl Repository {
    fn new() -> Self {
        let repository = Self { root: tempfile::tempdir().expect("a directory") };
        for name in [PROVIDER, ACTION].iter().chain(&COMMAND_PROGRAMS) {
            repository.write(&format!("built/{name}"), &format!("the program {name}"));
        }
        repository.write("LICENSE", "the licence");
        repository.write("README.md", "how to begin");
        repository
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.root.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.root.path().join("dist").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn make(&self) -> String {
        self.make_for("linux_amd64")
    }

    fn make_for(&self, platform: &str) -> String {
        let (root, release) = (self.root.path(), Release { version: "1.2.3".to_owned(), platform: platform.to_owned() });
        let built = root.join("built");
        let built = Built { programs: &built, action: &built.join(ACTION), root };
        make(&release, &built, CompressionMethod::Deflated, &root.join("dist")).expect("a release")
    }
}

/// Every file of an archive: name, mode and content.
fn unpacked(archive: &Path) -> Vec<(String, u32, String)> {
    let mut zip = ZipArchive::new(File::open(archive).expect("an archive")).expect("an archive");
    let mut files = Vec::new();
    for index in 0..zip.len() {
        let mut file = zip.by_index(index).expect("a file");
        assert_eq!(file.last_modified(), Some(DateTime::default()));
        let mut content = String::new();
        file.read_to_string(&mut content).expect("text");
        files.push((file.name().expect("a name").into_owned(), file.unix_mode().unwrap_or_default() & 0o777, content));
    }
    files
}

#[test]
fn files_have_the_names_that_the_registry_and_terraform_look_for() {
    let repository = Repository::new();
    repository.make();
    let dist = repository.root.path().join("dist");
    let mut names: Vec<String> =
        std::fs::read_dir(&dist).expect("it").map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let wanted = [
        "hashes.json",
        "mirror",
        "mirror.tfrc",
        "spawn-action_1.2.3_SHA256SUMS",
        "spawn-action_1.2.3_linux_amd64",
        "spawn_1.2.3_SHA256SUMS",
        "spawn_1.2.3_linux_amd64.zip",
        "terraform-provider-spawn_1.2.3_SHA256SUMS",
        "terraform-provider-spawn_1.2.3_linux_amd64.zip",
        "terraform-provider-spawn_1.2.3_manifest.json",
    ];
    assert_eq!(names, wanted);
    let archive = "terraform-provider-spawn_1.2.3_linux_amd64.zip";
    assert_eq!(repository.read(archive), repository.read(&format!("mirror/registry.terraform.io/spawn-dev/spawn/{archive}")));
    let manifest: serde_json::Value =
        serde_json::from_slice(&repository.read("terraform-provider-spawn_1.2.3_manifest.json")).expect("JSON");
    assert_eq!(manifest, serde_json::json!({ "version": 1, "metadata": { "protocol_versions": ["6.0"] } }));
    let configuration = String::from_utf8(repository.read("mirror.tfrc")).expect("text");
    assert!(configuration.contains(&format!("path    = \"{}\"\n", dist.join("mirror").display())), "{configuration}");
}

#[test]
fn archives_hold_programs_that_can_be_started_and_the_licence() {
    let repository = Repository::new();
    repository.make();
    let dist = repository.root.path().join("dist");
    let file = |name: &str, mode: u32, content: &str| (name.to_owned(), mode, content.to_owned());
    let provider =
        [file("terraform-provider-spawn_v1.2.3", 0o755, "the program terraform-provider-spawn"), file("LICENSE", 0o644, "the licence")];
    assert_eq!(unpacked(&dist.join("terraform-provider-spawn_1.2.3_linux_amd64.zip")), provider);
    let programs = COMMAND_PROGRAMS.map(|name| file(name, 0o755, &format!("the program {name}")));
    let texts = [file("LICENSE", 0o644, "the licence"), file("README.md", 0o644, "how to begin")];
    assert_eq!(unpacked(&dist.join("spawn_1.2.3_linux_amd64.zip")), [&programs[..], &texts[..]].concat());
}

#[test]
fn the_same_programs_make_the_same_bytes() {
    let (first, second) = (Repository::new(), Repository::new());
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for name in COMMAND_PROGRAMS {
        let built = File::options().write(true).open(second.root.path().join("built").join(name)).expect("a program");
        built.set_modified(long_ago).expect("a time");
    }
    assert_eq!(first.make(), second.make());
    for name in ["spawn_1.2.3_linux_amd64.zip", "terraform-provider-spawn_1.2.3_linux_amd64.zip"] {
        assert!(first.read(name) == second.read(name), "{name}");
    }
    second.write("built/spored", "another agent");
    assert_ne!(first.make(), second.make());
}

#[test]
fn what_is_made_again_replaces_what_was_there() {
    let repository = Repository::new();
    let before = repository.make();
    repository.write(&format!("built/{PROVIDER}"), "another provider");
    assert_ne!(before, repository.make());
    let archive = "terraform-provider-spawn_1.2.3_linux_amd64.zip";
    assert!(repository.read(archive) == repository.read(&format!("mirror/registry.terraform.io/spawn-dev/spawn/{archive}")));
}

#[test]
fn sums_are_as_sha256sum_writes_them_and_name_the_manifest() {
    let repository = Repository::new();
    let sums = repository.make();
    let of = |product: &str| String::from_utf8(repository.read(&format!("{product}_1.2.3_SHA256SUMS"))).expect("text");
    assert_eq!(sums, of(PROVIDER) + &of("spawn") + &of(ACTION));
    let provider = of(PROVIDER);
    let names: Vec<&str> = provider.lines().filter_map(|line| line.split_once("  ")).map(|(_, name)| name).collect();
    assert_eq!(names, ["terraform-provider-spawn_1.2.3_linux_amd64.zip", "terraform-provider-spawn_1.2.3_manifest.json"]);
    repository.write("dist/abc", "abc");
    // FIPS 180-2, appendix B.1.
    let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  abc\n";
    assert_eq!(super::release::sums(&repository.root.path().join("dist"), &["abc".to_owned()]).expect("sums"), known);
}

#[test]
fn what_was_not_built_is_told_with_the_way_out() {
    let repository = Repository::new();
    let programs = repository.root.path().join("built");
    let built = Built { programs: &programs, action: &programs.join(ACTION), root: repository.root.path() };
    require(&built).expect("everything is there");
    for name in ["spored", PROVIDER, ACTION] {
        std::fs::remove_file(programs.join(name)).expect("it was there");
    }
    let told = require(&built).expect_err("three are missing").to_string();
    let missing: Vec<&str> = told.lines().filter_map(|line| Some(line.trim_start().rsplit_once('/')?.1)).collect();
    assert_eq!(missing, [PROVIDER, "spored", ACTION]);
    assert!(told.contains("--built"), "{told}");
}

#[test]
fn the_table_of_the_shim_has_the_programs_of_every_platform_that_was_made() {
    let repository = Repository::new();
    let dist = repository.root.path().join("dist");
    for platform in ["linux_amd64", "linux_arm64"] {
        repository.write(&format!("built/{ACTION}"), platform);
        repository.make_for(platform);
    }
    let table: serde_json::Value = serde_json::from_slice(&repository.read("hashes.json")).expect("JSON");
    let of = |platform: &str| hex::encode(Sha256::digest(platform));
    let sha256 = serde_json::json!({
        "spawn-action_1.2.3_linux_amd64": of("linux_amd64"), "spawn-action_1.2.3_linux_arm64": of("linux_arm64"),
    });
    assert_eq!(table, serde_json::json!({ "sha256": sha256, "version": "1.2.3" }));
    // What lies there of another version is none of this one.
    let none = hashes(&dist, "1.2.4").expect_err("there is none").to_string();
    assert!(none.contains("spawn-action_1.2.4_"), "{none}");
}

/// It is as `hashes` writes it, so that a release changes nothing but hashes. Between two releases no program is known.
#[test]
fn the_committed_table_is_of_this_version() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../action/shim/hashes.json");
    let text = std::fs::read_to_string(path).expect("the table");
    let table: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(text, format!("{table:#}\n"));
    assert_eq!(table["version"], env!("CARGO_PKG_VERSION"));
    let known: Vec<&String> = table["sha256"].as_object().expect("a table").keys().collect();
    let released = ["amd64", "arm64"].map(|architecture| format!("{ACTION}_{}_linux_{architecture}", env!("CARGO_PKG_VERSION")));
    assert!(known.is_empty() || known == released.iter().collect::<Vec<_>>(), "{known:?}");
}
