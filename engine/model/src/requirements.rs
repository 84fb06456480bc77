//! Instance types by what they have, instead of by name.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::field::Kind;
use crate::problem::{Path, Problem};
use crate::read::{FieldType, fields};
use crate::value::Value;
use crate::words::words;

/// How many types a fleet is launched from at most: each is asked in every zone, and a refusal costs a call.
pub const TYPES_MAX: usize = 20;

words! {
    /// What a processor understands.
    pub enum Architecture, "no architecture" {
        /// Intel and AMD, 64 bits.
        X86 = "x86_64",
        /// Arm, 64 bits: Graviton.
        Arm = "arm64",
    }
}

/// A number, or a range of numbers with both ends in it: `4`, `2..8`, `4..` or `..16`. It keeps its spelling.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Range(String);

impl Range {
    /// Reads a range.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let range = Self(text.to_owned());
        let (least, most) = range.bounds()?;
        (least <= most).then_some(range)
    }

    /// Both ends; an open one is as far away as possible.
    fn bounds(&self) -> Option<(f64, f64)> {
        let number = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
        match self.0.split_once("..") {
            None => number(&self.0).map(|number| (number, number)),
            Some(("", "")) => None,
            Some((least, "")) => number(least).map(|least| (least, f64::INFINITY)),
            Some(("", most)) => number(most).map(|most| (0.0, most)),
            Some((least, most)) => number(least).zip(number(most)),
        }
    }

    /// Whether a number is in it.
    #[must_use]
    pub fn contains(&self, number: f64) -> bool {
        self.bounds().is_some_and(|(least, most)| (least..=most).contains(&number))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FieldType for Range {
    const KIND: Kind = Kind::String;
    fn read(value: &Value, path: &Path, problems: &mut Vec<Problem>) -> Option<Self> {
        let text = match value {
            Value::Unknown => return None,
            Value::Int(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::String(text) => text.clone(),
            _ => "this".to_owned(),
        };
        let range = Self::parse(&text);
        if range.is_none() {
            let help = "Write a number or a range like \"2..8\", \"4..\" or \"..16\"";
            problems.push(Problem::new(path, format!("{text:?} is not a range of numbers"), help));
        }
        range
    }
}

fields! {
    /// Instance types by what they have: the cheapest that fit, at most 20. Of the current generations, without bare metal and
    /// without types that earn CPU credits; those are only used where `instance_types` names them.
    pub struct RequirementsSpec {
        /// How many vCPUs: a number, or a range like `2..8`, `4..` or `..16`. Left out: any.
        vcpu: Option<Range> => Optional, Replace;
        /// How many GiB of memory: a number or a range. Left out: any.
        memory_gib: Option<Range> => Optional, Replace;
        /// `x86_64` or `arm64`.
        architecture: Architecture => Default("\"x86_64\""), Replace;
        /// How many GPUs: a number or a range. Left out: none.
        gpu: Option<Range> => Optional, Replace;
        /// Types to leave out, by name or by a pattern like `c5.*` or `*.24xlarge`.
        exclude: Vec<String> => Optional, Replace;
    }
}

/// What is required of an instance type, as far as a requirement looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// Its name.
    pub name: &'a str,
    /// vCPUs.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// GPUs.
    pub gpus: u32,
}

impl RequirementsSpec {
    /// Whether a type has what is required.
    #[must_use]
    pub fn fits(&self, offer: &Offer<'_>) -> bool {
        let within = |range: &Option<Range>, number: f64| range.as_ref().is_none_or(|range| range.contains(number));
        #[expect(clippy::cast_precision_loss, reason = "MiB of a machine")]
        let memory_gib = offer.memory_mib as f64 / 1024.0;
        let gpus = f64::from(offer.gpus);
        within(&self.vcpu, offer.vcpus.into())
            && within(&self.memory_gib, memory_gib)
            && self.gpu.as_ref().map_or(offer.gpus == 0, |range| range.contains(gpus))
            && !self.exclude.iter().any(|pattern| matches(pattern, offer.name))
    }
}

impl fmt::Display for RequirementsSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.architecture.word())?;
        let mut joint = " with";
        for (range, unit) in [(&self.vcpu, "vCPUs"), (&self.memory_gib, "GiB of memory"), (&self.gpu, "GPUs")] {
            if let Some(range) = range {
                write!(f, "{joint} {range} {unit}")?;
                joint = " and";
            }
        }
        Ok(())
    }
}

