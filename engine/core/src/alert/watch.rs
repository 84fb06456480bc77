//! Looks at the runs that alerts watch, and notes what has happened to them.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use serde::Serialize;
use spawn_model::alert::{AlertRecord, Cost, Happened, On, Sight, Told, happened, starts_missed};
use spawn_model::error::Error;
use spawn_model::ids::{FleetId, RunId};
use spawn_model::market::MarketType;
use spawn_model::record::FleetRecord;
use spawn_model::status::Status;

use super::cost::Rates;
use crate::engine::{Engine, whole_second};
use crate::fleet::{self, Fleet, Look};
use crate::lease;
use crate::ledger::{Ledger, READS_AT_ONCE};
use crate::operation::Operation;
use crate::ports::Result;
use crate::service;

/// How many fleets are looked at, and how many alerts tell, at once.
const AT_ONCE: usize = 8;

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

impl Telling {
    fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.noted.extend(other.noted);
        self.delivered.extend(other.delivered);
        self.refused.extend(other.refused);
        self.errors.extend(other.errors);
    }
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

    fn tells(&self, on: On) -> bool {
        self.record.spec.on.contains(&on)
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
    /// The fleets that were looked at, or are not there.
    seen: BTreeSet<FleetId>,
    watching: BTreeMap<FleetId, RunId>,
    over: BTreeSet<RunId>,
    rates: BTreeMap<RunId, Option<f64>>,
    /// The runs that were come across.
    met: BTreeSet<RunId>,
    /// Whether there was nothing that could not be looked at.
    is_whole: bool,
}

impl News {
    fn add(&mut self, other: Self) {
        self.happened.extend(other.happened);
        self.seen.extend(other.seen);
        self.watching.extend(other.watching);
        self.over.extend(other.over);
        self.rates.extend(other.rates);
        self.met.extend(other.met);
    }

    /// Enters it into what the alert remembers; says whether that is anything new. What this look has not seen stays as it is: another one may
    /// have.
    fn enter(&self, alert: &AlertRecord, told: &mut Told, now: Timestamp) -> bool {
        let before = told.clone();
        let noted = told.note(alert, self.happened.iter().cloned(), now);
        told.watching.retain(|fleet, _| !self.seen.contains(fleet));
        told.watching.extend(self.watching.clone());
        for run in &self.over {
            told.over.entry(run.clone()).or_insert(now);
        }
        told.rates.extend(self.rates.clone());
        told.forget(&self.met, self.is_whole, now);
        noted || *told != before
    }
}

