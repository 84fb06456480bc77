//! Workflows as GitHub would run them: by act, on this machine and without containers, with the real Action and the program that was built.
//!
//! What act does otherwise than GitHub: a cancelled step is killed with all it has started, and gets no signal before (the shim's own tests send
//! those); the Node is that of `cargo xtask test`; every step has the environment that act was started with, the sandbox's keys in it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::{Ran, Running};
use crate::release::{self, COMMAND, COMMAND_PROGRAMS, Release};
use crate::{World, programs};

/// The Action of this version, as workflows name it.
pub const ACTION: &str = concat!("spawn-dev/terraform-provider-spawn/action@v", env!("CARGO_PKG_VERSION"));

/// The repository that workflows take it from.
const SOURCE: &str = concat!("spawn-dev/terraform-provider-spawn@v", env!("CARGO_PKG_VERSION"));

/// Actions of others that would be fetched from GitHub, and that the tests do without: credentials are in the environment.
const STAND_INS: [&str; 1] = ["aws-actions/configure-aws-credentials"];

/// What act's environment must not tell of the workflow that may be running these tests.
const OF_WORKFLOWS: [&str; 5] = ["ACTIONS_", "GITHUB_", "INPUT_", "RUNNER_", "STATE_"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository")
}

/// A repository with workflows, and a runner for them.
pub struct Repository<'w> {
    world: &'w World,
    directory: TempDir,
}

impl<'w> Repository<'w> {
    /// An empty repository, whose workflows get the Action with the program that was built.
    ///
    /// # Panics
    /// If it cannot be made; so for everything here.
    #[track_caller]
    pub fn new(world: &'w World) -> Self {
        let repository = Self { world, directory: TempDir::with_prefix("spawn-test-").expect("a directory can be made") };
        // As much of one as act looks at.
        repository.put("repository/.git/HEAD", "ref: refs/heads/main\n");
        repository.put("repository/.git/refs/heads/main", "1234567890123456789012345678901234567890\n");
        repository.put("repository/.git/config", "[remote \"origin\"]\n\turl = https://github.com/octo-org/octo-repo\n");
        for empty in ["repository/.git/objects", "config/act", "bin", "home", "release"] {
            fs::create_dir_all(repository.at(empty)).expect("a directory");
        }
        for file in ["action.yml", "shim/main.js", "shim/post.js", "shim/engine.js", "shim/hashes.json"] {
            let text = fs::read_to_string(root().join("action").join(file)).expect("a file of the Action");
            repository.put(&format!("source/action/{file}"), &text);
        }
        repository.use_engine(&programs::program(release::ACTION));
        repository.put("stand-in/action.yml", "name: stand-in\ndescription: Does nothing.\nruns: { using: node24, main: main.js }\n");
        repository.put("stand-in/main.js", "console.log('Nothing is done here.');\n");
        repository.stand_in_for_programs();
        repository
    }

    /// Has the Action run a program where a workflow names none.
    fn use_engine(&self, program: &Path) {
        let action = self.at("source/action/action.yml");
        let text = fs::read_to_string(&action).expect("action.yml");
        let (before, rest) = text.split_once("  engine-path:\n").expect("the input");
        let (description, after) = rest.split_once('\n').expect("its description");
        let changed = format!("{before}  engine-path:\n{description}\n    default: {:?}\n{after}", program.display().to_string());
        fs::write(action, changed).expect("action.yml");
    }

    /// Has the Action fetch its program as it does from a release, from a server that has it.
    pub fn use_release(&self) {
        let at = Release::here();
        let place = self.at("release").join(format!("v{}", at.version));
        fs::create_dir_all(&place).expect("a directory");
        std::os::unix::fs::symlink(programs::program(release::ACTION), place.join(at.action())).expect("a link");
        self.put("source/action/shim/hashes.json", &release::hashes(&place, &at.version).expect("a table"));
        fs::copy(root().join("action/action.yml"), self.at("source/action/action.yml")).expect("action.yml");
    }

    /// The directory with what a release has, below its tag.
    pub fn release(&self) -> PathBuf {
        self.at("release")
    }

