//! What a run may have cost.

use jiff::Timestamp;
use spawn_model::alert::Cost;
use spawn_model::error::{Class, Error};
use spawn_model::record::FleetRecord;
use spawn_model::status::Status;

use crate::cost;
use crate::engine::Engine;
use crate::fleet::Fleet;
use crate::plan::plan;
use crate::ports::Result;

/// What an hour of a run costs, which is asked once.
pub(super) struct Rates<'a> {
    engine: &'a Engine,
    fleet: &'a Fleet,
    known: Option<Option<f64>>,
}

impl<'a> Rates<'a> {
    pub(super) fn new(engine: &'a Engine, fleet: &'a Fleet) -> Self {
        Self { engine, fleet, known: None }
    }

    /// The most that the run may have cost so far. `remembered` is what an alert knows of its rate.
    pub(super) async fn cost(&mut self, remembered: Option<&Option<f64>>) -> Result<Cost> {
        let recorded = self.fleet.record.rate_usd_per_hour;
        let rate = match self.known.flatten().or(recorded).or(remembered.copied().flatten()) {
            Some(rate) => Some(rate),
            // What was not known at the last look may be known at this one.
            None if self.known.is_none() => self.engine.hourly(&self.fleet.record).await?,
            None => None,
        };
        // Once more, before anybody is told that nobody knows: a price that could not be asked for is not told from one that is unknown.
        let is_first = self.known.is_none() && remembered.is_none() && rate.is_none();
        self.known = Some(rate);
        if is_first {
            return Ok(Cost::NotAsked);
        }
        Ok(rate.map_or(Cost::Unknown, |rate| Cost::AtMost(rate * share(self.fleet, self.engine.now()))))
    }

    /// What has been learnt.
    pub(super) fn known(&self) -> Option<Option<f64>> {
        self.known
    }
}

impl Engine {
    /// What an hour of a run costs at most, in US dollars, volumes included; nothing if a price is unknown.
    async fn hourly(&self, record: &FleetRecord) -> Result<Option<f64>> {
        let setup = self.warm().await?;
        let rate = async {
            let observed = self.observe(&record.spec, &record.instance_types, setup.architectures()).await?;
            let plan = plan(record.kind, &record.spec, &observed)?.booting(&record.image);
            let costs = cost::costs(self.aws(), &record.spec, &plan).await?;
            Ok::<_, Error>(costs.rate.ok().map(|rate| rate.usd_per_hour()))
        };
        match rate.await {
            // What it was launched from may be gone, or not for this role to read: then nobody knows, which is no failure of the look.
            Err(error) if matches!(error.class, Class::Invalid | Class::NotFound | Class::Denied) => Ok(None),
            told => told,
        }
    }
}

/// How many hours of the whole fleet its machines have lived, at most: each from the moment of asking until it ended, as far as that is known.
fn share(fleet: &Fleet, now: Timestamp) -> f64 {
    let asked_at = fleet.record.asked_at;
    let until = now.min(fleet.deadline.max(asked_at));
    let hours = |end: Timestamp| end.duration_since(asked_at).as_secs_f64().max(0.0) / 3600.0;
    let is_kept = !fleet.alive.is_empty() && fleet.status != Status::Stopped;
    let end_of = |ended_at: Option<&String>| {
        // Of one that ended its command and goes on nobody knows better than that it lives.
        let ended =
            ended_at.and_then(|at| at.parse::<Timestamp>().ok()).filter(|_| fleet.record.kind != spawn_model::spec::FleetKind::Instance);
        ended.unwrap_or(if is_kept { now } else { until })
    };
    let lived: f64 = if fleet.record.kind == spawn_model::spec::FleetKind::Service {
        // Who left was replaced.
        hours(until) * f64::from(fleet.size)
    } else {
        fleet.members.iter().map(|member| hours(end_of(member.ended_at.as_ref()))).sum()
    };
    lived / f64::from(fleet.record.spec.size.max(1))
}
