//! Starting and stopping the workload: as its own user, in a unit of its own where the machine has systemd.

use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use spawn_model::record::Exit;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::config::State;
use crate::exec::{Job, STARTED};
use crate::{payload, power};

/// The workload's user.
pub(crate) const USER: &str = "spawn";
/// The workload's unit.
const UNIT: &str = "spawn-workload";
/// How long the workload may take to end after it was asked to.
pub(crate) const GRACE: Duration = Duration::from_secs(10);
/// After the grace, killing and reporting take no longer than this.
const KILL_WITHIN: Duration = Duration::from_secs(3);
/// The metadata service, which holds the machine's credentials.
const METADATA_ADDRESSES: &str = "169.254.169.254/32 fd00:ec2::254/128";

/// The workload's user, once it exists.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) user: u32,
    pub(crate) group: u32,
    pub(crate) home: PathBuf,
}

/// A workload that was started.
pub(crate) struct Workload {
    child: Child,
    report: PathBuf,
    /// Whether it is a unit of systemd.
    unit: bool,
}

/// Makes the workload's user if it is missing. Nothing if there is none that the agent can become.
pub(crate) async fn account() -> Option<Account> {
    if let Some(account) = lookup() {
        return Some(account);
    }
    // Without root it fails, and the workload runs as the user the agent has.
    power::run(&["useradd", "--system", "--create-home", USER]).await;
    lookup()
}

fn lookup() -> Option<Account> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let fields: Vec<&str> = users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields.first() == Some(&USER))?;
    let number = |index: usize| fields.get(index)?.parse().ok();
    Some(Account { user: number(2)?, group: number(3)?, home: PathBuf::from(fields.get(5)?) })
}

impl Workload {
    /// Starts a job. Its output comes through the pipe, errors and all, in order.
    pub(crate) fn start(state: &State, job: &Job, account: Option<&Account>, unit: bool) -> io::Result<(Self, pipe::Receiver)> {
        let (job_path, report) = (state.path("job.json"), state.path("report.json"));
        write_for(&job_path, &serde_json::to_vec(job)?, account)?;
        write_for(&report, b"", account)?;
        let agent = std::env::current_exe()?;
        let tail = [agent.as_os_str(), "exec".as_ref(), "--job".as_ref(), job_path.as_os_str(), "--report".as_ref(), report.as_os_str()];
        let mut command = if unit { unit_command(job) } else { direct_command(&agent, account) };
        command.args(if unit { &tail[..] } else { &tail[1..] });
        let (reader, writer) = io::pipe()?;
        if let Some(account) = account {
            // A program that opens /dev/stdout by name needs the right to.
            std::os::unix::fs::fchown(&writer, Some(account.user), Some(account.group))?;
        }
        command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer).kill_on_drop(false);
        let child = command.spawn()?;
        // The command holds the pipe's other end; it would never be seen to close.
        drop(command);
        Ok((Self { child, report, unit }, pipe::Receiver::from_owned_fd(reader.into())?))
    }

    /// Waits until it has ended. An error if it was never run, so that it may be run in another way.
    pub(crate) async fn ended(&mut self) -> Result<Exit, String> {
        let status = self.child.wait().await;
        let report = std::fs::read(&self.report).unwrap_or_default();
        if let Ok(exit) = serde_json::from_slice(&report) {
            return Ok(exit);
        }
        match status {
            Ok(status) if !self.unit => Ok(unreported(status)),
            // It was begun, so it must not be run a second time; only a kill leaves no report.
            Ok(_) if report == STARTED => Ok(Exit::Signal { signal: Signal::KILL.as_raw() }),
            Ok(status) => Err(format!("systemd-run ended with {status} and no report of the workload")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Asks it to end, and sees to it that it does.
    pub(crate) async fn stop(&mut self) {
        let unit = format!("{UNIT}.service");
        let asked = self.unit && power::run(&["systemctl", "stop", &unit]).await;
        if !asked {
            self.signal(Signal::TERM);
        }
        if timeout(GRACE + KILL_WITHIN, self.child.wait()).await.is_err() {
            self.signal(Signal::KILL);
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            // It fails when the process is gone, which is what is wanted.
            let _ = kill_process(process, signal);
        }
    }
}

/// Removes the unit of an earlier attempt, whose agent died.
pub(crate) async fn clear() {
    power::run(&["systemctl", "stop", &format!("{UNIT}.service")]).await;
}

/// Whether this machine has units.
pub(crate) fn has_units() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    ["systemctl", "systemd-run"].iter().all(|name| std::env::split_paths(&path).any(|directory| directory.join(name).exists()))
}

/// Keeps the workload's user from the metadata service where no unit can: by a routing rule, because not every image has a packet filter.
pub(crate) async fn deny_metadata(account: &Account) {
    let range = format!("{0}-{0}", account.user);
    if !power::run(&["ip", "rule", "add", "to", "169.254.169.254/32", "uidrange", &range, "prohibit"]).await {
        eprintln!("spored: the workload can reach the metadata service");
    }
}

fn unit_command(job: &Job) -> Command {
    let mut command = Command::new("systemd-run");
    command.args(["--pipe", "--wait", "--collect", "--quiet"]);
    command.arg(format!("--unit={UNIT}")).arg(format!("--uid={USER}"));
    if !job.uses_aws {
        command.args(["-p", &format!("IPAddressDeny={METADATA_ADDRESSES}")]);
    }
    // The end is told to `spored exec` alone, which passes it on; what is left after it is killed.
    command.args(["-p", "KillMode=mixed", "-p", &format!("TimeoutStopSec={}", (GRACE + KILL_WITHIN).as_secs())]);
    command.args(["-p", &format!("WorkingDirectory={}", job.directory.display()), "--"]);
    command
}

fn direct_command(agent: &Path, account: Option<&Account>) -> Command {
    let mut command = Command::new(agent);
    command.process_group(0);
    if let Some(account) = account {
        command.gid(account.group).uid(account.user);
    }
    command
}

/// Writes a file that the workload's user can read and write, and others only where that user is not known.
fn write_for(path: &Path, content: &[u8], account: Option<&Account>) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    let unknown = account.is_none() && rustix::process::geteuid().is_root();
    file.set_permissions(std::fs::Permissions::from_mode(if unknown { 0o666 } else { 0o600 }))?;
    payload::give(path, account)
}

/// How a workload ended whose report is missing: the process that writes it was killed with it.
fn unreported(status: ExitStatus) -> Exit {
    match status.signal() {
        Some(signal) => Exit::Signal { signal },
        None => Exit::NotStarted { reason: format!("the process that runs it ended with {status} and no report") },
    }
}
