//! What somebody can do: the world before it, doing it, and taking it back.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use sandbox_cloud::model::Market;
use serde_json::json;
use spawn_core::engine::Engine;
use spawn_core::operation::Operation;
use spawn_core::ports::Result;
use spawn_core::rerun::Wanted;
use spawn_core::setup::Choices;
use spawn_model::error::{Class, Error};
use spawn_model::market::Fallback;
use spawn_model::record::{Exit, Keeper};
use spawn_model::spec::{FleetKind, FleetSpec, LeaseSpec};
use spawn_model::status::WaitFor;
use spawn_model::stopping::OnEnd;

use crate::alerts::{alert, alerted};
use crate::markets::{scarce, spot};
use crate::names::{launched, named, zoned};
use crate::places::with;
use crate::queues::{drain, job_ends, queue};
use crate::rights::{BOUNDARY, bounded, entitled, entitling};
use crate::schedules::{made, schedule, start};
use crate::services::{disarm, serve, service};
use crate::simulated::World;
use crate::simulated::agents::Work;
use crate::simulated::view::View;
use crate::stopping::{ending, engine_launch};
use crate::{array, idle_after, lasting, launch, scatter, warm};

/// One thing that somebody can do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Deed {
    Launch(u32),
    /// Where no pool has room for all.
    Scatter(u32),
    /// Two ranks on demand, the others spot, of which no pool has room for more than one, and then on demand.
    Mixed(u32),
    /// All or nothing, where the first pools have no room for all.
    Gang(u32),
    /// A cluster with disks and public addresses of its own, where the first pools have no room.
    Cluster(u32),
    /// Of which fewer may do, and no pool has room for all.
    Fewer(u32),
    /// Whose commands have rights in AWS.
    Entitled(u32),
    End(u32),
    /// Of a fleet whose results go with it.
    EndAll(u32),
    /// With its results, whatever was asked for before.
    Erase(u32),
    Extend(u32),
    Shorten(u32),
    /// Has its machines end when they are idle.
    Calm(u32),
    Retag(u32),
    /// While the ranks are at work.
    Rerun(u32),
    /// When all have ended.
    RerunOver(u32),
    /// With other tags at the same time, where no pool has room for all.
    RerunScattered(u32),
    /// What a person has let run past its lease, and no other hand has ended.
    Reap(u32),
    /// The same, of a launcher that died.
    ReapDead(u32),
    /// An instance that stops at its deadline, or hibernates.
    Kept(OnEnd),
    /// What has stopped at its deadline is started again.
    Start(OnEnd),
    /// It is stopped now.
    Stop(OnEnd),
    /// Says that what was launched is stored.
    Acknowledge,
    /// A queue of so many workers.
    Drain(u32),
    /// One of a queue's jobs is not to run.
    CancelJob,
    /// What has failed of a queue runs again.
    RetryJobs,
    /// A schedule of arrays of two.
    Schedule(Scheduling),
    /// An alert that watches everything.
    Alert(Alerting),
    /// An array with names in DNS.
    Name(Naming),
    /// A service, on spot.
    Serve(u32),
    /// A service, changed, run again or ended while it runs.
    Service(Change),
    SetUp,
    /// Once more, with another say about what commands get at most.
    Widen,
    TearDown,
}

/// What can be done with a service of three.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Change {
    Extend,
    Shorten,
    Grow,
    Shrink,
    Retag,
    Rerun,
    End,
    /// What no other hand has ended.
    Reap,
    /// To on demand, where there is no spot.
    FallBack,
    /// What has fallen back.
    ShrinkFallen,
    ExtendFallen,
}

/// What can be done with a schedule.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scheduling {
    Make,
    Change,
    Pause,
    /// Its first run.
    Start,
    /// In the place of one that still goes on.
    StartAgain,
    /// While a run goes on.
    End,
    /// With its results.
    Erase,
}

/// What can be done with names in DNS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Naming {
    Launch,
    /// Until it runs, and then has names.
    Wait,
    /// After a machine was lost.
    Keep,
    /// To what has none.
    Give,
    /// Into another zone.
    Move,
    Take,
    /// In another zone.
    Rerun,
    End,
    /// What no other hand has ended.
    Reap,
}

/// What can be done with an alert.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Alerting {
    Make,
    /// Its addresses, and a secret.
    Change,
    Keep,
    Test,
    /// That an array has failed.
    Tell,
    End,
}

