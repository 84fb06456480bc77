//! Waiting for a fleet, and looking at what became of it.

use jiff::SignedDuration;
use sandbox_cloud::Request;
use sandbox_cloud::request::InstanceIds;
use serde_json::json;
use spawn_core::operation::Operation;
use spawn_core::wait::Waited;
use spawn_model::record::Exit;
use spawn_model::rules::read_spec;
use spawn_model::spec::{FleetKind, FleetSpec};
use spawn_model::status::{Status, WaitFor};
use tokio_util::sync::CancellationToken;

use crate::simulated::agents::Work;
use crate::simulated::{REGION, World, run};
use crate::{array, launch, warm};

fn ends(after_s: i64, exit: Exit) -> Work {
    Work::Ends { after_s, exit }
}

/// An array of three at work, whose rank 1 does this.
async fn with_rank_1(work: impl Fn() -> Work + Send + 'static) -> World {
    let world = warm().await;
    world.state().agents.work = Box::new(move |rank| if rank == 1 { work() } else { ends(20, Exit::Code { code: 0 }) });
    launch(&world.process(), &array(3)).await.unwrap();
    world
}

async fn wait(world: &World, goal: WaitFor, seconds: i64) -> Waited {
    let fleet = world.engine().find("tiles").await.unwrap().record.fleet;
    let until = world.now() + SignedDuration::from_secs(seconds);
    world.engine().wait(&fleet, goal, until, &Operation::quiet()).await.unwrap().unwrap()
}

#[test]
fn every_goal_is_reached_in_its_order() {
    run(async {
        let world = with_rank_1(|| ends(40, Exit::Code { code: 0 })).await;
        let mut moments = Vec::new();
        for goal in [WaitFor::Launched, WaitFor::Running, WaitFor::Ready, WaitFor::Completed] {
            assert!(matches!(wait(&world, goal, 300).await, Waited::Reached(_)), "{goal:?}");
            moments.push(world.now());
        }
        assert!(moments.is_sorted());
        assert_eq!(world.engine().find("tiles").await.unwrap().status, Status::Succeeded);
    });
}

#[test]
fn what_became_of_a_rank_is_what_became_of_the_fleet() {
    let cases: [(Exit, Status, Option<i64>); 5] = [
        (Exit::Code { code: 3 }, Status::Failed, Some(3)),
        (Exit::Signal { signal: 9 }, Status::Failed, Some(137)),
        (Exit::NotStarted { reason: "there is no such program".into() }, Status::Failed, None),
        (Exit::Interrupted, Status::Interrupted, None),
        (Exit::LeaseEnded, Status::Expired, None),
    ];
    for (exit, status, code) in cases {
        run(async move {
            let how = exit.clone();
            let world = with_rank_1(move || ends(30, how.clone())).await;
            let Waited::Reached(fleet) = wait(&world, WaitFor::Completed, 300).await else { panic!("{exit:?}: not completed") };
            assert_eq!((fleet.status, fleet.members[1].exit_code), (status, code), "{exit:?}");
            assert_eq!(fleet.members[0].exit_code, Some(0));
            world.pass(60).await;
            // What was gathered of all ranks tells the same.
            let later = world.engine().find("tiles").await.unwrap();
            assert_eq!((later.status, later.members), (status, fleet.members), "{exit:?}");
        });
    }
}

#[test]
fn a_rank_that_vanishes_is_lost_before_the_deadline_and_expired_after() {
    run(async {
        let world = with_rank_1(|| Work::Absent).await;
        world.pass(10).await;
        let id = world.engine().find("tiles").await.unwrap().members[1].instance_id.clone();
        let now = world.now();
        world.state().cloud.call(now, REGION, Request::TerminateInstances(InstanceIds { instance_ids: vec![id] })).unwrap();
        let Waited::Over(fleet) = wait(&world, WaitFor::Completed, 600).await else { panic!("not over") };
        assert_eq!(
            (fleet.status, fleet.status_reason.as_str()),
            (Status::Lost, "rank 1 vanished before the deadline without a record of why")
        );
        world.pass(1200).await;
        assert_eq!(world.engine().find("tiles").await.unwrap().status, Status::Expired);
    });
}

#[test]
fn a_wait_ends_with_the_patience_of_who_waits() {
    run(async {
        let world = with_rank_1(|| Work::GoesOn).await;
        let Waited::Interrupted(fleet) = wait(&world, WaitFor::Completed, 100).await else { panic!("not interrupted") };
        assert_eq!((fleet.status, fleet.status_reason.as_str()), (Status::Running, "1 of 3 ranks is at work"));
        let cancel = CancellationToken::new();
        cancel.cancel();
        let operation = Operation::new(cancel, |_| {});
        let until = world.now() + SignedDuration::from_hours(1);
        let waited = world.engine().wait(&fleet.record.fleet, WaitFor::Completed, until, &operation).await.unwrap().unwrap();
        assert!(matches!(waited, Waited::Interrupted(_)));
        assert_eq!(world.state().cloud.machine_ids().len(), 1);
    });
}

