//! From spot to on demand: Auto Scaling never does that by itself, so a function that looks every two minutes has a group buy on demand what spot
//! has no room for.
//!
//! It raises how many of the group are on demand in any case by what is missing, so that nothing that runs is replaced: what is spot stays
//! spot. Where on demand has no room either, it lowers it to what there is, and spot is tried again. It is never lowered below that, because it would
//! end instances that work. Who makes the service smaller lowers it with those that go; who runs it again begins anew.

use futures::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use spawn_model::error::Error;
use spawn_model::ids::{FleetId, InstanceId};
use spawn_model::layout;
use spawn_model::market::{Fallback, MarketType};
use spawn_model::problem::Path;
use spawn_model::record::FleetRecord;
use spawn_model::spec::{FleetKind, FleetSpec};
use spawn_model::tag;

use crate::engine::Engine;
use crate::ledger::Ledger;
use crate::operation::Operation;
use crate::ports::{Aws, Group, Instance, Refusal, Result, Scaling};
use crate::setup::Setup;
use crate::tags;

/// How many groups are looked at at once.
const AT_ONCE: usize = 4;

/// How old a failed launch may be to count: a group that lacks instances tries again far more often, so what is older was about others.
const NEWS: SignedDuration = SignedDuration::from_hours(1);

/// What the messages of launches that failed begin with, if those were to be spot.
const OF_SPOT: &str = "Could not launch Spot Instances.";

/// What follows on that where spot has no room, costs more than one would pay, or is more than the account may have (EC2 API reference, "Error
/// codes"; a fleet, by which mixed groups launch, tells the first as the second).
const WANTS: [&str; 4] = ["InsufficientInstanceCapacity", "UnfulfillableCapacity", "SpotMaxPriceTooLow", "MaxSpotInstanceCountExceeded"];

/// The same of launches that were to be on demand.
const ON_DEMAND: &str = "Could not launch On-Demand Instances.";
const WANTS_ON_DEMAND: [&str; 3] = ["InsufficientInstanceCapacity", "UnfulfillableCapacity", "VcpuLimitExceeded"];

/// The same in sentences, from groups and times in which no code is told.
const WANTS_IN_WORDS: [&str; 4] = [
    "no Spot capacity",
    "no capacity available that matches your request",
    "lower than the minimum required Spot request fulfillment price",
    "Max spot instance count exceeded",
];

/// What came of a look at services that may fall back.
#[derive(Debug, Default, Serialize)]
pub struct ServicesKept {
    /// How many groups there are.
    pub groups: usize,
    /// Which services buy more on demand from now on, and how many in all.
    pub fell_back: Vec<(String, u32)>,
    /// Which try spot again, because on demand had no room either, and how many are on demand.
    pub went_back: Vec<(String, u32)>,
    /// What could not be looked at or changed, a sentence each.
    pub errors: Vec<String>,
}

/// Whether a service is to buy on demand what spot has no room for.
fn falls_back(kind: FleetKind, spec: &FleetSpec) -> bool {
    let market = &spec.market;
    kind == FleetKind::Service && market.r#type == MarketType::Spot && market.fallback == Fallback::OnDemand
}

/// Whether the set-up does what a service asks for.
///
/// # Errors
/// `SetupOld` if nothing would have it fall back.
pub(crate) fn check(setup: &Setup, kind: FleetKind, spec: &FleetSpec) -> Result<()> {
    if !falls_back(kind, spec) {
        return Ok(());
    }
    let watcher = setup.watcher("buys on demand what spot has no room for");
    let is_new = watcher.and_then(|_| setup.knows(1, "its function buys nothing on demand"));
    is_new.map_err(|error| error.at(Path::field("market").key("fallback")))
}

/// How many of a group are to be on demand in any case that was told to have `base`: as many as fell back stay so.
pub(super) fn kept_base(record: &FleetRecord, base: u32) -> u32 {
    let asked = record.spec.market.on_demand_base;
    if falls_back(record.kind, &record.spec) { base.max(asked) } else { asked }
}

