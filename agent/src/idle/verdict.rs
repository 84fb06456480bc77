//! What two looks say about the time between them: whether the machine was idle, since when it has been so, and why.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use spawn_model::idle::{IdleSpec, Idleness, Signal};

use super::look::{Look, Seen};
use super::{counters, cpu, terminals};

/// Between looks that are farther apart nobody has watched: the machine was asleep, or had no time for the agent.
const UNWATCHED_AFTER: Duration = Duration::from_secs(60);
/// Two looks are never closer, for the sake of what is divided by it.
const CLOSEST: Duration = Duration::from_millis(1);

/// What a signal says about the time between two looks.
#[derive(Clone, Debug, PartialEq)]
enum Reading {
    /// So much a second, or so much of all. Busy is what lies above the limit.
    Rate { name: &'static str, value: f64, limit: u32, unit: &'static str },
    /// Whether something is so.
    Fact { name: String, is_so: bool, so: &'static str, not_so: &'static str, busy: &'static str },
    /// It could not be read, which counts as busy.
    Unread { name: String, reason: String },
}

impl Reading {
    fn is_quiet(&self) -> bool {
        match self {
            Self::Rate { value, limit, .. } => *value <= f64::from(*limit),
            Self::Fact { is_so, .. } => !is_so,
            Self::Unread { .. } => false,
        }
    }

    /// The louder of two readings of the same signal.
    fn louder(self, other: &Self) -> Self {
        match (self, other) {
            (Self::Rate { name, value, limit, unit }, Self::Rate { value: other, .. }) => {
                Self::Rate { name, value: value.max(*other), limit, unit }
            }
            (own, _) => own,
        }
    }

    fn signal(&self) -> Signal {
        let most = if self.is_quiet() { "at most " } else { "" };
        let (name, found, busy) = match self {
            Self::Rate { name, value, limit, unit } if *value < 10.0 => {
                ((*name).to_owned(), format!("{most}{value:.1} {unit}"), format!("above {limit} {unit}"))
            }
            Self::Rate { name, value, limit, unit } => {
                ((*name).to_owned(), format!("{most}{value:.0} {unit}"), format!("above {limit} {unit}"))
            }
            Self::Fact { name, is_so, so, not_so, busy } => {
                (name.clone(), (if *is_so { *so } else { *not_so }).to_owned(), (*busy).to_owned())
            }
            Self::Unread { name, .. } => (name.clone(), "not readable".to_owned(), "as long as that is so".to_owned()),
        };
        Signal { name, found, busy }
    }
}

/// What is known at a look.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) is_idle: bool,
    /// Since when it has been idle, or busy, without a break.
    pub(super) since: Timestamp,
    /// For how long.
    pub(super) lasted: Duration,
    /// Why: all that is quiet, or all that is not.
    pub(super) signals: Vec<Signal>,
    /// What could not be read, by signal, and why.
    pub(super) unread: Vec<(String, String)>,
}

impl Verdict {
    /// Whether it has been idle for as long as the rule allows.
    pub(super) fn is_over(&self, rule: &IdleSpec) -> bool {
        self.is_idle && self.lasted >= Duration::from_secs(rule.after.0)
    }

    /// Whether half of that time has passed.
    pub(super) fn is_half_over(&self, rule: &IdleSpec) -> bool {
        self.is_idle && self.lasted >= Duration::from_secs(rule.after.0) / 2
    }

    /// Since when, and why, as the machine's record holds it.
    pub(super) fn idleness(&self) -> Idleness {
        Idleness { since: self.since, signals: self.signals.clone() }
    }

