//! Names in DNS: what a fleet and its members are called in a hosted zone of Route 53, and what has to be changed for that.
//!
//! A fleet is called `<name>.<account>.<zone>`, where the account is eight characters; a member of several `<rank>.<name>.<account>.<zone>`.
//! Beside the fleet's name stands a TXT record that says whose it is, and counts. It is part of every batch of changes, which Route 53 makes as
//! a whole or not at all: who does not hold a name any more, or goes by what was there before, changes nothing of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::ids::FleetId;
use crate::problem::{Path, Problem};
use crate::read::fields;
use crate::spec::FleetKind;
use crate::value::Value;

/// How long whoever asks may go by an answer, in seconds: as long as an address may be wrong after its instance has gone.
pub const TTL_S: i64 = 60;

/// How many addresses the name of a fleet has at most: those of its first ranks (Route 53 quotas, "Values in a record set").
pub const ADDRESSES_MAX: usize = 400;

/// How many values a batch of changes may hold, of which one that is written over counts twice (Route 53, `ChangeResourceRecordSets`).
const BATCH_VALUES_MAX: usize = 1_000;

/// The longest name in DNS, in characters (RFC 1035, 2.3.4).
const NAME_MAX: usize = 253;

/// How many characters stand for an account: 36^8 is more than there are.
const ACCOUNT_CHARS: usize = 8;

fields! {
    /// Names in DNS.
    pub struct DnsSpec {
        /// The hosted zone of Route 53 that the names are in: its name, such as `"hpc.example.com"`, or its id. The fleet is
        /// `<name>.<account>.<zone>` there, with the addresses of the first 400 ranks that live, and of several a rank is
        /// `<rank>.<name>.<account>.<zone>`; the account is its number in base 36. In a private zone, which has to be associated with the
        /// fleet's network, these are private addresses, in a public one public addresses. They are there when the wait that
        /// `wait_for` says is over, follow the instances within two minutes, may be remembered for a minute, and go with the fleet.
        zone: String => Required, InPlace;
    }
}

/// Where a fleet has, or may have, its name.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct DnsName {
    /// The hosted zone.
    pub zone_id: String,
    /// Whether the zone is one that everybody sees, and the addresses are public ones.
    pub is_public: bool,
    /// The name of the fleet, without the dot at the end.
    pub name: String,
}

impl DnsName {
    /// What a member is called.
    #[must_use]
    pub fn of_rank(&self, kind: FleetKind, rank: u32) -> String {
        if kind == FleetKind::Instance { self.name.clone() } else { format!("{rank}.{}", self.name) }
    }

    /// Whether it is the fleet's name, or that of a member of it, whichever it is.
    fn covers(&self, name: &str) -> bool {
        let rank = name.strip_suffix(&self.name).and_then(|rest| rest.strip_suffix('.'));
        name == self.name || rank.is_some_and(|rank| !rank.is_empty() && rank.bytes().all(|b| b.is_ascii_digit()))
    }
}

/// The name of a fleet in a zone.
#[must_use]
pub fn fleet_name(fleet: &str, account: &str, zone: &str) -> String {
    format!("{fleet}.{}.{}", account_label(account), zone.trim_end_matches('.'))
}

/// Where a fleet has, or may have, names: noted before it has any there, and forgotten when it has none any more.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Noted {
    /// [`crate::record::SCHEMA`].
    pub schema: u32,
    /// The places.
    pub places: BTreeSet<DnsName>,
}

impl Default for Noted {
    fn default() -> Self {
        Self { schema: crate::record::SCHEMA, places: BTreeSet::new() }
    }
}

