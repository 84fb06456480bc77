//! A member of a service: whose rank it takes, how it keeps it, and a command that is to run for ever.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod world;

use std::process::Child;

use jiff::{SignedDuration, Timestamp};
use spawn_model::ids::InstanceId;
use spawn_model::record::{Exit, RankClaim, SCHEMA, Service};
use spawn_model::spec::FleetKind;
use world::{World, finish};

/// Says which rank it has and runs until it is asked to end.
const WORK: &str = "exec 2>/dev/null; trap ': >asked; exit 0' TERM; echo rank $SPAWN_RANK; while true; do sleep 0.05; done";

fn service() -> World {
    serve(World::new())
}

fn serve(mut world: World) -> World {
    world.config.kind = FleetKind::Service;
    world
}

fn soon(seconds: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(seconds)
}

fn payload(world: &World, size: u32, line: &str) {
    world.payload(size, &["sh", "-c", line], &[], &[]);
}

fn claim(world: &World, rank: u32, holder: &str, released: bool) {
    let (instance_id, private_ip) = (InstanceId(holder.to_owned()), format!("172.31.0.2{rank}"));
    let service = Some(Service { released, ..Service::default() });
    let claim = RankClaim { schema: SCHEMA, instance_id, private_ip, started_at: soon(0), service };
    world.cloud.put(&world.keys.rank(rank), serde_json::to_vec(&claim).unwrap());
}

fn claimed(world: &World, rank: u32) -> RankClaim {
    serde_json::from_slice(&world.cloud.get(&world.keys.rank(rank)).unwrap()).unwrap()
}

fn said(world: &World, rank: u32) -> Service {
    claimed(world, rank).service.unwrap()
}

/// Waits until the claim of a rank says what is wanted.
fn until_says(world: &World, rank: u32, wanted: impl Fn(&RankClaim) -> bool) {
    let key = world.keys.rank(rank);
    world.cloud.until(|_, objects| objects.get(&key).is_some_and(|claim| wanted(&serde_json::from_slice(claim).unwrap())));
}

/// Waits until something more was printed than `before`.
fn until_prints(world: &World, before: usize) {
    let count = |requests: &[String]| requests.iter().filter(|request| *request == "LOGS PutLogEvents").count();
    world.cloud.until(|requests, _| count(requests) > before);
}

