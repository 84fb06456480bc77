//! What becomes of a machine at the end of its lease: it is gone, or it stops or hibernates, and its disks are kept for a while.

use serde::{Deserialize, Serialize};

use crate::duration::Seconds;
use crate::market::MarketType;
use crate::problem::{Path, Problem};
use crate::rules::{TTL_DEFAULT, TTL_MAX};
use crate::spec::{FleetKind, LeaseSpec};
use crate::value::Value;
use crate::words::words;

/// How long what was stopped is kept if nothing else is said.
pub const RETAIN_DEFAULT: Seconds = Seconds(7 * 86_400);
/// The shortest time that what was stopped is kept.
pub const RETAIN_MIN: Seconds = Seconds(60);
/// The longest: a disk that nobody has looked at for so long costs money for nothing.
pub const RETAIN_MAX: Seconds = Seconds(3 * TTL_MAX.0);
/// The longest that EC2 keeps a machine hibernated (EC2 user guide, "Hibernate your Amazon EC2 instance", limitations).
pub const HIBERNATED_MAX: Seconds = Seconds(60 * 86_400);
/// The most memory that a machine may have that hibernates, in MiB: 150 GiB (EC2 user guide, "Prerequisites for EC2 instance hibernation").
pub const HIBERNATED_MIB_MAX: u64 = 150 * 1024;
/// How long after its deadline a machine stops that should have hibernated by then. Hibernating takes minutes, and what stops it must not come
/// between.
pub const HIBERNATES_WITHIN: Seconds = Seconds(600);

words! {
    /// What becomes of a machine whose time is over.
    pub enum OnEnd, "nothing that could become of an instance" {
        /// It is gone, with its disks.
        Terminate = "terminate",
        /// It stops, and can be started again. Its disks are kept and paid for.
        Stop = "stop",
        /// It stops, and what is in its memory is kept on its disk: started again, what ran goes on.
        Hibernate = "hibernate",
    }
}

impl OnEnd {
    /// Whether the machine is there afterwards, and can be started again.
    #[must_use]
    pub fn keeps(self) -> bool {
        self != Self::Terminate
    }
}

/// What becomes of a machine, by why its time is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Ends {
    /// At its deadline.
    pub on_expiry: OnEnd,
    /// When it is idle.
    pub on_idle: OnEnd,
}

impl Default for Ends {
    fn default() -> Self {
        Self { on_expiry: OnEnd::Terminate, on_idle: OnEnd::Terminate }
    }
}

impl Ends {
    /// Whether powering off stops the machine instead of ending it.
    #[must_use]
    pub fn stops(self) -> bool {
        self.on_expiry.keeps() || self.on_idle.keeps()
    }

    /// Whether the machine has to be able to hibernate.
    #[must_use]
    pub fn hibernates(self) -> bool {
        self.on_expiry == OnEnd::Hibernate || self.on_idle == OnEnd::Hibernate
    }

    /// Whether the machine is terminated whatever ends it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        *self == Self::default()
    }
}

impl LeaseSpec {
    /// What becomes of the machine at its ends.
    #[must_use]
    pub fn ends(&self) -> Ends {
        Ends { on_expiry: self.on_expiry, on_idle: self.on_idle }
    }

    /// How long after its deadline a machine ends for good, that has stopped there.
    #[must_use]
    pub fn retained(&self) -> Seconds {
        if self.on_expiry.keeps() { self.retain.unwrap_or(RETAIN_DEFAULT) } else { Seconds(0) }
    }
}

