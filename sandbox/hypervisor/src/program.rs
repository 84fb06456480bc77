//! Programs beside the machines: each a process tree of its own, without an init, a console or a metadata service.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use tokio::net::unix::pipe;

use crate::guest::search_path;
use crate::hypervisor::Host;
use crate::metadata::is_admitted;
use crate::process::{Launch, Launched, Owner};

/// What to run.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name among machines and programs: letters, digits and dashes, never used before.
    pub id: String,
    /// The program, as a path, and its arguments.
    pub argv: Vec<String>,
    /// Its environment; `PATH` is the host's unless it is here, and nothing else of the host's comes in.
    pub environment: Vec<(String, String)>,
    /// Where it starts.
    pub directory: PathBuf,
}

/// A program that has been started. It goes on if this is dropped, until the hypervisor ends; [`Running::end`] ends it.
pub struct Running {
    launched: Launched,
    tree: Tree,
    output: Option<pipe::Receiver>,
}

/// The processes of a program, however far they have wandered.
#[derive(Clone)]
pub struct Tree {
    host: Arc<Host>,
    id: Arc<str>,
}

impl Program {
    pub(crate) async fn start(self, host: &Arc<Host>) -> io::Result<Running> {
        let fit = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if self.id.is_empty() || !self.id.chars().all(fit) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("not a program's id: {:?}", self.id)));
        }
        let id: Arc<str> = self.id.as_str().into();
        let mut environment = self.environment;
        if !environment.iter().any(|(name, _)| name == "PATH") {
            environment.push(("PATH".to_owned(), search_path(None)));
        }
        environment.push(("SANDBOX_MACHINE".to_owned(), host.table.machine_marker(&id)));
        // Both streams into one pipe: what is said first is read first.
        let (reader, writer) = io::pipe()?;
        let output = pipe::Receiver::from_owned_fd(reader.into())?;
        let (stdout, stderr) = (Stdio::from(writer.try_clone()?), Stdio::from(writer));
        let tree = Tree { host: Arc::clone(host), id: Arc::clone(&id) };
        let mark = host.table.register(Owner { machine: id, unit: None, user: None, metadata_denied: false });
        let launch =
            Launch { argv: &self.argv, environment: &environment, directory: &self.directory, stdout, stderr, terminal: None, mark };
        match launch.start(&host.table).await {
            Ok(launched) => Ok(Running { launched, tree, output: Some(output) }),
            Err(error) => {
                tree.forget();
                Err(error)
            }
        }
    }
}

impl Running {
    /// What it says, on either stream; it ends with the last process that can still say something. Given out once.
    pub fn take_output(&mut self) -> Option<pipe::Receiver> {
        self.output.take()
    }

    /// Its processes.
    #[must_use]
    pub fn tree(&self) -> Tree {
        self.tree.clone()
    }

    /// The most memory its first process has used, in bytes, if that process still runs.
    #[must_use]
    pub fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.launched.pid)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
    }

    /// Waits for the end of its first process. May be cancelled and asked again.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.launched.wait().await
    }

    /// Ends it at once, with everything it started.
    pub async fn end(mut self) {
        if let Err(error) = self.tree.host.table.kill(|owner| owner.machine == self.tree.id).await {
            tracing::error!(%error, id = &*self.tree.id, "program not ended completely");
        }
        // It has been killed; the status is nobody's concern any more, and without this it would stay a zombie.
        self.launched.wait().await.ok();
        self.tree.forget();
    }
}

impl Tree {
    /// Whether a loopback connection is held by one of its processes. What cannot be found out is a no.
    pub async fn holds(&self, peer: SocketAddr, local: SocketAddr) -> bool {
        let (table, id) = (Arc::clone(&self.host.table), Arc::clone(&self.id));
        tokio::task::spawn_blocking(move || is_admitted(&table, &id, peer, local)).await.unwrap_or(false)
    }

    fn forget(&self) {
        self.host.table.unregister(&self.id);
    }
}
