//! A fleet as people and programs read it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use spawn_core::fleet::Fleet;
use spawn_model::duration::Seconds;
use spawn_model::idle::IdleSpec;
use spawn_model::queue::JobReport;
use spawn_model::spec::{FleetKind, FleetReport, Member};
use spawn_model::status::Status;

use super::table::{NOTHING, labelled, table};
use super::{money, time};

/// A fleet, whole: what `status` and `up` show. As JSON, every field of the report stands at the top.
#[derive(Debug, Serialize)]
pub(crate) struct FleetView {
    name: String,
    kind: FleetKind,
    size: u32,
    #[serde(flatten)]
    report: FleetReport,
    /// Each job of a queue, and how it went.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    outcomes: BTreeMap<String, JobReport>,
    /// Null if a price is unknown, or a member became another type than the one whose price is known.
    cost_usd_so_far: Option<f64>,
    /// Null if its machines live until the deadline, idle or not.
    idle_after_s: Option<u64>,
    alive: Vec<String>,
    /// Null unless it was ended for good.
    ended_at: Option<String>,
    notes: Vec<String>,
    /// What somebody has changed of its instances and of what they hang on, a sentence each.
    changed: Vec<String>,
    /// What is wrong with what ends it from outside, a clause each.
    lease_faults: Vec<String>,
    #[serde(skip)]
    ttl: Seconds,
    #[serde(skip)]
    idle: Option<IdleSpec>,
    #[serde(skip)]
    status: Status,
    /// Whether nothing has run yet.
    #[serde(skip)]
    has_not_run: bool,
    #[serde(skip)]
    has_stopped: bool,
    #[serde(skip)]
    deadline: Timestamp,
    #[serde(skip)]
    now: Timestamp,
}

impl FleetView {
    /// The fleet at `now`.
    pub(crate) fn new(fleet: &Fleet, now: Timestamp) -> Self {
        let stranger = fleet.stranger.iter().map(|who| format!("its name in DNS is not its own any more: {who}"));
        Self {
            name: fleet.record.spec.name.clone(),
            kind: fleet.record.kind,
            size: fleet.size,
            report: fleet.report(),
            outcomes: fleet.jobs.clone(),
            cost_usd_so_far: fleet.cost_usd_so_far(now),
            idle_after_s: fleet.idle.as_ref().map(|idle| idle.after.0),
            idle: fleet.idle.clone(),
            alive: fleet.alive.iter().map(ToString::to_string).collect(),
            ended_at: fleet.ended_at.map(|at| at.to_string()),
            notes: fleet.notes.iter().chain(&fleet.unseen).chain(&fleet.unnamed).cloned().chain(stranger).collect(),
            changed: fleet.changed.clone(),
            lease_faults: fleet.lease_faults.clone(),
            ttl: fleet.record.spec.lease.ttl,
            status: fleet.status,
            has_not_run: fleet.record.has_not_run(),
            has_stopped: fleet.status == Status::Stopped || fleet.record.started_at.is_some(),
            deadline: fleet.deadline,
            now,
        }
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let ended = self.status.is_over() && self.alive.is_empty();
        let lease = match ended {
            _ if self.has_not_run => format!("{} for each run, from its start", self.ttl),
            true => format!("nothing runs any more; it was until {}", time::moment(self.deadline)),
            false => format!("until {}{}", time::deadline(self.deadline, self.now), or_idle(self.idle.as_ref())),
        };
        let mut lines = vec![
            ("fleet", format!("{} ({}, {} of {})", self.name, self.report.id, self.kind.word(), self.size)),
            ("status", format!("{}: {}", self.status, self.report.status_reason)),
            ("lease", lease),
            ("cost", self.cost()),
            ("results", self.report.results_uri.clone()),
            ("region", self.report.region.clone()),
        ];
        lines.extend(self.report.dns_name.iter().map(|name| ("name in DNS", name.clone())));
        let mut text = labelled(&lines);
        if !self.report.members.is_empty() {
            text.push('\n');
            text.push_str(&members(&self.report.members));
        }
        if !self.outcomes.is_empty() {
            text.push('\n');
            text.push_str(&jobs(&self.outcomes));
        }
        let mended = format!("`spawn extend {} --ttl {}` puts it right", self.name, self.ttl);
        let faults = self.lease_faults.iter().map(|fault| format!("{fault}; {mended}"));
        let notes: String = self.notes.iter().chain(&self.changed).cloned().chain(faults).map(|note| format!("\nnote: {note}")).collect();
        if !notes.is_empty() {
            text.push_str(&notes);
            text.push('\n');
        }
        text
    }

    fn cost(&self) -> String {
        let Some(price) = self.report.price_usd_per_hour else { return money::UNKNOWN.to_owned() };
        let per_hour = format!("{} per instance-hour, on demand by the Pricing API", money::price(price));
        match self.cost_usd_so_far {
            Some(cost) => format!("{} so far, at {per_hour}", money::about(cost)),
            None if self.kind == FleetKind::Service => format!("unknown, since its instances come and go: {per_hour}"),
            None if self.has_stopped => format!("unknown, since it costs this only while it runs: {per_hour}"),
            None => format!("unknown: not every member has the type that costs {per_hour}"),
        }
    }
}

