//! Names in DNS: claimed before anything has one, written when the wait for a launch is over, kept right by a function that looks every two
//! minutes, and taken away with the fleet.
//!
//! A claim is made by whoever launches or changes the fleet, and by nobody else: who only keeps names right never makes one, and changes
//! nothing without it. So nothing is written any more once a fleet's end has taken the claim away. Where a fleet has names, or had them and may still, is
//! noted in an object of its own before it has any.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use futures::stream::{self, StreamExt};
use serde::Serialize;
use spawn_model::dns::{self, Claim, DnsName, Holder, Noted, RecordChange, RecordSet};
use spawn_model::error::{Class, Error};
use spawn_model::ids::FleetId;
use spawn_model::layout;
use spawn_model::problem::Path;
use spawn_model::record::FleetRecord;
use spawn_model::spec::{FleetSpec, Member};

use crate::engine::Engine;
use crate::fleet::{self, Fleet, Look};
use crate::ledger::Ledger;
use crate::operation::Operation;
use crate::ports::{Aws, Result, Subnet, Zone};
use crate::retry::patiently;
use crate::setup::Setup;
use tokio::sync::Mutex;

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
/// `NoSuchZone`, `SeveralZones`, `ZoneElsewhere` or `NoPublicAddresses`, as its help says; `SetupOld` if nothing would keep the name right.
pub(crate) async fn planned(aws: &Aws, setup: Option<&Setup>, spec: &FleetSpec, subnets: &[Subnet]) -> Result<Option<DnsName>> {
    let Some(zone) = find(aws, spec).await? else { return Ok(None) };
    if let Some(setup) = setup {
        setup.watcher("keeps names in DNS right")?;
    }
    check(&zone, spec, &aws.region, subnets)?;
    place(&zone, spec, &aws.identity.caller().await?.account).map(Some)
}

/// The hosted zone that a fleet's names are to be in.
async fn find(aws: &Aws, spec: &FleetSpec) -> Result<Option<Zone>> {
    let Some(wanted) = spec.dns.as_ref().map(|dns| dns.zone.as_str()) else { return Ok(None) };
    let mut found = aws.zones.find(wanted).await.map_err(|e| entitled(e).context("looking for the hosted zone"))?;
    // The same is told each time, whatever order Route 53 lists them in: of one name that is the order of their ids.
    found.sort_by(|one, other| (!one.is_private, &one.id).cmp(&(!other.is_private, &other.id)));
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
        if networks.contains(vpc) {
            return Ok(());
        }
        let message = format!("the private zone {name} ({id}) is not associated with {vpc}, where the instances will be");
        let help = format!(
            "`aws route53 associate-vpc-with-hosted-zone --hosted-zone-id {id} --vpc VPCRegion={region},VPCId={vpc}`, or choose other subnets \
             or another zone"
        );
        return Err(Error::new(Class::Invalid, "ZoneElsewhere", message, help).at(at()));
    }
    let Some(private) = subnets.iter().find(|subnet| !subnet.is_public(&spec.network)) else { return Ok(()) };
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

