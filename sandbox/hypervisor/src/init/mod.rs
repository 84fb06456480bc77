//! The machine's init: what its commands and its unit files ask for.

mod accounts;
mod address;
mod arguments;
mod control;
mod failure;
mod network;
mod run;
mod service;
mod shutdown;
mod sudo;
mod systemctl;
mod systemd_run;
mod time;
mod timer;
mod timers;
mod unit;
mod unit_file;
mod words;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::guest::Guest;
use crate::view::Used;
use timer::Nap;
use unit::Unit;

/// What is true from one power-on to the next power-off.
pub(crate) struct Boot {
    /// When it began.
    pub(crate) started: Timestamp,
    /// Called when the power goes: nothing is started, restarted or listened to any more.
    pub(crate) stop: CancellationToken,
    /// Called when there is no grace left for anyone.
    pub(crate) cut: CancellationToken,
    /// Whether the machine keeps its memory with its power off: nothing of it goes on meanwhile.
    pub(crate) asleep: watch::Sender<bool>,
    /// When it was asleep.
    pub(crate) naps: Mutex<Vec<Nap>>,
    /// Marked whenever a unit's state changes.
    pub(crate) changed: watch::Sender<()>,
    /// While it does, the system counts as starting.
    pub(crate) user_data_running: AtomicBool,
    /// What its processes have used.
    pub(crate) used: Mutex<Used>,
    units: Mutex<BTreeMap<String, Unit>>,
    scheduled: Mutex<Option<shutdown::Scheduled>>,
    /// Numbers the units that were given no name.
    unnamed: AtomicU32,
}

impl Boot {
    pub(crate) fn new(started: Timestamp) -> Self {
        Self {
            started,
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
            asleep: watch::Sender::new(false),
            naps: Mutex::default(),
            changed: watch::Sender::new(()),
            user_data_running: AtomicBool::new(false),
            used: Mutex::default(),
            units: Mutex::default(),
            scheduled: Mutex::default(),
            unnamed: AtomicU32::new(1),
        }
    }

    /// Waits until the machine is not asleep.
    pub(crate) async fn awake(&self) {
        // The sender lives as long as this.
        self.asleep.subscribe().wait_for(|asleep| !asleep).await.map(drop).ok();
    }

    /// Sleeps until `deadline`, forever without one. What is due while the machine is asleep is so when it wakes.
    pub(crate) async fn sleep_until(&self, deadline: Option<Instant>) {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => tokio::time::sleep(Duration::MAX).await,
        }
        self.awake().await;
    }

    /// When it was asleep so far.
    fn naps(&self) -> Vec<Nap> {
        self.naps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It falls asleep, or wakes.
    pub(crate) fn sleeps(&self, is_asleep: bool) {
        let (now, mut naps) = (Timestamp::now(), self.naps.lock().unwrap_or_else(PoisonError::into_inner));
        match (is_asleep, naps.last_mut()) {
            (true, _) => naps.push(Nap { from: now, to: None }),
            (false, Some(nap)) => nap.to = nap.to.or(Some(now)),
            (false, None) => {}
        }
        drop(naps);
        self.asleep.send_replace(is_asleep);
        // What waits for a span reckons anew.
        self.changed.send_replace(());
    }

    fn units(&self) -> MutexGuard<'_, BTreeMap<String, Unit>> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn scheduled(&self) -> MutexGuard<'_, Option<shutdown::Scheduled>> {
        self.scheduled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The init of one boot of one machine. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Init {
    pub(crate) guest: Arc<Guest>,
    pub(crate) boot: Arc<Boot>,
}

impl Init {
    pub(crate) fn new(guest: Arc<Guest>, boot: Arc<Boot>) -> Self {
        Self { guest, boot }
    }

    /// Says a refusal on the console and, if it is one of this simulation alone, lists it.
    fn refuse(&self, who: &str, failure: &failure::Failure) {
        self.guest.layout.say(&format!("{who}: {}", failure.message()));
        if let failure::Failure::Gap(text) = failure {
            self.guest.host.add_gap(format!("{who}: {text}"));
        }
    }
}
