//! What has happened to a run, by what is seen of it: the one place where that is decided.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::text::Message;
use super::{AlertKind, AlertRecord, On, WatchSpec};
use crate::ids::{FleetId, RunId};
use crate::queue::JobReport;
use crate::record::FleetRecord;
use crate::schedule;
use crate::spec::Member;
use crate::status::Status;

/// What a run may have cost so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cost {
    /// Nobody asked.
    NotAsked,
    /// Nobody knows.
    Unknown,
    /// At most so many US dollars.
    AtMost(f64),
}

/// A run, as far as an alert looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// What is recorded of it.
    pub record: &'a FleetRecord,
    /// Its state.
    pub status: Status,
    /// Why, in a sentence.
    pub reason: &'a str,
    /// Ranks.
    pub size: u32,
    /// Its members.
    pub members: &'a [Member],
    /// Its jobs, if it is a queue.
    pub jobs: &'a BTreeMap<String, JobReport>,
    /// How many instances cost money.
    pub alive: usize,
    /// How many members ended, or stopped, for being idle.
    pub idle: usize,
    /// Whether every command has begun.
    pub is_ready: bool,
    /// Whether EC2 has said that it takes a machine back.
    pub is_noticed: bool,
    /// Whether somebody ended it before its time: then nobody need be told that it is gone.
    pub was_ended: bool,
    /// When it was to stop, or to end.
    pub deadline: Timestamp,
    /// What it may have cost.
    pub cost: Cost,
    /// Now.
    pub now: Timestamp,
}

/// Something that an alert has to tell of.
#[derive(Clone, Debug, PartialEq)]
pub struct Happened {
    /// What.
    pub kind: AlertKind,
    /// To what, so that it is told once: the run, or a moment of a schedule.
    pub about: String,
    /// The fleet.
    pub fleet: Option<FleetId>,
    /// The run.
    pub run: Option<RunId>,
    /// What is said of it.
    pub message: Message,
}

impl WatchSpec {
    /// Whether it means a fleet.
    #[must_use]
    pub fn means(&self, record: &FleetRecord) -> bool {
        let named = |fleet: &String| *fleet == record.spec.name || fleet == record.fleet.as_str();
        let tagged = || self.tags.iter().all(|(key, value)| record.spec.tags.get(key) == Some(value));
        self.everything || self.fleets.iter().any(named) || !self.tags.is_empty() && tagged()
    }
}

/// What there is to tell of a run.
#[must_use]
pub fn happened(alert: &AlertRecord, sight: &Sight<'_>) -> Vec<Happened> {
    let spec = &alert.spec;
    let run = &sight.record.run;
    let mut all: Vec<(AlertKind, String, String)> = Vec::new();
    for on in &spec.on {
        all.extend(sight.why(*on, alert.created_at).map(|why| (AlertKind::On(*on), run.to_string(), why)));
    }
    match (spec.cost_above, sight.cost) {
        (Some(limit), Cost::AtMost(cost)) if cost > limit => {
            // Another limit is another occurrence.
            let why = format!("it may have cost ${cost:.2} by now, which is above ${limit}");
            all.push((AlertKind::CostAbove, format!("{run} {limit}"), why));
        }
        (Some(limit), Cost::Unknown) => {
            let why = format!("nobody can tell whether it costs more than ${limit}: the Pricing API does not know all of its prices");
            all.push((AlertKind::CostUnknown, run.to_string(), why));
        }
        _ => {}
    }
    if let Some(longer) = spec.longer_than
        && sight.alive > 0
        && sight.status != Status::Stopped
        && sight.now >= sight.record.leased_from() + SignedDuration::from(longer)
    {
        let why = format!("it has gone on since {}, which is longer than {longer}", sight.record.leased_from());
        all.push((AlertKind::LongerThan, format!("{run} {longer}"), why));
    }
    let tell = |(kind, about, why): (AlertKind, String, String)| Happened {
        kind,
        about,
        fleet: Some(sight.record.fleet.clone()),
        run: Some(run.clone()),
        message: Message::of_run(kind, &why, sight),
    };
    all.into_iter().map(tell).collect()
}

/// How long AWS may still try a start that has failed: twice more, each for as long as a function may take, and a pause before each.
const TRIED_AGAIN: SignedDuration = SignedDuration::from_mins(35);