/// Whether a name is free, or that of one of `own`.
///
/// # Errors
/// `DnsNameInUse`.
pub(crate) async fn free(aws: &Aws, place: &DnsName, own: &BTreeSet<FleetId>) -> Result<()> {
    let there = aws.zones.records(&place.zone_id, &place.name).await;
    let there = there.map_err(|e| entitled(e).context("looking whether the name in DNS is free"))?;
    if own.iter().any(|fleet| matches!(dns::holder(place, fleet, &aws.region, &there), Holder::Own(_))) {
        return Ok(());
    }
    // An id that nobody has: then it is told who holds it.
    match dns::holder(place, &FleetId::from_random([0; 8]), &aws.region, &there) {
        Holder::Other(who) | Holder::Unclaimed(who) => Err(in_use(place, &who)),
        Holder::Nobody | Holder::Own(_) => Ok(()),
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
        match record.dns_name() {
            Some(place) => self.claim_at(&record.fleet, place).await,
            None => Ok(()),
        }
    }

    /// Claims a name for a fleet, wherever else it has one.
    pub(crate) async fn claim_at(&self, fleet: &FleetId, place: &DnsName) -> Result<()> {
        let was_noted = patiently(self.aws, self.operation, || self.ledger.place_note(fleet, place)).await?;
        let claimed = self.settled(place, None, |there| match self.holder(fleet, place, there) {
            Holder::Own(_) => Ok(Vec::new()),
            // But for what it has written there itself, and somebody has taken the claim away.
            Holder::Unclaimed(who) if !was_noted => Err(in_use(place, &who)),
            Holder::Other(who) => Err(in_use(place, &who)),
            Holder::Nobody | Holder::Unclaimed(_) => Ok(vec![vec![Claim::first(place, fleet, &self.aws.region).creation()]]),
        });
        let claimed = claimed.await;
        if !was_noted && claimed.as_ref().is_err_and(|error| error.code == "DnsNameInUse") {
            // Nothing of it is there, and what is there is not its own the next time either.
            patiently(self.aws, self.operation, || self.ledger.place_forget(fleet, place)).await?;
        }
        claimed.map_err(|e| entitled(e).context("claiming the name in DNS"))
    }

    /// Makes names what the fleet's members are, and takes them away where it has no names any more.
    ///
    /// # Errors
    /// `DnsNameLost` if the name is not the fleet's any more; else why it could not be written.
    pub(crate) async fn keep(&self, fleet: &Fleet) -> Result<()> {
        self.keep_by(fleet, None).await
    }

    /// The same by what is there, which somebody else has looked at.
    async fn keep_by(&self, fleet: &Fleet, there: Option<&[RecordSet]>) -> Result<()> {
        let record = &fleet.record;
        if let Some(place) = record.dns_name() {
            self.write(record, place, &members(fleet, place), there).await?;
        }
        let Some(noted) = self.ledger.places(&record.fleet).await? else { return Ok(()) };
        if noted.is_empty() {
            return self.ledger.places_tidy(&record.fleet).await;
        }
        if noted.iter().all(|place| record.dns_name() == Some(place)) {
            return Ok(());
        }
        // It may have been given another name since: that one is not a former one.
        let now = self.ledger.fleet(&record.fleet).await?;
        let current: Vec<&DnsName> =
            now.iter().flat_map(|now| now.next.iter().map(|next| &*next.record).chain([now])).filter_map(FleetRecord::dns_name).collect();
        for place in noted.iter().filter(|place| !current.contains(place)) {
            self.release(&record.fleet, place).await?;
            self.ledger.place_forget(&record.fleet, place).await?;
        }
        Ok(())
    }

    /// Takes all addresses away, and keeps the name: its members end, and others are launched in their place.
    pub(crate) async fn empty(&self, record: &FleetRecord) -> Result<()> {
        match record.dns_name() {
            Some(place) => self.write(record, place, &[], None).await,
            None => Ok(()),
        }
    }

    async fn write(&self, record: &FleetRecord, place: &DnsName, members: &[(u32, Ipv4Addr)], there: Option<&[RecordSet]>) -> Result<()> {
        let wanted = dns::wanted(place, record.kind, members);
        let written = self.settled(place, there, |there| match self.holder(&record.fleet, place, there) {
            Holder::Own(claim) => Ok(dns::held_batches(&claim, dns::changes(place, &wanted, there))),
            Holder::Nobody | Holder::Unclaimed(_) => Err(lost(place, "nothing in the zone says whose it is")),
            Holder::Other(who) => Err(lost(place, &format!("it is taken: {who}"))),
        });
        written.await.map_err(|e| entitled(e).context("writing names in DNS"))
    }

    /// Takes all names of a fleet away, wherever they are and whatever is recorded of it.
    ///
    /// # Errors
    /// Why they could not be.
    pub(crate) async fn remove(&self, fleet: &FleetId) -> Result<()> {
        let Some(places) = self.ledger.places(fleet).await? else { return Ok(()) };
        self.operation.say("removing its names in DNS");
        for place in &places {
            self.release(fleet, place).await?;
        }
        self.ledger.places_forget(fleet).await
    }

    async fn release(&self, fleet: &FleetId, place: &DnsName) -> Result<()> {
        let released = self.settled(place, None, |there| match self.holder(fleet, place, there) {
            Holder::Own(claim) => Ok(dns::removal_batches(&claim, dns::changes(place, &[], there))),
            Holder::Nobody | Holder::Other(_) | Holder::Unclaimed(_) => Ok(Vec::new()),
        });
        match released.await {
            // The zone is gone, and everything in it.
            Err(error) if error.class == Class::NotFound => Ok(()),
            released => released.map_err(|e| entitled(e).context("removing names in DNS")),
        }
    }

    fn holder(&self, fleet: &FleetId, place: &DnsName, there: &[RecordSet]) -> Holder {
        dns::holder(place, fleet, &self.aws.region, there)
    }

    /// Makes what is there what it should be by `batches`, which says what is to be changed of it, until that is nothing.
    async fn settled(
        &self,
        place: &DnsName,
        known: Option<&[RecordSet]>,
        batches: impl Fn(&[RecordSet]) -> Result<Vec<Vec<RecordChange>>>,
    ) -> Result<()> {
        let mut there = match known {
            Some(known) => known.to_vec(),
            None => self.records(&place.zone_id, &place.name).await?,
        };
        let mut tries = 1;
        loop {
            match self.change(place, &batches(&there)?).await {
                // Somebody was faster; or it was this, and the answer was lost.
                Err(error) if tries < TRIES && matches!(error.class, Class::Conflict | Class::Ambiguous) => {}
                changed => return changed,
            }
            tries += 1;
            there = self.records(&place.zone_id, &place.name).await?;
        }
    }

    async fn records(&self, zone_id: &str, name: &str) -> Result<Vec<RecordSet>> {
        patiently(self.aws, self.operation, || async { self.aws.zones.records(zone_id, name).await }).await
    }

    async fn change(&self, place: &DnsName, batches: &[Vec<RecordChange>]) -> Result<()> {
        for batch in batches {
            patiently(self.aws, self.operation, || async { self.aws.zones.change(&place.zone_id, batch).await }).await?;
        }
        Ok(())
    }
}

