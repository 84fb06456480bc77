//! When a machine counts as idle, and that one did.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::duration::Seconds;
use crate::problem::{Path, Problem};
use crate::read::{FieldType, fields};
use crate::spec::LeaseSpec;
use crate::value::Value;

/// The shortest time after which a machine may count as idle: an agent looks at it three times in this.
pub const AFTER_MIN: Seconds = Seconds(60);
/// All of a GPU.
const GPU_PERCENT_MAX: i64 = 100;
/// The TCP ports there are.
const PORTS: std::ops::RangeInclusive<i64> = 1..=65535;

fields! {
    /// When an instance ends before its deadline because nothing happens on it. Every signal has to be quiet: processor, network, disk,
    /// GPU, terminals, and the processes and ports that are named here. What cannot be read counts as busy, and is reported.
    pub struct IdleSpec {
        /// How long nothing may have happened on an instance for it to end, such as `"15m"`: from `60s` up to the lease's `ttl`. It
        /// counts from the moment the instance is ready, and anew when something of `idle` changes or the instance was asleep. A
        /// running command is no sign of work by itself: one that waits or hangs is idle.
        after: Seconds => Required, InPlace;
        /// Names of processes that make an instance busy as long as they run: as `ps -e` shows them, or the file name of the program.
        processes: Vec<String> => Optional, InPlace;
        /// TCP ports of the instance that make it busy as long as somebody is connected to them.
        ports: Vec<u32> => Optional, InPlace;
        /// How much processor time is no work, in percent of one core, whatever number of cores there is. Waiting for disks is no
        /// work; time that other machines of the host took from this one is. Left out: 10.
        cpu_percent: u32 => Default("10"), InPlace;
        /// How much traffic is no work, in bytes a second, received and sent, over all interfaces but loopback. Left out: 10000.
        network_bytes_per_second: u32 => Default("10000"), InPlace;
        /// How much use of disks is no work, in bytes a second, read and written. Left out: 100000.
        disk_bytes_per_second: u32 => Default("100000"), InPlace;
        /// How much use of the busiest GPU is no work, in percent. Only NVIDIA's are looked at, and at 100 none. Left out: 5.
        gpu_percent: u32 => Default("5"), InPlace;
    }
}

impl IdleSpec {
    /// As a user would write it.
    ///
    /// # Panics
    /// Never: a spec is always JSON.
    #[must_use]
    pub fn written(&self) -> BTreeMap<String, Value> {
        let recorded = Value::from(serde_json::to_value(self).expect("a spec is JSON"));
        let Value::Map(fields) = Self::KIND.written(recorded) else { return BTreeMap::new() };
        fields
    }
}

/// The rules of `lease.idle`.
pub(crate) fn check_idle(lease: &Value, lease_path: &Path, problems: &mut Vec<Problem>) {
    let (idle, path) = (lease.get("idle"), lease_path.key("idle"));
    check_after(idle.get("after"), lease.get("ttl"), &path.key("after"), problems);
    for (index, name) in items(idle.get("processes")) {
        let path = path.key("processes").index(index);
        match name.as_str() {
            Some("") => problems.push(Problem::new(&path, "a process has a name", "Write it as `ps -e` shows it, such as \"jupyter-lab\"")),
            Some(name) if name.contains(['/', '\0']) => {
                let help = "Write its name alone, as `ps -e` shows it, such as \"jupyter-lab\"";
                problems.push(Problem::new(&path, format!("{name:?} is not a process's name"), help));
            }
            _ => {}
        }
    }
    for (index, port) in items(idle.get("ports")) {
        if let Value::Int(port) = port
            && !PORTS.contains(port)
        {
            let path = path.key("ports").index(index);
            // One below 0 has been found already; this says more.
            problems.retain(|problem| problem.path != path);
            let help = format!("Write a number from {} to {}", PORTS.start(), PORTS.end());
            problems.push(Problem::new(&path, format!("{port} is not a TCP port"), help));
        }
    }
    if let Value::Int(percent) = idle.get("gpu_percent")
        && *percent > GPU_PERCENT_MAX
    {
        let help = format!("Write {GPU_PERCENT_MAX} or less; {GPU_PERCENT_MAX} leaves GPUs out of account");
        problems.push(Problem::new(&path.key("gpu_percent"), format!("{percent} % is more than all of a GPU"), help));
    }
}

fn check_after(after: &Value, ttl: &Value, path: &Path, problems: &mut Vec<Problem>) {
    let Some((written, after)) = after.as_str().and_then(|text| Some((text, Seconds::parse(text)?))) else { return };
    let ttl = match ttl {
        // What the lease is if nothing is said of it.
        Value::Null => LeaseSpec::read(&Value::Map(BTreeMap::new()), path, &mut Vec::new()).map(|lease| lease.ttl),
        ttl => ttl.as_str().and_then(Seconds::parse),
    };
    if after < AFTER_MIN {
        let help = format!("Write {AFTER_MIN} or more");
        problems.push(Problem::new(path, format!("{written:?} is too short to tell idleness from a pause, {AFTER_MIN} is not"), help));
    } else if let Some(ttl) = ttl.filter(|ttl| after > *ttl) {
        let help = format!("Write {ttl} or less, or a longer lease.ttl");
        problems.push(Problem::new(path, format!("{written:?} is longer than the lease itself, {ttl}"), help));
    }
}

fn items(list: &Value) -> impl Iterator<Item = (usize, &Value)> {
    let items = match list {
        Value::List(items) => items.as_slice(),
        _ => &[],
    };
    items.iter().enumerate()
}

/// That a machine was idle: for how long, and what was looked at.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Idleness {
    /// When something last happened on it.
    pub since: Timestamp,
    /// Every signal, each of them quiet.
    pub signals: Vec<Signal>,
}

/// What a signal said, and what it would have had to say.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// What was looked at, such as `cpu`.
    pub name: String,
    /// What was found, such as `at most 0.3 % of a core`.
    pub found: String,
    /// What would have been work, such as `above 10 %`.
    pub busy: String,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} (busy {})", self.name, self.found, self.busy)
    }
}

impl fmt::Display for Idleness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "idle since {}", self.since)?;
        for (place, signal) in self.signals.iter().enumerate() {
            write!(f, "{} {signal}", if place == 0 { ":" } else { "," })?;
        }
        Ok(())
    }
}
