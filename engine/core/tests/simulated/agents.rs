//! Scripted agents: what the agent does, at the level of the records it writes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use sandbox_cloud::Request;
use sandbox_cloud::request::StopInstances;
use spawn_core::ports::Condition;
use spawn_model::idle::Idleness;
use spawn_model::ids::InstanceId;
use spawn_model::layout::RunKeys;
use spawn_model::record::{AgentConfig, Completion, Exit, Lease, Payload, RankClaim, SCHEMA, Service, Stop};
use spawn_model::spec::FleetKind;
use spawn_model::stopping::OnEnd;

use super::{REGION, State};

/// How long a member of a service waits that found every rank taken.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// What the ranks do.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// The command ends by itself after some seconds.
    Ends {
        /// After so long.
        after_s: i64,
        /// Like this.
        exit: Exit,
    },
    /// The command goes on until the lease ends it.
    GoesOn,
    /// Nobody is there: neither work, nor records, nor an end at the deadline. Lease hands 1 and 2 are off.
    Absent,
}

/// An agent at work.
#[derive(Clone, Debug)]
struct Agent {
    config: AgentConfig,
    /// Its rank; nothing while it has found none.
    rank: Option<u32>,
    started_at: Timestamp,
    /// When it does something next.
    next: Timestamp,
    ends: Option<(Timestamp, Exit)>,
}

/// The agents on all machines.
pub(crate) struct Agents {
    /// What a rank does.
    pub(crate) work: Box<dyn Fn(u32) -> Work + Send>,
    at_work: BTreeMap<String, Agent>,
    due: BTreeSet<(Timestamp, String)>,
}

impl Default for Agents {
    fn default() -> Self {
        Self { work: Box::new(|_| Work::GoesOn), at_work: BTreeMap::new(), due: BTreeSet::new() }
    }
}

impl Agents {
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// A machine hibernates under its agent.
    pub(super) fn fall_asleep(&mut self, id: &str) {
        if let Some(agent) = self.at_work.get(id) {
            self.due.remove(&(agent.next, id.to_owned()));
        }
    }

    /// A machine is switched on: if it has hibernated, its agent goes on where it was. Whether it does.
    fn wake(&mut self, at: Timestamp, id: &str) -> bool {
        let Some(agent) = self.at_work.get_mut(id) else { return false };
        agent.next = at;
        self.due.insert((at, id.to_owned()));
        true
    }

    /// A machine goes off under its agent.
    pub(super) fn halt(&mut self, id: &str) {
        if let Some(agent) = self.at_work.remove(id) {
            self.due.remove(&(agent.next, id.to_owned()));
        }
    }
}

/// The agent's configuration, which user data holds on a line of its own; nothing if no agent is in it.
pub(crate) fn config(user_data: &[u8]) -> Option<AgentConfig> {
    let script = std::str::from_utf8(user_data).expect("user data is text");
    let line = script.lines().find(|line| line.starts_with("{\"schema\":"))?;
    Some(serde_json::from_str(line).expect("the configuration can be read"))
}

impl State {
    /// A machine is switched on: its agent reads user data, claims its rank and starts the command.
    pub(super) fn agent_boots(&mut self, at: Timestamp, id: &str) {
        if self.agents.wake(at, id) {
            return;
        }
        let Some(machine) = self.cloud.machine(id) else { return };
        let Some(config) = config(machine.user_data.as_deref().unwrap_or_default()) else { return };
        let rank = config.rank_base + machine.ami_launch_index;
        let work = (self.agents.work)(rank);
        if matches!(work, Work::Absent) {
            return;
        }
        if config.kind == FleetKind::Service {
            // Which ranks are free is seen when it acts, which is at once.
            self.agents.due.insert((at, id.to_owned()));
            self.agents.at_work.insert(id.to_owned(), Agent { config, rank: None, started_at: at, next: at, ends: None });
            return;
        }
        let instance_id = InstanceId(id.to_owned());
        let claim = RankClaim { schema: SCHEMA, instance_id, private_ip: machine.private_ip, started_at: at, service: None };
        let key = RunKeys::new(&config.fleet, &config.run).rank(rank);
        if !self.write(&config.bucket, &key, &claim, &Condition::Absent) && !self.holds(&config.bucket, &key, id) {
            self.violations.push(format!("rank {rank} of {} is claimed twice", config.run));
            return;
        }
        let ends = match work {
            Work::Ends { after_s, exit } => Some((at + SignedDuration::from_secs(after_s), exit)),
            Work::GoesOn | Work::Absent => None,
        };
        let next = ends.as_ref().map_or(config.deadline, |(end, _)| (*end).min(config.deadline));
        self.agents.due.insert((next, id.to_owned()));
        self.agents.at_work.insert(id.to_owned(), Agent { config, rank: Some(rank), started_at: at, next, ends });
    }