/// What came of one look at one fleet: for each alert that has something of it.
#[derive(Default)]
struct Looked {
    news: Vec<(usize, News)>,
    telling: Telling,
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
        let Watched { records, gone } = watched(&ledger, &alerts, &mut telling).await?;
        let mut news: Vec<News> = alerts.iter().map(|_| News { seen: gone.clone(), ..News::default() }).collect();
        let (this, all) = (&ledger, &alerts);
        let looks = stream::iter(&records).map(|record| async move {
            // Whoever has no time left tells what is known.
            if operation.cancel.is_cancelled() { Looked::out_of_time(record) } else { self.look_at(this, record, all).await }
        });
        for looked in looks.buffered(AT_ONCE).collect::<Vec<Looked>>().await {
            telling.add(looked.telling);
            looked.news.into_iter().for_each(|(alert, learnt)| news[alert].add(learnt));
        }
        news.iter_mut().for_each(|news| news.is_whole = telling.errors.is_empty());
        let tells = stream::iter(alerts.iter().zip(&news)).map(|(alert, news)| async move {
            let mut told = Telling::default();
            if let Err(error) = self.tell(this, &alert.record, news, &mut told, operation).await {
                told.errors.push(format!("{}: {error}", alert.record.spec.name));
            }
            told
        });
        tells.buffered(AT_ONCE).collect::<Vec<Telling>>().await.into_iter().for_each(|told| telling.add(told));
        Ok(telling)
    }

    /// Looks at a fleet for all who want to know of it. One that could not be looked at stays as it was known.
    async fn look_at(&self, ledger: &Ledger, record: &FleetRecord, alerts: &[Watching]) -> Looked {
        let mut looked = Looked::default();
        let meant = || alerts.iter().enumerate().filter(|(_, alert)| alert.record.spec.watch.means(record));
        if record.scheduled.is_some() && meant().any(|(_, alert)| alert.tells(On::Missed)) {
            match ledger.history(&record.fleet).await {
                Ok(history) => looked.news.extend(meant().map(|(at, alert)| {
                    (at, News { happened: starts_missed(&alert.record, record, &history, self.now()), ..News::default() })
                })),
                Err(error) => looked.failed(record, &error),
            }
        }
        let met = || News { met: BTreeSet::from([record.run.clone()]), ..News::default() };
        looked.news.extend(meant().map(|(at, _)| (at, met())));
        // Those whose watch, or whose tags, have changed since: it is none of theirs any more.
        let others = alerts.iter().enumerate().filter(|(_, alert)| !alert.record.spec.watch.means(record));
        looked.news.extend(others.map(|(at, _)| (at, News { seen: BTreeSet::from([record.fleet.clone()]), ..News::default() })));
        if let Err(error) = self.look_back(ledger, record, alerts, &mut looked).await {
            // What has become of the former run is told of no more: one that cannot be read hides not the one there is.
            looked.failed(record, &error);
        }
        if record.has_not_run() || !alerts.iter().any(|alert| alert.wants(record)) {
            let seen = || News { seen: BTreeSet::from([record.fleet.clone()]), ..News::default() };
            looked.news.extend(meant().map(|(at, _)| (at, seen())));
            return looked;
        }
        let found = fleet::inspect(self.aws(), ledger, Look::Glance(self.snapshots()), &record.fleet).await;
        match found {
            Ok(Some(fleet)) => self.judge(ledger, &fleet, alerts, &mut looked).await,
            Ok(None) => {}
            Err(error) => looked.failed(record, &error),
        }
        looked
    }

    /// Looks back at a run that went on at the last look, and that another one has taken the place of since.
    async fn look_back(&self, ledger: &Ledger, record: &FleetRecord, alerts: &[Watching], looked: &mut Looked) -> Result<()> {
        let mut former: BTreeMap<&RunId, Vec<usize>> = BTreeMap::new();
        for (at, alert) in alerts.iter().enumerate().filter(|(_, alert)| alert.record.spec.watch.means(record)) {
            if let Some(run) = alert.told.watching.get(&record.fleet).filter(|run| **run != record.run) {
                former.entry(run).or_default().push(at);
            }
        }
        for (run, who) in former {
            let fleet = fleet::former(self.aws(), ledger, record, run).await?;
            looked.telling.runs += 1;
            // Whoever ran it again has ended it.
            let facts = Facts { is_ready: false, is_noticed: false, is_changing: true };
            for at in who {
                let told = happened(&alerts[at].record, &facts.sight(&fleet, Cost::NotAsked, self.now()));
                looked.news.push((at, News { happened: told, over: BTreeSet::from([run.clone()]), ..News::default() }));
            }
        }
        Ok(())
    }

    /// Says what has happened to a fleet, to all who want to know.
    async fn judge(&self, ledger: &Ledger, fleet: &Fleet, alerts: &[Watching], looked: &mut Looked) {
        let record = &fleet.record;
        looked.telling.runs += 1;
        let facts = match self.facts(ledger, fleet, alerts).await {
            Ok(facts) => facts,
            Err(error) => return looked.failed(record, &error),
        };
        let mut rates = Rates::new(self, fleet);
        for (at, alert) in alerts.iter().enumerate().filter(|(_, alert)| alert.wants(record)) {
            let mut news = News { seen: BTreeSet::from([record.fleet.clone()]), ..News::default() };
            if alert.is_news(fleet) {
                let cost = match alert.record.spec.cost_above {
                    // What it costs is one thing that there is to know of it, and keeps nobody from the others.
                    Some(_) => rates.cost(alert.told.rates.get(&record.run)).await.unwrap_or_else(|error| {
                        looked.failed(record, &error);
                        Cost::NotAsked
                    }),
                    None => Cost::NotAsked,
                };
                news.rates.extend(rates.known().map(|rate| (record.run.clone(), rate)));
                news.happened = happened(&alert.record, &facts.sight(fleet, cost, self.now()));
            }
            if fleet.status.is_over() && !facts.is_changing {
                news.over.insert(record.run.clone());
            } else if fleet.ended_at.is_none() {
                news.watching.insert(record.fleet.clone(), record.run.clone());
            }
            looked.news.push((at, news));
        }
    }

    /// What the look at a fleet does not tell, as far as anybody wants to know it.
    async fn facts(&self, ledger: &Ledger, fleet: &Fleet, alerts: &[Watching]) -> Result<Facts> {
        let FleetRecord { fleet: id, run, spec, .. } = &fleet.record;
        let wanted = |on: On| alerts.iter().any(|alert| alert.wants(&fleet.record) && alert.tells(on));
        let is_ready = if !wanted(On::Ready) {
            false
        } else if service::is_service(&fleet.record) {
            fleet.status == Status::Running
        } else {
            ledger.ranks_begun(id, run).await? >= fleet.size as usize
        };
        let is_noticed = spec.market.r#type == MarketType::Spot && wanted(On::Interrupted) && ledger.is_noticed(id, run).await?;
        // Whoever ends it, or runs it again, says so before it ends its machines: what was read before EC2 was asked may be older than that.
        let is_changing = fleet.ended_at.is_none() && {
            let now = ledger.fleet(id).await?;
            now.is_none_or(|now| now.ended || now.next.is_some() || now.run != *run)
        };
        Ok(Facts { is_ready, is_noticed, is_changing })
    }

    /// Notes what has happened, and tells it.
    async fn tell(&self, ledger: &Ledger, alert: &AlertRecord, news: &News, telling: &mut Telling, operation: &Operation) -> Result<()> {
        let now = whole_second(self.now());
        let mut noted = Vec::new();
        let edit = |told: &mut Told| {
            let known: BTreeSet<String> = told.occurrences.iter().map(|known| known.id.clone()).collect();
            let has_changed = news.enter(alert, told, now);
            let new = told.occurrences.iter().filter(|occurrence| !known.contains(&occurrence.id));
            noted = new.map(|new| (alert.spec.name.clone(), new.subject.clone())).collect();
            has_changed
        };
        let Some(told) = ledger.told_edit(&alert.id, edit).await? else { return Ok(()) };
        telling.noted.extend(noted);
        self.deliver(ledger, alert, &told, telling, operation).await
    }
}

