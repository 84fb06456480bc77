//! Why the machine is about to end: several watchers, one signal.

use std::rc::Rc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Why the machine ends before everything is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    /// Nothing has happened on it for as long as its lease allows.
    Idle,
    /// The lease is over.
    Lease,
    /// EC2 takes the machine back, in two minutes at the latest.
    Spot,
    /// The rank is another machine's by now, or may be.
    Replaced,
    /// The system goes down: there is a moment left.
    Shutdown,
}

impl Ending {
    /// How much it presses. Of what presses equally, the first to come counts.
    fn urgency(self) -> u8 {
        match self {
            Self::Idle => 0,
            Self::Lease | Self::Spot | Self::Replaced => 1,
            Self::Shutdown => 2,
        }
    }
}

/// The signal that the machine ends.
#[derive(Clone)]
pub(crate) struct Endings(Rc<watch::Sender<Option<Ending>>>);

impl Endings {
    /// Begins with the system's own end.
    pub(crate) fn watch() -> std::io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let endings = Self(Rc::new(watch::Sender::new(None)));
        let told = async move {
            terminate.recv().await;
        };
        endings.when(told, Ending::Shutdown);
        Ok(endings)
    }

    /// Has what `watcher` waits for be an ending.
    pub(crate) fn when(&self, watcher: impl Future<Output = ()> + 'static, ending: Ending) {
        let sender = Rc::clone(&self.0);
        tokio::task::spawn_local(async move {
            watcher.await;
            sender.send_if_modified(|known| {
                let counts = known.is_none_or(|known| known.urgency() < ending.urgency());
                if counts {
                    *known = Some(ending);
                }
                counts
            });
        });
    }

    /// Why the machine is to end, if it is.
    pub(crate) fn known(&self) -> Option<Ending> {
        *self.0.borrow()
    }

    /// Waits until the machine is to end.
    pub(crate) async fn any(&self) -> Ending {
        self.matching(|_| true).await
    }

    /// Waits until it is to end and that cannot wait: an idle machine has all the time that its lease leaves it.
    pub(crate) async fn pressing(&self) -> Ending {
        self.matching(|ending| ending != Ending::Idle).await
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
        let mut receiver = self.0.subscribe();
        let found = receiver.wait_for(|ending| ending.is_some_and(&wanted)).await.map(|ending| *ending);
        match found {
            Ok(Some(ending)) => ending,
            // The sender is this one's own.
            _ => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_presses_more_takes_the_place_of_what_presses_less() {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                for (told, expected) in [
                    (&[Ending::Idle, Ending::Lease][..], Ending::Lease),
                    (&[Ending::Lease, Ending::Idle], Ending::Lease),
                    (&[Ending::Lease, Ending::Spot], Ending::Lease),
                    (&[Ending::Spot, Ending::Lease], Ending::Spot),
                    (&[Ending::Replaced, Ending::Lease], Ending::Replaced),
                    (&[Ending::Replaced, Ending::Shutdown], Ending::Shutdown),
                    (&[Ending::Idle, Ending::Shutdown], Ending::Shutdown),
                    (&[Ending::Shutdown, Ending::Spot], Ending::Shutdown),
                ] {
                    let endings = Endings::watch().unwrap();
                    for ending in told {
                        endings.when(std::future::ready(()), *ending);
                        tokio::task::yield_now().await;
                    }
                    assert_eq!((endings.any().await, endings.pressing().await), (expected, expected), "{told:?}");
                }
                let endings = Endings::watch().unwrap();
                endings.when(std::future::ready(()), Ending::Idle);
                assert_eq!(endings.any().await, Ending::Idle);
                assert!(tokio::time::timeout(Duration::from_millis(1), endings.pressing()).await.is_err());
            })
            .await;
    }
}
