//! What a machine of a fleet sees: AWS on loopback, and the commands of its init, which only write down that they were called.

#![allow(dead_code, reason = "each test program uses its part")]

pub(crate) mod cloud;
pub(crate) mod kernel;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use spawn_model::duration::Seconds;
use spawn_model::hook::HookSpec;
use spawn_model::idle::IdleSpec;
use spawn_model::ids::{FleetId, InstanceId, RunId};
use spawn_model::layout::RunKeys;
use spawn_model::market::MarketType;
use spawn_model::queue::{KeptJobs, OnFailure};
use spawn_model::record::{AgentConfig, Batch, Completion, Launched, Lease, Payload, SCHEMA};
use spawn_model::spec::FleetKind;
use spawn_model::stopping::Ends;

use cloud::{ACCOUNT, BUCKET, Cloud, REGION};

/// What the test's commands may use. Nothing else of this machine can be run by name, least of all its init.
const TOOLS: [&str; 17] =
    ["cat", "chmod", "date", "env", "grep", "head", "kill", "mkdir", "printf", "python3", "rm", "sh", "sleep", "sort", "tr", "true", "yes"];

/// Writes down its name and arguments.
const RECORD: &str = "#!/bin/sh\nprintf '%s' \"${0##*/}\" >>\"$CALLS.$$\"\nfor word; do printf ' %s' \"$word\" >>\"$CALLS.$$\"; done\n\
                      printf '\\n' >>\"$CALLS.$$\"\ncat \"$CALLS.$$\" >>\"$CALLS\"\nrm \"$CALLS.$$\"\n";
/// Runs what follows the options, under a process id that [`STOP`] finds by the unit's name.
const RUN: &str = "while [ \"$1\" != -- ]; do case \"$1\" in --unit=*) echo $$ >\"$CALLS.${1#--unit=}.service\";; esac; shift; done\n\
                   shift\nexec \"$@\"\n";
/// Tells the unit's main process to end, as the unit's `KillMode=mixed` does.
const STOP: &str = "if [ \"$1\" = stop ]; then kill $(cat \"$CALLS.$2\"); fi\n";

/// No test's machine takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A machine and its surroundings.
pub(crate) struct World {
    pub(crate) cloud: Arc<Cloud>,
    directory: tempfile::TempDir,
    pub(crate) config: AgentConfig,
    pub(crate) keys: RunKeys,
}

/// An agent that user data put into the background has no parent that would end it.
impl Drop for World {
    fn drop(&mut self) {
        let own = self.directory.path().display().to_string();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(rustix::process::Pid::from_raw);
            if let Some(pid) = pid.filter(|_| command.starts_with(own.as_bytes())) {
                // It may have ended meanwhile.
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
            }
        }
    }
}

