//! When fleets end, and who sees to it.

use jiff::{SignedDuration, Timestamp};
use spawn_core::lease::deadline_of;
use spawn_core::operation::Operation;
use spawn_core::ports::{LaunchRequest, Tags};
use spawn_model::duration::Seconds;
use spawn_model::error::Class;
use spawn_model::ids::RunId;
use spawn_model::record::FleetRecord;
use spawn_model::spec::FleetSpec;
use spawn_model::status::Status;
use spawn_model::tag;

use crate::simulated::agents::Work;
use crate::simulated::door::Trouble;
use crate::simulated::{World, run};
use crate::{array, lasting, launch, warm};

/// A fleet on whose machines nobody ends anything: what ends it comes from outside.
async fn unattended(size: u32) -> (World, FleetRecord) {
    let world = warm().await;
    world.state().agents.work = Box::new(|_| Work::Absent);
    // EC2's buckets need more than an hour for ten thousand.
    let spec = FleetSpec { lease: lasting(2 * 3600), ..array(size) };
    let record = launch(&world.process(), &spec).await.unwrap().record;
    (world, record)
}

fn alive(world: &World) -> usize {
    world.state().cloud.machine_ids().len()
}

async fn until(world: &World, at: Timestamp) {
    let left = at.duration_since(world.now());
    world.pass(u64::try_from(left.as_secs()).unwrap() + 1).await;
}

#[test]
fn the_schedules_alone_end_a_fleet_of_any_size() {
    for (size, strikes) in [(1, vec![1]), (1000, vec![1000]), (1001, vec![1000, 1]), (10_000, vec![1000; 10])] {
        run(async move {
            let (world, record) = unattended(size).await;
            assert_eq!(world.view().count("schedule spawn/spawn-RUN"), strikes.len(), "size {size}");
            until(&world, deadline_of(&record) - SignedDuration::from_secs(5)).await;
            assert_eq!(alive(&world), size as usize);
            until(&world, deadline_of(&record) + SignedDuration::from_secs(5)).await;
            assert_eq!(alive(&world), 0, "size {size}");
            let ended: Vec<usize> = world.state().strikes.iter().map(|strike| strike.ended).collect();
            assert_eq!(ended, strikes, "size {size}");
            world.assert_lawful();
        });
    }
}

#[test]
fn a_schedule_that_finds_nothing_has_done_its_work() {
    run(async {
        let process = warm().await.process();
        launch(&process, &array(3)).await.unwrap();
        let n = process.calls().iter().position(|call| *call == "ec2:RunInstances").unwrap();
        let world = warm().await;
        let dying = world.process().with(n, Trouble::DiesBefore);
        assert!(dying.live(launch(&dying, &array(3))).await.is_none());
        world.pass(25 * 60).await;
        let ended = world.state().strikes[0].ended;
        assert_eq!((ended, alive(&world)), (0, 0));
    });
}

/// A change of the lease that stops half way: what is told is the earliest of what the three places say.
#[test]
fn a_half_made_change_of_the_lease_promises_the_earlier_date() {
    for (ttl, first) in [(3600, "s3:PutObject"), (600, "ec2:CreateTags")] {
        run(async move {
            let world = warm().await;
            let record = launch(&world.process(), &array(3)).await.unwrap().record;
            let fleet = world.engine().find("tiles").await.unwrap();
            let process = world.process();
            process.engine().lease_change(&fleet, &lasting(ttl)).await.unwrap();
            let n = process.calls().iter().position(|call| *call == first).unwrap();

            let world = warm().await;
            let again = launch(&world.process(), &array(3)).await.unwrap().record;
            let dying = world.process().with(n, Trouble::DiesAfter);
            let engine = dying.engine();
            let fleet = world.engine().find("tiles").await.unwrap();
            assert!(dying.live(engine.lease_change(&fleet, &lasting(ttl))).await.is_none());
            let earlier = again.asked_at + SignedDuration::from_secs(i64::try_from(ttl).unwrap().min(1200));
            assert_eq!(world.engine().find("tiles").await.unwrap().deadline, earlier, "{ttl} s");
            assert_eq!(record.spec.lease.ttl, Seconds(1200));
        });
    }
}