fn lost(place: &DnsName, why: &str) -> Error {
    let message = format!("the name {} in the zone {} is not this fleet's any more: {why}", place.name, place.zone_id);
    let help = "Apply again, which claims it anew if it is free, or leave dns out";
    Error::new(Class::Conflict, "DnsNameLost", message, help)
}

/// The members that live and have something to do, and the addresses that are told of them.
fn members(fleet: &Fleet, place: &DnsName) -> Vec<(u32, Ipv4Addr)> {
    let alive: BTreeSet<&str> = fleet.alive.iter().map(|id| id.0.as_str()).collect();
    let is_done = |member: &Member| fleet::has_done_its_part(&fleet.record, member);
    let reached = fleet.members.iter().filter(|member| alive.contains(member.instance_id.as_str()) && !is_done(member));
    let address = |member: &Member| {
        let address = if place.is_public { member.public_ip.as_deref()? } else { &member.private_ip };
        Some((member.rank, address.parse().ok()?))
    };
    reached.filter_map(address).collect()
}

/// What has become of a fleet's name, if it is not its own any more.
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
        Holder::Own(_) => None,
        Holder::Nobody | Holder::Unclaimed(_) => Some("nothing in the zone says whose it is".to_owned()),
        Holder::Other(who) => Some(format!("it is taken: {who}")),
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
        let zones = Mutex::new(BTreeMap::new());
        let keeps = named.iter().map(|id| self.keep_one(&names, id, &zones));
        for (id, done) in named.iter().zip(stream::iter(keeps).buffered(FLEETS_AT_ONCE).collect::<Vec<_>>().await) {
            kept.errors.extend(done.err().map(|error| format!("{id}: {error}")));
        }
        Ok(kept)
    }

    async fn keep_one(&self, names: &Names<'_>, id: &FleetId, zones: &Mutex<Listings>) -> Result<()> {
        names.operation.go_on()?;
        let Some(fleet) = fleet::inspect(self.aws(), names.ledger, Look::Glance(self.snapshots()), id).await? else {
            // Whoever has ended it, or lost its records, has left them.
            return names.remove(id).await;
        };
        if fleet.ended_at.is_some() {
            return names.remove(id).await;
        }
        // One that is being ended loses its names by that, and one that is launched anew gets them by that.
        if fleet.record.ended || fleet.record.next.is_some() {
            return Ok(());
        }
        let Some(place) = fleet.record.dns_name() else { return names.keep(&fleet).await };
        let listed = names.listed(place, zones).await?;
        names.keep_by(&fleet, Some(&listed)).await
    }
}