/// That a fleet may end earlier than at its deadline.
pub(crate) fn or_idle(idle: Option<&IdleSpec>) -> String {
    idle.map_or_else(String::new, |idle| format!(", or when it has been idle for {}", idle.after))
}

fn members(members: &[Member]) -> String {
    let header = ["RANK", "INSTANCE", "ADDRESS", "ZONE", "TYPE", "STATE", "EXIT", "STARTED", "TOOK"];
    table(
        &header,
        members.iter().map(|member| {
            let (started, ended) = (parsed(member.started_at.as_ref()), parsed(member.ended_at.as_ref()));
            let took = started.zip(ended).map(|(started, ended)| time::length(started.duration_until(ended)));
            let or_nothing = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
            vec![
                member.rank.to_string(),
                member.instance_id.clone(),
                member.private_ip.clone(),
                member.zone.clone(),
                member.instance_type.clone(),
                member.state.clone(),
                or_nothing(member.exit_code.map(|code| code.to_string())),
                or_nothing(started.map(time::time_of_day)),
                or_nothing(took),
            ]
        }),
    )
}

/// The jobs of a queue.
pub(crate) fn jobs(jobs: &BTreeMap<String, JobReport>) -> String {
    let header = ["JOB", "STATE", "ATTEMPTS", "EXIT", "RANK", "STARTED", "TOOK", "WHY"];
    table(
        &header,
        jobs.iter().map(|(name, job)| {
            let (started, ended) = (parsed(job.started_at.as_ref()), parsed(job.ended_at.as_ref()));
            let took = started.zip(ended).map(|(started, ended)| time::length(started.duration_until(ended)));
            let or_nothing = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
            vec![
                name.clone(),
                job.state.clone(),
                job.attempts.to_string(),
                or_nothing(job.exit_code.map(|code| code.to_string())),
                or_nothing(job.rank.map(|rank| rank.to_string())),
                or_nothing(started.map(time::time_of_day)),
                or_nothing(took),
                or_nothing(job.reason.clone()),
            ]
        }),
    )
}

/// A row of `spawn ls`.
#[derive(Debug, Serialize)]
pub(crate) struct FleetRow {
    name: String,
    id: String,
    kind: FleetKind,
    size: u32,
    status: String,
    status_reason: String,
    deadline: String,
    region: String,
    #[serde(skip)]
    until: Timestamp,
    #[serde(skip)]
    ended: bool,
}

impl FleetRow {
    /// The row of a fleet.
    pub(crate) fn new(fleet: &Fleet) -> Self {
        Self {
            name: fleet.record.spec.name.clone(),
            id: fleet.record.fleet.to_string(),
            kind: fleet.record.kind,
            size: fleet.size,
            status: fleet.status.to_string(),
            status_reason: fleet.status_reason.clone(),
            deadline: fleet.deadline.to_string(),
            region: fleet.record.region.clone(),
            until: fleet.deadline,
            ended: fleet.record.has_not_run() || (fleet.status.is_over() && fleet.alive.is_empty()),
        }
    }
}

/// `spawn ls` for people.
pub(crate) fn list(rows: &[FleetRow], now: Timestamp) -> String {
    let header = ["NAME", "ID", "KIND", "SIZE", "STATUS", "DEADLINE", "REGION"];
    table(
        &header,
        rows.iter().map(|row| {
            vec![
                row.name.clone(),
                row.id.clone(),
                row.kind.word().to_owned(),
                row.size.to_string(),
                row.status.clone(),
                if row.ended { NOTHING.to_owned() } else { time::deadline(row.until, now) },
                row.region.clone(),
            ]
        }),
    )
}

fn parsed(at: Option<&String>) -> Option<Timestamp> {
    at?.parse().ok()
}

#[cfg(test)]
pub(crate) mod tests {

