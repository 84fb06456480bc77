//! The public face: machines by their id.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::{getpid, set_child_subreaper};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::guest::Guest;
use crate::machine::{Credentials, Machine, SpotNotice};
use crate::process::{Table, Watcher};
use crate::program::{Program, Running};
use crate::signals::uninherit_ignored;
use crate::view;

/// The program behind every command of a machine's init, without its first line.
const COMMAND: &str = include_str!("shims/command.py");

/// How long ended orphans may wait to be collected, so that many ends make one look at `/proc`.
const COLLECT_DELAY: Duration = Duration::from_millis(100);

/// Gives out a machine's role credentials; none while there are none yet.
pub type CredentialSource = Arc<dyn Fn(&Machine) -> Option<Credentials> + Send + Sync>;

/// What a machine did by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It powered itself off. Nothing of it runs any more.
    PoweredOff {
        /// The machine.
        id: String,
    },
    /// It rebooted itself, and is up again.
    Rebooted {
        /// The machine.
        id: String,
    },
    /// It is up, but its user data cannot be run, or it could not come up again.
    Panicked {
        /// The machine.
        id: String,
        /// Why.
        reason: String,
    },
}

/// How a machine's power is taken away from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// Its power button is pressed: every process is asked to end, and killed after [`Options::grace`].
    Graceful,
    /// Its host is gone: every process is killed at once.
    Pull,
}

/// What can be chosen about a hypervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long processes may take to end when a machine goes down in order.
    pub grace: Duration,
    /// Whether a forgotten machine's directory, with its console, is kept.
    pub keep_directories: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { grace: Duration::from_secs(2), keep_directories: true }
    }
}

/// What all machines share.
pub(crate) struct Host {
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) credentials: CredentialSource,
    pub(crate) events: UnboundedSender<Event>,
    pub(crate) table: Arc<Table>,
    pub(crate) command: PathBuf,
    pub(crate) options: Options,
    gaps: Mutex<BTreeSet<String>>,
}

impl Host {
    /// Tells whoever listens. Nobody listening is no reason to do anything else.
    pub(crate) fn tell(&self, event: Event) {
        self.events.send(event).ok();
    }

    /// Remembers something that was asked for and is not simulated.
    pub(crate) fn add_gap(&self, gap: String) {
        self.gaps.lock().unwrap_or_else(PoisonError::into_inner).insert(gap);
    }
}

struct Inner {
    directory: PathBuf,
    host: Arc<Host>,
    guests: Mutex<HashMap<String, Arc<Guest>>>,
    watcher: Mutex<Option<Watcher>>,
    ended: CancellationToken,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Without an orderly shutdown the watcher, whose pipe closes now, ends what still runs.
        self.ended.cancel();
    }
}

/// Boots machines and obeys their power-off. Cheap to clone; all clones are the same hypervisor.
///
/// It makes the process it lives in a child subreaper, and collects the orphans of its own machines, of no one else.
#[derive(Clone)]
pub struct Hypervisor {
    inner: Arc<Inner>,
}

impl Hypervisor {
    /// Makes a hypervisor whose machines live in `directory/<id>/`.
    ///
    /// `environment` is handed to every process of every machine. `credentials` is asked whenever a machine reads its role's credentials.
    /// What machines do by themselves is told through `events`.
    ///
    /// # Errors
    /// If the directory cannot be made, or Python 3 is not found.
    pub async fn new(
        directory: PathBuf,
        environment: Vec<(String, String)>,
        credentials: CredentialSource,
        events: UnboundedSender<Event>,
    ) -> io::Result<Self> {
        Self::with_options(directory, environment, credentials, events, Options::default()).await
    }

