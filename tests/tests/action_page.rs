//! The Action's page has the tables that `action.yml` says, and names nothing that is not in it; so have the examples.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_yaml_ng::{Mapping, Value};
use spawn_tests::act;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository").to_owned()
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    serde_yaml_ng::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The inputs or outputs of the Action.
fn declared(what: &str) -> Mapping {
    yaml("action/action.yml")[what].as_mapping().cloned().expect("a mapping")
}

fn names(what: &str) -> BTreeSet<String> {
    declared(what).keys().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn inputs() -> String {
    let mut table = "| input | what it is | if it is left out |\n|---|---|---|\n".to_owned();
    for (name, input) in declared("inputs") {
        let left_out = match (input["required"].as_bool(), input["default"].as_str()) {
            (Some(true), _) => "it is needed".to_owned(),
            (_, Some(default)) => format!("`{default}`"),
            _ => String::new(),
        };
        let (name, description) = (name.as_str().expect("a name"), input["description"].as_str().expect("a description"));
        table += &format!("| `{name}` | {} | {left_out} |\n", cell(description));
    }
    table
}

fn outputs() -> String {
    let mut table = "| output | what it is |\n|---|---|\n".to_owned();
    for (name, output) in declared("outputs") {
        let (name, description) = (name.as_str().expect("a name"), output["description"].as_str().expect("a description"));
        table += &format!("| `{name}` | {} |\n", cell(description));
    }
    table
}

/// A page with a table in the place of what is between two marks.
fn with_table(page: &str, what: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- {what}: made of action.yml by `cargo xtask docs` -->\n"), format!("<!-- end of {what} -->"));
    let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("the page has no {begin:?}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("the page has no {end:?}"));
    [before, &begin, table, &end, after].concat()
}

#[test]
fn the_page_has_the_tables_of_action_yml() {
    let page = text("action/README.md");
    let made = with_table(&with_table(&page, "inputs", &inputs()), "outputs", &outputs());
    if std::env::var_os("SPAWN_WRITE_DOCS").is_some() {
        std::fs::write(root().join("action/README.md"), &made).expect("the page");
        return;
    }
    assert!(page == made, "action/README.md is not what action.yml says; write it again: cargo xtask docs");
}

/// The workflows that say how the Action is used.
fn workflows() -> Vec<String> {
    let mut found = Vec::new();
    for directory in ["examples/workflows", ".github/workflows"] {
        let entries = std::fs::read_dir(root().join(directory)).expect("workflows").flatten();
        found.extend(entries.map(|entry| format!("{directory}/{}", entry.file_name().to_string_lossy())));
    }
    found.sort();
    found
}

/// Every step of a workflow, with the id of its job.
fn steps(workflow: &Value) -> Vec<Value> {
    let jobs = workflow["jobs"].as_mapping().cloned().expect("jobs");
    jobs.values().flat_map(|job| job["steps"].as_sequence().cloned().unwrap_or_default()).collect()
}

#[test]
fn workflows_use_this_version_and_inputs_and_outputs_that_there_are() {
    let (inputs, outputs) = (names("inputs"), names("outputs"));
    let mut uses = 0;
    for path in workflows() {
        let (workflow, text) = (yaml(&path), text(&path));
        for step in steps(&workflow) {
            let Some(used) = step["uses"].as_str().filter(|used| used.starts_with("spawn-dev/")) else { continue };
            assert_eq!(used, act::ACTION, "{path}");
            uses += 1;
            for input in step["with"].as_mapping().expect("inputs").keys().filter_map(Value::as_str) {
                assert!(inputs.contains(input), "{path}: there is no input {input}");
            }
            if let Some(id) = step["id"].as_str() {
                for rest in text.split(&format!("steps.{id}.outputs.")).skip(1) {
                    let output: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
                    assert!(outputs.contains(&output), "{path}: there is no output {output}");
                }
            }
        }
        // What it fetches of a release is of the same one.
        for (before, after) in [("gh release download v", ' '), ("spawn_", '_')] {
            let named = text.split(before).skip(1).filter_map(|rest| rest.split(after).next());
            // What the release itself is called it finds out.
            for version in named.filter(|version| !version.starts_with('$')) {
                assert_eq!(version, env!("CARGO_PKG_VERSION"), "{path}");
            }
        }
    }
    assert!(uses >= 6, "{uses} steps use the Action: the examples are somewhere else");
}

#[test]
fn every_other_action_is_named_by_its_commit_and_says_which_version_that_is() {
    for path in workflows().into_iter().chain(["action/README.md".to_owned()]) {
        for line in text(&path).lines().map(|line| line.trim_start_matches([' ', '-'])) {
            let Some(used) = line.strip_prefix("uses: ").filter(|used| *used != act::ACTION) else { continue };
            let (_, commit) = used.split_once('@').unwrap_or_else(|| panic!("{path}: {used}"));
            let (commit, version) = commit.split_once(" # v").unwrap_or_else(|| panic!("{path}: {used}"));
            assert!(commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{path}: {used}");
            assert!(version.starts_with(|c: char| c.is_ascii_digit()), "{path}: {used}");
        }
    }
}
