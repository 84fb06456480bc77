//! Session Manager: shells and commands on instances, over a web socket that speaks as AWS's data channel does.
//!
//! | module | what it holds |
//! |---|---|
//! | `document` | which session documents are known, and what they run |
//! | `frame`, `stream` | what goes over the channel, and that it arrives in order and once |
//! | `program` | what runs in a session |
//! | `channel` | one connection, from its token to its end |
//!
//! What AWS has and this has not: a client that went away does not come back. With its connection the session ends.

mod channel;
mod document;
mod frame;
mod program;
mod stream;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::callers::{random_id, random_secret};
use crate::json::{read, validation};
use crate::protocol::{Failure, Request};
use crate::sigv4::same;
use crate::times::epoch;

use super::agents::Agents;
use super::paging::paged;
use document::Plan;

/// How long a session lives in which nobody types, in AWS's time.
const IDLE: SignedDuration = SignedDuration::from_mins(20);
/// Entries of a page.
const PAGE: usize = 200;
/// Characters of an id after the name of who began the session.
const ID: usize = 26;

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    /// Nobody has come with its token.
    Connecting,
    Connected,
    Terminated,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Connecting => "Connecting",
            Self::Connected => "Connected",
            Self::Terminated => "Terminated",
        }
    }
}

#[derive(Debug)]
struct Session {
    id: String,
    region: String,
    target: String,
    document: String,
    plan: Plan,
    reason: Option<String>,
    /// ARN of who began it.
    owner: String,
    /// Unique id of who began it.
    user_id: String,
    status: Status,
    started: Timestamp,
    ended: Option<Timestamp>,
    /// What opens its channel, once.
    token: Option<String>,
    /// When somebody last typed.
    active: Timestamp,
    end: CancellationToken,
}

/// What a connection needs to know of its session.
struct Opened {
    target: String,
    plan: Plan,
    end: CancellationToken,
}

