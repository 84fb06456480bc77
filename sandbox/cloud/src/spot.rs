//! Spot prices: a seeded walk per pool, as a function of time alone.

use jiff::{SignedDuration, Timestamp};

use crate::catalogue::{is_offered, on_demand_usd_per_hour, round_price, types};
use crate::cloud::Region;
use crate::error::ApiError;
use crate::filter::{Table, one};
use crate::identity::stable_hash;
use crate::paging::{Limits, cut};
use crate::reply::{Listing, SpotPrice};
use crate::request::DescribeSpotPriceHistory;

/// A price holds this long.
const STEP_S: i64 = 4 * 3600;
/// Every so many steps the walk has a drawn height; between two of them it goes straight.
const STEPS_PER_ANCHOR: i64 = 6;
const HISTORY: SignedDuration = SignedDuration::from_hours(90 * 24);
const PRODUCT: &str = "Linux/UNIX";

/// US dollars an hour of a pool: between 25 % and 60 % of the on-demand price. None where it cannot be had as spot.
pub(crate) fn price(seed: u64, region: &str, zone: &str, instance_type: &str, at: Timestamp) -> Option<f64> {
    let on_demand = on_demand_usd_per_hour(region, instance_type)?;
    let step = at.as_second().div_euclid(STEP_S);
    let anchor = step.div_euclid(STEPS_PER_ANCHOR);
    let along = step.rem_euclid(STEPS_PER_ANCHOR) as f64 / STEPS_PER_ANCHOR as f64;
    let height = |anchor: i64| {
        let hash = stable_hash(&[&seed.to_string(), zone, instance_type, &anchor.to_string()]);
        hash as f64 / u64::MAX as f64
    };
    let fraction = 0.25 + 0.35 * (height(anchor) * (1.0 - along) + height(anchor + 1) * along);
    Some(round_price(on_demand * fraction))
}

const FILTERS: Table<SpotPrice> = Table {
    columns: &[
        ("availability-zone", |p| one(&p.availability_zone)),
        ("availability-zone-id", |p| one(&p.availability_zone_id)),
        ("instance-type", |p| one(&p.instance_type)),
        ("product-description", |_| one(PRODUCT)),
        ("spot-price", |p| one(format!("{:.6}", p.usd_per_hour))),
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
    let products = &request.product_descriptions;
    let end = request.end_time.unwrap_or(now).min(now);
    let start = request.start_time.unwrap_or(now - HISTORY).max(now - HISTORY).min(end);
    let wanted = products.is_empty() || products.iter().any(|p| p == PRODUCT || p == "Linux/UNIX (Amazon VPC)");
    let mut prices = Vec::new();
    for found in types().iter().filter(|t| t.spot && wanted) {
        if !request.instance_types.is_empty() && !request.instance_types.contains(&found.name) {
            continue;
        }
        for zone in &region.zones {
            if request.availability_zone.as_ref().is_some_and(|z| *z != zone.name) || !is_offered(&region.name, &zone.name, &found.name) {
                continue;
            }
            // What was in force at the start belongs to the answer, so that a window of no length tells today's price.
            let first = start.as_second().div_euclid(STEP_S);
            for step in first..=end.as_second().div_euclid(STEP_S) {
                let Ok(timestamp) = Timestamp::from_second(step * STEP_S) else { continue };
                let Some(usd_per_hour) = price(seed, &region.name, &zone.name, &found.name, timestamp) else { continue };
                prices.push(SpotPrice {
                    instance_type: found.name.clone(),
                    availability_zone: zone.name.clone(),
                    availability_zone_id: zone.id.clone(),
                    usd_per_hour,
                    timestamp,
                });
            }
        }
    }
    prices.retain(|p| FILTERS.passes(&request.filters, p));
    // Newest first, as EC2 answers.
    let key = |p: &SpotPrice| format!("{:020} {} {}", i64::MAX - p.timestamp.as_second(), p.instance_type, p.availability_zone);
    cut(prices, &request.page, Limits { least: 1, most: 1000, default: Some(1000) }, key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_within_its_bounds() {
        let mut seen = std::collections::BTreeSet::new();
        let mut last: Option<f64> = None;
        for hour in 0..2000 {
            let at = Timestamp::from_second(1_760_000_000 + hour * 3600).unwrap();
            let usd = price(7, "us-east-1", "us-east-1a", "c7i.large", at).unwrap();
            assert!((0.25 * 0.08925 - 1e-6..=0.60 * 0.08925 + 1e-6).contains(&usd), "{usd} at hour {hour}");
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
        let at = Timestamp::from_second(1_760_000_000).unwrap();
        let a = price(7, "us-east-1", "us-east-1a", "c7i.large", at);
        assert_ne!(a, price(7, "us-east-1", "us-east-1b", "c7i.large", at));
        assert_ne!(a, price(8, "us-east-1", "us-east-1a", "c7i.large", at));
        assert_eq!(a, price(7, "us-east-1", "us-east-1a", "c7i.large", at));
    }
}
