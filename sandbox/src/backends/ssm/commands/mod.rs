//! Run Command: scripts that run on instances, and what is known of them.
//!
//! | module | what it holds |
//! |---|---|
//! | `asked` | what SendCommand is asked |
//! | `state` | commands, their invocations, and how they stand |
//! | `run` | which invocation begins when, and what happens on its instance |
//! | `output`, `logs` | what scripts write: as it is reported, and on its way to CloudWatch Logs |
//! | `list` | looking at commands, and cancelling them |

mod asked;
mod list;
mod logs;
mod output;
mod run;
mod state;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::protocol::{Failure, Request};

use super::agents::{Agent, Agents, not_valid};
use state::{Command, Invocation};

/// The commands of one account.
pub(super) struct Commands {
    agents: Arc<Agents>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By id.
    commands: BTreeMap<String, Command>,
    /// Ids in the order they were sent.
    order: Vec<String>,
}

impl Commands {
    pub(super) fn new(agents: Arc<Agents>) -> Self {
        Self { agents, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// SendCommand.
    pub(super) fn send(self: &Arc<Self>, request: &Request) -> Result<Value, Failure> {
        let asked = asked::send(request)?;
        let chosen = self.chosen(request, &asked.send)?;
        let name = |agent: &Agent| agent.machine.tags.get("Name").cloned().unwrap_or_default();
        let invocations = chosen.iter().map(|agent| Invocation::new(agent.machine.id.clone(), name(agent), request.now)).collect();
        let life_s = u64::from(asked.timeout_s) + asked.script.timeout_s;
        let expires = request.now.saturating_add(SignedDuration::from_secs(i64::try_from(life_s).unwrap_or(i64::MAX)));
        let command = Command {
            id: uuid::Uuid::new_v4().to_string(),
            region: request.region.clone(),
            version: asked.send.document_version.unwrap_or_else(|| "$DEFAULT".to_owned()),
            comment: asked.send.comment,
            parameters: asked.send.parameters,
            named: asked.send.instance_ids,
            targets: asked.send.targets,
            requested: request.now,
            expires: expires.unwrap_or(Timestamp::MAX),
            timeout_s: asked.timeout_s,
            concurrency: asked.concurrency,
            errors: asked.errors,
            output: asked.output,
            script: asked.script,
            invocations,
            cancelled: false,
        };
        let (id, answer) = (command.id.clone(), json!({"Command": list::render(&command, request.now)}));
        let mut state = self.lock();
        state.order.push(id.clone());
        state.commands.insert(id.clone(), command);
        drop(state);
        self.begin(&id);
        Ok(answer)
    }

    /// The instances a command is for. Those that are named must be able to get it.
    fn chosen(&self, request: &Request, send: &asked::Send) -> Result<Vec<Agent>, Failure> {
        let mut named = send.instance_ids.clone();
        let by_id = send.targets.iter().filter(|target| target.key == "InstanceIds");
        named.extend(by_id.flat_map(|target| target.values.iter().cloned()));
        let (mut chosen, mut wrong) = (Vec::new(), Vec::new());
        for id in named {
            match self.agents.find(&request.region, &id).filter(|agent| agent.is_online) {
                Some(agent) => chosen.push(agent),
                None => wrong.push(id),
            }
        }
        if !wrong.is_empty() {
            return Err(not_valid(&wrong, &self.agents.around.account));
        }
        let tags: Vec<(&str, &[String])> =
            send.targets.iter().filter_map(|target| Some((target.key.strip_prefix("tag:")?, target.values.as_slice()))).collect();
        let has = |agent: &Agent| tags.iter().all(|(key, values)| agent.machine.tags.get(*key).is_some_and(|value| values.contains(value)));
        if send.instance_ids.is_empty() && send.targets.iter().all(|target| target.key.starts_with("tag:")) {
            chosen = self.agents.all(&request.region).into_iter().filter(|agent| agent.is_online).collect();
        }
        chosen.retain(has);
        Ok(chosen)
    }

    /// Does what is due: tries instances again, and gives up on what was not heard of in time.
    pub(super) fn advance(self: &Arc<Self>, at: Timestamp) {
        let mut state = self.lock();
        state.commands.values_mut().for_each(|command| command.expire(at));
        let open: Vec<String> =
            state.commands.values().filter(|command| command.due(at).is_some()).map(|command| command.id.clone()).collect();
        drop(state);
        open.iter().for_each(|id| self.begin(id));
    }

    /// When something is next due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let now = self.agents.now();
        self.lock().commands.values().filter_map(|command| command.due(now)).min()
    }
}