impl Deed {
    /// Whether it is a launch, which is undone before its failure is told.
    pub(super) fn launches(self) -> bool {
        ["launch", "schedule_create", "alert_create"].contains(&self.operation())
    }

    /// The world before.
    pub(super) async fn prepare(self) -> World {
        match self {
            Self::SetUp => World::new(),
            Self::Launch(_) | Self::Kept(_) | Self::Serve(_) | Self::Drain(_) | Self::TearDown | Self::Widen => warm().await,
            Self::CancelJob => {
                let world = warm().await;
                drain(&world, 2).await;
                world.pass(60).await;
                world
            }
            Self::RetryJobs => {
                let world = warm().await;
                let queue = drain(&world, 2).await;
                world.pass(60).await;
                job_ends(&world, &queue, "a", 0);
                job_ends(&world, &queue, "c", 3);
                // Whoever looks first gathers what is recorded.
                world.engine().find("tiles").await.unwrap();
                world
            }
            Self::Service(change) => {
                let world = warm().await;
                if change.is_of_spot() {
                    scarce(&world, Market::Spot, 0);
                }
                let record = serve(&world, &change.served()).await;
                if change == Change::Reap {
                    world.state().silence_schedules();
                    disarm(&world, &record);
                    world.pass(25 * 60).await;
                    return world;
                }
                world.pass(60).await;
                if matches!(change, Change::ShrinkFallen | Change::ExtendFallen) {
                    Change::FallBack.perform(&world.engine()).await.unwrap();
                    world.pass(60).await;
                }
                world
            }
            Self::Schedule(scheduling) => scheduling.prepare().await,
            Self::Name(naming) => naming.prepare().await,
            Self::Alert(alerting) => alerting.prepare().await,
            Self::Entitled(_) => entitling().await,
            Self::Scatter(_) | Self::Gang(_) | Self::Cluster(_) => {
                let world = warm().await;
                scatter(&world);
                world
            }
            Self::Fewer(_) => {
                let world = warm().await;
                scarce(&world, Market::OnDemand, 1);
                world
            }
            Self::Mixed(_) => {
                let world = warm().await;
                scarce(&world, Market::Spot, 1);
                world
            }
            Self::Start(end) | Self::Stop(end) => {
                let world = warm().await;
                engine_launch(&world, &ending(end, 3600)).await;
                world.pass(if matches!(self, Self::Start(_)) { 25 * 60 } else { 60 }).await;
                world
            }
            Self::Acknowledge => {
                let world = warm().await;
                drop(launch(&world.process(), &array(1)).await.unwrap());
                world.pass(60).await;
                world
            }
            Self::Reap(size) | Self::ReapDead(size) => {
                let world = warm().await;
                world.state().agents.work = Box::new(|_| Work::Absent);
                let launched = launch(&world.process(), &array(size)).await.unwrap();
                if matches!(self, Self::Reap(_)) {
                    launched.claim.acknowledge(Keeper::Person).await.unwrap();
                }
                drop(launched.kept_alive);
                world.state().bury_launchers();
                world.state().silence_schedules();
                world.pass(25 * 60).await;
                world
            }
            Self::End(size)
            | Self::EndAll(size)
            | Self::Erase(size)
            | Self::Extend(size)
            | Self::Shorten(size)
            | Self::Calm(size)
            | Self::Retag(size)
            | Self::Rerun(size)
            | Self::RerunOver(size)
            | Self::RerunScattered(size) => {
                let world = warm().await;
                if matches!(self, Self::RerunOver(_)) {
                    world.state().agents.work = Box::new(|_| Work::Ends { after_s: 20, exit: Exit::Code { code: 0 } });
                }
                if matches!(self, Self::RerunScattered(_)) {
                    scatter(&world);
                }
                let spec = FleetSpec { delete_results: matches!(self, Self::EndAll(_)), ..array(size) };
                launch(&world.process(), &spec).await.unwrap();
                world.pass(60).await;
                // Whoever looks first gathers what the ranks have recorded.
                world.engine().find("tiles").await.unwrap();
                world
            }
        }
    }

