//! Schedules: fleets that are launched again and again, by the clock.

mod cron;
mod history;
mod rules;
mod timing;

use std::sync::LazyLock;

use crate::duration::Seconds;
use crate::field::{Change, Field, Kind, Presence};
use crate::read::fields;
use crate::spec::{FleetKind, FleetSpec};
use crate::words::words;

pub use cron::{Cron, NoCron};
pub use history::{HISTORY_MAX, History, Occurrence, Outcome, ScheduleRecord, ScheduleReport, ScheduleStatus, ScheduleTimeouts, Start};
pub use rules::{START_SIZE_MAX, read_schedule};
pub use timing::Timing;

/// What a schedule can launch. What lives as long as its lease and is replaced needs nobody to launch it again.
pub const KINDS: [FleetKind; 3] = [FleetKind::Instance, FleetKind::JobArray, FleetKind::Queue];

words! {
    /// What becomes of a start whose predecessor still runs.
    pub enum Overlap, "no way to meet a run that still goes on" {
        /// It is left out.
        Skip = "skip",
        /// The one that runs is ended first.
        Replace = "replace",
    }
}

fields! {
    /// When a schedule starts its runs.
    pub struct TimingSpec {
        /// When, as crontab has it: minute, hour, day of month, month and day of week, such as `"30 2 * * MON-FRI"`, or a word such as `@daily`.
        /// A time that daylight saving skips does not come on that day; one that comes twice counts once.
        cron: Option<String> => Optional, InPlace;
        /// Or how often, in whole minutes, such as `"6h"`: first at `start`, or so long after the schedule's times are written. A run that lives as
        /// long as that still goes on at the next start: see `overlap`.
        rate: Option<Seconds> => Optional, InPlace;
        /// Or once, at a time of `timezone`, such as `"2027-01-05T08:00:00"`.
        at: Option<String> => Optional, InPlace;
        /// Where `cron`, `at`, `start` and `end` are read: a time zone such as `"Europe/Berlin"`.
        timezone: String => Default("\"UTC\""), InPlace;
        /// What becomes of a start whose predecessor still runs: `skip` leaves it out, and `replace` ends the one that runs first.
        overlap: Overlap => Default("\"skip\""), InPlace;
        /// The first moment at which it starts anything, such as `"2027-01-05T00:00:00"`. Left out: at once.
        start: Option<String> => Optional, InPlace;
        /// After it nothing is started. Left out: it goes on until it is destroyed.
        end: Option<String> => Optional, InPlace;
        /// After how many starts there are no more, at most 10000, those counted that were left out: it becomes a date when the schedule is made, and again when
        /// its times change.
        max_runs: Option<u32> => Optional, InPlace;
        /// How late a start may be, from `1m` to `24h`: one that AWS could not make until then is left out, and told as `missed`.
        start_within: Seconds => Default("\"1h\""), InPlace;
        /// Whether it starts anything. `false` pauses it: what would have started meanwhile is left out.
        enabled: bool => Default("true"), InPlace;
    }
}

impl TimingSpec {
    /// Whether another one comes at the same times, whatever it does with them.
    #[must_use]
    pub fn has_times_of(&self, other: &Self) -> bool {
        let times = |timing: &Self| {
            let Self { cron, rate, at, timezone, start, end, max_runs, .. } = timing.clone();
            (cron, rate, at, timezone, start, end, max_runs)
        };
        times(self) == times(other)
    }
}

/// A schedule: a fleet, and when it is launched.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleSpec {
    /// What is launched: an instance, a job array or a queue.
    pub kind: FleetKind,
    /// The fleet of every run, with the schedule's name.
    pub fleet: FleetSpec,
    /// When.
    pub timing: TimingSpec,
}

/// Fields of a fleet that a schedule's has not: what it is called the schedule says, and there is nobody who waits for it.
const NOT_OF_SCHEDULES: [&str; 3] = ["name", "wait_for", "triggers"];

/// What is made with the schedule and not changed by a start: where its role and group are, and what they allow. Another one takes another schedule.
const MADE_ONCE: [&str; 4] = ["network", "placement", "policies", "connect"];

static INSTANCE: LazyLock<Vec<Field>> = LazyLock::new(|| fleet_fields(FleetKind::Instance));
static JOB_ARRAY: LazyLock<Vec<Field>> = LazyLock::new(|| fleet_fields(FleetKind::JobArray));
static QUEUE: LazyLock<Vec<Field>> = LazyLock::new(|| fleet_fields(FleetKind::Queue));

/// What takes effect on the next run changes in place, whatever it takes of a fleet that runs.
fn fleet_fields(kind: FleetKind) -> Vec<Field> {
    let fields = kind.fields().filter(|field| !NOT_OF_SCHEDULES.contains(&field.name));
    fields.map(|field| if MADE_ONCE.contains(&field.name) { Field { change: Change::Replace, ..field } } else { in_place(field) }).collect()
}

/// A field that changes in place, and all within it. Made once for each kind of fleet, and never given back.
fn in_place(field: Field) -> Field {
    Field { change: Change::InPlace, kind: within(field.kind), ..field }
}

fn within(kind: Kind) -> Kind {
    match kind {
        Kind::Object(fields) => Kind::Object(fields.iter().copied().map(in_place).collect::<Vec<_>>().leak()),
        Kind::List(inner) => Kind::List(Box::leak(Box::new(within(*inner)))),
        Kind::Map(inner) => Kind::Map(Box::leak(Box::new(within(*inner)))),
        plain => plain,
    }
}

impl ScheduleSpec {
    /// The fields of the fleet that a schedule launches.
    #[must_use]
    pub fn fleet_fields(kind: FleetKind) -> &'static [Field] {
        match kind {
            FleetKind::Instance => &INSTANCE,
            FleetKind::Queue => &QUEUE,
            FleetKind::JobArray | FleetKind::Service => &JOB_ARRAY,
        }
    }

    /// The first field, if any, in which this takes another schedule than one of a kind and a fleet.
    #[must_use]
    pub fn takes_another_than(&self, kind: FleetKind, fleet: &FleetSpec) -> Option<&'static str> {
        let same = [
            ("kind", self.kind == kind),
            ("name", self.fleet.name == fleet.name),
            ("network", self.fleet.network == fleet.network),
            ("placement", self.fleet.placement == fleet.placement),
            ("policies", self.fleet.policies == fleet.policies),
            ("connect", self.fleet.connect == fleet.connect),
        ];
        same.into_iter().find(|(_, same)| !same).map(|(field, _)| field)
    }

    /// The fields of a schedule but its fleet, in the order in which people read them.
    pub fn own_fields() -> impl Iterator<Item = Field> {
        FleetSpec::FIELDS.iter().filter(|field| field.name == "name").chain(TimingSpec::FIELDS).copied()
    }

    /// The declaration of one of the fleets, of which one is written.
    #[must_use]
    pub fn fleet_field(kind: FleetKind) -> Field {
        let doc = match kind {
            FleetKind::Instance => "What is launched: an instance, with the fields of `spawn_instance`.",
            FleetKind::Queue => "Or a queue, with the fields of `spawn_queue`.",
            FleetKind::JobArray | FleetKind::Service => "Or a job array, with the fields of `spawn_job_array`.",
        };
        let fields = Kind::Object(Self::fleet_fields(kind));
        Field { name: kind.word(), doc, kind: fields, presence: Presence::Optional, change: Change::InPlace, sensitive: false }
    }
}
