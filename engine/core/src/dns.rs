//! Names in DNS: claimed before anything has one, written when the wait for a launch is over, kept right by a function that looks every two
//! minutes, and taken away with the fleet.
//!
//! A claim is made by whoever launches or changes the fleet, and by nobody else: who only keeps names right never makes one, and changes
//! nothing without it. So nothing is written any more once a fleet's end has taken the claim away.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use futures::stream::{self, StreamExt};
use serde::Serialize;
use spawn_model::dns::{self, DnsName, Holder, RecordChange, RecordSet};
use spawn_model::error::{Class, Error};
use spawn_model::ids::FleetId;
use spawn_model::layout;
use spawn_model::problem::Path;
use spawn_model::record::FleetRecord;
use spawn_model::spec::FleetSpec;

use crate::engine::Engine;
use crate::fleet::{self, Fleet, Look};
use crate::ledger::Ledger;
use crate::operation::Operation;
use crate::ports::{Aws, Condition, Result, Subnet, Zone};
use crate::retry::patiently;

/// How often it is looked anew what is there, because somebody else has changed it.
const TRIES: u32 = 5;

/// How many fleets are looked at at once: Route 53 takes five requests a second of an account (Route 53 quotas).
const FLEETS_AT_ONCE: usize = 2;

/// What came of a look at names.
#[derive(Debug, Default, Serialize)]
pub struct NamesKept {
    /// How many fleets have names.
    pub fleets: usize,
    /// What could not be looked at or written, a sentence each.
    pub errors: Vec<String>,
}

/// Where a fleet is to have its name, if anywhere, seen before anything is made.
///
/// # Errors
/// `NoSuchZone`, `SeveralZones`, `ZoneElsewhere` or `NoPublicAddresses`, as its help says.
pub(crate) async fn planned(aws: &Aws, spec: &FleetSpec, subnets: &[Subnet]) -> Result<Option<DnsName>> {
    let Some(zone) = find(aws, spec).await? else { return Ok(None) };
    check(&zone, spec, &aws.region, subnets)?;
    place(&zone, spec, &aws.identity.caller().await?.account).map(Some)
}

/// The hosted zone that a fleet's names are to be in.
async fn find(aws: &Aws, spec: &FleetSpec) -> Result<Option<Zone>> {
    let Some(wanted) = spec.dns.as_ref().map(|dns| dns.zone.as_str()) else { return Ok(None) };
    let mut found = aws.zones.find(wanted).await.map_err(|e| entitled(e).context("looking for the hosted zone"))?;
    match (found.pop(), found.as_slice()) {
        (Some(zone), []) => Ok(Some(zone)),
        (None, _) => {
            let message = format!("there is no hosted zone {wanted:?} in this account");
            let help = "`aws route53 list-hosted-zones` lists those that there are; a zone of another account cannot be used";
            Err(Error::new(Class::Invalid, "NoSuchZone", message, help).at(at()))
        }
        (Some(last), others) => {
            let title = |zone: &Zone| format!("{} ({})", zone.id, if zone.is_private { "private" } else { "public" });
            let titles: Vec<String> = others.iter().chain([&last]).map(title).collect();
            let message = format!("{} hosted zones are called {wanted:?}: {}", titles.len(), titles.join(", "));
            Err(Error::new(Class::Invalid, "SeveralZones", message, "Write the id of the one that is meant").at(at()))
        }
    }
}

/// Says whose policy has the right that is missing.
fn entitled(error: Error) -> Error {
    if error.class == Class::Denied { error.helped("`spawn policy namer` prints all that names in DNS take") } else { error }
}

fn at() -> Path {
    Path::field("dns").key("zone")
}

