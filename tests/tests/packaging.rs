//! What of the Action is not Rust: its shim by its own tests, and workflows and templates by what others wrote to judge them. `cargo xtask test`
//! installs the programs.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository").to_owned()
}

/// The files of a directory whose names end so.
fn files(directory: &str, end: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(directory)).expect("a directory of the repository").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).filter(|name| name.ends_with(end));
    let mut found: Vec<String> = names.map(|name| format!("{directory}/{name}")).collect();
    assert!(!found.is_empty(), "{directory} has no {end}");
    found.sort();
    found
}

/// Runs a program at the repository's root, and answers with what it prints.
#[track_caller]
fn passes(program: &str, arguments: &[&str], files: &[String]) -> String {
    let ran = Command::new(program).args(arguments).args(files).current_dir(root()).env("NO_COLOR", "1").output();
    let ran = ran.unwrap_or_else(|error| panic!("{program}: {error}; run `cargo xtask test`, which installs it"));
    let printed = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{program}: {}\n{printed}", ran.status);
    printed
}

#[test]
fn the_shim_passes_its_tests() {
    let printed = passes("node", &["--test", "--test-reporter=tap"], &files("action/shim/test", ".test.js"));
    assert!(printed.contains("\n# fail 0\n") && !printed.contains("\n# pass 0\n"), "{printed}");
}

#[test]
fn workflows_mean_what_they_say() {
    passes("actionlint", &["-no-color"], &[files(".github/workflows", ".yml"), files("examples/workflows", ".yml")].concat());
}

/// By the strictest of its measures: what has rights here has them for a reason.
#[test]
fn workflows_are_safe() {
    let inputs = [vec![".github".to_owned(), "action/action.yml".to_owned()], files("examples/workflows", ".yml")].concat();
    let printed = passes("zizmor", &["--offline", "--no-progress", "--persona=auditor", "--config=.github/zizmor.yml"], &inputs);
    for input in [".github/workflows/release.yml", "examples/workflows/stop.yml", "action/action.yml"] {
        assert!(printed.contains(&format!("completed {input}")), "{input} was not looked at: {printed}");
    }
}

#[test]
fn templates_are_what_cloudformation_knows() {
    passes("cfn-lint", &["--include-checks", "I", "--regions", "us-east-1", "us-gov-west-1", "--"], &files("cfn", ".yaml"));
}
