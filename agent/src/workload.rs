//! Starting and stopping what the user runs: as its own user, in a unit of its own where the machine has systemd.

use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use spawn_model::record::Exit;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::config::State;
use crate::exec::{Cause, Ended, Job, STARTED};
use crate::{payload, power};

/// The workload's user.
pub(crate) const USER: &str = "spawn";
/// The fleet's command, among what is run; see [`unit`].
pub(crate) const WORKLOAD: &str = "workload";
/// The command of a queue's job, among what is run.
pub(crate) const JOB: &str = "job";
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

/// The unit of something that is run, such as `spawn-workload`.
fn unit(name: &str) -> String {
    format!("spawn-{name}")
}

/// A workload that was started.
pub(crate) struct Workload {
    child: Child,
    report: PathBuf,
    /// Its unit of systemd, if it has one.
    unit: Option<String>,
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
    /// Starts a job under a name. It prints to `output`, errors and all, in order.
    pub(crate) fn start(
        state: &State,
        name: &str,
        job: &Job,
        account: Option<&Account>,
        in_unit: bool,
        output: io::PipeWriter,
    ) -> io::Result<Self> {
        let (job_path, report) = (state.path(&format!("{name}.job.json")), report_path(state, name));
        write_for(&job_path, &serde_json::to_vec(job)?, account)?;
        write_for(&report, b"", account)?;
        let agent = std::env::current_exe()?;
        let tail = [agent.as_os_str(), "exec".as_ref(), "--job".as_ref(), job_path.as_os_str(), "--report".as_ref(), report.as_os_str()];
        let unit = in_unit.then(|| unit(name));
        let mut command = match &unit {
            Some(unit) => unit_command(unit, job),
            None => direct_command(&agent, account),
        };
        command.args(if in_unit { &tail[..] } else { &tail[1..] });
        if let Some(account) = account {
            // A program that opens /dev/stdout by name needs the right to.
            std::os::unix::fs::fchown(&output, Some(account.user), Some(account.group))?;
        }
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).kill_on_drop(false);
        // The command, which holds the pipe's other end, goes at the end of this: otherwise the pipe would never be seen to close.
        Ok(Self { child: command.spawn()?, report, unit })
    }

    /// Waits until it has ended. An error if it was never run, so that it may be run in another way.
    pub(crate) async fn ended(&mut self) -> Result<Exit, String> {
        self.ended_by().await.map(|ended| ended.exit)
    }

    /// The same, with why it ended.
    pub(crate) async fn ended_by(&mut self) -> Result<Ended, String> {
        let status = self.child.wait().await;
        let report = std::fs::read(&self.report).unwrap_or_default();
        let last = report.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        if let Ok(ended) = serde_json::from_slice(last) {
            return Ok(ended);
        }
        let unasked = |exit| Ok(Ended { exit, cause: Cause::Itself });
        match status {
            Ok(status) if self.unit.is_none() => unasked(unreported(status)),
            // It was begun, so it must not be run a second time; only a kill leaves no report.
            Ok(_) if report.starts_with(STARTED.as_bytes()) => unasked(Exit::Signal { signal: Signal::KILL.as_raw() }),
            Ok(status) => Err(format!("systemd-run ended with {status} and no report of the workload")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Asks it to end, and sees to it that it does.
    pub(crate) async fn stop(&mut self) {
        let asked = match &self.unit {
            Some(unit) => stop_unit(unit).await,
            None => false,
        };
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

/// Whether something was ever started under a name.
pub(crate) fn was_started(state: &State, name: &str) -> bool {
    report_path(state, name).exists()
}

/// Removes the unit of an earlier attempt, whose agent died.
pub(crate) async fn clear(name: &str) {
    stop_unit(&unit(name)).await;
}

async fn stop_unit(unit: &str) -> bool {
    power::run(&["systemctl", "stop", &format!("{unit}.service")]).await
}

/// Which process something is that was started under a name, as long as it is not known to have ended.
pub(crate) fn pid(state: &State, name: &str) -> Option<u32> {
    let report = std::fs::read_to_string(report_path(state, name)).ok()?;
    let mut lines = report.strip_prefix(STARTED)?.lines();
    let process = lines.next()?.trim().parse().ok()?;
    // How it ended is on the next line.
    lines.next().is_none().then_some(process)
}

fn report_path(state: &State, name: &str) -> PathBuf {
    state.path(&format!("{name}.report.json"))
}

/// Whether this machine has units.
pub(crate) fn has_units() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    ["systemctl", "systemd-run"].iter().all(|name| std::env::split_paths(&path).any(|directory| directory.join(name).exists()))
}

/// Ends what was started under a name and still runs, in a unit or without.
pub(crate) async fn end(state: &State, name: &str) {
    // The report is the workload's own: the groups 0 and 1 would be this one and everybody.
    let group = pid(state, name).filter(|id| *id > 1).and_then(|id| Pid::from_raw(id.cast_signed()));
    let Some(group) = group else { return };
    if !(has_units() && stop_unit(&unit(name)).await) {
        // What runs has a process group of its own; it fails when nobody is left.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Keeps what runs without a unit from the metadata service, unless it may use the credentials there.
pub(crate) async fn keep_from_credentials(account: Option<&Account>, uses_aws: bool) {
    if let (Some(account), false) = (account, uses_aws) {
        deny_metadata(account).await;
    }
}

/// Keeps the workload's user from the metadata service where no unit can: by a routing rule, because not every image has a packet filter.
async fn deny_metadata(account: &Account) {
    let range = format!("{0}-{0}", account.user);
    if !power::run(&["ip", "rule", "add", "to", "169.254.169.254/32", "uidrange", &range, "prohibit"]).await {
        eprintln!("spored: the workload can reach the metadata service");
    }
}

fn unit_command(unit: &str, job: &Job) -> Command {
    let mut command = Command::new("systemd-run");
    command.args(["--pipe", "--wait", "--collect", "--quiet"]);
    command.arg(format!("--unit={unit}")).arg(format!("--uid={USER}"));
    if !job.uses_aws {
        command.args(["-p", &format!("IPAddressDeny={METADATA_ADDRESSES}")]);
    }
    // The end is told to `spored exec` alone, which passes it on; what is left after it is killed.
    command.args(["-p", "KillMode=mixed", "-p", &format!("TimeoutStopSec={}", (job.grace + KILL_WITHIN).as_secs())]);
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
