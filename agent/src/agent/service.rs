//! A member of a service: it has a rank for as long as it lives, and its command runs for as long as that.

use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use spawn_model::record::{Exit, Payload, RankClaim, Service};
use tokio::time::{Instant, sleep, timeout};

use super::end::{LAST_MOMENTS, LAST_WORK};
use super::work::Ran;
use super::{ATTEMPT, After, Agent, RANK, Ready};
use crate::claims::BucketClaims;
use crate::ending::Ending;
use crate::hook::Hooks;
use crate::metadata::Identity;
use crate::restart::{Pauses, notice};
use crate::results::Uploaded;
use crate::retry::retry;
use crate::tenure::{self, Tenure};
use crate::workload::{self, WORKLOAD};
use crate::{lease, payload, peers};

/// How long the payload is tried to be read again; what was read before does, too.
const TROUBLE: Duration = Duration::from_secs(10);

impl Agent {
    /// Takes a rank, and holds it from now on. As long as every rank has its holder, this machine waits for one: one may be lost, or there may
    /// be more of them.
    pub(super) async fn take_rank(&self, identity: &Identity, payload: &mut Payload) -> u32 {
        let claims = BucketClaims { session: Rc::clone(&self.session), bucket: Rc::clone(&self.bucket), keys: self.keys.clone() };
        let mut hint = self.state.recall(RANK);
        let service = Service { restarts: self.state.recall(ATTEMPT).unwrap_or_default(), ..Service::default() };
        if workload::has_units() && service.restarts > 0 {
            // The agent may have been away for so long that the rank is another machine's by now.
            workload::clear(WORKLOAD).await;
        }
        let mut said = String::new();
        loop {
            let claim = RankClaim { service: Some(service.clone()), ..Self::claim_of(identity) };
            let waits = match tenure::take(&claims, &claim, &mut hint, payload.size, self.intervals.renew).await {
                Ok(Some(held)) => {
                    let rank = held.rank;
                    let (_, _) = (self.rank.set(rank), self.started_at.set(claim.started_at));
                    let tenure = self.tenure.get_or_init(|| Tenure::begin(claims, held, claim, self.intervals.renew));
                    tenure.watch(&self.endings);
                    return rank;
                }
                Ok(None) => "every rank has its machine".to_owned(),
                Err(failure) => failure.to_string(),
            };
            if waits != said {
                eprintln!("spored: {waits}; this one waits for a rank");
                said = waits;
            }
            sleep(tenure::look_pause(self.intervals.renew)).await;
            self.learn_size(payload).await;
        }
    }

    /// Learns how many ranks there are by now.
    async fn learn_size(&self, payload: &mut Payload) {
        let key = self.keys.payload();
        let read = retry(self.session.patience(TROUBLE), async || self.bucket.get(&key).await).await;
        match read.map_err(|failure| failure.to_string()).and_then(|content| payload::read(&content)) {
            Ok(now) => payload.size = now.size,
            Err(reason) => eprintln!("spored: {} ranks are still taken for all: {reason}", payload.size),
        }
    }

    /// Runs the command again and again, until the machine ends.
    pub(super) async fn keep_running(&self, mut ready: Ready) -> After {
        let mut attempt = self.state.recall(ATTEMPT).unwrap_or(0_u32);
        let has_units = workload::has_units();
        let mut pauses = Pauses::new();
        let mut hooks: Option<Hooks> = None;
        loop {
            attempt += 1;
            if let Err(error) = self.state.keep(ATTEMPT, &attempt) {
                eprintln!("spored: the attempt cannot be kept: {error}");
            }
            if let Some(ending) = self.learn(&mut ready).await {
                return self.ended_between(hooks.as_ref(), ending).await;
            }
            let began = Instant::now();
            let ran = match self.hooks(&ready, attempt) {
                Ok(made) => {
                    if hooks.is_none() {
                        self.watch_for(&made);
                    }
                    self.run(&ready, hooks.insert(made), attempt, has_units).await
                }
                Err(error) => Err(format!("the workload's files cannot be made: {error}")),
            };
            let (exit, uploaded) = match ran {
                Ok((Ran::Ended(exit), uploaded)) => (exit, uploaded),
                Ok((Ran::EndedWithMachine(exit), uploaded)) => {
                    let is_with_lease = exit == Exit::LeaseEnded;
                    self.record(exit, uploaded).await;
                    return if is_with_lease { self.sit_out_the_lease().await } else { After::PowerOff };
                }
                Ok((Ran::Cut(exit), uploaded)) => {
                    if let Some(exit) = exit {
                        self.record(exit, uploaded).await;
                    }
                    return After::Leave;
                }
                Ok((Ran::GivenUp, _)) => {
                    return if self.endings.known() == Some(Ending::Shutdown) { After::Leave } else { After::PowerOff };
                }
                Err(reason) => (Exit::NotStarted { reason }, Uploaded::default()),
            };
            for note in &uploaded.notes {
                eprintln!("spored: {note}");
            }
            if let Some(ending) = self.pause(exit, pauses.after(began.elapsed())).await {
                return self.ended_between(hooks.as_ref(), ending).await;
            }
        }
    }

