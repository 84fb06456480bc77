//! Where instances come from when not every pool has them, and what is said when none has.

use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use sandbox_cloud::{Config, Fault};
use spawn_core::engine::Engine;
use spawn_core::operation::Operation;
use spawn_core::setup::Choices;
use spawn_model::error::{Class, Error, Leftover};
use spawn_model::spec::{FleetKind, FleetSpec};
use spawn_model::status::Status;
use tokio_util::sync::CancellationToken;

use crate::simulated::door::Trouble;
use crate::simulated::view::assert_same;
use crate::simulated::{World, run};
use crate::{array, launch, scatter, warm};

/// The pools that a fleet's ranks are in, by rank.
async fn pools(world: &World) -> Vec<String> {
    let fleet = world.engine().find("tiles").await.unwrap();
    fleet.members.iter().map(|member| format!("{} {} {}", member.rank, member.instance_type, member.zone)).collect()
}

async fn set_up(config: Config) -> World {
    let world = World::with(config);
    world.engine().setup(&Choices::default(), &Operation::quiet()).await.unwrap();
    world
}

/// A launch that fails, and leaves nothing.
async fn fails(world: &World, size: u32) -> Error {
    let before = world.view();
    let Err(error) = launch(&world.process(), &array(size)).await else { panic!("launched") };
    assert_eq!(error.left, Leftover::Clear);
    assert_same("after a failed launch", &world.view(), &before);
    world.assert_lawful();
    error
}

#[test]
fn pools_are_asked_in_order_until_every_rank_has_an_instance() {
    run(async {
        let world = warm().await;
        scatter(&world);
        launch(&world.process(), &array(8)).await.unwrap();
        world.pass(60).await;
        insta::assert_snapshot!("scattered", pools(&world).await.join("\n"));
        // Every agent found the rank that it was told to take.
        assert_eq!(world.view().count("object fleets/FLEET(tiles)/runs/RUN(tiles)/ranks/"), 8);
        world.assert_lawful();
    });
}

#[test]
fn no_capacity_anywhere_says_what_was_tried() {
    run(async {
        let world = warm().await;
        world.state().cloud.fault(Fault::no_capacity("c7i.large"));
        world.state().cloud.fault(Fault::no_capacity("c7a.large"));
        let error = fails(&world, 3).await;
        assert_eq!(error.class, Class::Capacity);
        insta::assert_snapshot!("no_capacity", error.to_string());
    });
}

#[test]
fn too_little_capacity_leaves_nothing_of_what_there_was() {
    run(async {
        let world = warm().await;
        scatter(&world);
        world.state().cloud.fault(Fault::no_capacity("c7a.large"));
        let error = fails(&world, 8).await;
        assert_eq!(error.class, Class::Capacity);
        insta::assert_snapshot!("too_little_capacity", error.to_string());
    });
}

#[test]
fn a_quota_is_not_a_lack_of_capacity() {
    run(async {
        let world = set_up(Config { throttle: false, on_demand_vcpu_limit: Some(4), ..Config::default() }).await;
        let error = fails(&world, 8).await;
        assert_eq!(error.class, Class::Quota);
        insta::assert_snapshot!("quota", error.to_string());
    });
}

#[test]
fn a_throttled_launch_is_asked_again_with_the_same_token() {
    run(async {
        let world = warm().await;
        world.state().cloud.fault(Fault::error("RunInstances", "RequestLimitExceeded", 3));
        let process = world.process();
        launch(&process, &array(3)).await.unwrap();
        assert_eq!(process.calls().iter().filter(|call| **call == "ec2:RunInstances").count(), 4);
        assert_eq!(world.view().count("instance "), 3);
        world.assert_lawful();
    });
}

