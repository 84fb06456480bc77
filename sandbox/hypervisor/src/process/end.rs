//! Ending processes, politely or at once; and standing them still.

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::table::{Owner, Process, Table};

/// How often everything is looked for again while killing. A process that forks as fast as it can loses long before.
const KILL_ROUNDS: u32 = 400;

/// How long one round of killing waits for those it killed.
const KILL_ROUND: Duration = Duration::from_millis(50);

impl Table {
    /// The living processes that `select` chooses.
    pub(crate) async fn living(self: &Arc<Self>, select: impl Fn(&Owner) -> bool) -> Vec<Process> {
        let table = Arc::clone(self);
        let processes = tokio::task::spawn_blocking(move || table.scan()).await.unwrap_or_default();
        processes.into_iter().filter(|process| !process.zombie && select(&process.owner)).collect()
    }

    /// Collects orphans that have ended.
    pub(crate) async fn collect(self: &Arc<Self>) {
        let table = Arc::clone(self);
        // A panic in there would have been reported by the runtime.
        tokio::task::spawn_blocking(move || table.reap()).await.ok();
    }

    /// Sends `signal` to each once, and waits until all have ended, `grace` has passed or `cut` is called. Then kills what is left.
    pub(crate) async fn terminate(
        self: &Arc<Self>,
        signal: Signal,
        grace: Duration,
        cut: &CancellationToken,
        select: impl Fn(&Owner) -> bool,
    ) -> io::Result<()> {
        let deadline = Instant::now() + grace;
        let mut asked = HashSet::new();
        while !cut.is_cancelled() && Instant::now() < deadline {
            let living = self.living(&select).await;
            if living.is_empty() {
                break;
            }
            for process in living.iter().filter(|process| asked.insert(process.pid)) {
                send(process.pid, signal);
                // A stopped process would sleep through the request.
                send(process.pid, Signal::CONT);
            }
            tokio::select! {
                () = cut.cancelled() => break,
                () = ended(&living, deadline) => {}
            }
        }
        self.kill(select).await
    }

    /// Kills everything that `select` chooses, and all it starts meanwhile.
    ///
    /// # Errors
    /// If something is still there after many rounds, such as a process in an uninterruptible wait.
    pub(crate) async fn kill(self: &Arc<Self>, select: impl Fn(&Owner) -> bool) -> io::Result<()> {
        for _ in 0..KILL_ROUNDS {
            let living = self.living(&select).await;
            if living.is_empty() {
                self.collect().await;
                return Ok(());
            }
            for process in &living {
                send(process.pid, Signal::KILL);
            }
            ended(&living, Instant::now() + KILL_ROUND).await;
        }
        let left: Vec<i32> = self.living(&select).await.iter().map(|process| process.pid).collect();
        if left.is_empty() { Ok(()) } else { Err(io::Error::other(format!("processes do not end: {left:?}"))) }
    }
}

impl Table {
    /// Stands everything still that `select` chooses, and all it starts meanwhile, until [`Table::go_on`].
    ///
    /// # Errors
    /// If something still moves after many rounds.
    pub(crate) async fn stand_still(self: &Arc<Self>, select: impl Fn(&Owner) -> bool) -> io::Result<()> {
        let mut asked = HashSet::new();
        for _ in 0..KILL_ROUNDS {
            // What waits in the kernel stops before it does anything else.
            let still = |process: &Process| process.stopped || process.deaf && asked.contains(&process.pid);
            let moving: Vec<Process> = self.living(&select).await.into_iter().filter(|process| !still(process)).collect();
            if moving.is_empty() {
                return Ok(());
            }
            for process in &moving {
                send(process.pid, Signal::STOP);
                asked.insert(process.pid);
            }
            tokio::task::yield_now().await;
        }
        Err(io::Error::other("processes do not stand still"))
    }

    /// Lets everything go on that `select` chooses.
    pub(crate) async fn go_on(self: &Arc<Self>, select: impl Fn(&Owner) -> bool) {
        for process in self.living(&select).await {
            send(process.pid, Signal::CONT);
        }
    }
}

/// Sends a signal; one that comes too late is no error.
pub(crate) fn send(pid: i32, signal: Signal) {
    let Some(target) = Pid::from_raw(pid) else { return };
    if let Err(error) = kill_process(target, signal) {
        tracing::debug!(%error, pid, "signal not delivered");
    }
}

/// Waits until all have ended, or until `deadline`.
async fn ended(processes: &[Process], deadline: Instant) {
    for process in processes {
        if timeout_at(deadline, end_of(process.pid)).await.is_err() {
            return;
        }
    }
}

/// Waits for the end of a process that need not be a child. Returns at once if it cannot be watched.
pub(crate) async fn end_of(pid: i32) {
    let Some(watched) = watch(pid) else { return };
    // The kernel makes the descriptor readable when the process has ended.
    watched.readable().await.map(drop).ok();
}

#[expect(deprecated, reason = "its successor needs unsafe, for descriptors that may change under it; an OwnedFd's does not")]
fn watch(pid: i32) -> Option<AsyncFd<OwnedFd>> {
    let descriptor = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
    AsyncFd::with_interest(descriptor, Interest::READABLE).ok()
}
