//! What is recorded of an alert, and what is told of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::{AlertSpec, Happened, On};
use crate::ids::{AlertId, FleetId, RunId};
use crate::read::fields;
use crate::record::SCHEMA;
use crate::words::words;

/// How long what was told is remembered.
const HISTORY_DAYS: i64 = 90;

/// How many occurrences are remembered, but for those that are still to be told.
const HISTORY_MAX: usize = 1_000;

/// How seldom it is written down that something is still so.
const FOUND_AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// An alert for its whole life. Its key is its name's claim: it is made with `If-None-Match: *` and changed with `If-Match`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertRecord {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The alert.
    pub id: AlertId,
    /// What was asked for, without its secrets.
    pub spec: AlertSpec,
    /// The region it lives in.
    pub region: String,
    /// The account it lives in.
    pub account: String,
    /// Account and role or user that made it, without a session name.
    pub caller: String,
    /// When it was asked for: what was before, it does not tell.
    pub created_at: Timestamp,
    /// When somebody last began to make or change it.
    pub touched_at: Timestamp,
    /// Who began that: nobody undoes what somebody else has gone on with.
    pub maker: String,
    /// Whether its end has begun: nobody may change it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,
    /// Whether somebody keeps it, so that nobody may adopt it.
    #[serde(default)]
    pub is_kept: bool,
    /// The versions of the parameters with its secrets, by channel: another one is not what was put there.
    #[serde(default)]
    pub secrets: BTreeMap<String, i64>,
}

/// What an occurrence is about.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum AlertKind {
    /// Something of [`AlertSpec::on`].
    On(On),
    /// A run may have cost more than it should.
    CostAbove,
    /// Nobody knows what a run costs.
    CostUnknown,
    /// A run goes on for longer than it should.
    LongerThan,
    /// Somebody wants to see whether anything arrives.
    Test,
}

impl AlertKind {
    /// As it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::On(on) => on.word(),
            Self::CostAbove => "cost_above",
            Self::CostUnknown => "cost_unknown",
            Self::LongerThan => "longer_than",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for AlertKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Serialize for AlertKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for AlertKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let others = [Self::CostAbove, Self::CostUnknown, Self::LongerThan, Self::Test];
        let mut all = On::ALL.iter().map(|on| Self::On(*on)).chain(others);
        all.find(|kind| kind.word() == word).ok_or_else(|| serde::de::Error::custom(format!("no occurrence is {word:?}")))
    }
}

/// How one channel took an occurrence.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// How often it was tried.
    pub tries: u32,
    /// When it was tried last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried_at: Option<Timestamp>,
    /// When the channel took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
    /// Why it did not, when it was last tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
}

impl Delivery {
    /// Notes that somebody begins a try: until the pause after it is over, nobody else does.
    pub fn begun(&mut self, now: Timestamp) {
        self.tries += 1;
        self.tried_at = Some(now);
    }

    /// Notes how a try ended: why the channel did not take it, if it did not.
    pub fn ended(&mut self, refusal: Option<String>, now: Timestamp) {
        // Whoever was slower to be refused does not take back what another one has got through.
        if self.delivered_at.is_none() {
            self.delivered_at = refusal.is_none().then_some(now);
            self.refusal = refusal;
        }
    }
}

/// Something that happened, and who was told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Occurrence {
    /// The same however often it is told: a receiver that knows it may leave it.
    pub id: String,
    /// When it was noticed.
    pub at: Timestamp,
    /// What it is.
    pub kind: AlertKind,
    /// The fleet; nothing for a test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<FleetId>,
    /// The run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// One line.
    pub subject: String,
    /// For people.
    pub text: String,
    /// For programs.
    pub document: serde_json::Value,
    /// How each channel took it.
    pub deliveries: BTreeMap<String, Delivery>,
}

impl Occurrence {
    /// The id of what happens once to a run, or of a moment.
    #[must_use]
    pub fn id_of(alert: &AlertId, about: &str, kind: AlertKind) -> String {
        hex::encode(&Sha256::digest(format!("{alert} {about} {kind}"))[..8])
    }
}

