//! The same fleet, once more.

use jiff::SignedDuration;
use sandbox_cloud::Fault;
use spawn_core::operation::Operation;
use spawn_core::ports::Result;
use spawn_core::rerun::{RunAgain, Wanted};
use spawn_model::duration::Seconds;
use spawn_model::error::{Class, Error, Leftover};
use spawn_model::layout::RunKeys;
use spawn_model::record::{Exit, FleetRecord, Keeper};
use spawn_model::spec::{FleetKind, FleetSpec};
use spawn_model::status::Status;

use crate::simulated::agents::Work;
use crate::simulated::door::{Process, Trouble};
use crate::simulated::view::assert_same;
use crate::simulated::{World, run};
use crate::{array, launch, warm};

/// An array of three, to be run again as this version.
fn version(version: &str) -> FleetSpec {
    FleetSpec { triggers: [("version".to_owned(), version.to_owned())].into(), ..array(3) }
}

/// A kept array whose ranks end after 20 s, and time for them to do so.
async fn over() -> (World, FleetRecord) {
    let world = warm().await;
    world.state().agents.work = Box::new(|_| Work::Ends { after_s: 20, exit: Exit::Code { code: 0 } });
    let launched = launch(&world.process(), &version("1")).await.unwrap();
    launched.claim.acknowledge(Keeper::State).await.unwrap();
    world.pass(60).await;
    assert_eq!(world.engine().find("tiles").await.unwrap().status, Status::Succeeded);
    (world, launched.record)
}

async fn again(process: &Process, fleet: &FleetRecord, spec: &FleetSpec) -> Result<RunAgain> {
    process.engine().rerun(&fleet.fleet, spec, Wanted::ByTriggers, &Operation::quiet()).await
}

fn refused(result: Result<RunAgain>) -> Error {
    let Err(error) = result else { panic!("it was run again") };
    error
}

#[test]
fn a_run_takes_the_place_of_the_former_one_whose_records_stay() {
    run(async {
        let (world, first) = over().await;
        let second = again(&world.process(), &first, &version("2")).await.unwrap();
        assert!(second.launched);
        assert_eq!((&second.record.fleet, &second.record.spec.name), (&first.fleet, &first.spec.name));
        assert_ne!(second.record.run, first.run);
        assert!(second.record.asked_at > first.asked_at);
        let fleet = world.engine().find("tiles").await.unwrap();
        assert_eq!((fleet.record.run.clone(), fleet.status), (second.record.run, Status::Launching));
        assert_eq!(fleet.deadline, fleet.record.asked_at + SignedDuration::from_mins(20));
        world.pass(60).await;
        assert_eq!(world.engine().find("tiles").await.unwrap().status, Status::Succeeded);
        let completions = |record: &FleetRecord| {
            let prefix = RunKeys::new(&record.fleet, &record.run).completions();
            world.state().keys("spawn-123456789012-us-east-1", &prefix).len()
        };
        assert_eq!((completions(&first), completions(&fleet.record)), (3, 3));
        assert_eq!(world.view().count("schedule spawn/spawn-RUN"), 1);
        world.assert_lawful();
    });
}

#[test]
fn what_still_runs_is_ended_first_and_counts_as_expired() {
    run(async {
        let world = warm().await;
        let first = launch(&world.process(), &version("1")).await.unwrap().record;
        world.pass(60).await;
        // The engine's laws see to it that there are never six at once.
        again(&world.process(), &first, &version("2")).await.unwrap();
        assert_eq!(world.view().count("instance "), 3);
        // A launch that fails has ended the former run all the same: it ended with its lease.
        world.pass(60).await;
        world.state().cloud.fault(Fault::no_capacity("c7i.large"));
        world.state().cloud.fault(Fault::no_capacity("c7a.large"));
        let error = refused(again(&world.process(), &first, &version("3")).await);
        assert_eq!((error.class, &error.left), (Class::Capacity, &Leftover::Clear));
        insta::assert_snapshot!("no_capacity", error.to_string());
        let fleet = world.engine().find("tiles").await.unwrap();
        assert_eq!((fleet.status, fleet.record.spec.triggers["version"].as_str()), (Status::Expired, "2"));
        assert_eq!((fleet.alive, fleet.record.next), (vec![], None));
        world.assert_lawful();
    });
}

