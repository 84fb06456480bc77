//! Weather in which one call in so many fails, by a mix that stands in a file.

use std::sync::LazyLock;

use spawn_core::classes::class_of;
use spawn_model::error::{Class, Error};

/// The mix, a line a fault.
const MIX: &str = include_str!("storm.tsv");

/// Calls that `engine/aws` makes once: repeating them is the engine's own business. All others it makes up to four times.
const ONCE: &[&str] = &[
    "ec2:CreateSecurityGroup",
    "ec2:RunInstances",
    "iam:CreateInstanceProfile",
    "iam:CreatePolicy",
    "iam:CreateRole",
    "logs:CreateLogGroup",
    "s3:CreateBucket",
    "route53:ChangeResourceRecordSets",
    "s3:PutObject conditional",
    "scheduler:CreateSchedule",
    "scheduler:CreateScheduleGroup",
    "ssm:CreateDocument",
];

/// How often `engine/aws` makes a call that may be repeated (`ATTEMPTS` there).
const ATTEMPTS: u32 = 4;

/// A fault of the mix.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    share: u64,
    calls: &'static str,
    code: &'static str,
    status: u16,
    /// Whether the call does its work all the same.
    pub(crate) done: bool,
    /// Whether the same call can go well later.
    pub(crate) mends: bool,
}

static FAULTS: LazyLock<Vec<Fault>> = LazyLock::new(|| {
    let lines = MIX.lines().filter(|line| !line.starts_with('#')).skip(1);
    lines
        .map(|line| {
            let [share, calls, code, status, when, mends] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line:?}") };
            Fault {
                share: share.parse().unwrap(),
                calls,
                code,
                status: status.parse().unwrap(),
                done: when != "before",
                mends: mends == "yes",
            }
        })
        .collect()
});

/// The codes of the mix that no retry can mend.
pub(crate) fn unmendable() -> impl Iterator<Item = &'static str> {
    FAULTS.iter().filter(|fault| !fault.mends).map(|fault| fault.code)
}

impl Fault {
    /// How `engine/aws` tells it of a call.
    pub(crate) fn error(&self, call: &str) -> Error {
        if self.status == 0 {
            return Error::new(Class::Ambiguous, self.code, format!("{call} was sent, but nobody answered"), "");
        }
        let class = match class_of(Some(self.code), self.status) {
            Class::Transient if ONCE.contains(&call) && matches!(self.status, 500 | 502 | 504) => Class::Ambiguous,
            class => class,
        };
        Error::new(class, self.code, format!("{call} failed in the storm"), "")
    }
}

/// A storm, from its seed.
pub(crate) struct Storm {
    dice: u64,
    /// One call in so many fails.
    one_in: u64,
    /// How many calls failed.
    pub(crate) faults: u64,
}

impl Storm {
    pub(crate) fn new(seed: u64, one_in: u64) -> Self {
        Self { dice: (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, one_in, faults: 0 }
    }

    fn below(&mut self, sides: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 11) % sides
    }

    /// What goes wrong with one attempt of a call, if anything.
    fn strike(&mut self, call: &str) -> Option<Fault> {
        if self.below(self.one_in) != 0 {
            return None;
        }
        let fitting: Vec<&Fault> = FAULTS.iter().filter(|fault| call.starts_with(fault.calls)).collect();
        let mut drawn = self.below(fitting.iter().map(|fault| fault.share).sum());
        let fault = fitting.into_iter().find(|fault| {
            let here = drawn < fault.share;
            drawn = drawn.saturating_sub(fault.share);
            here
        });
        self.faults += 1;
        fault.cloned()
    }

    /// What is left of the storm once `engine/aws` has repeated what it may: the attempts that were made, and the fault it gives
    /// up with.
    pub(crate) fn call(&mut self, call: &str) -> (u32, Option<Fault>) {
        let attempts_max = if ONCE.contains(&call) { 1 } else { ATTEMPTS };
        for attempt in 1..=attempts_max {
            let Some(fault) = self.strike(call) else { return (attempt, None) };
            if attempt == attempts_max || !fault.mends {
                return (attempt, Some(fault));
            }
        }
        unreachable!("the last attempt returns")
    }
}
