//! What a fleet costs at most, and the budget that ends it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde::Serialize;
use spawn_model::duration::Seconds;
use spawn_model::error::{Class, Error};
use spawn_model::market::MarketType;
use spawn_model::problem::Path;
use spawn_model::rules::TTL_MIN;
use spawn_model::spec::{FleetSpec, LeaseSpec};
use spawn_model::volume::{VolumeSpec, VolumeType};

use crate::plan::Plan;
use crate::pools::Pool;
use crate::ports::{Aws, Result};
use crate::types::list_prices;

/// What storage is billed by: AWS's examples count 30 days to a month (EBS pricing, "Examples").
const HOURS_OF_A_MONTH: f64 = 30.0 * 24.0;

/// What an hour of the whole fleet costs at most, in US dollars, by the prices of the Pricing API.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rate {
    /// The instances: each at the highest price of the pools that it may come from.
    pub instances_usd_per_hour: f64,
    /// Their disks.
    pub disks_usd_per_hour: f64,
}

impl Rate {
    /// All of it.
    #[must_use]
    pub fn usd_per_hour(&self) -> f64 {
        self.instances_usd_per_hour + self.disks_usd_per_hour
    }
}

/// How long a fleet may live: as long as its lease says, and no longer than its budget lasts.
#[must_use]
pub(crate) fn lasts(lease: &LeaseSpec, rate_usd_per_hour: Option<f64>) -> SignedDuration {
    let ttl = SignedDuration::from(lease.ttl);
    match (lease.budget, rate_usd_per_hour) {
        // Down to the second: the budget is never exceeded for a rounding.
        (Some(budget), Some(rate)) if rate > 0.0 => {
            let affordable = SignedDuration::try_from_secs_f64((budget / rate * 3600.0).floor());
            affordable.map_or(ttl, |affordable| ttl.min(affordable))
        }
        _ => ttl,
    }
}

/// What the Pricing API tells of a fleet.
pub(crate) struct Costs {
    /// What an hour costs at most; or the prices that are not known, in words.
    pub(crate) rate: Result<Rate, Vec<String>>,
    /// What each type costs on demand, as far as it is known.
    pub(crate) listed: BTreeMap<String, f64>,
}

/// What a fleet costs.
///
/// # Errors
/// If the Pricing API cannot be asked.
pub(crate) async fn costs(aws: &Aws, spec: &FleetSpec, plan: &Plan) -> Result<Costs> {
    let pools = plan.pools.all();
    let types: BTreeSet<String> = pools.iter().map(|pool| pool.instance_type.clone()).collect();
    let kinds: BTreeSet<VolumeType> = disks(spec).map(|disk| disk.r#type).collect();
    let listed = list_prices(aws, types).await;
    let mut stored = BTreeMap::new();
    for kind in kinds {
        if let Some(price) = aws.prices.volume_usd_per_gib_month(&aws.region, kind).await? {
            stored.insert(kind, price);
        }
    }
    let mut unknown = BTreeSet::new();
    let instances = instances(spec, plan, &listed, &mut unknown);
    let disks: f64 = disks(spec).enumerate().map(|(at, disk)| disk_usd_per_hour(disk, at, plan, &stored, &mut unknown)).sum();
    let rate = Rate { instances_usd_per_hour: instances, disks_usd_per_hour: disks * f64::from(spec.size) };
    let rate = if unknown.is_empty() { Ok(rate) } else { Err(unknown.into_iter().collect()) };
    Ok(Costs { rate, listed })
}

/// The root volume, and then the others.
fn disks(spec: &FleetSpec) -> impl Iterator<Item = &VolumeSpec> {
    std::iter::once(&spec.root_volume).chain(spec.volumes.values())
}

fn instances(spec: &FleetSpec, plan: &Plan, listed: &BTreeMap<String, f64>, unknown: &mut BTreeSet<String>) -> f64 {
    let mut price = |pool: &Pool| match (pool.market, spec.market.max_price, listed.get(&pool.instance_type)) {
        (MarketType::Spot, Some(max), Some(listed)) => max.min(*listed),
        (MarketType::Spot, Some(max), None) => max,
        // EC2 never takes more for spot than the on-demand price.
        (_, _, Some(listed)) => *listed,
        (_, _, None) => {
            unknown.insert(format!("{} on demand", pool.instance_type));
            0.0
        }
    };
    let mut dearest = |rank: u32| plan.pools.of_rank(rank).map(&mut price).fold(0.0, f64::max);
    let first_spot = plan.pools.change_after(0, spec.size);
    let (first, rest) = (f64::from(first_spot), f64::from(spec.size - first_spot));
    first * dearest(0) + if rest > 0.0 { rest * dearest(first_spot) } else { 0.0 }
}

fn disk_usd_per_hour(disk: &VolumeSpec, at: usize, plan: &Plan, stored: &BTreeMap<VolumeType, f64>, unknown: &mut BTreeSet<String>) -> f64 {
    let kind = disk.r#type.word();
    if disk.iops.is_some() || disk.throughput_mib_s.is_some() {
        unknown.insert(format!("provisioned speed of {kind} volumes"));
    }
    let gib = disk.size_gib.or(if at == 0 { plan.root_gib } else { None });
    if gib.is_none() {
        unknown.insert(format!("{kind} volumes whose size_gib is left to a snapshot"));
    }
    let price = stored.get(&disk.r#type).copied();
    if price.is_none() {
        unknown.insert(format!("{kind} volumes"));
    }
    price.unwrap_or_default() * f64::from(gib.unwrap_or_default()) / HOURS_OF_A_MONTH
}

impl Plan {
    /// The same plan, with what it costs.
    #[must_use]
    pub(crate) fn rated(self, rate: Rate, lease: &LeaseSpec) -> Self {
        let lasts = lasts(lease, Some(rate.usd_per_hour()));
        let ttl_s = u64::try_from(lasts.as_secs()).unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "some months at most")]
        let kept = rate.disks_usd_per_hour * lease.retained().0 as f64 / 3600.0;
        let cost_usd_max = Some(rate.usd_per_hour() * lasts.as_secs_f64() / 3600.0 + kept);
        let mut notes = self.notes;
        if lease.retained().0 > 0 {
            notes.push(format!(
                "after its deadline the instance has stopped and is kept for {}: its disks cost ${kept:.2} in that time",
                lease.retained()
            ));
        }
        if let Some(budget) = lease.budget.filter(|_| ttl_s < lease.ttl.0) {
            notes.push(format!("the budget of ${budget} ends the fleet after {}, before its ttl of {}", Seconds(ttl_s), lease.ttl));
        }
        Self { rate: Some(rate), ttl_s, cost_usd_max, notes, ..self }
    }
}

