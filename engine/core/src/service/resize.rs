//! Making a service larger or smaller.

use std::collections::BTreeMap;

use jiff::Timestamp;
use spawn_model::error::{Class, Error};
use spawn_model::ids::InstanceId;
use spawn_model::record::{FleetRecord, Payload, RankClaim};

use super::fall_back::Share;
use super::is_service;
use crate::engine::Engine;
use crate::fleet::Fleet;
use crate::lease;
use crate::ledger::Ledger;
use crate::operation::Operation;
use crate::ports::{Group, Result};
use crate::service;
use crate::setup::Setup;

impl Engine {
    /// Gives a service another size. When it becomes smaller, its highest ranks go; when it grows, the new instances take the ranks that
    /// are free. A budget then goes by the larger of the two sizes, for the whole lease.
    ///
    /// # Errors
    /// `NotAService`; `FleetOver` if nothing keeps it at a size any more; `LeaseInPast` if its budget would be spent by now; else the first
    /// step that failed: the same call again finishes it.
    pub async fn resize(&self, fleet: &Fleet, size: u32, operation: &Operation) -> Result<()> {
        let name = &fleet.record.spec.name;
        if !is_service(&fleet.record) {
            let help = "Only a service changes its size while it runs. An array of another size is another array";
            return Err(Error::new(Class::Invalid, "NotAService", format!("{name} is not a service"), help));
        }
        let setup = self.warm().await?;
        let ledger = self.ledger(&setup);
        let mut record = self.undisturbed(&fleet.record).await?;
        let deadline = self.lease_of(&ledger, &record).await?;
        service::in_time(self.aws(), &record, deadline)?;
        service::group(self.aws(), &record).await?;
        record.spec.size = size;
        self.afford(&setup, &ledger, &mut record).await?;
        self.intend(&ledger, &record).await?;
        // As late as can be: the watcher may have it buy otherwise.
        let group = service::group(self.aws(), &record).await?;
        self.reshape(&ledger, &record, &group, operation).await
    }

    /// When a service ends by its lease object.
    async fn lease_of(&self, ledger: &Ledger, record: &FleetRecord) -> Result<Timestamp> {
        let lease = ledger.lease(&record.fleet, &record.run).await?;
        Ok(lease.map_or_else(|| lease::deadline_of(record), |lease| lease.deadline))
    }

    /// Ends a lease sooner whose budget would not last for a service of this size.
    async fn afford(&self, setup: &Setup, ledger: &Ledger, record: &mut FleetRecord) -> Result<()> {
        let Some(rate) = self.rate_of(record, setup).await? else {
            // What an hour costs is looked up again when it counts.
            record.rate_usd_per_hour = None;
            return Ok(());
        };
        if record.rate_usd_per_hour.is_some_and(|known| rate <= known) {
            return Ok(());
        }
        record.rate_usd_per_hour = Some(rate);
        let deadline = lease::deadline_of(record);
        lease::change(self.aws(), ledger, setup, record, deadline).await
    }

    /// Records what the service is to be, before anything of it is: then whoever looks at one that is not sees it.
    async fn intend(&self, ledger: &Ledger, record: &FleetRecord) -> Result<()> {
        let edit = |edited: &mut FleetRecord| {
            // Somebody may have run it again.
            if edited.run == record.run {
                edited.spec.size = record.spec.size;
                edited.rate_usd_per_hour = record.rate_usd_per_hour;
            }
        };
        ledger.fleet_edit(&record.fleet, edit).await?;
        // Whoever boots from now on takes a rank below it.
        let (fleet, run, size) = (&record.fleet, &record.run, record.spec.size);
        match ledger.payload(fleet, run).await? {
            Some(payload) => ledger.payload_write(fleet, run, &Payload { size, ..payload }).await,
            None => Ok(()),
        }
    }