/// Whether a zone fits the network of a fleet: the network sees it, and where everybody does, the addresses are public.
fn check(zone: &Zone, spec: &FleetSpec, region: &str, subnets: &[Subnet]) -> Result<()> {
    let Zone { id, name, is_private, networks } = zone;
    if *is_private {
        let Some(vpc) = subnets.first().map(|subnet| &subnet.vpc_id) else { return Ok(()) };
        if networks.iter().any(|(_, network)| network == vpc) {
            return Ok(());
        }
        let message = format!("the private zone {name} ({id}) is not associated with {vpc}, where the instances will be");
        let help = format!(
            "`aws route53 associate-vpc-with-hosted-zone --hosted-zone-id {id} --vpc VPCRegion={region},VPCId={vpc}`, or choose other subnets \
             or another zone"
        );
        return Err(Error::new(Class::Invalid, "ZoneElsewhere", message, help).at(at()));
    }
    let is_public = |subnet: &&Subnet| spec.network.public_address.unwrap_or(subnet.public_addresses);
    let Some(private) = subnets.iter().find(|subnet| !is_public(subnet)) else { return Ok(()) };
    let message = format!("the zone {name} ({id}) is public, and instances in {} have no public addresses", private.id);
    let help = "Set network.public_address = true, or choose a private zone: nobody outside is told private addresses";
    Err(Error::new(Class::Invalid, "NoPublicAddresses", message, help).at(at()))
}

/// Where a fleet has its name, if that is not too long for DNS.
fn place(zone: &Zone, spec: &FleetSpec, account: &str) -> Result<DnsName> {
    let name = dns::fleet_name(&spec.name, account, &zone.name);
    let place = DnsName { zone_id: zone.id.clone(), is_public: !zone.is_private, name };
    // The longest that there is.
    dns::check_length(&format!("{}.{}", spec.size.saturating_sub(1), place.name))
        .map_err(|why| Error::new(Class::Invalid, "DnsNameTooLong", why, "Choose a shorter name, or a zone with a shorter one").at(at()))?;
    Ok(place)
}

/// Places where a fleet may have names, with the one where it is to have them last.
pub(crate) fn places(known: &[DnsName], current: Option<DnsName>) -> Vec<DnsName> {
    let former = known.iter().filter(|place| Some(*place) != current.as_ref()).cloned();
    former.chain(current.clone()).collect()
}

/// Whether a name is free, or that of one of `own`.
///
/// # Errors
/// `DnsNameInUse`.
pub(crate) async fn free(aws: &Aws, place: &DnsName, own: &BTreeSet<FleetId>) -> Result<()> {
    let there = aws.zones.records(&place.zone_id, &place.name).await;
    let there = there.map_err(|e| entitled(e).context("looking whether the name in DNS is free"))?;
    if own.iter().any(|fleet| dns::holder(place, fleet, &aws.region, &there) == Holder::Own) {
        return Ok(());
    }
    // Of an id that nobody has it is told who holds it.
    match dns::holder(place, &FleetId::from_random([0; 8]), &aws.region, &there) {
        Holder::Other(who) => Err(in_use(place, &who)),
        Holder::Nobody | Holder::Own => Ok(()),
    }
}

fn in_use(place: &DnsName, who: &str) -> Error {
    let message = format!("the name {} in the zone {} is taken: {who}", place.name, place.zone_id);
    let help = "Choose another name or zone; or, if nothing that lives has it, delete the record sets of that name";
    Error::new(Class::Conflict, "DnsNameInUse", message, help).at(at())
}

/// Names of one account, in one region.
pub(crate) struct Names<'a> {
    pub(crate) aws: &'a Aws,
    pub(crate) ledger: &'a Ledger,
    pub(crate) operation: &'a Operation,
}

