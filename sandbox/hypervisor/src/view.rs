//! A machine's own view of `/proc`.
//!
//! Machines share the host's kernel, and that tells about the host: who asks it what happens on a machine is told what happens on all of
//! them. So each machine has a `proc` in its directory, which `HOST_PROC` names in its environment, as it does for programs that look at a
//! host from within a container. What is in there is made of the machine's own processes alone:
//!
//! - `<pid>`: a link to each process of the machine;
//! - `stat`: the processor time that they used, shared out evenly among the host's processors, and as idle what is left of the time
//!   since the machine was switched on;
//! - `diskstats`: what they read from disks and wrote to them, as one disk's; how often is not known, and 0;
//! - `net/tcp`, `net/tcp6`: the sockets that they hold;
//! - `net/dev`: one interface whose counters stand still, because the machines' networks carry no packets.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::guest::Guest;
use crate::process::{Process, Table, Usage, sockets};

/// How old a view may be.
pub(crate) const REFRESH: Duration = Duration::from_secs(5);

/// The kernel's ticks in a second, on every architecture that matters here.
const TICKS: u64 = 100;
const SECTOR: u64 = 512;
const INTERFACES: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
  ens5:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
";

/// What the processes of a machine have used since it was switched on.
#[derive(Debug, Default)]
pub(crate) struct Used {
    total: Usage,
    /// What those that live had used when they were last looked at.
    last: Usage,
}

/// The host's lists of connections: heading, and lines by the socket they tell of.
struct Connections(Vec<(&'static str, String, BTreeMap<u64, String>)>);

impl Connections {
    fn read() -> Self {
        let lists = ["net/tcp", "net/tcp6"].into_iter().filter_map(|name| {
            let text = std::fs::read_to_string(Path::new("/proc").join(name)).ok()?;
            let mut lines = text.lines();
            let heading = lines.next().unwrap_or_default().to_owned();
            let lines = lines.filter_map(|line| Some((line.split_whitespace().nth(9)?.parse().ok()?, line.to_owned())));
            Some((name, heading, lines.collect()))
        });
        Self(lists.collect())
    }
}

/// Brings the views of machines up to date. Reads `/proc`: not for an asynchronous thread.
pub(crate) fn refresh(table: &Table, guests: &[Arc<Guest>]) {
    let processes = table.scan();
    let connections = Connections::read();
    for guest in guests {
        let own = processes.iter().filter(|process| process.owner.machine == guest.id && !process.zombie);
        let shown = guest.using(|started, used| show(&guest.layout.proc(), &own.collect::<Vec<_>>(), &connections, started, used));
        if let Some(Err(error)) = shown {
            tracing::warn!(%error, id = &*guest.id, "a machine's view of itself is not up to date");
        }
    }
}

/// Makes the view of a machine that was just switched on.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn begin(proc: &Path) -> io::Result<()> {
    std::fs::create_dir_all(proc.join("net"))?;
    show(proc, &[], &Connections::read(), Timestamp::now(), &Mutex::default())
}

fn show(proc: &Path, processes: &[&Process], connections: &Connections, started: Timestamp, used: &Mutex<Used>) -> io::Result<()> {
    let pids: BTreeSet<i32> = processes.iter().map(|process| process.pid).collect();
    let total = {
        let mut used = used.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now = Usage::default();
        pids.iter().for_each(|pid| now += Usage::of(*pid));
        let more = now.beyond(used.last);
        used.total += more;
        used.last = now;
        used.total
    };
    link(proc, &pids)?;
    put(proc, "stat", &stat(total, started))?;
    put(proc, "diskstats", &format!(" 259       0 nvme0n1 0 0 {} 0 0 0 {} 0 0 0 0\n", total.read / SECTOR, total.written / SECTOR))?;
    put(proc, "net/dev", INTERFACES)?;
    let held: HashSet<u64> = pids.iter().flat_map(|pid| sockets(*pid)).collect();
    for (name, heading, lines) in &connections.0 {
        let own: String = lines.iter().filter(|(socket, _)| held.contains(socket)).map(|(_, line)| format!("{line}\n")).collect();
        put(proc, name, &format!("{heading}\n{own}"))?;
    }
    Ok(())
}

/// Links to the processes that there are, and no others.
fn link(proc: &Path, pids: &BTreeSet<i32>) -> io::Result<()> {
    let entries = std::fs::read_dir(proc)?.flatten();
    let linked: BTreeSet<i32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for pid in linked.difference(pids) {
        std::fs::remove_file(proc.join(pid.to_string()))?;
    }
    for pid in pids.difference(&linked) {
        std::os::unix::fs::symlink(format!("/proc/{pid}"), proc.join(pid.to_string()))?;
    }
    Ok(())
}

/// Writes a file so that nobody reads half of it.
fn put(proc: &Path, name: &str, content: &str) -> io::Result<()> {
    let new = proc.join(format!("{name}.new"));
    std::fs::write(&new, content)?;
    std::fs::rename(new, proc.join(name))
}

fn stat(total: Usage, started: Timestamp) -> String {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let up = u64::try_from(Timestamp::now().duration_since(started).as_millis()).unwrap_or_default() * TICKS / 1000;
    let line = |name: &str, (user, system, all): (u64, u64, u64)| {
        format!("{name} {user} 0 {system} {} 0 0 0 0 0 0\n", all.saturating_sub(user + system))
    };
    let mut text = line("cpu ", (total.user, total.system, up * cores));
    for core in 0..cores {
        // A String takes whatever is written.
        write!(text, "{}", line(&format!("cpu{core}"), (total.user / cores, total.system / cores, up))).ok();
    }
    text + &format!("btime {}\n", started.as_second())
}
