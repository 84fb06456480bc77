//! The rules of a schedule.

use jiff::tz::TimeZone;

use super::cron::once;
use super::timing::read_time;
use super::{Cron, KINDS, NOT_OF_SCHEDULES, NoCron, ScheduleSpec, TimingSpec};
use crate::duration::Seconds;
use crate::problem::{Path, Problem, Step};
use crate::read::{FieldType, object_entries};
use crate::rules::read_spec;
use crate::spec::{FleetKind, FleetSpec};
use crate::value::Value;

/// The most instances that one start can launch: EC2 lets about three a second through (2 a second after the first 1,000, by its published
/// limits), and a function lives a quarter of an hour.
pub const START_SIZE_MAX: u32 = 2_600;
/// The most starts that `max_runs` can count.
pub(super) const RUNS_MAX: i64 = 10_000;
/// What Scheduler takes as an interval, in minutes: a year.
const RATE_MAX: Seconds = Seconds(365 * 86_400);
const LATE_MIN: Seconds = Seconds(60);
const LATE_MAX: Seconds = Seconds(86_400);

/// Reads and checks a schedule. What is unknown yet is not judged, and then there is no schedule.
pub fn read_schedule(value: &Value) -> (Option<ScheduleSpec>, Vec<Problem>) {
    let mut problems = Vec::new();
    let root = Path::default();
    let known: Vec<_> = ScheduleSpec::own_fields().chain(KINDS.map(ScheduleSpec::fleet_field)).collect();
    let Some(entries) = object_entries(value, &known, &root, &mut problems) else { return (None, problems) };
    let own = entries.iter().filter(|(key, _)| TimingSpec::FIELDS.iter().any(|field| field.name == *key));
    let own = Value::Map(own.map(|(key, value)| (key.clone(), value.clone())).collect());
    let timing = TimingSpec::read(&own, &root, &mut problems);
    check_timing(&own, &root, &mut problems);
    let fleet = read_fleet(value, &mut problems);
    let spec = timing.zip(fleet).map(|(timing, (kind, fleet))| ScheduleSpec { kind, fleet, timing });
    (spec.filter(|_| problems.is_empty()), problems)
}

/// The one fleet that is written.
fn read_fleet(value: &Value, problems: &mut Vec<Problem>) -> Option<(FleetKind, FleetSpec)> {
    if KINDS.into_iter().any(|kind| matches!(value.get(kind.word()), Value::Unknown)) {
        // It may turn out to be nothing.
        return None;
    }
    let written: Vec<FleetKind> = KINDS.into_iter().filter(|kind| !value.get(kind.word()).is_null()).collect();
    let &[kind] = written.as_slice() else {
        let names = KINDS.map(|kind| format!("{:?}", kind.word()));
        let message = match written.len() {
            0 => "a schedule launches something, and nothing is written".to_owned(),
            count => format!("a schedule launches one thing, and {count} are written"),
        };
        let path = Path::field(written.first().map_or("job_array", |kind| kind.word()));
        problems.push(Problem::new(&path, message, format!("Write one of {}", names.join(", "))));
        return None;
    };
    let path = Path::field(kind.word());
    let fleet = match value.get(kind.word()) {
        Value::Map(entries) => {
            for name in NOT_OF_SCHEDULES.into_iter().filter(|name| entries.get(*name).is_some_and(|value| !value.is_null())) {
                let why = match name {
                    "name" => "the runs of a schedule have its name",
                    "wait_for" => "nobody waits for the runs of a schedule",
                    _ => "a schedule runs when its times come",
                };
                problems.push(Problem::new(&path.key(name), why, format!("Leave {name} out")));
            }
            let mut entries = entries.clone();
            entries.retain(|name, _| !NOT_OF_SCHEDULES.contains(&name.as_str()));
            entries.insert("name".to_owned(), value.get("name").clone());
            Value::Map(entries)
        }
        other => other.clone(),
    };
    let (spec, broken) = read_spec(kind, &fleet);
    let is_own = |problem: &Problem| matches!(problem.path.0.first(), Some(Step::Key(key)) if key == "name");
    problems.extend(broken.into_iter().map(|problem| {
        if is_own(&problem) {
            return problem;
        }
        let steps = path.0.iter().chain(&problem.path.0).cloned().collect();
        Problem { path: Path(steps), ..problem }
    }));
    check_fleet(&fleet, kind, &path, problems);
    spec.map(|spec| (kind, spec))
}

