//! What the reaper found and did, as people and programs read it.

use jiff::Timestamp;
use serde::Serialize;
use spawn_core::reap::{Overdue, OverdueGroup, Reaped, Removed, Told, Why};
use spawn_model::rules::TTL_DEFAULT;
use spawn_model::status::Seen;

use super::table::{NOTHING, table};
use super::time;

/// What was reaped in all regions.
#[derive(Serialize)]
pub(crate) struct ReapView {
    dry_run: bool,
    regions: Vec<RegionView>,
    #[serde(skip)]
    now: Timestamp,
}

#[derive(Serialize)]
struct RegionView {
    region: String,
    /// The Auto Scaling groups of services that were deleted, or would be.
    groups: Vec<GroupView>,
    /// Those that were ended, or would be.
    instances: Vec<InstanceView>,
    /// Those that were removed, or would be.
    fleets: Vec<FleetView>,
    /// How many instances live within their lease.
    living: usize,
}

#[derive(Serialize)]
struct GroupView {
    id: String,
    fleet: Option<String>,
    name: Option<String>,
    deadline: Timestamp,
    deadline_by: Told,
}

#[derive(Serialize)]
struct InstanceView {
    id: String,
    fleet: Option<String>,
    name: Option<String>,
    state: &'static str,
    deadline: Timestamp,
    /// What says so: `lease`, `tag` or `default`.
    deadline_by: Told,
}

#[derive(Serialize)]
struct FleetView {
    id: String,
    name: Option<String>,
    why: Why,
    /// Null if nothing is recorded of it.
    leased_until: Option<Timestamp>,
}

impl ReapView {
    pub(crate) fn new(reaped: &[Reaped], dry_run: bool, now: Timestamp) -> Self {
        let region = |reaped: &Reaped| RegionView {
            region: reaped.region.clone(),
            groups: reaped.groups.iter().map(GroupView::new).collect(),
            instances: reaped.instances.iter().map(InstanceView::new).collect(),
            fleets: reaped.fleets.iter().map(FleetView::new).collect(),
            living: reaped.living,
        };
        Self { dry_run, regions: reaped.iter().map(region).collect(), now }
    }

    /// What was looked at, in a line.
    pub(crate) fn summary(&self) -> String {
        let count = |one: fn(&RegionView) -> usize| self.regions.iter().map(one).sum::<usize>();
        let verb = if self.dry_run { "would be " } else { "" };
        let groups = match count(|region| region.groups.len()) {
            0 => String::new(),
            groups => format!("{} {verb}deleted, ", counted(groups, "group")),
        };
        format!(
            "{}: {groups}{} {verb}ended, {} {verb}removed; {} within their lease",
            counted(self.regions.len(), "region"),
            counted(count(|region| region.instances.len()), "instance"),
            counted(count(|region| region.fleets.len()), "fleet"),
            counted(count(|region| region.living), "instance"),
        )
    }

    /// For people: a line for each thing that is no more; nothing if there is none.
    pub(crate) fn text(&self) -> String {
        let done = |what: &str| if self.dry_run { format!("would be {what}") } else { what.to_owned() };
        let (deleted, ended, removed) = (&done("deleted"), &done("ended"), &done("removed"));
        let rows: Vec<Vec<String>> = self
            .regions
            .iter()
            .flat_map(|region| {
                let row = |id: &str, name: &Option<String>, done: &str, why: String| {
                    let name = name.clone().unwrap_or_else(|| NOTHING.to_owned());
                    vec![region.region.clone(), id.to_owned(), name, done.to_owned(), why]
                };
                let groups = region.groups.iter().map(move |one| row(&one.id, &one.name, deleted, one.why(self.now)));
                let instances = region.instances.iter().map(move |one| row(&one.id, &one.name, ended, one.why(self.now)));
                groups.chain(instances).chain(region.fleets.iter().map(move |one| row(&one.id, &one.name, removed, one.why(self.now))))
            })
            .collect();
        if rows.is_empty() { String::new() } else { table(&["REGION", "ID", "NAME", "WHAT", "WHY"], rows) }
    }
}

impl GroupView {
    fn new(overdue: &OverdueGroup) -> Self {
        Self {
            id: overdue.group.clone(),
            fleet: overdue.fleet.as_ref().map(ToString::to_string),
            name: overdue.name.clone(),
            deadline: overdue.deadline,
            deadline_by: overdue.told,
        }
    }

    fn why(&self, now: Timestamp) -> String {
        over(self.deadline, self.deadline_by, "it was made", now)
    }
}

impl InstanceView {
    fn new(overdue: &Overdue) -> Self {
        Self {
            id: overdue.id.to_string(),
            fleet: overdue.fleet.as_ref().map(ToString::to_string),
            name: overdue.name.clone(),
            state: match overdue.seen {
                Seen::Pending => "pending",
                Seen::Running => "running",
                Seen::Stopped => "stopped",
                Seen::Hibernated => "hibernated",
                Seen::Gone => "gone",
            },
            deadline: overdue.deadline,
            deadline_by: overdue.told,
        }
    }

