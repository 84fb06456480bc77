//! A sandbox in this process, and programs that meet it.

use std::ffi::OsStr;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use spawn_sandbox::{CallRecord, Control, Fault, FaultRule, FaultScript, Options, Sandbox};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::runtime::Runtime;

use crate::process::{Ran, Running};
use crate::{Terraform, programs};

/// An event that has not come by then never comes. A guard, not a measure.
const NEVER_AFTER: Duration = Duration::from_secs(150);
/// How often [`World::eventually`] looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A sandbox of one test's own. It ends with it, machines and all.
pub struct World {
    // Dropped in this order: what runs, then what it runs on, then its files.
    sandbox: Option<Sandbox>,
    control: Control,
    runtime: Runtime,
    directory: TempDir,
    environment: Vec<(String, String)>,
}

impl World {
    /// A sandbox whose instances boot quickly.
    ///
    /// # Panics
    /// If it cannot be started; so for everything here.
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    /// A sandbox with options of one's own.
    pub fn with(change: impl FnOnce(&mut Options)) -> Self {
        let directory = TempDir::with_prefix("spawn-test-").expect("a directory can be made");
        let mut options = Options { dir: directory.path().join("sandbox"), boot_delay_ms: 100, ..Options::default() };
        change(&mut options);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads can be started");
        let sandbox = runtime.block_on(Sandbox::start(options)).expect("the sandbox starts");
        let mut environment = sandbox.environment();
        environment.extend([
            ("SPAWN_ARTIFACTS".to_owned(), programs::artifacts(&["spored"]).display().to_string()),
            ("SPAWN_SANDBOX_DIR".to_owned(), directory.path().join("sandbox").display().to_string()),
        ]);
        let control = sandbox.control();
        Self { sandbox: Some(sandbox), control, runtime, directory, environment }
    }

    /// A sandbox with the account set-up in it.
    pub fn with_setup() -> Self {
        let world = Self::start();
        world.spawn(["setup"]).succeeded();
        world
    }

    /// What set-up uploads from now on. Without a word only the agent: a reaper on a schedule would be one hand more everywhere.
    pub fn upload(&mut self, programs: &[&str]) {
        self.environment.push(("SPAWN_ARTIFACTS".to_owned(), programs::artifacts(programs).display().to_string()));
    }

    /// The sandbox's control API.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// A directory for files of the test.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Waits for something of the control API.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Puts the sandbox's clock forward, and waits until everything that became due has happened.
    pub fn advance(&self, seconds: i64) {
        self.block_on(self.control.clock_advance(SignedDuration::from_secs(seconds)));
    }

    /// A command in an environment that knows this sandbox and no other AWS.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            if ["AWS_", "SPAWN_", "TF_"].iter().any(|prefix| name_text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("NO_COLOR", "1").env("AWS_PAGER", "");
        command.current_dir(self.directory.path());
        command
    }

    /// Starts a command.
    #[track_caller]
    pub fn run(&self, command: Command) -> Running {
        Running::start(self.runtime.handle(), command)
    }

    /// Runs `spawn` to its end.
    #[track_caller]
    pub fn spawn<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ran {
        self.start_spawn(arguments).wait()
    }

    /// Starts `spawn`.
    #[track_caller]
    pub fn start_spawn<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Running {
        let mut command = self.command(programs::program("spawn"));
        command.args(arguments);
        self.run(command)
    }

    /// Runs lines of Python in which `client("ec2")` makes a boto3 client, and answers what they print.
    #[track_caller]
    pub fn python(&self, lines: &str) -> String {
        self.run(self.python_command(lines)).wait().succeeded().stdout
    }

    pub(crate) fn python_command(&self, lines: &str) -> Command {
        let mut command = self.command("python3");
        let kit = "import boto3, json, sys\nfrom botocore.config import Config\n\
                   def client(name): return boto3.client(name, config=Config(s3={'addressing_style': 'path'}))\n";
        command.arg("-c").arg(format!("{kit}{lines}"));
        command
    }

    /// A Terraform configuration in a directory of its own.
    #[track_caller]
    pub fn terraform(&self, resources: &str) -> Terraform<'_> {
        Terraform::new(self, resources)
    }

    /// The position of the last call, for [`World::calls`].
    pub fn position(&self) -> u64 {
        self.control.status().calls
    }

    /// The calls of one operation after a position.
    pub fn calls(&self, since: u64, operation: &str) -> Vec<CallRecord> {
        self.control.calls(since).into_iter().filter(|call| call.operation == operation).collect()
    }

    /// Makes calls of an operation fail from now on.
    pub fn fault(&self, service: &str, operation: &str, times: Option<u64>, action: Fault) {
        self.fault_for("controller", service, operation, times, action);
    }

    /// Makes calls of an operation fail for one kind of caller.
    pub fn fault_for(&self, caller: &str, service: &str, operation: &str, times: Option<u64>, action: Fault) {
        self.fault_after(0, caller, service, operation, times, action);
    }

    /// The same, after so many calls have passed.
    pub fn fault_after(&self, skip: u64, caller: &str, service: &str, operation: &str, times: Option<u64>, action: Fault) {
        self.control.add_fault(FaultScript::Router(FaultRule {
            service: service.to_owned(),
            operation: operation.to_owned(),
            caller: Some(caller.to_owned()),
            times,
            skip,
            action,
        }));
    }

    /// Waits until something is there. The one place where tests look again and again: neither the sandbox nor the programs in it
    /// can be asked to tell a test of every event.
    ///
    /// # Panics
    /// If it does not come, with the last calls.
    #[track_caller]
    pub fn eventually<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let never = Instant::now() + NEVER_AFTER;
        loop {
            if let Some(found) = look() {
                return found;
            }
            if Instant::now() > never {
                let calls = self.control.calls(self.position().saturating_sub(25));
                let calls: Vec<String> =
                    calls.iter().map(|c| format!("{} {} {}: {}", c.caller, c.service, c.operation, c.outcome)).collect();
                panic!("{what}: it never came. The last calls:\n{}", calls.join("\n"));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// The calls of the controller after a position that may change something.
    pub fn changes(&self, since: u64) -> Vec<String> {
        let reads = ["Describe", "Get", "List", "Head", "Filter"];
        let calls = self.control.calls(since).into_iter().filter(|call| call.caller == "controller");
        calls.map(|call| call.operation).filter(|operation| !reads.iter().any(|read| operation.starts_with(read))).collect()
    }

    /// The keys of the objects in the set-up's bucket.
    pub fn keys(&self) -> Vec<String> {
        let snapshot = self.control.snapshot();
        let buckets = snapshot["s3"].as_object().into_iter().flatten();
        buckets.flat_map(|(_, bucket)| bucket["objects"].as_object().into_iter().flatten()).map(|(key, _)| key.clone()).collect()
    }

    /// Every instance that was ever launched, with its state, as the sandbox tells an independent client.
    #[track_caller]
    pub fn instances(&self) -> Vec<(String, String)> {
        let printed = self.python(
            "found = client('ec2').describe_instances()['Reservations']\n\
             print(json.dumps(sorted([i['InstanceId'], i['State']['Name']] for r in found for i in r['Instances'])))",
        );
        serde_json::from_str(&printed).expect("JSON")
    }

    /// Waits until a call of an operation is in the log after a position.
    #[track_caller]
    pub fn until_called(&self, since: u64, operation: &str) {
        self.eventually(operation, || self.calls(since, operation).into_iter().next());
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(sandbox) = self.sandbox.take() {
            self.runtime.block_on(sandbox.stop());
        }
    }
}
