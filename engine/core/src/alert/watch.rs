//! Looks at the runs that alerts watch, and notes what has happened to them.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use serde::Serialize;
use spawn_model::alert::{AlertRecord, Cost, Happened, On, Sight, Told, happened, starts_missed};
use spawn_model::error::Error;
use spawn_model::ids::{FleetId, RunId};
use spawn_model::market::MarketType;
use spawn_model::record::FleetRecord;

use super::cost::Rates;
use crate::engine::{Engine, whole_second};
use crate::fleet::{self, Fleet, Look};
use crate::lease;
use crate::ledger::{Ledger, READS_AT_ONCE};
use crate::operation::Operation;
use crate::ports::Result;
use crate::service;

/// What came of a look at what alerts watch.
#[derive(Debug, Default, Serialize)]
pub struct Telling {
    /// Alerts.
    pub alerts: usize,
    /// Runs that were looked at.
    pub runs: usize,
    /// What was noted: the alert, and what.
    pub noted: Vec<(String, String)>,
    /// What was taken by a channel: the alert, and the channel.
    pub delivered: Vec<(String, String)>,
    /// What was not.
    pub refused: Vec<(String, String)>,
    /// What could not be looked at, in words.
    pub errors: Vec<String>,
}

/// An alert, and what it has told.
struct Watching {
    record: AlertRecord,
    told: Told,
}

impl Watching {
    /// Whether it has something to learn of a run.
    fn wants(&self, record: &FleetRecord) -> bool {
        self.record.spec.watch.means(record) && !self.told.over.contains_key(&record.run)
    }

    /// Whether it saw the run going on.
    fn saw(&self, fleet: &Fleet) -> bool {
        self.told.watching.get(&fleet.record.fleet) == Some(&fleet.record.run)
    }

    /// Whether there is anything to tell of a run that was over before anybody looked. One that ended before the alert was made is somebody
    /// else's news.
    fn is_news(&self, fleet: &Fleet) -> bool {
        let since = self.record.created_at;
        let ended = fleet.members.iter().filter_map(|member| member.ended_at.as_ref()?.parse::<Timestamp>().ok());
        self.saw(fleet) || !fleet.status.is_over() || fleet.record.asked_at >= since || ended.max().is_some_and(|at| at >= since)
    }
}

/// What one look brings for one alert.
#[derive(Default)]
struct News {
    happened: Vec<Happened>,
    watching: BTreeMap<FleetId, RunId>,
    over: BTreeSet<RunId>,
    rates: BTreeMap<RunId, Option<f64>>,
}

impl News {
    /// Enters it into what the alert remembers; says whether that is anything new.
    fn enter(&self, alert: &AlertRecord, told: &mut Told, now: Timestamp) -> bool {
        let before = (told.watching.clone(), told.over.len(), told.rates.clone());
        let noted = told.note(alert, self.happened.iter().cloned(), now);
        told.watching.clone_from(&self.watching);
        for run in &self.over {
            told.over.entry(run.clone()).or_insert(now);
        }
        told.rates.extend(self.rates.clone());
        told.forget(now);
        noted || before != (told.watching.clone(), told.over.len(), told.rates.clone())
    }
}

impl Engine {
    /// Looks at what alerts watch, and tells what has happened.
    ///
    /// # Errors
    /// If the bucket cannot be read. What cannot be looked at of one fleet, or told by one alert, is among [`Telling::errors`].
    pub async fn alerts_tell(&self, operation: &Operation) -> Result<Telling> {
        let mut telling = Telling::default();
        let Some(setup) = self.found().await? else { return Ok(telling) };
        let ledger = self.ledger(&setup);
        let alerts = watchings(&ledger, &mut telling).await?;
        telling.alerts = alerts.len();
        if alerts.is_empty() {
            return Ok(telling);
        }
        let mut news: Vec<News> = alerts.iter().map(|_| News::default()).collect();
        for record in watched(&ledger, &alerts, &mut telling).await? {
            operation.go_on()?;
            if let Err(error) = self.look_at(&ledger, &record, &alerts, &mut news, &mut telling).await {
                telling.errors.push(format!("{}: {error}", record.spec.name));
                // What went on at the last look is looked at again.
                for (alert, news) in alerts.iter().zip(&mut news) {
                    let known = alert.told.watching.get_key_value(&record.fleet);
                    news.watching.extend(known.map(|(fleet, run)| (fleet.clone(), run.clone())));
                }
            }
        }
        for (Watching { record, .. }, news) in alerts.iter().zip(news) {
            operation.go_on()?;
            if let Err(error) = self.tell(&ledger, record, &news, &mut telling).await {
                telling.errors.push(format!("{}: {error}", record.spec.name));
            }
        }
        Ok(telling)
    }

