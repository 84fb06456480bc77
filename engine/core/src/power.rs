//! An instance that stops instead of ending: stopping it now, and starting it again with a lease that begins anew.

use jiff::{SignedDuration, Timestamp};
use spawn_model::error::{Class, Error};
use spawn_model::record::FleetRecord;
use spawn_model::spec::LeaseSpec;
use spawn_model::status::Status;

use crate::engine::{Engine, whole_second};
use crate::fleet::Fleet;
use crate::lease;
use crate::operation::Operation;
use crate::ports::Result;

/// How long an instance that is about to stop is waited for before it is started.
const STOPS_WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// Between two tries.
const PAUSE_MS: u64 = 1_000;
/// EC2 starts only what has stopped.
const NOT_STOPPED_YET: &str = "IncorrectInstanceState";

impl Engine {
    /// Stops the instance of a fleet now. Its lease stays as it is.
    ///
    /// # Errors
    /// `NeverStops` if powering off would end it, `FleetOver` if it is gone.
    pub async fn stop(&self, fleet: &Fleet) -> Result<()> {
        kept(fleet, "stopped")?;
        self.aws().instances.stop(&fleet.alive).await
    }

    /// Starts the instance of a fleet again, with a lease that begins now. When it ends.
    ///
    /// # Errors
    /// `NeverStops`, `FleetOver`, and `AlreadyRuns` if it does; else the first step that failed: the same call again finishes it.
    pub async fn start(&self, fleet: &Fleet, lease: &LeaseSpec, operation: &Operation) -> Result<Timestamp> {
        kept(fleet, "started")?;
        if fleet.status != Status::Stopped {
            let name = &fleet.record.spec.name;
            let message = format!("{name} has not stopped ({})", fleet.status);
            return Err(Error::new(Class::Conflict, "AlreadyRuns", message, format!("`spawn extend {name}` gives it more time")));
        }
        let setup = self.warm().await?;
        let ledger = self.ledger(&setup);
        let mut record = self.undisturbed(&fleet.record).await?;
        let began = whole_second(self.now());
        let renew = |record: &mut FleetRecord| {
            record.started_at = Some(began);
            record.spec.lease.clone_from(lease);
        };
        renew(&mut record);
        // Before it starts: whatever starts it, it has a lease that is not over.
        ledger.fleet_edit(&record.fleet, renew).await?;
        let deadline = lease::deadline_of(&record);
        lease::change(self.aws(), &ledger, &setup, &record, deadline).await?;
        self.switch_on(fleet, operation).await?;
        Ok(deadline)
    }

    /// Starts what has stopped, or is about to.
    pub(crate) async fn switch_on(&self, fleet: &Fleet, operation: &Operation) -> Result<()> {
        let give_up = self.now() + STOPS_WITHIN;
        loop {
            match self.aws().instances.start(&fleet.alive).await {
                Err(error) if error.code == NOT_STOPPED_YET && self.now() < give_up => operation.go_on()?,
                other => return other.map_err(|e| e.context("starting the instance")),
            }
            self.aws().clock.sleep(PAUSE_MS).await;
        }
    }
}

/// Fails for a fleet that cannot be stopped and started.
fn kept(fleet: &Fleet, verb: &str) -> Result<()> {
    let name = &fleet.record.spec.name;
    if !fleet.record.spec.lease.stops() {
        let message = format!("{name} cannot be {verb}: powering it off ends it");
        let help = "on_expiry or on_idle = \"stop\" in its lease make an instance that stops; `spawn rerun` runs this one again";
        return Err(Error::new(Class::Invalid, "NeverStops", message, help));
    }
    if fleet.alive.is_empty() {
        let help = format!("`spawn rerun {name}` runs it again");
        return Err(Error::new(Class::Conflict, "FleetOver", format!("the instance of {name} is gone ({})", fleet.status), help));
    }
    Ok(())
}
