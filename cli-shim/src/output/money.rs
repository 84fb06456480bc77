//! Amounts in US dollars.

/// What is said of a price that the Pricing API does not tell.
pub(crate) const UNKNOWN: &str = "unknown: the Pricing API tells no price";

/// An amount such as `$12.34`, with the digits that small amounts need: `$0.0042`.
pub(crate) fn dollars(amount: f64) -> String {
    if amount >= 1.0 { format!("${amount:.2}") } else { format!("${amount:.4}") }
}

/// A price as it is, without rounding: `$0.08925`.
pub(crate) fn price(usd_per_hour: f64) -> String {
    format!("${usd_per_hour}")
}