    /// Looks at a fleet for all who want to know of it.
    async fn look_at(
        &self,
        ledger: &Ledger,
        record: &FleetRecord,
        alerts: &[Watching],
        news: &mut [News],
        telling: &mut Telling,
    ) -> Result<()> {
        let schedule = record.scheduled.is_some() && alerts.iter().any(|alert| alert.record.spec.on.contains(&On::Missed));
        let history = if schedule { Some(ledger.history(&record.fleet).await?) } else { None };
        for (alert, news) in alerts.iter().zip(&mut *news).filter(|(alert, _)| alert.record.spec.watch.means(record)) {
            news.happened.extend(history.iter().flat_map(|history| starts_missed(&alert.record, record, history)));
        }
        if record.has_not_run() || !alerts.iter().any(|alert| alert.wants(record)) {
            return Ok(());
        }
        let Some(fleet) = fleet::inspect(self.aws(), ledger, Look::Shared(self.snapshots()), &record.fleet).await? else { return Ok(()) };
        telling.runs += 1;
        let facts = self.facts(ledger, &fleet, alerts).await?;
        let mut rates = Rates::new(self, &fleet);
        for (alert, news) in alerts.iter().zip(news).filter(|(alert, _)| alert.wants(&fleet.record)) {
            let run = &fleet.record.run;
            if alert.is_news(&fleet) {
                let cost = match alert.record.spec.cost_above {
                    Some(_) => rates.cost(alert.told.rates.get(run)).await?,
                    None => Cost::NotAsked,
                };
                news.rates.extend(rates.known().map(|rate| (run.clone(), rate)));
                news.happened.extend(happened(&alert.record, &facts.sight(&fleet, cost, self.now())));
            }
            if fleet.status.is_over() && !facts.is_changing {
                news.over.insert(run.clone());
            } else if fleet.ended_at.is_none() {
                news.watching.insert(fleet.record.fleet.clone(), run.clone());
            }
        }
        Ok(())
    }

    /// What the look at a fleet does not tell, as far as anybody wants to know it.
    async fn facts(&self, ledger: &Ledger, fleet: &Fleet, alerts: &[Watching]) -> Result<Facts> {
        let FleetRecord { fleet: id, run, spec, .. } = &fleet.record;
        let wanted = |on: On| alerts.iter().any(|alert| alert.wants(&fleet.record) && alert.record.spec.on.contains(&on));
        let is_ready = if !wanted(On::Ready) {
            false
        } else if service::is_service(&fleet.record) {
            fleet.status == spawn_model::status::Status::Running
        } else {
            ledger.ranks_begun(id, run).await? >= fleet.size as usize
        };
        let is_noticed = spec.market.r#type == MarketType::Spot && wanted(On::Interrupted) && ledger.is_noticed(id, run).await?;
        // Whoever ends it, or runs it again, ends its machines before anything says so.
        let is_changing = fleet.ended_at.is_none() && (fleet.record.ended || fleet.record.next.is_some());
        Ok(Facts { is_ready, is_noticed, is_changing })
    }

    /// Notes what has happened, and tells it.
    async fn tell(&self, ledger: &Ledger, alert: &AlertRecord, news: &News, telling: &mut Telling) -> Result<()> {
        let now = whole_second(self.now());
        let mut noted = Vec::new();
        let edit = |told: &mut Told| {
            let known = told.occurrences.len();
            let changed = news.enter(alert, told, now);
            let since = known.min(told.occurrences.len());
            noted = told.occurrences[since..].iter().map(|new| (alert.spec.name.clone(), new.subject.clone())).collect();
            changed
        };
        let Some(told) = ledger.told_edit(&alert.id, edit).await? else { return Ok(()) };
        telling.noted.extend(noted);
        self.deliver(ledger, alert, &told, telling).await
    }
}

/// What there is to know of a fleet beside what a look tells.
struct Facts {
    is_ready: bool,
    is_noticed: bool,
    /// Whether somebody ends it, or its run, at this moment.
    is_changing: bool,
}

impl Facts {
    fn sight<'a>(&self, fleet: &'a Fleet, cost: Cost, now: Timestamp) -> Sight<'a> {
        Sight {
            record: &fleet.record,
            status: fleet.status,
            reason: &fleet.status_reason,
            size: fleet.size,
            members: &fleet.members,
            jobs: &fleet.jobs,
            alive: fleet.alive.len(),
            is_idle: fleet.is_idle,
            is_ready: self.is_ready,
            is_noticed: self.is_noticed,
            // Whoever ends a fleet shortens its lease: what counts is what it was to be.
            was_ended: self.is_changing || fleet.ended_at.is_some_and(|at| at < lease::deadline_of(&fleet.record)),
            cost,
            now,
        }
    }
}

/// The alerts. One that cannot be read keeps none of the others from telling.
async fn watchings(ledger: &Ledger, telling: &mut Telling) -> Result<Vec<Watching>> {
    let mut alerts = Vec::new();
    for name in ledger.alert_names().await? {
        let read = async {
            let Some((record, _)) = ledger.alert(&name).await? else { return Ok(None) };
            Ok::<_, Error>(ledger.told(&record.id).await?.map(|told| Watching { record, told }))
        };
        match read.await {
            Ok(alert) => alerts.extend(alert),
            Err(error) => telling.errors.push(format!("{name}: {error}")),
        }
    }
    Ok(alerts)
}

/// The fleets that any alert has something to learn of: those that have a name, and those that had one at the last look.
async fn watched(ledger: &Ledger, alerts: &[Watching], telling: &mut Telling) -> Result<Vec<FleetRecord>> {
    let names = ledger.names().await?;
    let claims = stream::iter(names).map(|name| async move { Ok::<_, Error>(ledger.claim(&name).await?.map(|(claim, _)| claim.fleet)) });
    let named: Vec<Option<FleetId>> = claims.buffered(READS_AT_ONCE).try_collect().await?;
    let mut ids: BTreeSet<FleetId> = named.into_iter().flatten().collect();
    ids.extend(alerts.iter().flat_map(|alert| alert.told.watching.keys().cloned()));
    let records: Vec<Result<Option<FleetRecord>>> =
        stream::iter(ids).map(|id| async move { ledger.fleet(&id).await }).buffered(READS_AT_ONCE).collect().await;
    let mut found = Vec::new();
    for record in records {
        match record {
            Ok(record) => found.extend(record),
            Err(error) => telling.errors.push(error.to_string()),
        }
    }
    found.retain(|record| alerts.iter().any(|alert| alert.record.spec.watch.means(record)));
    Ok(found)
}
