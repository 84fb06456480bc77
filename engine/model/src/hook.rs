//! Commands that save what a machine would lose.

use crate::duration::Seconds;
use crate::market::MarketType;
use crate::problem::{Path, Problem};
use crate::read::{FieldType, fields};
use crate::rules::{TTL_MIN, check_command};
use crate::spec::LeaseSpec;
use crate::value::Value;

/// The fields that are hooks.
const HOOKS: [&str; 3] = ["pre_stop", "checkpoint", "peer_notice"];
/// Those that only spot instances can have.
const OF_SPOT: [&str; 2] = ["checkpoint", "peer_notice"];

/// The longest that a hook may take: a fleet of many must not cost much by waiting for its slowest.
pub const TIMEOUT_MAX: Seconds = Seconds(15 * 60);
/// What a machine needs between a hook and its deadline: for its command to end, for results, and for the record.
pub const AFTER_HOOK: Seconds = Seconds(35);

fields! {
    /// A command that saves what a machine would lose.
    pub struct HookSpec {
        /// The program and its arguments, as a list: no shell reads it. It starts in the directory of the fleet's `files`, as the user of
        /// the fleet's command and with its environment. `SPAWN_REASON` says why: `lease`, `idle`, `spot`, `rebalance` or `peer`, and
        /// `SPAWN_COMMAND_PID` which process the fleet's command is, while it runs. What it prints is in the rank's log.
        command: Vec<String> => Required, Replace;
        /// How long it may take, from `1s` to `15m`: then it is ended.
        timeout: Seconds => Default("\"60s\""), Replace;
    }
}

impl HookSpec {
    /// How long before the deadline it has to begin.
    #[must_use]
    pub fn lead(&self) -> Seconds {
        Seconds(self.timeout.0.saturating_add(AFTER_HOOK.0))
    }
}

/// The rules of a fleet's hooks.
pub(crate) fn check_hooks(fleet: &Value, root: &Path, problems: &mut Vec<Problem>) {
    for name in HOOKS {
        let (hook, path) = (fleet.get(name), root.key(name));
        if let Value::List(words) = hook.get("command") {
            check_command(words, &path.key("command"), problems);
        }
        check_timeout(hook.get("timeout"), &path.key("timeout"), problems);
    }
    check_lead(fleet.get("pre_stop"), fleet.get("lease").get("ttl"), &root.key("pre_stop"), problems);
    let on_demand = match fleet.get("market").get("type") {
        Value::Null => *fleet.get("market") != Value::Unknown,
        other => other.as_str() == Some(MarketType::OnDemand.word()),
    };
    for name in OF_SPOT.into_iter().filter(|name| on_demand && matches!(fleet.get(name), Value::Map(_))) {
        let help = format!("Write market = {{ type = \"spot\" }}, or leave {name} out; pre_stop is for the end of any machine");
        problems.push(Problem::new(&root.key(name), "EC2 takes back spot instances alone, and these are on demand", help));
    }
    if matches!(fleet.get("size"), Value::Int(..=1)) && matches!(fleet.get("peer_notice"), Value::Map(_)) {
        let help = "Leave it out: checkpoint and pre_stop are for the machine itself";
        problems.push(Problem::new(&root.key("peer_notice"), "there is no other rank in a fleet of one", help));
    }
}

fn check_timeout(timeout: &Value, path: &Path, problems: &mut Vec<Problem>) {
    let Some((written, timeout)) = timeout.as_str().and_then(|text| Some((text, Seconds::parse(text)?))) else { return };
    if !(1..=TIMEOUT_MAX.0).contains(&timeout.0) {
        problems.push(Problem::new(path, format!("{written:?} is not between 1s and {TIMEOUT_MAX}"), "Write one between them"));
    }
}

/// A lease that is hardly longer than what ends it would end before the command has begun.
fn check_lead(hook: &Value, ttl: &Value, path: &Path, problems: &mut Vec<Problem>) {
    let Some(hook) = HookSpec::read(hook, path, &mut Vec::new()) else { return };
    let ttl = match ttl {
        // What the lease is if nothing is said of it.
        Value::Null => LeaseSpec::read(&Value::Map([].into()), path, &mut Vec::new()).map(|lease| lease.ttl),
        ttl => ttl.as_str().and_then(Seconds::parse),
    };
    let least = Seconds(hook.lead().0.saturating_add(TTL_MIN.0));
    if let Some(ttl) = ttl.filter(|ttl| *ttl < least && hook.timeout <= TIMEOUT_MAX) {
        let message =
            format!("it begins {} before the deadline, which leaves the command less than {TTL_MIN} of a lease of {ttl}", hook.lead());
        problems.push(Problem::new(path, message, format!("Write a shorter timeout, or a lease.ttl of {least} or more")));
    }
}