impl World {
    /// A machine with systemd, of an array, whose lease ends in an hour.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (fleet, run) = (FleetId::from_random([1; 8]), RunId::from_random([2; 8]));
        let keys = RunKeys::new(&fleet, &run);
        let config = AgentConfig {
            schema: SCHEMA,
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            bucket: BUCKET.to_owned(),
            fleet,
            run,
            kind: FleetKind::JobArray,
            rank_base: 0,
            deadline: Timestamp::now() + SignedDuration::from_hours(1),
            ends: Ends::default(),
            log_group: "/spawn/fleets".to_owned(),
        };
        for name in ["bin", "tools", "units", "var"] {
            std::fs::create_dir(directory.path().join(name)).unwrap();
        }
        let world = Self { cloud: Cloud::start(), directory, config, keys };
        for name in TOOLS {
            std::os::unix::fs::symlink(tool(name), world.path("tools").join(name)).unwrap();
        }
        for name in ["ip", "shutdown", "useradd"] {
            world.shim(name, RECORD);
        }
        world.shim("systemctl", &format!("{RECORD}{STOP}"));
        world.shim("systemd-run", &format!("{RECORD}{RUN}"));
        world.lease(world.config.deadline);
        world
    }

    /// A machine without systemd.
    pub(crate) fn without_units() -> Self {
        let world = Self::new();
        for name in ["systemctl", "systemd-run"] {
            std::fs::remove_file(world.path("bin").join(name)).unwrap();
        }
        world
    }

    pub(crate) fn shim(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The agent's directory.
    pub(crate) fn state(&self) -> PathBuf {
        let state = self.path("var/spored");
        std::fs::create_dir_all(&state).unwrap();
        state
    }

    /// Sets the lease object.
    pub(crate) fn lease(&self, deadline: Timestamp) {
        self.lease_with(deadline, None);
    }

    /// As [`World::lease`], with what counts as idle.
    pub(crate) fn lease_with(&self, deadline: Timestamp, idle: Option<IdleSpec>) {
        let lease = Lease { schema: SCHEMA, deadline, ends_at: None, generation: 1, idle };
        self.cloud.put(&self.keys.lease(), serde_json::to_vec(&lease).unwrap());
    }

    /// Sets what to run.
    pub(crate) fn payload(&self, size: u32, command: &[&str], files: &[(&str, &str)], env: &[(&str, &str)]) {
        self.payload_of(size, false, command, files, env);
    }

    /// As [`World::payload`], for a fleet of which fewer may do.
    pub(crate) fn payload_or_fewer(&self, size: u32, command: &[&str]) {
        self.payload_of(size, true, command, &[], &[]);
    }

    fn payload_of(&self, size: u32, fewer_may_do: bool, command: &[&str], files: &[(&str, &str)], env: &[(&str, &str)]) {
        let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        self.payload_as(&Payload {
            schema: SCHEMA,
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            files: owned(files),
            env: owned(env),
            size,
            fewer_may_do,
            uses_aws: false,
            pre_stop: None,
            checkpoint: None,
            peer_notice: None,
            jobs: std::collections::BTreeMap::new(),
            on_failure: None,
            resumed: false,
            name: "tiles".to_owned(),
        });
    }

    fn payload_as(&self, payload: &Payload) {
        self.cloud.put(&self.keys.payload(), serde_json::to_vec(payload).unwrap());
    }

    fn payload_edit(&self, edit: impl FnOnce(&mut Payload)) {
        let mut payload: Payload = serde_json::from_slice(&self.cloud.get(&self.keys.payload()).unwrap()).unwrap();
        edit(&mut payload);
        self.payload_as(&payload);
    }

    /// Has so many workers drain these jobs.
    pub(crate) fn jobs(&self, size: u32, on_failure: OnFailure, jobs: serde_json::Value) {
        self.payload_edit(|payload| {
            payload.size = size;
            payload.jobs = serde_json::from_value(jobs).unwrap();
            payload.on_failure = Some(on_failure);
        });
    }

    /// Says what earlier runs have done.
    pub(crate) fn resumes(&self, kept: &KeptJobs) {
        self.payload_edit(|payload| payload.resumed = true);
        self.cloud.put(&self.keys.jobs_kept(), serde_json::to_vec(kept).unwrap());
    }

    /// Adds hooks to what was set to be run, each a line of shell and its timeout in seconds.
    pub(crate) fn hooks(&self, pre_stop: Option<(&str, u64)>, checkpoint: Option<(&str, u64)>) {
        self.payload_edit(|payload| {
            payload.pre_stop = pre_stop.map(hook);
            payload.checkpoint = checkpoint.map(hook);
        });
    }

    /// Adds the hook for when EC2 takes the machine of another rank back, a line of shell, in a fleet of so many.
    pub(crate) fn peer_notice(&self, size: u32, line: &str) {
        self.payload_edit(|payload| {
            payload.size = size;
            payload.peer_notice = Some(hook((line, 20)));
        });
        // Else the agent waits for the launcher to say who the others are.
        let addresses: Vec<String> = (0..size).map(|rank| format!("172.31.0.{rank}")).collect();
        self.batch(0, &addresses.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// What the launcher records of instances with these addresses, of which the first has this rank.
    pub(crate) fn batch(&self, base: u32, addresses: &[&str]) {
        let instance = |(index, address): (usize, &&str)| Launched {
            instance_id: InstanceId(format!("i-{address}")),
            launch_index: u32::try_from(index).unwrap(),
            private_ip: (*address).to_owned(),
            zone: "us-east-1a".to_owned(),
            instance_type: "c7i.large".to_owned(),
            market: MarketType::OnDemand,
        };
        let instances = addresses.iter().enumerate().map(instance).collect();
        let batch = Batch { schema: SCHEMA, base, asked: 4, instances, recorded_at: Timestamp::UNIX_EPOCH };
        self.cloud.put(&self.keys.batch(base), serde_json::to_vec(&batch).unwrap());
    }

    /// As [`World::payload`], for a fleet of one that runs a line of shell.
    pub(crate) fn shell(&self, line: &str) {
        self.payload(1, &["sh", "-c", line], &[], &[]);
    }

    /// Sets the environment of everything on this machine.
    pub(crate) fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let path = format!("{}:{}", self.path("bin").display(), self.path("tools").display());
        command
            .env_clear()
            .env("PATH", path)
            .env("CALLS", self.path("calls"))
            .env("AWS_ENDPOINT_URL", self.cloud.endpoint())
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", self.cloud.endpoint())
            .env("SYSTEMD_UNIT_PATH", self.path("units"))
            .env("STATE_DIRECTORY", self.path("var"))
            .env("HOST_PROC", self.path("kernel/proc"))
            .env("HOST_DEV", self.path("kernel/dev"))
            .env("http_proxy", "http://127.0.0.1:1")
            .env("HTTPS_PROXY", "http://127.0.0.1:1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
    }

    /// Starts the agent, which reads the lease and looks at the machine every second.
    pub(crate) fn start(&self) -> Child {
        self.start_with(&[])
    }

    /// As [`World::start`], with these options too.
    pub(crate) fn start_with(&self, options: &[&str]) -> Child {
        let config = self.state().join("config.json");
        std::fs::write(&config, serde_json::to_vec(&self.config).unwrap()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_spored"));
        command.arg("run").arg("--config").arg(config).args(["--lease-interval", "1", "--look-interval", "1"]).args(options);
        self.environment(&mut command).spawn().unwrap()
    }

    /// Runs the agent to its end and gives what it said.
    pub(crate) fn run(&self) -> String {
        finish(self.start())
    }

    /// What the commands of the machine's init were called with, in order.
    pub(crate) fn calls(&self) -> Vec<String> {
        std::fs::read_to_string(self.path("calls")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// Whether the machine was powered off.
    pub(crate) fn is_off(&self) -> bool {
        self.calls().iter().any(|call| call == "systemctl poweroff" || call == "shutdown -P now")
    }

    pub(crate) fn completion(&self, rank: u32) -> Option<Completion> {
        Some(serde_json::from_slice(&self.cloud.get(&self.keys.completion(rank))?).unwrap())
    }

    pub(crate) fn result(&self, rank: u32, path: &str) -> Option<String> {
        Some(String::from_utf8_lossy(&self.cloud.get(&self.keys.result(rank, path))?).into_owned())
    }

    pub(crate) fn own_id(&self) -> InstanceId {
        InstanceId(cloud::INSTANCE.to_owned())
    }
}

/// A hook that runs a line of shell, for so many seconds.
fn hook((line, timeout): (&str, u64)) -> HookSpec {
    HookSpec { command: ["sh", "-c", line].map(str::to_owned).to_vec(), timeout: Seconds(timeout) }
}

/// Where a program of this machine is. What is called `python3` may be a script that chooses one of several.
fn tool(name: &str) -> PathBuf {
    if name == "python3" {
        let asked = Command::new(name).args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
        return PathBuf::from(String::from_utf8(asked.stdout).unwrap().trim());
    }
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|place| place.join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is missing"))
}

/// Waits for a process and gives what it said on standard error.
pub(crate) fn finish(child: Child) -> String {
    String::from_utf8_lossy(&output(child).stderr).into_owned()
}

/// Waits for a process.
pub(crate) fn output(child: Child) -> Output {
    let (sender, receiver) = std::sync::mpsc::channel();
    let id = child.id();
    std::thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
    receiver.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
        panic!("process {id} did not end within {PATIENCE:?}")
    })
}
