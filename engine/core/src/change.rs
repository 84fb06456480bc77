//! What may change of a fleet while it lives: its lease, its tags, and what becomes of its results.

use futures::try_join;
use jiff::Timestamp;
use spawn_model::error::{Class, Error};
use spawn_model::ids::{FleetId, InstanceId};
use spawn_model::record::FleetRecord;
use spawn_model::spec::{FleetSpec, LeaseSpec};
use spawn_model::status::Status;

use crate::cost;
use crate::dns::{self, Names};
use crate::engine::Engine;
use crate::fleet::Fleet;
use crate::lease;
use crate::network;
use crate::operation::Operation;
use crate::plan::plan;
use crate::ports::{Result, Tags};
use crate::rerun;
use crate::rights;
use crate::service;
use crate::setup::Setup;
use crate::tags;

impl Engine {
    /// Moves a fleet's deadline and changes when it is idle, and remembers the lease that says so. What has stopped is started by a lease
    /// that ends later.
    ///
    /// # Errors
    /// See [`lease::change`]; `FleetOver` if there is nothing left to extend.
    pub async fn lease_change(&self, fleet: &Fleet, wanted: &LeaseSpec) -> Result<Timestamp> {
        if fleet.status.is_over() && fleet.alive.is_empty() {
            let message = format!("{} is over ({}), and a lease cannot bring it back", fleet.record.spec.name, fleet.status);
            let help = format!("`spawn rerun {}` runs it again; in Terraform, change `triggers`, or plan again", fleet.record.spec.name);
            return Err(Error::new(Class::Conflict, "FleetOver", message, help));
        }
        rerun::has_run(&fleet.record)?;
        let setup = self.warm().await?;
        let ledger = self.ledger(&setup);
        let mut record = self.undisturbed(&fleet.record).await?;
        if service::is_service(&record) {
            // What was emptied at its deadline stays so.
            service::in_time(self.aws(), &record, fleet.deadline)?;
        }
        record.spec.lease.clone_from(wanted);
        let rate = if record.rate_usd_per_hour.is_none() { self.rate_of(&record, &setup).await? } else { None };
        record.rate_usd_per_hour = record.rate_usd_per_hour.or(rate);
        let deadline = lease::deadline_of(&record);
        lease::change(self.aws(), &ledger, &setup, &record, deadline).await?;
        let edit = |edited: &mut FleetRecord| {
            edited.spec.lease.clone_from(wanted);
            edited.rate_usd_per_hour = edited.rate_usd_per_hour.or(rate);
        };
        // Before it is recorded, so that a start that fails is still to be done for whoever looks.
        let is_later = deadline > lease::deadline_of(&fleet.record);
        if fleet.status == Status::Stopped && is_later && deadline > self.now() {
            self.switch_on(fleet, &Operation::quiet()).await?;
        }
        ledger.fleet_edit(&record.fleet, edit).await?;
        Ok(deadline)
    }

    /// What an hour of a fleet costs by what its record asks for; nothing if there is no budget for which that would count.
    pub(crate) async fn rate_of(&self, record: &FleetRecord, setup: &Setup) -> Result<Option<f64>> {
        if record.spec.lease.budget.is_none() {
            return Ok(None);
        }
        let observed = self.observe(&record.spec, &record.instance_types, setup.architectures()).await?;
        let plan = cost::budgeted(self.aws(), &record.spec, plan(record.kind, &record.spec, &observed)?).await?;
        Ok(plan.rate.map(|rate| rate.usd_per_hour()))
    }

