//! What a batch makes of a zone: all of it, or nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::batch::{Action, Change};
use super::names::Name;
use super::state::{Key, RecordSet, Records, Zone};
use super::values::check_of;

/// Values in a request ("Quotas" of the Developer Guide, "Maximums on API requests"). One of an `UPSERT` counts twice.
const VALUES_MAX: usize = 1_000;

/// Characters of all values in a request (same place). One of an `UPSERT` counts twice.
const CHARACTERS_MAX: usize = 32_000;

/// Values of a record set (same page, "Quotas on records").
const SET_MAX: usize = 400;

/// Record sets of a zone (same place).
pub(super) const ZONE_MAX: usize = 10_000;

/// The record sets of a zone after some changes, made one after the other.
///
/// # Errors
/// All that is wrong, in Route 53's words.
pub(super) fn apply(zone: &Zone, changes: &[Change]) -> Result<Records, Vec<String>> {
    if let Some(problem) = beyond_limits(changes) {
        return Err(vec![problem]);
    }
    let mut work = Work { zone, records: zone.records.clone(), seen: BTreeMap::new() };
    let mut problems: Vec<String> = Vec::new();
    for change in changes {
        if let Err(problem) = work.change(change)
            && !problems.contains(&problem)
        {
            problems.push(problem);
        }
    }
    problems.extend(work.as_a_whole());
    if problems.is_empty() { Ok(work.records) } else { Err(problems) }
}

fn beyond_limits(changes: &[Change]) -> Option<String> {
    let sum = |of: fn(&Change) -> usize| -> usize {
        changes.iter().map(|change| of(change) * if change.action == Action::Upsert { 2 } else { 1 }).sum()
    };
    if sum(|change| change.values.len()) > VALUES_MAX {
        return Some(format!("Number of records limit of {VALUES_MAX} exceeded."));
    }
    let characters = sum(|change| change.values.iter().map(|value| value.chars().count()).sum());
    (characters > CHARACTERS_MAX).then(|| format!("RDATA character limit of {CHARACTERS_MAX} exceeded."))
}

/// A zone at work.
struct Work<'z> {
    zone: &'z Zone,
    records: Records,
    /// What was done with each record set so far.
    seen: BTreeMap<Key, Vec<Action>>,
}

impl Work<'_> {
    fn change(&mut self, change: &Change) -> Result<(), String> {
        let set = self.read(change)?;
        let key = set.key();
        let shown = format!("resource record set [name='{}', type='{}']", set.name, set.kind);
        let so_far = self.seen.entry(key.clone()).or_default();
        so_far.push(change.action);
        // One change of a record set is all a batch may have, but for replacing it by hand.
        if !matches!(so_far.as_slice(), [_] | [Action::Delete, Action::Create]) {
            return Err(format!("The request contains an invalid set of changes for a resource record set '{} {}'", set.kind, set.name));
        }
        match (change.action, self.records.get(&key)) {
            (Action::Create, Some(_)) => return Err(format!("Tried to create {shown} but it already exists")),
            (Action::Delete, None) => return Err(format!("Tried to delete {shown} but it was not found")),
            (Action::Delete, Some(known)) if !known.says(&set) => {
                return Err(format!("Tried to delete {shown} but the values provided do not match the current values"));
            }
            (Action::Delete, Some(_)) => {
                self.records.remove(&key);
            }
            (Action::Create | Action::Upsert, _) => {
                self.check_neighbours(&set)?;
                self.records.insert(key, set);
            }
        }
        Ok(())
    }

    /// A change's record set, if its name and values are ones.
    fn read(&self, change: &Change) -> Result<RecordSet, String> {
        let name = Name::parse(&change.name)?;
        if !name.is_within(&self.zone.name) {
            return Err(format!("RRSet with DNS name {name} is not permitted in zone {}", self.zone.name));
        }
        if change.values.len() > SET_MAX {
            return Err(format!("Cannot have more than {SET_MAX} records in a RRSet."));
        }
        let mut known = BTreeSet::new();
        for value in &change.values {
            if let Some(check) = check_of(&change.kind) {
                check(value).map_err(|problem| format!("Invalid Resource Record: '{problem}'"))?;
            }
            if !known.insert(value) {
                return Err(format!("Duplicate Resource Record: '{value}'"));
            }
        }
        Ok(RecordSet { name, kind: change.kind.clone(), ttl: change.ttl, values: change.values.clone() })
    }

    /// An alias for a name (`CNAME`) is all the name has, and has one value; a zone's own name always has something else.
    fn check_neighbours(&self, set: &RecordSet) -> Result<(), String> {
        let (kind, name, zone) = (&set.kind, &set.name, &self.zone.name);
        // AWS refuses this, and several values of a CNAME, in words that are not known here.
        if kind == "NS" && name.is_wildcard() {
            return Err(format!("RRSet of type NS with DNS name {name} is not permitted as a wildcard in zone {zone}"));
        }
        if kind != "CNAME" {
            let is_alias = self.records.contains_key(&(name.order(), "CNAME".to_owned()));
            let why = format!("because a conflicting RRSet of type CNAME with the same DNS name already exists in zone {zone}");
            return if is_alias { Err(format!("RRSet of type {kind} with DNS name {name} is not permitted {why}")) } else { Ok(()) };
        }
        let refused = |why: &str| Err(format!("RRSet of type CNAME with DNS name {name} is not permitted {why} in zone {zone}"));
        let here = (name.order(), String::new());
        let mut others = self.records.range(here..).take_while(|(_, other)| other.name == *name);
        if name == zone {
            refused("at apex")
        } else if others.any(|(_, other)| other.kind != "CNAME") {
            refused("as it conflicts with other records with the same DNS name")
        } else if set.values.len() > 1 {
            refused("with more than one resource record")
        } else {
            Ok(())
        }
    }

    /// What is wrong with the zone when all is done.
    fn as_a_whole(&self) -> Option<String> {
        if !self.records.contains_key(&(self.zone.name.order(), "NS".to_owned())) {
            return Some("A HostedZone must contain at least one NS record for the zone itself.".to_owned());
        }
        (self.records.len() > ZONE_MAX).then(|| format!("Exceeded limit MAX_RRSETS_BY_ZONE for zone: {}", self.zone.id))
    }
}