/// The rules of what stops and of what hibernates.
pub(crate) fn check_stopping(kind: FleetKind, fleet: &Value, root: &Path, problems: &mut Vec<Problem>) {
    let (lease, path) = (fleet.get("lease"), root.key("lease"));
    let is = |field: &str, end: OnEnd| lease.get(field).as_str() == Some(end.word());
    let keeps = |field: &str| is(field, OnEnd::Stop) || is(field, OnEnd::Hibernate);
    for field in ["on_expiry", "on_idle"].into_iter().filter(|field| keeps(field)) {
        let path = path.key(field);
        let never = match kind {
            FleetKind::Instance => None,
            FleetKind::JobArray => Some("the ranks of an array run once and are gone: nobody could start one again"),
            FleetKind::Queue => Some("the workers of a queue are gone when there is nothing left to do: nobody could start one again"),
            FleetKind::Service => Some("a service replaces what does not run: nobody could start one of its instances again"),
        };
        if let Some(never) = never {
            problems.push(Problem::new(&path, never, format!("Leave {field} out, or make an instance")));
        } else if fleet.get("market").get("type").as_str() == Some(MarketType::Spot.word()) {
            let help = format!("Leave {field} out, or write market = {{ type = \"on_demand\" }}");
            problems.push(Problem::new(&path, "a one-time spot instance cannot be started again once it has stopped", help));
        }
    }
    if keeps("on_idle") && lease.get("idle").is_null() {
        let help = "Write idle = { after = \"15m\" }, or leave on_idle out";
        problems.push(Problem::new(&path.key("on_idle"), "nothing says when the instance is idle", help));
    }
    if keeps("on_expiry") && lease.get("idle").is_written() && !keeps("on_idle") && *lease.get("on_idle") != Value::Unknown {
        let help = "Write on_idle = \"stop\" or \"hibernate\", or leave idle out";
        problems.push(Problem::new(&path.key("on_idle"), "powering off stops this instance, so it cannot end for being idle", help));
    }
    if (keeps("on_expiry") || keeps("on_idle")) && lease.get("budget").is_written() {
        let help = "Leave budget out, or let the instance end";
        problems.push(Problem::new(&path.key("budget"), "what is kept and started again has no cost that could be promised", help));
    }
    let may_keep = keeps("on_expiry") || *lease.get("on_expiry") == Value::Unknown;
    check_retain(lease.get("retain"), may_keep, &path.key("retain"), problems);
    if is("on_expiry", OnEnd::Hibernate) && fleet.get("pre_stop").is_written() {
        let message = "nothing runs before this instance hibernates, which keeps what runs on it";
        problems.push(Problem::new(&root.key("pre_stop"), message, "Leave it out, or write on_expiry = \"stop\""));
    }
    if is("on_expiry", OnEnd::Hibernate) || is("on_idle", OnEnd::Hibernate) {
        check_hibernated(lease, keeps("on_expiry"), &path, problems);
        if matches!(fleet.get("root_volume").get("encrypted"), Value::Bool(false)) {
            let path = root.key("root_volume").key("encrypted");
            let message = "EC2 hibernates only to an encrypted root volume: what is in memory is written there";
            problems.push(Problem::new(&path, message, "Leave encrypted out, or let the instance stop"));
        }
    }
}

fn check_retain(retain: &Value, is_kept: bool, path: &Path, problems: &mut Vec<Problem>) {
    let Some((written, retain)) = written(retain) else { return };
    if !(RETAIN_MIN..=RETAIN_MAX).contains(&retain) {
        let help = "Write one between them";
        problems.push(Problem::new(path, format!("{written:?} is not between {RETAIN_MIN} and {RETAIN_MAX}"), help));
    } else if !is_kept {
        let help = "Write on_expiry = \"stop\" or \"hibernate\", or leave retain out";
        problems.push(Problem::new(path, "has no meaning for an instance that is terminated at its deadline", help));
    }
}

/// EC2 does not keep a machine hibernated for ever. One that was idle at once, or that somebody hibernated, stays so for the whole lease, and then
/// for as long as it is kept.
fn check_hibernated(lease: &Value, is_kept: bool, path: &Path, problems: &mut Vec<Problem>) {
    let ttl = match lease.get("ttl") {
        // What the lease is if nothing is said of it.
        Value::Null => TTL_DEFAULT,
        ttl => written(ttl).map_or(Seconds(0), |(_, ttl)| ttl),
    };
    let retain = written(lease.get("retain")).map_or(RETAIN_DEFAULT, |(_, retain)| retain);
    let longest = Seconds(ttl.0.saturating_add(if is_kept { retain.0 } else { 0 }));
    if longest > HIBERNATED_MAX && retain <= RETAIN_MAX {
        let message = format!("an instance could be hibernated for {longest}, and EC2 keeps one so for at most {HIBERNATED_MAX}");
        problems.push(Problem::new(&path.key("retain"), message, "Shorten it, or let the instance stop"));
    }
}

fn written(duration: &Value) -> Option<(&str, Seconds)> {
    duration.as_str().and_then(|text| Some((text, Seconds::parse(text)?)))
}
