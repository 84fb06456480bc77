//! Conditions of policy statements.

use jiff::Timestamp;
use serde_json::Value;

use super::Context;
use super::evaluate::{filled, matches, texts};

/// Whether all conditions of a statement hold; an error names an operator that is not known.
pub(super) fn hold(conditions: &Value, context: &Context) -> Result<bool, String> {
    let Some(operators) = conditions.as_object() else { return Ok(true) };
    for (operator, keys) in operators {
        for (key, wanted) in keys.as_object().into_iter().flatten() {
            let wanted: Vec<String> = texts(wanted).iter().map(|text| filled(text, context)).collect();
            if !holds(operator, context.get(&key.to_lowercase()), &wanted)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// How several values of a key are taken together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    One,
    ForAll,
    ForAny,
}

fn holds(operator: &str, values: Option<&Vec<String>>, wanted: &[String]) -> Result<bool, String> {
    let (quantifier, operator) = match operator.split_once(':') {
        Some(("ForAllValues", rest)) => (Quantifier::ForAll, rest),
        Some(("ForAnyValue", rest)) => (Quantifier::ForAny, rest),
        Some(_) => return Err(format!("condition operator {operator}")),
        None => (Quantifier::One, operator),
    };
    if operator == "Null" {
        return Ok(wanted.iter().all(|text| (text == "true") == values.is_none()));
    }
    let (operator, if_exists) = match operator.strip_suffix("IfExists") {
        Some(rest) => (rest, true),
        None => (operator, false),
    };
    let (operator, negated) = match operator {
        "StringNotEquals" => ("StringEquals", true),
        "StringNotEqualsIgnoreCase" => ("StringEqualsIgnoreCase", true),
        "StringNotLike" => ("StringLike", true),
        "ArnNotEquals" | "ArnNotLike" => ("StringLike", true),
        "ArnEquals" | "ArnLike" => ("StringLike", false),
        "NumericNotEquals" => ("NumericEquals", true),
        "DateNotEquals" => ("DateEquals", true),
        other => (other, false),
    };
    // Known or not does not depend on whether the key is there.
    compare(operator, "", "")?;
    let Some(values) = values else {
        // A missing key satisfies a negated operator, IfExists, and ForAllValues, and nothing else.
        return Ok(negated || if_exists || quantifier == Quantifier::ForAll);
    };
    let fits = |value: &String| -> Result<bool, String> {
        let mut any = false;
        for text in wanted {
            any |= compare(operator, value, text)?;
        }
        Ok(any != negated)
    };
    let each: Vec<bool> = values.iter().map(fits).collect::<Result<_, _>>()?;
    Ok(match quantifier {
        Quantifier::ForAll => each.iter().all(|fit| *fit),
        Quantifier::One | Quantifier::ForAny => each.iter().any(|fit| *fit),
    })
}

fn compare(operator: &str, value: &str, wanted: &str) -> Result<bool, String> {
    let numbers = || value.parse::<f64>().ok().zip(wanted.parse::<f64>().ok());
    let dates = || value.parse::<Timestamp>().ok().zip(wanted.parse::<Timestamp>().ok());
    Ok(match operator {
        "StringEquals" => value == wanted,
        "StringEqualsIgnoreCase" | "Bool" => value.eq_ignore_ascii_case(wanted),
        "StringLike" => matches(wanted, value),
        "NumericEquals" => numbers().is_some_and(|(a, b)| a == b),
        "NumericLessThan" => numbers().is_some_and(|(a, b)| a < b),
        "NumericLessThanEquals" => numbers().is_some_and(|(a, b)| a <= b),
        "NumericGreaterThan" => numbers().is_some_and(|(a, b)| a > b),
        "NumericGreaterThanEquals" => numbers().is_some_and(|(a, b)| a >= b),
        "DateEquals" => dates().is_some_and(|(a, b)| a == b),
        "DateLessThan" => dates().is_some_and(|(a, b)| a < b),
        "DateLessThanEquals" => dates().is_some_and(|(a, b)| a <= b),
        "DateGreaterThan" => dates().is_some_and(|(a, b)| a > b),
        "DateGreaterThanEquals" => dates().is_some_and(|(a, b)| a >= b),
        other => return Err(format!("condition operator {other}")),
    })
}