    /// Waits for the end of the lease, for which everything was saved in time: a machine that went off before it would be replaced.
    async fn sit_out_the_lease(&self) -> After {
        tokio::select! {
            () = lease::over(self.deadline.clone()) => After::PowerOff,
            () = self.endings.shutdown() => After::Leave,
        }
    }

    /// Tells how the command ended, and lets the time pass until it is started again, unless the machine ends.
    async fn pause(&self, exit: Exit, pause: Duration) -> Option<Ending> {
        let notice = notice(&exit, pause);
        self.tell_of(exit);
        tokio::select! {
            biased;
            ending = self.endings.any() => Some(ending),
            _ = async { tokio::join!(self.say(&notice), sleep(pause)) } => None,
        }
    }

    /// Learns how many ranks there are and who has them by now, unless the machine ends.
    async fn learn(&self, ready: &mut Ready) -> Option<Ending> {
        let learning = async {
            self.learn_size(&mut ready.payload).await;
            let (rank, address) = (self.rank.get().copied().unwrap_or_default(), &ready.identity.private_ip);
            ready.peers = peers::present(&self.bucket, &self.keys, ready.payload.size, &ready.payload.name, (rank, address)).await;
        };
        tokio::select! {
            biased;
            ending = self.endings.any() => Some(ending),
            () = learning => None,
        }
    }

    /// The machine ends while the command does not run.
    async fn ended_between(&self, hooks: Option<&Hooks>, ending: Ending) -> After {
        let uploaded = match hooks {
            Some(hooks) => self.run_last_hook(hooks, ending).await,
            None => None,
        };
        self.ended_early(ending, uploaded.unwrap_or_default()).await
    }

    /// Prints something between what the command prints.
    async fn say(&self, line: &str) {
        eprintln!("spored: {line}");
        let said = self.channel("notices.log").and_then(|output| {
            // A pipe of its own has room for a line.
            writeln!(output.writer()?, "spawn: {line}")?;
            Ok(output)
        });
        match said {
            Ok(output) => {
                for note in output.close().await {
                    eprintln!("spored: {note}");
                }
            }
            Err(error) => eprintln!("spored: the rank's log was not told: {error}"),
        }
    }

    /// Tells with the next sign of life how the command ended. It is started again.
    pub(super) fn tell_of(&self, exit: Exit) {
        if let Some(tenure) = self.tenure.get() {
            tenure.tell(self.state.recall(ATTEMPT).unwrap_or_default(), exit);
        }
    }

    /// Gives the rank back, if the machine ends before its lease: whoever takes its place need not wait until no sign of life comes.
    pub(super) async fn give_back(&self) {
        let Some(tenure) = self.tenure.get() else { return };
        if self.endings.known() == Some(Ending::Lease) || self.lease_over() {
            return;
        }
        let shutdown = async {
            self.endings.shutdown().await;
            sleep(LAST_MOMENTS.1).await;
        };
        tokio::select! {
            released = timeout(LAST_WORK, tenure.release()) => if released.is_err() {
                eprintln!("spored: the rank could not be given back in time");
            },
            () = shutdown => eprintln!("spored: the rank could not be given back in time"),
        }
    }
}
