//! The reaper: ends what is past its lease, whatever launched it, and removes what is left of fleets that nobody keeps.
//!
//! It needs nothing but the right to look and to end, and holds no lock: whatever it does, somebody else may do at the same time.
//! An instance is ended if the later of its tag and its run's lease object is past. A fleet is removed the way in which everybody
//! ends one ([`crate::end`]), after its record has said so under the condition that nobody has changed it since it was read: so
//! that whoever runs the fleet again at that moment either is seen, or finds the fleet ended.

mod decide;
mod observe;

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};
use spawn_model::error::{Class, Error, Leftover};
use spawn_model::ids::{FleetId, InstanceId, RunId};
use spawn_model::record::FleetRecord;

pub use decide::{Overdue, OverdueGroup, Told, Why};

use crate::bucket::Bucket;
use crate::end;
use crate::engine::Engine;
use crate::ledger::Ledger;
use crate::operation::Operation;
use crate::ports::{Aws, Group, Instance, Result, Tags, Written};
use crate::retry::patiently;
use crate::service;
use crate::setup::Setup;
use crate::tags;
use decide::{fate, is_ours, overdue, overdue_group, run_of};
use observe::Recorded;

/// How long a fleet's last instances may take to go away. What takes longer is finished by the next reaper.
const END_TIMEOUT: SignedDuration = SignedDuration::from_mins(5);

/// How many fleets are removed at once, and in how many regions: an account's rates are shared with those who launch.
const FLEETS_AT_ONCE: usize = 4;
const REGIONS_AT_ONCE: usize = 8;

/// When so many instances were refused one by one, it is not about single ones.
const REFUSALS_MAX: usize = 16;

/// What the reaper found in a region, and did or would do.
#[derive(Clone, Debug)]
pub struct Reaped {
    /// The region.
    pub region: String,
    /// The groups of services past their lease that were deleted.
    pub groups: Vec<OverdueGroup>,
    /// The instances past their lease that were ended.
    pub instances: Vec<Overdue>,
    /// The fleets of which everything was removed but records, results and logs.
    pub fleets: Vec<Removed>,
    /// How many instances live within their lease.
    pub living: usize,
    /// What could not be seen or done, each with what it left.
    pub errors: Vec<Error>,
}

/// A fleet that is no more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Removed {
    /// The fleet.
    pub fleet: FleetId,
    /// Its name, if it had one.
    pub name: Option<String>,
    /// Why.
    pub why: Why,
    /// When the last of its leases ended, if anything is recorded of it.
    pub leased_until: Option<Timestamp>,
}

/// What the reaper needs of a region whose account is set up.
struct Place {
    ledger: Ledger,
    setup: Setup,
}

/// A reaper at work in one region.
struct Reaper<'a> {
    aws: &'a Aws,
    place: Option<Place>,
    operation: Operation,
    /// Whether it only says what it would do.
    dry_run: bool,
    reaped: Reaped,
}

/// Reaps in several regions. One in which it goes wrong keeps it from no other.
pub async fn everywhere(engines: &[Engine], dry_run: bool, operation: &Operation) -> Vec<Reaped> {
    stream::iter(engines).map(|engine| engine.reap(dry_run, operation)).buffered(REGIONS_AT_ONCE).collect().await
}

impl Engine {
    /// The regions that the account has enabled.
    ///
    /// # Errors
    /// If EC2 does not tell.
    pub async fn regions(&self) -> Result<Vec<String>> {
        let mut regions = self.aws().instances.regions().await?;
        regions.sort();
        Ok(regions)
    }

    /// Ends what is past its lease in this region, and removes what is left of fleets that nobody keeps; or says what it would.
    /// Does what can be done, and answers with the errors of what cannot.
    pub async fn reap(&self, dry_run: bool, operation: &Operation) -> Reaped {
        let region = self.region().to_owned();
        let operation = operation.about(&region);
        let reaped = Reaped { region, groups: Vec::new(), instances: Vec::new(), fleets: Vec::new(), living: 0, errors: Vec::new() };
        let mut reaper = Reaper { aws: self.aws(), place: None, operation, dry_run, reaped };
        match self.found().await {
            Ok(setup) => reaper.place = setup.map(|setup| Place { ledger: self.ledger(&setup), setup }),
            // Without its bucket, tags alone say when an instance ends.
            Err(error) => reaper.failed(error),
        }
        reaper.reap().await;
        reaper.reaped
    }
}

