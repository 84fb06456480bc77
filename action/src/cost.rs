//! What a fleet has cost, beside what the same would have cost on demand.

use jiff::Timestamp;
use spawn_core::fleet::Fleet;
use spawn_model::market::MarketType;

/// The least amount that is told in digits.
const TOLD_FROM: f64 = 0.0001;

/// Amounts in US dollars, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cost {
    pub(crate) usd: Option<f64>,
    /// What it would have been at list prices, if any of it was spot.
    pub(crate) on_demand_usd: Option<f64>,
}

impl Cost {
    /// That of a fleet at `now`, of which an hour of spot costs so much.
    pub(crate) fn of(fleet: &Fleet, spot_usd_per_hour: Option<f64>, now: Timestamp) -> Self {
        let on_demand_usd = fleet.cost_usd_so_far(now);
        let lived = fleet.lived(now).unwrap_or_default();
        let hours = |is_spot: bool| -> f64 {
            let of_market = lived.iter().filter(|(member, _)| (member.market == MarketType::Spot.word()) == is_spot);
            of_market.map(|(_, lived)| lived.as_secs_f64() / 3600.0).sum()
        };
        let (spot, listed) = (hours(true), hours(false));
        if spot == 0.0 {
            return Self { usd: on_demand_usd, on_demand_usd: None };
        }
        let price = fleet.record.price_usd_per_hour.filter(|_| on_demand_usd.is_some());
        let usd = price.zip(spot_usd_per_hour).map(|(price, of_spot)| listed * price + spot * of_spot);
        Self { usd, on_demand_usd }
    }

    /// In words.
    pub(crate) fn text(&self) -> String {
        match (self.usd, self.on_demand_usd) {
            (Some(usd), None) => format!("about {}", dollars(usd)),
            (Some(usd), Some(listed)) => format!("about {}, and on demand about {}", dollars(usd), dollars(listed)),
            (None, Some(listed)) => format!("less than {}, which it would have been on demand", dollars(listed)),
            (None, None) => "unknown: the Pricing API tells no price for all of it".to_owned(),
        }
    }
}

/// An amount such as `$12.34`, with the digits that small amounts need: `$0.0042`.
fn dollars(amount: f64) -> String {
    match amount {
        1.0.. => format!("${amount:.2}"),
        TOLD_FROM.. => format!("${amount:.4}"),
        _ => format!("${TOLD_FROM}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::tests::fleet;

    #[test]
    fn what_it_cost_stands_beside_what_it_would_have_cost() {
        // Two ranks of half an hour each, at a dollar an hour.
        let now = "2026-11-23T12:30:00Z".parse().unwrap();
        let mut fleet = fleet();
        let text = |fleet: &Fleet, spot| Cost::of(fleet, spot, now).text();
        assert_eq!(text(&fleet, None), "about $1.00");
        fleet.members[0].market = "spot".to_owned();
        assert_eq!(text(&fleet, Some(0.3)), "about $0.6500, and on demand about $1.00");
        assert_eq!(text(&fleet, None), "less than $1.00, which it would have been on demand");
        fleet.record.price_usd_per_hour = None;
        assert_eq!(text(&fleet, Some(0.3)), "unknown: the Pricing API tells no price for all of it");
        fleet.record.price_usd_per_hour = Some(0.004);
        assert_eq!(text(&fleet, Some(0.000_001)), "about $0.0020, and on demand about $0.0040");
    }
}
