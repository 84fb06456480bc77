//! A directory with a Terraform configuration, and Terraform to run in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Under which name the configurations know the toy provider.
const ADDRESS: &str = "example.com/test/toy";

/// The example program that serves the toy provider. `cargo test` builds it beside the tests.
pub(crate) fn toy_provider() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let built = test.parent().and_then(Path::parent).unwrap().join("examples/toy_provider");
    assert!(built.exists(), "{} is missing: build it with `cargo build --examples`", built.display());
    built
}

/// A directory of its own with everything that Terraform needs: configuration, state, the toy's things.
pub(crate) struct Workspace {
    root: TempDir,
    variables: Vec<(String, String)>,
}

impl Workspace {
    /// With `resources` in the configuration, and the provider found by `dev_overrides`.
    pub(crate) fn new(resources: &str) -> Self {
        let workspace = Self { root: tempfile::tempdir().unwrap(), variables: Vec::new() };
        for directory in ["bin", "things"] {
            std::fs::create_dir(workspace.path(directory)).unwrap();
        }
        std::os::unix::fs::symlink(toy_provider(), workspace.path("bin/terraform-provider-toy")).unwrap();
        let bin = workspace.path("bin").display().to_string();
        let overrides = format!("provider_installation {{\n dev_overrides {{ {ADDRESS:?} = {bin:?} }}\n direct {{}}\n}}\n");
        std::fs::write(workspace.path("terraformrc"), overrides).unwrap();
        workspace.configure(resources);
        workspace
    }

    /// Runs with one more environment variable from now on.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Replaces the configuration's resources.
    pub(crate) fn configure(&self, resources: &str) {
        let things = self.path("things").display().to_string();
        let configuration = format!(
            "terraform {{\n  required_providers {{\n    toy = {{ source = {ADDRESS:?} }}\n  }}\n}}\n\
             provider \"toy\" {{\n  directory = {things:?}\n}}\n{resources}\n"
        );
        std::fs::write(self.path("main.tf"), configuration).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The names of the things that exist.
    pub(crate) fn things(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("things")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name != "shutdown").collect();
        names.sort();
        names
    }

    /// A Terraform command that has not been started yet.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("terraform");
        command
            .args(arguments)
            .current_dir(self.root.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.root.path())
            .env("CHECKPOINT_DISABLE", "1")
            .env("TF_IN_AUTOMATION", "1")
            .env("TF_CLI_CONFIG_FILE", self.path("terraformrc"))
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs Terraform, without colours, and hands back how it ended.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        Run::from(self.command(arguments).output().expect("terraform is on PATH"))
    }

    pub(crate) fn apply(&self) -> Run {
        self.run(&["apply", "-auto-approve", "-input=false", "-no-color"])
    }

    pub(crate) fn destroy(&self) -> Run {
        self.run(&["destroy", "-auto-approve", "-input=false", "-no-color"])
    }

    /// What the next apply would do, by address: `["update"]`, `["delete", "create"]` and so on.
    pub(crate) fn planned(&self) -> Vec<(String, Vec<String>)> {
        self.run(&["plan", "-input=false", "-no-color", "-out=plan"]).succeeded();
        let plan = self.json(&["show", "-json", "plan"]);
        let changes = plan["resource_changes"].as_array().cloned().unwrap_or_default();
        let actions = |change: &Value| -> Vec<String> {
            let actions = change["change"]["actions"].as_array().unwrap();
            actions.iter().map(|action| action.as_str().unwrap().to_owned()).collect()
        };
        changes
            .iter()
            .map(|change| (change["address"].as_str().unwrap().to_owned(), actions(change)))
            .filter(|(_, actions)| actions.as_slice() != ["no-op"])
            .collect()
    }

    /// Asserts that another plan has nothing to do, with what the provider reads and with what the state says.
    pub(crate) fn assert_settled(&self) {
        for refresh in ["-refresh=true", "-refresh=false"] {
            let run = self.run(&["plan", "-detailed-exitcode", "-input=false", "-no-color", refresh]);
            assert_eq!(run.code, Some(0), "{refresh}: {}", run.text);
        }
    }

    /// The attributes of a resource in the state.
    pub(crate) fn state(&self, address: &str) -> Value {
        let state = self.json(&["show", "-json"]);
        let resources = state["values"]["root_module"]["resources"].as_array().cloned().unwrap_or_default();
        let found = resources.into_iter().find(|resource| resource["address"] == address);
        found.unwrap_or_else(|| panic!("{address} is not in the state"))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}"))
    }
}

/// How a Terraform command ended.
#[derive(Debug)]
pub(crate) struct Run {
    /// The exit code, if it was not killed.
    pub(crate) code: Option<i32>,
    /// What it printed, errors last.
    pub(crate) text: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = [output.stdout, output.stderr].concat();
        Self { code: output.status.code(), text: String::from_utf8(text).expect("terraform prints UTF-8") }
    }
}

impl Run {
    #[track_caller]
    pub(crate) fn succeeded(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.text);
        self.text
    }

    #[track_caller]
    pub(crate) fn failed(self) -> String {
        assert_eq!(self.code, Some(1), "{}", self.text);
        self.text
    }

    /// The errors and warnings, without the warning about `dev_overrides`.
    pub(crate) fn diagnostics(&self) -> String {
        let mut found: Vec<Vec<&str>> = Vec::new();
        for line in self.text.lines().map(str::trim_end) {
            if line.starts_with("Error: ") || line.starts_with("Warning: ") {
                found.push(Vec::new());
            }
            if let Some(diagnostic) = found.last_mut() {
                diagnostic.push(line);
            }
        }
        let texts = found.into_iter().map(|lines| lines.join("\n").trim_end().to_owned());
        let texts: Vec<_> = texts.filter(|text| !text.contains("development overrides")).collect();
        texts.join("\n\n")
    }
}