/// What stands for an account.
#[must_use]
pub fn account_label(account: &str) -> String {
    let mut number: u64 = account.parse().unwrap_or(0);
    let mut digits = [b'0'; ACCOUNT_CHARS];
    for digit in digits.iter_mut().rev() {
        let value = u8::try_from(number % 36).unwrap_or(0);
        *digit = if value < 10 { b'0' + value } else { b'a' + value - 10 };
        number /= 36;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

/// Whether it is the id of a hosted zone, and not its name.
#[must_use]
pub fn is_zone_id(zone: &str) -> bool {
    zone.len() > 1 && zone.starts_with('Z') && zone.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// The kinds of records.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum RecordKind {
    /// Addresses.
    A,
    /// Whose a name is.
    Txt,
    /// What is never written, and taken for somebody's: other types, aliases, and addresses that are given out by weight or place.
    Other,
}

/// A record set of Route 53: everything of one kind that a name has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordSet {
    /// The name, without the dot at the end.
    pub name: String,
    /// Its kind.
    pub kind: RecordKind,
    /// How long it may be remembered, in seconds.
    pub ttl_s: i64,
    /// Its values as Route 53 writes them: addresses, or texts in quotes.
    pub values: Vec<String>,
}

impl RecordSet {
    /// Whether it is that of a name, or of one below it.
    #[must_use]
    pub fn is_within(&self, name: &str) -> bool {
        self.name.strip_suffix(name).is_some_and(|below| below.is_empty() || below.ends_with('.'))
    }
}

/// A change of a record set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RecordChange {
    /// Refused if there is one.
    Create(RecordSet),
    /// Refused unless there is exactly this one.
    Delete(RecordSet),
    /// Whatever there is.
    Put(RecordSet),
}

impl RecordChange {
    fn values(&self) -> usize {
        match self {
            Self::Create(set) | Self::Delete(set) => set.values.len(),
            Self::Put(set) => 2 * set.values.len(),
        }
    }
}

/// What says that a name is a fleet's: a value of a TXT record, with a number that every batch of changes raises. So whoever goes by what was
/// there before another one's batch is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claim {
    /// The record set that has it, with whatever else somebody has put there.
    set: RecordSet,
    /// Which of its values it is.
    at: usize,
    /// What it says before the number.
    words: String,
    number: u64,
}

/// Who holds a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Holder {
    /// This fleet.
    Own(Claim),
    /// Something else, as it says there.
    Other(String),
    /// Nobody says so, but something is there.
    Unclaimed(String),
    /// Nobody.
    Nobody,
}

impl Claim {
    /// A claim where there is none yet.
    #[must_use]
    pub fn first(place: &DnsName, fleet: &FleetId, region: &str) -> Self {
        let words = words(fleet, region);
        let values = vec![value(&words, 1)];
        Self { set: RecordSet { name: place.name.clone(), kind: RecordKind::Txt, ttl_s: TTL_S, values }, at: 0, words, number: 1 }
    }

    /// The change that makes it.
    #[must_use]
    pub fn creation(&self) -> RecordChange {
        RecordChange::Create(self.set.clone())
    }

    /// The same one, a batch later.
    fn next(&self) -> Self {
        let mut next = Self { number: self.number.saturating_add(1), ..self.clone() };
        next.set.values[self.at] = value(&self.words, next.number);
        next
    }

    /// What leaves what else there is, if anything is.
    fn without(&self) -> Option<RecordSet> {
        let mut set = self.set.clone();
        set.values.remove(self.at);
        (!set.values.is_empty()).then_some(set)
    }
}

fn words(fleet: &FleetId, region: &str) -> String {
    format!("spawn {fleet} {region}")
}

fn value(words: &str, number: u64) -> String {
    format!("\"{words} {number}\"")
}

/// Who holds a name by the record sets that are there.
#[must_use]
pub fn holder(place: &DnsName, fleet: &FleetId, region: &str, there: &[RecordSet]) -> Holder {
    let words = words(fleet, region);
    let mut at_name = there.iter().filter(|set| set.name == place.name);
    let own = at_name.clone().filter(|set| set.kind == RecordKind::Txt).find_map(|set| {
        let number = |value: &String| value.strip_prefix('"')?.strip_suffix('"')?.strip_prefix(&words)?.strip_prefix(' ')?.parse().ok();
        let (at, number) = set.values.iter().enumerate().find_map(|(at, value)| Some((at, number(value)?)))?;
        Some(Claim { set: set.clone(), at, words: words.clone(), number })
    });
    let text = at_name.clone().find(|set| set.kind == RecordKind::Txt);
    match (own, text, at_name.next()) {
        (Some(claim), _, _) => Holder::Own(claim),
        (None, Some(text), _) => Holder::Other(text.values.join(" ")),
        (None, None, Some(set)) if set.values.is_empty() => Holder::Unclaimed("a record of another type".to_owned()),
        (None, None, Some(set)) => Holder::Unclaimed(set.values.join(" ")),
        (None, None, None) => Holder::Nobody,
    }
}

