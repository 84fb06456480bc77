//! Finding, starting and ending the processes of machines, without root, cgroups or namespaces.
//!
//! A process tree is lost as soon as a member sets a new session, forks twice or clears its environment. Three things together keep it found:
//!
//! 1. The hypervisor's process is a *child subreaper*: whatever is orphaned below it becomes its child, so every process of every machine
//!    is a descendant of it.
//! 2. Every machine, and every unit within it, has a *mark*: a value of `RLIMIT_MSGQUEUE` (bytes in POSIX message queues, which next to nothing
//!    uses) that nobody else below the hypervisor has. Resource limits survive fork, exec, setsid and a cleared environment, and an
//!    unprivileged process cannot raise them again. It is what a cgroup would be for.
//! 3. The environment carries `SANDBOX_MACHINE` and `SANDBOX_UNIT`. They serve where limits cannot be set, and let the `watcher`
//!    find what is left when the hypervisor itself was killed.

mod end;
mod launch;
mod mark;
mod table;
mod usage;
mod watcher;

pub(crate) use end::{end_of, send};
pub(crate) use launch::{Launch, Launched};
pub(crate) use mark::Mark;
pub(crate) use table::{Owner, Process, Table};
pub(crate) use usage::{Usage, sockets};
pub(crate) use watcher::Watcher;