/// What there is to tell of the starts of a schedule.
#[must_use]
pub fn starts_missed(alert: &AlertRecord, record: &FleetRecord, history: &schedule::History, now: Timestamp) -> Vec<Happened> {
    use schedule::Outcome;
    if !alert.spec.on.contains(&On::Missed) {
        return Vec::new();
    }
    let went_wrong = |start: &&schedule::Occurrence| {
        let is_final = match start.outcome {
            Outcome::Missed => true,
            Outcome::Failed => now >= start.at + TRIED_AGAIN,
            Outcome::Started | Outcome::Skipped => false,
        };
        is_final && start.at >= alert.created_at
    };
    let tell = |start: &schedule::Occurrence| {
        let kind = AlertKind::On(On::Missed);
        Happened {
            kind,
            about: format!("{} {}", record.fleet, start.at),
            fleet: Some(record.fleet.clone()),
            run: None,
            message: Message::of_start(kind, record, start),
        }
    };
    history.occurrences.iter().filter(went_wrong).map(tell).collect()
}

impl Sight<'_> {
    /// Why something is to be told, if it is. What began before the alert was made has been seen to begin by somebody else.
    fn why(&self, on: On, since: Timestamp) -> Option<String> {
        // What is older than anybody remembers has begun long ago.
        let is_new = self.record.asked_at >= since && self.record.asked_at >= self.now - SignedDuration::from_hours(24);
        let is_own_end = !self.was_ended;
        match on {
            On::Started => (is_new && !self.members.is_empty()).then(|| format!("{} launched", count(self.members.len(), "instance"))),
            On::Ready => (is_new && self.is_ready).then(|| "every command has begun".to_owned()),
            On::Succeeded => self.has_succeeded().then(|| self.said(Status::Succeeded, "its command ended with exit code 0")),
            On::Failed => self.failure(),
            On::Expired => {
                let stopped = self.status == Status::Stopped && self.now >= self.deadline;
                let others = self.idle == 0 || self.ranks(Status::Expired).len() > self.idle;
                (is_own_end && (self.status == Status::Expired || stopped) && others).then(|| self.reason.to_owned())
            }
            On::Interrupted => {
                let is_taken = self.is_noticed || self.status == Status::Interrupted || !self.ranks(Status::Interrupted).is_empty();
                is_taken.then(|| self.said(Status::Interrupted, "EC2 takes a machine back"))
            }
            On::Idle => (self.idle > 0).then(|| self.reason.to_owned()),
            On::Lost => {
                let lost = self.ranks(Status::Lost);
                (is_own_end && (self.status == Status::Lost || !lost.is_empty()))
                    .then(|| self.said(Status::Lost, &format!("{} vanished before the deadline without a record of why", list(&lost))))
            }
            On::Missed => None,
        }
    }

    fn has_succeeded(&self) -> bool {
        let all = self.jobs.is_empty() && self.members.len() >= self.size as usize && !self.members.is_empty();
        self.status == Status::Succeeded || all && self.ranks(Status::Succeeded).len() == self.members.len()
    }

    /// As soon as one command has failed, or one job for good.
    fn failure(&self) -> Option<String> {
        if self.status == Status::Failed {
            return Some(self.reason.to_owned());
        }
        let jobs: Vec<&str> = self.jobs.iter().filter(|(_, job)| job.state == "failed").map(|(name, _)| name.as_str()).collect();
        if let [first, others @ ..] = jobs.as_slice() {
            let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
            return Some(format!("job {first}{more} failed"));
        }
        let ranks = if self.jobs.is_empty() { self.ranks(Status::Failed) } else { Vec::new() };
        (!ranks.is_empty()).then(|| format!("{} did not end with exit code 0", list(&ranks)))
    }

    fn ranks(&self, status: Status) -> Vec<u32> {
        let word = status.to_string();
        self.members.iter().filter(|member| member.state == word).map(|member| member.rank).collect()
    }

    /// The reason of the whole, if the whole is so.
    fn said(&self, status: Status, otherwise: &str) -> String {
        if self.status == status { self.reason.to_owned() } else { otherwise.to_owned() }
    }
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun} is") } else { format!("{number} {noun}s are") }
}

fn list(ranks: &[u32]) -> String {
    match ranks {
        [one] => format!("rank {one}"),
        few if few.len() <= 8 => format!("ranks {}", few.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        many => format!("{} ranks", many.len()),
    }
}
