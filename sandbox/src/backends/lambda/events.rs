//! Asynchronous invocations: a queue, and retries by AWS's clock.

use std::sync::Arc;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::Lambda;
use super::environment::Invocation;
use super::route::Place;
use super::state::State;

/// How many events are at work at once, so that a clock that jumps does not start a day's worth of processes.
pub(super) const TURNS: usize = 8;
/// What AWS does unless it is told otherwise, from the developer guide.
const RETRIES: u32 = 2;
const MAX_AGE: SignedDuration = SignedDuration::from_hours(6);
/// Between attempts that Lambda itself could not make.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(5);

/// One event in the queue.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) region: String,
    pub(super) place: Place,
    /// The same for every attempt.
    pub(super) id: String,
    pub(super) payload: Bytes,
    pub(super) received: Timestamp,
    /// When the next attempt is due.
    pub(super) due: Timestamp,
    /// Attempts that the function failed.
    pub(super) failed: u32,
    /// Attempts that were not even made.
    pub(super) refused: u32,
}

/// What an attempt came to.
enum Attempt {
    Done,
    /// The function failed.
    Failed,
    /// It could not be asked.
    Refused,
    /// There is no such function any more, or the sandbox ends.
    Gone,
}

impl State {
    /// When the next event is due.
    pub(super) fn next_event(&self) -> Option<Timestamp> {
        self.events.iter().map(|event| event.due).min()
    }
}

impl Lambda {
    /// Takes an event in; the driver sees to it.
    pub(super) fn queue(&self, event: Event) {
        self.lock().events.push(event);
        self.runner.around.wake.notify_one();
    }

    /// Starts the attempts that are due.
    pub(super) fn start_events(self: &Arc<Self>, now: Timestamp) {
        let due = {
            let mut state = self.lock();
            let (due, later): (Vec<Event>, Vec<Event>) = std::mem::take(&mut state.events).into_iter().partition(|event| event.due <= now);
            state.events = later;
            due
        };
        for event in due {
            let lambda = Arc::clone(self);
            self.runner.spawn(async move {
                // Nobody closes the semaphore.
                let Ok(_turn) = lambda.turns.acquire().await else { return };
                let attempt = lambda.attempt(&event).await;
                lambda.after(event, &attempt);
            });
        }
    }

    async fn attempt(&self, event: &Event) -> Attempt {
        let now = self.runner.around.clock.now();
        let resolved = self.lock().resolve(&event.region, self.account(), &event.place, now);
        let (version, share) = match resolved {
            Ok(resolved) => resolved,
            Err(failure) if failure.status == 404 => return Attempt::Gone,
            Err(_) => return Attempt::Refused,
        };
        let Ok(slot) = self.runner.slot(&version, share) else { return Attempt::Refused };
        let invocation = Invocation { id: event.id.clone(), payload: event.payload.clone(), client_context: None };
        let ended = self.runner.invoke(version, &invocation).await;
        drop(slot);
        match ended {
            _ if self.runner.around.stop.is_cancelled() => Attempt::Gone,
            Ok(finished) if finished.failed => Attempt::Failed,
            Ok(_) => Attempt::Done,
            Err(error) => {
                tracing::warn!(function = event.place.name, message = error.message, "event not delivered");
                Attempt::Refused
            }
        }
    }

    /// Puts an event back whose time may come again.
    fn after(&self, mut event: Event, attempt: &Attempt) {
        let config = {
            let state = self.lock();
            let function = state.function(&event.region, self.account(), &event.place);
            function.ok().and_then(|function| function.event_config)
        };
        let pause = match attempt {
            Attempt::Done | Attempt::Gone => return,
            Attempt::Failed => {
                event.failed += 1;
                if event.failed > config.and_then(|config| config.retries).unwrap_or(RETRIES) {
                    return;
                }
                SignedDuration::from_mins(i64::from(event.failed))
            }
            Attempt::Refused => {
                event.refused += 1;
                SignedDuration::from_secs(1i64 << event.refused.min(9).saturating_sub(1)).min(LONGEST_PAUSE)
            }
        };
        event.due = self.runner.around.clock.now().saturating_add(pause).unwrap_or(Timestamp::MAX);
        if event.due.duration_since(event.received) <= config.and_then(|config| config.max_age).unwrap_or(MAX_AGE) {
            self.queue(event);
        }
    }
}
