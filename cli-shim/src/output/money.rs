//! Amounts in US dollars.

/// What is said of a price that the Pricing API does not tell.
pub(crate) const UNKNOWN: &str = "unknown: the Pricing API tells no price";

/// The least amount that is told in digits.
const TOLD_FROM: f64 = 0.0001;

/// An amount such as `$12.34`, with the digits that small amounts need: `$0.0042`.
pub(crate) fn dollars(amount: f64) -> String {
    match amount {
        1.0.. => format!("${amount:.2}"),
        TOLD_FROM.. => format!("${amount:.4}"),
        _ => format!("less than ${TOLD_FROM}"),
    }
}

/// An amount that is not known to the last digit.
pub(crate) fn about(amount: f64) -> String {
    if amount < TOLD_FROM { dollars(amount) } else { format!("about {}", dollars(amount)) }
}

/// A price as it is, without rounding: `$0.08925`.
pub(crate) fn price(usd_per_hour: f64) -> String {
    format!("${usd_per_hour}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_amounts_keep_their_digits() {
        for (amount, text) in
            [(12.345, "$12.35"), (1.0, "$1.00"), (0.99999, "$1.0000"), (0.0042, "$0.0042"), (0.00001, "less than $0.0001")]
        {
            assert_eq!(dollars(amount), text);
        }
        assert_eq!((about(0.0042), about(0.0)), ("about $0.0042".to_owned(), "less than $0.0001".to_owned()));
        assert_eq!(price(0.08925), "$0.08925");
    }
}