#[test]
fn an_instance_stays_until_its_lease_ends() {
    run(async {
        let world = warm().await;
        world.state().agents.work = Box::new(|_| ends(10, Exit::Code { code: 0 }));
        let value = json!({ "name": "desk", "instance_types": ["t3.micro"], "command": ["./serve"], "lease": { "ttl": "10m" } });
        let spec: FleetSpec = read_spec(FleetKind::Instance, &value.into()).0.unwrap();
        let engine = world.engine();
        let record = engine.launch(FleetKind::Instance, &spec, &Operation::quiet()).await.unwrap().record;
        world.pass(120).await;
        let fleet = engine.look(&record.fleet).await.unwrap().unwrap();
        assert_eq!((fleet.status, fleet.alive.len(), fleet.members[0].exit_code), (Status::Running, 1, Some(0)));
        world.pass(600).await;
        let fleet = engine.look(&record.fleet).await.unwrap().unwrap();
        assert_eq!((fleet.status, fleet.alive.len()), (Status::Expired, 0), "{}", fleet.status_reason);
        world.assert_lawful();
    });
}

#[test]
fn a_launch_that_was_not_recorded_is_seen_all_the_same() {
    run(async {
        let process = warm().await.process();
        launch(&process, &array(3)).await.unwrap();
        let n = process.calls().iter().position(|call| *call == "ec2:RunInstances").unwrap();
        let world = warm().await;
        let dying = world.process().with(n, crate::simulated::door::Trouble::DiesAfter);
        assert!(dying.live(launch(&dying, &array(3))).await.is_none());
        world.pass(30).await;
        let fleet = world.engine().find("tiles").await.unwrap();
        assert_eq!((fleet.members.len(), fleet.alive.len(), fleet.status), (3, 3, Status::Running));
    });
}

#[test]
fn a_damaged_record_hides_no_other_fleet() {
    run(async {
        let world = warm().await;
        let mut damaged = None;
        for name in ["tiles", "other"] {
            damaged = Some(launch(&world.process(), &FleetSpec { name: name.into(), ..array(1) }).await.unwrap().record.fleet);
        }
        let key = spawn_model::layout::fleet_key(&damaged.unwrap());
        world.state().buckets.values_mut().find_map(|objects| objects.get_mut(&key)).unwrap().0 = b"{".to_vec();
        let (fleets, errors) = world.engine().list().await.unwrap();
        let names: Vec<&str> = fleets.iter().map(|fleet| fleet.record.spec.name.as_str()).collect();
        assert_eq!((names, errors.len(), errors[0].code.as_str()), (vec!["tiles"], 1, "RecordUnreadable"));
        assert!(errors[0].message.starts_with("other: "), "{:?}", errors[0]);
    });
}

#[test]
fn fleets_are_listed_by_name_until_they_are_ended() {
    run(async {
        let world = warm().await;
        let engine = world.engine();
        for name in ["tiles", "other"] {
            launch(&world.process(), &FleetSpec { name: name.into(), ..array(1) }).await.unwrap();
        }
        let names = |fleets: Vec<spawn_core::fleet::Fleet>| fleets.into_iter().map(|fleet| fleet.record.spec.name).collect::<Vec<_>>();
        assert_eq!(names(engine.list().await.unwrap().0), ["other", "tiles"]);
        let other = engine.find("other").await.unwrap();
        assert_eq!(engine.find(other.record.fleet.as_str()).await.unwrap().record, other.record);
        engine.end(&other.record.fleet, SignedDuration::from_mins(5), &Operation::quiet()).await.unwrap();
        assert_eq!(names(engine.list().await.unwrap().0), ["tiles"]);
        insta::assert_snapshot!("no_such_fleet", engine.find("other").await.unwrap_err().to_string());
    });
}

#[test]
fn files_are_kept_beside_the_record() {
    run(async {
        let world = warm().await;
        let record = launch(&world.process(), &array(1)).await.unwrap().record;
        assert!(record.spec.files.is_empty());
        assert_eq!(world.engine().files(&record).await.unwrap(), array(1).files);
    });
}

#[test]
fn a_plan_tells_what_will_be_done_and_makes_nothing() {
    run(async {
        let world = World::new();
        let before = world.view();
        let process = world.process();
        let plan = process.engine().plan(FleetKind::JobArray, &array(1500)).await.unwrap();
        // What Terraform's plan asks for, a price for each of the two types, and one for the disks.
        assert!(process.calls().len() <= 5 + 2 + 1, "{:?}", process.calls());
        let mut shown = serde_json::to_value(&plan).unwrap();
        shown["image"]["id"] = "IMAGE".into();
        shown["vpc_id"] = "VPC".into();
        for pool in shown["pools"].as_array_mut().unwrap() {
            pool["subnet_id"] = "SUBNET".into();
        }
        insta::assert_json_snapshot!("plan", shown);
        crate::simulated::view::assert_same("after a plan", &world.view(), &before);
        world.state().priced = false;
        let unpriced = world.engine().plan(FleetKind::JobArray, &array(1)).await.unwrap();
        assert_eq!((unpriced.price_usd_per_hour, unpriced.cost_usd_max), (None, None));
    });
}
