//! Spot prices: a seeded walk per pool, as a function of time alone.

use jiff::{SignedDuration, Timestamp};

use crate::catalogue::{InstanceType, is_offered, known_type, on_demand_usd_per_hour, round_price, types};
use crate::cloud::Region;
use crate::error::ApiError;
use crate::filter::{Table, one};
use crate::identity::stable_hash;
use crate::model::{Zone, format_time};
use crate::paging::{Limits, cut};
use crate::reply::{Listing, SpotPrice};
use crate::request::DescribeSpotPriceHistory;

/// A price holds this long.
const STEP_S: i64 = 4 * 3600;
/// Every so many steps the walk has a drawn height; between two of them it goes straight.
const STEPS_PER_ANCHOR: i64 = 6;
const HISTORY: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Between these parts of the on-demand price a spot price moves.
const LOWEST: f64 = 0.25;
const HIGHEST: f64 = 0.60;

const PRODUCT: &str = "Linux/UNIX";
/// What else AWS sells, and what is not sold here.
const OTHER_PRODUCTS: &[&str] = &["Red Hat Enterprise Linux", "SUSE Linux", "Windows"];

/// The prices of one pool.
pub(crate) struct Walk<'a> {
    seed: u64,
    zone: &'a str,
    instance_type: &'a str,
    on_demand: f64,
    /// Prices of different pools do not change at the same moment.
    offset_s: i64,
}

impl<'a> Walk<'a> {
    /// None where the type cannot be had as spot.
    pub(crate) fn of(seed: u64, region: &str, zone: &'a str, instance_type: &'a str) -> Option<Self> {
        let spot = known_type(instance_type).is_some_and(|t| t.spot) && is_offered(region, zone, instance_type);
        let on_demand = on_demand_usd_per_hour(region, instance_type).filter(|_| spot)?;
        let offset_s = (stable_hash(&["step", zone, instance_type]) % STEP_S as u64) as i64;
        Some(Walk { seed, zone, instance_type, on_demand, offset_s })
    }

    /// US dollars an hour at a time.
    pub(crate) fn price(&self, at: Timestamp) -> f64 {
        self.price_of(self.step(at))
    }

    /// When the price will first be above `max`, from `from` on; none if not within the next 90 days.
    pub(crate) fn first_above(&self, max: f64, from: Timestamp) -> Option<Timestamp> {
        if max >= self.on_demand * HIGHEST {
            return None;
        }
        let first = self.step(from);
        let steps = HISTORY.as_secs() / STEP_S;
        let step = (first..=first + steps).find(|step| self.price_of(*step) > max)?;
        self.start(step).map(|start| start.max(from))
    }

    fn step(&self, at: Timestamp) -> i64 {
        (at.as_second() - self.offset_s).div_euclid(STEP_S)
    }

    fn start(&self, step: i64) -> Option<Timestamp> {
        Timestamp::from_second(step * STEP_S + self.offset_s).ok()
    }

    fn price_of(&self, step: i64) -> f64 {
        let anchor = step.div_euclid(STEPS_PER_ANCHOR);
        let along = step.rem_euclid(STEPS_PER_ANCHOR) as f64 / STEPS_PER_ANCHOR as f64;
        let height = |anchor: i64| {
            let hash = stable_hash(&[&self.seed.to_string(), self.zone, self.instance_type, &anchor.to_string()]);
            hash as f64 / u64::MAX as f64
        };
        let height = height(anchor) * (1.0 - along) + height(anchor + 1) * along;
        round_price(self.on_demand * (LOWEST + (HIGHEST - LOWEST) * height))
    }
}

const FILTERS: Table<SpotPrice> = Table {
    columns: &[
        ("availability-zone", |p| one(&p.availability_zone)),
        ("availability-zone-id", |p| one(&p.availability_zone_id)),
        ("instance-type", |p| one(&p.instance_type)),
        ("product-description", |_| one(PRODUCT)),
        ("spot-price", |p| one(format!("{:.6}", p.usd_per_hour))),
        ("timestamp", |p| one(format_time(p.timestamp))),
    ],
    tags: None,
};

pub(crate) fn describe(
    region: &Region,
    seed: u64,
    now: Timestamp,
    request: &DescribeSpotPriceHistory,
) -> Result<Listing<SpotPrice>, ApiError> {
    FILTERS.check(&request.filters)?;
    check_products(&request.product_descriptions)?;
    let zones = zones(region, request)?;
    let types = wanted_types(&request.instance_types)?;
    let (start, end) = window(now, request)?;
    let mut prices = Vec::new();
    for found in types {
        for zone in &zones {
            if let Some(walk) = Walk::of(seed, &region.name, &zone.name, &found.name) {
                prices.extend(between(&walk, zone, start, end));
            }
        }
    }
    prices.retain(|p| FILTERS.passes(&request.filters, p));
    // Newest first, as EC2 answers.
    let key = |p: &SpotPrice| format!("{:020} {} {}", i64::MAX - p.timestamp.as_second(), p.instance_type, p.availability_zone);
    cut(prices, &request.page, Limits { least: 1, most: 1000, default: Some(1000) }, key)
}