#[test]
fn schedules_strike_for_an_hour_and_are_gone() {
    run(async {
        let (world, record) = unattended(3).await;
        until(&world, deadline_of(&record) + SignedDuration::from_hours(2)).await;
        let (ended, at): (Vec<usize>, Vec<Timestamp>) = world.state().strikes.iter().map(|strike| (strike.ended, strike.at)).unzip();
        assert_eq!(ended, [3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let minutes: Vec<i64> = at.iter().map(|at| at.duration_since(at_second(deadline_of(&record))).as_secs() / 60).collect();
        assert_eq!(minutes, (0..60).step_by(5).collect::<Vec<i64>>());
        assert_eq!(world.view().count("schedule spawn/spawn-RUN"), 0);
    });
}

fn at_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap()
}

#[test]
fn a_late_launch_is_caught_by_the_next_strike() {
    run(async {
        let (world, record) = unattended(1).await;
        until(&world, deadline_of(&record) + SignedDuration::from_mins(2)).await;
        assert_eq!(alive(&world), 0);
        let aws = world.process().aws();
        aws.instances.launch(&late(&world, &record)).await.unwrap();
        assert_eq!(alive(&world), 1);
        until(&world, deadline_of(&record) + SignedDuration::from_mins(6)).await;
        assert_eq!(alive(&world), 0);
    });
}

/// The launch of a request that was on its way for too long.
fn late(world: &World, record: &FleetRecord) -> LaunchRequest {
    let tags = [
        (tag::FLEET, record.fleet.to_string()),
        (tag::RUN, record.run.to_string()),
        (tag::SHARD, "0".to_owned()),
        (tag::RANK_BASE, "0".to_owned()),
        (tag::DEADLINE, deadline_of(record).to_string()),
    ];
    let first = world.state().launch_of(&record.run).unwrap();
    LaunchRequest { client_token: "late".into(), tags: tags.map(|(key, value)| (key.to_owned(), value)).into(), ..first }
}

#[test]
fn a_moved_lease_ends_when_it_says() {
    for (ttl, attended) in [(600, false), (3600, false), (600, true), (3600, true)] {
        run(async move {
            let world = warm().await;
            if !attended {
                world.state().agents.work = Box::new(|_| Work::Absent);
            }
            let record = launch(&world.process(), &array(3)).await.unwrap().record;
            let engine = world.engine();
            world.pass(60).await;
            let deadline = engine.lease_change(&engine.find("tiles").await.unwrap(), &lasting(ttl)).await.unwrap();
            assert_eq!(deadline, record.asked_at + SignedDuration::from_secs(i64::try_from(ttl).unwrap()));
            assert_eq!(engine.find("tiles").await.unwrap().deadline, deadline);
            until(&world, deadline - SignedDuration::from_secs(5)).await;
            assert_eq!(alive(&world), 3, "{ttl} s, attended: {attended}");
            // An agent follows the lease object, the schedules are the second to come.
            let told = if attended && ttl < 1200 { deadline_of(&record) } else { deadline };
            until(&world, deadline.min(told) + SignedDuration::from_secs(5)).await;
            assert_eq!(alive(&world), 0, "{ttl} s, attended: {attended}");
            let fleet = engine.find("tiles").await.unwrap();
            assert_eq!(fleet.status, Status::Expired, "{}", fleet.status_reason);
            world.assert_lawful();
        });
    }
}

#[test]
fn a_lease_cannot_end_in_the_past_or_bring_a_fleet_back() {
    run(async {
        let world = warm().await;
        launch(&world.process(), &array(3)).await.unwrap();
        world.pass(300).await;
        let engine = world.engine();
        let before = world.view();
        let error = engine.lease_change(&engine.find("tiles").await.unwrap(), &lasting(120)).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str(), error.path.to_string().as_str()), (Class::Invalid, "LeaseInPast", "lease.ttl"));
        crate::simulated::view::assert_same("refused", &world.view(), &before);
        world.pass(1200).await;
        let fleet = engine.find("tiles").await.unwrap();
        assert_eq!(fleet.status, Status::Expired);
        let error = engine.lease_change(&fleet, &lasting(7200)).await.unwrap_err();
        insta::assert_snapshot!("fleet_over", error.to_string());
    });
}

#[test]
fn tags_are_changed_on_everything_of_the_fleet() {
    run(async {
        let world = warm().await;
        launch(&world.process(), &array(3)).await.unwrap();
        let engine = world.engine();
        let fleet = engine.find("tiles").await.unwrap();
        assert_eq!(fleet.tags_seen, None);
        let mut spec = array(3);
        spec.tags = Tags::from([("owner".into(), "ada".into())]);
        engine.update(&fleet, &spec).await.unwrap();
        let fleet = engine.find("tiles").await.unwrap();
        assert_eq!((&fleet.tags_seen, &fleet.record.spec.tags), (&None, &spec.tags));
        let shown = world.view();
        for what in ["instance ", "volume ", "group spawn-"] {
            let lines = shown.only(what).to_string();
            assert!(lines.lines().all(|line| line.contains("owner") && !line.contains("team")), "{lines}");
        }
        // Somebody changes one behind our back: the next look tells.
        let ids = vec![fleet.alive[0].0.clone()];
        world.process().aws().instances.tag(&ids, &Tags::from([("owner".into(), "bob".into())])).await.unwrap();
        let seen = engine.find("tiles").await.unwrap().tags_seen;
        assert_eq!(seen, Some(Tags::from([("owner".into(), "bob".into())])));
        engine.update(&engine.find("tiles").await.unwrap(), &spec).await.unwrap();
        assert_eq!(engine.find("tiles").await.unwrap().tags_seen, None);
    });
}

#[test]
fn a_set_up_that_is_in_use_is_not_removed() {
    run(async {
        let world = warm().await;
        launch(&world.process(), &array(1)).await.unwrap();
        let before = world.view();
        let error = world.engine().setup_remove(&Operation::quiet()).await.unwrap_err();
        insta::assert_snapshot!("set_up_in_use", error.to_string());
        crate::simulated::view::assert_same("refused", &world.view(), &before);
    });
}

#[test]
fn a_run_that_nobody_knows_has_no_launch() {
    run(async {
        let (world, _) = unattended(1).await;
        assert!(world.state().launch_of(&RunId::from_random([9; 8])).is_none());
    });
}
