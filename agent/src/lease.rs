//! The lease: the second of the hands that end a machine.

use std::rc::Rc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use spawn_model::idle::IdleSpec;
use spawn_model::layout::RunKeys;
use spawn_model::record::{AgentConfig, Lease, SCHEMA};
use spawn_model::stopping::Ends;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::aws::s3::Bucket;
use crate::config::State;
use crate::power;

/// Under this name the deadline that the first hand is armed for is kept: after a reboot it may be later than what user data said.
const ARMED: &str = "deadline.json";
/// The clock is looked at this often at least: a sleep does not count the time in which the machine was suspended, and the clock may be set.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// How often the object is read.
pub(crate) const INTERVAL: Duration = Duration::from_secs(60);
/// The pause before the object is asked for again after it could not be read; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How long a machine that was started again, or woke, may take to read its lease: the one that it knows is over.
pub(crate) const READ_WITHIN: SignedDuration = SignedDuration::from_mins(3);

/// The deadline that is known without asking anybody: that of user data, or a later word from an earlier boot.
pub(crate) fn known(state: &State, config: &AgentConfig) -> Timestamp {
    state.recall(ARMED).unwrap_or(config.deadline)
}

/// Waits until the deadline has passed, wherever it moves.
pub(crate) async fn over(deadline: watch::Receiver<Timestamp>) {
    nears(deadline, SignedDuration::ZERO).await;
}

/// Waits until no more than `lead` is left until the deadline, wherever it moves.
pub(crate) async fn nears(mut deadline: watch::Receiver<Timestamp>, lead: SignedDuration) {
    loop {
        let left = Timestamp::now().duration_until(*deadline.borrow_and_update()) - lead;
        let Some(left) = Duration::try_from(left).ok().filter(|left| !left.is_zero()) else { return };
        tokio::select! {
            () = sleep(left.min(LONGEST_SLEEP)) => {}
            changed = deadline.changed() => if changed.is_err() {
                // Nobody moves it any more; it still holds.
                sleep(left.min(LONGEST_SLEEP)).await;
            }
        }
    }
}

/// Who is told what the lease says.
pub(crate) struct Told {
    /// When the machine ends.
    pub(crate) deadline: watch::Sender<Timestamp>,
    /// When it is idle; nothing as long as the lease could not be read.
    pub(crate) idle: watch::Sender<Option<IdleSpec>>,
}

/// The reading of the lease object, for those who cannot wait until it is read anyway.
#[derive(Default)]
pub(crate) struct Reading {
    /// How often it was asked for.
    asked: watch::Sender<u64>,
    /// Which of these a reading has answered that began later.
    answered: watch::Sender<u64>,
}

impl Reading {
    /// Has the object be read soon. What this asks for.
    pub(crate) fn ask(&self) -> u64 {
        self.asked.send_modify(|asked| *asked += 1);
        *self.asked.borrow()
    }

    /// Has it be read, and waits until that went well: one that had begun before does not count.
    pub(crate) async fn now(&self) {
        let number = self.ask();
        // The sender is this one's own.
        self.answered.subscribe().wait_for(|answered| *answered >= number).await.map(drop).ok();
    }
}

/// What is followed, and what of the machine goes by it.
pub(crate) struct Followed {
    pub(crate) bucket: Rc<Bucket>,
    pub(crate) keys: RunKeys,
    pub(crate) state: State,
    pub(crate) ends: Ends,
    pub(crate) reading: Rc<Reading>,
}

/// Follows the lease object for ever. What it says is the truth, whether later or earlier; as long as it cannot be read, what was last known holds.
pub(crate) async fn follow(followed: Followed, told: Told, interval: Duration) {
    let Followed { bucket, keys, state, ends, reading } = followed;
    let mut asked = reading.asked.subscribe();
    let key = keys.lease();
    let mut tag: Option<String> = None;
    let mut pause = FIRST_PAUSE;
    let mut complaint = String::new();
    loop {
        let number = *asked.borrow_and_update();
        let problem = match bucket.get_changed(&key, tag.as_deref()).await {
            Ok(None) => None,
            Ok(Some((content, new_tag))) => match serde_json::from_slice::<Lease>(&content) {
                Ok(lease) if lease.schema == SCHEMA => {
                    tag = Some(new_tag).filter(|tag| !tag.is_empty());
                    moved(&state, &told.deadline, lease.deadline, ends).await;
                    told.idle.send_if_modified(|idle| {
                        let is_other = *idle != lease.idle;
                        *idle = lease.idle;
                        is_other
                    });
                    None
                }
                Ok(lease) => Some(format!("it is of version {}, and this agent reads version {SCHEMA}", lease.schema)),
                Err(error) => Some(error.to_string()),
            },
            Err(failure) => Some(failure.to_string()),
        };
        pause = match problem {
            None => interval,
            Some(_) if complaint.is_empty() => FIRST_PAUSE.min(interval),
            Some(_) => (pause * 2).min(interval),
        };
        if problem.is_none() {
            reading.answered.send_replace(number);
        }
        let problem = problem.unwrap_or_default();
        if problem != complaint && !problem.is_empty() {
            eprintln!("spored: the lease cannot be read, {} holds: {problem}", *told.deadline.borrow());
        }
        complaint = problem;
        tokio::select! { () = sleep(pause) => {}, _ = asked.changed() => {} }
    }
}

/// Takes over a deadline: arms the first hand for it and tells everybody.
async fn moved(state: &State, deadline: &watch::Sender<Timestamp>, new: Timestamp, ends: Ends) {
    if *deadline.borrow() == new {
        return;
    }
    eprintln!("spored: the lease ends at {new}");
    if let Err(error) = state.keep(ARMED, &new) {
        eprintln!("spored: the deadline cannot be kept: {error}");
    }
    deadline.send_replace(new);
    let now = Timestamp::now();
    let is_armed = power::arm(new, now, ends).await;
    // Not before: until then the boot's timer is the only hand of the machine's own.
    if ends.stops() && is_armed && new > now {
        power::go_on().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_earlier_deadline_ends_the_wait() {
        let now = Timestamp::now();
        let (sender, receiver) = watch::channel(now + jiff::SignedDuration::from_hours(1));
        let waiting = tokio::spawn(over(receiver));
        sender.send_replace(now);
        tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_deadline_prolongs_it() {
        let now = Timestamp::now();
        let (sender, receiver) = watch::channel(now + jiff::SignedDuration::from_millis(200));
        sender.send_replace(now + jiff::SignedDuration::from_hours(1));
        assert!(tokio::time::timeout(Duration::from_secs(600), over(receiver)).await.is_err());
    }
}
