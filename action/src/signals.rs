//! Being told to stop: a runner tells so by SIGINT, some seconds later by SIGTERM, and then kills.

use spawn_core::ports::Result;
use spawn_model::error::{Class, Error};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What tells a process to stop.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// That it was told to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Told {
    pub(crate) name: &'static str,
    /// The exit code by which a shell would say so.
    pub(crate) code: u8,
}

impl Signals {
    /// From now on none ends the process by itself.
    ///
    /// # Errors
    /// If the operating system does not tell of them.
    pub(crate) fn listen() -> Result<Self> {
        let failed = |error: std::io::Error| Error::new(Class::Bug, "NoSignals", format!("signals cannot be heard: {error}"), "");
        let hear = |kind| signal(kind).map_err(failed);
        Ok(Self { interrupt: hear(SignalKind::interrupt())?, terminate: hear(SignalKind::terminate())? })
    }

    /// Waits for one.
    pub(crate) async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.interrupt.recv() => Told { name: "SIGINT", code: 130 },
            _ = self.terminate.recv() => Told { name: "SIGTERM", code: 143 },
        }
    }
}