    fn why(&self, now: Timestamp) -> String {
        let what = over(self.deadline, self.deadline_by, "its launch", now);
        if self.state == "stopped" { format!("stopped; {what}") } else { what }
    }
}

impl FleetView {
    fn new(removed: &Removed) -> Self {
        Self { id: removed.fleet.to_string(), name: removed.name.clone(), why: removed.why, leased_until: removed.leased_until }
    }

    fn why(&self, now: Timestamp) -> String {
        let over = self.leased_until.map_or_else(String::new, |at| format!("its lease ended at {}", time::deadline(at, now)));
        match self.why {
            Why::EndBegun => "somebody had begun to end it".to_owned(),
            Why::LeaseOver => over,
            Why::NeverKept => format!("its launcher died, and {over}"),
            Why::Unrecorded => "nothing is recorded of it".to_owned(),
        }
    }
}

/// That something is past its lease, and what says so.
fn over(deadline: Timestamp, told: Told, began: &str, now: Timestamp) -> String {
    let ended = time::deadline(deadline, now);
    match told {
        Told::Lease => format!("its lease ended at {ended}"),
        Told::Tag => format!("by its tag, its lease ended at {ended}"),
        Told::Default => format!("no deadline can be read, and {TTL_DEFAULT} after {began} was {ended}"),
    }
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use spawn_model::error::{Class, Error};
    use spawn_model::ids::{FleetId, InstanceId};

    use super::*;
    use crate::output::{Failure, with_errors};

    fn at(text: &str) -> Timestamp {
        format!("2026-11-23T{text}Z").parse().expect("a time")
    }

    fn reaped() -> Vec<Reaped> {
        let instance = |n: u8, name: Option<&str>, seen, told| Overdue {
            id: InstanceId(format!("i-0000000000000000{n}")),
            fleet: name.map(|_| FleetId::from_random([n; 8])),
            name: name.map(str::to_owned),
            seen,
            deadline: at("12:20:00"),
            told,
        };
        let fleet = |n: u8, name: Option<&str>, why| Removed {
            fleet: FleetId::from_random([n; 8]),
            name: name.map(str::to_owned),
            why,
            leased_until: (why != Why::Unrecorded).then(|| at("12:20:00")),
        };
        let group = |n: u8, name: Option<&str>, told| OverdueGroup {
            group: format!("spawn-run-{}", format!("{n:02}").repeat(8)),
            fleet: name.map(|_| FleetId::from_random([n; 8])),
            name: name.map(str::to_owned),
            deadline: at("12:20:00"),
            told,
        };
        let denied = Error::new(Class::Denied, "UnauthorizedOperation", "sa-east-1: ec2:DescribeInstances is missing", "Allow it");
        vec![
            Reaped {
                region: "eu-west-1".into(),
                groups: vec![group(5, Some("web"), Told::Lease), group(6, None, Told::Default)],
                instances: vec![
                    instance(1, Some("tiles"), Seen::Running, Told::Lease),
                    instance(2, Some("worker"), Seen::Stopped, Told::Tag),
                    instance(3, None, Seen::Pending, Told::Default),
                ],
                fleets: Vec::new(),
                living: 4,
                errors: Vec::new(),
            },
            Reaped {
                region: "sa-east-1".into(),
                groups: Vec::new(),
                instances: Vec::new(),
                fleets: Vec::new(),
                living: 0,
                errors: vec![denied],
            },
            Reaped {
                region: "us-east-1".into(),
                groups: Vec::new(),
                instances: Vec::new(),
                fleets: vec![
                    fleet(1, Some("tiles"), Why::LeaseOver),
                    fleet(2, Some("worker"), Why::NeverKept),
                    fleet(3, Some("gone"), Why::EndBegun),
                    fleet(4, None, Why::Unrecorded),
                ],
                living: 1,
                errors: Vec::new(),
            },
        ]
    }

    #[test]
    fn what_was_reaped_is_told_with_why() {
        for (name, dry_run) in [("reaped", false), ("reaped-dry-run", true)] {
            let view = ReapView::new(&reaped(), dry_run, at("12:25:00"));
            insta::assert_snapshot!(name, format!("{}\n{}", view.text(), view.summary()));
        }
        assert_eq!(ReapView::new(&reaped()[1..2], false, at("12:25:00")).text(), "");
    }

    #[test]
    fn programs_read_what_was_done_and_what_failed_in_one_document() {
        let errors = reaped().into_iter().flat_map(|reaped| reaped.errors).collect();
        let view = ReapView::new(&reaped(), false, at("12:25:00"));
        insta::assert_json_snapshot!("reaped-json", with_errors(&view, &Failure::several(errors)).expect("JSON"));
    }
}
