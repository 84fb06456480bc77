//! From what is asked for and what is there to what will be done: plain data, made without any client.

use std::collections::BTreeSet;

use serde::Serialize;
use sha2::{Digest, Sha256};
use spawn_model::dns::DnsName;
use spawn_model::duration::Seconds;
use spawn_model::error::{Class, Error};
use spawn_model::ids::RunId;
use spawn_model::layout::SHARD_SIZE;
use spawn_model::placement::{Placement, SPREAD_PER_ZONE};
use spawn_model::problem::Path;
use spawn_model::record::BootImage;
use spawn_model::spec::{FleetKind, FleetSpec};

use crate::bucket::launching_s;
use crate::cost::Rate;
use crate::pools::{Pool, Pools, pools};
use crate::ports::{Image, InstanceType, Result, SpotPrice, Subnet};

/// A lease that is longer is likely to be forgotten.
const LONG: Seconds = Seconds(86_400);

/// What a public IPv4 address costs, whoever has it (Amazon VPC pricing, since February 2024).
const PUBLIC_ADDRESS_USD_PER_HOUR: f64 = 0.005;

/// What was seen before planning.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The types to launch from, in the order in which they are asked.
    pub types: Vec<InstanceType>,
    /// The image.
    pub image: Image,
    /// Subnets of one network, in the order in which they are asked.
    pub subnets: Vec<Subnet>,
    /// Architectures, as EC2 says them, that the set-up has an agent for.
    pub architectures: Vec<String>,
    /// What spot costs now, if spot is asked for.
    pub spot_prices: Vec<SpotPrice>,
}

/// What a launch will do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The fleet's name.
    pub name: String,
    /// Its kind.
    pub kind: FleetKind,
    /// How many instances.
    pub size: u32,
    /// The types to launch from, in order; the pools say what was left out of them.
    #[serde(skip)]
    pub instance_types: Vec<String>,
    /// Where to ask, in this order.
    pub pools: Pools,
    /// Whether all must come from one pool, at once.
    pub gang: bool,
    /// The image.
    pub image: BootImage,
    /// How many GiB the root volume has if the fleet does not say so.
    #[serde(skip)]
    pub root_gib: Option<u32>,
    /// The network of every pool.
    pub vpc_id: String,
    /// How many seconds the lease runs, from the recorded intent.
    pub ttl_s: u64,
    /// After how many seconds of idleness an instance ends earlier; nothing if none does.
    pub idle_after_s: Option<u64>,
    /// Schedules that end it from outside, one for every 1,000 ranks.
    pub schedules: u32,
    /// On-demand price of an instance-hour of the preferred type in US dollars, by the Pricing API; unknown stays unknown.
    pub price_usd_per_hour: Option<f64>,
    /// What the pool that is asked first costs as spot now, in US dollars an hour, by EC2's price history; nothing without spot.
    pub spot_usd_per_hour: Option<f64>,
    /// What an hour of the whole fleet costs at most; unknown stays unknown.
    pub rate: Option<Rate>,
    /// What the whole fleet costs at most, until the lease ends, in US dollars.
    pub cost_usd_max: Option<f64>,
    /// What was left out, and why.
    pub notes: Vec<String>,
    /// Where it is to have its name in DNS, if anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_name: Option<DnsName>,
}

impl Plan {
    /// The same plan with the image that a run has begun with.
    #[must_use]
    pub fn booting(self, image: &BootImage) -> Self {
        Self { image: image.clone(), ..self }
    }

    /// The same plan, with a name in DNS.
    #[must_use]
    pub fn named(self, dns_name: Option<DnsName>) -> Self {
        Self { dns_name, ..self }
    }

    /// The same plan, with the price of its preferred type.
    #[must_use]
    pub fn priced(self, price_usd_per_hour: Option<f64>) -> Self {
        Self { price_usd_per_hour, ..self }
    }
}

/// Plans a launch, without its price.
///
/// # Errors
/// If no pool is left, with the reason for each that was left out.
pub fn plan(kind: FleetKind, spec: &FleetSpec, observed: &Observed) -> Result<Plan> {
    let mut notes = Vec::new();
    if observed.subnets.is_empty() {
        let help = "Make one with `aws ec2 create-default-vpc`, or use a region that has one";
        return Err(Error::new(Class::Invalid, "NoDefaultNetwork", "the region has no default network with subnets", help));
    }
    let pools = pools(spec, observed, &mut notes)?;
    spread(spec, &pools)?;
    let root_gib = root_gib(spec, observed, &pools)?;
    in_time(spec)?;
    notes.extend(advice(spec));
    notes.extend(uncounted(spec, observed));
    Ok(Plan {
        name: spec.name.clone(),
        kind,
        size: spec.size,
        instance_types: observed.types.iter().map(|found| found.name.clone()).collect(),
        pools,
        gang: spec.gang,
        image: BootImage {
            id: observed.image.id.clone(),
            root_device: observed.image.root_device.clone(),
            root_gib: root_gib.or(observed.image.root_gib).filter(|_| spec.root_volume.size_gib.is_none()),
        },
        root_gib: root_gib.or(observed.image.root_gib),
        vpc_id: observed.subnets[0].vpc_id.clone(),
        ttl_s: spec.lease.ttl.0,
        idle_after_s: spec.lease.idle.as_ref().map(|idle| idle.after.0),
        schedules: spec.size.div_ceil(SHARD_SIZE),
        price_usd_per_hour: None,
        spot_usd_per_hour: spot_price(observed),
        rate: None,
        cost_usd_max: None,
        notes,
        dns_name: None,
    })
}

