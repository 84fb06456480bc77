//! Conditions of policy statements: operators, and how several values are taken together.

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::Value;

use super::Context;
use super::keys;
use super::pattern::{equals, filled, matches, matches_arn};

/// Whether all conditions of a statement hold; an error names an operator or a key that is not known.
pub(super) fn hold(conditions: &Value, variables: bool, context: &Context) -> Result<bool, String> {
    let mut all = true;
    for (operator, keys) in conditions.as_object().into_iter().flatten() {
        let operator = Operator::parse(operator)?;
        for (key, wanted) in keys.as_object().into_iter().flatten() {
            let key = key.to_lowercase();
            if !keys::is_known(&key) {
                return Err(format!("condition key {key}"));
            }
            let wanted: Vec<String> = texts(wanted).into_iter().map(|text| if variables { filled(&text, context) } else { text }).collect();
            all &= operator.holds(context.get(&key).map_or(&[], Vec::as_slice), &wanted);
        }
    }
    Ok(all)
}

/// One text or a list of them; numbers and booleans are texts too.
pub(super) fn texts(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        Value::Null => Vec::new(),
        Value::Array(list) => list.iter().map(text).collect(),
        other => vec![text(other)],
    }
}

/// How several values of a key are taken together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    One,
    ForAll,
    ForAny,
}

/// Compares a value of the call with one of the policy.
type Compare = fn(&str, &str) -> bool;

/// Every operator but `BinaryEquals`, for which no key here has a value: its name, whether it is the negation of the comparison, and the comparison.
const OPERATORS: [(&str, bool, Compare); 26] = [
    ("StringEquals", false, |value, wanted| equals(wanted, value)),
    ("StringNotEquals", true, |value, wanted| equals(wanted, value)),
    ("StringEqualsIgnoreCase", false, |value, wanted| equals(&wanted.to_lowercase(), &value.to_lowercase())),
    ("StringNotEqualsIgnoreCase", true, |value, wanted| equals(&wanted.to_lowercase(), &value.to_lowercase())),
    ("StringLike", false, |value, wanted| matches(wanted, value)),
    ("StringNotLike", true, |value, wanted| matches(wanted, value)),
    ("ArnEquals", false, |value, wanted| matches_arn(wanted, value)),
    ("ArnLike", false, |value, wanted| matches_arn(wanted, value)),
    ("ArnNotEquals", true, |value, wanted| matches_arn(wanted, value)),
    ("ArnNotLike", true, |value, wanted| matches_arn(wanted, value)),
    ("NumericEquals", false, |value, wanted| numbers(value, wanted, |a, b| a == b)),
    ("NumericNotEquals", true, |value, wanted| numbers(value, wanted, |a, b| a == b)),
    ("NumericLessThan", false, |value, wanted| numbers(value, wanted, |a, b| a < b)),
    ("NumericLessThanEquals", false, |value, wanted| numbers(value, wanted, |a, b| a <= b)),
    ("NumericGreaterThan", false, |value, wanted| numbers(value, wanted, |a, b| a > b)),
    ("NumericGreaterThanEquals", false, |value, wanted| numbers(value, wanted, |a, b| a >= b)),
    ("DateEquals", false, |value, wanted| dates(value, wanted, |a, b| a == b)),
    ("DateNotEquals", true, |value, wanted| dates(value, wanted, |a, b| a == b)),
    ("DateLessThan", false, |value, wanted| dates(value, wanted, |a, b| a < b)),
    ("DateLessThanEquals", false, |value, wanted| dates(value, wanted, |a, b| a <= b)),
    ("DateGreaterThan", false, |value, wanted| dates(value, wanted, |a, b| a > b)),
    ("DateGreaterThanEquals", false, |value, wanted| dates(value, wanted, |a, b| a >= b)),
    ("Bool", false, |value, wanted| value.eq_ignore_ascii_case(wanted)),
    ("IpAddress", false, in_block),
    ("NotIpAddress", true, in_block),
    // Asks whether there is a value, and compares none.
    ("Null", false, |_, _| false),
];

/// An operator with its prefix and suffix read.
struct Operator {
    name: &'static str,
    quantifier: Quantifier,
    negated: bool,
    if_exists: bool,
    compare: Compare,
}

impl Operator {
    fn parse(text: &str) -> Result<Self, String> {
        let unknown = || format!("condition operator {text}");
        let (quantifier, rest) = match text.split_once(':') {
            Some(("ForAllValues", rest)) => (Quantifier::ForAll, rest),
            Some(("ForAnyValue", rest)) => (Quantifier::ForAny, rest),
            Some(_) => return Err(unknown()),
            None => (Quantifier::One, text),
        };
        let (name, if_exists) = match rest.strip_suffix("IfExists") {
            Some(name) if name != "Null" => (name, true),
            _ => (rest, false),
        };
        let (name, negated, compare) = OPERATORS.iter().copied().find(|(known, ..)| *known == name).ok_or_else(unknown)?;
        Ok(Self { name, quantifier, negated, if_exists, compare })
    }

    fn holds(&self, values: &[String], wanted: &[String]) -> bool {
        if self.name == "Null" {
            return wanted.iter().any(|text| text.eq_ignore_ascii_case("true") == values.is_empty());
        }
        if values.is_empty() {
            return match self.quantifier {
                Quantifier::ForAll => true,
                Quantifier::ForAny => self.if_exists,
                Quantifier::One => self.negated || self.if_exists,
            };
        }
        // A negated operator wants none of the policy's values, any other one of them.
        let fits = |value: &String| wanted.iter().any(|text| (self.compare)(value, text)) != self.negated;
        match self.quantifier {
            Quantifier::ForAll => values.iter().all(fits),
            Quantifier::One | Quantifier::ForAny => values.iter().any(fits),
        }
    }
}

fn numbers(value: &str, wanted: &str, compare: fn(f64, f64) -> bool) -> bool {
    value.parse().ok().zip(wanted.parse().ok()).is_some_and(|(a, b)| compare(a, b))
}

/// Dates are ISO 8601 or seconds since 1970.
fn dates(value: &str, wanted: &str, compare: fn(Timestamp, Timestamp) -> bool) -> bool {
    let date = |text: &str| text.parse::<Timestamp>().ok().or_else(|| Timestamp::from_second(text.parse().ok()?).ok());
    date(value).zip(date(wanted)).is_some_and(|(a, b)| compare(a, b))
}

/// Whether an address lies in a block such as `10.0.0.0/8`; an address alone is a block of one.
fn in_block(value: &str, wanted: &str) -> bool {
    let (network, length) = match wanted.split_once('/') {
        Some((network, length)) => (network, length.parse::<u32>().ok()),
        None => (wanted, None),
    };
    let whole = wanted.contains('/') && length.is_none();
    match (value.parse(), network.parse()) {
        _ if whole => false,
        (Ok(IpAddr::V4(address)), Ok(IpAddr::V4(network))) => {
            let shift = 32u32.checked_sub(length.unwrap_or(32));
            shift.is_some_and(|shift| u64::from(address.to_bits()) >> shift == u64::from(network.to_bits()) >> shift)
        }
        (Ok(IpAddr::V6(address)), Ok(IpAddr::V6(network))) => {
            let shift = 128u32.checked_sub(length.unwrap_or(128));
            let top = |bits: u128, shift| bits.checked_shr(shift).unwrap_or(0);
            shift.is_some_and(|shift| top(address.to_bits(), shift) == top(network.to_bits(), shift))
        }
        _ => false,
    }
}