    use spawn_model::ids::{FleetId, InstanceId, RunId};
    use spawn_model::record::{BootImage, FleetRecord, SCHEMA};
    use spawn_model::rules::read_spec;
    use spawn_model::value::Value;

    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-23T{text}Z").parse().expect("a time")
    }

    /// An array of three, asked for at noon, of which one rank has ended well, one badly, and one still runs.
    pub(crate) fn array() -> Fleet {
        let value = Value::from(serde_json::json!({
            "name": "mandelbrot", "size": 3, "instance_types": ["c7i.large"], "command": ["./render"], "lease": {"ttl": "20m"},
        }));
        let spec = read_spec(FleetKind::JobArray, &value).0.expect("a spec");
        let member = |rank: u32, state: &str, exit_code: Option<i64>, ended: Option<&str>| Member {
            rank,
            instance_id: format!("i-0000000000000000{rank}"),
            private_ip: format!("172.31.0.{}", 10 + rank),
            public_ip: None,
            dns_name: None,
            zone: "us-east-1a".into(),
            instance_type: "c7i.large".into(),
            market: "on_demand".into(),
            state: state.into(),
            exit_code,
            started_at: ended.map(|_| at("12:00:20.5").to_string()),
            ended_at: ended.map(|ended| at(ended).to_string()),
        };
        Fleet {
            record: FleetRecord {
                schema: SCHEMA,
                fleet: FleetId::from_random([0xab; 8]),
                run: RunId::from_random([0xcd; 8]),
                kind: FleetKind::JobArray,
                spec,
                region: "us-east-1".into(),
                account: "123456789012".into(),
                caller: "123456789012 user/ada".into(),
                asked_at: at("12:00:00"),
                started_at: None,
                price_usd_per_hour: Some(0.08925),
                ended: false,
                next: None,
                rate_usd_per_hour: None,
                instance_types: vec!["c7i.large".into()],
                image: BootImage { id: "ami-0123456789abcdef0".into(), root_device: "/dev/xvda".into(), root_gib: None },
                rights_sha256: None,
                dns: None,
                scheduled: None,
                resumed: None,
            },
            deadline: at("12:20:00"),
            status: Status::Running,
            status_reason: "1 of 3 ranks is at work".into(),
            size: 3,
            members: vec![
                member(0, "succeeded", Some(0), Some("12:02:03")),
                member(1, "failed", Some(3), Some("12:00:24.9")),
                member(2, "running", None, None),
            ],
            jobs: BTreeMap::new(),
            idle: None,
            tags_seen: None::<BTreeMap<String, String>>,
            results_uri: "s3://spawn-123456789012-us-east-1/fleets/fleet-abababababababab/runs/run-cdcdcdcdcdcdcdcd/results/".into(),
            notes: vec!["rank 1: output was cut at 64 MiB".into()],
            changed: vec!["i-0123456789abcdef0 is not in its fleet's own security group any more".into()],
            unnamed: None,
            stranger: None,
            lease_faults: vec!["the schedule spawn-run-cdcdcdcdcdcdcdcd-0 that ends it is not there".into()],
            unseen: Vec::new(),
            alive: vec![InstanceId("i-00000000000000002".into())],
            idle_members: 0,
            ended_at: None,
        }
    }

    fn over(mut fleet: Fleet) -> Fleet {
        fleet.status = Status::Failed;
        fleet.status_reason = "rank 1 did not end with exit code 0".into();
        fleet.members.truncate(2);
        fleet.alive.clear();
        fleet.notes.clear();
        fleet.changed.clear();
        fleet.lease_faults.clear();
        fleet
    }

    #[test]
    fn a_fleet_is_shown_whole() {
        let now = at("12:05:00");
        let unknown_price = Fleet { record: FleetRecord { price_usd_per_hour: None, ..array().record }, ..array() };
        let idle = serde_json::from_value(serde_json::json!({
            "after": 600, "processes": [], "ports": [], "cpu_percent": 10, "network_bytes_per_second": 1,
            "disk_bytes_per_second": 1, "gpu_percent": 5,
        }));
        let idle = Fleet { idle: Some(idle.expect("a rule")), ..array() };
        for (name, fleet) in [
            ("fleet-running", array()),
            ("fleet-idle", idle),
            ("fleet-over", over(array())),
            ("fleet-unknown-price", unknown_price),
            ("fleet-service", service()),
        ] {
            insta::assert_snapshot!(name, FleetView::new(&fleet, now).text());
        }
        insta::assert_json_snapshot!("fleet-json", FleetView::new(&array(), now));
    }

    /// A service of three, of which one is missing.
    fn service() -> Fleet {
        let mut fleet = array();
        fleet.record.kind = FleetKind::Service;
        fleet.record.spec.name = "web".into();
        fleet.status = Status::Launching;
        fleet.status_reason = "2 of 3 instances run".into();
        fleet.members.remove(1);
        fleet.members[0] = Member { rank: 0, instance_id: "i-00000000000000000".into(), ..fleet.members[1].clone() };
        fleet.alive.push(InstanceId("i-00000000000000000".into()));
        fleet.notes = vec!["rank 2: the command was started again 4 times".into()];
        fleet
    }

    #[test]
    fn fleets_are_listed() {
        let rows = [FleetRow::new(&array()), FleetRow::new(&over(array())), FleetRow::new(&service())];
        insta::assert_snapshot!("list", list(&rows, at("12:05:00")));
        insta::assert_json_snapshot!("list-json", rows);
    }

    #[test]
    fn a_cost_is_never_guessed() {
        // 123 s, 24.9 s and 300 s at $0.36 an hour, which is $0.0001 a second.
        let mut fleet = array();
        fleet.record.price_usd_per_hour = Some(0.36);
        let cost = fleet.cost_usd_so_far(at("12:05:00")).expect("a known cost");
        assert!((cost - 0.04479).abs() < 1e-9, "{cost}");
        fleet.members[2].instance_type = "c7a.large".into();
        assert_eq!(fleet.cost_usd_so_far(at("12:05:00")), None);
        fleet.record.price_usd_per_hour = None;
        assert_eq!(fleet.cost_usd_so_far(at("12:05:00")), None);
    }
}