    /// The operation of the engine that it is.
    pub(super) fn operation(self) -> &'static str {
        match self {
            Self::SetUp | Self::Widen => "setup",
            Self::TearDown => "setup_remove",
            Self::End(_) | Self::EndAll(_) | Self::Service(Change::End) => "end",
            Self::Erase(_) => "erase",
            Self::Extend(_) | Self::Shorten(_) | Self::Calm(_) | Self::Service(Change::Extend | Change::Shorten | Change::ExtendFallen) => {
                "lease_change"
            }
            Self::Retag(_) | Self::Service(Change::Retag) => "update",
            Self::Service(Change::Grow | Change::Shrink | Change::ShrinkFallen) => "resize",
            Self::Service(Change::FallBack) => "services_keep",
            Self::Rerun(_) | Self::RerunOver(_) | Self::RerunScattered(_) | Self::Service(Change::Rerun) => "rerun",
            Self::Reap(_) | Self::ReapDead(_) | Self::Service(Change::Reap) => "reap",
            Self::Start(_) => "start",
            Self::Stop(_) => "stop",
            Self::Acknowledge => "acknowledge",
            Self::CancelJob => "job_cancel",
            Self::RetryJobs => "job_retry",
            Self::Schedule(Scheduling::Make) => "schedule_create",
            Self::Schedule(Scheduling::Change) => "schedule_change",
            Self::Schedule(Scheduling::Pause) => "schedule_enable",
            Self::Schedule(Scheduling::Start | Scheduling::StartAgain) => "schedule_start",
            Self::Schedule(Scheduling::End) => "end",
            Self::Schedule(Scheduling::Erase) => "erase",
            Self::Name(naming) => naming.operation(),
            Self::Alert(Alerting::Make) => "alert_create",
            Self::Alert(Alerting::Change) => "alert_change",
            Self::Alert(Alerting::Keep) => "alert_keep",
            Self::Alert(Alerting::Test) => "alert_test",
            Self::Alert(Alerting::Tell) => "alerts_tell",
            Self::Alert(Alerting::End) => "alert_end",
            Self::Launch(_)
            | Self::Kept(_)
            | Self::Serve(_)
            | Self::Drain(_)
            | Self::Scatter(_)
            | Self::Mixed(_)
            | Self::Gang(_)
            | Self::Cluster(_)
            | Self::Fewer(_)
            | Self::Entitled(_) => "launch",
        }
    }

    pub(super) async fn perform(self, engine: &Engine) -> Result<()> {
        let quiet = Operation::quiet();
        match self {
            Self::Launch(size) | Self::Scatter(size) => engine.launch(FleetKind::JobArray, &array(size), &quiet).await.map(drop),
            Self::Mixed(size) => engine.launch(FleetKind::JobArray, &spot(size, Fallback::OnDemand, 2), &quiet).await.map(drop),
            Self::Gang(size) => {
                let gang = FleetSpec { gang: true, ..array(size) };
                engine.launch(FleetKind::JobArray, &gang, &quiet).await.map(drop)
            }
            Self::Cluster(size) => engine.launch(FleetKind::JobArray, &cluster(size), &quiet).await.map(drop),
            Self::Fewer(size) => {
                let spec = FleetSpec { min_size: Some(2), ..array(size) };
                engine.launch(FleetKind::JobArray, &spec, &quiet).await.map(drop)
            }
            Self::Entitled(size) => engine.launch(FleetKind::JobArray, &entitled(size), &quiet).await.map(drop),
            Self::Widen => engine.setup(&bounded(BOUNDARY), &quiet).await.map(drop),
            Self::SetUp => engine.setup(&Choices::default(), &quiet).await.map(drop),
            Self::TearDown => engine.setup_remove(&quiet).await,
            Self::Extend(_) => engine.lease_change(&engine.find("tiles").await?, &lasting(3600)).await.map(drop),
            Self::Shorten(_) => engine.lease_change(&engine.find("tiles").await?, &lasting(600)).await.map(drop),
            Self::Calm(_) => {
                let calm = LeaseSpec { idle: Some(idle_after(300)), ..lasting(1200) };
                engine.lease_change(&engine.find("tiles").await?, &calm).await.map(drop)
            }
            Self::Retag(size) => {
                let mut spec = array(size);
                spec.tags = [("owner".to_owned(), "ada".to_owned())].into();
                engine.update(&engine.find("tiles").await?, &spec).await
            }
            Self::Rerun(size) | Self::RerunOver(size) => rerun(engine, &again(size)).await,
            Self::RerunScattered(size) => {
                rerun(engine, &FleetSpec { tags: [("owner".to_owned(), "ada".to_owned())].into(), ..again(size) }).await
            }
            Self::Kept(end) => engine.launch(FleetKind::Instance, &ending(end, 3600), &quiet).await.map(drop),
            Self::Stop(_) => engine.stop(&engine.find("tiles").await?, &quiet).await,
            Self::Acknowledge => engine.acknowledge(&engine.find("tiles").await?.record, Keeper::State).await,
            Self::Start(_) => {
                let fleet = engine.find("tiles").await?;
                match engine.start(&fleet, &fleet.record.spec.lease, &quiet).await {
                    // Somebody who could not say so has done it.
                    Err(error) if error.code == "AlreadyRuns" => Ok(()),
                    started => started.map(drop),
                }
            }
            Self::Drain(workers) => engine.launch(FleetKind::Queue, &queue(workers, json!({})), &quiet).await.map(drop),
            Self::CancelJob => engine.job_cancel(&engine.find("tiles").await?, "a").await.map(drop),
            Self::RetryJobs => match engine.job_retry(&engine.find("tiles").await?, &BTreeSet::new(), &quiet).await {
                // Somebody who could not say so has done it.
                Err(error) if error.code == "QueueRuns" => Ok(()),
                ran => ran.map(drop),
            },
            Self::Schedule(scheduling) => scheduling.perform(engine).await,
            Self::Name(naming) => naming.perform(engine).await,
            Self::Alert(alerting) => alerting.perform(engine).await,
            Self::Serve(size) => engine.launch(FleetKind::Service, &on_spot(size), &quiet).await.map(drop),
            Self::Service(change) => change.perform(engine).await,
            Self::End(_) | Self::EndAll(_) => end(engine).await,
            Self::Erase(_) => match engine.find("tiles").await {
                Err(error) if error.class == Class::NotFound => Ok(()),
                found => engine.erase(&found?.record.fleet, SignedDuration::from_mins(5), &quiet).await,
            },
            Self::Reap(_) | Self::ReapDead(_) => engine.reap(false, &quiet).await.errors.into_iter().next().map_or(Ok(()), Err),
        }
    }
}

