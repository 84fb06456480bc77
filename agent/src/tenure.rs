//! A rank of a service: taken when it is free or its holder gives no sign of life, held by such signs, and given back.
//!
//! Every write of a claim names the claim that it takes the place of, so no rank has two holders. A holder that cannot write its sign of life
//! lets go before anybody may take over: its command has ended by then.

mod bucket;
mod hold;
#[cfg(test)]
mod scripted;
mod take;

use std::time::Duration;

use spawn_model::record::{Exit, RankClaim, Service};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::claims::Claims;
use crate::ending::{Ending, Endings};
use crate::failure::Failure;

pub(crate) use take::take;

/// How often a holder gives its sign of life.
pub(crate) const INTERVAL: Duration = Duration::from_secs(30);
/// After so many intervals without one that was heard, a holder lets go.
const LOST_AFTER: u32 = 5;
/// A claim that is older than so many intervals may be taken over. What lies between the two is for a command to end in.
const STALE_AFTER: u32 = 6;
/// A sign of life that was not heard is given again after this part of an interval.
const AGAIN: u32 = 6;
/// A machine without a rank looks for one again after this part of an interval.
const LOOK: u32 = 3;

/// How long a machine without a rank waits until it looks for one again.
pub(crate) fn look_pause(interval: Duration) -> Duration {
    interval / LOOK
}

/// The ranks of a service, and who has them.
pub(crate) trait Ranks: Claims<u32, RankClaim> {
    /// Every rank that is claimed, in order.
    async fn claimed(&self) -> Result<Vec<u32>, Failure>;
}

/// A rank that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) rank: u32,
    /// The claim's tag.
    tag: String,
    /// When the last sign of life was sent that was heard.
    heard_at: Instant,
}

/// What has become of a tenure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Standing {
    Held,
    Released,
    Lost,
}

/// The holding of a rank, from when it was taken until it is given back or lost.
pub(crate) struct Tenure {
    says: watch::Sender<Service>,
    standing: watch::Receiver<Standing>,
}

impl Tenure {
    /// Holds a rank from now on, by `claim`.
    pub(crate) fn begin(claims: impl Claims<u32, RankClaim> + 'static, held: Held, claim: RankClaim, interval: Duration) -> Self {
        let (says, mut said) = watch::channel(claim.service.clone().unwrap_or_default());
        let (stands, standing) = watch::channel(Standing::Held);
        tokio::task::spawn_local(async move {
            let rank = held.rank;
            stands.send_replace(match hold::hold(&claims, held, &claim, &mut said, interval).await {
                Ok(()) => Standing::Released,
                Err(reason) => {
                    eprintln!("spored: rank {rank} is lost: {reason}; the machine ends now");
                    Standing::Lost
                }
            });
        });
        Self { says, standing }
    }

    /// Has the loss of the rank end the machine from now on.
    pub(crate) fn watch(&self, endings: &Endings) {
        let mut standing = self.standing.clone();
        let lost = async move {
            if standing.wait_for(|standing| *standing == Standing::Lost).await.is_err() {
                // It was given back, and cannot be lost any more.
                std::future::pending::<()>().await;
            }
        };
        endings.when(lost, Ending::Replaced);
    }

    /// Tells with a sign of life how the command ended, and how often it will have been started again.
    pub(crate) fn tell(&self, restarts: u32, exit: Exit) {
        self.says.send_modify(|says| {
            says.restarts = restarts;
            says.last_exit = Some(exit);
        });
    }

    /// Gives the rank back, for anybody to take. Comes back when that is written, or the rank is lost.
    pub(crate) async fn release(&self) {
        self.says.send_modify(|says| says.released = true);
        // It fails when there is nobody left who holds it.
        let _ = self.standing.clone().wait_for(|standing| *standing != Standing::Held).await;
    }
}
