//! Which pools were full a moment ago: whoever launches next in the same process need not ask them first.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use spawn_model::market::MarketType;

use crate::pools::Pool;

/// How long a refusal is remembered: long enough for the next fleets of one apply, short beside the time that capacity takes to come back.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(3);

/// What has room or not, whatever the subnet: type, zone and market.
type Place = (String, String, MarketType);

/// The memory of one process.
#[derive(Debug, Default)]
pub(crate) struct Full(Mutex<BTreeMap<Place, Timestamp>>);

impl Full {
    /// A pool has refused for lack of capacity, or given less than was asked for.
    pub(crate) fn refused(&self, pool: &Pool, now: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place(pool), now);
    }

    /// Whether a pool has refused lately.
    pub(crate) fn contains(&self, pool: &Pool, now: Timestamp) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&place(pool)).is_some_and(|at| now < *at + REMEMBERED)
    }
}

fn place(pool: &Pool) -> Place {
    (pool.instance_type.clone(), pool.zone.clone(), pool.market)
}
