//! What becomes of a machine at the end of its lease: it is gone, or it stops, and its disks are kept for a while.

use crate::duration::Seconds;
use crate::market::MarketType;
use crate::problem::{Path, Problem};
use crate::rules::TTL_MAX;
use crate::spec::{FleetKind, LeaseSpec};
use crate::value::Value;
use crate::words::words;

/// How long what was stopped is kept if nothing else is said.
pub const RETAIN_DEFAULT: Seconds = Seconds(7 * 86_400);
/// The shortest time that what was stopped is kept.
pub const RETAIN_MIN: Seconds = Seconds(60);
/// The longest: a disk that nobody has looked at for so long costs money for nothing.
pub const RETAIN_MAX: Seconds = Seconds(3 * TTL_MAX.0);

words! {
    /// What becomes of a machine whose time is over.
    pub enum OnEnd, "nothing that could become of an instance" {
        /// It is gone, with its disks.
        Terminate = "terminate",
        /// It stops, and can be started again. Its disks are kept and paid for.
        Stop = "stop",
    }
}

impl LeaseSpec {
    /// Whether powering off stops the machine instead of ending it.
    #[must_use]
    pub fn stops(&self) -> bool {
        self.on_expiry == OnEnd::Stop || self.on_idle == OnEnd::Stop
    }

    /// How long after its deadline a machine ends for good, that has stopped there.
    #[must_use]
    pub fn retained(&self) -> Seconds {
        if self.on_expiry == OnEnd::Stop { self.retain.unwrap_or(RETAIN_DEFAULT) } else { Seconds(0) }
    }
}

/// The rules of what stops.
pub(crate) fn check_stopping(kind: FleetKind, fleet: &Value, root: &Path, problems: &mut Vec<Problem>) {
    let (lease, path) = (fleet.get("lease"), root.key("lease"));
    let stops = |field: &str| lease.get(field).as_str() == Some(OnEnd::Stop.word());
    for field in ["on_expiry", "on_idle"].into_iter().filter(|field| stops(field)) {
        let path = path.key(field);
        let never = match kind {
            FleetKind::Instance => None,
            FleetKind::JobArray => Some("the ranks of an array run once and are gone: nobody could start one again"),
            FleetKind::Service => Some("a service replaces what does not run: nobody could start one of its instances again"),
        };
        if let Some(never) = never {
            problems.push(Problem::new(&path, never, format!("Leave {field} out, or make an instance")));
        } else if fleet.get("market").get("type").as_str() == Some(MarketType::Spot.word()) {
            let help = format!("Leave {field} out, or write market = {{ type = \"on_demand\" }}");
            problems.push(Problem::new(&path, "a one-time spot instance cannot be started again once it has stopped", help));
        }
    }
    if stops("on_idle") && lease.get("idle").is_null() {
        let help = "Write idle = { after = \"15m\" }, or leave on_idle out";
        problems.push(Problem::new(&path.key("on_idle"), "nothing says when the instance is idle", help));
    }
    if stops("on_expiry") && !lease.get("idle").is_null() && !stops("on_idle") {
        let help = "Write on_idle = \"stop\", or leave idle out";
        problems.push(Problem::new(&path.key("on_idle"), "powering off stops this instance, so it cannot end for being idle", help));
    }
    if (stops("on_expiry") || stops("on_idle")) && !lease.get("budget").is_null() {
        let help = "Leave budget out, or let the instance end";
        problems.push(Problem::new(&path.key("budget"), "what is kept and started again has no cost that could be promised", help));
    }
    check_retain(lease.get("retain"), stops("on_expiry"), &path.key("retain"), problems);
}

fn check_retain(retain: &Value, is_kept: bool, path: &Path, problems: &mut Vec<Problem>) {
    let Some((written, retain)) = retain.as_str().and_then(|text| Some((text, Seconds::parse(text)?))) else { return };
    if !(RETAIN_MIN..=RETAIN_MAX).contains(&retain) {
        let help = "Write one between them";
        problems.push(Problem::new(path, format!("{written:?} is not between {RETAIN_MIN} and {RETAIN_MAX}"), help));
    } else if !is_kept {
        let help = "Write on_expiry = \"stop\", or leave retain out";
        problems.push(Problem::new(path, "has no meaning for an instance that is terminated at its deadline", help));
    }
}