impl Reaper<'_> {
    async fn reap(&mut self) {
        let described = patiently(self.aws, &self.operation, || async { self.aws.instances.describe(&tags::managed()).await }).await;
        let instances = match described {
            Ok(instances) => instances,
            // Not knowing what lives, it touches nothing.
            Err(error) => return self.failed(error.leaving(Leftover::Unknown)),
        };
        let groups = self.groups().await;
        let now = self.aws.clock.now();
        let tags = instances.iter().filter(|i| i.alive).map(|i| &i.tags).chain(groups.iter().map(|group| &group.tags));
        let leases = match &self.place {
            Some(place) => observe::leases(&place.ledger, tags, now).await,
            None => BTreeMap::new(),
        };
        let (late, living) = judge(&instances, &leases, now);
        let late_groups: Vec<OverdueGroup> =
            groups.iter().filter_map(|group| overdue_group(group, lease_of(&group.tags, &leases), now)).collect();
        self.reaped.living = living.len();
        let fleets = late.iter().map(|overdue| &overdue.fleet).chain(late_groups.iter().map(|overdue| &overdue.fleet)).flatten();
        let removals = self.removals(fleets.cloned().collect(), &living, now).await;
        if self.dry_run {
            self.reaped.fleets = removals.into_iter().map(|(_, removed)| removed).collect();
            (self.reaped.instances, self.reaped.groups) = (late, late_groups);
            return;
        }
        // First: what is ended would be replaced.
        self.dismiss(late_groups).await;
        let refused = self.end(late).await;
        self.remove(removals.into_iter().filter(|(recorded, _)| !refused.contains(&recorded.fleet)).collect()).await;
    }

    /// The groups of services. Not knowing them, it does what can be done about instances.
    async fn groups(&mut self) -> Vec<Group> {
        let described = patiently(self.aws, &self.operation, || async { self.aws.scaling.groups(&tags::managed()).await }).await;
        described.unwrap_or_else(|error| {
            self.failed(error.context("looking for Auto Scaling groups").leaving(Leftover::Unknown));
            Vec::new()
        })
    }

    /// Deletes the groups of services, so that nothing of them is replaced.
    async fn dismiss(&mut self, late: Vec<OverdueGroup>) {
        for overdue in late {
            self.operation.say(&format!("deleting the Auto Scaling group {}, which is past its lease", overdue.group));
            match patiently(self.aws, &self.operation, || service::dismiss_unrecorded(self.aws, &overdue.group)).await {
                Ok(()) => self.reaped.groups.push(overdue),
                Err(error) => self.failed(error.context(&format!("deleting the Auto Scaling group {}", overdue.group))),
            }
        }
    }

    /// The fleets to be removed.
    async fn removals(&mut self, late: BTreeSet<FleetId>, living: &[&Instance], now: Timestamp) -> Vec<(Recorded, Removed)> {
        let Some(place) = &self.place else { return Vec::new() };
        let living: BTreeSet<&str> = living.iter().filter_map(|i| i.tags.get(spawn_model::tag::FLEET)).map(String::as_str).collect();
        let fleets = match observe::fleets(&place.ledger, late, now).await {
            Ok((fleets, errors)) => {
                self.reaped.errors.extend(errors.into_iter().map(|error| in_region(&self.reaped.region, error)));
                fleets
            }
            Err(error) => {
                self.failed(error);
                return Vec::new();
            }
        };
        let removal = |recorded: Recorded| {
            let why = fate(&recorded.case(living.contains(recorded.fleet.as_str()), now), now)?;
            let name = recorded.claimed.as_ref().map(|claimed| claimed.name.clone());
            let leased_until = recorded.record.is_some().then_some(recorded.leased_until);
            let removed = Removed { fleet: recorded.fleet.clone(), name, why, leased_until };
            Some((recorded, removed))
        };
        fleets.into_iter().filter_map(removal).collect()
    }

    /// Ends instances in as few calls as there can be; what EC2 refuses for one is done for the others. The fleets of those that are
    /// left.
    async fn end(&mut self, late: Vec<Overdue>) -> BTreeSet<FleetId> {
        if !late.is_empty() {
            self.operation.say(&format!("ending {} past the lease", end::instances_of(late.len())));
        }
        let mut bucket = Bucket::of_terminations(self.aws.clock.now());
        let mut batches: Vec<Vec<Overdue>> = late.chunks(end::TERMINATE_MAX).rev().map(<[Overdue]>::to_vec).collect();
        let (mut refusals, mut left) = (0, BTreeSet::new());
        while let Some(mut batch) = batches.pop() {
            let ids: Vec<InstanceId> = batch.iter().map(|overdue| overdue.id.clone()).collect();
            let Err(error) = self.terminate(&ids, &mut bucket).await else {
                self.reaped.instances.append(&mut batch);
                continue;
            };
            if batch.len() > 1 && refusals < REFUSALS_MAX && may_be_about_one(&error) {
                let rest = batch.split_off(batch.len() / 2);
                batches.extend([rest, batch]);
                continue;
            }
            refusals += 1;
            left.extend(batch.into_iter().filter_map(|overdue| overdue.fleet));
            let error = error.context(&format!("ending {} past the lease", end::instances_of(ids.len())));
            self.failed(error.helped("The next reaper tries again").leaving(Leftover::Remaining(ids)));
        }
        left
    }

    async fn terminate(&self, ids: &[InstanceId], bucket: &mut Bucket) -> Result<()> {
        self.operation.go_on()?;
        end::terminate_paced(self.aws, ids, bucket, &self.operation).await
    }

    /// Removes fleets. One that is changed by somebody at this moment is left to the next reaper.
    async fn remove(&mut self, removals: Vec<(Recorded, Removed)>) {
        let Some(place) = &self.place else { return };
        let (aws, operation) = (self.aws, &self.operation);
        let remove = |(recorded, removed): (Recorded, Removed)| async move {
            let done = place.remove(aws, &recorded, operation).await;
            (done.map_err(|error| error.context(recorded.fleet.as_str())), removed)
        };
        let done: Vec<_> = stream::iter(removals).map(remove).buffered(FLEETS_AT_ONCE).collect().await;
        for (done, removed) in done {
            match done {
                Ok(true) => self.reaped.fleets.push(removed),
                Ok(false) => {}
                Err(error) => self.failed(error),
            }
        }
        if let Err(cancelled) = self.operation.go_on() {
            self.failed(cancelled);
        }
    }

    fn failed(&mut self, error: Error) {
        self.reaped.errors.push(in_region(&self.reaped.region, error));
    }
}