    /// Programs of GitHub's runners that are not on every machine, as far as the examples go.
    fn stand_in_for_programs(&self) {
        // It has the command's archive, in which the programs are only named: they are large.
        let at = Release::here();
        for name in COMMAND_PROGRAMS {
            self.executable(&format!("command/{name}"), &format!("#!/bin/sh\nexec '{}' \"$@\"\n", programs::program("spawn").display()));
        }
        let archive = self.at("release").join(at.archive(COMMAND));
        let files = release::command_files(&self.at("command"), root());
        release::pack(&files, zip::CompressionMethod::Stored, &archive).expect("an archive");
        let gh = "#!/usr/bin/env python3\n\
                  import shutil, sys, os\n\
                  words = sys.argv[1:]\n\
                  option = lambda name: words[words.index(name) + 1]\n\
                  if words[:2] == ['release', 'download']:\n    \
                      shutil.copy('ARCHIVE', os.path.join(option('--dir'), option('--pattern')))\n\
                  elif words[:2] != ['attestation', 'verify'] or not os.path.isfile(words[2]):\n    \
                      sys.exit(f'gh {words}: not known here')\n";
        self.executable("bin/gh", &gh.replace("ARCHIVE", &archive.display().to_string()));
        let unzip = "#!/usr/bin/env python3\n\
                     import os, sys, zipfile\n\
                     _, _, archive, name, _, place = sys.argv\n\
                     os.chmod(zipfile.ZipFile(archive).extract(name, place), 0o755)\n";
        self.executable("bin/unzip", unzip);
        let jq = "#!/usr/bin/env python3\n\
                  import json, sys\n\
                  for member in json.load(sys.stdin): print(json.dumps(member))\n";
        self.executable("bin/jq", jq);
    }

    fn at(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("it is below the directory")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    fn executable(&self, path: &str, text: &str) {
        self.put(path, text);
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(0o755)).expect("a mode");
    }

    /// Copies a file, with its mode, into the repository.
    pub fn copy(&self, from: &Path, to: &str) {
        let to = self.at("repository").join(to);
        fs::create_dir_all(to.parent().expect("it is below the directory")).expect("a directory");
        fs::copy(from, to).expect("a copy");
    }

    /// A workflow of the examples.
    #[track_caller]
    pub fn example(&self, name: &str) -> Workflow<'_> {
        self.workflow(&fs::read_to_string(root().join("examples/workflows").join(name)).expect("an example"))
    }

    /// A workflow, in which `ACTION` stands for the Action.
    pub fn workflow(&self, text: &str) -> Workflow<'_> {
        let text = text.replace("uses: ACTION", &format!("uses: {ACTION}"));
        self.put("repository/.github/workflows/test.yml", &text);
        Workflow { repository: self, text, event: ("workflow_dispatch".to_owned(), Value::Null), run_id: 1, environment: Vec::new() }
    }
}

/// A workflow that is about to run.
pub struct Workflow<'r> {
    repository: &'r Repository<'r>,
    text: String,
    event: (String, Value),
    run_id: u64,
    environment: Vec<(String, String)>,
}

