//! What can be launched, and what it costs: instance types, images and list prices.
//!
//! The prices are samples that exercise every path. They are not for quoting to anyone.

mod families;
mod images;
mod types;

pub use images::{images, public_parameters};
pub use types::{Gpu, InstanceType, instance_type, instance_types};
pub(crate) use types::{known_type, types};

/// A region of the simulation.
pub(crate) struct RegionSeed {
    pub(crate) name: &'static str,
    /// How zone ids begin.
    pub(crate) zone_prefix: &'static str,
    /// On-demand price, relative to us-east-1.
    price_factor: f64,
    /// The long name that price lists use.
    location: &'static str,
}

const fn region(name: &'static str, zone_prefix: &'static str, price_factor: f64, location: &'static str) -> RegionSeed {
    RegionSeed { name, zone_prefix, price_factor, location }
}

pub(crate) const REGIONS: &[RegionSeed] = &[
    region("ap-southeast-2", "apse2", 1.25, "Asia Pacific (Sydney)"),
    region("eu-central-1", "euc1", 1.20, "EU (Frankfurt)"),
    region("eu-west-1", "euw1", 1.12, "EU (Ireland)"),
    region("sa-east-1", "sae1", 1.60, "South America (Sao Paulo)"),
    region("us-east-1", "use1", 1.00, "US East (N. Virginia)"),
    region("us-west-2", "usw2", 1.00, "US West (Oregon)"),
];

/// The zones of each region, by the last letter of their names.
pub(crate) const ZONE_LETTERS: [char; 3] = ['a', 'b', 'c'];

/// The names of the simulated regions.
pub fn regions() -> impl Iterator<Item = &'static str> {
    REGIONS.iter().map(|r| r.name)
}

/// The name a price list has for a region, such as `US East (N. Virginia)`.
pub fn location(region: &str) -> Option<&'static str> {
    REGIONS.iter().find(|r| r.name == region).map(|r| r.location)
}

/// Whether a type is offered in a zone. Almost all are everywhere; machines for tightly coupled work are in few places.
pub fn is_offered(region: &str, zone: &str, instance_type: &str) -> bool {
    if instance_type.starts_with("hpc") {
        return matches!(region, "us-east-1" | "eu-west-1") && zone.ends_with('b');
    }
    if instance_type.starts_with("g6.") || instance_type.starts_with("c6g.") {
        return !zone.ends_with('c');
    }
    if instance_type.starts_with("p4d.") || instance_type.contains(".metal") {
        return region.starts_with("us-") && zone.ends_with('a');
    }
    true
}

/// US dollars an hour of a Linux instance on demand; none for an unknown type or region, or where it is not offered.
pub fn on_demand_usd_per_hour(region: &str, instance_type: &str) -> Option<f64> {
    let seed = REGIONS.iter().find(|r| r.name == region)?;
    let offered = ZONE_LETTERS.iter().any(|z| is_offered(region, &format!("{region}{z}"), instance_type));
    let found = known_type(instance_type).filter(|_| offered)?;
    Some(round_price(found.base_usd_per_hour * seed.price_factor))
}

/// US dollars of one GiB of storage for a month in us-east-1, by type of volume: list prices of 2025.
const STORAGE: [(&str, f64); 7] =
    [("gp2", 0.1), ("gp3", 0.08), ("io1", 0.125), ("io2", 0.125), ("sc1", 0.015), ("st1", 0.045), ("standard", 0.05)];

/// The types of volumes that have a price.
pub fn volume_types() -> impl Iterator<Item = &'static str> {
    STORAGE.iter().map(|(name, _)| *name)
}

/// US dollars of one GiB of storage for a month; none for an unknown region or type of volume.
pub fn volume_usd_per_gib_month(region: &str, volume_type: &str) -> Option<f64> {
    let seed = REGIONS.iter().find(|r| r.name == region)?;
    let (_, usd) = STORAGE.iter().find(|(name, _)| *name == volume_type)?;
    Some(round_price(usd * seed.price_factor))
}

/// Prices have six decimals: without this the scaling would leave a trail of binary dust.
pub(crate) fn round_price(usd: f64) -> f64 {
    (usd * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_follow_the_table() {
        let cases = [
            ("us-east-1", "c7i.large", Some(0.08925)),
            ("us-east-1", "c7i.xlarge", Some(0.1785)),
            ("eu-central-1", "c7i.large", Some(0.1071)),
            ("sa-east-1", "m7g.8xlarge", Some(2.08896)),
            ("us-west-2", "t3.medium", Some(0.0416)),
            ("us-east-1", "t4g.medium", Some(0.0336)),
            ("us-east-1", "g5.xlarge", Some(1.006)),
            ("us-east-1", "hpc7a.96xlarge", Some(7.2)),
            ("us-west-2", "hpc7a.96xlarge", None),
            ("us-east-1", "c9z.large", None),
            ("mars-north-1", "c7i.large", None),
        ];
        for (region, name, expected) in cases {
            assert_eq!(on_demand_usd_per_hour(region, name), expected, "{name} in {region}");
        }
    }
}
