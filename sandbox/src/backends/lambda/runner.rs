//! Which environment takes an invocation: one that is warm and idle, or a new one.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio_util::task::TaskTracker;

use crate::protocol::Failure;

use super::environment::{Environment, Finished, Invocation};
use super::state::Version;
use super::surroundings::Surroundings;

/// How long an environment stays that nobody uses. AWS does not say; it has been minutes for years.
const IDLE: SignedDuration = SignedDuration::from_mins(10);

/// How many invocations a function may have at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    /// Its own, if it has one.
    pub(super) reserved: Option<u32>,
    /// What all functions without one have together.
    pub(super) unreserved: u32,
}

/// Runs invocations.
pub(super) struct Runner {
    pub(super) around: Arc<Surroundings>,
    idle: Mutex<Vec<Environment>>,
    taken: Arc<Slots>,
    tasks: TaskTracker,
}

/// Invocations at work, by region, and by name for functions with a share of their own.
type Slots = Mutex<HashMap<(String, Option<String>), u32>>;

/// The right to one invocation; given back when it is dropped.
pub(super) struct Slot {
    taken: Arc<Slots>,
    key: (String, Option<String>),
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
        }
    }
}

impl Runner {
    /// A runner without environments.
    pub(super) fn new(around: Surroundings) -> Self {
        Self { around: Arc::new(around), idle: Mutex::default(), taken: Arc::default(), tasks: TaskTracker::new() }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Environment>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something that has to be over when the sandbox is.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(work);
    }

    /// Room for one more invocation, or AWS's refusal.
    pub(super) fn slot(&self, version: &Version, share: Share) -> Result<Slot, Failure> {
        let key = (version.region.clone(), share.reserved.map(|_| version.name.clone()));
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(key.clone()).or_default();
        if *count >= share.reserved.unwrap_or(share.unreserved) {
            return Err(Failure::new(429, "TooManyRequestsException", "Rate Exceeded."));
        }
        *count += 1;
        Ok(Slot { taken: Arc::clone(&self.taken), key })
    }

    /// Lets a version work on an invocation, in an environment of its own for as long as it takes.
    pub(super) async fn invoke(&self, version: Arc<Version>, invocation: &Invocation) -> Result<Finished, Failure> {
        let mut environment = match self.take(&version) {
            Some(environment) => environment,
            None => Environment::make(Arc::clone(&self.around), version, &self.tasks).await?,
        };
        let finished = environment.invoke(invocation).await;
        if environment.is_warm() && !self.around.stop.is_cancelled() {
            environment.idle_since = self.around.clock.now();
            self.idle().push(environment);
            // It may be the environment of what is no longer current.
            self.around.wake.notify_one();
        } else {
            environment.end().await;
        }
        Ok(finished)
    }

    /// The environment that was used last, so that the others come to their end.
    fn take(&self, version: &Version) -> Option<Environment> {
        let real_now = self.around.clock.real_now();
        let mut idle = self.idle();
        loop {
            let position = idle.iter().rposition(|environment| environment.version.revision == version.revision)?;
            let mut environment = idle.remove(position);
            if environment.is_warm() && environment.is_fresh(real_now) {
                return Some(environment);
            }
            self.spawn(environment.end());
        }
    }

    /// When the next environment has been idle for too long.
    pub(super) fn next_retirement(&self) -> Option<Timestamp> {
        self.idle().iter().map(retirement).min()
    }

    /// Ends the environments that have been idle for too long, and those of what is not current any more.
    pub(super) fn retire(&self, now: Timestamp, current: &HashSet<String>) {
        let over = |environment: &mut Environment| retirement(environment) <= now || !current.contains(&environment.version.revision);
        let ending: Vec<Environment> = self.idle().extract_if(.., over).collect();
        for environment in ending {
            self.spawn(environment.end());
        }
    }

    /// Ends everything. What is at work hears of it by itself.
    pub(super) async fn stop(&self) {
        self.around.stop.cancel();
        let idle = std::mem::take(&mut *self.idle());
        for environment in idle {
            self.spawn(environment.end());
        }
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn retirement(environment: &Environment) -> Timestamp {
    environment.idle_since.saturating_add(IDLE).unwrap_or(Timestamp::MAX)
}