/// The sessions of one account.
pub(crate) struct Sessions {
    agents: Arc<Agents>,
    /// In the order they were begun.
    state: Mutex<Vec<Session>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Start {
    target: String,
    document_name: Option<String>,
    reason: Option<String>,
    #[serde(default)]
    parameters: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Named {
    session_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Describe {
    state: String,
    #[serde(default)]
    filters: Vec<Filter>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    key: String,
    value: String,
}

impl Session {
    fn render(&self) -> Value {
        let mut entry = json!({
            "SessionId": self.id, "Target": self.target, "Status": self.status.name(), "StartDate": epoch(self.started),
            "DocumentName": self.document, "Owner": self.owner, "OutputUrl": {}, "AccessType": "Standard",
        });
        if let Some(reason) = &self.reason {
            entry["Reason"] = reason.as_str().into();
        }
        if let Some(ended) = self.ended {
            entry["EndDate"] = epoch(ended).into();
        }
        entry
    }

    fn passes(&self, filter: &Filter) -> bool {
        let value = filter.value.as_str();
        match filter.key.as_str() {
            "Target" => self.target == value,
            "Owner" => self.owner == value,
            "Status" => self.status.name() == value,
            "SessionId" => self.id == value,
            "InvokedAfter" => value.parse().is_ok_and(|time: Timestamp| self.started > time),
            _ => value.parse().is_ok_and(|time: Timestamp| self.started < time),
        }
    }

    fn finish(&mut self, now: Timestamp) {
        if self.status != Status::Terminated {
            (self.status, self.ended, self.token) = (Status::Terminated, Some(now), None);
            self.end.cancel();
        }
    }
}

impl Sessions {
    pub(super) fn new(agents: Arc<Agents>) -> Self {
        Self { agents, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Session>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with a session that is there.
    fn with<T>(&self, id: &str, work: impl FnOnce(&mut Session) -> T) -> Option<T> {
        self.lock().iter_mut().find(|session| session.id == id).map(work)
    }

    /// StartSession.
    pub(super) fn start(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Start = read(request)?;
        if !asked.target.starts_with("i-") {
            return Err(Failure::gap("targets of ssm StartSession that are no instances"));
        }
        if asked.reason.as_ref().is_some_and(|reason| reason.is_empty() || reason.chars().count() > 256) {
            return Err(validation("1 validation error detected: 'reason' must have length between 1 and 256"));
        }
        let document = asked.document_name.unwrap_or_else(|| document::SHELL.to_owned());
        let plan = Plan::of(&document, &asked.parameters)?;
        let agent = self.agents.find(&request.region, &asked.target).filter(|agent| self.agents.hears_sessions(agent));
        if agent.is_none() {
            return Err(Failure::new(400, "TargetNotConnected", format!("{} is not connected.", asked.target)));
        }
        let owner = request.caller.arn(&self.agents.around.account);
        let name = owner.rsplit('/').next().unwrap_or_default();
        let (id, token) = (format!("{name}-{}", random_id(ID).to_lowercase()), format!("{}{}", random_secret(), random_secret()));
        let address = self.agents.around.endpoint.replacen("http", "ws", 1);
        let url = format!("{address}{}{id}?role=publish_subscribe", channel::PATH);
        let answer = json!({"SessionId": id, "TokenValue": token, "StreamUrl": url});
        let session = Session {
            id,
            region: request.region.clone(),
            target: asked.target,
            document,
            plan,
            reason: asked.reason,
            user_id: request.caller.user_id(),
            owner,
            status: Status::Connecting,
            started: request.now,
            ended: None,
            token: Some(token),
            active: request.now,
            end: CancellationToken::new(),
        };
        self.lock().push(session);
        Ok(answer)
    }

    /// TerminateSession.
    pub(super) fn terminate(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Named = read(request)?;
        let known = self.with(&asked.session_id, |session| {
            let here = session.region == request.region;
            if here {
                session.finish(request.now);
            }
            here
        });
        match known {
            Some(true) => Ok(json!({"SessionId": asked.session_id})),
            _ => Err(Failure::new(400, "DoesNotExistException", format!("Session {} does not exist", asked.session_id))),
        }
    }

    /// DescribeSessions.
    pub(super) fn describe(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Describe = read(request)?;
        let active = match asked.state.as_str() {
            "Active" => true,
            "History" => false,
            other => {
                return Err(validation(format!("1 validation error detected: Value '{other}' at 'state' is neither Active nor History")));
            }
        };
        for filter in &asked.filters {
            match filter.key.as_str() {
                "Target" | "Owner" | "Status" | "SessionId" => {}
                "InvokedAfter" | "InvokedBefore" if filter.value.parse::<Timestamp>().is_ok() => {}
                "InvokedAfter" | "InvokedBefore" => return Err(validation(format!("{} is not a time.", filter.value))),
                "AccessType" => return Err(Failure::gap("filter AccessType of ssm DescribeSessions")),
                _ => return Err(Failure::new(400, "InvalidFilterKey", "The specified key isn't valid.")),
            }
        }
        let sessions = self.lock();
        let newest = sessions.iter().rev().enumerate();
        let wanted = |session: &Session| {
            session.region == request.region
                && (session.status != Status::Terminated) == active
                && asked.filters.iter().all(|filter| session.passes(filter))
        };
        let items: Vec<(String, Value)> =
            newest.filter(|(_, session)| wanted(session)).map(|(n, session)| (format!("{n:020}"), session.render())).collect();
        paged("Sessions", &items, asked.next_token.as_deref(), asked.max_results, PAGE)
    }

    /// The tags that Systems Manager itself gives a session: who began it, and on what.
    pub(crate) fn tags(&self, id: &str) -> BTreeMap<String, String> {
        let tags = self.with(id, |session| {
            let tag = |name: &str, value: &str| (format!("aws:ssmmessages:{name}"), value.to_owned());
            BTreeMap::from([tag("session-id", &session.user_id), tag("target-id", &session.target)])
        });
        tags.unwrap_or_default()
    }

    /// Opens the channel of a session that has this token, once.
    fn open(&self, id: &str, token: &str) -> Option<Opened> {
        let now = self.agents.now();
        self.with(id, |session| {
            session.token.take_if(|expected| same(expected, token))?;
            (session.status, session.active) = (Status::Connected, now);
            Some(Opened { target: session.target.clone(), plan: session.plan.clone(), end: session.end.clone() })
        })?
    }

    /// Somebody types.
    fn touch(&self, id: &str) {
        let now = self.agents.now();
        self.with(id, |session| session.active = now);
    }

    /// A session is over.
    fn finish(&self, id: &str) {
        let now = self.agents.now();
        self.with(id, |session| session.finish(now));
    }

    /// Ends what was idle for too long.
    pub(super) fn advance(&self, at: Timestamp) {
        let mut sessions = self.lock();
        sessions.iter_mut().filter(|session| session.due().is_some_and(|due| due <= at)).for_each(|session| session.finish(at));
    }

    /// When the next session has been idle for too long.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.lock().iter().filter_map(Session::due).min()
    }
}

impl Session {
    /// When it has been idle for too long, if it is open.
    fn due(&self) -> Option<Timestamp> {
        (self.status != Status::Terminated).then(|| self.active.saturating_add(IDLE).unwrap_or(Timestamp::MAX))
    }
}
