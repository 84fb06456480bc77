//! Machines for tests: a hypervisor in a temporary directory, and a pipe through which what runs in a machine can say something.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use sandbox_hypervisor::{Credentials, Event, Hypervisor, Machine, Options, Profile};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

/// Only a guard against waiting for ever; nothing here takes this long.
const GUARD: Duration = Duration::from_secs(60);

/// A hypervisor and what its machines say.
pub(crate) struct Bench {
    pub(crate) hypervisor: Hypervisor,
    pub(crate) credentials: Arc<Mutex<Option<Credentials>>>,
    directory: TempDir,
    events: UnboundedReceiver<Event>,
    said: BufReader<pipe::Receiver>,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("said");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        // Open for writing as well, so that it does not end with the first process that has said something.
        let said = pipe::OpenOptions::new().read_write(true).open_receiver(&path).unwrap();
        let credentials: Arc<Mutex<Option<Credentials>>> = Arc::default();
        let source = Arc::clone(&credentials);
        let (sender, events) = unbounded_channel();
        let environment = vec![("SAY".to_owned(), path.display().to_string()), ("AWS_REGION".to_owned(), "us-east-1".to_owned())];
        let options = Options { grace: Duration::from_millis(500), ..Options::default() };
        let machines = directory.path().join("machines");
        let hypervisor =
            Hypervisor::with_options(machines, environment, Arc::new(move |_| source.lock().unwrap().clone()), sender, options);
        Self { hypervisor: hypervisor.await.unwrap(), credentials, directory, events, said: BufReader::new(said) }
    }

    /// Boots a machine with a shell script as its user data.
    pub(crate) async fn boot(&self, id: &str, script: &str) {
        self.hypervisor.boot(machine(id, &format!("#!/bin/sh\n{script}\n"))).await.unwrap();
    }

    /// Boots a machine again.
    pub(crate) async fn boot_again(&self, id: &str) {
        self.hypervisor.boot(machine(id, "#!/bin/sh\necho 'user data ran again' > \"$SAY\"")).await.unwrap();
    }

    /// The next line that was said.
    pub(crate) async fn said(&mut self) -> String {
        let mut line = String::new();
        timeout(GUARD, self.said.read_line(&mut line)).await.unwrap_or_else(|_| panic!("nothing said; {}", self.consoles())).unwrap();
        line.trim_end().to_owned()
    }

    /// The next event.
    pub(crate) async fn event(&mut self) -> Event {
        timeout(GUARD, self.events.recv()).await.unwrap_or_else(|_| panic!("no event; {}", self.consoles())).unwrap()
    }

    /// No event has come that nobody asked for.
    pub(crate) fn no_event(&mut self) {
        assert_eq!(self.events.try_recv().ok(), None);
    }

    pub(crate) fn root(&self, id: &str) -> PathBuf {
        self.directory.path().join("machines").join(id)
    }

    pub(crate) fn read(&self, id: &str, path: &str) -> String {
        std::fs::read_to_string(self.root(id).join(path)).unwrap_or_else(|error| panic!("{path}: {error}; {}", self.consoles()))
    }

    fn consoles(&self) -> String {
        let machines = std::fs::read_dir(self.directory.path().join("machines")).unwrap();
        let console = |entry: std::fs::DirEntry| std::fs::read_to_string(entry.path().join("console.log")).ok();
        machines.filter_map(|entry| console(entry.unwrap())).collect::<Vec<_>>().join("\n---\n")
    }
}

/// A machine with something in every field.
pub(crate) fn machine(id: &str, user_data: &str) -> Machine {
    Machine {
        id: id.to_owned(),
        region: "us-east-1".to_owned(),
        zone: "us-east-1a".to_owned(),
        zone_id: Some("use1-az1".to_owned()),
        instance_type: "c7i.large".to_owned(),
        architecture: "x86_64".to_owned(),
        image_id: "ami-0123456789abcdef0".to_owned(),
        account_id: "123456789012".to_owned(),
        user_data: user_data.as_bytes().to_vec(),
        launch_index: 7,
        private_ip: "172.31.0.7".to_owned(),
        private_dns: "ip-172-31-0-7.ec2.internal".to_owned(),
        mac: "02:00:00:00:00:07".to_owned(),
        reservation_id: "r-0123456789abcdef0".to_owned(),
        profile: Some(Profile {
            arn: "arn:aws:iam::123456789012:instance-profile/worker".to_owned(),
            id: "AIPAEXAMPLE".to_owned(),
            name: "worker".to_owned(),
            role: Some("worker-role".to_owned()),
        }),
        ..Machine::default()
    }
}

/// Processes of the host that carry a machine's marker in their environment.
pub(crate) fn marked(id: &str) -> Vec<i32> {
    let marker = format!("SANDBOX_MACHINE={id}:");
    let pids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let carries = |pid: &i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|entry| entry.starts_with(marker.as_bytes()))
    };
    pids.filter(carries).collect()
}

/// Whether a process is there and has not ended.
pub(crate) fn lives(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    status.rsplit(')').next().and_then(|rest| rest.split_whitespace().next()).is_some_and(|state| state != "Z")
}
