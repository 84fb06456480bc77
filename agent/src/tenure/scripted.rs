//! Claims whose answers can be scripted.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use spawn_model::ids::InstanceId;
use spawn_model::record::{RankClaim, SCHEMA, Service};

use super::Ranks;
use crate::claims::{Claims, Found};
use crate::failure::{Class, Failure};

/// What happens to the next write, before it is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// Nothing special.
    Heard,
    /// It never arrives.
    Fail(Class),
    /// It is never answered, and never arrives.
    Hang,
    /// It is made, and the answer is lost.
    Unanswered,
    /// It is made, the answer is lost, and it arrives a second time.
    LostReply,
    /// Another machine takes the rank first.
    Beaten,
    /// The holder gives a sign of life.
    Renewed,
}

pub(super) struct Scripted {
    held: RefCell<BTreeMap<u32, Found<RankClaim>>>,
    events: RefCell<VecDeque<Event>>,
    writes: Cell<usize>,
}

/// The claim of a machine.
pub(super) fn claim_of(id: &str) -> RankClaim {
    let instance_id = InstanceId(id.to_owned());
    let (private_ip, started_at) = ("172.31.0.1".to_owned(), Timestamp::UNIX_EPOCH);
    RankClaim { schema: SCHEMA, instance_id, private_ip, started_at, service: Some(Service::default()) }
}

impl Scripted {
    /// Claims by rank, holder and age in seconds.
    pub(super) fn new(claimed: &[(u32, &str, u64)], events: Vec<Event>) -> Self {
        let found = |id, age| Found { claim: claim_of(id), tag: "first".to_owned(), age: Some(Duration::from_secs(age)) };
        let held = claimed.iter().map(|(rank, id, age)| (*rank, found(id, *age))).collect();
        Self { held: RefCell::new(held), events: RefCell::new(events.into()), writes: Cell::default() }
    }

    /// Has these events happen, too.
    pub(super) fn script(&self, events: Vec<Event>) {
        self.events.borrow_mut().extend(events);
    }

    /// The ranks that a machine has.
    pub(super) fn held_by(&self, id: &str) -> Vec<u32> {
        self.held.borrow().iter().filter(|(_, found)| found.claim.instance_id.0 == id).map(|(rank, _)| *rank).collect()
    }

    /// What the holder of a rank said last.
    pub(super) fn service(&self, rank: u32) -> Service {
        self.held.borrow()[&rank].claim.service.clone().unwrap_or_default()
    }

    /// Has a rank be given back.
    pub(super) fn release(&self, rank: u32) {
        let service = Service { released: true, ..Service::default() };
        self.held.borrow_mut().get_mut(&rank).unwrap().claim.service = Some(service);
    }

    /// Has no age be known.
    pub(super) fn forget_ages(&self) {
        self.held.borrow_mut().values_mut().for_each(|found| found.age = None);
    }

    /// How many writes were made.
    pub(super) fn writes(&self) -> usize {
        self.writes.get()
    }

    fn store(&self, rank: u32, claim: &RankClaim) -> String {
        self.writes.update(|writes| writes + 1);
        let found = Found { claim: claim.clone(), tag: self.writes.get().to_string(), age: Some(Duration::ZERO) };
        self.held.borrow_mut().insert(rank, found.clone());
        found.tag
    }

    async fn write(&self, rank: u32, tag: Option<&str>, claim: &RankClaim) -> Result<String, Failure> {
        let fits = || self.held.borrow().get(&rank).map(|found| found.tag.clone()).as_deref() == tag;
        let event = self.events.borrow_mut().pop_front();
        match event {
            Some(Event::Fail(class)) => return Err(Failure::new(class, "scripted")),
            Some(Event::Hang) => std::future::pending().await,
            Some(Event::Unanswered) if fits() => {
                self.store(rank, claim);
                return Err(Failure::new(Class::Transient, "no answer"));
            }
            Some(Event::LostReply) if fits() => drop(self.store(rank, claim)),
            Some(Event::Beaten) => drop(self.store(rank, &claim_of("i-other"))),
            Some(Event::Renewed) => {
                let holder = self.held.borrow().get(&rank).map(|found| found.claim.clone());
                if let Some(holder) = holder {
                    self.store(rank, &holder);
                }
            }
            Some(Event::Heard | Event::Unanswered | Event::LostReply) | None => {}
        }
        if fits() { Ok(self.store(rank, claim)) } else { Err(Failure::new(Class::Taken, "taken")) }
    }
}

impl Claims<u32, RankClaim> for Scripted {
    async fn read(&self, rank: &u32) -> Result<Found<RankClaim>, Failure> {
        self.held.borrow().get(rank).cloned().ok_or_else(|| Failure::new(Class::NotFound, "nobody"))
    }

    async fn make(&self, rank: &u32, claim: &RankClaim) -> Result<String, Failure> {
        self.write(*rank, None, claim).await
    }

    async fn replace(&self, rank: &u32, tag: &str, claim: &RankClaim) -> Result<String, Failure> {
        self.write(*rank, Some(tag), claim).await
    }
}

impl Ranks for Scripted {
    async fn claimed(&self) -> Result<Vec<u32>, Failure> {
        Ok(self.held.borrow().keys().copied().collect())
    }
}
