//! The end of a machine: what is recorded of it, and when it goes off.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use spawn_model::record::{Completion, Exit, SCHEMA, Stop};
use tokio::time::{sleep, timeout};

use super::{After, Agent};
use crate::completion;
use crate::ending::Ending;
use crate::failure::Failure;
use crate::hook::Hooks;
use crate::lease;
use crate::rank::{BucketClaims, Claims};
use crate::results::Uploaded;
use crate::stop;

/// What is left to be done when the lease has ended or EC2 takes the machine back gets this long, if nothing else is known.
pub(super) const LAST_WORK: Duration = Duration::from_secs(10);
/// What the record needs before the machine is gone.
const RESERVE: SignedDuration = SignedDuration::from_secs(5);
/// When the system goes down: for output and results that are under way, and then for the record.
pub(super) const LAST_MOMENTS: (Duration, Duration) = (Duration::from_millis(300), Duration::from_millis(1100));
/// The machine's own timers know whole seconds, so they may be ahead of the deadline by one.
const TIMER_AHEAD: SignedDuration = SignedDuration::from_secs(2);

impl Agent {
    /// The machine ends and the command never started, or there is none.
    pub(super) async fn ended_early(&self, ending: Ending, uploaded: Uploaded) -> After {
        if let Some(exit) = self.exit_by(ending) {
            self.record(exit, uploaded).await;
        }
        if ending == Ending::Shutdown { After::Leave } else { After::PowerOff }
    }

    /// What is recorded of a command that ends with the machine; nothing if the machine goes down for a reason that is not the fleet's.
    pub(super) fn exit_by(&self, ending: Ending) -> Option<Exit> {
        match ending {
            Ending::Idle => Some(Exit::Idle),
            Ending::Lease => Some(Exit::LeaseEnded),
            Ending::Spot => Some(Exit::Interrupted),
            // What the rank's record says is its new holder's to say.
            Ending::Replaced => None,
            Ending::Shutdown => self.lease_over().then_some(Exit::LeaseEnded),
        }
    }

    /// Something keeps the agent from working: it says so wherever it can, and ends the machine.
    pub(super) async fn unable(&self, reason: String) -> After {
        eprintln!("spored: {reason}; the machine ends now");
        if self.is_service() {
            // Another one takes its place, and may be able.
            self.tell_of(Exit::NotStarted { reason });
            return After::PowerOff;
        }
        if self.rank.get().is_none()
            && let Some(identity) = self.identity.get()
        {
            let claimed = Self::claim_of(identity);
            let claims = BucketClaims { session: &self.session, bucket: &self.bucket, keys: &self.keys, claim: &claimed };
            let wanted = self.wanted(identity);
            let own = async {
                claims.claim(wanted).await?;
                Ok::<bool, Failure>(claims.holder(wanted).await? == identity.instance_id)
            };
            if let Ok(Ok(true)) = timeout(LAST_WORK, own).await {
                let _ = self.rank.set(wanted);
            }
        }
        let record = async {
            if self.config.ends.stops() {
                // Started again, it may be able.
                self.stops(false, Some(reason)).await;
            } else {
                self.record(Exit::NotStarted { reason }, Uploaded::default()).await;
            }
        };
        // It is as likely to fail as what failed before.
        if timeout(LAST_WORK, record).await.is_err() {
            eprintln!("spored: and it could not be recorded");
        }
        After::PowerOff
    }

    /// Records how it ended, if this machine has a rank; or only that it stops, if it can be started again: then its command begins anew.
    pub(super) async fn record(&self, exit: Exit, uploaded: Uploaded) {
        if self.config.ends.stops() && matches!(exit, Exit::LeaseEnded | Exit::Idle) {
            return self.stops(exit == Exit::Idle, None).await;
        }
        let (Some(rank), Some(identity)) = (self.rank.get(), self.identity.get()) else { return };
        let started = !matches!(exit, Exit::NotStarted { .. });
        let started_at = self.started_at.get().copied().filter(|_| started);
        let idle = self.findings.idleness().filter(|_| exit == Exit::Idle);
        let completion = Completion {
            schema: SCHEMA,
            rank: *rank,
            instance_id: identity.instance_id.clone(),
            exit,
            started_at,
            ended_at: Timestamp::now(),
            results: uploaded.files,
            notes: uploaded.notes.into_iter().chain(self.notes.take()).chain(self.findings.notes()).collect(),
            idle,
        };
        self.write(&completion).await;
    }

