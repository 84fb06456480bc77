//! An AWS in memory, for the engine: every port over one [`World`], on virtual time.
//!
//! EC2 and Auto Scaling are `sandbox-cloud`. Everything else is as much of its service as the engine uses, and as strict: what AWS
//! refuses is refused with AWS's code. Every call of AWS goes through [`door::Door::call`], one at a time, which is where it is counted,
//! where it can fail, and where the process that makes it can die.
//!
//! Time is tokio's paused time: when every task sleeps it jumps to the next moment somebody waits for. What happens by itself
//! (machines boot, agents work, schedules fire) happens at its own moment, worked off before the next call is answered.

pub(crate) mod agents;
pub(crate) mod door;
mod functions;
pub(crate) mod identity;
mod instances;
pub(crate) mod invariants;
mod networks;
pub(crate) mod notices;
mod objects;
mod scaling;
pub(crate) mod schedules;
pub(crate) mod shells;
pub(crate) mod storm;
mod systems;
mod trials;
pub(crate) mod view;
pub(crate) mod zones;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sandbox_cloud::{Change, Cloud, Config, HaltReason};
use spawn_core::engine::Engine;
use spawn_core::ports::{Caller, FunctionRequest, LaunchRequest, LogEvent, Result};
use spawn_model::error::Error;

use agents::Agents;
use door::Process;
use identity::{Profile, Role};
use schedules::Alarm;

/// The region of every test.
pub(crate) const REGION: &str = "us-east-1";
/// The account of every test.
pub(crate) const ACCOUNT: &str = "123456789012";

/// Everything there is.
pub(crate) struct State {
    /// EC2 and Auto Scaling.
    pub(crate) cloud: Cloud,
    /// Buckets, and in each its objects: key to body and ETag.
    pub(crate) buckets: BTreeMap<String, BTreeMap<String, (Vec<u8>, String)>>,
    /// Policies of buckets.
    pub(crate) bucket_policies: BTreeMap<String, String>,
    etags: u64,
    /// Roles by name.
    pub(crate) roles: BTreeMap<String, Role>,
    /// Instance profiles by name.
    pub(crate) profiles: BTreeMap<String, Profile>,
    /// Managed policies: ARN to document.
    pub(crate) policies: BTreeMap<String, String>,
    /// Services that have a role of their own.
    pub(crate) service_roles: BTreeSet<String>,
    /// Schedule groups.
    pub(crate) schedule_groups: BTreeSet<String>,
    /// Schedules by group and name.
    pub(crate) schedules: BTreeMap<(String, String), Alarm>,
    /// What schedules have done.
    pub(crate) strikes: Vec<schedules::Strike>,
    /// Functions.
    pub(crate) functions: BTreeMap<String, FunctionRequest>,
    /// Parameters.
    pub(crate) parameters: BTreeMap<String, String>,
    /// Parameters that are secrets, and their versions.
    pub(crate) secrets: BTreeMap<String, (String, i64)>,
    /// Topics of SNS.
    pub(crate) topics: BTreeMap<String, notices::Topic>,
    /// Hosted zones by id.
    pub(crate) zones: BTreeMap<String, zones::Hosted>,
    /// What was posted.
    pub(crate) posted: Vec<notices::Posted>,
    /// Why every address refuses what is posted, if it does.
    pub(crate) refuses_posts: Option<String>,
    /// Automation documents.
    pub(crate) documents: BTreeMap<String, String>,
    /// Commands that were sent to instances.
    pub(crate) commands: BTreeMap<String, shells::Sent>,
    /// Log groups and their days.
    pub(crate) log_groups: BTreeMap<String, u32>,
    /// What was logged.
    pub(crate) log: Vec<LogEvent>,
    /// Whether every read of a log is throttled.
    pub(crate) is_log_throttled: bool,
    /// The agents on the machines.
    pub(crate) agents: Agents,
    /// How long EC2 does not know a profile that was just made.
    pub(crate) profile_delay: SignedDuration,
    /// How long Scheduler cannot assume a role that was just made.
    pub(crate) role_delay: SignedDuration,
    /// Profiles that EC2 will know, by when.
    profiles_due: BTreeSet<(Timestamp, String)>,
    /// Whether the Pricing API knows prices.
    pub(crate) priced: bool,
    /// Groups that were told to be smaller: when, and how many they had.
    shrunk: BTreeMap<String, (Timestamp, u32)>,
    /// What every client token was used for.
    launches: BTreeMap<String, LaunchRequest>,
    /// Whether it is checked after every change that nothing has happened that must never happen. What that takes grows with what
    /// there is: whoever makes a thousand fleets checks afterwards.
    pub(crate) checked: bool,
    /// What must never happen and has.
    pub(crate) violations: Vec<String>,
}

/// A handle on everything there is.
#[derive(Clone)]
pub(crate) struct World {
    state: Arc<Mutex<State>>,
    origin: Timestamp,
    started: tokio::time::Instant,
}

impl World {
    /// A world without throttling or late reads. Must be made inside [`run`].
    pub(crate) fn new() -> Self {
        Self::with(Config { throttle: false, ..Config::default() })
    }

