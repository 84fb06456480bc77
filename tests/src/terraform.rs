//! A directory with a Terraform configuration, and real Terraform in it.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::{Ran, Running};
use crate::{Identity, World, programs};

/// What every configuration begins with.
const HEADER: &str = r#"terraform {
  required_providers {
    spawn = { source = "spawn-dev/spawn" }
  }
}
"#;

/// The provider's block where a test has none of its own.
const PROVIDER: &str = "provider \"spawn\" {\n  region = \"us-east-1\"\n}\n";

/// A configuration, its state, and Terraform.
pub struct Terraform<'w> {
    world: &'w World,
    /// Who runs it, if not the account's administrator.
    identity: Mutex<Option<&'w Identity>>,
    directory: TempDir,
    /// What tells Terraform where providers come from.
    cli_config: PathBuf,
}

impl<'w> Terraform<'w> {
    /// A configuration with these resources, initialised.
    ///
    /// # Panics
    /// If it cannot be made; so for everything here.
    #[track_caller]
    pub(crate) fn new(world: &'w World, resources: &str) -> Self {
        let terraform = Self::empty(world);
        terraform.configure(resources);
        terraform.init().succeeded();
        terraform
    }

    /// A configuration with these resources, whose provider comes from where a configuration of Terraform's says; not initialised.
    #[track_caller]
    pub fn installed_by(world: &'w World, cli_config: &Path, resources: &str) -> Self {
        let terraform = Self { cli_config: cli_config.to_owned(), ..Self::empty(world) };
        terraform.configure(resources);
        terraform
    }

    /// A directory with the files of another, initialised.
    #[track_caller]
    pub fn copy_of(world: &'w World, files: &Path) -> Self {
        let terraform = Self::empty(world);
        for entry in std::fs::read_dir(files).expect("a directory").flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                std::fs::copy(entry.path(), terraform.path(entry.file_name().to_str().expect("a plain name"))).expect("a copy");
            }
        }
        terraform.init().succeeded();
        terraform
    }

    #[track_caller]
    fn empty(world: &'w World) -> Self {
        let directory = TempDir::with_prefix("spawn-test-").expect("a directory can be made");
        Self { world, identity: Mutex::default(), directory, cli_config: programs::terraform_rc() }
    }

    /// Initialises: Terraform installs the provider.
    #[track_caller]
    pub fn init(&self) -> Ran {
        self.run(["init", "-input=false", "-no-color"])
    }

    /// Replaces the configuration's resources.
    pub fn configure(&self, resources: &str) {
        let provider = if resources.contains("provider \"spawn\"") { "" } else { PROVIDER };
        self.write("main.tf", &format!("{HEADER}{provider}{resources}\n"));
    }

    /// Writes a file beside the configuration.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file can be written");
    }

    /// From now on somebody runs it.
    ///
    /// # Panics
    /// If a test of another thread has panicked.
    pub fn run_by(&self, who: &'w Identity) {
        *self.identity.lock().expect("nobody panicked") = Some(who);
    }

    /// A path in the configuration's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A Terraform command that has not been started.
    pub fn command<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = self.world.command("terraform");
        command.args(arguments).current_dir(self.directory.path());
        if let Some(who) = *self.identity.lock().expect("nobody panicked") {
            command.envs(who.environment());
        }
        command.env("TF_CLI_CONFIG_FILE", &self.cli_config).env("CHECKPOINT_DISABLE", "1").env("TF_IN_AUTOMATION", "1");
        command
    }

    /// Starts Terraform.
    #[track_caller]
    pub fn start<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Running {
        self.world.run(self.command(arguments))
    }

    /// Runs Terraform to its end.
    #[track_caller]
    pub fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Ran {
        self.start(arguments).wait()
    }

    /// Starts an apply.
    #[track_caller]
    pub fn start_apply(&self) -> Running {
        self.start(["apply", "-input=false", "-no-color", "-auto-approve"])
    }

    /// Applies.
    #[track_caller]
    pub fn apply(&self) -> Ran {
        self.start_apply().wait()
    }

    /// Destroys.
    #[track_caller]
    pub fn destroy(&self) -> Ran {
        self.run(["destroy", "-input=false", "-no-color", "-auto-approve"])
    }

    /// Plans.
    #[track_caller]
    pub fn plan(&self) -> Ran {
        self.run(["plan", "-input=false", "-no-color"])
    }

    /// Imports.
    #[track_caller]
    pub fn import(&self, address: &str, id: &str) -> Ran {
        self.run(["import", "-input=false", "-no-color", address, id])
    }

    /// What the next apply would do to a resource, and why it would replace: `update`, `delete create: size`, `no-op`.
    #[track_caller]
    pub fn planned(&self, address: &str) -> String {
        self.run(["plan", "-input=false", "-no-color", "-out=plan"]).succeeded();
        let plan = self.run(["show", "-json", "plan"]).succeeded().json();
        let changes = plan["resource_changes"].as_array().cloned().unwrap_or_default();
        let Some(change) = changes.iter().find(|change| change["address"] == address) else { return "no-op".to_owned() };
        let change = &change["change"];
        let words = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect()
        };
        let why = change["replace_paths"].as_array().into_iter().flatten().map(|path| words(path).join(".")).collect::<Vec<_>>().join(", ");
        let actions = words(&change["actions"]).join(" ");
        if why.is_empty() { actions } else { format!("{actions}: {why}") }
    }

    /// Asserts that the next plan has no actions, with what the provider reads and with what the state says.
    ///
    /// # Panics
    /// If it has.
    #[track_caller]
    pub fn assert_settled(&self) {
        for refresh in ["-refresh=true", "-refresh=false"] {
            let ran = self.run(["plan", "-detailed-exitcode", "-input=false", "-no-color", refresh]);
            assert_eq!(ran.code, Some(0), "{refresh}: {}", ran.text());
        }
    }

    /// The attributes of a resource in the state; null if it is not there.
    #[track_caller]
    pub fn state(&self, address: &str) -> Value {
        self.resource(address)["values"].clone()
    }

    /// Whether a resource is tainted.
    #[track_caller]
    pub fn is_tainted(&self, address: &str) -> bool {
        self.resource(address)["tainted"] == true
    }

    #[track_caller]
    fn resource(&self, address: &str) -> Value {
        let state = self.run(["show", "-json"]).succeeded().json();
        let resources = state["values"]["root_module"]["resources"].as_array().cloned().unwrap_or_default();
        resources.into_iter().find(|resource| resource["address"] == address).unwrap_or_default()
    }
}

/// The ids of a fleet's instances by rank, from its state.
pub fn instance_ids(state: &Value) -> Vec<String> {
    let members = state["members"].as_array().cloned().unwrap_or_default();
    members.iter().map(|member| member["instance_id"].as_str().unwrap_or_default().to_owned()).collect()
}
