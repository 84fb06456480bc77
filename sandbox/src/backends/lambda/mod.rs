//! Lambda: functions that really run.
//!
//! A function's `bootstrap` is a process of its own for each execution environment, and is spoken to through the runtime API, as on AWS.
//! What AWS does beyond it and this does not: environments are not frozen between invocations, memory is not limited, and `/tmp` is the
//! directory that `TMPDIR` names.
//!
//! | module | what it holds |
//! |---|---|
//! | `asked`, `rules` | requests, and what they may say |
//! | `state`, `code` | functions and their versions, and the code they are made of |
//! | `functions`, `limits`, `permissions` | making and changing them, how much of them runs, who may invoke them |
//! | `invoke`, `events` | invocations that are waited for, and those that are queued and retried |
//! | `runner`, `environment`, `process` | which environment takes an invocation, and what happens in it |
//! | `runtime_api`, `output`, `report` | the API its process speaks, what it prints, and what Lambda writes beside that |

mod asked;
mod code;
mod environment;
mod events;
mod functions;
mod invoke;
mod limits;
mod output;
mod permissions;
mod process;
mod report;
mod route;
mod rules;
mod runner;
mod runtime_api;
mod state;
mod surroundings;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::authority::Authority;
use crate::protocol::{Answer, Failure, Request};
use crate::router::{Backend, Router};
pub(crate) use route::function_arn;
use runner::Runner;
use state::State;
pub(crate) use surroundings::Surroundings;

/// Lambda of one account.
pub(crate) struct Lambda {
    state: Mutex<State>,
    runner: Arc<Runner>,
    /// How many queued events are at work at once.
    turns: Semaphore,
    authority: OnceLock<Arc<Authority>>,
}

impl Lambda {
    /// A Lambda without functions.
    pub(crate) fn new(around: Surroundings) -> Self {
        Self {
            state: Mutex::default(),
            runner: Arc::new(Runner::new(around)),
            turns: Semaphore::new(events::TURNS),
            authority: OnceLock::new(),
        }
    }

    /// From now on who gives a function its role must be allowed to. Only the first authority counts.
    pub(crate) fn enforce(&self, authority: Arc<Authority>) {
        self.authority.get_or_init(|| authority);
    }

    /// Where the output of functions goes. Only the first router counts.
    pub(crate) fn connect(&self, router: Weak<Router>) {
        self.runner.around.router.get_or_init(|| router);
    }

    /// What is due next: an event, or the end of an environment nobody has used for a while.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let event = self.lock().next_event();
        event.into_iter().chain(self.runner.next_retirement()).min()
    }

    /// Lets what is due at `now` happen. Functions go their own way, as machines do.
    pub(crate) fn advance(self: &Arc<Self>, now: Timestamp) {
        self.start_events(now);
        let current = self.lock().current(now);
        self.runner.retire(now, &current);
    }

    /// Ends every environment, and returns when nothing of them is left.
    pub(crate) async fn stop(&self) {
        self.runner.stop().await;
    }

    /// Functions by `region/name`.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, Value> {
        self.lock().snapshot()
    }

    fn account(&self) -> &str {
        &self.runner.around.account
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait]
impl Backend for Lambda {
    fn operation(&self, request: &Request) -> String {
        route::operation(request)
    }

    async fn handle(&self, request: &Request) -> Result<Answer, Failure> {
        let answer = match request.operation.as_str() {
            "Invoke" => return self.invoke(request).await,
            "CreateFunction" => (201, self.create(request).await?),
            "GetFunction" => (200, self.get(request)?),
            "GetFunctionConfiguration" => (200, self.get_configuration(request)?),
            "UpdateFunctionCode" => (200, self.update_code(request).await?),
            "UpdateFunctionConfiguration" => (200, self.update_configuration(request)?),
            "DeleteFunction" => (204, self.delete(request)?),
            "ListFunctions" => (200, self.list(request)?),
            "PublishVersion" => (201, self.publish(request)?),
            "ListVersionsByFunction" => (200, self.list_versions(request)?),
            "ListTags" => (200, self.list_tags(request)?),
            "TagResource" => (204, self.tag(request)?),
            "UntagResource" => (204, self.untag(request)?),
            "PutFunctionConcurrency" => (200, self.put_concurrency(request)?),
            "GetFunctionConcurrency" => (200, self.get_concurrency(request)?),
            "DeleteFunctionConcurrency" => (204, self.delete_concurrency(request)?),
            "PutFunctionEventInvokeConfig" => (200, self.put_event_config(request)?),
            "GetFunctionEventInvokeConfig" => (200, self.get_event_config(request)?),
            "DeleteFunctionEventInvokeConfig" => (204, self.delete_event_config(request)?),
            "AddPermission" => (201, self.add_permission(request)?),
            "GetPolicy" => (200, self.get_policy(request)?),
            "RemovePermission" => (204, self.remove_permission(request)?),
            other => return Err(Failure::gap(format!("lambda {other}"))),
        };
        Ok(match answer {
            (204, _) => Answer::empty(204),
            (status, body) => {
                let mut answer = Answer::empty(status).header("content-type", "application/json").with_body(body.to_string());
                answer.headers.push(("x-amzn-requestid".to_owned(), request.id.clone()));
                answer
            }
        })
    }
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(400, "InvalidParameterValueException", message)
}

fn conflict(message: impl Into<String>) -> Failure {
    Failure::new(409, "ResourceConflictException", message)
}

fn not_found(message: impl Into<String>) -> Failure {
    Failure::new(404, "ResourceNotFoundException", message)
}

fn done() -> Value {
    json!({})
}