#[test]
fn asking_twice_is_asking_once_and_asking_anew_is_not() {
    run(async {
        let (world, first) = over().await;
        let second = again(&world.process(), &first, &version("2")).await.unwrap();
        let before = world.view();
        let same = again(&world.process(), &first, &version("2")).await.unwrap();
        assert_eq!((same.launched, &same.record.run), (false, &second.record.run));
        assert_same("asked twice", &world.view(), &before);
        let anew = world.engine().rerun(&first.fleet, &version("2"), Wanted::Anew, &Operation::quiet()).await.unwrap();
        assert!(anew.launched);
        assert_ne!(anew.record.run, second.record.run);
    });
}

/// What a launcher leaves that dies right after its instances were launched.
async fn abandoned() -> (World, FleetRecord) {
    let (world, first) = over().await;
    let process = world.process();
    again(&process, &first, &version("2")).await.unwrap();
    let n = process.calls().iter().position(|call| *call == "ec2:RunInstances").unwrap();
    let (world, first) = over().await;
    let dying = world.process().with(n, Trouble::DiesAfter);
    assert!(dying.live(again(&dying, &first, &version("2"))).await.is_none());
    (world, first)
}

#[test]
fn a_dead_launcher_s_run_is_gone_on_with() {
    run(async {
        let (world, first) = abandoned().await;
        let fleet = world.engine().find("tiles").await.unwrap();
        let begun = fleet.record.next.clone().unwrap().record;
        // The former run is what is told until the other is launched.
        assert_eq!((&fleet.record.run, fleet.status, fleet.alive.len()), (&first.run, Status::Succeeded, 3));
        assert!(fleet.status_reason.ends_with("was begun in its place and is not launched yet"), "{}", fleet.status_reason);
        let second = again(&world.process(), &first, &version("2")).await.unwrap();
        assert_eq!((&second.record.run, second.record.asked_at), (&begun.run, begun.asked_at));
        assert_eq!(world.view().count("instance "), 3);
        world.assert_lawful();
    });
}

#[test]
fn a_dead_launcher_s_run_is_taken_back_for_another_and_for_none() {
    run(async {
        let (world, first) = abandoned().await;
        let begun = world.engine().find("tiles").await.unwrap().record.next.unwrap().record;
        let third = again(&world.process(), &first, &version("3")).await.unwrap();
        assert_ne!(third.record.run, begun.run);
        assert_eq!(world.view().count("instance "), 3);
        world.assert_lawful();

        // The triggers are as they were again, and only tags are changed.
        let (world, first) = abandoned().await;
        let fleet = world.engine().find("tiles").await.unwrap();
        let tags = [("owner".to_owned(), "ada".to_owned())].into();
        world.engine().update(&fleet, &FleetSpec { tags, ..version("1") }).await.unwrap();
        let fleet = world.engine().find("tiles").await.unwrap();
        assert_eq!((&fleet.record.run, fleet.record.next, fleet.alive), (&first.run, None, vec![]));
        assert_eq!(world.view().count("instance "), 0);
        world.assert_lawful();
    });
}

#[test]
fn a_living_launcher_is_left_alone_though_it_is_on_another_host() {
    run(async {
        let (world, first) = over().await;
        let (one, other) = (world.process(), world.process());
        let (first_spec, other_spec) = (version("2"), version("3"));
        let (won, lost) = tokio::join!(again(&one, &first, &first_spec), again(&other, &first, &other_spec));
        let (won, lost) = if won.is_ok() { (won, lost) } else { (lost, won) };
        assert_eq!(refused(lost).class, Class::Conflict);
        assert_eq!(world.engine().find("tiles").await.unwrap().record.run, won.unwrap().record.run);
        assert_eq!(world.view().count("instance "), 3);
        world.assert_lawful();

        // It waits for EC2 to have room for it, and its heart beats.
        let (world, first) = over().await;
        world.state().cloud.fault(Fault::error("RunInstances", "RequestLimitExceeded", 10));
        let (one, other) = (world.process(), world.process());
        let spec = version("2");
        let late = async {
            world.pass(12).await;
            world.state().move_launchers();
            again(&other, &first, &spec).await
        };
        let (done, late) = tokio::join!(again(&one, &first, &spec), late);
        let error = refused(late);
        insta::assert_snapshot!("alive", error.to_string().replace(first.fleet.as_str(), "FLEET"));
        assert!(done.unwrap().launched);
        world.assert_lawful();
    });
}

