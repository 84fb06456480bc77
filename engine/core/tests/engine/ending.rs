//! Ending a fleet for good: what is damaged keeps no machine running, and what stays is found by the fleet's id.

use jiff::SignedDuration;
use spawn_core::fleet::Fleet;
use spawn_core::operation::Operation;
use spawn_core::ports::Result;
use spawn_model::error::Class;
use spawn_model::ids::FleetId;
use spawn_model::record::{Exit, FleetRecord, Keeper};
use spawn_model::spec::FleetSpec;
use spawn_model::status::Status;

use crate::simulated::agents::Work;
use crate::simulated::door::{Process, Trouble};
use crate::simulated::view::assert_same;
use crate::simulated::{World, run};
use crate::{array, launch, warm};

const TIMEOUT: SignedDuration = SignedDuration::from_mins(5);

async fn end(process: &Process, fleet: &FleetId) -> Result<Option<String>> {
    process.engine().end(fleet, TIMEOUT, &Operation::quiet()).await
}

/// An array of which rank 0 has ended well, rank 1 has failed and the others are at work.
async fn half_done(spec: &FleetSpec) -> (World, FleetRecord) {
    let world = warm().await;
    world.state().agents.work = Box::new(|rank| match rank {
        0 | 1 => Work::Ends { after_s: 20, exit: Exit::Code { code: i32::try_from(rank).unwrap() } },
        _ => Work::GoesOn,
    });
    let record = launch(&world.process(), spec).await.unwrap().record;
    world.pass(60).await;
    (world, record)
}

/// What members came to: state and exit code.
fn came_to(fleet: &Fleet) -> Vec<(&str, Option<i64>)> {
    fleet.members.iter().map(|member| (member.state.as_str(), member.exit_code)).collect()
}

#[test]
fn what_an_ended_fleet_left_is_found_by_its_id() {
    run(async {
        let (world, record) = half_done(&array(3)).await;
        let (id, engine) = (record.fleet.as_str(), world.engine());
        assert_eq!(engine.inspect("tiles").await.unwrap().ended_at, None);
        let ended_at = world.now();
        let kept = end(&world.process(), &record.fleet).await.unwrap();
        // Terraform has to see that it is gone, and nobody can do anything with it any more.
        assert!(engine.look(&record.fleet).await.unwrap().is_none());
        assert_eq!(engine.find(id).await.unwrap_err().code, "NoSuchFleet");
        for (later, why) in [(0, "in EC2's list"), (7200, "forgotten by EC2, and long after its lease")] {
            world.pass(later).await;
            let fleet = engine.inspect(id).await.unwrap();
            assert_eq!(came_to(&fleet), [("succeeded", Some(0)), ("failed", Some(1)), ("expired", None)], "{why}");
            assert_eq!((fleet.status, fleet.alive.len()), (Status::Failed, 0), "{why}");
            assert!(fleet.status_reason.starts_with("rank 1 did not end with exit code 0; ended for good at "), "{}", fleet.status_reason);
            let told = fleet.ended_at.unwrap();
            assert!(told > ended_at - SignedDuration::from_secs(1) && told < ended_at + TIMEOUT, "{told}");
            // Its end is the end of its lease.
            assert_eq!((fleet.deadline, Some(fleet.results_uri)), (told, kept.clone()), "{why}");
        }
        let first = engine.inspect(id).await.unwrap().ended_at;
        end(&world.process(), &record.fleet).await.unwrap();
        assert_eq!(engine.inspect(id).await.unwrap().ended_at, first, "it ended once, however often that is asked for");
        let next = launch(&world.process(), &array(1)).await.unwrap().record;
        assert_eq!(engine.inspect("tiles").await.unwrap().record.fleet, next.fleet, "the name is somebody else's");
        assert_eq!(engine.inspect(id).await.unwrap().record.run, record.run);
    });
}

#[test]
fn an_ended_fleet_neither_runs_nor_is_being_launched() {
    run(async {
        let process = warm().await.process();
        launch(&process, &array(2)).await.unwrap();
        let calls = process.calls();
        for call in ["s3:PutObject", "scheduler:CreateSchedule", "ec2:RunInstances"] {
            let world = warm().await;
            let at = calls.iter().position(|made| *made == call).unwrap();
            let dying = world.process().with(at, Trouble::DiesAfter);
            assert!(dying.live(launch(&dying, &array(2))).await.is_none());
            let fleet = world.engine().identify("tiles").await.unwrap();
            end(&world.process(), &fleet).await.unwrap();
            let fleet = world.engine().inspect(fleet.as_str()).await.unwrap();
            assert_eq!(fleet.status, Status::Expired, "{call}: {}", fleet.status_reason);
        }
    });
}

