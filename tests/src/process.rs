//! Programs that are run: bounded in time, and ended with the test at the latest.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// No program of a test takes so long: one that does hangs. A guard, not a measure.
const HANGS_AFTER: Duration = Duration::from_secs(120);

/// How a program ended, and what it printed.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Ran {
    /// Both outputs, errors last.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Its standard output as JSON.
    ///
    /// # Panics
    /// If it is not.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The same, if it ended with this code.
    ///
    /// # Panics
    /// If it did not, with what it printed.
    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.text());
        self
    }

    /// The same, if it ended with 0.
    ///
    /// # Panics
    /// If it did not, with what it printed.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        self.ended(0)
    }
}

/// A program that runs, in a process group of its own. Dropping it kills the group.
pub struct Running {
    runtime: Handle,
    child: Child,
    group: Pid,
    stdout: JoinHandle<Vec<u8>>,
    stderr: JoinHandle<Vec<u8>>,
}

impl Running {
    /// Starts a program.
    ///
    /// # Panics
    /// If it cannot be started.
    #[track_caller]
    pub fn start(runtime: &Handle, mut command: Command) -> Self {
        let _entered = runtime.enter();
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed())).expect("a child that was not waited for has an id");
        let stdout = runtime.spawn(read(child.stdout.take().expect("it was asked for")));
        let stderr = runtime.spawn(read(child.stderr.take().expect("it was asked for")));
        Self { runtime: runtime.clone(), child, group, stdout, stderr }
    }

    /// Its process id, which is its group's too.
    pub fn id(&self) -> Pid {
        self.group
    }

    /// Sends a signal to it and everything it started, as Ctrl-C in a terminal does.
    ///
    /// # Panics
    /// If the group is gone.
    pub fn signal_group(&self, signal: Signal) {
        kill_process_group(self.group, signal).expect("the group is there");
    }

    /// Whether it has ended.
    ///
    /// # Panics
    /// If the kernel does not tell.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked for").is_some()
    }

    /// Waits for its end and everything it printed.
    ///
    /// # Panics
    /// If it hangs.
    #[track_caller]
    pub fn wait(mut self) -> Ran {
        let ended = async {
            let status = self.child.wait().await?;
            // A process that it left behind may hold its output open; that one is killed when this is dropped.
            let late = |text: Result<Vec<u8>, tokio::task::JoinError>| text.unwrap_or_default();
            let (stdout, stderr) = tokio::join!(&mut self.stdout, &mut self.stderr);
            Ok::<_, std::io::Error>((status, late(stdout), late(stderr)))
        };
        let guarded = self.runtime.block_on(async { tokio::time::timeout(HANGS_AFTER, ended).await });
        let (status, stdout, stderr) = guarded.expect("the program hangs").expect("a child can be waited for");
        ran(status, &stdout, &stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It fails when the whole group is gone, which is what is wanted.
        let _ = kill_process_group(self.group, Signal::KILL);
    }
}

async fn read(mut from: impl tokio::io::AsyncRead + Unpin) -> Vec<u8> {
    let mut text = Vec::new();
    // What was read before an error is what there is.
    let _ = from.read_to_end(&mut text).await;
    text
}

fn ran(status: ExitStatus, stdout: &[u8], stderr: &[u8]) -> Ran {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// The living processes whose command line begins with a program of this name and that descend from `ancestor`.
///
/// # Panics
/// If `/proc` cannot be read.
pub fn descendants(ancestor: Pid, program: &str) -> Vec<Pid> {
    let entries = std::fs::read_dir("/proc").expect("/proc is there");
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    ids.filter(|id| command_of(*id).is_some_and(|name| name.contains(program)))
        .filter(|id| std::iter::successors(Some(*id), |id| parent_of(*id)).any(|id| id == ancestor.as_raw_nonzero().get()))
        .filter_map(Pid::from_raw)
        .collect()
}

fn command_of(id: i32) -> Option<String> {
    let line = std::fs::read(format!("/proc/{id}/cmdline")).ok()?;
    let first = line.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(first).rsplit('/').next()?.to_owned())
}

/// Field 4 of `/proc/<pid>/stat`, counted after the command's closing parenthesis.
fn parent_of(id: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}
