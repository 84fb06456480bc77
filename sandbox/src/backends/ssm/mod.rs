//! Systems Manager of one account: parameters, documents and automations, and what its agents do on instances.
//!
//! | module | what it holds |
//! |---|---|
//! | `parameters`, `documents`, `automations` | what it keeps, and what it starts by itself |
//! | `filters`, `paging` | what its lists have in common |
//! | `agents`, `instances` | which instances are managed |
//! | `commands` | Run Command |
//! | `sessions` | Session Manager |

mod agents;
mod automations;
mod commands;
mod documents;
mod filters;
mod instances;
mod paging;
mod parameters;
mod sessions;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use async_trait::async_trait;
use hyper::upgrade::OnUpgrade;
use jiff::Timestamp;
use serde_json::json;

use crate::authority::Authority;
use crate::backends::iam::Iam;
use crate::protocol::{Answer, Failure, Request};
use crate::router::{Backend, Router};
use agents::Agents;
pub(crate) use agents::Surroundings;
pub(crate) use automations::{Execution, ExecutionStatus};
pub(crate) use automations::{StepRecord, check_start};
use commands::Commands;
pub(crate) use sessions::Sessions;

/// Systems Manager of one account.
pub(crate) struct Ssm {
    account: String,
    iam: Arc<Iam>,
    state: Mutex<State>,
    agents: Arc<Agents>,
    commands: Arc<Commands>,
    sessions: Arc<Sessions>,
}

#[derive(Debug, Default)]
struct State {
    /// By region and name.
    parameters: BTreeMap<(String, String), parameters::Parameter>,
    /// By region and name.
    documents: BTreeMap<(String, String), documents::Document>,
    /// By id.
    executions: BTreeMap<String, Execution>,
    /// Ids in the order they were started.
    order: Vec<String>,
}

impl Ssm {
    /// Systems Manager with AWS's public parameters and nothing else.
    pub(crate) fn new(around: Surroundings, public: impl IntoIterator<Item = (String, String, String)>, started: Timestamp) -> Self {
        let mut state = State::default();
        for (region, name, value) in public {
            state.parameters.insert((region, name), parameters::Parameter::public(value, started));
        }
        let (account, iam) = (around.account.clone(), Arc::clone(&around.iam));
        let agents = Arc::new(Agents::new(around));
        let (commands, sessions) = (Arc::new(Commands::new(Arc::clone(&agents))), Arc::new(Sessions::new(Arc::clone(&agents))));
        Self { account, iam, state: Mutex::new(state), agents, commands, sessions }
    }

    /// From now on who starts an automation must be allowed to hand it its role, and an instance is managed only if its role may be. Only
    /// the first authority counts.
    pub(crate) fn enforce(&self, authority: Arc<Authority>) {
        self.agents.authority.get_or_init(|| authority);
    }

    /// Where the calls of agents go. Only the first router counts.
    pub(crate) fn connect(&self, router: Weak<Router>) {
        self.agents.router.get_or_init(|| router);
    }

    /// The sessions.
    pub(crate) fn sessions(&self) -> Arc<Sessions> {
        Arc::clone(&self.sessions)
    }

    /// Speaks with a client on the channel of a session, for as long as it lasts.
    pub(crate) fn attend(&self, session: String, upgrade: OnUpgrade) {
        let sessions = self.sessions();
        self.agents.tasks.spawn(async move {
            match upgrade.await {
                Ok(stream) => sessions.serve(session, stream).await,
                Err(error) => tracing::debug!(%error, session, "client went away before its channel was open"),
            }
        });
    }

    /// Does what is due with commands and sessions.
    pub(crate) fn advance(&self, at: Timestamp) {
        self.commands.advance(at);
        self.sessions.advance(at);
    }

    /// When something is next due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        [self.next_automation(), self.commands.next_due(), self.sessions.next_due()].into_iter().flatten().min()
    }

    /// Returns when no agent does anything any more; the sandbox must be stopping.
    pub(crate) async fn stop(&self) {
        self.agents.tasks.close();
        self.agents.tasks.wait().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The account's own parameters (their versions, never their values) and documents, by `region/name`.
    pub(crate) fn snapshot(&self) -> serde_json::Value {
        let state = self.lock();
        let parameters: BTreeMap<String, u64> = state
            .parameters
            .iter()
            .filter(|(_, parameter)| !parameter.is_public())
            .map(|((region, name), parameter)| (format!("{region}/{name}"), parameter.version))
            .collect();
        let documents: BTreeMap<String, usize> =
            state.documents.iter().map(|((region, name), document)| (format!("{region}/{name}"), document.versions.len())).collect();
        json!({"parameters": parameters, "documents": documents})
    }
}

#[async_trait]
impl Backend for Ssm {
    async fn handle(&self, request: &Request) -> Result<Answer, Failure> {
        let answer = match request.operation.as_str() {
            "GetParameter" => self.get_parameter(request)?,
            "GetParameters" => self.get_parameters(request)?,
            "GetParametersByPath" => self.get_parameters_by_path(request)?,
            "PutParameter" => self.put_parameter(request)?,
            "DeleteParameter" => self.delete_parameter(request)?,
            "DeleteParameters" => self.delete_parameters(request)?,
            "DescribeParameters" => self.describe_parameters(request)?,
            "AddTagsToResource" => self.add_tags(request)?,
            "ListTagsForResource" => self.list_tags(request)?,
            "CreateDocument" => self.create_document(request)?,
            "GetDocument" => self.get_document(request)?,
            "DescribeDocument" => self.describe_document(request)?,
            "UpdateDocument" => self.update_document(request)?,
            "UpdateDocumentDefaultVersion" => self.update_default_version(request)?,
            "DeleteDocument" => self.delete_document(request)?,
            "ListDocuments" => self.list_documents(request)?,
            "StartAutomationExecution" => self.start_automation(request)?,
            "GetAutomationExecution" => self.get_automation(request)?,
            "DescribeAutomationExecutions" => self.describe_automations(request)?,
            "StopAutomationExecution" => self.stop_automation(request)?,
            "DescribeInstanceInformation" => instances::describe(&self.agents, request)?,
            "SendCommand" => self.commands.send(request)?,
            "GetCommandInvocation" => self.commands.get(request)?,
            "ListCommands" => self.commands.list(request)?,
            "ListCommandInvocations" => self.commands.list_invocations(request)?,
            "CancelCommand" => self.commands.cancel(request)?,
            "StartSession" => self.sessions.start(request)?,
            "TerminateSession" => self.sessions.terminate(request)?,
            "DescribeSessions" => self.sessions.describe(request)?,
            other => return Err(Failure::gap(format!("ssm {other}"))),
        };
        Ok(Answer::json(&answer))
    }
}

/// A tag as the JSON of Systems Manager has it.
#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Tag {
    key: String,
    value: String,
}

fn tag_map(tags: Vec<Tag>) -> BTreeMap<String, String> {
    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}