    /// Says that this machine stops, and why.
    async fn stops(&self, is_idle: bool, reason: Option<String>) {
        let rank = self.rank.get().copied().or_else(|| completion::kept(&self.state).map(|done| done.rank)).unwrap_or_default();
        let Ok(identity) = self.metadata.identity().await else { return };
        let idle = self.findings.idleness().filter(|_| is_idle);
        let not_hibernated = self.hibernation.failure.take();
        let stop = Stop { schema: SCHEMA, instance_id: identity.instance_id, at: Timestamp::now(), idle, reason, not_hibernated };
        tokio::select! {
            () = stop::write(&self.session, &self.bucket, &self.keys, rank, &stop, LAST_WORK) => {}
            () = self.out_of_time(LAST_MOMENTS.1) => {}
        }
    }

    pub(super) async fn write(&self, record: &Completion) {
        tokio::select! {
            () = completion::write(&self.session, &self.bucket, &self.keys, &self.state, record) => {}
            () = self.out_of_time(LAST_MOMENTS.1) => eprintln!("spored: the completion record did not reach the bucket in time"),
        }
    }

    /// Everything is recorded: the machine ends, or is kept until its lease does.
    pub(super) async fn stay(&self, hooks: &Hooks) -> After {
        if self.config.kind.ends_with_command() {
            return After::PowerOff;
        }
        let ending = self.endings.any().await;
        if ending == Ending::Shutdown {
            return After::Leave;
        }
        let uploaded = self.run_last_hook(hooks, ending).await;
        let is_idle = ending == Ending::Idle;
        if self.config.ends.stops() {
            self.stops(is_idle, None).await;
        }
        let idle = self.findings.idleness().filter(|_| is_idle && !self.config.ends.stops());
        if (uploaded.is_some() || idle.is_some())
            && let Some(done) = completion::kept(&self.state)
        {
            let (mut results, late) = uploaded.map_or_else(Default::default, |uploaded| (uploaded.files, uploaded.notes));
            if results.is_empty() {
                // Nothing new, or not in time: what was kept before is still there.
                results = done.results;
            }
            let notes = done.notes.into_iter().chain(late).chain(self.notes.take()).chain(self.findings.notes()).collect();
            self.write(&Completion { idle, results, notes, ..done }).await;
        }
        After::PowerOff
    }

    pub(super) fn lease_over(&self) -> bool {
        Timestamp::now() + TIMER_AHEAD >= *self.deadline.borrow()
    }

    /// Waits until the machine's end leaves no time for what is being done. `moment` is what there is once the system goes down.
    pub(super) async fn out_of_time(&self, moment: Duration) {
        let pressing = self.endings.pressing().await;
        if pressing != Ending::Shutdown {
            // At the deadline itself there is hardly any time, and the little is taken. Of a rank that was lost, nobody waits for more.
            let taken_back = async {
                if pressing != Ending::Replaced {
                    self.until_before_end(RESERVE).await
                }
            };
            let over = async { tokio::join!(taken_back, sleep(LAST_WORK)) };
            tokio::select! { _ = over => return, () = self.endings.shutdown() => {} }
        }
        sleep(moment).await;
    }

    /// Waits until so much is left before the deadline, wherever it moves, or before EC2 takes the machine back.
    pub(super) async fn until_before_end(&self, reserve: SignedDuration) {
        let taken_back = async {
            let mut gone_at = self.gone_at.subscribe();
            match gone_at.wait_for(Option::is_some).await.map(|gone_at| *gone_at) {
                Ok(Some(gone_at)) => {
                    let left = Timestamp::now().duration_until(gone_at).saturating_sub(reserve);
                    sleep(Duration::try_from(left).unwrap_or_default()).await;
                }
                // The sender is this agent's own.
                _ => std::future::pending().await,
            }
        };
        tokio::select! { () = lease::nears(self.deadline.clone(), reserve) => {}, () = taken_back => {} }
    }
}
