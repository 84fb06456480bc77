//! The commands that save what the machine would lose: before it ends, and when EC2 is likely to take it back.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use spawn_model::hook::AFTER_HOOK;
use spawn_model::record::Exit;
use tokio::time::{sleep, timeout};

use crate::config::State;
use crate::ending::Ending;
use crate::exec::Job;
use crate::output::Channel;
use crate::workload::{self, Workload};

/// Under this name the hooks are kept: a machine that stays when its command has ended runs them also after a reboot.
const KEPT: &str = "hooks.json";
/// How long a hook may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(2);
/// A process that does not end even though it was killed is not waited for any longer than this.
const KILLED_WITHIN: Duration = Duration::from_secs(2);
/// How long it runs even where there is hardly any time left.
const LEAST: Duration = Duration::from_secs(1);

/// Why a hook runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reason {
    /// The lease is about to end.
    Lease,
    /// The machine is idle.
    Idle,
    /// EC2 takes the machine back.
    Spot,
    /// EC2 is likely to.
    Rebalance,
    /// EC2 takes the machine of another rank back.
    Peer,
}

impl Reason {
    /// Why a hook runs at an end; nothing when the system goes down already, or what it would save is another machine's to save.
    pub(crate) fn of(ending: Ending) -> Option<Self> {
        match ending {
            Ending::Idle => Some(Self::Idle),
            Ending::Lease => Some(Self::Lease),
            Ending::Spot => Some(Self::Spot),
            Ending::Replaced | Ending::Shutdown => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::Idle => "idle",
            Self::Spot => "spot",
            Self::Rebalance => "rebalance",
            Self::Peer => "peer",
        }
    }
}

/// A hook that is ready to run.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Hook {
    /// `pre_stop`, `checkpoint` or `peer_notice`.
    name: String,
    job: Job,
    /// How long it may take.
    timeout: Duration,
}

impl Hook {
    /// A hook of this name, which runs `job` for no longer than `timeout`.
    pub(crate) fn new(name: &str, job: Job, timeout: Duration) -> Self {
        Self { name: name.to_owned(), job: Job { grace: GRACE, ..job }, timeout }
    }

    /// Runs it, until `over` at the latest, but for a moment in any case. What went wrong is said in a sentence.
    pub(crate) async fn run(
        &self,
        state: &State,
        output: &Channel,
        (reason, deadline): (Reason, Timestamp),
        command_pid: Option<u32>,
        over: impl Future<Output = ()>,
    ) -> Option<String> {
        let no_time = async {
            tokio::join!(over, sleep(LEAST));
        };
        tokio::select! {
            note = self.run_in_time(state, output, (reason, deadline), command_pid) => note,
            () = no_time => {
                self.stop(state).await;
                Some(format!("{} was ended: the machine had no more time", self.name))
            }
        }
    }

    /// Ends it, if it runs.
    pub(crate) async fn stop(&self, state: &State) {
        workload::end(state, &self.unit_name()).await;
    }

    fn unit_name(&self) -> String {
        self.name.replace('_', "-")
    }

    async fn run_in_time(
        &self,
        state: &State,
        output: &Channel,
        (reason, deadline): (Reason, Timestamp),
        command_pid: Option<u32>,
    ) -> Option<String> {
        let limit = self.timeout;
        let mut job = Job { limit: Some(limit), ..self.job.clone() };
        job.env.insert("SPAWN_REASON".to_owned(), reason.word().to_owned());
        // It may have moved since the command was told.
        job.env.insert("SPAWN_DEADLINE".to_owned(), deadline.to_string());
        if let Some(pid) = command_pid {
            job.env.insert("SPAWN_COMMAND_PID".to_owned(), pid.to_string());
        }
        let began = Instant::now();
        let in_unit = workload::has_units();
        let mut ran = self.run_once(state, output, &job, in_unit).await;
        if let (true, Err(reason)) = (in_unit, &ran) {
            eprintln!("spored: {} runs without a unit: {reason}", self.name);
            ran = self.run_once(state, output, &job, false).await;
        }
        let name = &self.name;
        match ran {
            Ok(Exit::Code { code: 0 }) => None,
            Ok(Exit::NotStarted { reason }) | Err(reason) => Some(format!("{name} could not be run: {reason}")),
            Ok(_) if began.elapsed() >= limit => Some(format!("{name} was ended after {} s, its timeout", limit.as_secs())),
            Ok(Exit::Code { code }) => Some(format!("{name} ended with exit code {code}")),
            Ok(Exit::Signal { signal }) => Some(format!("{name} was killed by signal {signal}")),
            Ok(Exit::LeaseEnded | Exit::Interrupted | Exit::Idle) => None,
        }
    }

    /// Runs it, in a unit or directly. An error if it could not be run in this way.
    async fn run_once(&self, state: &State, output: &Channel, job: &Job, in_unit: bool) -> Result<Exit, String> {
        let (account, name) = (workload::account().await, self.unit_name());
        if !in_unit {
            workload::keep_from_credentials(account.as_ref(), job.uses_aws).await;
        }
        let started = output
            .writer()
            .and_then(|writer| Workload::start(state, &name, job, account.as_ref(), in_unit, writer))
            .map_err(|error| error.to_string());
        let mut running = started?;
        let most = job.limit.unwrap_or_default() + job.grace + KILLED_WITHIN;
        match timeout(most, running.ended()).await {
            Ok(exit) => exit,
            Err(_) => {
                running.stop().await;
                Ok(Exit::Signal { signal: rustix::process::Signal::KILL.as_raw() })
            }
        }
    }
}

/// The hooks of a machine.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Hooks {
    /// Runs before the machine ends early.
    pub(crate) pre_stop: Option<Hook>,
    /// Runs when EC2 is likely to take it back.
    pub(crate) checkpoint: Option<Hook>,
    /// Runs when EC2 takes the machine of another rank back.
    #[serde(default)]
    pub(crate) peer_notice: Option<Hook>,
}

impl Hooks {
    /// Those of an earlier boot.
    pub(crate) fn kept(state: &State) -> Self {
        state.recall(KEPT).unwrap_or_default()
    }

    /// Keeps them for a later boot.
    pub(crate) fn keep(&self, state: &State) -> std::io::Result<()> {
        state.keep(KEPT, self)
    }

    /// How long before the deadline the end has to begin for one of them.
    pub(crate) fn lead(&self) -> Option<SignedDuration> {
        let timeout = SignedDuration::try_from(self.pre_stop.as_ref()?.timeout).unwrap_or(SignedDuration::MAX);
        Some(timeout.saturating_add(AFTER_HOOK.into()))
    }

    /// The one that saves something while the command goes on.
    pub(crate) fn beside_the_command(&self, reason: Reason) -> Option<&Hook> {
        match reason {
            Reason::Rebalance => self.checkpoint.as_ref(),
            Reason::Peer => self.peer_notice.as_ref(),
            Reason::Lease | Reason::Idle | Reason::Spot => None,
        }
    }

    /// The one for the end of the machine.
    pub(crate) fn at_the_end(&self, reason: Reason) -> Option<&Hook> {
        match reason {
            Reason::Spot => self.pre_stop.as_ref().or(self.checkpoint.as_ref()),
            _ => self.pre_stop.as_ref(),
        }
    }
}
