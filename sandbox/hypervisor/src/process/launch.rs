//! Starting a process so that it is marked and known before its first instruction.

use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use super::{Mark, Table};

/// Waits until the hypervisor has marked it, then becomes the program, in a session of its own. If the hypervisor is gone, so is it.
const GATE: &str = r#"read -r go || exit 1
command -v setsid >/dev/null && exec setsid "$@" </dev/null
exec "$@" </dev/null"#;

/// The same for a program on a terminal, whose path comes first: it is the session's, because the session's leader opens it first.
const TERMINAL_GATE: &str = r#"read -r go || exit 1
exec setsid /bin/sh -c 'exec "$@" 0<>"$0" 1>&0 2>&0' "$@""#;

/// What to start.
pub(crate) struct Launch<'a> {
    /// The program, as a path, and its arguments.
    pub(crate) argv: &'a [String],
    /// The whole environment.
    pub(crate) environment: &'a [(String, String)],
    /// The working directory.
    pub(crate) directory: &'a Path,
    /// Where its output goes.
    pub(crate) stdout: Stdio,
    /// Where its errors go.
    pub(crate) stderr: Stdio,
    /// The terminal it runs on instead, if it runs on one.
    pub(crate) terminal: Option<&'a str>,
    /// Whose it is.
    pub(crate) mark: Mark,
}

/// A process that has been started.
pub(crate) struct Launched {
    child: Child,
    table: Arc<Table>,
    /// Its process id.
    pub(crate) pid: i32,
}

impl Launch<'_> {
    /// Starts it. Only what prevents the start itself is an error; a program that cannot be executed ends with 126 or 127.
    pub(crate) async fn start(self, table: &Arc<Table>) -> io::Result<Launched> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", if self.terminal.is_some() { TERMINAL_GATE } else { GATE }, "sh"]).args(self.terminal).args(self.argv);
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.directory).stdin(Stdio::piped()).stdout(self.stdout).stderr(self.stderr);
        let (mut child, pid) = {
            let mut awaited = table.awaited();
            let child = command.spawn()?;
            let pid = child.id().ok_or_else(|| io::Error::other("the process ended before it started"))?.cast_signed();
            awaited.insert(pid);
            (child, pid)
        };
        self.mark.put(pid);
        let mut gate = child.stdin.take().ok_or_else(|| io::Error::other("the process has no gate"))?;
        let launched = Launched { child, table: Arc::clone(table), pid };
        // A process killed at the gate is one that ended early, not one that could not be started.
        if let Err(error) = gate.write_all(b"go\n").await {
            tracing::debug!(%error, pid, "gate closed early");
        }
        Ok(launched)
    }
}

impl Launched {
    /// Whether its end has been waited for.
    pub(crate) fn has_ended(&self) -> bool {
        self.child.id().is_none()
    }

    /// Waits for its end.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        self.table.awaited().remove(&self.pid);
    }
}
