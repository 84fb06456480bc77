//! The Pricing API.

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_pricing::Client;
use aws_sdk_pricing::config::Builder;
use aws_sdk_pricing::types::{Filter, FilterType};
use serde_json::Value;
use spawn_core::ports::{Prices, Result};
use spawn_model::error::{Class, Error};
use spawn_model::volume::VolumeType;

use crate::endpoint::{Call, Endpoint};

const GET: Call = Call::repeatable("pricing", "GetProducts");

/// What all of our instances have in common, in the Pricing API's words: shared hardware, Linux, nothing installed, in use.
const COMMON: [(&str, &str); 4] =
    [("operatingSystem", "Linux"), ("tenancy", "Shared"), ("preInstalledSw", "NA"), ("capacitystatus", "Used")];

/// The prices of all regions of a partition.
#[derive(Debug)]
pub(crate) struct Pricing {
    client: Client,
    endpoint: Arc<Endpoint>,
}

impl Pricing {
    /// `config` is for a region that the Pricing API is in.
    pub(crate) fn new(config: &SdkConfig) -> Self {
        let endpoint = Arc::new(Endpoint::default());
        let client = Client::from_conf(Builder::from(config).interceptor(endpoint.watch()).build());
        Self { client, endpoint }
    }
}

#[async_trait]
impl Prices for Pricing {
    async fn on_demand_usd_per_hour(&self, region: &str, instance_type: &str) -> Result<Option<f64>> {
        let mut get = self.client.get_products().service_code("AmazonEC2");
        for (field, value) in [("instanceType", instance_type), ("regionCode", region)].into_iter().chain(COMMON) {
            get = get.filters(equals(field, value)?);
        }
        let answer = self.endpoint.call(GET, || get.clone().send()).await?;
        Ok(on_demand_usd(answer.price_list(), &["Hrs", "Hours"]))
    }

    async fn volume_usd_per_gib_month(&self, region: &str, kind: VolumeType) -> Result<Option<f64>> {
        let mut get = self.client.get_products().service_code("AmazonEC2");
        for (field, value) in [("productFamily", "Storage"), ("volumeApiName", kind.word()), ("regionCode", region)] {
            get = get.filters(equals(field, value)?);
        }
        let answer = self.endpoint.call(GET, || get.clone().send()).await?;
        Ok(on_demand_usd(answer.price_list(), &["GB-Mo", "GB-month"]))
    }
}

fn equals(field: &str, value: &str) -> Result<Filter> {
    let filter = Filter::builder().r#type(FilterType::TermMatch).field(field).value(value).build();
    filter.map_err(|cause| Error::new(Class::Bug, "InvalidRequest", format!("a price filter lacks a part: {cause}"), ""))
}

/// The one price of a unit in products as the Pricing API lists them, each a JSON text. An unknown price is unknown: several
/// different ones, none, one that is zero or one in another unit are not made into a number.
fn on_demand_usd(products: &[String], units: &[&str]) -> Option<f64> {
    let mut found: Option<f64> = None;
    for product in products {
        let product: Value = serde_json::from_str(product).ok()?;
        for dimension in members(&product["terms"]["OnDemand"]).flat_map(|term| members(&term["priceDimensions"])) {
            let price: f64 = dimension["pricePerUnit"]["USD"].as_str()?.parse().ok()?;
            let is_of_unit = dimension["unit"].as_str().is_some_and(|unit| units.contains(&unit));
            if !is_of_unit || price <= 0.0 || !price.is_finite() || found.is_some_and(|other| other.to_bits() != price.to_bits()) {
                return None;
            }
            found = Some(price);
        }
    }
    found
}

/// The values of a JSON object.
fn members(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_object().into_iter().flat_map(|object| object.values())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn product(prices: &[(&str, &str)]) -> String {
        let dimensions: serde_json::Map<String, Value> = prices
            .iter()
            .enumerate()
            .map(|(n, (unit, usd))| (format!("SKU.JRTCKXETXF.{n}"), json!({ "unit": unit, "pricePerUnit": { "USD": usd } })))
            .collect();
        json!({
            "product": { "attributes": { "instanceType": "c7i.large" } },
            "terms": { "OnDemand": { "SKU.JRTCKXETXF": { "priceDimensions": dimensions } }, "Reserved": { "SKU.X": { "priceDimensions": {
                "SKU.X.1": { "unit": "Hrs", "pricePerUnit": { "USD": "0.01" } } } } } },
        })
        .to_string()
    }

    #[test]
    fn a_price_is_known_or_unknown_and_never_guessed() {
        for (products, expected) in [
            (vec![product(&[("Hrs", "0.0892500000")])], Some(0.08925)),
            (vec![product(&[("Hrs", "0.1")]), product(&[("Hrs", "0.1000000000")])], Some(0.1)),
            (vec![], None),
            (vec![product(&[])], None),
            (vec![product(&[("Hrs", "0.0000000000")])], None),
            (vec![product(&[("Hrs", "0.1"), ("Hrs", "0.2")])], None),
            (vec![product(&[("Hrs", "0.1")]), product(&[("Hrs", "0.2")])], None),
            (vec![product(&[("GB", "0.1")])], None),
            (vec![product(&[("Hrs", "cheap")])], None),
            (vec![json!({ "terms": { "OnDemand": { "S": { "priceDimensions": { "D": { "unit": "Hrs", "pricePerUnit": { "CNY": "1" } } } } } } }).to_string()], None),
            (vec!["not JSON".to_owned()], None),
        ] {
            assert_eq!(on_demand_usd(&products, &["Hrs"]), expected, "{products:?}");
        }
    }
}
