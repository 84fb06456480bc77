//! What is ended, and what is not.

use jiff::{SignedDuration, Timestamp};
use sandbox_cloud::Request;
use sandbox_cloud::request::{AttributeChange, CreateTags, ModifyInstanceAttribute, StopInstances};
use spawn_core::operation::Operation;
use spawn_core::ports::{LaunchRequest, Tags};
use spawn_core::reap::{Told, Why, everywhere};
use spawn_model::error::{Class, Leftover};
use spawn_model::layout::{self, RunKeys};
use spawn_model::record::{FleetRecord, Keeper, Lease, SCHEMA};
use spawn_model::tag;

use super::{MINUTE, alive, alone, ids, launched, named, reap};
use crate::simulated::door::{Process, Trouble};
use crate::simulated::view::assert_same;
use crate::simulated::{REGION, World, run};
use crate::{array, lasting};

/// A call of EC2 that somebody else makes.
fn ec2(world: &World, request: Request) {
    let now = world.now();
    world.state().cloud.call(now, REGION, request).unwrap();
}

fn write_lease(world: &World, record: &FleetRecord, body: Vec<u8>) {
    let key = RunKeys::new(&record.fleet, &record.run).lease();
    world.state().buckets.values_mut().next().unwrap().insert(key, (body, "\"behind everybody's back\"".to_owned()));
}

fn lease_until(deadline: Timestamp) -> Vec<u8> {
    serde_json::to_vec(&Lease { schema: SCHEMA, deadline, ends_at: None, generation: 7, idle: None }).unwrap()
}

#[test]
fn the_reaper_alone_ends_what_is_past_its_lease_and_removes_what_nobody_keeps() {
    run(async {
        let world = alone().await;
        let before = world.view();
        let record = launched(&world, &array(3), Keeper::Person).await;
        world.pass(19 * MINUTE).await;
        let early = reap(&world).await;
        assert_eq!((early.instances.len(), early.fleets.len(), early.living, alive(&world)), (0, 0, 3, 3));
        // One is switched off, and would cost its volume for ever.
        let stopped = ids(&world).remove(0);
        ec2(&world, Request::StopInstances(StopInstances { instance_ids: vec![stopped], ..StopInstances::default() }));
        world.pass(MINUTE).await;
        let reaped = reap(&world).await;
        assert_eq!((reaped.instances.len(), reaped.living, alive(&world)), (3, 0, 0));
        assert!(reaped.instances.iter().all(|one| one.told == Told::Lease && one.fleet.as_ref() == Some(&record.fleet)));
        assert_eq!(reaped.fleets.iter().map(|one| (&one.fleet, one.why)).collect::<Vec<_>>(), [(&record.fleet, Why::LeaseOver)]);
        world.pass(10).await;
        assert_same("reaped", &world.view(), &before);
        let last = reap(&world).await;
        assert_eq!((last.instances.len(), last.fleets.len()), (0, 0), "nothing is left to do");
        assert!(world.state().records().iter().any(|there| there.fleet == record.fleet), "records stay");
    });
}

#[test]
fn what_is_not_ours_and_what_is_within_its_lease_is_left_alone() {
    run(async {
        let world = alone().await;
        launched(&world, &named("long", 1), Keeper::Person).await;
        let process = world.process();
        let fleet = world.engine().find("long").await.unwrap();
        process.engine().lease_change(&fleet, &lasting(30 * 3600)).await.unwrap();
        // Somebody else's machine, of the same type and image.
        let like = world.state().launch_of(&fleet.record.run).unwrap();
        let foreign = LaunchRequest { client_token: "foreign".into(), tags: Tags::new(), ..like };
        world.process().aws().instances.launch(&foreign).await.unwrap();
        world.state().silence_schedules();
        world.pass(3 * 3600).await;
        world.state().violations.clear();
        let reaped = reap(&world).await;
        assert_eq!((reaped.instances, reaped.living, alive(&world)), (vec![], 1, 2));
    });
}

#[test]
fn the_later_of_tag_and_lease_object_counts_and_the_tag_alone_if_the_object_cannot_be_read() {
    for (tag_passes, object, ended) in [
        (20, Some(Some(20)), Some(Told::Lease)),
        (20, Some(Some(90)), None),
        (90, Some(Some(20)), None),
        (20, Some(None), Some(Told::Tag)),
        (20, None, Some(Told::Tag)),
        (90, None, None),
    ] {
        run(async move {
            let world = alone().await;
            let record = launched(&world, &array(1), Keeper::State).await;
            let at = |minutes: i64| record.asked_at + SignedDuration::from_mins(minutes);
            let id = ids(&world).remove(0);
            let deadline = sandbox_cloud::model::Tag::new(tag::DEADLINE, at(tag_passes).to_string());
            ec2(&world, Request::CreateTags(CreateTags { resources: vec![id], tags: vec![deadline] }));
            match object {
                Some(Some(minutes)) => write_lease(&world, &record, lease_until(at(minutes))),
                Some(None) => write_lease(&world, &record, b"{".to_vec()),
                None => {
                    let key = RunKeys::new(&record.fleet, &record.run).lease();
                    world.state().buckets.values_mut().for_each(|objects| drop(objects.remove(&key)));
                }
            }
            world.pass(30 * MINUTE).await;
            let told = reap(&world).await.instances.first().map(|overdue| overdue.told);
            assert_eq!((told, alive(&world)), (ended, usize::from(ended.is_none())), "tag {tag_passes}, object {object:?}");
        });
    }
}