    /// Ends what is too much, and tells the group.
    async fn reshape(&self, ledger: &Ledger, record: &FleetRecord, group: &Group, operation: &Operation) -> Result<()> {
        let (scaling, size) = (&self.aws().scaling, record.spec.size);
        let surplus = surplus(group, &ledger.rank_claims(&record.fleet, &record.run).await?, size);
        if !surplus.is_empty() && group.least > 0 {
            // Somebody has told it to have no fewer.
            scaling.resize(&group.name, group.size).await?;
        }
        let mut share = Share::of(self.aws(), record, group).await?;
        for id in surplus {
            operation.go_on()?;
            operation.say(&format!("ending {id}"));
            if let Some(share) = &mut share {
                share.let_go(&id).await?;
            }
            scaling.shed(&group.name, &id).await.map_err(|e| e.context("making the service smaller"))?;
        }
        if let Some(share) = &mut share {
            share.fit(size).await?;
        }
        // A group that was emptied at its deadline must not be filled again: what empties it has been.
        service::in_time(self.aws(), record, self.lease_of(ledger, record).await?)?;
        operation.say(&format!("asking for {size} instances in all"));
        scaling.resize(&group.name, size).await.map_err(|e| e.context("resizing the Auto Scaling group"))
    }
}

/// The instances that go when a service becomes smaller: those of ranks that it has no more, and then, as long as there are too many, those
/// without a rank, and the highest ranks.
fn surplus(group: &Group, claims: &[(u32, RankClaim)], size: u32) -> Vec<InstanceId> {
    let ranks: BTreeMap<&InstanceId, u32> = claims.iter().map(|(rank, claim)| (&claim.instance_id, *rank)).collect();
    let mut instances: Vec<(Option<u32>, &InstanceId)> = group.instances.iter().map(|id| (ranks.get(id).copied(), id)).collect();
    // The first to go first: beyond the size, without a rank, and from the highest rank down.
    instances.sort_by_key(|(rank, id)| match rank {
        Some(rank) if *rank >= size => (0, u32::MAX - rank, *id),
        None => (1, 0, *id),
        Some(rank) => (2, u32::MAX - rank, *id),
    });
    let beyond = instances.iter().filter(|(rank, _)| rank.is_some_and(|rank| rank >= size)).count();
    let too_many = instances.len().saturating_sub(size as usize);
    instances.into_iter().take(beyond.max(too_many)).map(|(_, id)| id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use spawn_model::record::SCHEMA;

    use super::*;
    use crate::ports::{Launches, Tags};

    fn claim(rank: u32, id: &str) -> (u32, RankClaim) {
        let instance_id = InstanceId(id.to_owned());
        (rank, RankClaim { schema: SCHEMA, instance_id, private_ip: String::new(), started_at: Timestamp::UNIX_EPOCH, service: None })
    }

    #[test]
    fn the_highest_ranks_go_and_before_them_what_has_none() {
        let claims = [claim(0, "a"), claim(1, "b"), claim(2, "c"), claim(3, "gone"), claim(5, "f")];
        for (instances, size, expected) in [
            ("a b c", 3, ""),
            ("a b c", 2, "c"),
            ("a b c", 1, "c b"),
            ("a b c new", 3, "new"),
            ("a b c new", 2, "c new"),
            // A rank is free below: who holds one above has no place any more, and another one will take it.
            ("a b f", 3, "f"),
            ("a b", 5, ""),
        ] {
            let group = Group {
                name: String::new(),
                size: 3,
                instances: instances.split(' ').map(|id| InstanceId(id.to_owned())).collect(),
                least: 0,
                most: 3,
                launches: Launches::default(),
                template: None,
                suspended: BTreeSet::new(),
                is_going: false,
                created_at: Timestamp::UNIX_EPOCH,
                tags: Tags::new(),
            };
            let gone: Vec<String> = surplus(&group, &claims, size).into_iter().map(|id| id.0).collect();
            assert_eq!(gone.join(" "), expected, "{instances} to {size}");
        }
    }
}
