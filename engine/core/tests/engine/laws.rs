//! The laws themselves: each is broken once on purpose, and must be seen to be.

use jiff::SignedDuration;
use serde_json::json;
use spawn_core::ports::{LaunchRequest, Tags};
use spawn_model::ids::InstanceId;
use spawn_model::layout;
use spawn_model::record::FleetRecord;
use spawn_model::tag;

use crate::services::{serve, service};
use crate::simulated::{World, run};
use crate::{array, launch, warm};

async fn lawful() -> (World, FleetRecord) {
    let world = warm().await;
    let record = launch(&world.process(), &array(2)).await.unwrap().record;
    world.pass(60).await;
    world.assert_lawful();
    (world, record)
}

fn broken(world: &World) -> String {
    world.state().violations.join("\n")
}

#[test]
fn an_instance_without_a_schedule_is_seen() {
    run(async {
        let (world, record) = lawful().await;
        world.process().aws().schedules.delete("spawn", &layout::schedule_name(&record.run, 0)).await.unwrap();
        assert!(broken(&world).contains("has no schedule that ends it"), "{}", broken(&world));
    });
}

#[test]
fn an_instance_without_a_deadline_is_seen() {
    run(async {
        let (world, _) = lawful().await;
        let id = world.state().cloud.machine_ids().remove(0);
        world.process().aws().instances.untag(&[id], &[tag::DEADLINE.to_owned()]).await.unwrap();
        assert!(broken(&world).contains("has no deadline"), "{}", broken(&world));
    });
}

#[test]
fn a_group_without_an_end_is_seen() {
    run(async {
        for (end, expected) in [("schedule", "has no schedule that ends it"), ("deadline", "has no deadline")] {
            let world = warm().await;
            let record = serve(&world, &service(2, json!({}))).await;
            world.pass(60).await;
            world.assert_lawful();
            let (aws, group) = (world.process().aws(), layout::scaling_name(&record.run));
            if end == "schedule" {
                aws.schedules.delete("spawn", &layout::schedule_name(&record.run, 0)).await.unwrap();
            } else {
                aws.scaling.group_untag(&group, &[tag::DEADLINE.to_owned()]).await.unwrap();
            }
            assert!(broken(&world).contains(&format!("{group} {expected}")), "{}", broken(&world));
        }
    });
}

#[test]
fn an_instance_too_many_is_seen() {
    run(async {
        let (world, record) = lawful().await;
        let first = world.state().launch_of(&record.run).unwrap();
        let more = LaunchRequest { client_token: "more".into(), ..first };
        world.process().aws().instances.launch(&more).await.unwrap();
        assert!(broken(&world).contains("has 4 instances of the 2 that were asked for"), "{}", broken(&world));
        // Their agents find their ranks taken.
        world.pass(60).await;
        assert!(broken(&world).contains("is claimed twice"), "{}", broken(&world));
    });
}

#[test]
fn an_instance_that_is_reaped_too_early_is_seen() {
    run(async {
        let (world, _) = lawful().await;
        let ids: Vec<InstanceId> = world.state().cloud.machine_ids().into_iter().map(InstanceId).collect();
        let reaper = world.process().reaping();
        reaper.aws().instances.terminate(&ids[..1]).await.unwrap();
        assert!(broken(&world).contains(&format!("the reaper ended {}, whose lease ends at", ids[0])), "{}", broken(&world));
        // What was past its lease when the reaper began is its own, whoever has extended it since.
        world.state().violations.clear();
        world.pass(3600).await;
        assert_eq!(world.process().reaping().aws().instances.terminate(&ids[1..]).await, Ok(()));
        world.assert_lawful();
    });
}

#[test]
fn a_client_token_used_twice_is_seen() {
    run(async {
        let (world, record) = lawful().await;
        let first = world.state().launch_of(&record.run).unwrap();
        let other = LaunchRequest { max_count: 1, tags: Tags::new(), ..first };
        let error = world.process().aws().instances.launch(&other).await.unwrap_err();
        assert_eq!(error.code, "IdempotentParameterMismatch");
        assert!(broken(&world).contains("is used for two launches"), "{}", broken(&world));
    });
}

#[test]
fn a_call_takes_its_time() {
    run(async {
        let world = World::new();
        let begun = world.now();
        world.process().aws().identity.caller().await.unwrap();
        assert_eq!(world.now().duration_since(begun), SignedDuration::from_millis(20));
    });
}
