//! StartSession, TerminateSession and DescribeSessions.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::callers::{random_id, random_secret};
use crate::json::{read, validation};
use crate::protocol::{Failure, Request};
use crate::times::epoch;

use super::super::filters::BegunFilter;
use super::super::paging::paged;
use super::document::{self, Plan};
use super::{Session, Sessions, Status, opening};

/// Entries of a page.
const PAGE: usize = 200;
/// Characters of an id after the name of who began the session.
const ID: usize = 26;

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
    filters: Vec<BegunFilter>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

impl Sessions {
    /// StartSession.
    pub(in super::super) fn start(&self, request: &Request) -> Result<Value, Failure> {
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
        let url = format!("{address}{}{id}?role=publish_subscribe", opening::PATH);
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
    pub(in super::super) fn terminate(&self, request: &Request) -> Result<Value, Failure> {
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
    pub(in super::super) fn describe(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Describe = read(request)?;
        let active = match asked.state.as_str() {
            "Active" => true,
            "History" => false,
            other => {
                return Err(validation(format!("1 validation error detected: Value '{other}' at 'state' is neither Active nor History")));
            }
        };
        for filter in &asked.filters {
            filter.check(&["Target", "Owner", "Status", "SessionId"], "AccessType", request)?;
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

    fn passes(&self, filter: &BegunFilter) -> bool {
        let value = filter.value.as_str();
        match filter.key.as_str() {
            "Target" => self.target == value,
            "Owner" => self.owner == value,
            "Status" => self.status.name() == value,
            "SessionId" => self.id == value,
            _ => filter.passes_time(self.started),
        }
    }
}
