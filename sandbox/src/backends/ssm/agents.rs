//! The agents of the machines: which instances are managed, and what they hear.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};

use jiff::Timestamp;
use sandbox_cloud::Machine;
use sandbox_cloud::model::{InstanceState, Platform};
use sandbox_hypervisor::Hypervisor;
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::authority::{Authority, Need};
use crate::backends::ec2::Ec2;
use crate::backends::iam::Iam;
use crate::callers::Caller;
use crate::clock::Clock;
use crate::machines::role_of_machines;
use crate::protocol::{Failure, Request};
use crate::router::{self, Router};

/// What an agent needs for its channels, of which one is for commands and one for each session.
const CHANNELS: [&str; 4] =
    ["ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"];
/// The older way to commands, which agents fall back to.
const MESSAGES: [&str; 4] =
    ["ec2messages:AcknowledgeMessage", "ec2messages:GetEndpoint", "ec2messages:GetMessages", "ec2messages:SendReply"];

/// The sandbox around the agents.
pub(crate) struct Surroundings {
    /// The account.
    pub(crate) account: String,
    /// Where clients reach the sandbox.
    pub(crate) endpoint: String,
    /// The instances.
    pub(crate) ec2: Arc<Ec2>,
    /// Their roles.
    pub(crate) iam: Arc<Iam>,
    /// AWS's time.
    pub(crate) clock: Arc<Clock>,
    /// Runs the machines; without it no agent runs.
    pub(crate) hypervisor: Option<Hypervisor>,
    /// Tells the driver that something is due.
    pub(crate) wake: Arc<Notify>,
    /// The sandbox ends.
    pub(crate) stop: CancellationToken,
}

/// The agents of all machines.
pub(super) struct Agents {
    pub(super) around: Surroundings,
    pub(super) authority: OnceLock<Arc<Authority>>,
    pub(super) router: OnceLock<Weak<Router>>,
    pub(super) tasks: TaskTracker,
}

/// The agent of a managed instance.
pub(super) struct Agent {
    /// The instance.
    pub(super) machine: Machine,
    /// What is installed on it.
    pub(super) platform: Platform,
    /// Who it is to AWS.
    caller: Caller,
    /// Whether it runs and can say so.
    pub(super) is_online: bool,
}

impl Agents {
    pub(super) fn new(around: Surroundings) -> Self {
        Self { around, authority: OnceLock::new(), router: OnceLock::new(), tasks: TaskTracker::new() }
    }

    /// The agent of an instance, if the instance is managed: its image has the agent, which may register itself.
    pub(super) fn find(&self, region: &str, id: &str) -> Option<Agent> {
        let now = self.around.clock.now();
        let machine = self.around.ec2.with(now, |cloud, _| cloud.machine(id)).filter(|machine| machine.region == region)?;
        let platform = machine.platform.filter(|platform| platform.has_agent)?;
        let hypervisor = self.around.hypervisor.as_ref()?;
        // One that never ran has not registered itself.
        hypervisor.directory(id)?;
        let role = role_of_machines(&self.around.iam, machine.iam_instance_profile_arn.as_ref()?, now)?;
        let caller = Caller::Instance { id: machine.id.clone(), role: role.name, role_id: role.id };
        let is_online = machine.state == InstanceState::Running && hypervisor.is_running(id);
        let arn = format!("arn:aws:ec2:{region}:{}:instance/{id}", self.around.account);
        let agent = Agent { machine, platform, caller, is_online };
        self.may(&agent, "ssm:UpdateInstanceInformation", &arn).then_some(agent)
    }

    /// The agents of all managed instances of a region, by instance.
    pub(super) fn all(&self, region: &str) -> Vec<Agent> {
        let mut ids = self.around.ec2.with(self.around.clock.now(), |cloud, _| cloud.machine_ids());
        ids.sort_unstable();
        ids.iter().filter_map(|id| self.find(region, id)).collect()
    }

    /// Whether sessions can reach an agent.
    pub(super) fn hears_sessions(&self, agent: &Agent) -> bool {
        agent.is_online && CHANNELS.iter().all(|action| self.may(agent, action, "*"))
    }

    /// Whether commands can reach an agent.
    pub(super) fn hears_commands(&self, agent: &Agent) -> bool {
        self.hears_sessions(agent) || agent.is_online && MESSAGES.iter().all(|action| self.may(agent, action, "*"))
    }

    fn may(&self, agent: &Agent, action: &str, resource: &str) -> bool {
        let Some(authority) = self.authority.get() else { return true };
        let service = action.split(':').next().unwrap_or_default();
        let request =
            Request::own(service, &agent.machine.region, agent.caller.clone(), bytes::Bytes::new(), None, self.around.clock.now());
        match authority.check_need(&request, &Need::new(action, resource)) {
            Ok(()) => true,
            Err(failure) => {
                if let Some(gap) = &failure.gap {
                    self.record_gap(gap);
                }
                false
            }
        }
    }

    /// Makes a call as an instance; an error is its code.
    pub(super) async fn call(&self, agent: &Agent, service: &str, target: &str, body: &Value) -> Result<(), String> {
        let now = self.around.clock.now();
        let body = body.to_string().into();
        let request = Request::own(service, &agent.machine.region, agent.caller.clone(), body, Some(target), now);
        router::call(self.router.get(), request).await
    }

    /// Lists something as missing.
    pub(super) fn record_gap(&self, what: &str) {
        if let Some(router) = self.router.get().and_then(Weak::upgrade) {
            router.gaps().record(what);
        }
    }

    /// What runs the machines, and the directory of one of them.
    pub(super) fn place(&self, instance: &str) -> Option<(Hypervisor, PathBuf)> {
        let hypervisor = self.around.hypervisor.clone()?;
        let directory = hypervisor.directory(instance)?;
        Some((hypervisor, directory))
    }

    /// AWS's time.
    pub(super) fn now(&self) -> Timestamp {
        self.around.clock.now()
    }
}

/// Instances that are not managed, or that no command reaches, in Systems Manager's words.
pub(super) fn not_valid(ids: &[String], account: &str) -> Failure {
    Failure::new(400, "InvalidInstanceId", format!("Instances [[{}]] not in a valid state for account {account}", ids.join(", ")))
}
