//! A fleet that a step launches: for a command, or for the steps that follow.
//!
//! What post needs to find it is written down before anything is launched. Told to stop, the step has its end begun and goes: the rest is post's, and
//! the lease's.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use spawn_core::engine::{Engine, Launch};
use spawn_core::fleet::Fleet;
use spawn_core::operation::Operation;
use spawn_core::ports::Result;
use spawn_core::wait::Waited;
use spawn_model::error::{Class, Error, Leftover};
use spawn_model::ids::FleetId;
use spawn_model::record::{FleetRecord, Keeper};
use spawn_model::rules::TTL_MAX;
use spawn_model::spec::Member;
use spawn_model::status::WaitFor;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{DONE, Ended, Launched, cluster, run};
use crate::ask::{Asked, Asking};
use crate::console::{Level, Mark};
use crate::cost::Cost;
use crate::outputs;
use crate::runner::trusted;
use crate::signals::Signals;
use crate::step::{Session, Step};

/// By these names post learns what main has done: see [`crate::runner::Environment::state`].
pub(crate) const STATE_MODE: &str = "mode";
pub(crate) const STATE_NAME: &str = "name";
pub(crate) const STATE_REGION: &str = "region";
pub(crate) const STATE_FLEET: &str = "fleet";
/// How main has ended: an [`Outcome`].
pub(crate) const OUTCOME: &str = "outcome";

/// How main has ended. One that was killed has said nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// As it was to end.
    Success,
    /// Something has failed.
    Failure,
    /// It was told to stop.
    Cancelled,
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Success, Self::Failure, Self::Cancelled];

    /// As post reads it.
    const fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
        }
    }

    /// What main has said.
    pub(crate) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.word() == word)
    }
}

/// How long the end of a fleet may take to be begun: the runner kills what does not end within ten seconds.
const BEGUN_WITHIN: Duration = Duration::from_secs(5);
/// What comes so soon after a signal is the same one.
const ECHO: Duration = Duration::from_secs(1);
/// How long a launch is let undo itself.
const UNDONE_WITHIN: Duration = Duration::from_millis(1_500);
/// How long instances may take to go away, if anybody waited.
const GONE_WITHIN: SignedDuration = SignedDuration::from_mins(5);

/// A fleet on its way.
pub(super) struct Launching<'s> {
    pub(super) step: &'s Step,
    pub(super) engine: Engine,
    pub(super) launched: Launched,
    pub(super) asked: Asked,
    pub(super) operation: Operation,
    /// Its id, once it is launched.
    fleet: OnceLock<FleetId>,
}

/// Launches a fleet, and does what it was launched for.
pub(super) async fn perform(step: &Step, launched: Launched) -> Ended {
    let mut problems = Vec::new();
    let (keep, is_allowed) = (step.given.flag("keep-on-failure", &mut problems), step.given.flag("allow-untrusted-events", &mut problems));
    if !problems.is_empty() {
        return Err(problems.into());
    }
    trusted(&step.job, is_allowed)?;
    let asked = Asking { launched, keep, given: &step.given, job: &step.job, random: random() }.read()?;
    let mut signals = Signals::listen()?;
    let Session { engine, .. } = step.connect().await?;
    for (name, value) in [(STATE_MODE, launched.word()), (STATE_NAME, asked.spec.name.as_str()), (STATE_REGION, engine.region())] {
        step.files.state(name, value)?;
    }
    let launching = Launching { step, engine, launched, asked, operation: step.operation(), fleet: OnceLock::new() };
    let ended = launching.until_told(&mut signals).await;
    let outcome = match &ended {
        _ if launching.operation.cancel.is_cancelled() => Outcome::Cancelled,
        Ok(DONE) => Outcome::Success,
        Ok(_) | Err(_) => Outcome::Failure,
    };
    step.files.state(OUTCOME, outcome.word())?;
    if keep
        && outcome == Outcome::Failure
        && let Some(fleet) = launching.fleet.get()
    {
        let text = format!(
            "The machines of {fleet} that still live stay until their lease ends. {}",
            ways_in(&launching.asked.spec.name, launching.engine.region())
        );
        step.console.annotate(Level::Notice, &Mark::titled("spawn: machines are kept"), &text);
    }
    ended
}

