//! Machines over time: what each look found, and what is made of it.

use std::collections::{BTreeMap, BTreeSet};

use spawn_model::problem::Path;
use spawn_model::read::FieldType;

use super::*;
use crate::idle::look::{Moment, Places, at_once};
use crate::idle::{cpu, disk, network};

/// As a user writes it: `after` of ten minutes, one process, one port, every other field by default.
fn rule() -> IdleSpec {
    let value = serde_json::json!({ "after": "10m", "processes": ["jupyter-lab"], "ports": [8888] });
    IdleSpec::read(&value.into(), &Path::default(), &mut Vec::new()).unwrap()
}

fn noon() -> Timestamp {
    "2030-01-02T12:00:00Z".parse().unwrap()
}

/// A machine of two cores on which nothing has happened since it was made.
#[derive(Clone)]
struct Machine {
    /// Seconds since noon.
    at: u64,
    /// How far its clock is off, in seconds.
    clock: i64,
    /// Since boot, in ticks of a hundredth of a second.
    busy: u64,
    waiting: u64,
    network: u64,
    disk: u64,
    gpu: Seen<Option<u32>>,
    typed_at: Option<i64>,
    runs: bool,
    connected: bool,
    broken: Option<&'static str>,
}

impl Machine {
    fn new() -> Self {
        let (busy, waiting, network, disk) = (900_000, 700_000, 1 << 40, 1 << 42);
        let (gpu, typed_at, runs, connected, broken) = (Ok(None), Some(1000), false, false, None);
        Self { at: 0, clock: 0, busy, waiting, network, disk, gpu, typed_at, runs, connected, broken }
    }

    /// What a look finds now.
    fn look(&self) -> Look {
        let idle = 2 * 100 * (1_000_000 + self.at) - self.busy - self.waiting;
        let stat = format!("cpu  {} 0 0 {idle} {} 0 0 0 0 0\ncpu0 0 0\ncpu1 0 0\n", self.busy, self.waiting);
        let interfaces = format!(" ens5: {} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n", self.network);
        let disks = format!(" 259 0 nvme0n1 0 0 0 0 0 0 {} 0 0 0 0\n", self.disk / 512);
        let seen = |name: &str| match self.broken {
            Some(broken) if broken == name => Err(format!("{name}: Permission denied (os error 13)")),
            _ => Ok(()),
        };
        let wall = noon() + SignedDuration::from_secs(i64::try_from(self.at).unwrap() + self.clock);
        Look {
            moment: Moment { wall, steady: Duration::from_secs(5000 + self.at) },
            cpu: seen("stat").and_then(|()| cpu::read(&stat)),
            network: seen("net/dev").and_then(|()| network::read(&interfaces)),
            disk: seen("diskstats").and_then(|()| disk::read(&disks)),
            gpu: self.gpu.clone(),
            terminals: seen("terminals")
                .map(|()| self.typed_at.map(|at| ("pts/0".to_owned(), (at, 0))).into_iter().collect::<BTreeMap<_, _>>()),
            processes: seen("processes").map(|()| self.runs.then(|| "jupyter-lab".to_owned()).into_iter().collect()),
            ports: seen("ports").map(|()| self.connected.then_some(8888).into_iter().collect::<BTreeSet<_>>()),
        }
    }
}

/// What something does to a machine in the 20 seconds that end at `at`.
type Deed = fn(&mut Machine, u64);

/// Looks at a machine every 20 seconds for 15 minutes, while something is done to it, and says what became of it: when the agent
/// would end it, and what the last verdict said.
fn watched(rule: &IdleSpec, deed: Deed) -> (Option<u64>, Verdict) {
    let mut machine = Machine::new();
    let mut course = Course::begin(machine.look());
    let mut last = None;
    while machine.at < 900 {
        machine.at += 20;
        let at = machine.at;
        deed(&mut machine, at);
        let verdict = course.judge(rule, machine.look());
        if verdict.is_over(rule) {
            return (Some(machine.at), verdict);
        }
        last = Some(verdict);
    }
    (None, last.unwrap())
}

fn at_minute_3(at: u64) -> bool {
    (180..200).contains(&at)
}

