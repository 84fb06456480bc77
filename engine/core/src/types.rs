//! Which instance types a fleet is launched from: those it names, or the cheapest that have what it requires.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt};
use spawn_model::error::{Class, Error};
use spawn_model::market::MarketType;
use spawn_model::problem::Path;
use spawn_model::requirements::{Offer, RequirementsSpec, TYPES_MAX};
use spawn_model::spec::FleetSpec;
use spawn_model::stopping::HIBERNATED_MIB_MAX;

use crate::ports::{Aws, InstanceType, Result};

/// How many types are asked for their price at most, the smallest first: each is a call of the Pricing API.
const PRICED_MAX: usize = 40;

/// How many prices are asked for at once.
const PRICES_AT_ONCE: usize = 8;

/// By what types are put into order that have what is required.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum By {
    /// The cheapest first.
    Price,
    /// The smallest first: whoever only wants to know whether there are any need not ask for prices.
    Size,
}

/// The names of the types that a fleet is launched from, in the order in which they are asked.
///
/// # Errors
/// `NoType` if none has what is required.
pub(crate) async fn names(aws: &Aws, spec: &FleetSpec, by: By) -> Result<Vec<String>> {
    let Some(requirements) = &spec.requirements else { return Ok(spec.instance_types.clone()) };
    chosen(aws, requirements, spec.market.r#type, spec.lease.ends().hibernates(), by).await
}

/// The names of the types that have what is required, whatever is launched from them.
///
/// # Errors
/// `NoType` if there is none.
pub(crate) async fn fitting(aws: &Aws, requirements: &RequirementsSpec, market: MarketType, by: By) -> Result<Vec<String>> {
    chosen(aws, requirements, market, false, by).await
}

async fn chosen(aws: &Aws, requirements: &RequirementsSpec, market: MarketType, hibernates: bool, by: By) -> Result<Vec<String>> {
    let offered = aws.instances.types_of(requirements.architecture).await?;
    let wants_spot = market == MarketType::Spot;
    let fits = smallest(requirements, &offered, wants_spot, hibernates);
    if fits.is_empty() {
        return Err(no_type(requirements, &aws.region, wants_spot, hibernates));
    }
    let prices = match by {
        By::Size => BTreeMap::new(),
        By::Price if wants_spot => spot_prices(aws, &fits.iter().map(|kind| kind.name.clone()).collect::<Vec<_>>()).await?,
        By::Price => list_prices(aws, fits.iter().map(|kind| kind.name.clone()).collect::<Vec<_>>()).await,
    };
    Ok(cheapest(fits, &prices))
}

/// The types that fit, the smallest first.
fn smallest<'t>(requirements: &RequirementsSpec, offered: &'t [InstanceType], wants_spot: bool, hibernates: bool) -> Vec<&'t InstanceType> {
    let fits = |kind: &&InstanceType| {
        let offer = Offer { name: &kind.name, vcpus: kind.vcpus, memory_mib: kind.memory_mib, gpus: kind.gpus };
        requirements.fits(&offer) && (kind.spot || !wants_spot) && (!hibernates || never_hibernates(kind).is_none())
    };
    let mut fitting: Vec<&InstanceType> = offered.iter().filter(fits).collect();
    fitting.sort_by_key(|kind| (kind.vcpus, kind.memory_mib, &kind.name));
    fitting.truncate(PRICED_MAX);
    fitting
}

/// The cheapest first; those without a known price last, by size.
fn cheapest(mut fits: Vec<&InstanceType>, prices: &BTreeMap<String, f64>) -> Vec<String> {
    let price = |kind: &InstanceType| prices.get(&kind.name).copied().unwrap_or(f64::INFINITY);
    fits.sort_by(|one, other| price(one).total_cmp(&price(other)));
    fits.iter().take(TYPES_MAX).map(|kind| kind.name.clone()).collect()
}

/// What each costs on demand, as far as it is known.
pub(crate) async fn list_prices(aws: &Aws, names: impl IntoIterator<Item = String>) -> BTreeMap<String, f64> {
    let asked: Vec<_> = names.into_iter().map(|name| list_price(aws, name)).collect();
    let told: Vec<Option<(String, f64)>> = stream::iter(asked).buffered(PRICES_AT_ONCE).collect().await;
    told.into_iter().flatten().collect()
}

async fn list_price(aws: &Aws, name: String) -> Option<(String, f64)> {
    let price = aws.prices.on_demand_usd_per_hour(&aws.region, &name).await.ok().flatten()?;
    Some((name, price))
}

/// What each costs as spot, in the zone where it costs the least.
pub(crate) async fn spot_prices(aws: &Aws, names: &[String]) -> Result<BTreeMap<String, f64>> {
    let mut lowest: BTreeMap<String, f64> = BTreeMap::new();
    for price in aws.instances.spot_prices(names, aws.clock.now()).await? {
        let known = lowest.entry(price.instance_type).or_insert(price.usd_per_hour);
        *known = known.min(price.usd_per_hour);
    }
    Ok(lowest)
}

/// Why instances of a type do not hibernate; nothing if they do.
pub(crate) fn never_hibernates(kind: &InstanceType) -> Option<String> {
    if !kind.hibernates {
        return Some("EC2 hibernates none of its instances".to_owned());
    }
    let (has, most) = (kind.memory_mib / 1024, HIBERNATED_MIB_MAX / 1024);
    (kind.memory_mib > HIBERNATED_MIB_MAX).then(|| format!("it has {has} GiB of memory, and EC2 hibernates at most {most}"))
}

fn no_type(requirements: &RequirementsSpec, region: &str, wants_spot: bool, hibernates: bool) -> Error {
    let spot = if wants_spot { " that is sold as spot" } else { "" };
    let able = if hibernates { " that can hibernate" } else { "" };
    let message = format!("no instance type in {region}{spot}{able} is {requirements}");
    let help = "Widen a range or exclude less, or name types with instance_types: bare metal and types with CPU credits are never chosen";
    Error::new(Class::Invalid, "NoType", message, help).at(Path::field("requirements"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheapest_are_asked_first_and_the_unpriced_last() {
        let kind = |name: &str| InstanceType {
            name: name.to_owned(),
            architecture: "x86_64".to_owned(),
            vcpus: 2,
            memory_mib: 4096,
            gpus: 0,
            spot: true,
            clusters: true,
            hibernates: true,
        };
        let kinds = ["a", "b", "c", "d"].map(kind);
        let prices = [("a", 0.3), ("c", 0.1)].map(|(name, price)| (name.to_owned(), price)).into();
        assert_eq!(cheapest(kinds.iter().collect(), &prices), ["c", "a", "b", "d"]);
        let many: Vec<InstanceType> = (0..30).map(|n| kind(&format!("t{n:02}"))).collect();
        assert_eq!(cheapest(many.iter().collect(), &BTreeMap::new()).len(), TYPES_MAX);
    }
}
