//! Every operation, with trouble at every call it makes: refused, its answer lost, or the process dead before or after it.
//!
//! After each the operation is done again, as the next apply would, and the whole world is compared with that of an operation
//! that nothing went wrong with; then the fleet is ended, and the world is compared with the one before.

use jiff::SignedDuration;
use sandbox_cloud::Request;
use sandbox_cloud::model::Market;
use sandbox_cloud::request::CreatePlacementGroup;
use serde_json::json;
use spawn_core::engine::Engine;
use spawn_core::operation::Operation;
use spawn_core::ports::{FunctionRequest, Result, Tags};
use spawn_core::rerun::Wanted;
use spawn_core::setup::Choices;
use spawn_model::error::{Class, Leftover};
use spawn_model::layout;
use spawn_model::market::Fallback;
use spawn_model::record::{Exit, FleetRecord, Keeper};
use spawn_model::spec::{FleetKind, FleetSpec, LeaseSpec};

use crate::markets::{scarce, spot};
use crate::places::with;
use crate::rights::{BOUNDARY, bounded, entitled, entitling};
use crate::services::{disarm, serve, service};
use crate::simulated::agents::Work;
use crate::simulated::door::Trouble;
use crate::simulated::identity::Profile;
use crate::simulated::view::{View, assert_same};
use crate::simulated::{REGION, State, World, run};
use crate::stopping::{engine_launch, stopping};
use crate::{array, idle_after, lasting, launch, scatter, warm};

const TROUBLES: [Trouble; 5] =
    [Trouble::Refused(Class::Transient), Trouble::Refused(Class::Denied), Trouble::Lost, Trouble::DiesBefore, Trouble::DiesAfter];

/// What somebody can do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Deed {
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
    /// What has stopped at its deadline is started again.
    Start,
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
enum Change {
    Extend,
    Shorten,
    Grow,
    Shrink,
    Retag,
    Rerun,
    End,
    /// What no other hand has ended.
    Reap,
}

impl Deed {
    /// The world before.
    async fn prepare(self) -> World {
        match self {
            Self::SetUp => World::new(),
            Self::Launch(_) | Self::Serve(_) | Self::TearDown | Self::Widen => warm().await,
            Self::Service(change) => {
                let world = warm().await;
                let record = serve(&world, &service(3, json!({}))).await;
                if change == Change::Reap {
                    world.state().silence_schedules();
                    disarm(&world, &record);
                    world.pass(25 * 60).await;
                } else {
                    world.pass(60).await;
                }
                world
            }
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
            Self::Start => {
                let world = warm().await;
                engine_launch(&world, &stopping(3600)).await;
                world.pass(25 * 60).await;
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
                let spec = FleetSpec { delete_results: matches!(self, Self::Erase(_)), ..array(size) };
                launch(&world.process(), &spec).await.unwrap();
                world.pass(60).await;
                // Whoever looks first gathers what the ranks have recorded.
                world.engine().find("tiles").await.unwrap();
                world
            }
        }
    }

    async fn perform(self, engine: &Engine) -> Result<()> {
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
            Self::Start => {
                let fleet = engine.find("tiles").await?;
                match engine.start(&fleet, &fleet.record.spec.lease, &quiet).await {
                    // Somebody who could not say so has done it.
                    Err(error) if error.code == "AlreadyRuns" => Ok(()),
                    started => started.map(drop),
                }
            }
            Self::Serve(size) => engine.launch(FleetKind::Service, &on_spot(size), &quiet).await.map(drop),
            Self::Service(change) => change.perform(engine).await,
            Self::End(_) | Self::Erase(_) => end(engine).await,
            Self::Reap(_) | Self::ReapDead(_) => engine.reap(false, &quiet).await.errors.into_iter().next().map_or(Ok(()), Err),
        }
    }
}

