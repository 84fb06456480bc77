//! What is shown on the page of a run: a small table of what ran, where, how long, what it cost, and how it ended.

use std::collections::BTreeSet;

use jiff::Timestamp;
use spawn_core::fleet::Fleet;
use spawn_model::duration::Seconds;
use spawn_model::spec::Member;

use crate::cost::Cost;

/// Of more ranks no list is shown.
const LISTED_MAX: usize = 32;
/// How much of what ran is shown, in characters.
const SHOWN_MAX: usize = 200;
/// What stands where there is nothing.
const NOTHING: &str = "–";

/// A fleet at the end of its step.
pub(crate) struct Summary<'a> {
    pub(crate) fleet: &'a Fleet,
    /// What ran, as its author has written it; nothing if that is not known any more.
    pub(crate) shown: Option<&'a str>,
    pub(crate) cost: Cost,
    /// Where results were put, and how many.
    pub(crate) results: Option<(&'a str, usize)>,
    pub(crate) now: Timestamp,
}

impl Summary<'_> {
    /// In Markdown.
    pub(crate) fn markdown(&self) -> String {
        let Self { fleet, cost, results, now, .. } = self;
        let record = &fleet.record;
        let mut rows = vec![("status", format!("**{}**: {}", fleet.status, fleet.status_reason))];
        rows.extend(self.shown.map(|shown| ("ran", code(shown))));
        rows.extend([("on", self.machines()), ("where", self.places())]);
        rows.push(("took", lasted(record.asked_at, *now)));
        rows.push(("cost", cost.text()));
        if let Some((directory, files)) = results {
            rows.push(("results", format!("{} in {}", counted(*files, "file"), code(directory))));
        }
        rows.push(("kept in", code(&fleet.results_uri)));
        let mut text = format!("### {}\n\n| | |\n|---|---|\n", cell(&record.spec.name));
        for (what, value) in rows {
            text.push_str(&format!("| {what} | {} |\n", cell(&value)));
        }
        if (2..=LISTED_MAX).contains(&fleet.members.len()) {
            text.push_str("\n| rank | instance | type | zone | state | exit code | took |\n|---|---|---|---|---|---|---|\n");
            fleet.members.iter().for_each(|member| text.push_str(&row(member)));
        }
        text.push('\n');
        text
    }

    /// How many machines of which types, and how they were bought.
    fn machines(&self) -> String {
        let members = &self.fleet.members;
        let kinds: BTreeSet<String> = members.iter().map(|member| format!("{} ({})", member.instance_type, member.market)).collect();
        let kinds: Vec<String> = kinds.into_iter().collect();
        format!("{} × {}", members.len(), if kinds.is_empty() { NOTHING.to_owned() } else { kinds.join(", ") })
    }

    fn places(&self) -> String {
        let zones: BTreeSet<&str> = self.fleet.members.iter().map(|member| member.zone.as_str()).collect();
        let zones: Vec<&str> = zones.into_iter().collect();
        if zones.is_empty() { self.fleet.record.region.clone() } else { zones.join(", ") }
    }
}

fn row(member: &Member) -> String {
    let at = |at: Option<&String>| at.and_then(|at| at.parse::<Timestamp>().ok());
    let took = at(member.started_at.as_ref()).zip(at(member.ended_at.as_ref())).map(|(started, ended)| lasted(started, ended));
    let code = member.exit_code.map(|code| code.to_string());
    let or_nothing = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
    format!(
        "| {} | {} | {} | {} | {} | {} | {} |\n",
        member.rank,
        cell(&member.instance_id),
        cell(&member.instance_type),
        cell(&member.zone),
        member.state,
        or_nothing(code),
        or_nothing(took)
    )
}

/// A length of time in whole seconds.
pub(crate) fn lasted(from: Timestamp, to: Timestamp) -> String {
    Seconds(u64::try_from(from.duration_until(to).as_secs()).unwrap_or_default()).to_string()
}