impl Names<'_> {
    /// Claims the name that a fleet is to have, if it is to have one.
    ///
    /// # Errors
    /// `DnsNameInUse`; else why it could not be claimed.
    pub(crate) async fn claim(&self, record: &FleetRecord) -> Result<()> {
        let Some(place) = record.dns_name() else { return Ok(()) };
        patiently(self.aws, self.operation, || self.ledger.named_write(&record.fleet)).await?;
        let claimed = self.settled(place, |there| match dns::holder(place, &record.fleet, &self.aws.region, there) {
            Holder::Own => Ok(Vec::new()),
            Holder::Nobody => Ok(vec![vec![RecordChange::Create(claim_of(self.aws, place, record))]]),
            Holder::Other(who) => Err(in_use(place, &who)),
        });
        claimed.await.map_err(|e| entitled(e).context("claiming the name in DNS"))
    }

    /// Makes names what the fleet's members are, and takes away those where it has no names any more.
    ///
    /// # Errors
    /// `DnsNameLost` if the name is not the fleet's any more; else why it could not be written.
    pub(crate) async fn keep(&self, fleet: &Fleet) -> Result<()> {
        let record = &fleet.record;
        for place in &record.dns {
            if record.dns_name() == Some(place) {
                self.write(fleet, place).await?;
            } else {
                self.release(record, place).await?;
            }
        }
        Ok(())
    }

    async fn write(&self, fleet: &Fleet, place: &DnsName) -> Result<()> {
        let record = &fleet.record;
        let wanted = dns::wanted(place, record.kind, &members(fleet, place));
        let written = self.settled(place, |there| match dns::holder(place, &record.fleet, &self.aws.region, there) {
            Holder::Own => Ok(dns::held_batches(&claim_of(self.aws, place, record), dns::changes(place, &wanted, there))),
            Holder::Nobody => Err(lost(place, "nothing in the zone says whose it is")),
            Holder::Other(who) => Err(lost(place, &format!("it is taken: {who}"))),
        });
        written.await.map_err(|e| entitled(e).context("writing names in DNS"))
    }

    /// Takes all names of a fleet away, wherever they are.
    ///
    /// # Errors
    /// Why they could not be.
    pub(crate) async fn remove(&self, record: &FleetRecord) -> Result<()> {
        let next = record.next.iter().flat_map(|next| &next.record.dns);
        let places: BTreeSet<&DnsName> = record.dns.iter().chain(next).collect();
        if places.is_empty() {
            return Ok(());
        }
        self.operation.say("removing its names in DNS");
        for place in places {
            self.release(record, place).await?;
        }
        self.ledger.named_delete(&record.fleet).await
    }

    async fn release(&self, record: &FleetRecord, place: &DnsName) -> Result<()> {
        let released = self.settled(place, |there| match dns::holder(place, &record.fleet, &self.aws.region, there) {
            Holder::Own => Ok(dns::removal_batches(&claim_of(self.aws, place, record), dns::changes(place, &[], there))),
            Holder::Nobody | Holder::Other(_) => Ok(Vec::new()),
        });
        match released.await {
            // The zone is gone, and everything in it.
            Err(error) if error.class == Class::NotFound => Ok(()),
            released => released.map_err(|e| entitled(e).context("removing names in DNS")),
        }
    }

    /// Makes what is there what it should be by `batches`, which says what is to be changed of it, until that is nothing.
    async fn settled(&self, place: &DnsName, batches: impl Fn(&[RecordSet]) -> Result<Vec<Vec<RecordChange>>>) -> Result<()> {
        let mut tries = 0;
        loop {
            let there = patiently(self.aws, self.operation, || async { self.aws.zones.records(&place.zone_id, &place.name).await }).await?;
            let batches = batches(&there)?;
            if batches.is_empty() {
                return Ok(());
            }
            tries += 1;
            let mut changed = Ok(());
            for batch in &batches {
                changed = patiently(self.aws, self.operation, || async { self.aws.zones.change(&place.zone_id, batch).await }).await;
                if changed.is_err() {
                    break;
                }
            }
            match changed {
                Ok(()) => return Ok(()),
                // Somebody was faster; or it was this, and the answer was lost.
                Err(error) if tries < TRIES && matches!(error.class, Class::Conflict | Class::Ambiguous) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn claim_of(aws: &Aws, place: &DnsName, record: &FleetRecord) -> RecordSet {
    dns::claim(place, &record.fleet, &aws.region)
}

fn lost(place: &DnsName, why: &str) -> Error {
    let message = format!("the name {} in the zone {} is not this fleet's any more: {why}", place.name, place.zone_id);
    let help = "Apply again to claim it anew, or leave dns out";
    Error::new(Class::Conflict, "DnsNameLost", message, help)
}

/// The members that live, and the addresses that are told of them.
fn members(fleet: &Fleet, place: &DnsName) -> Vec<(u32, Ipv4Addr)> {
    let alive: BTreeSet<&str> = fleet.alive.iter().map(|id| id.0.as_str()).collect();
    let living = fleet.members.iter().filter(|member| alive.contains(member.instance_id.as_str()));
    let address = |member: &spawn_model::spec::Member| {
        let address = if place.is_public { member.public_ip.as_deref()? } else { &member.private_ip };
        Some((member.rank, address.parse().ok()?))
    };
    living.filter_map(address).collect()
}

/// Who holds a fleet's name, if it is not the fleet.
///
/// # Errors
/// If the zone cannot be looked at.
pub(crate) async fn stranger(aws: &Aws, record: &FleetRecord) -> Result<Option<String>> {
    let Some(place) = record.dns_name() else { return Ok(None) };
    let there = match aws.zones.records(&place.zone_id, &place.name).await {
        Err(error) if error.class == Class::NotFound => return Ok(Some("the zone is gone".to_owned())),
        there => there?,
    };
    Ok(match dns::holder(place, &record.fleet, &aws.region, &there) {
        Holder::Own => None,
        Holder::Nobody => Some("nobody".to_owned()),
        Holder::Other(who) => Some(who),
    })
}

impl Engine {
    /// Keeps the names of all fleets right. One that cannot be keeps no other from it.
    ///
    /// # Errors
    /// If the bucket cannot be read. What is wrong with one fleet's names is among [`NamesKept::errors`].
    pub async fn names_keep(&self, operation: &Operation) -> Result<NamesKept> {
        let Some(setup) = self.found().await? else { return Ok(NamesKept::default()) };
        let ledger = self.ledger(&setup);
        let named = ledger.named().await?;
        let mut kept = NamesKept { fleets: named.len(), ..NamesKept::default() };
        let names = Names { aws: self.aws(), ledger: &ledger, operation };
        let keeps = named.iter().map(|id| self.keep_one(&names, id));
        for (id, done) in named.iter().zip(stream::iter(keeps).buffered(FLEETS_AT_ONCE).collect::<Vec<_>>().await) {
            kept.errors.extend(done.err().map(|error| format!("{id}: {error}")));
        }
        Ok(kept)
    }

    async fn keep_one(&self, names: &Names<'_>, id: &FleetId) -> Result<()> {
        names.operation.go_on()?;
        // One that is being ended loses its names by that.
        let Some(fleet) = fleet::inspect(self.aws(), names.ledger, Look::Shared(self.snapshots()), id).await? else { return Ok(()) };
        if fleet.record.ended || fleet.record.next.is_some() { Ok(()) } else { names.keep(&fleet).await }
    }
}

impl Ledger {
    /// Says that a fleet has, or may have, names.
    async fn named_write(&self, fleet: &FleetId) -> Result<()> {
        self.write(&layout::named_key(fleet), &serde_json::json!({}), Condition::Always).await.map(drop)
    }

    async fn named_delete(&self, fleet: &FleetId) -> Result<()> {
        self.objects.delete(self.bucket(), &[layout::named_key(fleet)]).await
    }

    /// The fleets that have, or may have, names.
    async fn named(&self) -> Result<Vec<FleetId>> {
        let keys = self.objects.list(self.bucket(), layout::NAMED_PREFIX).await?;
        Ok(keys.iter().filter_map(|key| FleetId::parse(key.strip_prefix(layout::NAMED_PREFIX)?)).collect())
    }
}
