//! Pools: where instances can come from, and in which order they are asked.

use serde::Serialize;
use spawn_model::error::{Class, Error};
use spawn_model::market::{Fallback, MarketSpec, MarketType};
use spawn_model::placement::Placement;
use spawn_model::problem::Path;
use spawn_model::spec::FleetSpec;

use crate::plan::Observed;
use crate::ports::{Result, SpotPrice};
use crate::types::never_hibernates;

/// A place to launch: instance type, market and subnet, and with it the zone.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Pool {
    /// The instance type.
    pub instance_type: String,
    /// How its instances are bought.
    pub market: MarketType,
    /// The availability zone.
    pub zone: String,
    /// The subnet.
    pub subnet_id: String,
}

impl Pool {
    /// In a few words.
    #[must_use]
    pub fn title(&self) -> String {
        let spot = if self.market == MarketType::Spot { " as spot" } else { "" };
        format!("{} in {}{spot}", self.instance_type, self.zone)
    }
}

/// The pools of a fleet, in the order in which a rank asks them.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Pools {
    all: Vec<Pool>,
    #[serde(skip)]
    market: MarketSpec,
}

impl Pools {
    /// Pools of a market, spot before on demand.
    #[must_use]
    pub fn new(all: Vec<Pool>, market: MarketSpec) -> Self {
        Self { all, market }
    }

    /// Every pool, those that are asked first before the others.
    #[must_use]
    pub fn all(&self) -> &[Pool] {
        &self.all
    }

    /// The pools that may hold a rank, in order. It does not change from launcher to launcher: one that takes over a dead one's launch
    /// asks the same pools in the same order.
    pub fn of_rank(&self, rank: u32) -> impl Iterator<Item = &Pool> {
        let falls_back = self.market.r#type == MarketType::OnDemand || self.market.fallback == Fallback::OnDemand;
        let in_base = rank < self.market.on_demand_base;
        self.all.iter().filter(move |pool| match pool.market {
            MarketType::OnDemand => in_base || falls_back,
            MarketType::Spot => !in_base,
        })
    }

    /// The first rank from `base` on that may have other pools; `size` if there is none.
    #[must_use]
    pub fn change_after(&self, base: u32, size: u32) -> u32 {
        let first_spot = self.market.on_demand_base;
        if base < first_spot { first_spot.min(size) } else { size }
    }

    /// Whether ranks from `rank` on have other pools than those before.
    #[must_use]
    pub fn change_at(&self, rank: u32) -> bool {
        rank > 0 && self.market.on_demand_base == rank
    }
}

/// The pools that a spec allows: types in the user's order, each in every zone; spot before on demand. What was left out is told in
/// `notes`.
///
/// # Errors
/// If no pool is left.
pub(crate) fn pools(spec: &FleetSpec, observed: &Observed, notes: &mut Vec<String>) -> Result<Pools> {
    let mut places = Vec::new();
    for found in &observed.types {
        let name = &found.name;
        if found.architecture != observed.image.architecture {
            notes.push(format!(
                "{name} is left out: it is {}, and the image {} is {}",
                found.architecture, observed.image.id, observed.image.architecture
            ));
        } else if !observed.architectures.contains(&found.architecture) {
            notes.push(format!("{name} is left out: the set-up has no agent for {}", found.architecture));
        } else if spec.placement == Some(Placement::Cluster) && !found.clusters {
            notes.push(format!("{name} is left out: EC2 puts none of its instances into a cluster"));
        } else if let Some(why) = never_hibernates(found).filter(|_| spec.lease.ends().hibernates()) {
            notes.push(format!("{name} is left out: {why}"));
        } else {
            places.extend(observed.subnets.iter().map(|subnet| (name, subnet)));
        }
    }
    if places.is_empty() {
        let help = "Name types of one architecture that the image and the set-up's agent have, and that placement and lease allow";
        return Err(Error::new(Class::Invalid, "NoPool", notes.join("; "), help).at(Path::field("instance_types")));
    }
    let bought = |market: MarketType| {
        places.iter().map(move |(name, subnet)| Pool {
            instance_type: (*name).clone(),
            market,
            zone: subnet.zone.clone(),
            subnet_id: subnet.id.clone(),
        })
    };
    let spot = spec.market.r#type == MarketType::Spot;
    let on_demand = !spot || spec.market.fallback == Fallback::OnDemand || spec.market.on_demand_base > 0;
    let mut all = Vec::new();
    if spot {
        all.extend(bought(MarketType::Spot));
        affordable(&spec.market, &all, &observed.spot_prices, notes)?;
    }
    if on_demand {
        all.extend(bought(MarketType::OnDemand));
    }
    Ok(Pools { all, market: spec.market.clone() })
}

/// Tells of the pools that cost more than one would pay; fails if all do and there is no other way. They stay pools: a price may fall
/// again, and EC2 itself refuses what is too dear.
fn affordable(market: &MarketSpec, spot: &[Pool], prices: &[SpotPrice], notes: &mut Vec<String>) -> Result<()> {
    let Some(max) = market.max_price else { return Ok(()) };
    let price_of = |pool: &Pool| prices.iter().find(|price| price.instance_type == pool.instance_type && price.zone == pool.zone);
    let dear: Vec<String> = spot
        .iter()
        .filter_map(|pool| price_of(pool).filter(|price| price.usd_per_hour > max).map(|price| (pool, price)))
        .map(|(pool, price)| format!("{} costs ${} an hour since {}", pool.title(), price.usd_per_hour, price.since))
        .collect();
    if dear.len() == spot.len() && market.fallback == Fallback::None {
        let message = format!("${max} an hour buys no spot instance now: {}", dear.join("; "));
        let help = "Raise max_price, leave it out, name other instance types, or set fallback = \"on_demand\"";
        return Err(Error::new(Class::Invalid, "SpotPriceTooLow", message, help).at(Path::field("market").key("max_price")));
    }
    notes.extend(dear.into_iter().map(|what| format!("{what}, more than max_price")));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed(on_demand_base: u32, fallback: Fallback) -> Pools {
        let pool = |market: MarketType| Pool { instance_type: "c7i.large".into(), market, zone: "a".into(), subnet_id: "subnet-1".into() };
        let market = MarketSpec { r#type: MarketType::Spot, fallback, on_demand_base, max_price: None, rebalance: false };
        Pools { all: vec![pool(MarketType::Spot), pool(MarketType::OnDemand)], market }
    }

    #[test]
    fn a_rank_has_the_pools_of_its_market() {
        use MarketType::{OnDemand, Spot};
        for (base, fallback, rank, expected) in [
            (0, Fallback::None, 0, vec![Spot]),
            (0, Fallback::OnDemand, 0, vec![Spot, OnDemand]),
            (2, Fallback::None, 1, vec![OnDemand]),
            (2, Fallback::None, 2, vec![Spot]),
            (2, Fallback::OnDemand, 1, vec![OnDemand]),
            (2, Fallback::OnDemand, 2, vec![Spot, OnDemand]),
        ] {
            let found: Vec<MarketType> = mixed(base, fallback).of_rank(rank).map(|pool| pool.market).collect();
            assert_eq!(found, expected, "base {base}, {fallback:?}, rank {rank}");
        }
        let pools = mixed(2, Fallback::None);
        assert_eq!((pools.change_after(0, 8), pools.change_after(2, 8), pools.change_after(0, 1)), (2, 8, 1));
        assert!(pools.change_at(2) && !pools.change_at(0) && !pools.change_at(3));
    }
}
