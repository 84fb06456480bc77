//! What is done in a machine from outside, as its management agent does it: commands, and programs on terminals.
//!
//! All of it belongs to the machine: the machine's end is its end.

use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::net::unix::pipe;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::guest::Guest;
use crate::hypervisor::Hypervisor;
use crate::init::{Boot, Init};
use crate::process::{Launch, Launched, Mark, Owner, send};
use crate::terminal::{Pair, Terminal};

/// What to run in a machine.
#[derive(Clone, Debug, Default)]
pub struct Errand {
    /// The program, as the machine finds it, and its arguments.
    pub argv: Vec<String>,
    /// What it finds in its environment beside what every process of the machine finds there.
    pub environment: Vec<(String, String)>,
    /// Where it starts, if not where user data does.
    pub directory: Option<PathBuf>,
    /// As whom it runs; made if the machine does not know it. As root, if none.
    pub user: Option<String>,
}

/// A command that runs in a machine. It goes on if this is dropped, until the machine ends.
pub struct Execution {
    process: Process,
    output: Option<pipe::Receiver>,
    errors: Option<pipe::Receiver>,
}

/// The first process of an errand, which leads a session of its own.
pub(crate) struct Process {
    launched: Launched,
    power: CancellationToken,
}

/// Where a program speaks to.
enum Streams<'a> {
    Pipes { output: Stdio, errors: Stdio },
    Terminal(&'a str),
}

impl Hypervisor {
    /// Runs a program in a machine, without input.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotConnected`] if the machine does not run; else if the program is not found or cannot be started.
    pub async fn execute(&self, id: &str, errand: Errand) -> io::Result<Execution> {
        let ((output, output_writer), (errors, errors_writer)) = (io::pipe()?, io::pipe()?);
        let streams = Streams::Pipes { output: output_writer.into(), errors: errors_writer.into() };
        let process = self.running(id)?.start(&errand, streams).await?;
        let receiver = |reader: io::PipeReader| pipe::Receiver::from_owned_fd(reader.into());
        Ok(Execution { process, output: Some(receiver(output)?), errors: Some(receiver(errors)?) })
    }

    /// Runs a program in a machine on a terminal of its own, which is as small as can be until it is given a size.
    ///
    /// # Errors
    /// As [`Hypervisor::execute`].
    pub async fn open_terminal(&self, id: &str, errand: Errand) -> io::Result<Terminal> {
        let guest = self.running(id)?;
        let pair = Pair::open()?;
        let process = guest.start(&errand, Streams::Terminal(&pair.path)).await?;
        Terminal::new(pair, process)
    }

    /// The directory of a machine that is known: what is written there, its programs can read.
    #[must_use]
    pub fn directory(&self, id: &str) -> Option<PathBuf> {
        self.guest(id).map(|guest| guest.layout.root().to_owned())
    }

    fn running(&self, id: &str) -> io::Result<Arc<Guest>> {
        self.guest(id).filter(|guest| guest.is_running()).ok_or_else(not_running)
    }
}

impl Guest {
    async fn start(self: &Arc<Self>, errand: &Errand, streams: Streams<'_>) -> io::Result<Process> {
        // While the power changes nothing is started: it would miss being ended.
        let _switch = self.switch.lock().await;
        let boot = self.running_boot().ok_or_else(not_running)?;
        let (name, arguments) = errand.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let program = self.find_program(name).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{name}: not found")))?;
        let argv: Vec<String> = std::iter::once(program).chain(arguments.iter().cloned()).collect();
        let (mark, mut environment) = match errand.user.as_deref() {
            None => (self.mark, self.environment(None)),
            Some(user) => self.as_user(&boot, user)?,
        };
        environment.extend(errand.environment.iter().cloned());
        let directory = errand.directory.as_deref().unwrap_or_else(|| self.layout.root());
        let (stdout, stderr, terminal) = match streams {
            Streams::Pipes { output, errors } => (output, errors, None),
            Streams::Terminal(path) => (Stdio::null(), Stdio::null(), Some(path)),
        };
        let launch = Launch { argv: &argv, environment: &environment, directory, stdout, stderr, terminal, mark };
        Ok(Process { launched: launch.start(&self.host.table).await?, power: boot.stop.clone() })
    }

    /// The mark and the environment of what runs as a user: a unit of its own, as a login's scope is.
    fn as_user(self: &Arc<Self>, boot: &Arc<Boot>, user: &str) -> io::Result<(Mark, Vec<(String, String)>)> {
        Init::new(Arc::clone(self), Arc::clone(boot)).need_user(user)?;
        let home = self.layout.home().join(user);
        std::fs::create_dir_all(&home)?;
        let unit = format!("session-{}.scope", Uuid::new_v4().simple());
        let mut environment = self.environment(Some(&unit));
        environment.retain(|(name, _)| name != "HOME");
        environment.push(("HOME".to_owned(), home.display().to_string()));
        environment.extend(["USER", "LOGNAME"].map(|name| (name.to_owned(), user.to_owned())));
        let owner = Owner { machine: Arc::clone(&self.id), unit: Some(unit.into()), user: Some(user.into()), metadata_denied: false };
        Ok((self.host.table.register(owner), environment))
    }
}

impl Execution {
    /// What it writes to standard output; given out once. It ends with the last process that can still write to it.
    pub fn take_output(&mut self) -> Option<pipe::Receiver> {
        self.output.take()
    }

    /// What it writes to standard error; given out once.
    pub fn take_errors(&mut self) -> Option<pipe::Receiver> {
        self.errors.take()
    }

    /// Waits for the end of its first process. May be cancelled and asked again.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.process.ended().await
    }

    /// Whether the machine has lost its power, or is losing it.
    #[must_use]
    pub fn is_machine_off(&self) -> bool {
        self.process.is_machine_off()
    }

    /// Sends a signal to its process group.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }
}

impl Process {
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.launched.wait().await
    }

    pub(crate) fn is_machine_off(&self) -> bool {
        self.power.is_cancelled()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let Some(group) = Pid::from_raw(self.launched.pid) else { return };
        if let Err(error) = kill_process_group(group, signal) {
            tracing::debug!(%error, pid = self.launched.pid, "process group not reached");
            // It leads no group yet. Once it has ended, its number may be another's.
            if !self.launched.has_ended() {
                send(self.launched.pid, signal);
            }
        }
    }
}

fn not_running() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the machine does not run")
}
