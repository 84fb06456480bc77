//! Queues: to the launcher a fleet of workers; to whoever looks, jobs.

use std::collections::BTreeSet;

use serde_json::json;
use spawn_core::fleet::Fleet;
use spawn_core::operation::Operation;
use spawn_core::ports::{Condition, Result};
use spawn_core::rerun::Wanted;
use spawn_model::ids::InstanceId;
use spawn_model::layout::RunKeys;
use spawn_model::queue::{JobClaim, JobExit, Resumed, Standing};
use spawn_model::record::{FleetRecord, Keeper, Payload, ResultFile};
use spawn_model::rules::read_spec;
use spawn_model::spec::{FleetKind, FleetSpec};
use spawn_model::status::Status;

use crate::simulated::door::Trouble;
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

const BUCKET: &str = "spawn-123456789012-us-east-1";

/// A worker has run a job to its end, with this exit code; if it is 0, the job has left a result.
pub(crate) fn job_ends(world: &World, record: &FleetRecord, job: &str, code: i32) {
    let now = world.now();
    let claim = JobClaim::first(&InstanceId("i-worker".to_owned()), 0, now);
    let mut claim = claim.ended(&record.spec.jobs[job], JobExit::Code { code }, Some(now), 0.0);
    if code == 0 {
        claim.attempts[0].results = vec![ResultFile { path: "sum".to_owned(), bytes: 1 }];
    }
    let Standing::Ended { outcome } = claim.standing else { panic!("it is tried again") };
    let keys = RunKeys::new(&record.fleet, &record.run);
    let mut state = world.state();
    for (key, body) in [(keys.job_claim(job), serde_json::to_vec(&claim).unwrap()), (keys.job_ended(job, outcome), b"{}".to_vec())] {
        state.put(BUCKET, &key, body, &Condition::Always).unwrap();
    }
}

async fn retry(world: &World, again: &[&str]) -> Result<FleetRecord> {
    let engine = world.engine();
    let again: BTreeSet<String> = again.iter().map(|job| (*job).to_owned()).collect();
    let queue = engine.find("tiles").await.unwrap();
    Ok(engine.job_retry(&queue, &again, &Operation::quiet()).await?.record)
}

/// Each result of a job, with the run that it is of.
async fn results(world: &World, record: &FleetRecord) -> Vec<(String, String)> {
    let results = world.engine().job_results(record, None).await.unwrap();
    results.into_iter().map(|result| (result.job, result.run.to_string())).collect()
}

