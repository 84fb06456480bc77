//! What is said of what has happened: a line, a text for people, and a document for programs.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::judge::{Cost, Sight};
use super::{AlertKind, AlertRecord, On};
use crate::record::{FleetRecord, SCHEMA};
use crate::schedule;

/// Characters of the subject of a mail (SNS, `Publish`).
const SUBJECT_MAX: usize = 100;

/// Something that is said.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// One line of ASCII, at most 100 characters.
    pub subject: String,
    /// For people.
    pub text: String,
    /// For programs, without what every one of them has.
    facts: Value,
}

impl Message {
    fn new(subject: &str, text: String, facts: Value) -> Self {
        let subject = subject.chars().map(|c| if c.is_ascii_graphic() { c } else { ' ' }).take(SUBJECT_MAX).collect();
        Self { subject, text, facts }
    }

    pub(super) fn of_run(kind: AlertKind, why: &str, sight: &Sight<'_>) -> Self {
        let FleetRecord { fleet, run, spec, region, account, .. } = sight.record;
        let (name, alive) = (&spec.name, sight.alive);
        let mut lines = vec![
            format!("{name} {}: {why}.", verb(kind)),
            String::new(),
            format!("fleet   {name} ({fleet})"),
            format!("run     {run}, asked for at {}", sight.record.asked_at),
            format!("where   {region}, account {account}"),
            format!("state   {}: {}", sight.status, sight.reason),
            format!("lives   {alive} of {}", if sight.size == 1 { "1 instance".to_owned() } else { format!("{} instances", sight.size) }),
        ];
        if let Cost::AtMost(cost) = sight.cost {
            lines.push(format!("cost    at most ${cost:.2} so far"));
        }
        lines.extend(spec.tags.iter().map(|(key, value)| format!("tag     {key} = {value}")));
        lines.push(String::new());
        lines.push(format!("More of it: spawn status {fleet} --region {region}"));
        let facts = json!({
            "fleet_id": fleet, "name": name, "run_id": run, "status": sight.status.to_string(), "status_reason": sight.reason,
            "size": sight.size, "alive": alive, "tags": spec.tags, "asked_at": sight.record.asked_at,
            "cost_usd_max": if let Cost::AtMost(cost) = sight.cost { json!(cost) } else { Value::Null },
            "reason": why,
        });
        Self::new(&format!("spawn: {name} {}", verb(kind)), lines.join("\n"), facts)
    }

    pub(super) fn of_start(kind: AlertKind, record: &FleetRecord, start: &schedule::Occurrence) -> Self {
        let FleetRecord { fleet, spec, region, account, .. } = record;
        let (name, at) = (&spec.name, start.at);
        let why = start.reason.clone().unwrap_or_else(|| start.outcome.word().to_owned());
        let lines = [
            format!("{name} {}: nothing was started at {at}: {why}.", verb(kind)),
            String::new(),
            format!("fleet   {name} ({fleet})"),
            format!("where   {region}, account {account}"),
            String::new(),
            format!("More of it: spawn schedule show {name} --region {region}"),
        ];
        let facts = json!({ "fleet_id": fleet, "name": name, "scheduled_at": at, "tags": spec.tags, "reason": why });
        Self::new(&format!("spawn: {name} {}", verb(kind)), lines.join("\n"), facts)
    }

    /// The document of an occurrence.
    pub(super) fn document(&self, id: &str, alert: &AlertRecord, kind: AlertKind, at: Timestamp) -> Value {
        let mut document = json!({
            "schema": SCHEMA, "occurrence_id": id, "alert": alert.spec.name, "alert_id": alert.id, "kind": kind, "at": at,
            "region": alert.region, "account": alert.account, "subject": self.subject, "text": self.text,
        });
        if let (Value::Object(document), Value::Object(facts)) = (&mut document, &self.facts) {
            document.extend(facts.clone());
        }
        document
    }
}

/// What is sent to see whether anything arrives.
#[must_use]
pub fn test_message(alert: &AlertRecord) -> Message {
    let name = &alert.spec.name;
    let text = format!("This is a test of {name}, an alert in {}, account {}. Nothing has happened.", alert.region, alert.account);
    Message::new(&format!("spawn: test of {name}"), text, json!({}))
}

fn verb(kind: AlertKind) -> &'static str {
    match kind {
        AlertKind::On(On::Started) => "has started",
        AlertKind::On(On::Ready) => "is ready",
        AlertKind::On(On::Succeeded) => "succeeded",
        AlertKind::On(On::Failed) => "failed",
        AlertKind::On(On::Expired) => "ended with its lease",
        AlertKind::On(On::Interrupted) => "is interrupted",
        AlertKind::On(On::Idle) => "was idle",
        AlertKind::On(On::Lost) => "has lost machines",
        AlertKind::On(On::Missed) => "missed a start",
        AlertKind::CostAbove => "costs more than it should",
        AlertKind::CostUnknown => "costs what nobody knows",
        AlertKind::LongerThan => "goes on for longer than it should",
        AlertKind::Test => "is tested",
    }
}