/// Whether a group has as many on demand in any case as its owner has asked for, or may have fallen back to.
pub(crate) fn is_base_of(record: &FleetRecord, base: u32, size: u32) -> bool {
    let asked = record.spec.market.on_demand_base;
    base == asked || falls_back(record.kind, &record.spec) && (asked..=size).contains(&base)
}

/// What is to be said of a service that has fallen back.
pub(super) fn told(record: &FleetRecord, group: &Group, instances: &[Instance]) -> Option<String> {
    let (asked, size) = (record.spec.market.on_demand_base, group.size);
    if !falls_back(record.kind, &record.spec) || group.launches.on_demand_base <= asked {
        return None;
    }
    let on_demand = Some(on_demand(group, instances)).filter(|on_demand| *on_demand > asked)?;
    let who = match (on_demand, size) {
        (_, 1) => "it is".to_owned(),
        (1, _) => format!("1 of {size} is"),
        _ => format!("{on_demand} of {size} are"),
    };
    let of_these = if asked > 0 { format!(", {asked} of them in any case") } else { String::new() };
    Some(format!("{who} on demand{of_these}: spot had no capacity"))
}

/// Whether a launch failed for want of spot, so that one on demand would not have.
fn is_want_of_spot(why: &str) -> bool {
    let Some(rest) = why.strip_prefix(OF_SPOT) else {
        // Of a group that knows spot alone nothing says so.
        return !why.starts_with("Could not launch ") && WANTS_IN_WORDS.iter().any(|words| why.contains(words));
    };
    let rest = rest.trim_start();
    match rest.split_once(" - ") {
        Some((code, _)) if !code.contains(' ') => WANTS.contains(&code),
        _ => WANTS_IN_WORDS.iter().any(|words| rest.contains(words)),
    }
}

/// How an instance is bought. What EC2 has not told of yet is taken for spot: it is there, and nothing is to be bought in its place.
fn market_of(id: &InstanceId, instances: &[Instance]) -> MarketType {
    let found = instances.iter().find(|found| found.launched.instance_id == *id);
    found.map_or(MarketType::Spot, |found| found.launched.market)
}

/// How many of a group's instances are on demand.
fn on_demand(group: &Group, instances: &[Instance]) -> u32 {
    counted(group.instances.iter().filter(|id| market_of(id, instances) == MarketType::OnDemand).count())
}