/// What a fleet can be that somebody launches, and not one that a function does.
fn check_fleet(fleet: &Value, kind: FleetKind, path: &Path, problems: &mut Vec<Problem>) {
    if let (FleetKind::JobArray, Value::Int(size)) = (kind, fleet.get("size"))
        && *size > i64::from(START_SIZE_MAX)
    {
        let message = format!("{size} instances cannot be started in the quarter of an hour that a function lives");
        let help = format!("Write a size of at most {START_SIZE_MAX}, or make several schedules");
        problems.push(Problem::new(&path.key("size"), message, help));
    }
    let path_of = |field: &str| path.key(field);
    if matches!(fleet.get("network").get("security_groups"), Value::List(groups) if !groups.is_empty()) {
        let help = "Leave them out: the members of a fleet reach each other, and people reach them with `spawn connect`";
        let path = path_of("network").key("security_groups");
        problems.push(Problem::new(&path, "what starts runs may use no security group but the fleet's own", help));
    }
    if matches!(fleet.get("dns"), Value::Map(_)) {
        let help = "Leave dns out; members find each other by their addresses";
        problems.push(Problem::new(&path_of("dns"), "what starts runs may write no names", help));
    }
    if fleet.get("ami").as_str().is_some_and(|ami| ami.starts_with("ssm:") && !ami.starts_with("ssm:/aws/service/")) {
        let help = "Name the image by its id, or by one of the names that are published, such as \"al2023\"";
        problems.push(Problem::new(&path_of("ami"), "what starts runs may read no parameter but Amazon's own", help));
    }
    let volumes = match fleet.get("volumes") {
        Value::Map(volumes) => volumes.iter().map(|(device, volume)| (path_of("volumes").key(device), volume)).collect(),
        _ => Vec::new(),
    };
    for (path, volume) in [(path_of("root_volume"), fleet.get("root_volume"))].into_iter().chain(volumes) {
        if volume.get("kms_key").as_str().is_some() {
            let help = "Leave kms_key out: volumes are encrypted with the account's default key for EBS";
            problems.push(Problem::new(&path.key("kms_key"), "what starts runs may use no key of your own", help));
        }
    }
    for field in ["on_expiry", "on_idle"] {
        if fleet.get("lease").get(field).as_str().is_some_and(|end| end != "terminate") {
            let why = "the next run of a schedule is launched anew, and nothing is kept of this one";
            problems.push(Problem::new(&path.key("lease").key(field), why, format!("Leave {field} out")));
        }
    }
}

fn check_timing(value: &Value, root: &Path, problems: &mut Vec<Problem>) {
    let is_unknown = |name: &str| matches!(value.get(name), Value::Unknown);
    let whens = ["cron", "rate", "at"];
    let written: Vec<&str> = whens.into_iter().filter(|name| !value.get(name).is_null()).collect();
    if written.len() != 1 && !whens.into_iter().any(is_unknown) {
        let message = if written.is_empty() { "a schedule has a time" } else { "a schedule has one kind of time" };
        let path = root.key(written.last().copied().unwrap_or("cron"));
        problems.push(Problem::new(&path, message, "Write one of \"cron\", \"rate\" and \"at\""));
    }
    if let Some(text) = value.get("cron").as_str()
        && let Err(NoCron { message, help }) = Cron::parse(text)
    {
        problems.push(Problem::new(&root.key("cron"), message, help));
    }
    if let Some(rate) = value.get("rate").as_str().and_then(Seconds::parse)
        && (rate.0 == 0 || !rate.0.is_multiple_of(60) || rate > RATE_MAX)
    {
        let help = format!("Write whole minutes, from \"1m\" to \"{RATE_MAX}\"");
        problems.push(Problem::new(&root.key("rate"), format!("{rate} is no interval of a schedule"), help));
    }
    let zone = match value.get("timezone") {
        Value::String(name) => check_zone(name, root, problems),
        Value::Unknown => None,
        _ => Some(TimeZone::UTC),
    };
    let moments = ["at", "start", "end"].map(|name| check_time(value, name, zone.as_ref(), root, problems));
    if let [_, Some(start), Some(end)] = moments
        && end < start
    {
        problems.push(Problem::new(&root.key("end"), "is before start", "Write a later one, or leave it out"));
    }
    if value.get("at").as_str().is_some() {
        for name in ["start", "end", "max_runs"].into_iter().filter(|name| value.get(name).is_written()) {
            problems.push(Problem::new(&root.key(name), "what starts once needs no bounds", format!("Leave {name} or at out")));
        }
    }
    if let Value::Int(runs) = value.get("max_runs")
        && !(1..=RUNS_MAX).contains(runs)
    {
        let path = root.key("max_runs");
        problems.retain(|problem| problem.path != path);
        let help = format!("Write a number from 1 to {RUNS_MAX}, or leave it out");
        problems.push(Problem::new(&path, format!("{runs} starts are not possible"), help));
    }
    if let Some(late) = value.get("start_within").as_str().and_then(Seconds::parse)
        && !(LATE_MIN..=LATE_MAX).contains(&late)
    {
        let message = format!("AWS cannot try for {late} to make a start");
        problems.push(Problem::new(&root.key("start_within"), message, format!("Write {LATE_MIN} to {LATE_MAX}")));
    }
}

fn check_zone(name: &str, root: &Path, problems: &mut Vec<Problem>) -> Option<TimeZone> {
    // Scheduler knows a zone by its name alone, upper and lower case.
    let found = TimeZone::get(name).ok().filter(|zone| zone.iana_name() == Some(name));
    if found.is_none() {
        let help = "Write one of the IANA database, such as \"Europe/Berlin\", \"America/New_York\" or \"UTC\"";
        problems.push(Problem::new(&root.key("timezone"), format!("{name:?} is no time zone"), help));
    }
    found
}

fn check_time(value: &Value, name: &str, zone: Option<&TimeZone>, root: &Path, problems: &mut Vec<Problem>) -> Option<jiff::Timestamp> {
    let text = value.get(name).as_str()?;
    let path = root.key(name);
    let Some(at) = read_time(text) else {
        let help = "Write it to the minute and without an offset, such as \"2027-01-05T08:00:00\"; timezone says where";
        problems.push(Problem::new(&path, format!("{text:?} is no time of a wall clock"), help));
        return None;
    };
    let zone = zone?;
    let found = once(at, zone);
    if found.is_none() {
        let message = format!("{text:?} does not come in {}: daylight saving skips it", zone.iana_name().unwrap_or("this time zone"));
        problems.push(Problem::new(&path, message, "Write an hour more, or another time zone"));
    }
    found
}