/// The record sets that a fleet's names are to have. `members` are ranks in order, and their addresses.
#[must_use]
pub fn wanted(place: &DnsName, kind: FleetKind, members: &[(u32, Ipv4Addr)]) -> Vec<RecordSet> {
    let set = |name: String, addresses: &[(u32, Ipv4Addr)]| RecordSet {
        name,
        kind: RecordKind::A,
        ttl_s: TTL_S,
        values: addresses.iter().map(|(_, address)| address.to_string()).collect(),
    };
    let of_fleet = (!members.is_empty()).then(|| set(place.name.clone(), &members[..members.len().min(ADDRESSES_MAX)]));
    let of_members = members.iter().filter(|_| kind != FleetKind::Instance);
    let of_members = of_members.map(|member| set(place.of_rank(kind, member.0), std::slice::from_ref(member)));
    of_fleet.into_iter().chain(of_members).collect()
}

/// What makes `wanted` of what is there. Other names below the fleet's are left alone: nothing here has made them.
#[must_use]
pub fn changes(place: &DnsName, wanted: &[RecordSet], there: &[RecordSet]) -> Vec<RecordChange> {
    let addresses = there.iter().filter(|set| set.kind == RecordKind::A && place.covers(&set.name));
    let there: BTreeMap<&str, &RecordSet> = addresses.map(|set| (set.name.as_str(), set)).collect();
    let names: BTreeSet<&str> = wanted.iter().map(|set| set.name.as_str()).collect();
    let gone = there.values().filter(|set| !names.contains(set.name.as_str())).map(|set| RecordChange::Delete((*set).clone()));
    let put = wanted.iter().filter(|set| !there.get(set.name.as_str()).is_some_and(|known| is_same(known, set)));
    gone.chain(put.map(|set| RecordChange::Put(set.clone()))).collect()
}

/// Values have no order.
fn is_same(one: &RecordSet, other: &RecordSet) -> bool {
    let values = |set: &RecordSet| set.values.iter().cloned().collect::<BTreeSet<_>>();
    one.ttl_s == other.ttl_s && values(one) == values(other)
}

/// Changes in batches that Route 53 takes, each of which raises the claim's number, and so is refused for whoever has lost it.
#[must_use]
pub fn held_batches(claim: &Claim, changes: Vec<RecordChange>) -> Vec<Vec<RecordChange>> {
    let (mut batches, mut claim): (Vec<Vec<RecordChange>>, _) = (Vec::new(), claim.clone());
    let mut room = 0;
    for change in changes {
        if batches.is_empty() || change.values() > room {
            let next = claim.next();
            let batch = vec![RecordChange::Delete(claim.set), RecordChange::Create(next.set.clone())];
            claim = next;
            room = BATCH_VALUES_MAX.saturating_sub(batch.iter().map(RecordChange::values).sum::<usize>());
            batches.push(batch);
        }
        room = room.saturating_sub(change.values());
        if let Some(batch) = batches.last_mut() {
            batch.push(change);
        }
    }
    batches
}

/// Changes that take a fleet's names away, the claim with the last of them: until then it says that there is something left.
#[must_use]
pub fn removal_batches(claim: &Claim, changes: Vec<RecordChange>) -> Vec<Vec<RecordChange>> {
    let mut batches = held_batches(claim, changes);
    let left = claim.without().map(RecordChange::Create);
    match batches.last_mut() {
        Some(last) => {
            last.remove(1);
            last.extend(left);
        }
        None => batches.push([RecordChange::Delete(claim.set.clone())].into_iter().chain(left).collect()),
    }
    batches
}

