//! Lengths of time as people write them: `90s`, `20m`, `1h30m`, `2d`.

use std::fmt;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::field::Kind;
use crate::problem::{Path, Problem};
use crate::read::FieldType;
use crate::value::Value;

/// A whole number of seconds that keeps no spelling: `60m` and `1h` are the same.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub u64);

const UNITS: [(char, u64); 5] = [('w', 604_800), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

impl Seconds {
    /// Reads `1h30m`; units are w, d, h, m, s, each at most once, largest first.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut total: u64 = 0;
        let mut digits = String::new();
        let mut units = UNITS.iter();
        for c in text.chars() {
            if c.is_ascii_digit() {
                digits.push(c);
                continue;
            }
            let (_, seconds) = units.find(|(unit, _)| *unit == c)?;
            let count: u64 = digits.parse().ok()?;
            total = total.checked_add(count.checked_mul(*seconds)?)?;
            digits.clear();
        }
        (digits.is_empty() && !text.is_empty()).then_some(Self(total))
    }
}

impl From<Seconds> for SignedDuration {
    /// As long as can be where it is longer.
    fn from(Seconds(seconds): Seconds) -> Self {
        Self::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, seconds) in UNITS.into_iter().skip(1) {
            if rest >= seconds {
                write!(f, "{}{unit}", rest / seconds)?;
                rest %= seconds;
            }
        }
        Ok(())
    }
}

impl FieldType for Seconds {
    const KIND: Kind = Kind::Duration;
    fn read(value: &Value, path: &Path, problems: &mut Vec<Problem>) -> Option<Self> {
        if matches!(value, Value::Unknown) {
            return None;
        }
        let parsed = value.as_str().and_then(Self::parse);
        if parsed.is_none() {
            let shown = value.as_str().map_or_else(|| "this".to_owned(), |text| format!("{text:?}"));
            problems.push(Problem::new(path, format!("{shown} is not a duration"), "Write it like \"90s\", \"20m\", \"1h30m\" or \"2d\""));
        }
        parsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read() {
        for (text, seconds) in [
            ("90s", Some(90)),
            ("20m", Some(1200)),
            ("1h30m", Some(5400)),
            ("2d", Some(172_800)),
            ("1w1s", Some(604_801)),
            ("0s", Some(0)),
            ("", None),
            ("5", None),
            ("5 parsecs", None),
            ("30m1h", None),
            ("1h1h", None),
            ("-5m", None),
            ("1.5h", None),
            ("99999999999999999999s", None),
            ("18446744073709551615w", None),
        ] {
            assert_eq!(Seconds::parse(text).map(|s| s.0), seconds, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(seconds in 0..10_000_000_u64) {
            prop_assert_eq!(Seconds::parse(&Seconds(seconds).to_string()), Some(Seconds(seconds)));
        }
    }
}