fn terminate(child: &Child) {
    assert!(std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
}

#[test]
fn a_claim_without_signs_of_life_is_taken_over_and_no_other() {
    let world = service();
    payload(&world, 3, WORK);
    for (rank, holder, age) in [(0, "i-a", 20), (1, "i-b", 200), (2, "i-c", 150)] {
        claim(&world, rank, holder, false);
        world.cloud.age(&world.keys.rank(rank), age);
    }
    let child = world.start();
    until_prints(&world, 0);
    assert_eq!(world.cloud.events(), ["rank 1"]);
    assert_eq!(
        [0, 1, 2].map(|rank| claimed(&world, rank).instance_id),
        [InstanceId("i-a".into()), world.own_id(), InstanceId("i-c".into())]
    );
    world.lease(soon(1));
    let said = finish(child);
    assert_eq!(world.completion(1).unwrap_or_else(|| panic!("{said}")).exit, Exit::LeaseEnded);
    assert!(world.is_off() && !self::said(&world, 1).released, "the lease is over: nobody takes its place");
    world.lease(soon(3600));
    world.run();
    assert_eq!(world.cloud.events(), ["rank 1"], "what has ended stays so");
}

#[test]
fn a_machine_without_a_rank_waits_until_there_is_one() {
    let world = service();
    payload(&world, 1, WORK);
    claim(&world, 0, "i-other", false);
    let child = world.start_with(&["--renew-interval", "3"]);
    let read = format!("GET {}", world.keys.payload());
    world.cloud.until(|requests, _| requests.iter().filter(|request| **request == read).count() > 1);
    assert!(!world.is_off());
    payload(&world, 2, WORK);
    until_prints(&world, 0);
    assert_eq!((world.cloud.events(), claimed(&world, 0).instance_id), (vec!["rank 1".to_owned()], InstanceId("i-other".into())));
    terminate(&child);
    let said = finish(child);
    assert!(said.contains("every rank has its machine; this one waits for a rank"), "{said}");
}

#[test]
fn a_command_that_ends_is_started_again_and_told_what_has_changed() {
    let line = "cat \"$SPAWN_PEERS\" >\"$SPAWN_RESULTS/$SPAWN_ATTEMPT\"; echo attempt $SPAWN_ATTEMPT of $SPAWN_SIZE\n\
                case $SPAWN_ATTEMPT in 1) exit 3;; 2) while [ ! -e go ]; do sleep 0.05; done; exit 0;; esac\n\
                exec 2>/dev/null; trap 'exit 0' TERM; while true; do sleep 0.05; done";
    for world in [service(), serve(World::without_units())] {
        payload(&world, 2, line);
        let child = world.start();
        until_says(&world, 0, |claim| claim.service.as_ref().is_some_and(|service| service.restarts == 1));
        assert_eq!(said(&world, 0), Service { released: false, restarts: 1, last_exit: Some(Exit::Code { code: 3 }) });
        let first = world.result(0, "1").unwrap();
        assert_eq!(first, "{\"rank\":0,\"address\":\"172.31.0.10\",\"name\":\"tiles-0\"}\n");

        until_prints(&world, 2);
        payload(&world, 4, line);
        claim(&world, 1, "i-b", true);
        claim(&world, 2, "i-c", false);
        claim(&world, 4, "i-e", false);
        std::fs::write(world.state().join("work/go"), "").unwrap();
        until_prints(&world, 4);
        assert_eq!(
            world.cloud.events(),
            [
                "attempt 1 of 2",
                "spawn: the command ended with exit code 3; it is started again in 1 s",
                "attempt 2 of 2",
                "spawn: the command ended with exit code 0; it is started again in 2 s",
                "attempt 3 of 4",
            ]
        );
        let expected = Service { released: false, restarts: 2, last_exit: Some(Exit::Code { code: 0 }) };
        until_says(&world, 0, |claim| claim.service.as_ref() == Some(&expected));
        assert!(world.completion(0).is_none() && !world.is_off());

        world.lease(soon(1));
        let told = finish(child);
        let done = world.completion(0).unwrap_or_else(|| panic!("{told}"));
        assert_eq!((done.exit, done.results.len(), done.notes), (Exit::LeaseEnded, 3, vec![]), "{told}");
        let third = first + "{\"rank\":2,\"address\":\"172.31.0.22\",\"name\":\"tiles-2\"}\n";
        assert_eq!((world.result(0, "3"), world.is_off()), (Some(third), true));
    }
}

#[test]
fn a_command_that_is_not_there_is_told_and_tried_again() {
    let world = service();
    world.payload(1, &["./gone"], &[], &[]);
    world.hooks(Some(("echo bye", 5)), None);
    let child = world.start();
    until_says(&world, 0, |claim| claim.service.as_ref().is_some_and(|service| service.restarts > 1));
    assert!(matches!(said(&world, 0).last_exit, Some(Exit::NotStarted { reason }) if reason.starts_with("\"./gone\" cannot be run")));
    assert!(world.completion(0).is_none() && !world.is_off());
    world.lease(soon(1));
    let told = finish(child);
    assert_eq!(world.completion(0).unwrap_or_else(|| panic!("{told}")).exit, Exit::LeaseEnded);
    assert!(world.cloud.events().contains(&"bye".to_owned()), "{told}");
}

#[test]
fn a_rank_is_kept_by_signs_of_life_and_its_loss_ends_the_machine() {
    for world in [service(), serve(World::without_units())] {
        payload(&world, 1, WORK);
        let child = world.start_with(&["--renew-interval", "2"]);
        until_prints(&world, 0);
        for _ in 0..2 {
            // What says the same has the same tag: who read the one before could write over it.
            let (key, before) = (world.keys.rank(0), world.cloud.get(&world.keys.rank(0)));
            world.cloud.until(|_, objects| objects.get(&key) != before.as_ref());
        }
        assert_eq!((claimed(&world, 0).instance_id, world.is_off()), (world.own_id(), false));
        claim(&world, 0, "i-other", false);
        let told = finish(child);
        assert!(told.contains("rank 0 is lost: i-other has taken it over; the machine ends now"), "{told}");
        assert!(world.completion(0).is_none() && world.state().join("work/asked").exists(), "{told}");
        assert!(world.is_off() && claimed(&world, 0).instance_id.0 == "i-other");
    }
}

/// Somebody else may have it by then, and would not be known.
#[test]
fn who_is_not_heard_lets_go() {
    let world = service();
    payload(&world, 1, WORK);
    let child = world.start_with(&["--renew-interval", "1"]);
    until_prints(&world, 0);
    world.cloud.fail("PUT", &world.keys.rank(0), 503, "SlowDown", u32::MAX);
    let told = finish(child);
    assert!(told.contains("rank 0 is lost: its sign of life was not heard for 5 s"), "{told}");
    assert!(world.is_off() && world.completion(0).is_none());
}

#[test]
fn a_machine_that_goes_down_gives_its_rank_back_and_takes_it_again_when_it_comes_up() {
    for world in [service(), serve(World::without_units())] {
        payload(&world, 2, WORK);
        let child = world.start();
        until_prints(&world, 0);
        terminate(&child);
        let told = finish(child);
        assert!(said(&world, 0).released, "{told}");
        assert!(world.completion(0).is_none() && !world.is_off(), "{told}");
        assert!(world.state().join("work/asked").exists(), "nobody has the rank before its command has ended: {told}");

        claim(&world, 1, "i-other", true);
        let child = world.start();
        until_prints(&world, 1);
        assert_eq!(world.cloud.events(), ["rank 0", "rank 0"]);
        assert_eq!(said(&world, 0), Service { released: false, restarts: 1, last_exit: None });
        terminate(&child);
        finish(child);
    }
}

#[test]
fn a_machine_that_has_saved_everything_in_time_is_off_only_when_the_lease_is_over() {
    let mut world = service();
    // Less than what is left for a hook: it is time for it at once.
    world.config.deadline = soon(8);
    world.lease(world.config.deadline);
    payload(&world, 1, WORK);
    world.hooks(Some(("true", 20)), None);
    let said = world.run();
    assert_eq!(world.completion(0).unwrap_or_else(|| panic!("{said}")).exit, Exit::LeaseEnded);
    assert!(world.is_off() && Timestamp::now() >= world.config.deadline, "{said}");
}

#[test]
fn a_spot_notice_gives_the_rank_back_when_everything_is_kept() {
    let world = service();
    world.cloud.metadata("meta-data/instance-life-cycle", "spot");
    payload(&world, 1, WORK);
    world.hooks(Some(("echo 7 >\"$SPAWN_RESULTS/step\"", 20)), None);
    let child = world.start();
    until_prints(&world, 0);
    world.cloud.metadata("meta-data/spot/instance-action", &format!(r#"{{"action": "terminate", "time": "{}"}}"#, soon(120)));
    let told = finish(child);
    let done = world.completion(0).unwrap_or_else(|| panic!("{told}"));
    assert_eq!((done.exit, done.notes), (Exit::Interrupted, vec![]), "{told}");
    assert_eq!((world.result(0, "step").as_deref(), said(&world, 0).released, world.is_off()), (Some("7\n"), true, true));
    let last = world.cloud.requests().into_iter().rfind(|request| request.starts_with("PUT fleets/"));
    assert_eq!(last, Some(format!("PUT {}", world.keys.rank(0))), "nothing is written of a rank that was given back");
}
