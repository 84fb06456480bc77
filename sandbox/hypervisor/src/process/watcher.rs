//! The watcher: a small process that outlives a killed hypervisor just long enough to end its machines.

use std::io;
use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, Command};

const PROGRAM: &str = include_str!("../shims/watcher.py");

/// Watches over one hypervisor by holding the other end of a pipe. It cannot be asked for anything else.
#[derive(Debug)]
pub(crate) struct Watcher {
    child: Child,
}

impl Watcher {
    /// Starts a watcher that, once this process is gone, kills what has `nonce` in its `SANDBOX_MACHINE`, and what descends from it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) fn start(python: &Path, nonce: &str) -> io::Result<Self> {
        let child = Command::new(python)
            .args(["-I", "-S", "-c", PROGRAM, nonce])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // An interrupt from the terminal ends the hypervisor, and must leave its watcher.
            .process_group(0)
            .spawn()?;
        Ok(Self { child })
    }

    /// Lets the watcher look a last time, and waits until it is gone.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub(crate) async fn end(mut self) -> io::Result<()> {
        drop(self.child.stdin.take());
        self.child.wait().await.map(drop)
    }
}
