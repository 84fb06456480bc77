//! Session Manager: shells and commands on instances, over a web socket that speaks as AWS's data channel does.
//!
//! | module | what it holds |
//! |---|---|
//! | `document` | which session documents are known, and what they run |
//! | `frame`, `stream` | what goes over the channel, and that it arrives in order and once |
//! | `program` | what runs in a session |
//! | `opening`, `connection`, `channel` | a client with its token, its socket, and what is spoken with it until the end |
//! | `api` | beginning, ending and listing sessions |
//!
//! What AWS has and this has not: a client that went away does not come back. With its connection the session ends.

mod api;
mod channel;
mod connection;
mod document;
mod frame;
mod opening;
mod program;
mod stream;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::sigv4::same;

use super::agents::Agents;
use document::Plan;

/// How long a session lives in which nobody types, in AWS's time.
const IDLE: SignedDuration = SignedDuration::from_mins(20);

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

impl Session {
    fn finish(&mut self, now: Timestamp) {
        if self.status != Status::Terminated {
            (self.status, self.ended, self.token) = (Status::Terminated, Some(now), None);
            self.end.cancel();
        }
    }

    /// When it has been idle for too long, if it is open.
    fn due(&self) -> Option<Timestamp> {
        (self.status != Status::Terminated).then(|| self.active.saturating_add(IDLE).unwrap_or(Timestamp::MAX))
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
