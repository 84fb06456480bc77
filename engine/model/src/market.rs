//! How instances are bought.

use crate::problem::{Path, Problem};
use crate::read::{FieldType, fields};
use crate::value::Value;
use crate::words::words;

words! {
    /// How an instance is bought.
    pub enum MarketType, "no market" {
        /// At the list price, for as long as one likes.
        OnDemand = "on_demand",
        /// What EC2 has to spare, cheaper, until it wants it back.
        Spot = "spot",
    }
}

words! {
    /// What is done where no spot pool has room.
    pub enum Fallback, "nothing to fall back on" {
        /// The launch fails.
        None = "none",
        /// The rest is bought on demand.
        OnDemand = "on_demand",
    }
}

fields! {
    /// How the instances are bought.
    pub struct MarketSpec {
        /// `on_demand`, or `spot`: cheaper, and EC2 may take a machine back after telling it two minutes before; its rank is then
        /// `interrupted`. Spot requests are one-time: EC2 never launches an instance again by itself.
        r#type: MarketType => Default("\"on_demand\""), Replace;
        /// What to do when no spot pool has room: `none`, or `on_demand` for the ranks that are missing. A service falls back within minutes, also
        /// when EC2 takes an instance back and has no other: a function of the set-up looks every two minutes. What is on demand then stays so
        /// until the service is run again or made smaller.
        fallback: Fallback => Default("\"none\""), Replace;
        /// How many ranks, from 0 on, are on demand in any case. The others are spot.
        on_demand_base: u32 => Default("0"), Replace;
        /// The most to pay for an hour of a spot instance, in US dollars. Left out: the on-demand price, which EC2 never exceeds.
        max_price: Option<f64> => Optional, Replace;
        /// Whether a service replaces a spot instance as soon as EC2 calls it likely to be taken back (Auto Scaling's Capacity Rebalancing).
        /// The replacement boots first and waits for the rank, so that the rank is without a machine for seconds instead of the time of a
        /// boot. For that time the service has up to a tenth more instances, at least one, which cost as the others do; so
        /// it goes with no `budget`.
        rebalance: bool => Default("false"), Replace;
    }
}

/// The rules of `market`; `size` is that of the fleet, where it is known.
pub(crate) fn check_market(market: &Value, size: Option<i64>, path: &Path, problems: &mut Vec<Problem>) {
    // What is no number at all is told where the field is read.
    if let Some(price) = f64::read(market.get("max_price"), path, &mut Vec::new())
        && !(price.is_finite() && price > 0.0)
    {
        problems.push(Problem::new(&path.key("max_price"), format!("{price} is no price"), "Write US dollars an hour, such as 0.05"));
    }
    let spot = match market.get("type") {
        Value::Null => false,
        Value::String(text) if text == MarketType::OnDemand.word() => false,
        _ => true,
    };
    if !spot {
        let written = |field: &str| match market.get(field) {
            // What is not known yet may turn out to be nothing.
            Value::Null | Value::Unknown | Value::Int(0) | Value::Bool(false) => false,
            Value::String(text) => text != Fallback::None.word(),
            _ => true,
        };
        for field in ["fallback", "on_demand_base", "max_price", "rebalance"].into_iter().filter(|field| written(field)) {
            let help = format!("Write type = \"spot\", or leave {field} out");
            problems.push(Problem::new(&path.key(field), "has no meaning for instances that are all on demand", help));
        }
        return;
    }
    if let (Value::Int(base), Some(size)) = (market.get("on_demand_base"), size)
        && *base >= size
        && size > 0
    {
        let help = format!("Write less than {size}, or type = \"on_demand\"");
        problems.push(Problem::new(&path.key("on_demand_base"), format!("{base} of {size} leave no rank for spot"), help));
    }
}
