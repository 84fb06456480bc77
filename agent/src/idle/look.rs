//! One look at the machine.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use spawn_model::idle::IdleSpec;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::counters::Counters;
use super::cpu::{self, Cpu};
use super::processes::{self, Process};
use super::terminals::{self, Terminals};
use super::{disk, gpu, network, ports};

/// From this percentage on no GPU can be busy, and none is looked at.
const GPUS_LEFT_OUT: u32 = 100;
/// Files of the kernel's are read at once, unless something is wrong with it.
const WITHIN: Duration = Duration::from_secs(5);

/// What was found, or why it could not be.
pub(super) type Seen<T> = Result<T, String>;

/// When something was looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// By the machine's clock, which may be set meanwhile: for people.
    pub(super) wall: Timestamp,
    /// Since boot, with the time in which the machine was asleep: nobody can set it.
    pub(super) steady: Duration,
}

impl Moment {
    fn now() -> Self {
        let time = clock_gettime(ClockId::Boottime);
        let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
        Self { wall: Timestamp::now(), steady: Duration::new(time.tv_sec.try_into().unwrap_or_default(), nanoseconds) }
    }
}

/// What one look found.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) moment: Moment,
    pub(super) cpu: Seen<Cpu>,
    pub(super) network: Seen<Counters>,
    pub(super) disk: Seen<Counters>,
    /// Percent of the busiest one; nothing if there is none, or none is to be looked at.
    pub(super) gpu: Seen<Option<u32>>,
    pub(super) terminals: Seen<Terminals>,
    /// Of the processes that the rule names, those that run.
    pub(super) processes: Seen<BTreeSet<String>>,
    /// The ports to which somebody is connected; empty if the rule names none.
    pub(super) ports: Seen<BTreeSet<u32>>,
}

/// Where the kernel tells about the machine. The environment may name other places, as it does for other programs that look at a machine
/// from within something that has a view of its own.
#[derive(Clone, Debug)]
pub(super) struct Places {
    pub(super) proc: PathBuf,
    pub(super) devices: PathBuf,
}

impl Places {
    fn from_environment() -> Self {
        let place = |name: &str, usual: &str| std::env::var_os(name).filter(|path| !path.is_empty()).map_or(usual.into(), PathBuf::from);
        Self { proc: place("HOST_PROC", "/proc"), devices: place("HOST_DEV", "/dev") }
    }

    fn read(&self, name: &str) -> Seen<String> {
        let path = self.proc.join(name);
        let bytes = std::fs::read(&path).map_err(|error| told(&path, &error))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// What looks at a machine, by one rule.
pub(super) struct Eyes {
    rule: IdleSpec,
    places: Places,
    /// A look that has not come to its end.
    pending: Option<JoinHandle<Look>>,
}

impl Eyes {
    pub(super) fn open(rule: &IdleSpec) -> Self {
        Self { rule: rule.clone(), places: Places::from_environment(), pending: None }
    }

    /// Looks once. On another thread, because a file of the kernel's may never answer, and the end of the lease must not wait for it.
    pub(super) async fn look(&mut self) -> Look {
        let gpu = if self.rule.gpu_percent < GPUS_LEFT_OUT { gpu::look(&self.places.proc).await } else { Ok(None) };
        let (rule, places) = (self.rule.clone(), self.places.clone());
        let mut looking = self.pending.take().unwrap_or_else(|| tokio::task::spawn_blocking(move || at_once(&rule, &places)));
        let found = match timeout(WITHIN, &mut looking).await {
            Ok(Ok(look)) => look,
            Ok(Err(error)) => unseen(&error.to_string()),
            Err(_) => {
                self.pending = Some(looking);
                unseen("the kernel does not answer")
            }
        };
        Look { gpu, ..found }
    }
}

/// Reads all that is told by files.
pub(super) fn at_once(rule: &IdleSpec, places: &Places) -> Look {
    let running = running(places, !rule.processes.is_empty());
    let numbers = running.as_ref().map(|running| running.iter().map(|process| process.terminal).filter(|number| *number != 0).collect());
    Look {
        moment: Moment::now(),
        cpu: places.read("stat").and_then(|text| cpu::read(&text)),
        network: places.read("net/dev").and_then(|text| network::read(&text)),
        disk: places.read("diskstats").and_then(|text| disk::read(&text)),
        gpu: Ok(None),
        terminals: numbers.map_err(Clone::clone).and_then(|numbers| terminals::look(&numbers, &places.devices)),
        processes: running.map(|running| {
            let runs = |name: &&String| running.iter().any(|process| process.is_called(name));
            rule.processes.iter().filter(runs).cloned().collect()
        }),
        ports: if rule.ports.is_empty() { Ok(BTreeSet::new()) } else { connected(places) },
    }
}

/// That nothing could be seen.
fn unseen(reason: &str) -> Look {
    let reason = || reason.to_owned();
    Look {
        moment: Moment::now(),
        cpu: Err(reason()),
        network: Err(reason()),
        disk: Err(reason()),
        gpu: Err(reason()),
        terminals: Err(reason()),
        processes: Err(reason()),
        ports: Err(reason()),
    }
}

/// Every process; `by_program` if those are to be known by their programs, too.
fn running(places: &Places, by_program: bool) -> Seen<Vec<Process>> {
    let entries = std::fs::read_dir(&places.proc).map_err(|error| told(&places.proc, &error))?;
    let mut running = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| told(&places.proc, &error))?;
        let is_process = entry.file_name().to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        if !is_process {
            continue;
        }
        let Some(stat) = unless_gone(&entry.path().join("stat"))? else { continue };
        let cmdline = if by_program { unless_gone(&entry.path().join("cmdline"))? } else { None };
        running.extend(processes::read(&stat, &cmdline.unwrap_or_default())?);
    }
    Ok(running)
}

/// Reads a file of a process; nothing if that has ended meanwhile.
fn unless_gone(path: &Path) -> Seen<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => Ok(None),
        Err(error) => Err(told(path, &error)),
    }
}

fn connected(places: &Places) -> Seen<BTreeSet<u32>> {
    let mut found = ports::read(&places.read("net/tcp")?)?;
    let path = places.proc.join("net/tcp6");
    // A machine may do without IPv6.
    if let Some(text) = unless_gone(&path)? {
        found.extend(ports::read(&String::from_utf8_lossy(&text))?);
    }
    Ok(found)
}

fn told(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}