/// What is in a zone below the label of the account, by zone and label: one look for all fleets.
type Listings = BTreeMap<(String, String), Arc<Vec<RecordSet>>>;

impl Names<'_> {
    async fn listed(&self, place: &DnsName, zones: &Mutex<Listings>) -> Result<Vec<RecordSet>> {
        let (_, label) = place.name.split_once('.').unwrap_or(("", &place.name));
        let mut zones = zones.lock().await;
        let key = (place.zone_id.clone(), label.to_owned());
        let all = match zones.get(&key) {
            Some(all) => Arc::clone(all),
            None => {
                let all = Arc::new(self.records(&key.0, &key.1).await?);
                zones.insert(key, Arc::clone(&all));
                all
            }
        };
        Ok(all.iter().filter(|set| set.is_within(&place.name)).cloned().collect())
    }
}

impl Ledger {
    /// Notes that a fleet has, or may have, names somewhere; says whether that was known.
    async fn place_note(&self, fleet: &FleetId, place: &DnsName) -> Result<bool> {
        let mut was_noted = false;
        let add = |noted: &mut Noted| {
            was_noted = !noted.places.insert(place.clone());
            Ok(!was_noted)
        };
        self.edit(&layout::named_key(fleet), &format!("where {fleet} has names"), Some(Noted::default()), add).await?;
        Ok(was_noted)
    }

    /// Forgets that it has names there.
    async fn place_forget(&self, fleet: &FleetId, place: &DnsName) -> Result<()> {
        let remove = |noted: &mut Noted| Ok(noted.places.remove(place));
        self.edit(&layout::named_key(fleet), &format!("where {fleet} has names"), None, remove).await?;
        self.places_tidy(fleet).await
    }

    /// Leaves nothing where nothing is noted.
    async fn places_tidy(&self, fleet: &FleetId) -> Result<()> {
        let key = layout::named_key(fleet);
        match self.read::<Noted>(&key).await? {
            // Unless somebody has noted another place meanwhile.
            Some((noted, etag)) if noted.places.is_empty() => self.objects.delete_unchanged(self.bucket(), &key, &etag).await.map(drop),
            _ => Ok(()),
        }
    }

    async fn places_forget(&self, fleet: &FleetId) -> Result<()> {
        self.objects.delete(self.bucket(), &[layout::named_key(fleet)]).await
    }

    /// Where a fleet has, or may have, names.
    async fn places(&self, fleet: &FleetId) -> Result<Option<BTreeSet<DnsName>>> {
        let noted: Option<(Noted, String)> = self.read(&layout::named_key(fleet)).await?;
        Ok(noted.map(|(noted, _)| noted.places))
    }

    /// The fleets that have, or may have, names.
    async fn named(&self) -> Result<Vec<FleetId>> {
        let keys = self.objects.list(self.bucket(), layout::NAMED_PREFIX).await?;
        Ok(keys.iter().filter_map(|key| FleetId::parse(key.strip_prefix(layout::NAMED_PREFIX)?)).collect())
    }
}