impl Scheduling {
    async fn prepare(self) -> World {
        let world = warm().await;
        if self == Self::Make {
            return world;
        }
        let schedule = made(&world, json!({ "overlap": "replace" })).await;
        world.pass(3_600).await;
        if matches!(self, Self::StartAgain | Self::End | Self::Erase) {
            start(&world.engine(), &schedule, 1).await.unwrap();
            world.pass(3_600).await;
        }
        world
    }

    async fn perform(self, engine: &Engine) -> Result<()> {
        let quiet = Operation::quiet();
        let spec = |changes| schedule(changes);
        match self {
            Self::Make => return engine.schedule_create(&spec(json!({})), &quiet).await.map(drop),
            Self::End => return end(engine).await,
            Self::Erase => {
                return match engine.find("tiles").await {
                    Err(error) if error.class == Class::NotFound => Ok(()),
                    found => engine.erase(&found?.record.fleet, SignedDuration::from_mins(5), &quiet).await,
                };
            }
            _ => {}
        }
        let found = engine.schedule_find("tiles").await?;
        match self {
            Self::Change => {
                let changed = spec(json!({ "cron": "0 */2 * * *", "job_array": { "size": 3, "tags": { "owner": "ada" } } }));
                engine.schedule_change(&found.record.fleet, &changed, &quiet).await.map(drop)
            }
            Self::Pause => engine.schedule_enable(&found.record.fleet, false).await,
            _ => start(engine, &found.record.fleet, if self == Self::Start { 1 } else { 2 }).await.map(drop),
        }
    }
}