/// EC2 lets an account launch 1,000 at once, then two a second.
#[test]
fn a_large_fleet_waits_for_what_ec2_lets_it_launch() {
    run(async {
        let world = set_up(Config::default()).await;
        let begun = world.now();
        launch(&world.process(), &array(1500)).await.unwrap();
        let took = world.now().duration_since(begun);
        assert!(took > SignedDuration::from_secs(240) && took < SignedDuration::from_secs(300), "{took}");
        world.assert_lawful();
    });
}

#[test]
fn a_new_profile_is_waited_for() {
    run(async {
        let world = warm().await;
        world.state().profile_delay = SignedDuration::from_secs(12);
        let process = world.process();
        launch(&process, &array(3)).await.unwrap();
        assert!(process.calls().iter().filter(|call| **call == "ec2:RunInstances").count() > 2);
        assert_eq!(world.view().count("instance "), 3);
        world.assert_lawful();
    });
}

#[test]
fn a_profile_that_never_comes_is_given_up() {
    run(async {
        let world = warm().await;
        world.state().profile_delay = SignedDuration::from_hours(1);
        let error = fails(&world, 3).await;
        insta::assert_snapshot!("no_profile", error.to_string().replace(&fleet_in(&error), "FLEET"));
    });
}

/// The fleet's id, as an error's message has it.
fn fleet_in(error: &Error) -> String {
    let at = error.message.find("fleet-").unwrap();
    error.message[at..at + "fleet-".len() + 16].to_owned()
}

#[test]
fn a_new_scheduler_role_is_waited_for() {
    run(async {
        let world = World::new();
        world.state().role_delay = SignedDuration::from_secs(10);
        launch(&world.process(), &array(3)).await.unwrap();
        world.assert_lawful();
    });
}

#[test]
fn what_a_denied_launch_says() {
    run(async {
        let world = warm().await;
        let process = world.process();
        launch(&process, &array(3)).await.unwrap();
        let n = process.calls().iter().position(|call| *call == "ec2:RunInstances").unwrap();
        let world = warm().await;
        let before = world.view();
        let Err(error) = launch(&world.process().with(n, Trouble::Refused(Class::Denied)), &array(3)).await else { panic!("launched") };
        insta::assert_snapshot!("denied", error.to_string());
        assert_same("after a denied launch", &world.view(), &before);
    });
}

#[test]
fn an_unknown_type_is_blamed_on_its_field() {
    run(async {
        let world = warm().await;
        let mut spec = array(3);
        spec.instance_types = vec!["c7i.large".into(), "c9z.large".into()];
        let Err(error) = launch(&world.process(), &spec).await else { panic!("launched") };
        assert_eq!((error.class, error.path.to_string().as_str()), (Class::Invalid, "instance_types"));
        spec.instance_types = vec!["m7g.large".into()];
        spec.ami = Some("ami-0123456789abcdef0".into());
        let Err(error) = launch(&world.process(), &spec).await else { panic!("launched") };
        assert_eq!((error.class, error.path.to_string().as_str()), (Class::Invalid, "ami"));
    });
}

#[test]
fn an_image_of_another_architecture_leaves_its_types_out() {
    run(async {
        let world = warm().await;
        let mut spec = array(3);
        spec.instance_types = vec!["c7i.large".into(), "c7g.large".into()];
        let plan = world.engine().plan(FleetKind::JobArray, &spec).await.unwrap();
        assert!(plan.pools.all().iter().all(|pool| pool.instance_type == "c7i.large"));
        let notes = plan.notes.join("\n").replace(&plan.image.id, "IMAGE");
        insta::assert_snapshot!("left_out", notes);
    });
}

