//! The one way from a process to the world: every call of AWS is counted here, and can go wrong here.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use spawn_core::engine::Engine;
use spawn_core::ports::{Aws, Caller, Clock, Result};
use spawn_model::error::{Class, Error};
use spawn_model::ids::InstanceId;
use tokio_util::sync::CancellationToken;

use super::storm::Storm;
use super::{REGION, State, World, artifacts};

/// How long an answer takes.
pub(crate) const LATENCY: Duration = Duration::from_millis(20);

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Trouble {
    /// It is refused, and has no effect.
    Refused(Class),
    /// It is done, and the answer is lost.
    Lost,
    /// The process dies before it sends the call.
    DiesBefore,
    /// The process dies after the call was done, before it has the answer.
    DiesAfter,
}

/// A process that uses AWS, until it dies.
#[derive(Clone)]
pub(crate) struct Process {
    world: World,
    caller: Caller,
    record: Arc<Mutex<Record>>,
    dead: CancellationToken,
    /// What a reaper may end; nothing if this process is none.
    pub(super) reaps: Option<Arc<BTreeSet<InstanceId>>>,
    storm: Option<Arc<Mutex<Storm>>>,
}

#[derive(Default)]
struct Record {
    calls: Vec<&'static str>,
    troubles: BTreeMap<usize, Trouble>,
}

impl Process {
    pub(super) fn new(world: World, caller: Caller) -> Self {
        Self { world, caller, record: Arc::default(), dead: CancellationToken::new(), reaps: None, storm: None }
    }

    /// The same process with trouble at its n-th call, from 0.
    #[must_use]
    pub(crate) fn with(self, n: usize, trouble: Trouble) -> Self {
        self.record.lock().unwrap().troubles.insert(n, trouble);
        self
    }

    /// The same process in a storm.
    #[must_use]
    pub(crate) fn in_storm(self, storm: Arc<Mutex<Storm>>) -> Self {
        Self { storm: Some(storm), ..self }
    }

    /// The same process as one that ends nothing but what is past its lease now, or when it ends it.
    #[must_use]
    pub(crate) fn reaping(self) -> Self {
        let past = self.world.state().past_their_lease(self.world.now());
        Self { reaps: Some(Arc::new(past)), ..self }
    }

    /// Whether something goes wrong in it.
    pub(super) fn is_beset(&self) -> bool {
        self.storm.is_some() || !self.record.lock().unwrap().troubles.is_empty()
    }

    /// The calls it has made.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.record.lock().unwrap().calls.clone()
    }

    /// The ports as this process has them.
    pub(crate) fn aws(&self) -> Aws {
        let door = Arc::new(Door(self.clone()));
        Aws {
            region: REGION.to_owned(),
            instances: door.clone(),
            trials: door.clone(),
            scaling: door.clone(),
            networks: door.clone(),
            objects: door.clone(),
            identity: door.clone(),
            schedules: door.clone(),
            functions: door.clone(),
            systems: door.clone(),
            shells: door.clone(),
            logs: door.clone(),
            prices: door.clone(),
            topics: door.clone(),
            webhooks: door.clone(),
            quotas: door.clone(),
            zones: door.clone(),
            clock: door,
        }
    }

    /// The engine in this process.
    pub(crate) fn engine(&self) -> Engine {
        Engine::new(self.aws(), Some(artifacts()))
    }

    /// What work comes to in this process; nothing if the process dies over it.
    pub(crate) async fn live<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let done = tokio::select! {
            biased;
            () = self.dead.cancelled() => None,
            done = work => Some(done),
        };
        // Whatever became of it, others on its host see that it is gone.
        if done.is_none() {
            self.world.state().bury_launchers();
        }
        done
    }

    /// Ends the process now.
    pub(crate) fn kill(&self) {
        self.dead.cancel();
    }

    /// The call's trouble, and that it was made.
    fn enter(&self, call: &'static str) -> Option<Trouble> {
        let mut record = self.record.lock().unwrap();
        let n = record.calls.len();
        record.calls.push(call);
        record.troubles.get(&n).copied()
    }
}

/// A process's ports.
pub(crate) struct Door(pub(super) Process);

impl Door {
    /// Who is asking.
    pub(super) fn who(&self) -> &Caller {
        &self.0.caller
    }

    /// One call of AWS.
    pub(super) async fn call<T>(&self, call: &'static str, effect: impl FnOnce(&mut State, Timestamp) -> Result<T>) -> Result<T> {
        self.still_alive().await;
        let trouble = self.0.enter(call);
        if trouble == Some(Trouble::DiesBefore) {
            self.0.kill();
            self.still_alive().await;
        }
        let (attempts, fault) = self.0.storm.as_ref().map_or((1, None), |storm| storm.lock().unwrap().call(call));
        tokio::time::sleep(LATENCY * attempts).await;
        self.still_alive().await;
        if let Some(Trouble::Refused(class)) = trouble {
            return Err(refused(call, class));
        }
        if let Some(fault) = fault.as_ref().filter(|fault| !fault.done) {
            return Err(fault.error(call));
        }
        let answer = {
            let now = self.0.world.now();
            let mut state = self.0.world.state();
            let answer = effect(&mut state, now);
            state.check(call, now);
            answer
        };
        match trouble {
            Some(Trouble::DiesAfter) => {
                self.0.kill();
                pending().await
            }
            Some(Trouble::Lost) => Err(Error::new(Class::Ambiguous, "NoAnswer", format!("{call} was sent, but nobody answered"), "")),
            _ => fault.map_or(answer, |fault| Err(fault.error(call))),
        }
    }

    /// The dead do nothing more.
    async fn still_alive(&self) {
        if self.0.dead.is_cancelled() {
            pending::<()>().await;
        }
    }
}

fn refused(call: &str, class: Class) -> Error {
    let (code, message) = match class {
        Class::Denied => ("UnauthorizedOperation", format!("the permission {call} is missing")),
        Class::Throttled => ("RequestLimitExceeded", format!("AWS asks for fewer calls of {call}")),
        _ => ("ServiceUnavailable", format!("{call} failed: the service is unavailable")),
    };
    Error::new(class, code, message, "Try again")
}

#[async_trait]
impl Clock for Door {
    fn now(&self) -> Timestamp {
        self.0.world.now()
    }

    async fn sleep(&self, millis: u64) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        self.still_alive().await;
    }
}
