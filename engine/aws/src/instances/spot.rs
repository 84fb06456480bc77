//! Spot: on which terms it is asked for, and what it costs now.

use std::collections::BTreeMap;

use aws_sdk_ec2::primitives::DateTime;
use aws_sdk_ec2::types::{InstanceMarketOptionsRequest, InstanceType, MarketType, SpotInstanceType, SpotMarketOptions};
use jiff::Timestamp;
use spawn_core::ports::{Result, SpotPrice, SpotTerms};

use super::{Ec2, PAGE};
use crate::endpoint::Call;

const PRICES: Call = Call::repeatable("ec2", "DescribeSpotPriceHistory");

/// What every image of ours is billed as.
const PRODUCT: &str = "Linux/UNIX";

/// A one-time request: ending the request of a persistent one would launch it again.
pub(super) fn market_options(terms: SpotTerms) -> InstanceMarketOptionsRequest {
    let spot = SpotMarketOptions::builder()
        .spot_instance_type(SpotInstanceType::OneTime)
        .set_max_price(terms.max_usd_per_hour.map(|price| price.to_string()))
        .build();
    InstanceMarketOptionsRequest::builder().market_type(MarketType::Spot).spot_options(spot).build()
}

impl Ec2 {
    pub(super) async fn spot_prices_now(&self, types: &[String], now: Timestamp) -> Result<Vec<SpotPrice>> {
        // From now on means what is in force now.
        let now = DateTime::from_secs(now.as_second());
        let named = types.iter().map(|name| InstanceType::from(name.as_str())).collect();
        let describe = self.client.describe_spot_price_history().set_instance_types(Some(named)).product_descriptions(PRODUCT);
        let describe = describe.start_time(now).end_time(now).max_results(PAGE);
        let mut latest: BTreeMap<(String, String), SpotPrice> = BTreeMap::new();
        let mut next = None;
        loop {
            let request = describe.clone().set_next_token(next.take());
            let page = self.endpoint.call(PRICES, || request.clone().send()).await?;
            for price in page.spot_price_history().iter().filter_map(spot_price) {
                let place = (price.instance_type.clone(), price.zone.clone());
                let newer = latest.get(&place).is_none_or(|known| known.since < price.since);
                if newer {
                    latest.insert(place, price);
                }
            }
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(latest.into_values().collect());
            }
        }
    }
}

/// A price that cannot be read is unknown.
fn spot_price(told: &aws_sdk_ec2::types::SpotPrice) -> Option<SpotPrice> {
    let usd_per_hour = told.spot_price()?.parse().ok().filter(|price: &f64| price.is_finite() && *price > 0.0)?;
    Some(SpotPrice {
        instance_type: told.instance_type()?.as_str().to_owned(),
        zone: told.availability_zone()?.to_owned(),
        usd_per_hour,
        since: Timestamp::from_second(told.timestamp()?.secs()).ok()?,
    })
}