impl Place {
    /// Removes everything of a fleet but records, results and logs. Says whether it did: somebody may have changed the fleet since.
    async fn remove(&self, aws: &Aws, recorded: &Recorded, operation: &Operation) -> Result<bool> {
        if operation.cancel.is_cancelled() {
            return Ok(false);
        }
        let fleet = &recorded.fleet;
        let Some((record, etag)) = &recorded.record else { return self.remove_unrecorded(aws, recorded, operation).await };
        if !record.ended && !self.begin(record, etag).await? {
            return Ok(false);
        }
        operation.say(&format!("removing {fleet}"));
        end::remove(aws, &self.ledger, &self.setup, fleet, END_TIMEOUT, operation).await?;
        end::release(&self.ledger, &record.spec.name, fleet).await?;
        Ok(true)
    }

    /// Says in the record that the fleet's end has begun, if nobody has changed it since.
    async fn begin(&self, record: &FleetRecord, etag: &str) -> Result<bool> {
        Ok(self.ledger.fleet_replace(&end::forbidden(record), etag).await? != Written::Refused)
    }

    /// Gives back the name of a launcher that died before it could record anything, unless another one has taken it over; or removes
    /// what was made of a fleet whose records are gone.
    async fn remove_unrecorded(&self, aws: &Aws, recorded: &Recorded, operation: &Operation) -> Result<bool> {
        if let Some(claimed) = &recorded.claimed {
            return self.ledger.claim_delete(&claimed.name, &claimed.etag).await;
        }
        end::remove(aws, &self.ledger, &self.setup, &recorded.fleet, END_TIMEOUT, operation).await?;
        Ok(true)
    }
}

/// The instances that are past their lease, and those within it.
fn judge<'i>(instances: &'i [Instance], leases: &BTreeMap<RunId, Timestamp>, now: Timestamp) -> (Vec<Overdue>, Vec<&'i Instance>) {
    let (mut late, mut living) = (Vec::new(), Vec::new());
    for instance in instances.iter().filter(|instance| instance.alive && is_ours(&instance.tags)) {
        match overdue(instance, lease_of(&instance.tags, leases), now) {
            Some(overdue) => late.push(overdue),
            None => living.push(instance),
        }
    }
    late.sort_by(|one, other| (&one.fleet, &one.id).cmp(&(&other.fleet, &other.id)));
    (late, living)
}

/// When what has these tags ends by its run's lease object, if that was read.
fn lease_of(tags: &Tags, leases: &BTreeMap<RunId, Timestamp>) -> Option<Timestamp> {
    run_of(tags).and_then(|(_, run)| leases.get(&run)).copied()
}

/// Whether a refusal to end several instances may be about some of them: protected, say, or under a policy of their own.
fn may_be_about_one(error: &Error) -> bool {
    !matches!(error.class, Class::Throttled | Class::Transient | Class::Ambiguous | Class::Cancelled)
}

fn in_region(region: &str, error: Error) -> Error {
    error.context(region)
}