/// The prices of a pool in a window. What was in force at its start belongs to it, so that a window of no length tells
/// today's price.
fn between<'a>(walk: &'a Walk<'_>, zone: &'a Zone, start: Timestamp, end: Timestamp) -> impl Iterator<Item = SpotPrice> + 'a {
    (walk.step(start)..=walk.step(end)).filter_map(move |step| {
        Some(SpotPrice {
            instance_type: walk.instance_type.to_owned(),
            availability_zone: zone.name.clone(),
            availability_zone_id: zone.id.clone(),
            usd_per_hour: walk.price_of(step),
            timestamp: walk.start(step)?,
        })
    })
}

/// Whether prices of Linux are wanted, which are all there are.
fn check_products(products: &[String]) -> Result<(), ApiError> {
    for product in products {
        let plain = product.strip_suffix(" (Amazon VPC)").unwrap_or(product);
        if OTHER_PRODUCTS.contains(&plain) {
            return Err(ApiError::gap("UnsupportedOperation", format!("Spot prices of '{product}' are not simulated")));
        }
        if plain != PRODUCT {
            return Err(ApiError::value(format!("Invalid value '{product}' for ProductDescription.")));
        }
    }
    Ok(())
}

fn wanted_types(names: &[String]) -> Result<Vec<&'static InstanceType>, ApiError> {
    if names.is_empty() {
        return Ok(types().iter().collect());
    }
    // AWS knows types that are not simulated.
    let unknown = |name: &String| ApiError::gap("InvalidParameterValue", format!("Invalid value '{name}' for InstanceType."));
    names.iter().map(|name| known_type(name).ok_or_else(|| unknown(name))).collect()
}

fn zones<'a>(region: &'a Region, request: &DescribeSpotPriceHistory) -> Result<Vec<&'a Zone>, ApiError> {
    if let Some(name) = request.availability_zone.as_ref().filter(|name| region.zones.iter().all(|z| z.name != **name)) {
        return Err(ApiError::value(format!("Invalid availability zone: [{name}]")));
    }
    Ok(region.zones.iter().filter(|z| request.availability_zone.as_ref().is_none_or(|name| z.name == *name)).collect())
}

fn window(now: Timestamp, request: &DescribeSpotPriceHistory) -> Result<(Timestamp, Timestamp), ApiError> {
    if let (Some(start), Some(end)) = (request.start_time, request.end_time)
        && start > end
    {
        return Err(ApiError::value(format!("The start time {} is after the end time {}.", format_time(start), format_time(end))));
    }
    let end = request.end_time.unwrap_or(now).min(now);
    Ok((request.start_time.unwrap_or(now - HISTORY).max(now - HISTORY).min(end), end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(seed: u64, zone: &'static str) -> Walk<'static> {
        Walk::of(seed, "us-east-1", zone, "c7i.large").unwrap()
    }

    fn hour(n: i64) -> Timestamp {
        Timestamp::from_second(1_760_000_000 + n * 3600).unwrap()
    }

    #[test]
    fn a_walk_within_its_bounds() {
        let mut seen = std::collections::BTreeSet::new();
        let mut last: Option<f64> = None;
        for n in 0..2000 {
            let usd = walk(7, "us-east-1a").price(hour(n));
            assert!((0.25 * 0.08925 - 1e-6..=0.60 * 0.08925 + 1e-6).contains(&usd), "{usd} at hour {n}");
            if let Some(last) = last {
                assert!((usd - last).abs() < 0.08925 * 0.35 / 5.0, "a walk, not a jump: {last} to {usd}");
            }
            last = Some(usd);
            seen.insert((usd * 1e6) as u64);
        }
        assert!(seen.len() > 100, "it moves: {} prices", seen.len());
    }

    #[test]
    fn pools_and_seeds_differ() {
        let price = |seed, zone| walk(seed, zone).price(hour(0));
        assert_ne!(price(7, "us-east-1a"), price(7, "us-east-1b"));
        assert_ne!(price(7, "us-east-1a"), price(8, "us-east-1a"));
        assert_eq!(price(7, "us-east-1a"), price(7, "us-east-1a"));
        assert_ne!(walk(7, "us-east-1a").offset_s, walk(7, "us-east-1b").offset_s);
        assert!(Walk::of(7, "us-east-1", "us-east-1b", "hpc7a.96xlarge").is_none(), "never spot");
        assert!(Walk::of(7, "us-east-1", "us-east-1c", "g6.xlarge").is_none(), "not offered there");
    }

    #[test]
    fn the_first_price_above() {
        let walk = walk(7, "us-east-1a");
        let now = walk.price(hour(0));
        assert_eq!(walk.first_above(now - 0.000_001, hour(0)), Some(hour(0)), "it is already");
        assert_eq!(walk.first_above(1.0, hour(0)), None, "it never is");
        let at = walk.first_above(now, hour(0)).unwrap();
        assert!(walk.price(at) > now && at > hour(0));
        assert!(walk.price(at - SignedDuration::from_secs(1)) <= now, "not a second earlier");
    }
}
