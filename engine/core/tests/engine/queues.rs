//! Queues: to the launcher a fleet of workers; to whoever looks, jobs.

use serde_json::json;
use spawn_core::fleet::Fleet;
use spawn_core::operation::Operation;
use spawn_model::record::{FleetRecord, Keeper};
use spawn_model::rules::read_spec;
use spawn_model::spec::{FleetKind, FleetSpec};
use spawn_model::status::Status;

use crate::simulated::{World, run};
use crate::warm;

/// A queue of three jobs that so many workers drain, but for what `changes` says is otherwise.
pub(crate) fn queue(workers: u32, changes: serde_json::Value) -> FleetSpec {
    let mut value = json!({
        "name": "tiles", "workers": workers, "instance_types": ["c7i.large", "c7a.large"], "lease": { "ttl": "20m" },
        "jobs": {
            "a": { "command": ["true"] },
            "b": { "command": ["true"], "depends_on": ["a"] },
            "c": { "command": ["true"] },
        },
    });
    value.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let (spec, problems) = read_spec(FleetKind::Queue, &value.into());
    assert_eq!(problems, []);
    spec.unwrap()
}

/// Launches a queue, which a person keeps.
pub(crate) async fn drain(world: &World, workers: u32) -> FleetRecord {
    let launched = world.engine().launch(FleetKind::Queue, &queue(workers, json!({})), &Operation::quiet()).await.unwrap();
    launched.claim.acknowledge(Keeper::Person).await.unwrap();
    launched.record
}

fn told(fleet: &Fleet) -> String {
    let jobs: Vec<String> = fleet.jobs.iter().map(|(job, report)| format!("{job} {}", report.state)).collect();
    format!("{}: {} ({})", fleet.status, fleet.status_reason, jobs.join(", "))
}

#[test]
fn a_queue_is_a_fleet_of_its_workers_whose_jobs_say_how_it_is() {
    run(async {
        let world = warm().await;
        let record = drain(&world, 2).await;
        assert_eq!((record.spec.size, record.spec.workers), (2, Some(2)));
        world.pass(60).await;
        let engine = world.engine();
        let found = || async { engine.find("tiles").await.unwrap() };
        assert_eq!(told(&found().await), "running: 0 of 3 jobs have ended (a pending, b pending, c pending)");
        assert_eq!(found().await.members.len(), 2);

        assert!(engine.job_cancel(&found().await, "a").await.unwrap());
        assert!(engine.job_cancel(&found().await, "a").await.unwrap(), "asking twice is asking once");
        assert_eq!(told(&found().await), "running: 2 of 3 jobs have ended (a cancelled, b skipped, c pending)");
        let unknown = engine.job_cancel(&found().await, "z").await.unwrap_err();
        assert_eq!(unknown.message, "tiles has no job \"z\"");

        world.pass(25 * 60).await;
        let over = found().await;
        assert_eq!(told(&over), "expired: the lease ended; 2 of 3 jobs have ended (a cancelled, b skipped, c pending)");
        assert_eq!((over.status, over.alive.len()), (Status::Expired, 0));
        assert_eq!(engine.job_cancel(&over, "c").await.unwrap_err().code, "QueueOver");
        assert!(engine.job_cancel(&over, "a").await.unwrap());
        assert_eq!(engine.job_results(&record, None).await.unwrap(), []);
        assert_eq!(engine.job_output(&record, "a", None).await.unwrap(), None);
        world.assert_lawful();
    });
}

#[test]
fn all_that_is_cancelled_is_over_whatever_its_workers_do() {
    run(async {
        let world = warm().await;
        drain(&world, 1).await;
        world.pass(60).await;
        for job in ["a", "c"] {
            let engine = world.engine();
            engine.job_cancel(&engine.find("tiles").await.unwrap(), job).await.unwrap();
        }
        for _ in 0..2 {
            // The first look gathers what is recorded.
            let fleet = world.engine().find("tiles").await.unwrap();
            assert_eq!(
                told(&fleet),
                "failed: 0 of 3 jobs ended with exit code 0; 2 were cancelled; 1 was skipped (a cancelled, b skipped, c cancelled)"
            );
        }
    });
}