    /// A world whose EC2 is as configured.
    pub(crate) fn with(config: Config) -> Self {
        let state = State {
            cloud: Cloud::new(Config { account_id: ACCOUNT.to_owned(), ..config }),
            buckets: BTreeMap::new(),
            bucket_policies: BTreeMap::new(),
            etags: 0,
            roles: BTreeMap::new(),
            profiles: BTreeMap::new(),
            policies: BTreeMap::new(),
            service_roles: BTreeSet::new(),
            schedule_groups: BTreeSet::new(),
            schedules: BTreeMap::new(),
            strikes: Vec::new(),
            functions: BTreeMap::new(),
            parameters: BTreeMap::new(),
            secrets: BTreeMap::new(),
            topics: BTreeMap::new(),
            zones: BTreeMap::new(),
            posted: Vec::new(),
            refuses_posts: None,
            documents: BTreeMap::new(),
            commands: BTreeMap::new(),
            log_groups: BTreeMap::new(),
            log: Vec::new(),
            is_log_throttled: false,
            agents: Agents::default(),
            profile_delay: SignedDuration::ZERO,
            role_delay: SignedDuration::ZERO,
            profiles_due: BTreeSet::new(),
            priced: true,
            shrunk: BTreeMap::new(),
            launches: BTreeMap::new(),
            checked: true,
            violations: Vec::new(),
        };
        Self { state: Arc::new(Mutex::new(state)), origin: "2030-01-01T00:00:00Z".parse().unwrap(), started: tokio::time::Instant::now() }
    }

    /// Now, in virtual time.
    pub(crate) fn now(&self) -> Timestamp {
        self.origin + SignedDuration::try_from(self.started.elapsed()).unwrap()
    }

    /// Everything, after what is due has happened.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        let now = self.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.settle(now);
        state
    }

    /// Lets time pass.
    pub(crate) async fn pass(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        drop(self.state());
    }

    /// A process of the usual caller, without trouble.
    pub(crate) fn process(&self) -> Process {
        self.process_of("arn:aws:sts::123456789012:assumed-role/ci/run-1")
    }

    /// A process of somebody.
    pub(crate) fn process_of(&self, arn: &str) -> Process {
        Process::new(self.clone(), Caller { account: ACCOUNT.to_owned(), arn: arn.to_owned() })
    }

    /// The engine in a process of the usual caller, without trouble.
    pub(crate) fn engine(&self) -> Engine {
        self.process().engine()
    }

    /// Fails the test if something has happened that must never happen.
    #[track_caller]
    pub(crate) fn assert_lawful(&self) {
        let state = self.state();
        assert!(state.violations.is_empty(), "{}", state.violations.join("\n"));
    }
}

impl State {
    /// Lets happen what is due, each at its own moment.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        while let Some(at) = self.next_due().filter(|at| *at <= now) {
            self.happen(at);
        }
    }

    /// When the next thing happens by itself.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let schedule = self.schedules.values().map(|alarm| alarm.next).min();
        let profile = self.profiles_due.first().map(|(at, _)| *at);
        [self.cloud.next_due(), schedule, profile, self.agents.next_due()].into_iter().flatten().min()
    }

    /// A machine goes off under its agent: its host dies, or somebody switches it off.
    pub(crate) fn machine_off(&mut self, now: Timestamp, id: &str, lost: bool) {
        self.agents.halt(id);
        let off = if lost { self.cloud.guest_lost(now, id) } else { self.cloud.guest_off(now, id) };
        off.expect("a machine that is there can go off");
    }

    fn happen(&mut self, at: Timestamp) {
        for change in self.cloud.advance(at) {
            match change {
                Change::Boot(id) => self.agent_boots(at, &id),
                Change::Halt { id, why: HaltReason::Hibernate } => self.agents.fall_asleep(&id),
                Change::Halt { id, .. } => self.agents.halt(&id),
                Change::RebalanceRecommendation { .. } | Change::SpotNotice { .. } => {}
            }
        }
        while let Some((due, name)) = self.profiles_due.first().filter(|(due, _)| *due <= at).cloned() {
            self.profiles_due.remove(&(due, name.clone()));
            if let Some(profile) = self.profiles.get(&name) {
                self.cloud.profile_known(&name, &profile.arn);
            }
        }
        self.agents_act(at);
        self.schedules_fire(at);
    }

    fn etag(&mut self) -> String {
        self.etags += 1;
        format!("\"{:032x}\"", self.etags)
    }
}

/// An error with AWS's code, in the class that the code has.
fn refusal(code: &str, status: u16, message: impl Into<String>) -> Error {
    Error::new(spawn_core::classes::class_of(Some(code), status), code, message, "")
}

/// Turns errors with one of these codes into nothing.
fn tolerate<T>(result: Result<T>, codes: &[&str]) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if codes.contains(&error.code.as_str()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where what set-up uploads is.
pub(crate) fn artifacts() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/simulated/artifacts")
}

/// Runs a test on virtual time.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(test)
}
