//! What the reaper looks at: instances by tag, and the records of fleets, in as few calls as there can be.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};
use spawn_model::error::Error;
use spawn_model::ids::{FleetId, RunId};
use spawn_model::record::{FleetRecord, NameClaim};
use spawn_model::schedule::ScheduleRecord;

use super::decide::{Case, run_of};
use crate::lease;
use crate::ledger::{Ledger, READS_AT_ONCE};
use crate::ports::{Result, Tags};
use crate::process;
use crate::tags;

/// The claim of a fleet's name.
#[derive(Clone, Debug)]
pub(super) struct Claimed {
    pub(super) name: String,
    pub(super) claim: NameClaim,
    pub(super) etag: String,
}

/// A fleet as its records tell it.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    pub(super) fleet: FleetId,
    /// The claim of its name, if it has one.
    pub(super) claimed: Option<Claimed>,
    /// Its record and that one's ETag, if there is one.
    pub(super) record: Option<(FleetRecord, String)>,
    /// When the last of its leases ends, by everything that could be read.
    pub(super) leased_until: Timestamp,
    /// See [`Case::starts_until`].
    pub(super) starts_until: Option<Timestamp>,
}

impl Recorded {
    /// What its fate depends on.
    pub(super) fn case(&self, lives: bool, now: Timestamp) -> Case<'_> {
        let record = self.record.as_ref().map(|(record, _)| record);
        let claim = self.claimed.as_ref().map(|claimed| &claimed.claim);
        let launched = claim.filter(|claim| !claim.is_acknowledged()).map(|claim| &claim.heartbeat);
        let begun = record.and_then(|record| record.next.as_ref()).and_then(|next| next.heartbeat.as_ref());
        Case {
            kept_by: claim.map(|claim| claim.kept_by),
            record,
            launcher_lives: [launched, begun].into_iter().flatten().any(|heartbeat| !process::is_dead(heartbeat, now)),
            leased_until: self.leased_until,
            lives,
            starts_until: self.starts_until,
        }
    }
}

/// The lease objects of the runs of what has these tags and is past them. What is within its tag needs no other word: the later one counts.
pub(super) async fn leases<'a>(ledger: &Ledger, tagged: impl Iterator<Item = &'a Tags>, now: Timestamp) -> BTreeMap<RunId, Timestamp> {
    let is_past = |tags: &&Tags| tags::deadline(tags).is_none_or(|at| at <= now);
    let runs: BTreeSet<(FleetId, RunId)> = tagged.filter(is_past).filter_map(run_of).collect();
    stream::iter(runs)
        .map(|(fleet, run)| async move { leased_until(ledger, &fleet, &run).await.map(|until| (run, until)) })
        .buffer_unordered(READS_AT_ONCE)
        .filter_map(|found| async move { found })
        .collect()
        .await
}

/// The fleets that have a name, and those without one in `nameless`. What cannot be read is an error of its own.
pub(super) async fn fleets(ledger: &Ledger, mut nameless: BTreeSet<FleetId>, now: Timestamp) -> Result<(Vec<Recorded>, Vec<Error>)> {
    let mut errors = Vec::new();
    let names = ledger.names().await?;
    let claims = stream::iter(names).map(|name| async move { claimed(ledger, name).await });
    let mut found: Vec<(FleetId, Option<Claimed>)> = Vec::new();
    for claimed in claims.buffered(READS_AT_ONCE).collect::<Vec<_>>().await {
        match claimed {
            Ok(Some(claimed)) => found.push((claimed.claim.fleet.clone(), Some(claimed))),
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
    }
    for (fleet, _) in &found {
        nameless.remove(fleet);
    }
    // Where a claim cannot be read, it may be that of any fleet.
    if errors.is_empty() {
        found.extend(nameless.into_iter().map(|fleet| (fleet, None)));
    }
    let records = stream::iter(found).map(|(fleet, claimed)| async move { recorded(ledger, fleet, claimed, now).await });
    let mut fleets = Vec::new();
    for recorded in records.buffered(READS_AT_ONCE).collect::<Vec<_>>().await {
        match recorded {
            Ok(recorded) => fleets.push(recorded),
            Err(error) => errors.push(error),
        }
    }
    Ok((fleets, errors))
}

async fn claimed(ledger: &Ledger, name: String) -> Result<Option<Claimed>> {
    let found = ledger.claim(&name).await.map_err(|error| error.context(&name))?;
    Ok(found.map(|(claim, etag)| Claimed { name, claim, etag }))
}

async fn recorded(ledger: &Ledger, fleet: FleetId, claimed: Option<Claimed>, now: Timestamp) -> Result<Recorded> {
    let record = ledger.fleet_held(&fleet).await.map_err(|error| error.context(fleet.as_str()))?;
    let mut until = Timestamp::MIN;
    for run in record.iter().flat_map(|(record, _)| std::iter::once(record).chain(record.next.as_ref().map(|next| &*next.record))) {
        let leased = leased_until(ledger, &fleet, &run.run).await;
        until = until.max(lease::end_of(run)).max(leased.unwrap_or(Timestamp::MIN));
    }
    let starts_until = match &record {
        Some((record, _)) if record.scheduled.is_some() => starts_until(ledger, record, now).await,
        _ => None,
    };
    Ok(Recorded { fleet, claimed, record, leased_until: until, starts_until })
}

/// How long Lambda may work on a start, and try it again.
const AFTERWARDS: SignedDuration = SignedDuration::from_mins(60);

/// Until when whoever makes a schedule may come back to it, if that is to start more runs: as long as the lease of one. Where that cannot be read,
/// it is taken to be.
async fn starts_until(ledger: &Ledger, record: &FleetRecord, now: Timestamp) -> Option<Timestamp> {
    match ledger.schedule(&record.fleet).await {
        // Its last start may still be under way, or be tried again.
        Ok(Some(schedule)) if is_over(&schedule, now) => None,
        Ok(Some(schedule)) => {
            Some(schedule.counted_from.checked_add(SignedDuration::from(record.spec.lease.ttl)).unwrap_or(Timestamp::MAX))
        }
        // Its maker has not come so far, or has died there.
        Ok(None) => None,
        Err(_) => Some(Timestamp::MAX),
    }
}

/// Whether the last start of a schedule has been, and can be tried no more. One whose times cannot be read is not: a newer version wrote them.
fn is_over(schedule: &ScheduleRecord, now: Timestamp) -> bool {
    let tried = SignedDuration::from(schedule.timing.start_within).saturating_add(AFTERWARDS);
    let tried_until = now.checked_sub(tried).unwrap_or(Timestamp::MIN);
    schedule.timing().is_some_and(|timing| timing.next(tried_until).is_none())
}

/// When a run ends by its lease object; nothing if that is missing or cannot be read, whatever the reason.
async fn leased_until(ledger: &Ledger, fleet: &FleetId, run: &RunId) -> Option<Timestamp> {
    ledger.lease(fleet, run).await.ok().flatten().map(|lease| lease.end())
}