    /// Agents whose moment has come end their command, or see that the lease has moved.
    pub(super) fn agents_act(&mut self, at: Timestamp) {
        while let Some((due, id)) = self.agents.due.first().filter(|(due, _)| *due <= at).cloned() {
            self.agents.due.remove(&(due, id.clone()));
            let Some(agent) = self.agents.at_work.get(&id).cloned() else { continue };
            if let Some((_, exit)) = agent.ends.clone().filter(|(end, _)| *end <= at) {
                self.agent_completes(at, &id, &agent, exit);
                continue;
            }
            let deadline = self.lease_of(&agent.config);
            if deadline <= at {
                self.agent_completes(at, &id, &agent, Exit::LeaseEnded);
                continue;
            }
            let rank = agent.rank.or_else(|| self.rank_taken(at, &id, &agent.config));
            let acts = if rank.is_some() { agent.ends.as_ref().map(|(end, _)| *end) } else { Some(at + LOOK_AGAIN) };
            let next = acts.map_or(deadline, |acts| acts.min(deadline));
            self.agents.due.insert((next, id.clone()));
            self.agents.at_work.insert(id, Agent { rank, next, ..agent });
        }
    }

    /// The lowest rank of a service that nobody has who is alive. It is this instance's then.
    fn rank_taken(&mut self, at: Timestamp, id: &str, config: &AgentConfig) -> Option<u32> {
        let keys = RunKeys::new(&config.fleet, &config.run);
        let payload: Payload = self.read(&config.bucket, &keys.payload())?;
        let rank = (0..payload.size).find(|rank| self.is_free(&config.bucket, &keys.rank(*rank)))?;
        let (instance_id, private_ip) = (InstanceId(id.to_owned()), self.cloud.machine(id)?.private_ip);
        let claim = RankClaim { schema: SCHEMA, instance_id, private_ip, started_at: at, service: Some(Service::default()) };
        self.write(&config.bucket, &keys.rank(rank), &claim, &Condition::Always).then_some(rank)
    }

    /// Whether a rank of a service is anybody's to take.
    fn is_free(&self, bucket: &str, key: &str) -> bool {
        let Some(claim) = self.read::<RankClaim>(bucket, key) else { return true };
        let is_alive = self.cloud.machine(&claim.instance_id.0).is_some_and(|machine| !machine.state.is_ending());
        !is_alive || claim.service.is_some_and(|service| service.released)
    }

    /// Whether an instance that was started again claimed this rank before.
    fn holds(&self, bucket: &str, key: &str, id: &str) -> bool {
        self.read::<RankClaim>(bucket, key).is_some_and(|claim| claim.instance_id.0 == id)
    }

    fn lease_of(&self, config: &AgentConfig) -> Timestamp {
        let key = RunKeys::new(&config.fleet, &config.run).lease();
        self.read::<Lease>(&config.bucket, &key).map_or(config.deadline, |lease| lease.deadline)
    }

    fn agent_completes(&mut self, at: Timestamp, id: &str, agent: &Agent, exit: Exit) {
        self.agents.at_work.remove(id);
        let off = matches!(exit, Exit::LeaseEnded | Exit::Idle) || agent.config.kind.ends_with_command();
        let Some(rank) = agent.rank else {
            // Nothing was its to do.
            self.cloud.guest_off(at, id).expect("a machine that is on can be switched off");
            return;
        };
        let idle = (exit == Exit::Idle).then(|| Idleness { since: agent.started_at, signals: Vec::new() });
        let keys = RunKeys::new(&agent.config.fleet, &agent.config.run);
        if off && agent.config.ends.stops() {
            let end = if exit == Exit::Idle { agent.config.ends.on_idle } else { agent.config.ends.on_expiry };
            let stop = Stop { schema: SCHEMA, instance_id: InstanceId(id.to_owned()), at, idle, reason: None, not_hibernated: None };
            self.write(&agent.config.bucket, &keys.stop(rank), &stop, &Condition::Always);
            let hibernate = Request::StopInstances(StopInstances { instance_ids: vec![id.to_owned()], hibernate: true });
            if end == OnEnd::Hibernate && self.cloud.call(at, REGION, hibernate).is_ok() {
                // What it does when it is switched on again depends on its lease.
                self.agents.at_work.insert(id.to_owned(), Agent { ends: None, ..agent.clone() });
                return;
            }
            self.cloud.guest_off(at, id).expect("a machine that is on can be switched off");
            return;
        }
        let completion = Completion {
            schema: SCHEMA,
            rank,
            instance_id: InstanceId(id.to_owned()),
            idle,
            exit,
            started_at: Some(agent.started_at),
            ended_at: at,
            results: Vec::new(),
            notes: Vec::new(),
        };
        self.write(&agent.config.bucket, &keys.completion(rank), &completion, &Condition::Absent);
        if off {
            self.cloud.guest_off(at, id).expect("a machine that is on can be switched off");
        }
    }

    fn read<T: serde::de::DeserializeOwned>(&self, bucket: &str, key: &str) -> Option<T> {
        let (body, _) = self.buckets.get(bucket)?.get(key)?;
        serde_json::from_slice(body).ok()
    }

    fn write(&mut self, bucket: &str, key: &str, record: &impl serde::Serialize, condition: &Condition) -> bool {
        self.put(bucket, key, serde_json::to_vec(record).unwrap(), condition).is_ok()
    }
}
