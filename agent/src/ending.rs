//! Why the machine is about to end: three watchers, one signal.

use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::metadata::Metadata;
use crate::{lease, spot};

/// Why the machine ends before everything is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    /// The lease is over.
    Lease,
    /// EC2 takes the machine back, in two minutes at the latest.
    Spot,
    /// The system goes down: there is a moment left.
    Shutdown,
}

/// The signal that the machine ends.
#[derive(Clone)]
pub(crate) struct Endings(watch::Receiver<Option<Ending>>);

impl Endings {
    /// Starts the watchers. `deadline` is told every change of the lease.
    pub(crate) fn watch(deadline: watch::Receiver<Timestamp>) -> std::io::Result<Self> {
        let (sender, receiver) = watch::channel(None);
        let mut terminate = signal(SignalKind::terminate())?;
        let sender = Rc::new(sender);
        let shutdown = Rc::clone(&sender);
        tokio::task::spawn_local(async move {
            terminate.recv().await;
            shutdown.send_replace(Some(Ending::Shutdown));
        });
        tokio::task::spawn_local(async move {
            lease::over(deadline).await;
            tell(&sender, Ending::Lease);
            // Kept, so that the channel stays open.
            std::future::pending::<()>().await;
        });
        Ok(Self(receiver))
    }

    /// As [`Endings::watch`], and EC2's notices too.
    pub(crate) fn watch_spot(&self, metadata: Rc<Metadata>) -> Self {
        let (sender, receiver) = watch::channel(*self.0.borrow());
        let sender = Rc::new(sender);
        let (mut others, forward) = (self.0.clone(), Rc::clone(&sender));
        tokio::task::spawn_local(async move {
            while others.changed().await.is_ok() {
                let ending = *others.borrow_and_update();
                forward.send_replace(ending);
            }
        });
        tokio::task::spawn_local(async move {
            spot::notice(&metadata).await;
            tell(&sender, Ending::Spot);
            std::future::pending::<()>().await;
        });
        Self(receiver)
    }

    /// Waits until the machine is to end.
    pub(crate) async fn any(&self) -> Ending {
        self.matching(|_| true).await
    }

    /// Waits until the system goes down.
    pub(crate) async fn shutdown(&self) {
        self.matching(|ending| ending == Ending::Shutdown).await;
    }

    /// Waits at most `within` to be told of an ending.
    pub(crate) async fn within(&self, within: Duration) -> Option<Ending> {
        tokio::time::timeout(within, self.any()).await.ok()
    }

    async fn matching(&self, wanted: impl Fn(Ending) -> bool) -> Ending {
        let mut receiver = self.0.clone();
        let found = receiver.wait_for(|ending| ending.is_some_and(&wanted)).await.map(|ending| *ending);
        match found {
            Ok(Some(ending)) => ending,
            // The watchers live as long as the agent.
            _ => std::future::pending().await,
        }
    }
}

/// Tells an ending, unless one is known already.
fn tell(sender: &watch::Sender<Option<Ending>>, ending: Ending) {
    sender.send_if_modified(|known| {
        let first = known.is_none();
        if first {
            *known = Some(ending);
        }
        first
    });
}