#[test]
fn a_cancelled_launch_leaves_nothing() {
    let calls = run(async {
        let process = warm().await.process();
        launch(&process, &array(3)).await.unwrap();
        process.calls().len()
    });
    // Cancelled at every moment of it: 20 ms is what a call takes.
    for moment in 0..calls as u64 {
        run(async {
            let world = warm().await;
            let before = world.view();
            let cancel = CancellationToken::new();
            let operation = Operation::new(cancel.clone(), |_| {});
            let engine = world.engine();
            let spec = array(3);
            let launching = engine.launch(FleetKind::JobArray, &spec, &operation);
            let later = async {
                tokio::time::sleep(std::time::Duration::from_millis(20 * moment + 10)).await;
                cancel.cancel();
                std::future::pending::<()>().await;
            };
            let result = tokio::select! { result = launching => result, () = later => unreachable!() };
            match result {
                Err(error) => {
                    assert_eq!((error.class, error.left), (Class::Cancelled, Leftover::Clear));
                    assert_same("after a cancelled launch", &world.view(), &before);
                }
                // It was told too late to stop.
                Ok(_) => assert_eq!(world.view().count("instance "), 3),
            }
            world.assert_lawful();
        });
    }
}

/// EC2's answers may be some seconds old: what was just made may not be seen, and must be ended all the same.
#[test]
fn nothing_is_left_though_reads_are_late() {
    for seed in 0..20 {
        run(async move {
            let world = set_up(Config { throttle: false, reads_lag_ms: 4_000, seed, ..Config::default() }).await;
            world.pass(60).await;
            let before = world.view();
            let launched = launch(&world.process(), &array(3)).await.unwrap();
            world.engine().end(&launched.record.fleet, SignedDuration::from_mins(5), &Operation::quiet()).await.unwrap();
            world.pass(60).await;
            assert_same(&format!("seed {seed}"), &world.view(), &before);
            world.assert_lawful();
        });
    }
}

/// Which pools a launch asked, by what it said.
async fn asked(engine: &Engine, name: &str, size: u32) -> Result<Vec<String>, Error> {
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = said.clone();
    let operation = Operation::new(CancellationToken::new(), move |line: &str| heard.lock().unwrap().push(line.to_owned()));
    let spec = FleetSpec { name: name.to_owned(), ..array(size) };
    let launched = engine.launch(FleetKind::JobArray, &spec, &operation).await.map(drop);
    let said = said.lock().unwrap().clone();
    let places = said.iter().filter_map(|line| line.strip_prefix("asking for ")).map(str::to_owned).collect();
    launched.map(|()| places)
}

#[test]
fn what_was_full_a_moment_ago_is_asked_last() {
    run(async {
        let world = warm().await;
        world.state().cloud.fault(Fault::no_capacity("c7i.large"));
        let engine = world.engine();
        let first = asked(&engine, "tiles", 2).await.unwrap();
        assert_eq!(
            first,
            ["2 × c7i.large in us-east-1a", "2 × c7i.large in us-east-1b", "2 × c7i.large in us-east-1c", "2 × c7a.large in us-east-1a"]
        );
        assert_eq!(asked(&engine, "second", 2).await.unwrap(), first[3..], "the same process remembers");
        assert_eq!(asked(&world.engine(), "third", 2).await.unwrap(), first, "another one does not know");
        world.pass(200).await;
        assert_eq!(asked(&engine, "fourth", 2).await.unwrap(), first, "and nothing is remembered for long");

        // The room is back, and gone from where there was some: what is passed over is asked in the end.
        world.state().cloud.clear_faults();
        world.state().cloud.fault(Fault::no_capacity("c7a.large"));
        let places = asked(&engine, "fifth", 2).await.unwrap();
        assert_eq!((places.len(), places[3].as_str()), (4, "2 × c7i.large in us-east-1a"), "{places:?}");
        world.assert_lawful();
    });
}

/// Dies after each call of a launch that takes second turns, and goes on in another process.
#[test]
fn a_launch_that_takes_second_turns_is_gone_on_with() {
    let calls = run(second_turns(None));
    for n in 0..calls {
        run(second_turns(Some(n)));
    }
}