    /// Like [`Hypervisor::new`], with choices.
    ///
    /// # Errors
    /// As [`Hypervisor::new`].
    pub async fn with_options(
        directory: PathBuf,
        environment: Vec<(String, String)>,
        credentials: CredentialSource,
        events: UnboundedSender<Event>,
        options: Options,
    ) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let directory = directory.canonicalize()?;
        let python = find_python()?;
        let command = directory.join(".command");
        std::fs::write(&command, format!("#!{} -IS\n{COMMAND}", python.display()))?;
        std::fs::set_permissions(&command, std::fs::Permissions::from_mode(0o700))?;
        set_child_subreaper(Some(getpid()))?;
        let nonce = Uuid::new_v4().simple().to_string();
        let watcher = Watcher::start(&python, &nonce)?;
        let table = Arc::new(Table::new(nonce));
        let host = Arc::new(Host { environment, credentials, events, table, command, options, gaps: Mutex::default() });
        let ended = CancellationToken::new();
        uninherit_ignored()?;
        collect_orphans(Arc::clone(&host), ended.clone())?;
        let watcher = Mutex::new(Some(watcher));
        let inner = Arc::new(Inner { directory, host, guests: Mutex::default(), watcher, ended });
        keep_views(&inner);
        Ok(Self { inner })
    }

    /// Boots a machine. The first boot of an id runs its user data; later ones bring up what is enabled.
    ///
    /// Returns when the machine runs, not when its user data is done.
    ///
    /// # Errors
    /// If it already runs, its id is not fit for a directory, or the host refuses a process or a port. User data that cannot be run is no
    /// error but an [`Event::Panicked`]: the machine is up.
    pub async fn boot(&self, machine: Machine) -> io::Result<()> {
        let known = self.guests().get(&machine.id).cloned();
        let guest = match known {
            Some(guest) => guest,
            None => self.add(&machine).await?,
        };
        guest.update(machine);
        guest.power_on().await
    }

    async fn add(&self, machine: &Machine) -> io::Result<Arc<Guest>> {
        let fit = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if machine.id.is_empty() || !machine.id.chars().all(fit) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("not a machine id: {:?}", machine.id)));
        }
        let guest = Guest::new(Arc::clone(&self.inner.host), self.inner.directory.join(&machine.id), machine.clone()).await?;
        Ok(Arc::clone(self.guests().entry(machine.id.clone()).or_insert(guest)))
    }

    /// Replaces what a machine is told about itself: its tags, its profile, its metadata options. Without effect if it is not known.
    pub fn update(&self, machine: Machine) {
        if let Some(guest) = self.guest(&machine.id) {
            guest.update(machine);
        }
    }

    /// Takes a machine's power away and returns when nothing of it runs any more. No event tells of it: the caller knows.
    pub async fn halt(&self, id: &str, how: Halt) {
        if let Some(guest) = self.guest(id) {
            guest.halt(how).await;
        }
    }

    /// Takes a machine's power away and keeps what is in its memory: the next [`Hypervisor::boot`] lets what ran go on.
    ///
    /// # Errors
    /// If something of it cannot be stood still; then it runs on.
    pub async fn hibernate(&self, id: &str) -> io::Result<()> {
        match self.guest(id) {
            Some(guest) => guest.hibernate().await,
            None => Ok(()),
        }
    }

    /// Forgets a machine that is never to run again: its processes and its metadata service end. Its console is kept for as long as its
    /// directory is.
    pub async fn forget(&self, id: &str) {
        let Some(guest) = self.guests().remove(id) else { return };
        guest.halt(Halt::Pull).await;
        guest.close();
        if !self.inner.host.options.keep_directories
            && let Err(error) = tokio::fs::remove_dir_all(self.inner.directory.join(id)).await
        {
            tracing::warn!(%error, id, "machine directory not removed");
        }
    }

    /// Runs a program beside the machines.
    ///
    /// # Errors
    /// If its id is not fit or the host refuses a process. A program that cannot be executed ends with 126 or 127.
    pub async fn run(&self, program: Program) -> io::Result<Running> {
        program.start(&self.inner.host).await
    }

    /// Whether a machine is running.
    #[must_use]
    pub fn is_running(&self, id: &str) -> bool {
        self.guest(id).is_some_and(|guest| guest.is_running())
    }

    /// The console of a machine, forgotten ones included, if it ever booted and its directory is kept.
    #[must_use]
    pub fn console(&self, id: &str) -> Option<PathBuf> {
        let path = self.inner.directory.join(id).join("console.log");
        (!id.contains(['/', '.']) && path.exists()).then_some(path)
    }

    /// Gives a machine notice that it will be reclaimed. It finds it in its metadata.
    pub async fn spot_notice(&self, id: &str, notice: SpotNotice) {
        if let Some(guest) = self.guest(id) {
            guest.notices().spot = Some(notice);
        }
    }

    /// Tells a machine that it is at an elevated risk of being reclaimed, as of `time`.
    pub async fn rebalance(&self, id: &str, time: Timestamp) {
        if let Some(guest) = self.guest(id) {
            guest.notices().rebalance = Some(time);
        }
    }

    /// Everything machines asked for that is not simulated, sorted, each once.
    #[must_use]
    pub fn gaps(&self) -> Vec<String> {
        self.inner.host.gaps.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Ends every machine and program at once, and everything the hypervisor itself started. Nothing is left running.
    pub async fn shutdown(&self) {
        let guests: Vec<_> = self.guests().drain().map(|(_, guest)| guest).collect();
        let mut ending = JoinSet::new();
        for guest in guests {
            ending.spawn(async move {
                guest.halt(Halt::Pull).await;
                guest.close();
            });
        }
        ending.join_all().await;
        if let Err(error) = self.inner.host.table.kill(|_| true).await {
            tracing::error!(%error, "programs not ended completely");
        }
        self.inner.ended.cancel();
        let watcher = self.inner.watcher.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(watcher) = watcher
            && let Err(error) = watcher.end().await
        {
            tracing::warn!(%error, "watcher did not end in order");
        }
    }

    pub(crate) fn guest(&self, id: &str) -> Option<Arc<Guest>> {
        self.guests().get(id).cloned()
    }

    fn guests(&self) -> MutexGuard<'_, HashMap<String, Arc<Guest>>> {
        self.inner.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Collects orphans that became children of this process, whenever a child ends.
fn collect_orphans(host: Arc<Host>, ended: CancellationToken) -> io::Result<()> {
    let mut children = signal(SignalKind::child())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = ended.cancelled() => break,
                _ = children.recv() => tokio::time::sleep(COLLECT_DELAY).await,
            }
            host.table.collect().await;
        }
    });
    Ok(())
}

/// Keeps what machines see of themselves up to date, for as long as there is a hypervisor.
fn keep_views(inner: &Arc<Inner>) {
    let (inner, ended) = (Arc::downgrade(inner), inner.ended.clone());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = ended.cancelled() => break,
                () = tokio::time::sleep(view::REFRESH) => {}
            }
            let Some(inner) = inner.upgrade() else { break };
            let guests: Vec<_> = inner.guests.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
            let table = Arc::clone(&inner.host.table);
            // A panic in there would have been reported by the runtime.
            tokio::task::spawn_blocking(move || view::refresh(&table, &guests)).await.ok();
        }
    });
}

fn find_python() -> io::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&path).map(|directory| directory.join("python3"));
    let usable = |path: &PathBuf| path.is_absolute() && is_executable(path);
    candidates.find(usable).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "python3 is not in PATH; the machines' init needs it"))
}

/// Whether a path is a file that may be executed by someone.
pub(crate) fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