    /// Why, in words.
    pub(super) fn reason(&self) -> String {
        self.signals.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// The looks so far, as far as they matter.
#[derive(Clone, Debug)]
pub(super) struct Course {
    last: Look,
    is_idle: bool,
    /// When it became so.
    since: Duration,
    /// Of each signal the loudest reading since then.
    loudest: Vec<Reading>,
}

impl Course {
    /// Nothing is known before the first look, so nothing counts before it.
    pub(super) fn begin(first: Look) -> Self {
        Self { since: first.moment.steady, last: first, is_idle: true, loudest: Vec::new() }
    }

    /// Judges the time since the last look.
    pub(super) fn judge(&mut self, rule: &IdleSpec, now: Look) -> Verdict {
        let elapsed = now.moment.steady.saturating_sub(self.last.moment.steady);
        let readings = if elapsed > UNWATCHED_AFTER { vec![unwatched()] } else { readings(rule, &self.last, &now, elapsed.max(CLOSEST)) };
        let is_idle = readings.iter().all(Reading::is_quiet);
        if is_idle != self.is_idle {
            (self.is_idle, self.since) = (is_idle, self.last.moment.steady);
            self.loudest.clear();
        }
        let unread = readings.iter().filter_map(|reading| match reading {
            Reading::Unread { name, reason } => Some((name.clone(), reason.clone())),
            _ => None,
        });
        let unread = unread.collect();
        let signals = if is_idle {
            let before = std::mem::take(&mut self.loudest);
            let louder = |(place, reading): (usize, Reading)| match before.get(place) {
                Some(before) => reading.louder(before),
                None => reading,
            };
            self.loudest = readings.into_iter().enumerate().map(louder).collect();
            self.loudest.iter().map(Reading::signal).collect()
        } else {
            readings.iter().filter(|reading| !reading.is_quiet()).map(Reading::signal).collect()
        };
        let lasted = now.moment.steady.saturating_sub(self.since);
        let since = now.moment.wall - SignedDuration::try_from(lasted).unwrap_or(SignedDuration::MAX);
        self.last = now;
        Verdict { is_idle, since: Timestamp::from_second(since.as_second()).unwrap_or(since), lasted, signals, unread }
    }
}

/// Whoever wakes a machine wants it: time that nobody watched is none in which it was idle.
fn unwatched() -> Reading {
    Reading::Fact { name: "machine".to_owned(), is_so: true, so: "asleep", not_so: "awake", busy: "after a time that nobody watched" }
}

/// Every signal that the rule asks for, in the same order each time.
fn readings(rule: &IdleSpec, before: &Look, now: &Look, elapsed: Duration) -> Vec<Reading> {
    let processor = both(&before.cpu, &now.cpu).and_then(|(before, now)| cpu::percent(*before, *now));
    let traffic = both(&before.network, &now.network).map(|(before, now)| counters::rate(before, now, elapsed));
    let use_of_disks = both(&before.disk, &now.disk).map(|(before, now)| counters::rate(before, now, elapsed));
    let mut readings = vec![
        rate("cpu", processor, rule.cpu_percent, "% of a core"),
        rate("network", traffic, rule.network_bytes_per_second, "B/s"),
        rate("disk", use_of_disks, rule.disk_bytes_per_second, "B/s"),
    ];
    match &now.gpu {
        Ok(None) => {}
        Ok(Some(percent)) => readings.push(rate("gpu", Ok(f64::from(*percent)), rule.gpu_percent, "%")),
        Err(reason) => readings.push(rate("gpu", Err(reason.clone()), rule.gpu_percent, "%")),
    }
    readings.push(fact(
        "terminals".to_owned(),
        both(&before.terminals, &now.terminals).map(|(before, now)| terminals::were_used(before, now)),
        ["in use", "not in use", "when somebody types"],
    ));
    for name in &rule.processes {
        let runs = now.processes.as_ref().map(|running| running.contains(name)).map_err(Clone::clone);
        readings.push(fact(format!("process {name}"), runs, ["running", "not running", "as long as it runs"]));
    }
    for port in &rule.ports {
        let is_connected = now.ports.as_ref().map(|connected| connected.contains(port)).map_err(Clone::clone);
        readings.push(fact(format!("port {port}"), is_connected, ["connected", "not connected", "as long as somebody is connected"]));
    }
    readings
}

fn both<'a, T>(before: &'a Seen<T>, now: &'a Seen<T>) -> Result<(&'a T, &'a T), String> {
    match (before, now) {
        (Ok(before), Ok(now)) => Ok((before, now)),
        // What can be read again has still no rate.
        (_, Err(reason)) | (Err(reason), _) => Err(reason.clone()),
    }
}

fn rate(name: &'static str, value: Result<f64, String>, limit: u32, unit: &'static str) -> Reading {
    match value {
        Ok(value) => Reading::Rate { name, value, limit, unit },
        Err(reason) => Reading::Unread { name: name.to_owned(), reason },
    }
}

fn fact(name: String, found: Result<bool, String>, [so, not_so, busy]: [&'static str; 3]) -> Reading {
    match found {
        Ok(is_so) => Reading::Fact { name, is_so, so, not_so, busy },
        Err(reason) => Reading::Unread { name, reason },
    }
}

#[cfg(test)]
mod tests;