#[test]
fn what_the_reaper_has_removed_is_found_by_its_id() {
    run(async {
        let (world, record) = half_done(&FleetSpec { delete_results: true, ..array(3) }).await;
        let deadline = world.engine().look(&record.fleet).await.unwrap().unwrap().deadline;
        world.state().edit_claims(|claim| claim.kept_by = Keeper::Person);
        world.pass(21 * 60).await;
        let reaped = world.process().reaping().engine().reap(false, &Operation::quiet()).await;
        assert_eq!((reaped.errors, reaped.fleets.len()), (vec![], 1));
        let fleet = world.engine().inspect(reaped.fleets[0].fleet.as_str()).await.unwrap();
        assert_eq!(came_to(&fleet), [("succeeded", Some(0)), ("failed", Some(1)), ("expired", None)]);
        assert_eq!((fleet.deadline, fleet.ended_at.is_some()), (deadline, true), "its lease was over before");
    });
}

#[test]
fn of_what_was_erased_nothing_is_found() {
    run(async {
        for (in_its_record, erased) in [(true, false), (false, true)] {
            let (world, record) = half_done(&FleetSpec { delete_results: in_its_record, ..array(3) }).await;
            let (engine, quiet) = (world.engine(), Operation::quiet());
            match erased {
                true => engine.erase(&record.fleet, TIMEOUT, &quiet).await.unwrap(),
                false => assert_eq!(engine.end(&record.fleet, TIMEOUT, &quiet).await.unwrap(), None),
            }
            assert_eq!(world.state().keys("spawn-123456789012-us-east-1", "fleets/"), [""; 0]);
            let error = engine.inspect(record.fleet.as_str()).await.unwrap_err();
            assert_eq!((error.class, error.code.as_str()), (Class::NotFound, "NoSuchFleet"));
            insta::assert_snapshot!("no_such_id", crate::told(&error, &record));
        }
    });
}

/// Every object of the fleet whose key has this in it, as a write that was cut short leaves it.
fn damage(world: &World, part: &str) -> usize {
    let mut state = world.state();
    let objects = state.buckets.values_mut().flat_map(|objects| objects.iter_mut());
    objects.filter(|(key, _)| key.starts_with("fleets/") && key.contains(part)).map(|(_, (body, _))| body.truncate(1)).count()
}

#[test]
fn a_damaged_record_keeps_nothing_from_its_end() {
    for part in ["/completions/", "/batches/", "/ranks/", "/lease.json", "/payload.json", "/settled.json"] {
        run(async move {
            let before = warm().await.view();
            let (world, _) = half_done(&FleetSpec { min_size: Some(2), ..array(3) }).await;
            assert!(damage(&world, part) > 0, "{part}");
            let fleet = world.engine().identify("tiles").await.unwrap();
            end(&world.process(), &fleet).await.unwrap_or_else(|error| panic!("{part}: {error}"));
            world.pass(10).await;
            assert_same(part, &world.view(), &before);
            world.assert_lawful();
        });
    }
}

/// Without it the end cannot be finished: name and schedules are in it. Machines are found by their tags.
#[test]
fn a_damaged_record_of_a_fleet_keeps_no_machine_running() {
    run(async {
        let (world, record) = half_done(&array(3)).await;
        assert_eq!(damage(&world, "/fleet.json"), 1);
        for id_or_name in ["tiles", record.fleet.as_str()] {
            let fleet = world.engine().identify(id_or_name).await.unwrap();
            let error = end(&world.process(), &fleet).await.unwrap_err();
            assert_eq!(error.code, "RecordUnreadable", "{error}");
            let state = world.state();
            let running = state.cloud.machine_ids().into_iter().filter_map(|id| state.cloud.machine(&id)).filter(|m| !m.state.is_ending());
            assert_eq!(running.count(), 0);
        }
        // As the error says: without the object, the end is finished.
        world.state().buckets.values_mut().for_each(|objects| objects.retain(|key, _| !key.ends_with("/fleet.json")));
        let fleet = world.engine().identify("tiles").await.unwrap();
        end(&world.process(), &fleet).await.unwrap();
        assert_eq!(world.engine().identify("tiles").await.unwrap_err().code, "NoSuchFleet");
        assert_eq!((world.view().count("role spawn-fleet"), world.view().count("group spawn-fleet")), (0, 0));
    });
}