/// Whether a name is one of DNS: how long it may be.
///
/// # Errors
/// What is wrong with it.
pub fn check_length(name: &str) -> Result<(), String> {
    if name.len() > NAME_MAX {
        return Err(format!("{name:?} has {} characters, and a name in DNS at most {NAME_MAX}", name.len()));
    }
    Ok(())
}

/// The rules of `dns`.
pub(crate) fn check_dns(dns: &Value, path: &Path, problems: &mut Vec<Problem>) {
    let Some(zone) = dns.get("zone").as_str() else { return };
    if !is_zone_id(zone) && !is_zone_name(zone) {
        let help = "Write the name of a hosted zone, such as \"hpc.example.com\", or its id, such as \"Z0123456789ABCDEFGHIJ\"";
        problems.push(Problem::new(&path.key("zone"), format!("{zone:?} is no hosted zone"), help));
    }
}

fn is_zone_name(zone: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    zone.len() <= NAME_MAX && zone.strip_suffix('.').unwrap_or(zone).split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> DnsName {
        DnsName { zone_id: "Z1".to_owned(), is_public: false, name: fleet_name("tiles", "123456789012", "example.com.") }
    }

    fn members(count: u32) -> Vec<(u32, Ipv4Addr)> {
        (0..count).map(|rank| (rank, Ipv4Addr::from(0x0a00_0000 + rank))).collect()
    }

    fn claimed() -> Claim {
        Claim::first(&place(), &FleetId::from_random([7; 8]), "us-east-1")
    }

    #[test]
    fn an_account_is_eight_characters() {
        for account in ["000000000000", "000000000035", "123456789012", "999999999999"] {
            assert_eq!(account_label(account).len(), 8);
            assert_eq!(u64::from_str_radix(&account_label(account), 36).ok(), account.parse().ok(), "{account}");
        }
    }

    #[test]
    fn a_zone_is_a_name_or_an_id() {
        for (zone, is_one) in [
            ("example.com", true),
            ("example.com.", true),
            ("a_b.example", true),
            ("internal", true),
            ("Z0123456789ABCDEFGHIJ", true),
            ("", false),
            (".", false),
            ("-a.example", false),
            ("a..example", false),
            ("a b.example", false),
            ("https://example.com", false),
        ] {
            let mut problems = Vec::new();
            check_dns(&Value::from(serde_json::json!({ "zone": zone })), &Path::default(), &mut problems);
            assert_eq!(problems.is_empty(), is_one, "{zone:?}");
        }
    }

    #[test]
    fn an_array_has_a_name_and_each_of_its_members_another() {
        let place = place();
        let all = wanted(&place, FleetKind::JobArray, &members(500));
        assert_eq!((all.len(), all[0].values.len()), (501, ADDRESSES_MAX));
        assert_eq!(all[500].name, format!("499.{}", place.name));
        assert_eq!(wanted(&place, FleetKind::JobArray, &[]), []);
        let one = wanted(&place, FleetKind::Instance, &members(1));
        assert_eq!(one.iter().map(|set| set.name.as_str()).collect::<Vec<_>>(), [place.name.as_str()]);
    }

    #[test]
    fn only_what_differs_is_changed() {
        let place = place();
        let two = wanted(&place, FleetKind::JobArray, &members(2));
        assert_eq!(changes(&place, &two, &two), []);
        let mut turned = two.clone();
        turned[0].values.reverse();
        assert_eq!(changes(&place, &two, &turned), [], "values have no order");
        let mut slower = two.clone();
        slower[1].ttl_s = 300;
        assert_eq!(changes(&place, &two, &slower), [RecordChange::Put(two[1].clone())]);
        let one = wanted(&place, FleetKind::JobArray, &members(1));
        let expected = [RecordChange::Delete(two[2].clone()), RecordChange::Put(one[0].clone())];
        assert_eq!(changes(&place, &one, &two), expected);
        let other = RecordSet { name: format!("www.{}", place.name), ..two[0].clone() };
        let longer = RecordSet { name: format!("1.2.{}", place.name), ..two[0].clone() };
        assert_eq!(changes(&place, &[], &[other, longer, claimed().set]), [], "what nothing here has made");
    }

    #[test]
    fn whoever_holds_a_name_is_told_by_what_is_there() {
        let (place, fleet) = (place(), FleetId::from_random([7; 8]));
        let text = |values: &[&str]| RecordSet { values: values.iter().map(|value| (*value).to_owned()).collect(), ..claimed().set };
        let address = wanted(&place, FleetKind::Instance, &members(1)).remove(0);
        let below = RecordSet { name: format!("0.{}", place.name), ..address.clone() };
        let alias = RecordSet { kind: RecordKind::Other, values: Vec::new(), ..address.clone() };
        let other = |told: &str| Some(told.to_owned());
        for (there, expected) in [
            (vec![], None),
            (vec![below], None),
            (vec![text(&["\"v=spf1\""])], other("\"v=spf1\"")),
            (vec![address.clone()], other("10.0.0.0")),
            (vec![alias], other("a record of another type")),
            // Of another region, of another fleet, and of no number.
            (vec![text(&[&value(&words(&fleet, "eu-west-1"), 1)])], other(&value(&words(&fleet, "eu-west-1"), 1))),
            (vec![text(&["\"spawn me us-east-1 x\""])], other("\"spawn me us-east-1 x\"")),
        ] {
            let told = match holder(&place, &fleet, "us-east-1", &there) {
                Holder::Own(_) => panic!("{there:?}"),
                Holder::Other(told) | Holder::Unclaimed(told) => Some(told),
                Holder::Nobody => None,
            };
            assert_eq!(told, expected, "{there:?}");
        }
        assert_eq!(holder(&place, &fleet, "us-east-1", &[address, claimed().set]), Holder::Own(claimed()));
        // Somebody has put something beside it, and another time to remember it for: it stays, and the claim counts on.
        let slower = RecordSet { ttl_s: 300, ..text(&["\"v=spf1\"", &claimed().set.values[0]]) };
        let Holder::Own(claim) = holder(&place, &fleet, "us-east-1", std::slice::from_ref(&slower)) else { panic!("it is its own") };
        let removal = removal_batches(&claim, Vec::new());
        let left = RecordSet { values: vec!["\"v=spf1\"".to_owned()], ..slower.clone() };
        assert_eq!(removal, [[RecordChange::Delete(slower), RecordChange::Create(left)]]);
        assert_eq!(claim.next().set.values[1], "\"".to_owned() + &words(&fleet, "us-east-1") + " 2\"");
    }

    /// What a batch comes to, as Route 53 counts.
    fn counted(batch: &[RecordChange]) -> usize {
        batch.iter().map(RecordChange::values).sum()
    }

    #[test]
    fn no_batch_is_larger_than_route_53_takes_and_each_raises_the_claim() {
        for count in [1, 2, 99, 400, 401, 1_000, 10_000] {
            let all = wanted(&place(), FleetKind::JobArray, &members(count));
            let put = changes(&place(), &all, &[]);
            let mut claim = claimed();
            for batch in held_batches(&claimed(), put.clone()) {
                assert!(counted(&batch) <= BATCH_VALUES_MAX && batch.len() > 2);
                assert_eq!(batch[..2], [RecordChange::Delete(claim.set.clone()), RecordChange::Create(claim.next().set)]);
                claim = claim.next();
            }
            let in_order: Vec<RecordChange> = held_batches(&claimed(), put.clone()).iter().flat_map(|batch| batch[2..].to_vec()).collect();
            assert_eq!(in_order, put);
            let removal = removal_batches(&claimed(), changes(&place(), &[], &all));
            let (last, others) = removal.split_last().unwrap();
            assert!(others.iter().all(|batch| matches!(&batch[1], RecordChange::Create(set) if set.kind == RecordKind::Txt)));
            assert!(last.iter().all(|change| matches!(change, RecordChange::Delete(_))), "the claim goes last");
        }
        assert_eq!(removal_batches(&claimed(), Vec::new()), [[RecordChange::Delete(claimed().set)]]);
        assert_eq!(held_batches(&claimed(), Vec::new()), Vec::<Vec<RecordChange>>::new());
    }
}