pub(crate) fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// The first line of a text as code.
fn code(text: &str) -> String {
    let mut lines = text.trim().lines();
    let first = lines.next().unwrap_or_default();
    let cut: String = first.chars().take(SHOWN_MAX).collect();
    let more = if lines.next().is_some() || cut.len() < first.len() { " …" } else { "" };
    format!("`{}{more}`", cut.replace('`', "'"))
}

/// Text that stays within a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\r', '\n'], " ")
}

#[cfg(test)]
pub(crate) mod tests {
    use spawn_model::ids::{FleetId, RunId};
    use spawn_model::record::{BootImage, FleetRecord, SCHEMA};
    use spawn_model::rules::read_spec;
    use spawn_model::spec::FleetKind;
    use spawn_model::status::Status;
    use spawn_model::value::Value;

    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-23T{text}Z").parse().unwrap()
    }

    /// An array of two at a dollar an hour, asked for at noon, of which one rank has ended well and one badly half an hour later.
    pub(crate) fn fleet() -> Fleet {
        let value = Value::from(serde_json::json!({
            "name": "tests-1234567890-2-abababab", "size": 2, "instance_types": ["c7i.large"], "command": ["./test.sh"], "lease": {"ttl": "1h"},
        }));
        let member = |rank: u32, state: &str, exit_code: i64| Member {
            rank,
            instance_id: format!("i-0000000000000000{rank}"),
            private_ip: format!("172.31.0.{}", 10 + rank),
            public_ip: None,
            dns_name: None,
            zone: format!("us-east-1{}", ["a", "b"][rank as usize]),
            instance_type: "c7i.large".to_owned(),
            market: "on_demand".to_owned(),
            state: state.to_owned(),
            exit_code: Some(exit_code),
            started_at: Some(at("12:00:20").to_string()),
            ended_at: Some(at("12:30:00").to_string()),
        };
        Fleet {
            record: FleetRecord {
                schema: SCHEMA,
                fleet: FleetId::from_random([0xab; 8]),
                run: RunId::from_random([0xcd; 8]),
                kind: FleetKind::JobArray,
                spec: read_spec(FleetKind::JobArray, &value).0.unwrap(),
                region: "us-east-1".to_owned(),
                account: "123456789012".to_owned(),
                caller: "123456789012 role/ci".to_owned(),
                asked_at: at("12:00:00"),
                started_at: None,
                price_usd_per_hour: Some(1.0),
                ended: false,
                next: None,
                rate_usd_per_hour: None,
                instance_types: vec!["c7i.large".to_owned()],
                image: BootImage { id: "ami-0123456789abcdef0".to_owned(), root_device: "/dev/xvda".to_owned(), root_gib: None },
                rights_sha256: None,
                dns: None,
                scheduled: None,
                resumed: None,
            },
            deadline: at("13:00:00"),
            status: Status::Failed,
            status_reason: "rank 1 did not end with exit code 0".to_owned(),
            size: 2,
            members: vec![member(0, "succeeded", 0), member(1, "failed", 7)],
            jobs: Default::default(),
            idle: None,
            tags_seen: None,
            results_uri: "s3://spawn-123456789012-us-east-1/fleets/fleet-abababababababab/runs/run-cdcdcdcdcdcdcdcd/results/".to_owned(),
            notes: Vec::new(),
            changed: Vec::new(),
            lease_faults: Vec::new(),
            unnamed: None,
            stranger: None,
            unseen: Vec::new(),
            alive: Vec::new(),
            idle_members: 0,
            ended_at: None,
        }
    }

    #[test]
    fn a_run_is_shown_in_a_small_table() {
        let fleet = fleet();
        let cost = Cost { usd: Some(0.42), on_demand_usd: Some(1.0) };
        let run = "./test.sh | tee `date`.log\nmake";
        let summary = Summary { fleet: &fleet, shown: Some(run), cost, results: Some(("out/", 1)), now: at("12:31:05") };
        let mut alone = fleet.clone();
        alone.members.truncate(1);
        let few = Summary { fleet: &alone, shown: None, cost: Cost::default(), results: None, now: at("12:00:30") };
        insta::assert_snapshot!("summary", format!("{}{}", summary.markdown(), few.markdown()));
    }
}
