//! On demand or spot, and of which type first.

use jiff::Timestamp;

use super::{AutoScalingGroup, Distribution, LaunchSource, OnDemandStrategy, SpotStrategy};
use crate::catalogue::on_demand_usd_per_hour;
use crate::identity::stable_hash;
use crate::model::Market;
use crate::request::LaunchTemplateData;
use crate::spot::prices::Walk;

/// How many of a group of a size should be on demand.
pub(super) fn on_demand_of(distribution: &Distribution, size: u32) -> u32 {
    let base = distribution.on_demand_base.min(size);
    // What cannot be divided is on demand.
    base + ((size - base) * distribution.on_demand_percentage.min(100)).div_ceil(100)
}

/// What a source says of how it is divided between the markets: the base, and the share of the rest. A template alone says nothing.
pub(super) fn division(source: &LaunchSource) -> Option<(u32, u32)> {
    match source {
        LaunchSource::Template(_) => None,
        LaunchSource::Mixed { distribution, .. } => Some((distribution.on_demand_base, distribution.on_demand_percentage)),
    }
}

/// How many of each market a mixed group of its size has; nothing of another one.
pub(super) fn wanted(group: &AutoScalingGroup) -> Option<[(Market, u32); 2]> {
    let LaunchSource::Mixed { distribution, .. } = &group.source else { return None };
    let on_demand = on_demand_of(distribution, group.desired_capacity);
    Some([(Market::OnDemand, on_demand), (Market::Spot, group.desired_capacity - on_demand)])
}

/// How many of so many new instances are of each market.
pub(super) fn split(group: &AutoScalingGroup, data: &LaunchTemplateData, missing: u32) -> [(Market, u32); 2] {
    let on_demand = match &group.source {
        LaunchSource::Template(_) if data.spot.is_some() => 0,
        LaunchSource::Template(_) => missing,
        LaunchSource::Mixed { distribution, .. } => {
            let wanted = on_demand_of(distribution, group.capacity() + missing);
            wanted.saturating_sub(count(group, Market::OnDemand)).min(missing)
        }
    };
    [(Market::OnDemand, on_demand), (Market::Spot, missing - on_demand)]
}

/// How many instances of the capacity are of a market.
pub(super) fn count(group: &AutoScalingGroup, market: Market) -> u32 {
    u32::try_from(group.instances.iter().filter(|i| i.counts() && i.market == market).count()).unwrap_or(u32::MAX)
}

/// Where and when something is to be had.
pub(super) struct Place<'a> {
    pub(super) seed: u64,
    pub(super) now: Timestamp,
    pub(super) region: &'a str,
    pub(super) zone: &'a str,
}

/// The types of a group in the order in which they are tried in a zone.
pub(super) fn order(source: &LaunchSource, data: &LaunchTemplateData, place: &Place<'_>, market: Market) -> Vec<String> {
    let of_template = || vec![data.instance_type.clone().unwrap_or_default()];
    let LaunchSource::Mixed { overrides, distribution, .. } = source else { return of_template() };
    if overrides.is_empty() {
        return of_template();
    }
    let mut types = overrides.clone();
    match market {
        Market::OnDemand if distribution.on_demand_strategy == OnDemandStrategy::Prioritized => {}
        Market::OnDemand => sort(&mut types, |name| on_demand_usd_per_hour(place.region, name)),
        Market::Spot => match distribution.spot_strategy {
            SpotStrategy::CapacityOptimizedPrioritized => {}
            SpotStrategy::LowestPrice => sort(&mut types, |name| spot_price(place, name)),
            SpotStrategy::CapacityOptimized => sort(&mut types, |name| Some(scarcity(place, name))),
            SpotStrategy::PriceCapacityOptimized => {
                sort(&mut types, |name| spot_price(place, name).map(|price| price * (1.0 + 0.25 * scarcity(place, name))));
            }
        },
    }
    types
}

/// What has no rank comes last.
fn sort(types: &mut [String], rank: impl Fn(&str) -> Option<f64>) {
    types.sort_by(|a, b| rank(a).unwrap_or(f64::INFINITY).total_cmp(&rank(b).unwrap_or(f64::INFINITY)));
}

fn spot_price(place: &Place<'_>, instance_type: &str) -> Option<f64> {
    Walk::of(place.seed, place.region, place.zone, instance_type).map(|walk| walk.price(place.now))
}

/// How little there is of a pool, from 0 to 1: drawn once.
fn scarcity(place: &Place<'_>, instance_type: &str) -> f64 {
    stable_hash(&[&place.seed.to_string(), "scarcity", place.zone, instance_type]) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_divided_is_on_demand() {
        for (base, percentage, size, expected) in
            [(0, 100, 5, 5), (0, 0, 5, 0), (2, 0, 5, 2), (2, 0, 1, 1), (0, 50, 5, 3), (1, 50, 4, 3), (2, 25, 10, 4), (0, 1, 1, 1)]
        {
            let distribution = Distribution { on_demand_base: base, on_demand_percentage: percentage, ..Distribution::default() };
            assert_eq!(on_demand_of(&distribution, size), expected, "{base} and {percentage} % of {size}");
        }
    }
}
