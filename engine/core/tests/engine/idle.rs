//! When machines are idle, as far as it is the engine's: what agents are told, and what is made of their records.

use spawn_core::engine::Engine;
use spawn_core::fleet::Fleet;
use spawn_core::operation::Operation;
use spawn_core::rerun::Wanted;
use spawn_model::layout::RunKeys;
use spawn_model::record::{Exit, FleetRecord, Lease};
use spawn_model::spec::{FleetKind, FleetSpec, LeaseSpec};
use spawn_model::status::Status;

use crate::simulated::agents::Work;
use crate::simulated::door::Trouble;
use crate::simulated::{World, run};
use crate::{array, idle_after, lasting, launch, warm};

fn calm(after_s: u64) -> LeaseSpec {
    LeaseSpec { idle: Some(idle_after(after_s)), ..lasting(1200) }
}

/// What the agents of a run are told.
fn told(world: &World, record: &FleetRecord) -> Lease {
    let key = RunKeys::new(&record.fleet, &record.run).lease();
    let state = world.state();
    let (body, _) = state.buckets.values().find_map(|objects| objects.get(&key)).unwrap();
    serde_json::from_slice(body).unwrap()
}

async fn found(engine: &Engine) -> Fleet {
    engine.find("tiles").await.unwrap()
}

#[test]
fn the_lease_object_says_when_a_machine_is_idle() {
    run(async {
        let world = warm().await;
        let record = launch(&world.process(), &FleetSpec { lease: calm(300), ..array(3) }).await.unwrap().record;
        let engine = world.engine();
        assert_eq!(told(&world, &record).idle, Some(idle_after(300)));
        assert_eq!(found(&engine).await.idle, Some(idle_after(300)));
        let before = told(&world, &record).deadline;
        for lease in [calm(600), lasting(1200), calm(60)] {
            engine.lease_change(&found(&engine).await, &lease).await.unwrap();
            let fleet = found(&engine).await;
            assert_eq!((&fleet.idle, &fleet.record.spec.lease), (&lease.idle, &lease));
            assert_eq!((told(&world, &record).idle, told(&world, &record).deadline), (lease.idle, before));
        }
    });
}

#[test]
fn a_change_that_did_not_reach_the_agents_is_seen() {
    run(async {
        let world = warm().await;
        launch(&world.process(), &array(3)).await.unwrap();
        let process = world.process();
        process.engine().lease_change(&found(&world.engine()).await, &calm(300)).await.unwrap();
        let n = process.calls().iter().position(|call| *call == "s3:PutObject").unwrap();

        let world = warm().await;
        launch(&world.process(), &array(3)).await.unwrap();
        let dying = world.process().with(n, Trouble::DiesAfter);
        let fleet = found(&world.engine()).await;
        assert!(dying.live(dying.engine().lease_change(&fleet, &calm(300))).await.is_none());
        let fleet = found(&world.engine()).await;
        // The agents know, the record does not yet: what is told is what the machines go by.
        assert_eq!((fleet.idle, fleet.record.spec.lease.idle), (Some(idle_after(300)), None));
    });
}

#[test]
fn another_run_goes_by_what_it_was_asked_for() {
    run(async {
        let world = warm().await;
        let record = launch(&world.process(), &FleetSpec { lease: calm(300), ..array(1) }).await.unwrap().record;
        let triggers = [("version".to_owned(), "2".to_owned())].into();
        let again = FleetSpec { lease: calm(900), triggers, ..array(1) };
        let quiet = Operation::quiet();
        let again = world.engine().rerun(&record.fleet, &again, Wanted::ByTriggers, &quiet).await.unwrap().record;
        assert_ne!(again.run, record.run);
        assert_eq!(told(&world, &again).idle, Some(idle_after(900)));
    });
}

#[test]
fn a_machine_that_was_idle_has_expired_and_says_why() {
    for (kind, size, exits) in [
        (FleetKind::Instance, 1, vec![Exit::Idle]),
        (FleetKind::JobArray, 1, vec![Exit::Idle]),
        (FleetKind::JobArray, 2, vec![Exit::Code { code: 0 }, Exit::Idle]),
    ] {
        run(async move {
            let world = warm().await;
            let ends = exits.clone();
            world.state().agents.work = Box::new(move |rank| Work::Ends { after_s: 60, exit: ends[rank as usize].clone() });
            let spec = FleetSpec { lease: calm(300), ..array(size) };
            world.engine().launch(kind, &spec, &Operation::quiet()).await.unwrap();
            world.pass(400).await;
            let fleet = found(&world.engine()).await;
            assert_eq!(fleet.status, Status::Expired);
            let since = fleet.members.last().unwrap().started_at.clone().unwrap();
            let (reason, notes) = match (kind, size) {
                (FleetKind::Instance, _) => (format!("idle since {since}"), vec![]),
                (_, 1) => (format!("rank 0 was idle since {since}"), vec![]),
                _ => ("rank 1 ended for being idle".to_owned(), vec![format!("rank 1: idle since {since}")]),
            };
            assert_eq!((fleet.status_reason, fleet.notes), (reason, notes));
            assert_eq!((fleet.members.last().unwrap().exit_code, fleet.alive.len()), (None, 0));
            world.assert_lawful();
        });
    }
}