async fn second_turns(dies_after: Option<usize>) -> usize {
    let world = warm().await;
    world.state().cloud.fault(Fault::no_capacity("c7i.large"));
    let process = world.process();
    let engine = process.engine();
    asked(&engine, "other", 1).await.unwrap();
    world.state().cloud.clear_faults();
    world.state().cloud.fault(Fault::no_capacity("c7a.large"));
    let before = process.calls().len();
    let process = match dies_after {
        None => process,
        Some(n) => process.with(before + n, Trouble::DiesAfter),
    };
    drop(process.live(asked(&engine, "tiles", 2)).await);
    let calls = process.calls().len() - before;
    process.kill();
    world.state().bury_launchers();
    asked(&world.engine(), "tiles", 2).await.unwrap();
    world.pass(60).await;
    assert_eq!(pools(&world).await, ["0 c7i.large us-east-1a", "1 c7i.large us-east-1a"], "dead after call {dies_after:?}");
    world.assert_lawful();
    calls
}

/// Whoever goes on for a dead launcher asks where that one may have launched, even if it knows better.
#[test]
fn what_a_dead_launcher_asked_is_asked_again_though_it_was_full() {
    run(async {
        let world = warm().await;
        let process = world.process();
        launch(&process, &FleetSpec { name: "first".to_owned(), ..array(2) }).await.unwrap();
        let n = process.calls().iter().position(|call| *call == "ec2:RunInstances").unwrap();
        let dying = world.process().with(n, Trouble::DiesAfter);
        assert!(dying.live(launch(&dying, &array(2))).await.is_none());
        let engine = world.engine();
        world.state().cloud.fault(Fault::no_capacity("c7i.large"));
        asked(&engine, "other", 1).await.unwrap();
        world.state().cloud.clear_faults();
        asked(&engine, "tiles", 2).await.unwrap();
        world.pass(60).await;
        assert_eq!(world.view().count("instance "), 5, "{}", world.view());
        world.assert_lawful();
    });
}

fn at_least(least: u32, size: u32) -> FleetSpec {
    FleetSpec { min_size: Some(least), ..array(size) }
}

/// Every pool of one type gives one, those of the other nothing: there are three zones.
fn three_in_all(world: &World) {
    world.state().cloud.fault(Fault::no_capacity("c7a.large"));
    let scarce = Some("c7i.large".to_owned());
    world.state().cloud.fault(Fault::Capacity { region: None, zone: None, instance_type: scarce, market: None, above: 1 });
}

#[test]
fn fewer_do_if_the_fleet_says_so() {
    run(async {
        let world = warm().await;
        three_in_all(&world);
        let launched = launch(&world.process(), &at_least(2, 5)).await.unwrap();
        insta::assert_snapshot!("fewer", launched.warnings.join("\n"));
        world.pass(60).await;
        let fleet = world.engine().find("tiles").await.unwrap();
        assert_eq!((fleet.size, fleet.members.len(), fleet.status), (3, 3, Status::Running));
        assert_eq!(fleet.status_reason, "3 of 3 ranks are at work; of the 5 that were asked for, 3 were launched");

        world.state().cloud.clear_faults();
        world.pass(600).await;
        assert_eq!(world.view().count("instance "), 3, "what is settled stays so, even when there is room again");
        world.assert_lawful();
    });
}

#[test]
fn too_few_are_none() {
    run(async {
        let world = warm().await;
        three_in_all(&world);
        let before = world.view();
        let error = launch(&world.process(), &at_least(4, 5)).await.err().unwrap();
        assert_eq!((error.class, error.left.clone()), (Class::Capacity, Leftover::Clear), "{error}");
        assert_same("after a failed launch", &world.view(), &before);
    });
}

#[test]
fn all_are_there_if_there_is_room() {
    run(async {
        let world = warm().await;
        let launched = launch(&world.process(), &at_least(2, 5)).await.unwrap();
        assert!(launched.warnings.is_empty(), "{:?}", launched.warnings);
        world.pass(60).await;
        let fleet = world.engine().find("tiles").await.unwrap();
        assert_eq!((fleet.size, fleet.members.len(), fleet.status_reason.as_str()), (5, 5, "5 of 5 ranks are at work"));
    });
}
