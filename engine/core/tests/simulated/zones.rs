//! Hosted zones of Route 53, whose changes are made as a whole or not at all.

use std::collections::BTreeMap;

use async_trait::async_trait;
use spawn_core::ports::{Result, Zone, Zones};
use spawn_model::dns::{RecordChange, RecordKind, RecordSet};
use spawn_model::error::Error;

use super::door::Door;
use super::refusal;

/// A zone and its records.
#[derive(Clone, Debug)]
pub(crate) struct Hosted {
    pub(crate) zone: Zone,
    pub(crate) records: BTreeMap<(String, RecordKind), RecordSet>,
}

fn gone(zone_id: &str) -> Error {
    refusal("NoSuchHostedZone", 404, format!("No hosted zone found with ID: {zone_id}"))
}

/// Most values of a change (Route 53 quotas): what is written over counts twice.
fn values(change: &RecordChange) -> usize {
    match change {
        RecordChange::Create(set) | RecordChange::Delete(set) => set.values.len(),
        RecordChange::Put(set) => 2 * set.values.len(),
    }
}

fn apply(records: &mut BTreeMap<(String, RecordKind), RecordSet>, zone: &str, change: &RecordChange) -> Result<()> {
    let (RecordChange::Create(set) | RecordChange::Delete(set) | RecordChange::Put(set)) = change;
    let key = (set.name.clone(), set.kind);
    let what = format!("[name='{}.', type='{:?}']", set.name, set.kind);
    let refused = |how: String| Err(refusal("InvalidChangeBatch", 400, format!("[{how}]")));
    if !set.name.ends_with(&format!(".{zone}")) {
        return refused(format!("RRSet with DNS name {}. is not permitted in zone {zone}.", set.name));
    }
    if set.values.is_empty() || set.values.len() > 400 {
        return refused(format!("{} values in {what}", set.values.len()));
    }
    let sorted = |set: &RecordSet| {
        let mut values = set.values.clone();
        values.sort();
        (set.ttl_s, values)
    };
    match change {
        RecordChange::Create(_) if records.contains_key(&key) => {
            refused(format!("Tried to create resource record set {what} but it already exists"))
        }
        RecordChange::Delete(_) if !records.contains_key(&key) => {
            refused(format!("Tried to delete resource record set {what} but it was not found"))
        }
        RecordChange::Delete(_) if sorted(&records[&key]) != sorted(set) => {
            refused(format!("Tried to delete resource record set {what} but the values provided do not match the current values"))
        }
        RecordChange::Delete(_) => {
            records.remove(&key);
            Ok(())
        }
        RecordChange::Create(_) | RecordChange::Put(_) => {
            records.insert(key, set.clone());
            Ok(())
        }
    }
}

#[async_trait]
impl Zones for Door {
    async fn find(&self, id_or_name: &str) -> Result<Vec<Zone>> {
        self.call("route53:ListHostedZonesByName", |s, _| {
            let name = id_or_name.trim_end_matches('.');
            let meant = |hosted: &&Hosted| hosted.zone.id == id_or_name || hosted.zone.name == name;
            Ok(s.zones.values().filter(meant).map(|hosted| hosted.zone.clone()).collect())
        })
        .await
    }

    async fn records(&self, zone_id: &str, name: &str) -> Result<Vec<RecordSet>> {
        self.call("route53:ListResourceRecordSets", |s, _| {
            let hosted = s.zones.get(zone_id).ok_or_else(|| gone(zone_id))?;
            Ok(hosted.records.values().filter(|set| set.is_within(name)).cloned().collect())
        })
        .await
    }

    async fn change(&self, zone_id: &str, changes: &[RecordChange]) -> Result<()> {
        self.call("route53:ChangeResourceRecordSets", |s, _| {
            let hosted = s.zones.get_mut(zone_id).ok_or_else(|| gone(zone_id))?;
            if changes.is_empty() || changes.iter().map(values).sum::<usize>() > 1_000 {
                return Err(refusal("InvalidChangeBatch", 400, "Number of records limit of 1000 exceeded."));
            }
            let mut records = hosted.records.clone();
            changes.iter().try_for_each(|change| apply(&mut records, &hosted.zone.name, change))?;
            hosted.records = records;
            Ok(())
        })
        .await
    }
}
