//! The bucket of a simulated queue, and what happens to calls on the way to it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use spawn_model::queue::{JobClaim, Outcome, Standing};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use super::super::Store;
use crate::claims::{Claims, Found};
use crate::failure::{Class, Failure};

/// Random numbers, the same for the same seed.
#[derive(Clone)]
pub(super) struct Dice(Rc<Cell<u64>>);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(Rc::new(Cell::new(seed)))
    }

    /// A number below `below` (SplitMix64).
    pub(super) fn below(&self, below: u64) -> u64 {
        self.0.set(self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let mut z = self.0.get();
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    pub(super) fn one_in(&self, chance: u64) -> bool {
        self.below(chance) == 0
    }

    pub(super) fn between_ms(&self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most - least))
    }
}

/// What is in the bucket, and what has happened.
pub(super) struct World {
    pub(super) started: Instant,
    pub(super) claims: RefCell<BTreeMap<String, (JobClaim, u64, Instant)>>,
    pub(super) told: RefCell<BTreeMap<String, Outcome>>,
    pub(super) tags: Cell<u64>,
    /// When each attempt's command began and ended, and when its machine was resumed last that was suspended meanwhile.
    pub(super) runs: RefCell<Vec<Run>>,
    /// When each job was begun first.
    pub(super) begun_at: RefCell<BTreeMap<String, Instant>>,
    /// When a job failed first.
    pub(super) failed_at: Cell<Option<Instant>>,
    /// Whether nothing goes wrong.
    pub(super) is_calm: Cell<bool>,
    pub(super) violations: RefCell<Vec<String>>,
    pub(super) requests: Cell<u64>,
}

#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) job: String,
    pub(super) machine: String,
    pub(super) began: Instant,
    pub(super) ended: Option<Instant>,
    pub(super) resumed: Option<Instant>,
}

impl World {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            started: Instant::now(),
            claims: RefCell::default(),
            told: RefCell::default(),
            tags: Cell::default(),
            runs: RefCell::default(),
            begun_at: RefCell::default(),
            failed_at: Cell::default(),
            is_calm: Cell::default(),
            violations: RefCell::default(),
            requests: Cell::default(),
        })
    }

    pub(super) fn write(&self, job: &str, tag: Option<&str>, claim: &JobClaim) -> Result<String, Failure> {
        let mut claims = self.claims.borrow_mut();
        let there = claims.get(job);
        if there.map(|(_, tag, _)| tag.to_string()).as_deref() != tag {
            return Err(Failure::new(Class::Taken, "taken"));
        }
        if let Some((JobClaim { standing: Standing::Ended { outcome }, .. }, ..)) = there {
            self.violations.borrow_mut().push(format!("{job} had {} and is written again", outcome.word()));
        }
        self.begun_at.borrow_mut().entry(job.to_owned()).or_insert_with(Instant::now);
        if matches!(claim.standing, Standing::Ended { outcome: Outcome::Failed }) && self.failed_at.get().is_none() {
            self.failed_at.set(Some(Instant::now()));
        }
        self.tags.set(self.tags.get() + 1);
        claims.insert(job.to_owned(), (claim.clone(), self.tags.get(), Instant::now()));
        Ok(self.tags.get().to_string())
    }
}

/// The bucket as one machine reaches it.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) world: Rc<World>,
    pub(super) dice: Dice,
    /// One call in so many goes wrong; none if it is 0.
    pub(super) trouble: u64,
}

impl Door {
    async fn call<T: 'static>(&self, act: impl Fn(&World) -> Result<T, Failure> + 'static) -> Result<T, Failure> {
        self.world.requests.set(self.world.requests.get() + 1);
        sleep(self.dice.between_ms(5, 120)).await;
        if self.trouble == 0 || !self.dice.one_in(self.trouble) {
            let answer = act(&self.world);
            sleep(self.dice.between_ms(5, 60)).await;
            return answer;
        }
        let lost = || Err(Failure::new(Class::Transient, "no answer"));
        match self.dice.below(5) {
            // It never arrives.
            0 => sleep(self.dice.between_ms(100, 10_000)).await,
            // It does, and the answer is lost.
            1 => drop(act(&self.world)),
            // The same, and it is made again: that is what is answered.
            4 => {
                drop(act(&self.world));
                sleep(self.dice.between_ms(100, 10_000)).await;
                return act(&self.world);
            }
            // It arrives when nobody waits for it any more.
            2 => {
                let (world, late) = (Rc::clone(&self.world), self.dice.between_ms(100, 30_000));
                spawn_local(async move {
                    sleep(late).await;
                    drop(act(&world));
                });
                sleep(self.dice.between_ms(100, 10_000)).await;
            }
            _ => {
                sleep(self.dice.between_ms(1_000, 50_000)).await;
                return act(&self.world);
            }
        }
        lost()
    }
}

impl Claims<str, JobClaim> for Door {
    async fn read(&self, job: &str) -> Result<Found<JobClaim>, Failure> {
        let job = job.to_owned();
        self.call(move |world| {
            let claims = world.claims.borrow();
            let (claim, tag, written) = claims.get(&job).ok_or_else(|| Failure::new(Class::NotFound, "nobody"))?;
            // S3 tells whole seconds.
            let second = |at: &Instant| (*at - world.started).as_secs();
            let age = Duration::from_secs(second(&Instant::now()) - second(written));
            Ok(Found { claim: claim.clone(), tag: tag.to_string(), age: Some(age) })
        })
        .await
    }

    async fn make(&self, job: &str, claim: &JobClaim) -> Result<String, Failure> {
        let (job, claim) = (job.to_owned(), claim.clone());
        self.call(move |world| world.write(&job, None, &claim)).await
    }

    async fn replace(&self, job: &str, tag: &str, claim: &JobClaim) -> Result<String, Failure> {
        let (job, tag, claim) = (job.to_owned(), tag.to_owned(), claim.clone());
        self.call(move |world| world.write(&job, Some(&tag), &claim)).await
    }
}

impl Store for Door {
    async fn ended(&self) -> Result<Vec<(String, Outcome)>, Failure> {
        self.call(|world| Ok(world.told.borrow().iter().map(|(job, outcome)| (job.clone(), *outcome)).collect())).await
    }

    async fn begun(&self) -> Result<Vec<String>, Failure> {
        self.call(|world| Ok(world.claims.borrow().keys().cloned().collect())).await
    }

    async fn tell_ended(&self, job: &str, outcome: Outcome) -> Result<(), Failure> {
        let job = job.to_owned();
        self.call(move |world| {
            if let Some(before) = world.told.borrow_mut().insert(job.clone(), outcome).filter(|before| *before != outcome) {
                world.violations.borrow_mut().push(format!("{job} is told to have {} and {}", before.word(), outcome.word()));
            }
            Ok(())
        })
        .await
    }

    fn boot_time(&self) -> Duration {
        Instant::now() - self.world.started
    }
}