#[test]
fn what_keeps_a_machine_and_what_does_not() {
    let cases: &[(&str, Deed, Option<u64>)] = &[
        ("nothing", |_, _| {}, Some(600)),
        (
            "background work below each limit",
            |m, _| (m.busy, m.network, m.disk) = (m.busy + 190, m.network + 190_000, m.disk + 1_900_000),
            Some(600),
        ),
        ("a processor", |m, _| m.busy += 210, None),
        ("a processor that waits for its disk", |m, _| m.waiting += 2000, Some(600)),
        ("the network", |m, _| m.network += 210_000, None),
        ("a disk", |m, _| m.disk += 2_100_000, None),
        ("a GPU", |m, _| m.gpu = Ok(Some(6)), None),
        ("a GPU below its limit", |m, _| m.gpu = Ok(Some(5)), Some(600)),
        ("somebody who types", |m, at| m.typed_at = Some(i64::try_from(at).unwrap()), None),
        ("a terminal that nobody touches", |m, _| m.typed_at = Some(1000), Some(600)),
        ("a process", |m, _| m.runs = true, None),
        ("a connection", |m, _| m.connected = true, None),
        (
            "a processor, once",
            |m, at| {
                if at_minute_3(at) {
                    m.busy += 300
                }
            },
            Some(780),
        ),
        (
            "somebody who logs in and leaves",
            |m, at| {
                if at_minute_3(at) {
                    m.typed_at = Some(2000)
                }
            },
            Some(780),
        ),
        (
            "somebody who logs out",
            |m, at| {
                if at_minute_3(at) {
                    m.typed_at = None
                }
            },
            Some(600),
        ),
        (
            "counters that are reset",
            |m, at| {
                if at_minute_3(at) {
                    (m.network, m.disk) = (0, 0)
                }
            },
            Some(600),
        ),
        ("statistics that cannot be read", |m, _| m.broken = Some("stat"), None),
        ("interfaces that cannot be read", |m, _| m.broken = Some("net/dev"), None),
        ("disks that cannot be read", |m, _| m.broken = Some("diskstats"), None),
        ("a GPU that cannot be read", |m, _| m.gpu = Err("nvidia-smi says \"[N/A]\"".into()), None),
        ("terminals that cannot be read", |m, _| m.broken = Some("terminals"), None),
        ("processes that cannot be read", |m, _| m.broken = Some("processes"), None),
        ("ports that cannot be read", |m, _| m.broken = Some("ports"), None),
        // The look that fails, and the next one, which has nothing to compare with.
        ("interfaces that cannot be read once", |m, at| m.broken = at_minute_3(at).then_some("net/dev"), Some(800)),
        (
            "a clock that is put forward by a day",
            |m, at| {
                if at_minute_3(at) {
                    m.clock = 86_400
                }
            },
            Some(600),
        ),
        (
            "a clock that is put back by a day",
            |m, at| {
                if at_minute_3(at) {
                    m.clock = -86_400
                }
            },
            Some(600),
        ),
    ];
    let rule = rule();
    for (what, deed, expected) in cases {
        let (ended, verdict) = watched(&rule, *deed);
        assert_eq!(ended, *expected, "{what}: {verdict:?}");
        assert_eq!(verdict.is_idle, expected.is_some(), "{what}");
    }
}

#[test]
fn a_verdict_says_since_when_and_why() {
    let rule = rule();
    let mut told = String::new();
    let mut tell = |what: &str, deed: Deed| {
        let (_, verdict) = watched(&rule, deed);
        let kind = if verdict.is_idle { "idle" } else { "busy" };
        told += &format!("{what}\n  {kind} since {} ({:?})\n", verdict.since, verdict.lasted);
        for signal in &verdict.signals {
            told += &format!("  {signal}\n");
        }
        for (name, reason) in &verdict.unread {
            told += &format!("  {name} is unread: {reason}\n");
        }
    };
    tell("nothing happens", |_, _| {});
    tell("a little happens in the fifth minute", |m, at| {
        if (300..320).contains(&at) {
            (m.busy, m.network, m.disk, m.gpu) = (m.busy + 25, m.network + 2_000, m.disk + 51_200, Ok(Some(3)));
        }
    });
    tell("much happens at once", |m, at| {
        if at > 120 {
            (m.busy, m.network, m.disk) = (m.busy + 3900, m.network + (1 << 30), m.disk + (1 << 28));
            (m.gpu, m.typed_at, m.runs, m.connected) = (Ok(Some(97)), Some(i64::try_from(at).unwrap()), true, true);
        }
    });
    tell("nothing can be read", |m, _| m.broken = Some("diskstats"));
    tell("the clock was put back", |m, at| m.clock = if at > 300 { -3600 } else { 0 });
    insta::assert_snapshot!("verdicts", told);
}