#[test]
fn what_has_succeeded_stays_when_the_rest_runs_again() {
    run(async {
        let world = warm().await;
        let first = drain(&world, 1).await;
        world.pass(60).await;
        let found = || async { told(&world.engine().find("tiles").await.unwrap()) };
        insta::assert_snapshot!("retry_of_one_that_runs", retry(&world, &[]).await.unwrap_err().to_string());
        job_ends(&world, &first, "a", 0);
        job_ends(&world, &first, "c", 3);
        assert_eq!(found().await, "failed: job c failed; 1 was skipped (a succeeded, b skipped, c failed)");
        assert_eq!(retry(&world, &["z"]).await.unwrap_err().code, "NoSuchJob");

        let second = retry(&world, &[]).await.unwrap();
        assert_eq!((&second.fleet, &second.spec), (&first.fleet, &first.spec));
        assert_eq!(second.resumed, Some(Resumed { run: first.run.clone(), again: BTreeSet::new() }));
        let payload = world.process().aws().objects.get(BUCKET, &RunKeys::new(&second.fleet, &second.run).payload()).await;
        let (payload, _) = payload.unwrap().unwrap();
        assert!(serde_json::from_slice::<Payload>(&payload).unwrap().resumed, "workers look for what is done");
        world.pass(60).await;
        assert_eq!(found().await, "running: 1 of 3 jobs has ended (a succeeded, b pending, c pending)");
        let queue = world.engine().find("tiles").await.unwrap();
        assert!(!world.engine().job_cancel(&queue, "a").await.unwrap(), "it has ended");
        assert_eq!((queue.jobs["a"].attempts, queue.alive.len()), (1, 1));
        job_ends(&world, &second, "b", 0);
        job_ends(&world, &second, "c", 0);
        for _ in 0..2 {
            // The first look gathers what is recorded.
            assert_eq!(found().await, "succeeded: all 3 jobs ended with exit code 0 (a succeeded, b succeeded, c succeeded)");
        }
        let of = |job: &str, record: &FleetRecord| (job.to_owned(), record.run.to_string());
        assert_eq!(results(&world, &second).await, [of("a", &first), of("b", &second), of("c", &second)]);
        let late = world.engine().job_retry(&queue, &BTreeSet::new(), &Operation::quiet()).await.err().unwrap();
        assert_eq!(late.code, "QueueRuns", "it was looked at while it ran");
        insta::assert_snapshot!("retry_of_what_has_succeeded", retry(&world, &[]).await.unwrap_err().to_string());

        let over = world.engine().find("tiles").await.unwrap();
        let third = retry(&world, &["b"]).await.unwrap();
        // Somebody else has looked before that, and asks for it after it.
        let all: BTreeSet<String> = ["a".to_owned()].into();
        let late = world.engine().job_retry(&over, &all, &Operation::quiet()).await.err().unwrap();
        assert_eq!(late.code, "RunLost");
        job_ends(&world, &third, "b", 0);
        assert_eq!(results(&world, &third).await, [of("a", &first), of("b", &third), of("c", &second)]);
        let fourth = retry(&world, &["a"]).await.unwrap();
        world.pass(60).await;
        assert_eq!(found().await, "running: 1 of 3 jobs has ended (a pending, b pending, c succeeded)");
        assert_eq!(results(&world, &fourth).await, [of("c", &second)]);
        // What is run again as a whole goes on with nothing.
        let fifth = world.engine().rerun(&fourth.fleet, &fourth.spec, Wanted::Anew, &Operation::quiet()).await.unwrap().record;
        assert_eq!((&fifth.resumed, results(&world, &fifth).await), (&None, vec![]));
        world.assert_lawful();
    });
}

#[test]
fn a_retry_that_was_begun_is_gone_on_with_by_who_wants_the_same() {
    run(async {
        for (again, goes_on) in [(&[][..], true), (&["a"][..], false)] {
            let world = warm().await;
            let first = drain(&world, 1).await;
            world.pass(60).await;
            job_ends(&world, &first, "a", 0);
            job_ends(&world, &first, "c", 3);
            let process = world.process();
            let engine = process.engine();
            let queue = engine.find("tiles").await.unwrap();
            let calls = process.calls().len();
            drop(engine.job_retry(&queue, &BTreeSet::new(), &Operation::quiet()).await.unwrap());
            let launched = process.calls().iter().skip(calls).position(|call| *call == "ec2:RunInstances").unwrap();

            let world = warm().await;
            let first = drain(&world, 1).await;
            world.pass(60).await;
            job_ends(&world, &first, "a", 0);
            job_ends(&world, &first, "c", 3);
            let dying = world.process().with(calls + launched, Trouble::DiesAfter);
            let engine = dying.engine();
            let nothing = BTreeSet::new();
            let died = dying.live(async {
                let queue = engine.find("tiles").await?;
                engine.job_retry(&queue, &nothing, &Operation::quiet()).await
            });
            assert!(died.await.is_none());
            let begun = world.engine().find("tiles").await.unwrap().record.next.expect("it was begun").record.run;
            let second = retry(&world, again).await.unwrap();
            assert_eq!(second.run == begun, goes_on);
            assert_eq!(results(&world, &second).await.len(), usize::from(goes_on), "a has succeeded in {}", first.run);
            world.assert_lawful();
        }
    });
}
