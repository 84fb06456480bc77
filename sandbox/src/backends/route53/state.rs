//! Zones, what is in them, and what was changed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::callers::random_id;
use crate::protocol::Failure;

use super::names::Name;
use super::render;

/// Characters of an id behind its first letter: with `/hostedzone/` before it an id has 32, as many as the API lets it have.
const ID_LENGTH: usize = 19;

/// How long a change is on its way to the name servers. On AWS it is mostly less than 60 seconds (API reference of
/// `ChangeResourceRecordSets`).
const PROPAGATES: SignedDuration = SignedDuration::from_secs(30);

/// Everything there is.
#[derive(Debug, Default)]
pub(super) struct State {
    /// By id.
    pub(super) zones: BTreeMap<String, Zone>,
    /// Every reference that a zone was ever made with.
    pub(super) references: BTreeSet<String>,
    /// By id.
    pub(super) changes: BTreeMap<String, Change>,
}

/// Something that was changed.
#[derive(Debug)]
pub(super) struct Change {
    /// When.
    pub(super) submitted: Timestamp,
    /// What its author says of it.
    pub(super) comment: Option<String>,
}

/// A hosted zone.
#[derive(Debug)]
pub(super) struct Zone {
    /// `Z…`.
    pub(super) id: String,
    /// Its name.
    pub(super) name: Name,
    /// What its author called the request.
    pub(super) reference: String,
    /// What its author says of it.
    pub(super) comment: Option<String>,
    /// The networks of a private zone; a public one has none.
    pub(super) vpcs: Vec<Vpc>,
    /// What is in it.
    pub(super) records: Records,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Vpc {
    /// Its region.
    pub(super) region: String,
    /// `vpc-…`.
    pub(super) id: String,
}

/// The order of a record set's name, and its type.
pub(super) type Key = (String, String);

/// Record sets in the order of lists.
pub(super) type Records = BTreeMap<Key, RecordSet>;

/// What a name has of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordSet {
    /// The name.
    pub(super) name: Name,
    /// The type, such as `A`.
    pub(super) kind: String,
    /// Seconds that others may keep it.
    pub(super) ttl: u32,
    /// As they were written.
    pub(super) values: Vec<String>,
}

impl State {
    /// A zone that is there.
    ///
    /// # Errors
    /// `NoSuchHostedZone`.
    pub(super) fn zone(&mut self, id: &str) -> Result<&mut Zone, Failure> {
        self.zones.get_mut(id).ok_or_else(|| Failure::new(404, "NoSuchHostedZone", format!("No hosted zone found with ID: {id}")))
    }

    /// Notes a change, and answers its id.
    pub(super) fn submit(&mut self, now: Timestamp, comment: Option<String>) -> String {
        let id = new_id('C');
        self.changes.insert(id.clone(), Change { submitted: now, comment });
        id
    }

    /// How far a change is, as XML; nothing if it is not there.
    pub(super) fn change_info(&self, id: &str, now: Timestamp) -> String {
        self.changes.get(id).map(|change| render::change_info(id, change, now)).unwrap_or_default()
    }

    /// Zones by id.
    pub(super) fn snapshot(&self) -> Value {
        Value::Object(self.zones.iter().map(|(id, zone)| (id.clone(), zone.snapshot())).collect())
    }
}

impl Change {
    /// Whether every name server knows of it.
    pub(super) fn is_everywhere(&self, now: Timestamp) -> bool {
        now >= self.submitted + PROPAGATES
    }
}

impl Zone {
    /// A zone with what Route 53 itself puts into it; a private one if it has a network.
    pub(super) fn new(name: Name, reference: String, comment: Option<String>, vpc: Option<Vpc>) -> Self {
        let mut zone = Self { id: new_id('Z'), name, reference, comment, vpcs: vpc.into_iter().collect(), records: Records::new() };
        let servers = zone.name_servers();
        let soa = format!("{}. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400", servers[0]);
        let servers: Vec<String> = servers.iter().map(|server| format!("{server}.")).collect();
        for (kind, ttl, values) in [("NS", 172_800, servers), ("SOA", 900, vec![soa])] {
            let set = RecordSet { name: zone.name.clone(), kind: kind.to_owned(), ttl, values };
            zone.records.insert(set.key(), set);
        }
        zone
    }

    /// Whether it is seen from its networks only.
    pub(super) fn is_private(&self) -> bool {
        !self.vpcs.is_empty()
    }

    /// The servers that a public zone has, or that every private one names. As on AWS, each is one of 512, of which eight share a domain.
    pub(super) fn name_servers(&self) -> [String; 4] {
        let sum = self.id.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
        let place = if self.is_private() { 0 } else { sum % 512 };
        let groups = [(1_536, "co.uk"), (0, "com"), (1_024, "org"), (512, "net")];
        groups.map(|(first, domain)| format!("ns-{}.awsdns-{:02}.{domain}", first + place, place / 8))
    }

    /// Whether a record set is one of those that a zone always has.
    pub(super) fn is_own(&self, set: &RecordSet) -> bool {
        set.name == self.name && matches!(set.kind.as_str(), "NS" | "SOA")
    }

    /// Its place among zones sorted by name.
    pub(super) fn place(&self) -> (String, String) {
        (self.name.order(), self.id.clone())
    }

    fn snapshot(&self) -> Value {
        let record = |set: &RecordSet| json!({ "name": set.name.to_string(), "type": set.kind, "ttl": set.ttl, "values": set.values });
        let records: Vec<Value> = self.records.values().filter(|set| !self.is_own(set)).map(record).collect();
        let vpcs: Vec<&str> = self.vpcs.iter().map(|vpc| vpc.id.as_str()).collect();
        json!({ "name": self.name.to_string(), "private": self.is_private(), "vpcs": vpcs, "records": records })
    }
}

impl RecordSet {
    /// Its place among others.
    pub(super) fn key(&self) -> Key {
        (self.name.order(), self.kind.clone())
    }

    /// Whether another one says the same, in whatever order.
    pub(super) fn says(&self, other: &Self) -> bool {
        let sorted = |set: &Self| {
            let mut values = set.values.clone();
            values.sort();
            values
        };
        self.ttl == other.ttl && sorted(self) == sorted(other)
    }
}

fn new_id(kind: char) -> String {
    format!("{kind}{}", random_id(ID_LENGTH))
}