    /// Changes what may change in place besides the lease: tags, who may come onto the instances, names in DNS, and what destroy does with
    /// results.
    ///
    /// # Errors
    /// If a tag, the role, a name or the record cannot be written; the same call again finishes it.
    pub async fn update(&self, fleet: &Fleet, spec: &FleetSpec) -> Result<()> {
        let setup = self.warm().await?;
        let ledger = self.ledger(&setup);
        let mut record = self.undisturbed(&fleet.record).await?;
        if record.spec.connect != spec.connect {
            record.spec.connect = spec.connect;
            let role = rights::role(&record, &setup);
            // Never made by this: somebody who ends the fleet at this moment would leave it.
            let changed = self.aws().identity.role_policy_put(&role.name, &role.policy).await;
            changed.map_err(|e| e.context("changing the fleet's role"))?;
        }
        let old = fleet.tags_seen.as_ref().unwrap_or(&fleet.record.spec.tags);
        if *old != spec.tags || fleet.record.spec.tags != spec.tags {
            let alive = if service::is_service(&record) {
                record.spec.tags.clone_from(&spec.tags);
                service::renew(self.aws(), &setup, &record).await?;
                service::untag(self.aws(), &record, old, &spec.tags).await?;
                // What it has launched until then, without the new ones.
                self.alive(&record).await?
            } else {
                self.wholly_launched(&fleet.record).await?;
                fleet.alive.clone()
            };
            self.retag(&record.fleet, &alive, old, &spec.tags).await?;
        }
        let edit = |record: &mut FleetRecord| {
            record.spec.tags.clone_from(&spec.tags);
            if record.spec.connect != spec.connect {
                record.spec.connect = spec.connect;
                *record = rights::noted(record.clone());
            }
            record.spec.wait_for = spec.wait_for;
            record.spec.delete_results = spec.delete_results;
        };
        ledger.fleet_edit(&fleet.record.fleet, edit).await?;
        self.rename(&setup, fleet, spec).await
    }

    /// Gives a fleet the names that it is to have, and takes those away that it is to have no more. Until the new name is claimed it has the old
    /// one.
    async fn rename(&self, setup: &Setup, fleet: &Fleet, spec: &FleetSpec) -> Result<()> {
        let (record, ledger) = (&fleet.record, self.ledger(setup));
        if record.dns.is_none() && spec.dns.is_none() {
            return Ok(());
        }
        let names = Names { aws: self.aws(), ledger: &ledger, operation: &Operation::quiet() };
        let subnets = if spec.dns.is_some() { network::find(self.aws(), spec).await? } else { Vec::new() };
        // Also of what it has: its zone may be another one of the same name by now.
        let place = dns::planned(self.aws(), Some(setup), spec, &subnets).await?;
        if let Some(place) = &place {
            names.claim_at(&record.fleet, place).await?;
        }
        let mut named = record.clone();
        // What it gives up it remembers until it is gone: whoever repeats this goes on with it.
        if record.spec.dns != spec.dns || place.as_ref().is_some_and(|place| record.dns.as_ref() != Some(place)) {
            let edit = |edited: &mut FleetRecord| {
                edited.spec.dns.clone_from(&spec.dns);
                edited.dns = place.clone().or(edited.dns.take());
            };
            edit(&mut named);
            ledger.fleet_edit(&record.fleet, edit).await?;
        }
        if ledger.fleet(&record.fleet).await?.is_none_or(|now| now.ended) {
            // Its end has not seen what this has claimed.
            return names.remove(&record.fleet).await;
        }
        names.keep(&Fleet { record: named, ..fleet.clone() }).await?;
        match place {
            Some(_) => Ok(()),
            None => ledger.fleet_edit(&record.fleet, |edited| edited.dns = None).await,
        }
    }

    async fn alive(&self, record: &FleetRecord) -> Result<Vec<InstanceId>> {
        let described = self.aws().instances.describe(&tags::of_run(&record.run)).await?;
        Ok(described.into_iter().filter(|instance| instance.alive).map(|instance| instance.launched.instance_id).collect())
    }

    async fn retag(&self, fleet: &FleetId, alive: &[InstanceId], old: &Tags, new: &Tags) -> Result<()> {
        let mine = tags::of_fleet(fleet);
        let (volumes, groups) = try_join!(self.aws().instances.volumes(&mine), self.aws().instances.groups(&mine))?;
        let volumes = volumes.into_iter().map(|volume| volume.id);
        let ids: Vec<String> = alive.iter().map(|id| id.0.clone()).chain(volumes).chain(groups).collect();
        tags::change(self.aws(), &ids, old, new).await
    }

    /// Fails for a fleet that a launcher may still go on with: its next launch has to have the tags of the first one, whose client
    /// token it has.
    async fn wholly_launched(&self, record: &FleetRecord) -> Result<()> {
        let batches = self.ledger(&self.warm().await?).batches(&record.fleet, &record.run).await?;
        let launched: usize = batches.iter().map(|batch| batch.instances.len()).sum();
        if launched < record.spec.size as usize { Err(crate::rerun::in_progress(&record.fleet)) } else { Ok(()) }
    }
}