/// The plan with what it costs, if that has to be known: a budget is a promise, and none is made on a price that nobody knows.
///
/// # Errors
/// `NoPrice` if a price is unknown, `BudgetTooSmall` if the budget would not last a minute.
pub(crate) async fn budgeted(aws: &Aws, spec: &FleetSpec, plan: Plan) -> Result<Plan> {
    let Some(budget) = spec.lease.budget else { return Ok(plan) };
    let at = || Path::field("lease").key("budget");
    let costs = costs(aws, spec, &plan).await.map_err(|error| error.context("asking for the prices that the budget goes by"))?;
    let rate = costs.rate.map_err(|unknown| {
        let message = format!("a budget of ${budget} cannot be kept: the price of {} is unknown", unknown.join(", "));
        let help = "Leave the budget out: the ttl ends the fleet; or use what the Pricing API knows the price of";
        Error::new(Class::Invalid, "NoPrice", message, help).at(at())
    })?;
    // What runs before the end begins so much earlier.
    let least = Seconds(TTL_MIN.0 + spec.pre_stop.as_ref().map_or(0, |hook| hook.lead().0));
    if lasts(&spec.lease, Some(rate.usd_per_hour())) < least.into() {
        let minute = rate.usd_per_hour() / 60.0;
        let message =
            format!("${budget} does not last {least}: the fleet costs up to ${:.4} an hour, ${minute:.4} a minute", rate.usd_per_hour());
        let help = "Raise the budget, or ask for fewer or cheaper instances";
        return Err(Error::new(Class::Invalid, "BudgetTooSmall", message, help).at(at()));
    }
    Ok(plan.rated(rate, &spec.lease))
}

#[cfg(test)]
mod tests {
    use spawn_model::stopping::OnEnd;

    use super::*;

    #[test]
    fn a_fleet_lasts_as_long_as_lease_and_budget_allow() {
        for (ttl_s, budget, rate, expected_s) in [
            (3600, None, Some(1.0), 3600),
            (3600, Some(10.0), Some(1.0), 3600),
            (3600, Some(0.5), Some(1.0), 1800),
            (3600, Some(1.0), Some(3.0), 1200),
            (3600, Some(1.0), Some(7.0), 514),
            (3600, Some(1e300), Some(1e-300), 3600),
            (3600, Some(0.5), None, 3600),
        ] {
            let lease =
                LeaseSpec { ttl: Seconds(ttl_s), idle: None, budget, on_expiry: OnEnd::Terminate, on_idle: OnEnd::Terminate, retain: None };
            assert_eq!(lasts(&lease, rate).as_secs(), expected_s, "{budget:?} at {rate:?}");
        }
    }
}
