//! A run that was begun in place of another: one launcher's, as long as its heart beats.
//!
//! Intent and guard are one object, the fleet's record, and every change of it is conditional. So at most one launcher has
//! begun a run, and one that has lost it can no longer make it the fleet's.

use std::sync::Arc;

use spawn_model::error::{Class, Error};
use spawn_model::ids::FleetId;
use spawn_model::record::{FleetRecord, Rerun};
use tokio::sync::Mutex;

use crate::claim::KeptAlive;
use crate::ledger::Ledger;
use crate::ports::{Aws, Clock, Result, Written};
use crate::process;

/// Whose a run is that was begun.
pub(super) enum Standing {
    /// The process's that has begun it.
    Ours,
    /// Another's, which has taken it over or finished it.
    SomebodyElses,
    /// Nobody's: another process has taken the intent back.
    Withdrawn,
}

/// A run that this process has begun, or taken over from a dead one.
pub(super) struct Begun {
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    /// The run to be.
    pub(super) run: FleetRecord,
    held: Mutex<(FleetRecord, String)>,
}

impl Begun {
    /// Records that `run` is begun in place of the run that `record` (of this ETag) is about; or that it is being taken back.
    pub(super) async fn write(
        aws: &Aws,
        ledger: &Ledger,
        (record, etag): (&FleetRecord, &str),
        run: FleetRecord,
        withdrawn: bool,
    ) -> Result<Arc<Self>> {
        let heartbeat = Some(process::heartbeat(aws.clock.now()));
        let intent = FleetRecord { next: Some(Rerun { record: Box::new(run.clone()), heartbeat, withdrawn }), ..record.clone() };
        let held = Mutex::new((record.clone(), etag.to_owned()));
        let begun = Self { ledger: ledger.clone(), clock: aws.clock.clone(), run, held };
        begun.replace(|_| intent.clone()).await?;
        Ok(Arc::new(begun))
    }

    /// Makes the run the fleet's.
    pub(super) async fn commit(&self) -> Result<()> {
        self.replace(|_| self.run.clone()).await
    }

    /// Says that the run is being taken back, before anything of it is: whoever finds the intent then takes back what is left.
    pub(super) async fn withdraw(&self) -> Result<()> {
        let withdrawn = |record: &FleetRecord| {
            let next = record.next.clone().map(|next| Rerun { withdrawn: true, ..next });
            FleetRecord { next, ..record.clone() }
        };
        self.replace(withdrawn).await
    }

    /// Takes the intent back: the fleet's run is the former one.
    pub(super) async fn abandon(&self) -> Result<()> {
        self.replace(|record| FleetRecord { next: None, ..record.clone() }).await
    }

    async fn beat(&self) -> Result<()> {
        let heartbeat = Some(process::heartbeat(self.clock.now()));
        let beating = |record: &FleetRecord| {
            let next = record.next.clone().map(|next| Rerun { heartbeat: heartbeat.clone(), ..next });
            FleetRecord { next, ..record.clone() }
        };
        self.replace(beating).await
    }

    /// Beats until the returned task is dropped.
    pub(super) fn keep_alive(self: &Arc<Self>) -> KeptAlive {
        let begun = self.clone();
        KeptAlive::beating(self.clock.clone(), move || {
            let begun = begun.clone();
            async move { begun.beat().await }
        })
    }

    /// The record of the run whose place it takes.
    pub(super) async fn former(&self) -> FleetRecord {
        FleetRecord { next: None, ..self.held.lock().await.0.clone() }
    }

    /// Whose the run is now, as far as the record tells.
    pub(super) async fn standing(&self) -> Result<Standing> {
        let Some(there) = self.ledger.fleet(&self.run.fleet).await? else { return Ok(Standing::Withdrawn) };
        if self.is_ours(&there) {
            return Ok(Standing::Ours);
        }
        let launched_by = |next: &Rerun| next.record.run == self.run.run && next.heartbeat.is_some();
        let is_anothers = there.run == self.run.run || there.next.as_ref().is_some_and(launched_by);
        Ok(if is_anothers { Standing::SomebodyElses } else { Standing::Withdrawn })
    }

    /// Whether a record that is there is one that this process wrote.
    fn is_ours(&self, there: &FleetRecord) -> bool {
        let mine = process::heartbeat(self.clock.now());
        let launched_by_us =
            |next: &Rerun| next.record.run == self.run.run && next.heartbeat.as_ref().is_some_and(|theirs| process::is_same(theirs, &mine));
        there.next.as_ref().is_some_and(launched_by_us)
    }

    async fn replace(&self, edit: impl Fn(&FleetRecord) -> FleetRecord) -> Result<()> {
        let mut held = self.held.lock().await;
        let wanted = edit(&held.0);
        if let Written::Done(etag) = self.ledger.fleet_replace(&wanted, &held.1).await? {
            *held = (wanted, etag);
            return Ok(());
        }
        // An earlier write of ours was done without an answer, or the user's tags were changed meanwhile.
        let there = self.ledger.fleet_held(&self.run.fleet).await?;
        let Some((there, etag)) = there else { return Err(lost(&self.run.fleet)) };
        let intent = |record: &FleetRecord| record.next.as_ref().map(|next| (next.record.run.clone(), next.withdrawn));
        let is_done = there.run == wanted.run && intent(&there) == intent(&wanted);
        if is_done && (wanted.next.is_none() || self.is_ours(&there)) {
            *held = (there, etag);
            return Ok(());
        }
        if self.is_ours(&there) {
            let wanted = edit(&there);
            if let Written::Done(etag) = self.ledger.fleet_replace(&wanted, &etag).await? {
                *held = (wanted, etag);
                return Ok(());
            }
        }
        Err(lost(&self.run.fleet))
    }
}

pub(super) fn lost(fleet: &FleetId) -> Error {
    let help = "Look at it again, and then decide";
    Error::new(Class::Conflict, "RunLost", format!("another process has run {fleet} again meanwhile, or ended it"), help)
}