impl Launching<'_> {
    /// Does all of it, unless it is told to stop.
    async fn until_told(&self, signals: &mut Signals) -> Ended {
        let mut work = Box::pin(self.work());
        let signal = tokio::select! {
            // Who was told before has launched nothing yet.
            biased;
            signal = signals.next() => signal,
            ended = &mut work => return ended,
        };
        self.step.console.obey_commands();
        self.step.console.line(&format!("told to stop by {}: ending what was launched", signal.name));
        self.operation.cancel.cancel();
        let ending = async {
            if self.fleet.get().is_none() {
                // Told to stop, a launch undoes itself, unless it waits for an answer that does not come.
                tokio::select! {
                    ended = work => drop(ended),
                    () = sleep(UNDONE_WITHIN) => {}
                }
            }
            self.end().await;
        };
        tokio::select! {
            () = ending => {}
            () = sleep(BEGUN_WITHIN) => {}
            () = again(signals) => {}
        }
        Ok(signal.code)
    }

    /// Ends whatever there is of it, as far as there is time.
    async fn end(&self) {
        let fleet = match self.fleet.get() {
            Some(fleet) => Some(fleet.clone()),
            // A launch that was given up has said no more than its name.
            None => self.engine.identify(&self.asked.spec.name).await.ok(),
        };
        if let Some(fleet) = fleet {
            drop(self.engine.end(&fleet, GONE_WITHIN, &Operation::quiet()).await);
        }
    }

    async fn work(&self) -> Ended {
        let Asked { kind, spec, .. } = &self.asked;
        self.step.console.line(&format!("launching {}: {} of {}", spec.name, kind.word(), spec.size));
        let Launch { record, claim, kept_alive, warnings } = self.engine.launch(*kind, spec, &self.operation).await?;
        // Set already, it would be the same one.
        let _ = self.fleet.set(record.fleet.clone());
        self.step.files.state(STATE_FLEET, record.fleet.as_str())?;
        // There is no state of ours to store the fleet in: from here on it is the job's, and nobody may adopt it.
        if let Err(error) = claim.acknowledge(Keeper::Person).await {
            self.step.warn_of("the fleet's name is not marked as kept", &error);
        }
        drop(kept_alive);
        for warning in &warnings {
            self.step.warn(warning);
        }
        self.operation.go_on()?;
        self.output(outputs::FLEET, record.fleet.as_str())?;
        self.output(outputs::NAME, &record.spec.name)?;
        self.output(outputs::REGION, &record.region)?;
        match self.launched {
            Launched::ToRun => run::perform(self, &record).await,
            Launched::ToStay => cluster::perform(self, &record).await,
        }
    }

    /// Waits for the fleet to come so far; that it is gone meanwhile is an error.
    pub(super) async fn wait(&self, record: &FleetRecord, goal: WaitFor, operation: &Operation) -> Result<Waited> {
        // Its own end is what bounds the wait, and somebody may extend it meanwhile.
        let until = record.asked_at + 2 * SignedDuration::from(TTL_MAX);
        let waited = self.engine.wait(&record.fleet, goal, until, operation).await.map_err(|error| error.leaving(Leftover::Unknown))?;
        waited.ok_or_else(|| {
            let message = format!("{} was launched, and then ended by somebody else", record.spec.name);
            Error::new(Class::Conflict, "EndedMeanwhile", message, "Look who stops this run's fleets")
        })
    }

    pub(super) fn output(&self, name: &str, value: &str) -> Result<()> {
        self.step.files.output(name, value)
    }

    /// Hands on how the fleet is.
    pub(super) fn outputs(&self, fleet: &Fleet, worst: Option<i64>, cost: Cost) -> Result<()> {
        let members: Vec<BTreeMap<&str, serde_json::Value>> = fleet.members.iter().map(member).collect();
        let members = serde_json::to_string(&members).map_err(|error| Error::new(Class::Bug, "ResultJson", error.to_string(), ""))?;
        self.output(outputs::STATUS, &fleet.status.to_string())?;
        self.output(outputs::EXIT_CODE, &worst.map(|code| code.to_string()).unwrap_or_default())?;
        self.output(outputs::MEMBERS, &members)?;
        self.output(outputs::RESULTS_URI, &fleet.results_uri)?;
        self.output(outputs::COST_USD, &cost.usd.map(|usd| format!("{usd:.6}")).unwrap_or_default())
    }

    /// Says that a member did not do what it was launched for.
    pub(super) fn complain(&self, title: &str, message: &str) {
        self.step.console.annotate(Level::Error, &Mark::titled(title), message);
    }

    /// What an hour of spot costs, for whoever has paid it. A price that cannot be had is unknown.
    pub(super) async fn spot_price(&self, fleet: &Fleet) -> Option<f64> {
        let is_spot = fleet.members.iter().any(|member| member.market == spawn_model::market::MarketType::Spot.word());
        if !is_spot {
            return None;
        }
        self.engine.estimate(self.asked.kind, &self.asked.spec).await.ok()?.spot_usd_per_hour
    }

    pub(super) fn now(&self) -> Timestamp {
        self.engine.now()
    }
}

/// Waits until somebody means it: told twice, a step goes at once. A signal to all of a process group comes a second time, by the shim.
async fn again(signals: &mut Signals) {
    let first = Instant::now();
    while first.elapsed() < ECHO {
        signals.next().await;
    }
}

/// What steps are told of a member.
fn member(member: &Member) -> BTreeMap<&'static str, serde_json::Value> {
    BTreeMap::from([
        ("rank", member.rank.into()),
        ("instance_id", member.instance_id.clone().into()),
        ("private_ip", member.private_ip.clone().into()),
        ("public_ip", member.public_ip.clone().into()),
        ("zone", member.zone.clone().into()),
        ("instance_type", member.instance_type.clone().into()),
        ("market", member.market.clone().into()),
        ("state", member.state.clone().into()),
        ("exit_code", member.exit_code.into()),
    ])
}

/// How to come onto the machines of a fleet, and to end them.
pub(crate) fn ways_in(name: &str, region: &str) -> String {
    format!(
        "`spawn connect {name} --rank 0 --region {region}` opens a terminal, `spawn exec {name} --region {region} -- COMMAND` runs a command, `spawn down {name} --region {region}` ends them"
    )
}

fn random() -> [u8; 4] {
    let bytes = Uuid::new_v4().into_bytes();
    [bytes[0], bytes[1], bytes[2], bytes[3]]
}