#[test]
fn what_says_nothing_has_the_default_lease() {
    run(async {
        let world = alone().await;
        let record = launched(&world, &array(1), Keeper::State).await;
        let instances = world.process().aws().instances;
        instances.untag(&ids(&world), &[tag::DEADLINE, tag::RUN].map(str::to_owned)).await.unwrap();
        for (minutes, ended) in [(59, 0), (2, 1)] {
            world.pass(minutes * MINUTE).await;
            world.state().violations.clear();
            let reaped = world.engine().reap(false, &Operation::quiet()).await;
            assert_eq!((reaped.instances.len(), reaped.errors), (ended, vec![]), "{record:?}");
            assert!(reaped.instances.iter().all(|overdue| overdue.told == Told::Default));
        }
    });
}

#[test]
fn a_dry_run_changes_nothing_and_says_the_same() {
    run(async {
        let world = alone().await;
        launched(&world, &named("tiles", 2), Keeper::Person).await;
        launched(&world, &named("kept", 1), Keeper::State).await;
        world.pass(21 * MINUTE).await;
        let before = world.view();
        let process = world.process();
        let told = process.engine().reap(true, &Operation::quiet()).await;
        let changes: Vec<_> = process.calls().into_iter().filter(|call| !reads(call)).collect();
        assert_eq!((changes, told.errors.clone()), (vec![], vec![]));
        assert_same("a dry run", &world.view(), &before);
        let done = reap(&world).await;
        assert_eq!((told.instances, told.fleets), (done.instances, done.fleets));
    });
}

fn reads(call: &str) -> bool {
    ["Describe", "Get", "List", "Head"].iter().any(|read| call.split(':').nth(1).is_some_and(|name| name.starts_with(read)))
}

#[test]
fn what_cannot_be_done_for_one_is_done_for_the_others() {
    run(async {
        let world = alone().await;
        for name in ["tiles", "other", "third"] {
            launched(&world, &named(name, 4), Keeper::Person).await;
        }
        let other = world.engine().find("other").await.unwrap();
        let protected = other.alive[1].clone();
        let change = AttributeChange::DisableApiTermination(true);
        ec2(&world, Request::ModifyInstanceAttribute(ModifyInstanceAttribute { instance_id: protected.0.clone(), change }));
        // Nothing can be said about the third fleet.
        let third = world.engine().find("third").await.unwrap().record.fleet;
        let key = layout::fleet_key(&third);
        world.state().buckets.values_mut().for_each(|objects| {
            objects.entry(key.clone()).and_modify(|(body, _)| *body = b"{".to_vec());
        });
        world.pass(21 * MINUTE).await;
        let reaped = world.process().reaping().engine().reap(false, &Operation::quiet()).await;
        let codes: Vec<(Class, &str)> = reaped.errors.iter().map(|error| (error.class, error.code.as_str())).collect();
        assert_eq!(codes, [(Class::Invalid, "RecordUnreadable"), (Class::Conflict, "OperationNotPermitted")]);
        assert_eq!(reaped.errors[1].left, Leftover::Remaining(vec![protected.clone()]));
        assert_eq!((reaped.instances.len(), alive(&world)), (11, 1));
        assert_eq!(reaped.fleets.iter().map(|fleet| fleet.name.as_deref()).collect::<Vec<_>>(), [Some("tiles")]);
        world.assert_lawful();
    });
}

#[test]
fn without_the_account_set_up_tags_say_when_an_instance_ends() {
    run(async {
        let world = alone().await;
        launched(&world, &array(2), Keeper::Person).await;
        world.state().parameters.clear();
        world.pass(21 * MINUTE).await;
        let reaped = reap(&world).await;
        assert!(reaped.instances.len() == 2 && reaped.instances.iter().all(|overdue| overdue.told == Told::Tag), "{reaped:?}");
        assert_eq!((reaped.fleets, alive(&world)), (vec![], 0));
    });
}

/// So many calls, whatever the number of instances: they are what a reaper on a schedule costs.
#[test]
fn a_thousand_instances_take_no_more_calls_than_one() {
    let calls = |size: u32| {
        run(async move {
            let world = alone().await;
            launched(&world, &array(size), Keeper::State).await;
            world.pass(21 * MINUTE).await;
            let process = world.process();
            let reaped = process.engine().reap(false, &Operation::quiet()).await;
            assert_eq!((reaped.instances.len(), reaped.errors), (size as usize, vec![]));
            process.calls()
        })
    };
    assert_eq!(calls(1000), calls(1));
    insta::assert_snapshot!(calls(1000).join("\n"));
}

#[test]
fn one_region_keeps_it_from_no_other() {
    run(async {
        let world = alone().await;
        launched(&world, &array(1), Keeper::Person).await;
        world.pass(21 * MINUTE).await;
        let denied: Process = world.process().with(1, Trouble::Refused(Class::Denied));
        let reaped = everywhere(&[denied.engine(), world.engine()], false, &Operation::quiet()).await;
        assert_eq!(reaped.iter().map(|reaped| (reaped.instances.len(), reaped.errors.len())).collect::<Vec<_>>(), [(0, 1), (1, 0)]);
        assert_eq!(reaped[0].errors[0].class, Class::Denied);
    });
}