impl Change {
    async fn perform(self, engine: &Engine) -> Result<()> {
        let quiet = Operation::quiet();
        match self {
            Self::Extend => engine.lease_change(&engine.find("tiles").await?, &lasting(3600)).await.map(drop),
            Self::Shorten => engine.lease_change(&engine.find("tiles").await?, &lasting(600)).await.map(drop),
            Self::Grow => engine.resize(&engine.find("tiles").await?, 5, &quiet).await,
            Self::Shrink => engine.resize(&engine.find("tiles").await?, 1, &quiet).await,
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
async fn end(engine: &Engine) -> Result<()> {
    let found = match engine.find("tiles").await {
        Err(error) if error.class == Class::NotFound => return Ok(()),
        found => found?,
    };
    engine.end(&found.record.fleet, SignedDuration::from_mins(5), &Operation::quiet()).await.map(drop)
}

/// What a deed comes to when nothing goes wrong.
struct Expected {
    before: View,
    after: View,
    end: View,
    calls: usize,
}

async fn expected(deed: Deed) -> Expected {
    let world = deed.prepare().await;
    let before = world.view();
    let process = world.process();
    deed.perform(&process.engine()).await.unwrap();
    world.pass(60).await;
    let after = world.view();
    world.assert_lawful();
    Expected { before, after, end: finish(deed, &world).await, calls: process.calls().len() }
}

/// Takes back what a deed made, and says what is left.
async fn finish(deed: Deed, world: &World) -> View {
    match deed {
        Deed::SetUp => world.engine().setup_remove(&Operation::quiet()).await.unwrap(),
        Deed::Widen => drop(world.engine().setup(&bounded(r#"{"Statement":[]}"#), &Operation::quiet()).await.unwrap()),
        Deed::TearDown => {}
        _ => end(&world.engine()).await.unwrap(),
    }
    world.pass(10).await;
    world.assert_lawful();
    world.view()
}

async fn survive(deed: Deed, n: usize, trouble: Trouble, expected: &Expected) {
    let what = format!("{deed:?} with call {n} {trouble:?}");
    let world = deed.prepare().await;
    let process = world.process().with(n, trouble);
    let engine = process.engine();
    let outcome = process.live(deed.perform(&engine)).await;
    let what = format!("{what} ({})", process.calls()[n]);
    if let (
        Some(Err(error)),
        Deed::Launch(_)
        | Deed::Serve(_)
        | Deed::Scatter(_)
        | Deed::Mixed(_)
        | Deed::Gang(_)
        | Deed::Cluster(_)
        | Deed::Fewer(_)
        | Deed::Entitled(_),
        Trouble::Refused(_),
    ) = (&outcome, deed, trouble)
    {
        assert_eq!(error.left, Leftover::Clear, "{what}: {error}");
        assert_same(&format!("{what}, undone"), &world.view(), &expected.before);
    }
    if let (Some(Err(error)), Deed::RerunOver(_), Trouble::Refused(_)) = (&outcome, deed, trouble) {
        assert_eq!(error.left, Leftover::Clear, "{what}: {error}");
        let schedules = |view: &View| view.to_string().lines().filter(|line| !line.contains("schedule ")).collect::<String>();
        assert_eq!(schedules(&world.view()), schedules(&expected.before), "{what}, undone");
    }
    process.kill();
    world.state().bury_launchers();
    deed.perform(&world.engine()).await.unwrap_or_else(|error| panic!("{what}, again: {error}"));
    world.pass(60).await;
    assert_same(&format!("{what}, again"), &world.view(), &expected.after);
    assert_same(&format!("{what}, ended"), &finish(deed, &world).await, &expected.end);
}

/// Does a deed once for every call it makes and everything that can go wrong with it.
fn survives_everything(deed: Deed, troubles: &[Trouble]) {
    let expected = run(expected(deed));
    assert!(expected.calls > 3, "{deed:?} makes no calls");
    for n in 0..expected.calls {
        for trouble in troubles {
            run(survive(deed, n, *trouble, &expected));
        }
    }
}

#[test]
fn launching_one() {
    survives_everything(Deed::Launch(1), &TROUBLES);
}

#[test]
fn launching_three() {
    survives_everything(Deed::Launch(3), &TROUBLES);
}

#[test]
fn launching_a_service() {
    survives_everything(Deed::Serve(3), &TROUBLES);
}

#[test]
fn giving_a_service_another_lease() {
    survives_everything(Deed::Service(Change::Extend), &TROUBLES);
    survives_everything(Deed::Service(Change::Shorten), &TROUBLES);
}

#[test]
fn giving_a_service_another_size() {
    survives_everything(Deed::Service(Change::Grow), &TROUBLES);
    survives_everything(Deed::Service(Change::Shrink), &TROUBLES);
}

#[test]
fn giving_a_service_other_tags() {
    survives_everything(Deed::Service(Change::Retag), &TROUBLES);
}

#[test]
fn running_a_service_again() {
    survives_everything(Deed::Service(Change::Rerun), &TROUBLES);
}

#[test]
fn ending_a_service() {
    survives_everything(Deed::Service(Change::End), &TROUBLES);
}

#[test]
fn reaping_a_service() {
    survives_everything(Deed::Service(Change::Reap), &TROUBLES);
}

#[test]
fn launching_a_thousand_and_one_from_the_first_instance_on() {
    let deed = Deed::Launch(1001);
    let (expected, calls) = run(async {
        let process = deed.prepare().await.process();
        deed.perform(&process.engine()).await.unwrap();
        (expected(deed).await, process.calls())
    });
    let first = calls.iter().position(|call| *call == "ec2:RunInstances").unwrap();
    for (n, call) in calls.iter().enumerate().skip(first) {
        run(survive(deed, n, Trouble::DiesAfter, &expected));
        if *call == "ec2:RunInstances" {
            run(survive(deed, n, Trouble::Lost, &expected));
        }
    }
}

#[test]
#[ignore = "takes minutes; what is special about many is in the test above"]
fn launching_fifteen_hundred() {
    survives_everything(Deed::Launch(1500), &TROUBLES);
}

#[test]
fn launching_where_every_pool_gives_a_little() {
    survives_everything(Deed::Scatter(8), &TROUBLES);
}

#[test]
fn launching_a_mixture_of_markets() {
    survives_everything(Deed::Mixed(10), &TROUBLES);
}

#[test]
fn launching_a_gang() {
    survives_everything(Deed::Gang(4), &TROUBLES);
}

#[test]
fn launching_a_cluster_with_disks() {
    survives_everything(Deed::Cluster(4), &TROUBLES);
}

#[test]
fn starting_what_has_stopped() {
    survives_everything(Deed::Start, &TROUBLES);
}

#[test]
fn launching_of_which_fewer_do() {
    survives_everything(Deed::Fewer(9), &TROUBLES);
}

#[test]
fn ending() {
    survives_everything(Deed::End(3), &TROUBLES);
}

#[test]
fn ending_with_its_results() {
    survives_everything(Deed::Erase(3), &TROUBLES);
}

#[test]
fn extending() {
    survives_everything(Deed::Extend(3), &TROUBLES);
}

#[test]
fn shortening() {
    survives_everything(Deed::Shorten(3), &TROUBLES);
}

#[test]
fn a_lease_that_knows_idleness_survives_everything() {
    survives_everything(Deed::Calm(3), &TROUBLES);
}

#[test]
fn retagging() {
    survives_everything(Deed::Retag(3), &TROUBLES);
}

#[test]
fn running_again() {
    survives_everything(Deed::Rerun(3), &TROUBLES);
}

#[test]
fn running_again_what_is_over() {
    survives_everything(Deed::RerunOver(3), &TROUBLES);
}

#[test]
fn running_again_with_other_tags_where_every_pool_gives_a_little() {
    survives_everything(Deed::RerunScattered(8), &TROUBLES);
}

#[test]
fn reaping() {
    survives_everything(Deed::Reap(3), &TROUBLES);
}

#[test]
fn reaping_a_launch_that_died() {
    survives_everything(Deed::ReapDead(3), &TROUBLES);
}

#[test]
fn setting_up() {
    survives_everything(Deed::SetUp, &TROUBLES);
}

#[test]
fn setting_up_again_with_another_boundary() {
    survives_everything(Deed::Widen, &TROUBLES);
}

#[test]
fn launching_what_has_rights_in_aws() {
    survives_everything(Deed::Entitled(2), &TROUBLES);
}

#[test]
fn tearing_down() {
    survives_everything(Deed::TearDown, &TROUBLES);
}

/// Leaves something of a fleet behind.
type Plant = fn(&mut State, &FleetRecord);

/// What could be left behind, each planted once: a comparison that does not see it would prove nothing.
#[test]
fn a_leak_of_any_kind_is_seen() {
    let plants: [(&str, Plant); 12] = [
        ("role", |s, r| drop(s.roles.insert(layout::role_name(&r.fleet), s.roles["spawn-setup-scheduler-us-east-1"].clone()))),
        ("profile", |s, r| {
            let profile = Profile { arn: String::new(), role: None, tags: Tags::new() };
            s.profiles.insert(layout::role_name(&r.fleet), profile);
        }),
        ("policy", |s, _| drop(s.policies.insert("arn:aws:iam::123456789012:policy/spawn/other".into(), "{}".into()))),
        ("schedule", |s, r| {
            let (place, alarm) = s.spare_alarm(&r.run);
            s.schedules.insert(place, alarm);
        }),
        ("placement group", |s, r| {
            let request = CreatePlacementGroup { group_name: layout::group_name(&r.fleet), ..CreatePlacementGroup::default() };
            let now = r.asked_at + SignedDuration::from_hours(1);
            s.cloud.call(now, REGION, Request::CreatePlacementGroup(request)).unwrap();
        }),
        ("schedule group", |s, _| assert!(s.schedule_groups.insert("other".into()))),
        ("parameter", |s, _| drop(s.parameters.insert("/spawn/other".into(), String::new()))),
        ("function", |s, _| {
            let function = s.functions[spawn_core::setup::FUNCTION].clone();
            s.functions.insert("other".into(), FunctionRequest { name: "other".into(), ..function });
        }),
        ("document", |s, _| drop(s.documents.insert("other".into(), String::new()))),
        ("log group", |s, _| assert_eq!(s.log_groups.insert("/spawn/other".into(), 1), None)),
        ("bucket", |s, _| drop(s.buckets.insert("other".into(), std::collections::BTreeMap::new()))),
        ("object", |s, _| {
            let objects = s.buckets.values_mut().next().unwrap();
            objects.insert("names/other".into(), (b"{}".to_vec(), String::new()));
        }),
    ];
    for (kind, plant) in plants {
        run(async {
            let world = warm().await;
            let before = world.view();
            let record = launch(&world.process(), &array(1)).await.unwrap().record;
            end(&world.engine()).await.unwrap();
            assert_same(kind, &world.view(), &before);
            plant(&mut world.state(), &record);
            let seen = world.view().against(&before);
            assert!(seen.starts_with(&format!("+ 1× {kind} ")) && seen.lines().count() == 1, "{kind}: {seen:?}");
        });
    }
}

/// What a service would leave, and what it cannot help leaving: the role that Auto Scaling acts with is the account's.
#[test]
fn a_leak_of_a_service_is_seen() {
    run(async {
        let world = warm().await;
        let before = world.view();
        serve(&world, &service(2, json!({ "delete_results": true }))).await;
        world.pass(60).await;
        let seen = world.view().against(&before);
        for kind in ["scaling group ", "template ", "instance "] {
            assert!(seen.contains(&format!("× {kind}")), "{kind} in {seen}");
        }
        world.state().service_roles.insert("other.amazonaws.com".to_owned());
        assert!(world.view().against(&before).contains("+ 1× role of other"));
    });
}

#[test]
fn an_instance_its_volume_and_a_group_are_seen() {
    run(async {
        let world = warm().await;
        let before = world.view();
        let aws = world.process().aws();
        let vpc = aws.networks.default_subnets().await.unwrap()[0].vpc_id.clone();
        aws.instances.group_create("left", &vpc, "left", &Tags::new()).await.unwrap();
        assert!(world.view().against(&before).starts_with("+ 1× group left "));
        let other = warm().await;
        launch(&other.process(), &array(1)).await.unwrap();
        let seen = other.view().against(&before);
        for kind in ["instance ", "volume ", "group ", "role ", "profile ", "schedule ", "object names/"] {
            assert!(seen.contains(&format!("+ 1× {kind}")), "{kind} in {seen}");
        }
    });
}

/// A launch is refused, undoing it begins, and the launcher dies over that: the next launch finishes what it began.
#[test]
fn a_launcher_that_dies_undoing_its_launch() {
    let expected = run(expected(Deed::Launch(3)));
    for last in 0..60 {
        let finished = run(async {
            let world = warm().await;
            let process = world.process();
            let refused = run_instances_of(expected.calls);
            let process = process.with(refused, Trouble::Refused(Class::Denied)).with(refused + 1 + last, Trouble::DiesAfter);
            let engine = process.engine();
            let finished = process.live(Deed::Launch(3).perform(&engine)).await.is_some();
            world.state().bury_launchers();
            Deed::Launch(3).perform(&world.engine()).await.unwrap();
            world.pass(60).await;
            let what = format!("dead after call {last} of undoing");
            assert_same(&what, &world.view(), &expected.after);
            assert_same(&format!("{what}, ended"), &finish(Deed::Launch(3), &world).await, &expected.end);
            finished
        });
        if finished {
            assert!(last > 10, "undoing makes {last} calls");
            return;
        }
    }
    panic!("undoing never ends");
}

/// Which call of a launch that makes so many asks for the instances: the last but one, before it is recorded.
fn run_instances_of(calls: usize) -> usize {
    calls - 2
}