impl Naming {
    fn operation(self) -> &'static str {
        match self {
            Self::Launch => "launch",
            Self::Wait => "wait",
            Self::Keep => "names_keep",
            Self::Give | Self::Move | Self::Take => "update",
            Self::Rerun => "rerun",
            Self::End => "end",
            Self::Reap => "reap",
        }
    }

    /// What it is to be afterwards.
    fn wanted(self) -> FleetSpec {
        match self {
            Self::Take => FleetSpec { dns: None, ..named(3, json!({})) },
            Self::Move => named(3, json!({ "dns": { "zone": "Z2" } })),
            Self::Rerun => named(3, json!({ "dns": { "zone": "Z2" }, "triggers": { "version": "2" } })),
            _ => named(3, json!({})),
        }
    }

    async fn prepare(self) -> World {
        let world = zoned().await;
        if self == Self::Launch {
            return world;
        }
        if self == Self::Reap {
            world.state().agents.work = Box::new(|_| Work::Absent);
        }
        let before = if self == Self::Give { Self::Take } else { Self::Launch };
        if self == Self::Wait {
            drop(launch(&world.process(), &self.wanted()).await.unwrap());
            world.pass(60).await;
            return world;
        }
        launched(&world, &before.wanted()).await;
        world.pass(60).await;
        let fleet = world.engine().find("tiles").await.unwrap();
        match self {
            Self::Keep => {
                let now = world.now();
                world.state().machine_off(now, &fleet.members[1].instance_id, true);
                world.pass(60).await;
            }
            Self::Reap => {
                world.engine().acknowledge(&fleet.record, Keeper::Person).await.unwrap();
                world.state().silence_schedules();
                world.pass(25 * 60).await;
            }
            _ => {}
        }
        world
    }

    async fn perform(self, engine: &Engine) -> Result<()> {
        let quiet = Operation::quiet();
        match self {
            Self::Launch => engine.launch(FleetKind::JobArray, &self.wanted(), &quiet).await.map(drop),
            Self::Wait => {
                let fleet = engine.find("tiles").await?.record.fleet;
                let until = engine.now() + SignedDuration::from_mins(5);
                let waited = engine.wait(&fleet, WaitFor::Running, until, &quiet).await?.unwrap().fleet();
                waited.unnamed.map_or(Ok(()), |why| Err(Error::new(Class::Transient, "Unnamed", why, "")))
            }
            Self::Keep => {
                let kept = engine.names_keep(&quiet).await?;
                kept.errors.into_iter().next().map_or(Ok(()), |error| Err(Error::new(Class::Transient, "NotKept", error, "")))
            }
            Self::Give | Self::Move | Self::Take => engine.update(&engine.find("tiles").await?, &self.wanted()).await,
            Self::Rerun => {
                rerun(engine, &self.wanted()).await?;
                // What could not be taken away of the former run is, as soon as somebody looks.
                let kept = engine.names_keep(&quiet).await?;
                kept.errors.into_iter().next().map_or(Ok(()), |error| Err(Error::new(Class::Transient, "NotKept", error, "")))
            }
            Self::End => end(engine).await,
            Self::Reap => engine.reap(false, &quiet).await.errors.into_iter().next().map_or(Ok(()), Err),
        }
    }
}

impl Alerting {
    async fn prepare(self) -> World {
        let world = warm().await;
        if self == Self::Make {
            return world;
        }
        let quiet = Operation::quiet();
        alerted(&world, json!({})).await;
        if self == Self::Tell {
            world.state().agents.work = Box::new(|_| Work::Ends { after_s: 20, exit: Exit::Code { code: 1 } });
            launch(&world.process(), &array(2)).await.unwrap();
            world.pass(30).await;
            world.engine().alerts_tell(&quiet).await.unwrap();
            world.pass(60).await;
            world.engine().find("tiles").await.unwrap();
        }
        world
    }

    async fn perform(self, engine: &Engine) -> Result<()> {
        let quiet = Operation::quiet();
        if self == Self::Make {
            return engine.alert_create(&alert(json!({})), &quiet).await.map(drop);
        }
        if self == Self::Tell {
            // Until all is told, as the schedule does.
            for _ in 0..3 {
                let told = engine.alerts_tell(&quiet).await?;
                if let Some(error) = told.errors.into_iter().next() {
                    return Err(Error::new(Class::Transient, "NotTold", error, ""));
                }
                // Somebody who died over a delivery is not waited for any longer than that.
                tokio::time::sleep(Duration::from_secs(120)).await;
            }
            return Ok(());
        }
        let found = match engine.alert_find("money").await {
            Err(error) if error.class == Class::NotFound && self == Self::End => return Ok(()),
            found => found?,
        };
        let id = &found.record.id;
        match self {
            Self::Change => {
                let changed = json!({ "on": ["failed", "lost"], "notify": { "email": ["ada@example.com", "grace@example.com"],
                    "webhook": { "url": "https://example.com/other", "secret": "another", "secret_version": 2 } } });
                engine.alert_change(id, &alert(changed), &quiet).await.map(drop)
            }
            Self::Keep => engine.alert_keep("money", id).await,
            // Whoever asks again for a test gets another one.
            Self::Test if !found.told.occurrences.is_empty() => Ok(()),
            Self::Test => engine.alert_test("money").await.map(drop),
            _ => engine.alert_end("money", id, &quiet).await,
        }
    }
}

