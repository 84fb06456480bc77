//! Boots simulated instances as real process trees on this Linux machine, with or without root.
//!
//! A cloud that is only a table of states proves little: what a launched instance *does* comes from its user data, its init system,
//! its metadata service and the moment somebody pulls its plug. This crate makes those come true for a [`Machine`]: a directory of its
//! own, a process tree of its own, an init that answers `shutdown`, `systemctl`, `systemd-run` and their kin, and an instance metadata
//! service (IMDSv2) on a loopback port of its own.
//!
//! Invariants:
//! - A machine's processes are found whatever they do: set a new session, fork twice, or clear their environment. The `process` module says how.
//! - Nothing outlives the [`Hypervisor`]: not after [`Hypervisor::shutdown`], nor after the process that holds it was killed.
//! - User data runs once in a machine's life. Units that are enabled come up at every boot; what was merely scheduled does not.
//! - What the init does not understand is refused with an exit code, a line on the console and an entry in [`Hypervisor::gaps`].
//!   Nothing is accepted and silently dropped.
//! - A machine's `proc`, which `HOST_PROC` names, tells about this machine alone. The host's own `/proc` tells about all.
//! - A machine touches nothing of the host's but the files it names itself: this is a simulation of instances, not a jail.
//!
//! Deliberately absent: users (every process runs as the hypervisor's own user, and the console says so), packet filters, mounts, images.
//!
//! The map: `hypervisor` is the public face, `guest` one machine and its power, `process` finding, starting and ending processes, `init`
//! what the machine's commands ask for (units, timers, power-off), `metadata` the instance metadata service, `view` what a machine sees of
//! itself, `layout` the directory, `errand` and `terminal` what is done in a machine from outside, `program` what runs beside the machines.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for"))]

mod errand;
mod guest;
mod hypervisor;
mod init;
mod layout;
mod machine;
mod metadata;
mod process;
mod program;
mod signals;
mod terminal;
mod user_data;
mod view;

pub use errand::{Errand, Execution};
pub use hypervisor::{CredentialSource, Event, Halt, Hypervisor, Options};
pub use machine::{Credentials, Lifecycle, Machine, MetadataOptions, Profile, SpotAction, SpotNotice};
pub use program::{Program, Running, Tree};
pub use rustix::process::Signal;
pub use terminal::{Line, Terminal};
