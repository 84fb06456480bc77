//! What somebody may do to a fleet.

use std::fmt;

use jiff::SignedDuration;
use spawn_core::engine::Engine;
use spawn_core::operation::Operation;
use spawn_core::ports::Result;
use spawn_core::rerun::Wanted;
use spawn_model::duration::Seconds;
use spawn_model::error::{Class, Error, Leftover};
use spawn_model::market::{Fallback, MarketSpec, MarketType};
use spawn_model::record::Keeper;
use spawn_model::spec::{FleetKind, FleetSpec, LeaseSpec};
use spawn_model::stopping::OnEnd;

use super::dice::Dice;
use crate::simulated::door::Process;
use crate::{array, idle_after};

/// The names there are. Few, so that deeds meet.
pub(super) const NAMES: [&str; 3] = ["tiles", "other", "third"];

/// How a fleet's instances are bought.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bought {
    OnDemand,
    Spot,
    /// One rank on demand, the others spot, or on demand where there is none.
    Mixed,
    Gang,
    /// On demand, to stop at its deadline if it is an instance.
    Stopping,
    /// The same, to hibernate.
    Hibernating,
}

impl Bought {
    fn of(self, kind: FleetKind, spec: FleetSpec) -> FleetSpec {
        // What only a service does, every service does that has spot instances.
        let rebalance = kind == FleetKind::Service;
        let market =
            |fallback, on_demand_base| MarketSpec { r#type: MarketType::Spot, fallback, on_demand_base, max_price: None, rebalance };
        match self {
            Self::Stopping | Self::Hibernating if kind == FleetKind::Instance => {
                let on_expiry = if matches!(self, Self::Stopping) { OnEnd::Stop } else { OnEnd::Hibernate };
                let lease = LeaseSpec { on_expiry, retain: Some(Seconds(3600)), ..spec.lease.clone() };
                FleetSpec { lease, ..spec }
            }
            Self::OnDemand | Self::Stopping | Self::Hibernating => spec,
            // What only arrays have, a service has not.
            Self::Gang if kind == FleetKind::Service => spec,
            Self::Spot => FleetSpec { market: market(Fallback::None, 0), ..spec },
            Self::Mixed => FleetSpec { market: market(Fallback::OnDemand, u32::from(spec.size > 1)), ..spec },
            Self::Gang => FleetSpec { gang: true, ..spec },
        }
    }
}

/// One thing that somebody does.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// Launches a fleet; who keeps it, if its launcher comes to say so.
    Launch { name: &'static str, kind: FleetKind, size: u32, bought: Bought, keeper: Keeper },
    /// Moves a deadline, either way.
    Lease { name: &'static str, ttl_s: u64 },
    /// Has machines end after so much idleness, or not any more.
    Calm { name: &'static str, after_s: Option<u64> },
    /// Gives a service another size.
    Resize { name: &'static str, size: u32 },
    /// Changes tags.
    Tag { name: &'static str, turn: u64 },
    /// Runs a fleet again.
    Rerun { name: &'static str, turn: u64 },
    /// Stops an instance.
    Stop { name: &'static str },
    /// Starts it again.
    Start { name: &'static str },
    /// Ends a fleet for good, perhaps with its results.
    End { name: &'static str },
    /// Ends what is past its lease, and removes what nobody keeps.
    Reap,
    /// Has services buy on demand what spot has no room for.
    Watch,
}

impl Deed {
    pub(super) fn random(dice: &mut Dice) -> Self {
        let name = dice.of(&NAMES);
        match dice.below(14) {
            0..=2 => {
                let kind = dice.of(&[FleetKind::JobArray, FleetKind::JobArray, FleetKind::Instance, FleetKind::Service]);
                let size = if kind == FleetKind::Instance { 1 } else { dice.of(&[1, 2, 3, 7]) };
                let bought = dice.of(&[
                    Bought::OnDemand,
                    Bought::OnDemand,
                    Bought::Spot,
                    Bought::Mixed,
                    Bought::Gang,
                    Bought::Stopping,
                    Bought::Hibernating,
                ]);
                let keeper = dice.of(&[Keeper::Launcher, Keeper::Launcher, Keeper::Person, Keeper::State]);
                Self::Launch { name, kind, size, bought, keeper }
            }
            3 => Self::Lease { name, ttl_s: dice.of(&[600, 1200, 5400, 30_000]) },
            4 => Self::Tag { name, turn: dice.below(1000) },
            5 => Self::Calm { name, after_s: dice.of(&[None, Some(60), Some(600)]) },
            6 | 7 => Self::Rerun { name, turn: dice.below(2) },
            8 => Self::End { name },
            9 => Self::Start { name },
            10 => Self::Stop { name },
            11 => Self::Resize { name, size: dice.of(&[1, 2, 4, 6]) },
            12 => Self::Watch,
            _ => Self::Reap,
        }
    }

    /// The process that does it: one that reaps is watched.
    pub(super) fn done_by(&self, process: Process) -> Process {
        if matches!(self, Self::Reap) { process.reaping() } else { process }
    }

    pub(super) async fn perform(&self, engine: &Engine) -> Result<()> {
        let quiet = Operation::quiet();
        match *self {
            Self::Launch { name, kind, size, bought, keeper } => {
                let launched = engine.launch(kind, &bought.of(kind, spec(name, size)), &quiet).await?;
                // The fleet is there whether or not its face could say that it stored it.
                if keeper == Keeper::Launcher {
                    return Ok(());
                }
                launched.claim.acknowledge(keeper).await.map_err(|e| e.leaving(Leftover::Unknown))
            }
            Self::Lease { name, ttl_s } => {
                let fleet = engine.find(name).await?;
                let wanted = LeaseSpec { ttl: Seconds(ttl_s), ..fleet.record.spec.lease.clone() };
                engine.lease_change(&fleet, &wanted).await.map(drop)
            }
            Self::Calm { name, after_s } => {
                let fleet = engine.find(name).await?;
                if fleet.record.kind == FleetKind::Service {
                    // The faces let nobody say so.
                    return Ok(());
                }
                let wanted = LeaseSpec { idle: after_s.map(idle_after), ..fleet.record.spec.lease.clone() };
                engine.lease_change(&fleet, &wanted).await.map(drop)
            }
            Self::Resize { name, size } => engine.resize(&engine.find(name).await?, size, &quiet).await,
            Self::Tag { name, turn } => {
                let tags = [("turn".to_owned(), turn.to_string())].into();
                let fleet = engine.find(name).await?;
                engine.update(&fleet, &FleetSpec { tags, files: array(1).files, ..fleet.record.spec.clone() }).await
            }
            Self::Rerun { name, turn } => {
                let triggers = [("turn".to_owned(), turn.to_string())].into();
                let fleet = engine.find(name).await?;
                let spec = FleetSpec { triggers, files: array(1).files, ..fleet.record.spec.clone() };
                engine.rerun(&fleet.record.fleet, &spec, Wanted::ByTriggers, &quiet).await.map(drop)
            }
            Self::Stop { name } => engine.stop(&engine.find(name).await?, &quiet).await,
            Self::Start { name } => {
                let fleet = engine.find(name).await?;
                engine.start(&fleet, &fleet.record.spec.lease, &quiet).await.map(drop)
            }
            Self::End { name } => end(engine, name).await,
            Self::Reap => engine.reap(false, &quiet).await.errors.into_iter().next().map_or(Ok(()), Err),
            Self::Watch => {
                let kept = engine.services_keep(&quiet).await?;
                kept.errors.into_iter().next().map_or(Ok(()), |error| Err(Error::new(Class::Transient, "NotKept", error, "")))
            }
        }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Launch { name, kind, size, bought, keeper } => {
                write!(f, "launch {name}, {kind:?} of {size}, {bought:?}, kept by {keeper:?}")
            }
            Self::Lease { name, ttl_s } => write!(f, "move {name} to {ttl_s} s"),
            Self::Calm { name, after_s } => write!(f, "have {name} end after {after_s:?} s of idleness"),
            Self::Resize { name, size } => write!(f, "give {name} the size {size}"),
            Self::Tag { name, .. } => write!(f, "tag {name}"),
            Self::Rerun { name, turn } => write!(f, "run {name} again, turn {turn}"),
            Self::Stop { name } => write!(f, "stop {name}"),
            Self::Start { name } => write!(f, "start {name}"),
            Self::End { name } => write!(f, "end {name}"),
            Self::Reap => write!(f, "reap"),
            Self::Watch => write!(f, "look after services"),
        }
    }
}

pub(super) fn spec(name: &str, size: u32) -> FleetSpec {
    FleetSpec { name: name.to_owned(), ..array(size) }
}

/// Ends a fleet by its name; that there is none is as good.
pub(super) async fn end(engine: &Engine, name: &str) -> Result<()> {
    match engine.find(name).await {
        Err(error) if error.class == Class::NotFound => Ok(()),
        // Whoever could not even look has said nothing about what is left.
        Err(error) => Err(error.leaving(Leftover::Unknown)),
        Ok(fleet) => engine.end(&fleet.record.fleet, SignedDuration::from_mins(10), &Operation::quiet()).await.map(drop),
    }
}