impl Workflow<'_> {
    /// What it runs for, with what GitHub would tell of that.
    #[must_use]
    pub fn on(mut self, event: &str, payload: Value) -> Self {
        self.event = (event.to_owned(), payload);
        self
    }

    /// The id of its run.
    #[must_use]
    pub fn run_id(mut self, id: u64) -> Self {
        self.run_id = id;
        self
    }

    /// A variable of the environment of all of its steps.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn command(&self) -> Command {
        let repository = self.repository;
        let mut act = repository.world.command("act");
        for (name, _) in std::env::vars_os() {
            if OF_WORKFLOWS.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                act.env_remove(name);
            }
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(repository.at("bin")).chain(std::env::split_paths(&path));
        act.env("PATH", std::env::join_paths(path).expect("plain paths"));
        for (name, place) in [("HOME", "home"), ("XDG_CACHE_HOME", "cache"), ("XDG_CONFIG_HOME", "config")] {
            act.env(name, repository.at(place));
        }
        act.envs(self.environment.iter().map(|(name, value)| (name, value)));

        let (event, payload) = &self.event;
        act.current_dir(repository.at("repository")).args([event.as_str(), "--workflows", ".github/workflows/test.yml"]);
        if !payload.is_null() {
            repository.put("event.json", &payload.to_string());
            act.arg("--eventpath").arg(repository.at("event.json"));
        }
        for image in ["ubuntu-latest", "ubuntu-24.04"] {
            act.arg("--platform").arg(format!("{image}=-self-hosted"));
        }
        // Whatever else it would listen on, it does not.
        act.args(["--json", "--no-cache-server", "--artifact-server-addr", "127.0.0.1", "--concurrent-jobs", "16"]);
        act.arg("--env").arg(format!("GITHUB_RUN_ID={}", self.run_id));
        let mut sources = vec![(SOURCE.to_owned(), repository.at("source"))];
        for name in STAND_INS {
            let before = format!("uses: {name}@");
            let uses = self.text.split(before.as_str()).skip(1).filter_map(|rest| rest.split_whitespace().next());
            sources.extend(uses.map(|commit| (format!("{name}@{commit}"), repository.at("stand-in"))));
        }
        for (name, place) in sources {
            act.arg("--local-repository").arg(format!("{name}={}", place.display()));
        }
        act
    }

    /// Starts it.
    #[track_caller]
    pub fn start(&self) -> Running {
        self.repository.world.run(self.command())
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(&self) -> Happened {
        Happened::of(self.start().wait())
    }
}

/// What a workflow has done.
#[derive(Debug)]
pub struct Happened {
    ran: Ran,
    events: Vec<Value>,
}

impl Happened {
    /// Reads what act has printed.
    pub fn of(ran: Ran) -> Self {
        let events = ran.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Self { ran, events }
    }

    /// The same, if every job has succeeded.
    ///
    /// # Panics
    /// If one has not, with what was printed.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.ran.code, Some(0), "{}", self.text());
        self
    }

    /// The same, if a job has failed.
    ///
    /// # Panics
    /// If none has, with what was printed.
    #[track_caller]
    pub fn failed(self) -> Self {
        assert_eq!(self.ran.code, Some(1), "{}", self.text());
        self
    }

    /// Everything that was printed, a line each.
    pub fn text(&self) -> String {
        let line = |event: &Value| format!("{}: {}", event["job"].as_str().unwrap_or_default(), text_of(event, "msg").trim_end());
        let lines: Vec<String> = self.events.iter().map(line).collect();
        format!("{}\n{}", lines.join("\n"), self.ran.stderr)
    }

    /// What steps have written, commands to the runner included.
    pub fn log(&self) -> String {
        self.events
            .iter()
            .filter(|event| event["raw_output"] == true || event["command"].is_string())
            .map(|event| text_of(event, "msg"))
            .collect()
    }

    /// What the steps of the Action have come to, by stage and in order: `Main: failure`, `Post: success`.
    pub fn stages(&self) -> Vec<String> {
        let ours = |event: &&Value| event["stepResult"].is_string() && event["stage"].is_string() && self.is_ours(event);
        self.events.iter().filter(ours).map(|event| format!("{}: {}", text_of(event, "stage"), text_of(event, "stepResult"))).collect()
    }

    /// Whether a step is one of the Action: only those have what follows a job.
    fn is_ours(&self, event: &Value) -> bool {
        let same = |other: &Value| ["jobID", "matrix", "stepID"].iter().all(|field| other[*field] == event[*field]);
        self.events.iter().any(|other| other["stage"] == "Post" && same(other))
    }

    /// An output of a step; of several that have one of this name, in their order.
    pub fn outputs(&self, name: &str) -> Vec<&str> {
        let set = |event: &&Value| event["command"] == "set-output" && event["name"] == name;
        self.events.iter().filter(set).filter_map(|event| event["arg"].as_str()).collect()
    }

    /// The summary that all steps have written.
    pub fn summary(&self) -> String {
        self.events.iter().filter(|event| event["command"] == "summary").map(|event| text_of(event, "content")).collect()
    }
}

fn text_of<'e>(event: &'e Value, field: &str) -> &'e str {
    event[field].as_str().unwrap_or_default()
}