/// How many GiB the root volume needs beyond what the image says; nothing if the image's size will do. It begins as the image's, and so cannot be
/// smaller; where a machine hibernates it has to hold the memory too (EC2 user guide, "Prerequisites for EC2 instance hibernation").
fn root_gib(spec: &FleetSpec, observed: &Observed, pools: &Pools) -> Result<Option<u32>> {
    let image = &observed.image;
    let types = observed.types.iter().filter(|found| pools.all().iter().any(|pool| pool.instance_type == found.name));
    let memory_gib = spec.lease.ends().hibernates().then(|| types.map(|found| found.memory_mib.div_ceil(1024)).max()).flatten();
    let memory_gib = memory_gib.and_then(|gib| u32::try_from(gib).ok());
    let least = image.root_gib.map_or(memory_gib, |root_gib| Some(root_gib + memory_gib.unwrap_or(0)));
    match (spec.root_volume.size_gib, least) {
        (Some(asked), Some(least)) if asked < least => {
            let memory = memory_gib.map(|gib| format!(", and {gib} GiB of memory when it hibernates")).unwrap_or_default();
            let message = format!("{asked} GiB do not hold the image {}, which has {} GiB{memory}", image.id, image.root_gib.unwrap_or(0));
            let help = format!("Write at least {least}, or leave size_gib out");
            Err(Error::new(Class::Invalid, "RootTooSmall", message, help).at(Path::field("root_volume").key("size_gib")))
        }
        _ => Ok(memory_gib.and(least)),
    }
}

/// What a user may not have thought of in a lease: a long one, which nothing ends earlier.
#[must_use]
pub fn advice(spec: &FleetSpec) -> Option<String> {
    let lease = &spec.lease;
    let is_bounded = lease.budget.is_some() || lease.idle.is_some();
    (lease.ttl > LONG && !is_bounded).then(|| {
        format!(
            "nothing ends {} before its lease of {} is over: lease.budget or lease.idle would, when it has cost enough or is done",
            spec.name, lease.ttl
        )
    })
}

/// What a budget does not count, and is paid.
fn uncounted(spec: &FleetSpec, observed: &Observed) -> Option<String> {
    spec.lease.budget?;
    observed.subnets.iter().any(|subnet| subnet.is_public(&spec.network)).then(|| {
        format!("the budget does not count public addresses, which cost ${PUBLIC_ADDRESS_USD_PER_HOUR} an hour each; network.public_address = false does without")
    })
}

/// What is spread needs zones enough.
fn spread(spec: &FleetSpec, pools: &Pools) -> Result<()> {
    let zones: BTreeSet<&str> = pools.all().iter().map(|pool| pool.zone.as_str()).collect();
    let most = SPREAD_PER_ZONE * u32::try_from(zones.len()).unwrap_or(u32::MAX);
    if spec.placement != Some(Placement::Spread) || spec.size <= most {
        return Ok(());
    }
    let zones: Vec<&str> = zones.into_iter().collect();
    let message = format!(
        "{} instances cannot be spread: EC2 puts at most {SPREAD_PER_ZONE} of a fleet into a zone, and there are {} ({})",
        spec.size,
        zones.len(),
        zones.join(", ")
    );
    let help = format!("Ask for at most {most}, name subnets in more zones, or leave placement out");
    Err(Error::new(Class::Invalid, "SpreadTooLarge", message, help).at(Path::field("placement")))
}

/// What EC2 cannot launch before the lease ends is not begun.
fn in_time(spec: &FleetSpec) -> Result<()> {
    let (needed_s, ttl) = (launching_s(spec.size), spec.lease.ttl);
    if needed_s < ttl.0 {
        return Ok(());
    }
    let message = format!(
        "{} instances cannot be launched within {ttl}: EC2 gives an account 1,000 at once and then two a second, which takes {needed_s} s",
        spec.size
    );
    Err(Error::new(Class::Invalid, "LeaseOver", message, "Ask for a longer lease, or for fewer instances")
        .at(Path::field("lease").key("ttl")))
}

/// What the first zone of the preferred type that has a price costs as spot.
fn spot_price(observed: &Observed) -> Option<f64> {
    let first = observed.types.first()?;
    let preferred = observed.spot_prices.iter().filter(|price| price.instance_type == first.name);
    preferred.min_by(|one, other| one.zone.cmp(&other.zone)).map(|price| price.usd_per_hour)
}

/// How many instances the next call asks for: all that are missing, but never across a shard's border, so that one schedule
/// never has more to end than one call can.
#[must_use]
pub fn batch_size(base: u32, size: u32) -> u32 {
    (size - base).min(SHARD_SIZE - base % SHARD_SIZE)
}

/// The client token of a launch: the same run, base and pool always have the same one, so a repeated call launches nothing twice.
#[must_use]
pub fn client_token(run: &RunId, base: u32, pool: &Pool) -> String {
    let digest = Sha256::digest(format!("{run} {base} {} {} {}", pool.instance_type, pool.subnet_id, pool.market.word()));
    hex::encode(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use spawn_model::market::MarketType;

    proptest! {
        #[test]
        fn batches_cover_every_rank_once_and_cross_no_shard(size in 1..10_000_u32, given in 1..1_000_u32) {
            let mut base = 0;
            while base < size {
                let asked = batch_size(base, size);
                prop_assert!(asked >= 1 && base + asked <= size);
                prop_assert_eq!(base / SHARD_SIZE, (base + asked - 1) / SHARD_SIZE);
                base += asked.min(given);
            }
            prop_assert_eq!(base, size);
        }
    }

    #[test]
    fn a_client_token_fits_ec2() {
        let pool = Pool {
            instance_type: "c7i.large".into(),
            market: MarketType::OnDemand,
            zone: "us-east-1a".into(),
            subnet_id: "subnet-1".into(),
        };
        assert_eq!(client_token(&RunId::from_random([1; 8]), 0, &pool).len(), 64);
    }
}