impl Change {
    /// Whether it is about a service that wants to be spot.
    fn is_of_spot(self) -> bool {
        matches!(self, Self::FallBack | Self::ShrinkFallen | Self::ExtendFallen)
    }

    /// What the service is before it.
    fn served(self) -> FleetSpec {
        let market = json!({ "market": { "type": "spot", "fallback": "on_demand" } });
        service(3, if self.is_of_spot() { market } else { json!({}) })
    }

    async fn perform(self, engine: &Engine) -> Result<()> {
        let quiet = Operation::quiet();
        match self {
            Self::FallBack => {
                let kept = engine.services_keep(&quiet).await?;
                kept.errors.into_iter().next().map_or(Ok(()), |error| Err(Error::new(Class::Transient, "NotKept", error, "")))
            }
            Self::Extend | Self::ExtendFallen => engine.lease_change(&engine.find("tiles").await?, &lasting(3600)).await.map(drop),
            Self::Shorten => engine.lease_change(&engine.find("tiles").await?, &lasting(600)).await.map(drop),
            Self::Grow => engine.resize(&engine.find("tiles").await?, 5, &quiet).await,
            Self::Shrink | Self::ShrinkFallen => engine.resize(&engine.find("tiles").await?, 1, &quiet).await,
            Self::Retag => engine.update(&engine.find("tiles").await?, &service(3, json!({ "tags": { "owner": "ada" } }))).await,
            Self::Rerun => rerun(engine, &service(3, json!({ "triggers": { "version": "2" } }))).await,
            Self::End => end(engine).await,
            Self::Reap => engine.reap(false, &quiet).await.errors.into_iter().next().map_or(Ok(()), Err),
        }
    }
}

/// All of one market: which rank an instance takes, chance decides.
fn on_spot(size: u32) -> FleetSpec {
    service(size, json!({ "market": { "type": "spot", "max_price": 0.2 } }))
}

fn cluster(size: u32) -> FleetSpec {
    let fields = json!({
        "placement": "cluster", "gang": true, "network": { "public_address": true },
        "root_volume": { "size_gib": 20 }, "volumes": { "/dev/sdf": { "size_gib": 40 } },
    });
    with(size, fields)
}

/// The array, to be run again.
fn again(size: u32) -> FleetSpec {
    FleetSpec { triggers: [("version".to_owned(), "2".to_owned())].into(), ..array(size) }
}

async fn rerun(engine: &Engine, spec: &FleetSpec) -> Result<()> {
    let fleet = engine.find("tiles").await?.record.fleet;
    engine.rerun(&fleet, spec, Wanted::ByTriggers, &Operation::quiet()).await.map(drop)
}

/// Ends the fleet by its name, as somebody does who knows nothing else of it.
pub(super) async fn end(engine: &Engine) -> Result<()> {
    let found = match engine.find("tiles").await {
        Err(error) if error.class == Class::NotFound => return Ok(()),
        found => found?,
    };
    engine.end(&found.record.fleet, SignedDuration::from_mins(5), &Operation::quiet()).await.map(drop)
}

/// Takes back what a deed made, and says what is left.
pub(super) async fn finish(deed: Deed, world: &World) -> View {
    match deed {
        Deed::SetUp => world.engine().setup_remove(&Operation::quiet()).await.unwrap(),
        Deed::Widen => drop(world.engine().setup(&bounded(r#"{"Statement":[]}"#), &Operation::quiet()).await.unwrap()),
        Deed::TearDown => {}
        Deed::Alert(_) => {
            let engine = world.engine();
            if let Ok(found) = engine.alert_find("money").await {
                engine.alert_end("money", &found.record.id, &Operation::quiet()).await.unwrap();
            }
            end(&engine).await.unwrap();
        }
        _ => end(&world.engine()).await.unwrap(),
    }
    world.pass(10).await;
    world.assert_lawful();
    world.view()
}