/// Whether a name matches a pattern in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(last)
}

/// The rules of `requirements`, and that types are asked for in one way.
pub(crate) fn check_requirements(fleet: &Value, path: &Path, problems: &mut Vec<Problem>) {
    if !matches!(fleet, Value::Map(_)) {
        return;
    }
    let (types, requirements) = (fleet.get("instance_types"), fleet.get("requirements"));
    match (types, requirements) {
        (Value::Null, Value::Null) => {
            let help = "Name instance types such as [\"c7i.large\"], or write requirements such as { vcpu = \"2..8\" }";
            problems.push(Problem::new(&Path::field("instance_types"), "is required without `requirements`", help));
        }
        (Value::Null | Value::Unknown, _) | (_, Value::Null | Value::Unknown) => {}
        _ => problems.push(Problem::new(path, "instance types are asked for in two ways", "Leave instance_types or requirements out")),
    }
    if let Value::List(patterns) = requirements.get("exclude") {
        for (index, pattern) in patterns.iter().enumerate() {
            let Some(text) = pattern.as_str() else { continue };
            let valid = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'*');
            if text.is_empty() || !text.bytes().all(valid) {
                let help = "Write a type or a pattern like \"c5.*\" or \"*.24xlarge\"";
                problems.push(Problem::new(&path.key("exclude").index(index), format!("{text:?} matches no instance type"), help));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        for (text, inside, outside) in [
            ("4", &[4.0][..], &[3.9, 5.0][..]),
            ("2..8", &[2.0, 4.0, 8.0], &[1.0, 9.0]),
            ("4..", &[4.0, 1e6], &[3.0]),
            ("..16", &[0.0, 16.0], &[17.0]),
            ("0.5..1", &[0.5, 1.0], &[0.4]),
        ] {
            let range = Range::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert!(inside.iter().all(|n| range.contains(*n)) && !outside.iter().any(|n| range.contains(*n)), "{text}");
        }
        for text in ["", "..", "8..2", "-1", "-4..4", "a..b", "2...8", "1..2..3", "inf", "NaN", "4 ..8"] {
            assert_eq!(Range::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("c5.large", "c5.large", true),
            ("c5.large", "c5.larger", false),
            ("c5.*", "c5.large", true),
            ("c5.*", "c5a.large", false),
            ("*.24xlarge", "c7i.24xlarge", true),
            ("*.24xlarge", "c7i.metal-24xl", false),
            ("c*.large", "c7i.large", true),
            ("c*.large", "c7i.xlarge", false),
            ("*a*e", "c7a.xlarge", true),
            ("*", "t3.micro", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} on {name}");
        }
    }

    #[test]
    fn what_fits() {
        let range = |text: &str| Range::parse(text);
        let any = RequirementsSpec { vcpu: None, memory_gib: None, architecture: Architecture::X86, gpu: None, exclude: vec![] };
        let offer = Offer { name: "c7i.large", vcpus: 2, memory_mib: 4096, gpus: 0 };
        let accelerated = Offer { name: "g5.xlarge", vcpus: 4, memory_mib: 16_384, gpus: 1 };
        for (requirements, plain, gpu) in [
            (any.clone(), true, false),
            (RequirementsSpec { vcpu: range("2..8"), memory_gib: range("4"), ..any.clone() }, true, false),
            (RequirementsSpec { vcpu: range("4.."), ..any.clone() }, false, false),
            (RequirementsSpec { memory_gib: range("..2"), ..any.clone() }, false, false),
            (RequirementsSpec { gpu: range("1.."), ..any.clone() }, false, true),
            (RequirementsSpec { gpu: range("0.."), ..any.clone() }, true, true),
            (RequirementsSpec { exclude: vec!["c7*".to_owned()], ..any.clone() }, false, false),
        ] {
            assert_eq!((requirements.fits(&offer), requirements.fits(&accelerated)), (plain, gpu), "{requirements:?}");
        }
    }
}
