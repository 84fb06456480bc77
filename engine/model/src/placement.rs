//! How instances lie to each other.

use crate::problem::{Path, Problem};
use crate::value::Value;
use crate::words::words;

/// The most running instances of a spread placement group in one zone (EC2 user guide, "Placement strategies").
pub const SPREAD_PER_ZONE: u32 = 7;

words! {
    /// How instances lie to each other.
    pub enum Placement, "no placement" {
        /// Close together, in one zone.
        Cluster = "cluster",
        /// Each on hardware of its own.
        Spread = "spread",
    }
}

/// The rules of `placement`.
pub(crate) fn check_placement(fleet: &Value, path: &Path, problems: &mut Vec<Problem>) {
    let gang = fleet.get("gang");
    match fleet.get("placement").as_str() {
        Some("cluster") if matches!(gang, Value::Null | Value::Bool(false)) => {
            let help = "Write gang = true: what is close together is launched together, in one zone";
            problems.push(Problem::new(path, "a cluster that is not a gang could end up in several zones", help));
        }
        Some("spread")
            if matches!(gang, Value::Bool(true)) && matches!(fleet.get("size"), Value::Int(size) if *size > i64::from(SPREAD_PER_ZONE)) =>
        {
            let help = format!("Write a size of at most {SPREAD_PER_ZONE}, or leave gang or placement out");
            problems.push(Problem::new(path, format!("a gang is in one zone, which has room for {SPREAD_PER_ZONE} that are spread"), help));
        }
        _ => {}
    }
}