#[test]
fn a_fleet_that_is_still_being_launched_is_not_run_again() {
    run(async {
        let world = warm().await;
        world.state().cloud.fault(Fault::error("RunInstances", "RequestLimitExceeded", 10));
        let (one, other) = (world.process(), world.process());
        let late = async {
            world.pass(5).await;
            let record = world.state().records().remove(0);
            again(&other, &record, &version("2")).await
        };
        let spec = version("1");
        let (launched, late) = tokio::join!(launch(&one, &spec), late);
        assert_eq!(refused(late).code, "BeingLaunched");
        assert_eq!(world.engine().find("tiles").await.unwrap().record.run, launched.unwrap().record.run);
        world.assert_lawful();
    });
}

#[test]
fn a_fleet_whose_end_has_begun_is_not_run_again() {
    run(async {
        let (world, first) = over().await;
        world.engine().end(&first.fleet, SignedDuration::from_mins(5), &Operation::quiet()).await.unwrap();
        let before = world.view();
        let error = refused(again(&world.process(), &first, &version("2")).await);
        insta::assert_snapshot!("ended", error.to_string().replace(first.fleet.as_str(), "FLEET"));
        assert_same("refused", &world.view(), &before);
    });
}

#[test]
fn a_machine_whose_lease_has_ended_runs_again_with_a_longer_one() {
    run(async {
        let world = warm().await;
        let spec = FleetSpec { size: 1, ..version("1") };
        let engine = world.engine();
        let first = engine.launch(FleetKind::Instance, &spec, &Operation::quiet()).await.unwrap().record;
        world.pass(21 * 60).await;
        assert_eq!(engine.find("tiles").await.unwrap().status, Status::Expired);
        let mut longer = spec;
        longer.lease.ttl = Seconds(7200);
        assert!(again(&world.process(), &first, &longer).await.unwrap().launched);
        let fleet = engine.find("tiles").await.unwrap();
        assert_eq!((fleet.status, fleet.alive.len()), (Status::Launching, 1));
        assert_eq!(fleet.deadline, fleet.record.asked_at + SignedDuration::from_hours(2));
        world.assert_lawful();
    });
}

#[test]
fn role_and_group_are_made_again_if_somebody_has_removed_them() {
    run(async {
        let (world, first) = over().await;
        let aws = world.process().aws();
        let tags = [(spawn_model::tag::FLEET.to_owned(), first.fleet.to_string())].into();
        let groups = aws.instances.groups(&tags).await.unwrap();
        aws.instances.group_delete(&groups[0]).await.unwrap();
        aws.identity.role_delete(&spawn_model::layout::role_name(&first.fleet)).await.unwrap();
        again(&world.process(), &first, &version("2")).await.unwrap();
        assert_eq!(world.view().count("instance "), 3);
        // Of the two only the role: its group does not tell.
        world.pass(60).await;
        aws.identity.role_delete(&spawn_model::layout::role_name(&first.fleet)).await.unwrap();
        again(&world.process(), &first, &version("3")).await.unwrap();
        assert_eq!(world.view().count("instance "), 3);
        world.assert_lawful();
    });
}

#[test]
fn a_rerun_makes_the_same_calls_whatever_its_size() {
    let calls = |size| {
        run(async move {
            let world = warm().await;
            world.state().agents.work = Box::new(|_| Work::Ends { after_s: 20, exit: Exit::Code { code: 0 } });
            let record = launch(&world.process(), &array(size)).await.unwrap().record;
            world.pass(60).await;
            let process = world.process();
            again(&process, &record, &FleetSpec { triggers: version("2").triggers, ..array(size) }).await.unwrap();
            process.calls()
        })
    };
    let one = calls(1);
    for size in [8, 100, 1000] {
        assert_eq!(calls(size), one, "size {size}");
    }
    assert!(one.len() <= 16, "{} calls", one.len());
    insta::assert_snapshot!("calls", format!("{}\n{} in all", one.join("\n"), one.len()));
}