fn counted(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// How many are on demand if whatever is not spot is: of a group of a size with so many instances, of which so many are on demand.
fn but_for_spot(size: u32, members: u32, on_demand: u32) -> u32 {
    size.saturating_sub(members.saturating_sub(on_demand))
}

/// Where the last launch that failed for want of room was to be bought; nothing if none did.
fn wanting(refusals: &[Refusal], now: Timestamp) -> Option<MarketType> {
    refusals.iter().filter(|refusal| refusal.at + NEWS >= now).find_map(|refusal| {
        if is_want_of_spot(&refusal.why) {
            return Some(MarketType::Spot);
        }
        let code = refusal.why.strip_prefix(ON_DEMAND)?.trim_start().split(" - ").next()?;
        WANTS_ON_DEMAND.contains(&code).then_some(MarketType::OnDemand)
    })
}

/// How many are to be on demand in any case of a group that lacks instances; nothing if so many are already.
fn raised(base: u32, asked: u32, but_for_spot: u32) -> Option<u32> {
    let wanted = but_for_spot.max(asked);
    (wanted > base).then_some(wanted)
}

/// The same of a group that has become smaller; nothing if it is not too many.
fn lowered(base: u32, asked: u32, but_for_spot: u32) -> Option<u32> {
    let wanted = but_for_spot.max(asked);
    (wanted < base).then_some(wanted)
}

/// Whether a group may lack spot instances that were not to be had: one that launches some, and is not of its size.
fn may_want(group: &Group) -> bool {
    let launches = &group.launches;
    !group.is_going && launches.spot.is_some() && counted(group.instances.len()) < group.size
}

/// What is recorded of the service that a group keeps at its size, if it is one that falls back and that nobody ends or runs again.
///
/// # Errors
/// If its record cannot be read.
async fn recorded(ledger: &Ledger, group: &Group) -> Result<Option<FleetRecord>> {
    let Some(fleet) = group.tags.get(tag::FLEET).and_then(|id| FleetId::parse(id)) else { return Ok(None) };
    let record = ledger.fleet(&fleet).await?;
    let is_kept = |record: &FleetRecord| {
        falls_back(record.kind, &record.spec) && layout::scaling_name(&record.run) == group.name && !record.ended && record.next.is_none()
    };
    Ok(record.filter(is_kept))
}

/// The share on demand of a service that has fallen back and becomes smaller. It goes down with the instances that go, step by step: while it does not
/// fit what is there, Auto Scaling replaces what works.
pub(super) struct Share<'a> {
    scaling: &'a dyn Scaling,
    group: &'a str,
    /// How many are on demand in any case.
    base: u32,
    /// How many are to be, whether there is spot or not.
    asked: u32,
    /// The group's instances, and how each is bought.
    held: Vec<(&'a InstanceId, MarketType)>,
}

impl<'a> Share<'a> {
    /// That of a group; nothing if its service has not fallen back.
    ///
    /// # Errors
    /// If EC2 cannot be asked how the instances are bought.
    pub(super) async fn of(aws: &'a Aws, record: &FleetRecord, group: &'a Group) -> Result<Option<Self>> {
        let (base, asked) = (group.launches.on_demand_base, record.spec.market.on_demand_base);
        if !falls_back(record.kind, &record.spec) || base <= asked {
            return Ok(None);
        }
        let instances = aws.instances.describe(&tags::of_run(&record.run)).await?;
        let held = group.instances.iter().map(|id| (id, market_of(id, &instances))).collect();
        Ok(Some(Self { scaling: &*aws.scaling, group: &group.name, base, asked, held }))
    }

    /// Before an instance goes. Where nothing is spot, all is on demand whatever the share.
    ///
    /// # Errors
    /// If the group cannot be changed.
    pub(super) async fn let_go(&mut self, id: &InstanceId) -> Result<()> {
        let Some(at) = self.held.iter().position(|(held, _)| *held == id) else { return Ok(()) };
        let (_, market) = self.held.swap_remove(at);
        let is_one_less = market == MarketType::OnDemand && self.held.iter().any(|(_, market)| *market == MarketType::Spot);
        if is_one_less { self.lower(self.base.saturating_sub(1)).await } else { Ok(()) }
    }

    /// When all have gone that do not fit a size.
    ///
    /// # Errors
    /// If the group cannot be changed.
    pub(super) async fn fit(&mut self, size: u32) -> Result<()> {
        let on_demand = self.held.iter().filter(|(_, market)| *market == MarketType::OnDemand).count();
        self.lower(but_for_spot(size, counted(self.held.len()), counted(on_demand))).await
    }

    async fn lower(&mut self, needed: u32) -> Result<()> {
        let Some(base) = lowered(self.base, self.asked, needed) else { return Ok(()) };
        let lowered = self.scaling.buy_on_demand(self.group, base).await;
        lowered.map_err(|e| e.context("changing how many are on demand"))?;
        self.base = base;
        Ok(())
    }
}

/// How a service buys from now on.
struct Fell {
    name: String,
    /// How many are on demand in any case.
    base: u32,
    /// Whether that is more than before.
    is_more: bool,
}

impl Engine {
    /// Has services buy on demand what spot has no room for, as far as they are to. One that cannot be looked at keeps no other from it.
    ///
    /// # Errors
    /// If the groups cannot be listed. What is wrong with one of them is among [`ServicesKept::errors`].
    pub async fn services_keep(&self, operation: &Operation) -> Result<ServicesKept> {
        let Some(setup) = self.found().await? else { return Ok(ServicesKept::default()) };
        let ledger = self.ledger(&setup);
        let groups = self.aws().scaling.groups(&tags::managed()).await?;
        let mut kept = ServicesKept { groups: groups.len(), ..ServicesKept::default() };
        let wanting: Vec<&Group> = groups.iter().filter(|group| may_want(group)).collect();
        let falls = wanting.iter().map(|group| self.fall_back(&ledger, group, operation));
        for (group, fell) in wanting.iter().zip(stream::iter(falls).buffered(AT_ONCE).collect::<Vec<_>>().await) {
            match fell {
                Ok(Some(Fell { name, base, is_more: true })) => kept.fell_back.push((name, base)),
                Ok(Some(Fell { name, base, is_more: false })) => kept.went_back.push((name, base)),
                Ok(None) => {}
                Err(error) => kept.errors.push(failed(group, &error)),
            }
        }
        Ok(kept)
    }

    /// Has the group of a service buy otherwise what it lacks; nothing if that is as it should be.
    async fn fall_back(&self, ledger: &Ledger, group: &Group, operation: &Operation) -> Result<Option<Fell>> {
        operation.go_on()?;
        let (aws, now) = (self.aws(), self.now());
        let Some(record) = recorded(ledger, group).await? else { return Ok(None) };
        // What is over is emptied, and not filled.
        if tags::deadline(&group.tags).is_none_or(|deadline| deadline <= now) {
            return Ok(None);
        }
        let Some(market) = wanting(&aws.scaling.refusals(&group.name).await?, now) else { return Ok(None) };
        let instances = aws.instances.describe(&tags::of_run(&record.run)).await?;
        // Somebody may have made it larger or smaller, or bought otherwise, since the groups were listed.
        let Some(group) = aws.scaling.group(&group.name).await?.filter(|now| now.size == group.size && may_want(now)) else {
            return Ok(None);
        };
        let (there, asked, bought) = (group.launches.on_demand_base, record.spec.market.on_demand_base, on_demand(&group, &instances));
        let wanted = match market {
            MarketType::Spot => raised(there, asked, but_for_spot(group.size, counted(group.instances.len()), bought)),
            MarketType::OnDemand => lowered(there, asked, bought),
        };
        let Some(base) = wanted else { return Ok(None) };
        operation.say(&format!(
            "{}: {base} of {} are to be on demand, because {} has no capacity",
            record.spec.name,
            group.size,
            market.word()
        ));
        let doing = match market {
            MarketType::Spot => "buying on demand what spot has no room for",
            MarketType::OnDemand => "trying spot again",
        };
        aws.scaling.buy_on_demand(&group.name, base).await.map_err(|e| e.context(doing))?;
        Ok(Some(Fell { name: record.spec.name, base, is_more: base > there }))
    }
}

fn failed(group: &Group, error: &Error) -> String {
    format!("{}: {error}", group.tags.get(tag::NAME).unwrap_or(&group.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Auto Scaling has told people, from public reports of theirs.
    #[test]
    fn what_failed_for_want_of_spot() {
        let failed = " Launching EC2 instance failed.";
        for (why, expected) in [
            (
                "Could not launch Spot Instances. UnfulfillableCapacity - Unable to fulfill capacity due to your request configuration. \
                 Please adjust your request and try again.",
                true,
            ),
            ("Could not launch Spot Instances. UnfulfillableCapacity - There is no capacity available that matches your request.", true),
            (
                "Could not launch Spot Instances. InsufficientInstanceCapacity - There is no Spot capacity available that matches your \
                 request.",
                true,
            ),
            ("Could not launch Spot Instances. MaxSpotInstanceCountExceeded - Max spot instance count exceeded", true),
            (
                "Could not launch Spot Instances. SpotMaxPriceTooLow - Your Spot request price of 0.001 is lower than the minimum required \
                 Spot request fulfillment price of 0.0312.",
                true,
            ),
            ("Could not launch Spot Instances. There is no Spot capacity available that matches your request.", true),
            ("There is no Spot capacity available that matches your request.", true),
            ("Max spot instance count exceeded.", true),
            // What on demand would meet as well.
            (
                "Could not launch Spot Instances. InvalidFleetConfiguration - Your requested instance type (p3.8xlarge) is not supported in \
                 your requested Availability Zone (us-east-2c).",
                false,
            ),
            (
                "Could not launch Spot Instances. InvalidParameterCombination - The specified instance type is not eligible for Free Tier.",
                false,
            ),
            (
                "Could not launch Spot Instances. InsufficientFreeAddressesInSubnet - There are not enough free addresses in subnet \
                 'subnet-1' to satisfy the requested number of instances.",
                false,
            ),
            ("Could not launch Spot Instances. InternalError - An internal error has occurred - there is no Spot capacity", false),
            // What on demand has met.
            (
                "Could not launch On-Demand Instances. InsufficientInstanceCapacity - We currently do not have sufficient c7i.large \
                 capacity in the Availability Zone you requested (us-east-1a).",
                false,
            ),
            (
                "Could not launch On-Demand Instances. UnfulfillableCapacity - There is no capacity available that matches your request.",
                false,
            ),
            (
                "Could not launch On-Demand Instances. VcpuLimitExceeded - You have requested more vCPU capacity than your current vCPU \
                 limit of 8 allows for the instance bucket that the specified instance type belongs to.",
                false,
            ),
            ("We currently do not have sufficient c7i.large capacity in the Availability Zone you requested (us-east-1a).", false),
            ("The key pair 'ada' does not exist.", false),
            ("Instance became unhealthy while waiting for instance to be in InService state. Termination Reason: ", false),
            ("", false),
        ] {
            assert_eq!(is_want_of_spot(&format!("{why}{failed}")), expected, "{why}");
            assert_eq!(is_want_of_spot(why), expected, "{why}");
        }
    }

    /// What is missing is bought on demand, and what is spot stays so.
    #[test]
    fn so_many_are_on_demand_from_now_on() {
        for (size, members, on_demand, asked, base, expected) in [
            // Nothing is there: all of it.
            (4, 0, 0, 0, 0, Some(4)),
            // Some is spot: only what is missing.
            (4, 2, 0, 0, 0, Some(2)),
            (4, 3, 0, 0, 0, Some(1)),
            // What is on demand already counts.
            (4, 3, 1, 1, 1, Some(2)),
            (4, 2, 2, 0, 2, Some(4)),
            (4, 1, 0, 1, 1, Some(3)),
            // It was done, and has yet to come.
            (4, 2, 0, 0, 2, None),
            (4, 3, 1, 0, 2, None),
            // More than that is on demand already: whatever is missing is no spot instance.
            (4, 2, 1, 0, 3, None),
            (4, 3, 3, 0, 4, None),
            // Of its size, or larger: nothing is missing.
            (4, 4, 0, 0, 0, None),
            (4, 5, 0, 0, 0, None),
            (2, 3, 0, 0, 0, None),
            // Never less than was asked for.
            (4, 3, 0, 2, 1, Some(2)),
            (1, 0, 0, 0, 0, Some(1)),
            (0, 0, 0, 0, 0, None),
        ] {
            let found = raised(base, asked, but_for_spot(size, members, on_demand));
            assert_eq!(found, expected, "{on_demand} of {members} of {size}, {asked} asked for, {base} told");
            assert!(found.is_none_or(|found| found <= size.max(asked) && found > base));
        }
    }

    /// Made smaller it is on demand as far as those are that stay, and never less than was asked for.
    #[test]
    fn so_many_are_on_demand_of_a_smaller_one() {
        for (size, stay, on_demand, asked, base, expected) in [
            // Spot ones went, and one on demand.
            (2, 2, 2, 0, 3, Some(2)),
            (2, 2, 1, 0, 3, Some(1)),
            (2, 2, 0, 0, 3, Some(0)),
            (2, 2, 0, 1, 3, Some(1)),
            // Spot alone went.
            (3, 3, 2, 0, 2, None),
            // Larger, or as large as before: more on demand is needed for nobody.
            (6, 4, 3, 0, 3, None),
            // Some of it has yet to come.
            (3, 2, 1, 0, 3, Some(2)),
        ] {
            let found = lowered(base, asked, but_for_spot(size, stay, on_demand));
            assert_eq!(found, expected, "{on_demand} of {stay} of {size}, {asked} asked for, {base} told");
            assert!(found.is_none_or(|found| found < base && found >= asked));
        }
    }
}
