//! Which processes there are below the hypervisor, and whose they are.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use rustix::process::{Pid, WaitOptions, waitpid};

use super::Mark;

/// Whose a process is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The machine.
    pub(crate) machine: Arc<str>,
    /// The unit within it; none for what user data started.
    pub(crate) unit: Option<Arc<str>>,
    /// The user the unit asked to run as, if it is not root: what asks the init as this user may look but not touch.
    pub(crate) user: Option<Arc<str>>,
    /// Whether the unit is denied the metadata service.
    pub(crate) metadata_denied: bool,
}

/// One process of a machine.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// It has ended and only waits to be collected.
    pub(crate) zombie: bool,
    /// It stands still until it is told to go on.
    pub(crate) stopped: bool,
    /// It waits in the kernel and hears signals only afterwards, such as one whose child has not become another program yet.
    pub(crate) deaf: bool,
    pub(crate) owner: Arc<Owner>,
}

/// The marks one hypervisor has given out, and what it started itself.
#[derive(Debug)]
pub(crate) struct Table {
    /// Tells this hypervisor's machines from those of another on the same host.
    nonce: String,
    owners: RwLock<HashMap<Mark, Arc<Owner>>>,
    /// Children that someone awaits; all others are adopted orphans, to be collected here.
    awaited: Mutex<HashSet<i32>>,
}

impl Table {
    pub(crate) fn new(nonce: String) -> Self {
        Self { nonce, owners: RwLock::default(), awaited: Mutex::default() }
    }

    /// The value of `SANDBOX_MACHINE` for a machine.
    pub(crate) fn machine_marker(&self, machine: &str) -> String {
        format!("{machine}:{}", self.nonce)
    }

    /// Gives out a mark.
    pub(crate) fn register(&self, owner: Owner) -> Mark {
        let mark = Mark::next();
        self.owners.write().unwrap_or_else(PoisonError::into_inner).insert(mark, Arc::new(owner));
        mark
    }

    /// Forgets the marks of a machine that will never run again.
    pub(crate) fn unregister(&self, machine: &str) {
        self.owners.write().unwrap_or_else(PoisonError::into_inner).retain(|_, owner| &*owner.machine != machine);
    }

    /// Forgets the marks of a machine's units once none of their processes is left.
    pub(crate) fn unregister_units(&self, machine: &str) {
        let mut owners = self.owners.write().unwrap_or_else(PoisonError::into_inner);
        owners.retain(|_, owner| &*owner.machine != machine || owner.unit.is_none());
    }

    /// The children someone awaits. Held while starting one, so that its end is never taken for an orphan's.
    pub(crate) fn awaited(&self) -> MutexGuard<'_, HashSet<i32>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every process of every machine. Reads `/proc`: not for an asynchronous thread.
    pub(crate) fn scan(&self) -> Vec<Process> {
        let own = std::process::id().cast_signed();
        let statuses = statuses();
        let mut owners: HashMap<i32, Option<Arc<Owner>>> = HashMap::new();
        let mut processes = Vec::new();
        for (&pid, status) in &statuses {
            if pid == own || !descends(pid, own, &statuses) {
                continue;
            }
            if let Some(owner) = self.owner_within(pid, own, &statuses, &mut owners) {
                processes.push(Process { pid, zombie: status.zombie, stopped: status.stopped, deaf: status.deaf, owner });
            }
        }
        processes
    }

    /// Whose one process is. Asks its ancestors if it says nothing about itself.
    pub(crate) fn owner(&self, pid: i32) -> Option<Arc<Owner>> {
        let own = std::process::id().cast_signed();
        let mut current = pid;
        while current > 1 && current != own {
            if let Some(owner) = self.declared_owner(current) {
                return Some(owner);
            }
            current = status(current)?.parent;
        }
        None
    }

    fn owner_within(
        &self,
        pid: i32,
        own: i32,
        statuses: &HashMap<i32, Status>,
        known: &mut HashMap<i32, Option<Arc<Owner>>>,
    ) -> Option<Arc<Owner>> {
        if pid == own || pid <= 1 {
            return None;
        }
        if let Some(owner) = known.get(&pid) {
            return owner.clone();
        }
        let owner = self
            .declared_owner(pid)
            .or_else(|| statuses.get(&pid).and_then(|status| self.owner_within(status.parent, own, statuses, known)));
        known.insert(pid, owner.clone());
        owner
    }

    /// Whose a process says it is, by its mark or else by its environment.
    fn declared_owner(&self, pid: i32) -> Option<Arc<Owner>> {
        let owners = self.owners.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(owner) = Mark::of(pid).and_then(|mark| owners.get(&mark)) {
            return Some(Arc::clone(owner));
        }
        let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
        let variable = |name: &str| environment.split(|&byte| byte == 0).find_map(|entry| entry.strip_prefix(name.as_bytes()));
        let marker = std::str::from_utf8(variable("SANDBOX_MACHINE=")?).ok()?;
        let machine = marker.strip_suffix(&self.nonce)?.strip_suffix(':')?;
        let unit = variable("SANDBOX_UNIT=").and_then(|unit| std::str::from_utf8(unit).ok());
        owners.values().find(|owner| &*owner.machine == machine && owner.unit.as_deref() == unit).cloned()
    }

    /// Collects orphans of machines that have ended. Blocking, like [`Table::scan`].
    pub(crate) fn reap(&self) {
        let own = std::process::id().cast_signed();
        let statuses = statuses();
        // Looked at after the processes: a child that was started meanwhile is not among those, and all others are registered by now.
        let awaited = self.awaited();
        for (pid, status) in statuses {
            let orphan = status.zombie && status.parent == own && !awaited.contains(&pid);
            if orphan && self.declared_owner(pid).is_some() {
                // Someone else's waiting is the only way this can fail, and then there is nothing left to do.
                waitpid(Pid::from_raw(pid), WaitOptions::NOHANG).ok();
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Status {
    parent: i32,
    zombie: bool,
    stopped: bool,
    deaf: bool,
}

/// Every process of the host.
fn statuses() -> HashMap<i32, Status> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return HashMap::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, status(pid)?))).collect()
}

fn status(pid: i32) -> Option<Status> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, which may itself hold spaces and parentheses.
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    Some(Status { parent, zombie: matches!(state, "Z" | "X"), stopped: matches!(state, "T" | "t"), deaf: state == "D" })
}

fn descends(pid: i32, ancestor: i32, statuses: &HashMap<i32, Status>) -> bool {
    let mut current = pid;
    // The scan is not atomic, so a reused pid could close a circle; no real tree is deeper than there are processes.
    for _ in 0..statuses.len() {
        match statuses.get(&current) {
            Some(status) if status.parent == ancestor => return true,
            Some(status) if status.parent > 1 => current = status.parent,
            _ => return false,
        }
    }
    false
}
