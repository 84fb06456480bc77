//! An instance that stops or hibernates instead of ending: stopping it now, and starting it again with a lease that begins anew.

use jiff::{SignedDuration, Timestamp};
use spawn_model::error::{Class, Error};
use spawn_model::record::FleetRecord;
use spawn_model::spec::LeaseSpec;
use spawn_model::status::Status;

use crate::engine::{Engine, whole_second};
use crate::fleet::Fleet;
use crate::lease;
use crate::ledger::Ledger;
use crate::operation::Operation;
use crate::ports::{Result, Written};

/// How long an instance that is about to start or stop is waited for before it is stopped or started.
const SETTLES_WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// Between two tries.
const PAUSE_MS: u64 = 1_000;
/// EC2 starts only what has stopped, and stops only what runs.
const NOT_SETTLED: &str = "IncorrectInstanceState";
/// Nor does it hibernate what has just booted (EC2 user guide, "Troubleshoot Amazon EC2 instance hibernation").
const NOT_READY: &str = "UnsupportedOperation";

#[derive(Clone, Copy)]
enum Switch {
    On,
    Off { hibernate: bool },
}

impl Switch {
    /// Whether what was refused may be done in a moment.
    fn may_yet(self, error: &Error) -> bool {
        error.code == NOT_SETTLED || (error.code == NOT_READY && matches!(self, Self::Off { hibernate: true }))
    }
}

impl Engine {
    /// Stops the instance of a fleet now, or hibernates it if that is what its lease does. Its lease stays as it is.
    ///
    /// # Errors
    /// `NeverStops` if powering off would end it, `FleetOver` if it is gone.
    pub async fn stop(&self, fleet: &Fleet, operation: &Operation) -> Result<()> {
        kept(fleet, "stopped")?;
        let hibernate = fleet.record.spec.lease.ends().hibernates();
        self.when_settled(Switch::Off { hibernate }, fleet, operation).await.map_err(|e| e.context("stopping the instance"))
    }

    /// Starts the instance of a fleet again, with a lease that begins now. When it ends.
    ///
    /// # Errors
    /// `NeverStops`, `FleetOver`, and `AlreadyRuns` if it does; else the first step that failed: the same call again finishes it.
    pub async fn start(&self, fleet: &Fleet, lease: &LeaseSpec, operation: &Operation) -> Result<Timestamp> {
        kept(fleet, "started")?;
        if fleet.status != Status::Stopped {
            return Err(already_runs(fleet, &format!("has not stopped ({})", fleet.status)));
        }
        let setup = self.warm().await?;
        let ledger = self.ledger(&setup);
        self.undisturbed(&fleet.record).await?;
        // Before it starts: whatever starts it, it has a lease that is not over.
        let record = self.renew(&ledger, fleet, lease).await?;
        let deadline = lease::deadline_of(&record);
        lease::change(self.aws(), &ledger, &setup, &record, deadline).await?;
        self.switch_on(fleet, operation).await?;
        Ok(deadline)
    }

    /// Records that a lease begins now. Of two that start an instance at once, one gets to do so: the other's lease would be forgotten.
    async fn renew(&self, ledger: &Ledger, fleet: &Fleet, lease: &LeaseSpec) -> Result<FleetRecord> {
        let began = whole_second(self.now());
        loop {
            let Some((mut record, etag)) = ledger.fleet_held(&fleet.record.fleet).await? else {
                return Err(over(fleet));
            };
            if record.started_at != fleet.record.started_at {
                return Err(already_runs(fleet, "is started by somebody else at this moment"));
            }
            record.started_at = Some(began);
            record.spec.lease.clone_from(lease);
            if let Written::Done(_) = ledger.fleet_replace(&record, &etag).await? {
                return Ok(record);
            }
        }
    }

    /// Starts what has stopped, or is about to.
    pub(crate) async fn switch_on(&self, fleet: &Fleet, operation: &Operation) -> Result<()> {
        self.when_settled(Switch::On, fleet, operation).await.map_err(|e| e.context("starting the instance"))
    }

    /// Starts or stops an instance as soon as it is neither starting nor stopping.
    async fn when_settled(&self, switch: Switch, fleet: &Fleet, operation: &Operation) -> Result<()> {
        let instances = &self.aws().instances;
        let give_up = self.now() + SETTLES_WITHIN;
        loop {
            let done = match switch {
                Switch::On => instances.start(&fleet.alive).await,
                Switch::Off { hibernate } => instances.stop(&fleet.alive, hibernate).await,
            };
            match done {
                Err(error) if switch.may_yet(&error) && self.now() < give_up => operation.go_on()?,
                other => return other,
            }
            self.aws().clock.sleep(PAUSE_MS).await;
        }
    }
}

fn already_runs(fleet: &Fleet, how: &str) -> Error {
    let name = &fleet.record.spec.name;
    Error::new(Class::Conflict, "AlreadyRuns", format!("{name} {how}"), format!("`spawn extend {name}` gives it more time"))
}

fn over(fleet: &Fleet) -> Error {
    let name = &fleet.record.spec.name;
    let help = format!("`spawn rerun {name}` runs it again");
    Error::new(Class::Conflict, "FleetOver", format!("the instance of {name} is gone ({})", fleet.status), help)
}

/// Fails for a fleet that cannot be stopped and started.
fn kept(fleet: &Fleet, verb: &str) -> Result<()> {
    let name = &fleet.record.spec.name;
    if !fleet.record.spec.lease.ends().stops() {
        let message = format!("{name} cannot be {verb}: powering it off ends it");
        let help =
            "on_expiry or on_idle = \"stop\" or \"hibernate\" in its lease make an instance that stops; `spawn rerun` runs this one again";
        return Err(Error::new(Class::Invalid, "NeverStops", message, help));
    }
    if fleet.alive.is_empty() {
        return Err(over(fleet));
    }
    Ok(())
}