/// What an alert has told, and what it has to remember for the next look.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// [`SCHEMA`].
    pub schema: u32,
    /// By time.
    pub occurrences: Vec<Occurrence>,
    /// The ids of all that was told, and when it was last found to be so: what is still so is not told again, however long ago that was.
    #[serde(default)]
    pub ids: BTreeMap<String, Timestamp>,
    /// The runs that went on at the last look: they are looked at once more when nothing else leads to them.
    pub watching: BTreeMap<FleetId, RunId>,
    /// The runs that are over and told of, since when.
    pub over: BTreeMap<RunId, Timestamp>,
    /// What an hour of a run costs at most, in US dollars; nothing if that is unknown.
    #[serde(default)]
    pub rates: BTreeMap<RunId, Option<f64>>,
}

impl Told {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { schema: SCHEMA, ..Self::default() }
    }

    /// Notes what happened, each once; says whether there is anything to be written.
    pub fn note(&mut self, alert: &AlertRecord, happened: impl IntoIterator<Item = Happened>, now: Timestamp) -> bool {
        let mut has_changed = false;
        for Happened { kind, about, fleet, run, message } in happened {
            let id = Occurrence::id_of(&alert.id, &about, kind);
            let known = self.ids.get(&id).copied();
            if known.is_none_or(|found| found.checked_add(FOUND_AGAIN).is_ok_and(|again| now >= again)) {
                self.ids.insert(id.clone(), now);
                has_changed = true;
            }
            if known.is_none() {
                let deliveries = alert.spec.notify.channels().into_iter().map(|channel| (channel, Delivery::default())).collect();
                let document = message.document(&id, alert, kind, now);
                let (subject, text) = (message.subject, message.text);
                self.occurrences.push(Occurrence { id, at: now, kind, fleet, run, subject, text, document, deliveries });
            }
        }
        has_changed
    }

    /// Forgets what is too old, and the oldest of too many that need not be told any more. `met` are the runs that a look has come across, all of them if
    /// it is whole.
    pub fn forget(&mut self, met: &BTreeSet<RunId>, is_whole: bool, now: Timestamp) {
        let since = now - SignedDuration::from_hours(24 * HISTORY_DAYS);
        self.occurrences.retain(|known| known.at >= since);
        self.ids.retain(|_, found| *found >= since);
        let mut surplus = self.occurrences.len().saturating_sub(HISTORY_MAX);
        self.occurrences.retain(|known| {
            let goes = surplus > 0 && known.deliveries.values().all(|delivery| delivery.is_settled(known.at, now));
            surplus -= usize::from(goes);
            !goes
        });
        self.over.retain(|run, at| *at >= since || !is_whole || met.contains(run));
        let lives = |run: &RunId| self.watching.values().any(|known| known == run);
        let rates = std::mem::take(&mut self.rates);
        self.rates = rates.into_iter().filter(|(run, _)| lives(run)).collect();
    }
}

words! {
    /// How an alert stands.
    pub enum AlertStatus, "no state of an alert" {
        /// It tells by every channel.
        Ok = "ok",
        /// An address has not been confirmed.
        PendingConfirmation = "pending_confirmation",
        /// A channel did not take what it was sent last.
        Refused = "refused",
        /// Its end has begun, and was interrupted.
        Ending = "ending",
    }
}

fields! {
    /// What spawn reports about an alert.
    pub struct AlertReport {
        /// The alert's id, for its whole life.
        id: String => Computed, InPlace;
        /// The region it lives in.
        region: String => Computed, InPlace;
        /// `ok`; `pending_confirmation`, while an address of `email` has not been confirmed; `refused`, if a channel did not take what it was sent last; or `ending`, if its end was interrupted.
        status: String => Computed, InPlace;
        /// Why the status is what it is, in a sentence.
        status_reason: String => Computed, InPlace;
        /// The topic by which it sends mail; null without `email`.
        topic_arn: Option<String> => Computed, InPlace;
        /// Addresses that have not been confirmed yet.
        pending_confirmation: Vec<String> => Computed, InPlace;
    }
}