impl Looked {
    fn failed(&mut self, record: &FleetRecord, error: &Error) {
        self.telling.errors.push(format!("{}: {error}", record.spec.name));
    }

    fn out_of_time(record: &FleetRecord) -> Self {
        let errors = vec![format!("{}: there was no time left to look at it", record.spec.name)];
        Self { telling: Telling { errors, ..Telling::default() }, ..Self::default() }
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
        let (planned, end) = (lease::deadline_of(&fleet.record), lease::end_of(&fleet.record));
        Sight {
            record: &fleet.record,
            status: fleet.status,
            reason: &fleet.status_reason,
            size: fleet.size,
            members: &fleet.members,
            jobs: &fleet.jobs,
            alive: fleet.alive.len(),
            idle: fleet.idle_members,
            is_ready: self.is_ready,
            is_noticed: self.is_noticed,
            // Whoever ends a fleet, or its run, shortens its lease: what counts is what it was to be.
            was_ended: self.is_changing || fleet.ended_at.is_some_and(|at| at < end) || fleet.deadline < planned,
            deadline: fleet.deadline,
            cost,
            now,
        }
    }
}

/// The alerts. One that cannot be read keeps none of the others from telling.
async fn watchings(ledger: &Ledger, telling: &mut Telling) -> Result<Vec<Watching>> {
    let names = ledger.alert_names().await?;
    let read = stream::iter(names).map(|name| async move {
        let read = async {
            let Some((record, _)) = ledger.alert(&name).await? else { return Ok(None) };
            Ok::<_, Error>(ledger.told(&record.id).await?.map(|told| Watching { record, told }))
        };
        read.await.map_err(|error| format!("{name}: {error}"))
    });
    Ok(whole(read.buffered(READS_AT_ONCE).collect().await, telling).into_iter().flatten().collect())
}

/// What was read, and among the errors what was not.
fn whole<T>(read: Vec<std::result::Result<T, String>>, telling: &mut Telling) -> Vec<T> {
    let mut found = Vec::new();
    for read in read {
        match read {
            Ok(read) => found.push(read),
            Err(error) => telling.errors.push(error),
        }
    }
    found
}

/// The fleets that any alert has something to learn of.
struct Watched {
    records: Vec<FleetRecord>,
    /// Of which nothing is recorded any more.
    gone: BTreeSet<FleetId>,
}

/// Those that have a name, and those that went on at the last look. One whose claim or record cannot be read hides no other.
async fn watched(ledger: &Ledger, alerts: &[Watching], telling: &mut Telling) -> Result<Watched> {
    let names = ledger.names().await?;
    let claims = stream::iter(names).map(|name| async move {
        let claim = ledger.claim(&name).await;
        claim.map(|claim| claim.map(|(claim, _)| claim.fleet)).map_err(|error| format!("{name}: {error}"))
    });
    let named = whole(claims.buffered(READS_AT_ONCE).collect().await, telling);
    let mut ids: BTreeSet<FleetId> = named.into_iter().flatten().collect();
    ids.extend(alerts.iter().flat_map(|alert| alert.told.watching.keys().cloned()));
    let records = stream::iter(ids).map(|id| async move {
        let record = ledger.fleet(&id).await;
        record.map(|record| record.ok_or(id)).map_err(|error| error.to_string())
    });
    let (mut found, mut gone) = (Vec::new(), BTreeSet::new());
    for record in whole(records.buffered(READS_AT_ONCE).collect().await, telling) {
        match record {
            Ok(record) => found.push(record),
            Err(id) => drop(gone.insert(id)),
        }
    }
    let knows = |alert: &Watching, record: &FleetRecord| alert.told.watching.contains_key(&record.fleet);
    found.retain(|record| alerts.iter().any(|alert| alert.record.spec.watch.means(record) || knows(alert, record)));
    Ok(Watched { records: found, gone })
}
