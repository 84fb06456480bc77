//! A sandbox for a test, and a client in another process.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod channel;

use std::path::Path;

use spawn_sandbox::{Options, Sandbox};
use tempfile::TempDir;
use tokio::process::Command;

/// A sandbox in a directory of its own.
pub(crate) struct Fixture {
    /// The sandbox.
    pub(crate) sandbox: Sandbox,
    /// Goes away with the fixture.
    pub(crate) dir: TempDir,
}

impl Fixture {
    /// Starts a sandbox with options of one's own.
    pub(crate) async fn start(change: impl FnOnce(&mut Options)) -> Self {
        let dir = TempDir::new().expect("a directory can be made");
        let mut options = Options { dir: dir.path().join("sandbox"), ..Options::default() };
        change(&mut options);
        Self { sandbox: Sandbox::start(options).await.expect("the sandbox starts"), dir }
    }

    /// Runs a script of `tests/clients`, and answers what it prints.
    pub(crate) async fn python(&self, script: &str) -> String {
        let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
        let mut command = Command::new("python3");
        command.arg(clients.join(script));
        self.output(command).await
    }

    /// Runs a few lines of Python after `from kit import *`.
    pub(crate) async fn lines(&self, lines: &str) -> String {
        let mut command = Command::new("python3");
        command.arg("-c").arg(format!("from kit import *\n{lines}"));
        self.output(command).await
    }

    async fn output(&self, mut command: Command) -> String {
        let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
        let output = command
            .env("PYTHONPATH", clients)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .envs(self.sandbox.environment())
            .env("SANDBOX_CONTROL_TOKEN", self.sandbox.credentials().control_token)
            .output()
            .await
            .expect("python3 runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }
}

/// Looks again and again, for a minute at most.
pub(crate) async fn wait_for(what: &str, check: impl Fn() -> bool) {
    for _ in 0..1_200 {
        if check() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{what}");
}
