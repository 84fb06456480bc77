//! What holds for the repository as a whole: the arrows between crates, one stack for each purpose, one folder for each resource.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};
use spawn_tests::programs;

/// The arrows: each crate of the workspace, and the crates of the workspace it may depend on. Nothing but the fuzzer depends on a face.
const ARROWS: &[(&str, &[&str])] = &[
    ("spawn-model", &[]),
    ("spawn-core", &["spawn-model"]),
    ("spawn-aws", &["spawn-core", "spawn-model"]),
    ("terraform-provider-spawn", &["spawn-aws", "spawn-core", "spawn-model"]),
    // `spawn sandbox` is the one command that knows the sandbox.
    ("spawn-cli", &["spawn-aws", "spawn-core", "spawn-model", "spawn-sandbox"]),
    ("spawn-action", &["spawn-aws", "spawn-core", "spawn-model"]),
    ("spawn-handlers", &["spawn-aws", "spawn-core", "spawn-model"]),
    ("spored", &["spawn-model"]),
    ("sandbox-cloud", &[]),
    ("sandbox-ec2", &["sandbox-cloud"]),
    ("sandbox-hypervisor", &[]),
    ("spawn-sandbox", &["sandbox-cloud", "sandbox-ec2", "sandbox-hypervisor"]),
    ("spawn-tests", &["sandbox-cloud", "spawn-aws", "spawn-core", "spawn-model", "spawn-sandbox"]),
    // What the faces read with is theirs.
    ("spawn-fuzz", &["spawn-model", "terraform-provider-spawn"]),
    ("xtask", &[]),
];

/// Crates that would be a second stack for something, and what there is instead.
const BANNED: &[(&str, &str)] = &[
    ("ring", "aws-lc-rs"),
    ("openssl", "rustls"),
    ("native-tls", "rustls"),
    ("chrono", "jiff"),
    ("reqwest", "hyper"),
    ("ureq", "hyper"),
    ("serde_yaml", "serde_yaml_ng"),
];

/// Crates of which there must be one version only: two would be two stacks.
const SINGLE: &[&str] = &["rustls", "hyper", "h2", "tokio", "prost", "tonic", "http-body", "jiff"];

/// Too long to read in one sitting.
const LINES_MAX: usize = 700;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository").to_owned()
}

fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().expect("cargo tells about the workspace")
}

fn files(extension: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut directories = vec![root()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).expect("a directory of the repository") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && name != ".git" {
                    directories.push(path);
                }
            } else if name.ends_with(extension) {
                let relative = path.strip_prefix(root()).expect("below the root").display().to_string();
                found.push((relative, std::fs::read_to_string(&path).expect("text")));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn arrows_between_crates_point_one_way() {
    let metadata = metadata();
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let members: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(members, allowed.keys().copied().collect(), "a crate that has no place in the map is a question for ARCHITECTURE.md");
    for package in &metadata.packages {
        for dependency in package.dependencies.iter().filter(|d| members.contains(d.name.as_str())) {
            // Tests may look further: an agent is booted by the launcher's user data, an engine runs on the simulated cloud.
            let test_only = dependency.kind == DependencyKind::Development && package.name.as_str() != "spawn-tests";
            let name = dependency.name.as_str();
            assert!(test_only || allowed[package.name.as_str()].contains(&name), "{} may not depend on {name}", package.name);
        }
    }
}

/// What is really built: `cargo metadata` also lists what only features that nobody asks for would bring.
#[test]
fn there_is_one_stack_for_each_purpose() {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["tree", "--workspace", "--edges", "normal,build,dev", "--prefix", "none", "--format", "{p}", "--locked", "--offline"]);
    let output = cargo.current_dir(root()).output().expect("cargo tells about the tree");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("text");
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            versions.entry(name).or_default().insert(version);
        }
    }
    assert!(versions.contains_key("tokio"), "the tree is empty");
    for (name, instead) in BANNED {
        assert!(!versions.contains_key(name), "{name} is in the tree; use {instead}");
    }
    for name in SINGLE {
        let found = versions.get(name).map_or(0, BTreeSet::len);
        assert!(found <= 1, "{name} is there in several versions: {:?}", versions.get(name));
    }
}

#[test]
fn only_the_adapter_names_the_sdks() {
    for (path, text) in files(".rs") {
        let names = text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(concat!("aws_", "sdk_")));
        assert!(!names || path.starts_with("engine/aws/"), "{path} names an SDK; that is engine/aws's");
    }
    for (path, text) in files("Cargo.toml") {
        let names = text.lines().any(|line| line.starts_with(concat!("aws-", "sdk-")));
        assert!(!names || path == "Cargo.toml" || path == "engine/aws/Cargo.toml", "{path} depends on an SDK");
    }
}

#[test]
fn the_sandbox_knows_none_of_our_products() {
    for (path, text) in files(".rs").into_iter().filter(|(path, _)| path.starts_with("sandbox/")) {
        for word in ["spawn:", "spored", "spawn-end", "/spawn/", "SPAWN_", "spawn_instance", "spawn_job_array"] {
            assert!(!text.contains(word), "{path} knows {word:?}; the sandbox interprets what AWS would be sent, whoever sends it");
        }
    }
}

#[test]
fn every_resource_is_a_folder_a_line_and_an_example() {
    let resources = root().join("provider/src/resources");
    let table = std::fs::read_to_string(resources.join("mod.rs")).expect("the table");
    let folders: BTreeSet<String> = std::fs::read_dir(&resources)
        .expect("resources")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        // What the resources share is a folder without a type.
        .filter(|name| name != "fleet" && resources.join(name).join("mod.rs").is_file())
        .collect();
    let lines: BTreeSet<String> =
        table.split("Box::new(").skip(1).filter_map(|rest| rest.split_once("::resource(").map(|(name, _)| name.to_owned())).collect();
    assert_eq!(folders, lines, "folders and the table's lines");
    let examples: String = files(".tf").into_iter().filter(|(path, _)| path.starts_with("examples/")).map(|(_, text)| text).collect();
    for name in &folders {
        assert!(resources.join(name).join("doc.md").is_file(), "{name} has no doc.md");
        assert!(examples.contains(&format!("resource \"spawn_{name}\"")), "no example uses spawn_{name}");
    }
}

#[test]
fn files_can_be_read_in_one_sitting() {
    let long: Vec<String> = files(".rs")
        .into_iter()
        .filter(|(_, text)| text.lines().count() > LINES_MAX)
        .map(|(path, text)| format!("{path}: {} lines", text.lines().count()))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn no_snapshot_waits_for_a_decision() {
    let waiting: Vec<String> = files(".snap.new").into_iter().map(|(path, _)| path).collect();
    assert!(waiting.is_empty(), "{waiting:#?}");
}

/// Amazon Linux 2023 has glibc 2.34: an agent that asks for more does not start there, and its machine ends unused.
#[test]
fn the_agent_asks_for_no_newer_glibc_than_its_images_have() {
    let agent = std::fs::read(programs::program("spored")).expect("the agent");
    let name = b"GLIBC_2.";
    let asked = agent.windows(name.len() + 2).filter(|window| window.starts_with(name)).filter_map(|window| {
        let digits: String = window[name.len()..].iter().map(|byte| char::from(*byte)).take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    });
    let newest = asked.max().expect("a program that is linked to glibc names its versions");
    assert!(newest <= 34, "the agent asks for glibc 2.{newest}");
}
