//! Spot: what it costs, what was asked for, and how it is taken back.

pub(crate) mod prices;
pub(crate) mod reclaim;
pub(crate) mod requests;