#[test]
fn time_that_nobody_watched_is_no_idleness() {
    let rule = rule();
    let mut machine = Machine::new();
    let mut course = Course::begin(machine.look());
    for _ in 0..29 {
        machine.at += 20;
        assert!(!course.judge(&rule, machine.look()).is_over(&rule));
    }
    // A moment before its end it is hibernated, for a night.
    machine.at += 8 * 3600;
    let verdict = course.judge(&rule, machine.look());
    assert!(!verdict.is_idle);
    assert_eq!(verdict.reason(), "machine asleep (busy after a time that nobody watched)");
    let woken = machine.at;
    let ended = (0..60).find_map(|_| {
        machine.at += 20;
        course.judge(&rule, machine.look()).is_over(&rule).then_some(machine.at)
    });
    assert_eq!(ended, Some(woken + 600));
}

#[test]
fn looks_that_come_late_do_not_make_rates_larger() {
    let rule = rule();
    let mut machine = Machine::new();
    let mut course = Course::begin(machine.look());
    for seconds in [20, 59, 20, 1] {
        machine.at += seconds;
        (machine.busy, machine.network) = (machine.busy + 9 * seconds, machine.network + 9_000 * seconds);
        let verdict = course.judge(&rule, machine.look());
        assert!(verdict.is_idle, "{seconds} s: {}", verdict.reason());
    }
}

#[test]
fn limits_are_the_users() {
    let deed: Deed = |m, _| (m.busy, m.network, m.gpu) = (m.busy + 1500, m.network + 19_000_000, Ok(Some(50)));
    let lax = IdleSpec { cpu_percent: 75, network_bytes_per_second: 1_000_000, gpu_percent: 50, ..rule() };
    assert_eq!(watched(&lax, deed).0, Some(600));
    for strict in [
        IdleSpec { cpu_percent: 74, ..lax.clone() },
        IdleSpec { network_bytes_per_second: 900_000, ..lax.clone() },
        IdleSpec { gpu_percent: 49, ..lax.clone() },
    ] {
        assert_eq!(watched(&strict, deed).0, None, "{strict:?}");
    }
    let nothing = IdleSpec { cpu_percent: 0, network_bytes_per_second: 0, disk_bytes_per_second: 0, ..rule() };
    assert_eq!(watched(&nothing, |_, _| {}).0, Some(600));
    assert_eq!(watched(&nothing, |m, _| m.network += 1).0, None);
}

/// Machines as kernels told of them, each looked at twice. `fixtures/README.md` says where they are from.
#[test]
fn machines_as_their_kernels_tell() {
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/idle/fixtures");
    let devices = tempfile::tempdir().unwrap();
    for name in ["pts/0", "ttyS0", "tty1"] {
        std::fs::create_dir_all(devices.path().join("pts")).unwrap();
        std::fs::write(devices.path().join(name), "").unwrap();
    }
    let mut told = String::new();
    for machine in ["microvm-compiling", "microvm-writing-back", "nitro-at-rest", "xen-in-use"] {
        let look = |when: &str, at: u64| {
            let places = Places { proc: fixtures.join(machine).join(when), devices: devices.path().to_owned() };
            let moment = Moment { wall: noon(), steady: Duration::from_secs(at) };
            Look { moment, ..at_once(&rule(), &places) }
        };
        let verdict = Course::begin(look("before", 100)).judge(&rule(), look("now", 120));
        told += &format!("{machine}: {}\n", if verdict.is_idle { "idle" } else { "busy" });
        verdict.signals.iter().for_each(|signal| told += &format!("  {signal}\n"));
        assert_eq!(verdict.unread, Vec::new(), "{machine}");
    }
    insta::assert_snapshot!("machines", told);
}

#[test]
fn a_place_with_nothing_in_it_is_no_idle_machine() {
    let nothing = tempfile::tempdir().unwrap();
    let places = Places { proc: nothing.path().to_owned(), devices: nothing.path().to_owned() };
    let mut verdict = Course::begin(at_once(&rule(), &places)).judge(&rule(), at_once(&rule(), &places));
    verdict.unread.iter_mut().for_each(|(_, reason)| *reason = reason.replace(nothing.path().to_str().unwrap(), "/proc"));
    assert!(!verdict.is_idle);
    insta::assert_debug_snapshot!("nothing", verdict.unread);
}
