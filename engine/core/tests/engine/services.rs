//! Services: kept at their size by an Auto Scaling group until their lease ends.

use jiff::SignedDuration;
use sandbox_cloud::model::Market;
use sandbox_cloud::scaling::{DeleteAutoScalingGroup, DeleteScheduledAction, GroupSettings, Request, UpdateAutoScalingGroup};
use serde_json::json;
use spawn_core::fleet::Fleet;
use spawn_core::operation::Operation;
use spawn_core::ports::Result;
use spawn_core::rerun::Wanted;
use spawn_core::setup::PARAMETER;
use spawn_model::layout;
use spawn_model::record::{FleetRecord, Keeper};
use spawn_model::rules::read_spec;
use spawn_model::spec::{FleetKind, FleetSpec};
use spawn_model::status::{Status, WaitFor};
use spawn_model::tag;

use crate::markets::scarce;
use crate::simulated::agents::Work;
use crate::simulated::view::assert_same;
use crate::simulated::{REGION, World, run};
use crate::{array, lasting, launch, warm};

/// A service of so many instances, of which those that `changes` says are otherwise.
pub(crate) fn service(size: u32, changes: serde_json::Value) -> FleetSpec {
    let mut value = json!({
        "name": "tiles", "size": size, "instance_types": ["c7i.large", "c7a.large"], "command": ["serve"], "lease": { "ttl": "20m" },
    });
    value.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let (spec, problems) = read_spec(FleetKind::Service, &value.into());
    assert_eq!(problems, []);
    spec.unwrap()
}

/// Launches a service, which a person keeps.
pub(crate) async fn serve(world: &World, spec: &FleetSpec) -> FleetRecord {
    let launched = world.engine().launch(FleetKind::Service, spec, &Operation::quiet()).await.unwrap();
    launched.claim.acknowledge(Keeper::Person).await.unwrap();
    launched.record
}

pub(crate) async fn found(world: &World) -> Fleet {
    world.engine().find("tiles").await.unwrap()
}

/// The ranks that are held, and by whom.
pub(crate) fn holders(fleet: &Fleet) -> Vec<(u32, String)> {
    fleet.members.iter().map(|member| (member.rank, member.instance_id.clone())).collect()
}

fn ranks(fleet: &Fleet) -> Vec<u32> {
    fleet.members.iter().map(|member| member.rank).collect()
}

pub(crate) async fn resize(world: &World, size: u32) -> Result<()> {
    let engine = world.engine();
    engine.resize(&engine.find("tiles").await?, size, &Operation::quiet()).await
}

/// Takes away the group's own action, which empties it at the deadline.
pub(crate) fn disarm(world: &World, record: &FleetRecord) {
    let action = DeleteScheduledAction { group_name: layout::scaling_name(&record.run), name: "spawn-deadline".to_owned() };
    let now = world.now();
    world.state().cloud.scale(now, REGION, Request::DeleteScheduledAction(action)).unwrap();
}

fn delete_group(world: &World, record: &FleetRecord) {
    let group = DeleteAutoScalingGroup { name: layout::scaling_name(&record.run), force: true };
    let now = world.now();
    world.state().cloud.scale(now, REGION, Request::DeleteAutoScalingGroup(group)).unwrap();
}

#[test]
fn it_runs_at_its_size_and_replaces_what_it_loses() {
    run(async {
        let world = warm().await;
        let record = serve(&world, &service(3, json!({}))).await;
        let until = record.asked_at + SignedDuration::from_mins(5);
        let waited = world.engine().wait(&record.fleet, WaitFor::Ready, until, &Operation::quiet()).await.unwrap().unwrap().fleet();
        assert_eq!((waited.status, ranks(&waited)), (Status::Running, vec![0, 1, 2]));
        assert_eq!(waited.status_reason, format!("all 3 instances run until {}", waited.deadline));

        let now = world.now();
        world.state().machine_off(now, &waited.members[1].instance_id, true);
        world.pass(2).await;
        let fleet = found(&world).await;
        assert_eq!((fleet.status, ranks(&fleet)), (Status::Launching, vec![0, 2]));
        assert_eq!(fleet.status_reason, "2 of 3 instances run");
        world.pass(120).await;
        let fleet = found(&world).await;
        assert_eq!((fleet.status, ranks(&fleet)), (Status::Running, vec![0, 1, 2]), "{}", fleet.status_reason);
        assert_ne!(fleet.members[1].instance_id, waited.members[1].instance_id);
        world.assert_lawful();
    });
}

#[test]
fn its_instances_are_bought_as_the_market_says() {
    run(async {
        let world = warm().await;
        serve(&world, &service(4, json!({ "market": { "type": "spot", "on_demand_base": 1 } }))).await;
        world.pass(60).await;
        let count = |fleet: &Fleet, market: &str| fleet.members.iter().filter(|member| member.market == market).count();
        let fleet = found(&world).await;
        assert_eq!((count(&fleet, "on_demand"), count(&fleet, "spot")), (1, 3));
        let lost = fleet.members.iter().find(|member| member.market == "on_demand").unwrap().instance_id.clone();
        let now = world.now();
        world.state().machine_off(now, &lost, true);
        world.pass(120).await;
        let fleet = found(&world).await;
        assert_eq!((count(&fleet, "on_demand"), count(&fleet, "spot")), (1, 3), "{}", fleet.status_reason);
    });
}

/// What EC2 is likely to take back has its replacement before it goes, and its rank has one as soon as it goes.
#[test]
fn what_is_likely_to_be_lost_is_replaced_before_if_it_asks_for_that() {
    run(async {
        for rebalance in [false, true] {
            let world = warm().await;
            serve(&world, &service(3, json!({ "market": { "type": "spot", "rebalance": rebalance } }))).await;
            world.pass(60).await;
            let whole = found(&world).await;
            let (at_risk, now) = (whole.members[1].instance_id.clone(), world.now());
            world.state().cloud.recommend_rebalance(now, &at_risk).unwrap();
            world.state().cloud.interrupt_spot(now, &at_risk, 120_000).unwrap();
            let (mut fewest, mut most, mut without_s) = (3, 3, 0);
            for _ in 0..300 {
                world.pass(1).await;
                let fleet = found(&world).await;
                (fewest, most) = (fewest.min(fleet.alive.len()), most.max(fleet.alive.len()));
                without_s += u32::from(fleet.members.len() < 3);
                world.assert_lawful();
            }
            let fleet = found(&world).await;
            assert_eq!((fleet.status, ranks(&fleet)), (Status::Running, vec![0, 1, 2]), "{}", fleet.status_reason);
            assert!(fleet.members.iter().all(|member| member.instance_id != at_risk));
            assert_eq!((fewest, most), if rebalance { (3, 4) } else { (2, 3) });
            assert!(rebalance == (without_s < 20), "a rank was without a machine for {without_s} s");
        }
    });
}

#[test]
fn where_there_is_no_room_it_says_why_and_goes_on_trying() {
    run(async {
        let world = warm().await;
        scarce(&world, Market::OnDemand, 0);
        serve(&world, &service(2, json!({}))).await;
        world.pass(60).await;
        let fleet = found(&world).await;
        assert_eq!(fleet.status, Status::Launching);
        assert!(
            fleet.status_reason.starts_with("0 of 2 instances run: ") && fleet.status_reason.contains("capacity"),
            "{}",
            fleet.status_reason
        );
        world.state().cloud.clear_faults();
        world.pass(5 * 60).await;
        assert_eq!(found(&world).await.status, Status::Running);
    });
}

#[test]
fn each_of_the_hands_that_end_it_does_so_alone() {
    for hand in ["the schedule", "the group's own action", "the reaper"] {
        run(async {
            let world = warm().await;
            // Neither an agent nor a timer on any machine.
            world.state().agents.work = Box::new(|_| Work::Absent);
            let record = serve(&world, &service(3, json!({}))).await;
            if hand != "the schedule" {
                world.state().silence_schedules();
            }
            if hand != "the group's own action" {
                disarm(&world, &record);
            }
            world.pass(15 * 60).await;
            assert_eq!(found(&world).await.alive.len(), 3, "{hand}");
            world.pass(6 * 60).await;
            if hand == "the reaper" {
                assert_eq!(found(&world).await.alive.len(), 3, "nothing else ends it");
                let reaped = world.process().reaping().engine().reap(false, &Operation::quiet()).await;
                assert_eq!((reaped.errors.len(), reaped.groups.len(), reaped.instances.len(), reaped.fleets.len()), (0, 1, 3, 1));
                return;
            }
            world.pass(60).await;
            let fleet = found(&world).await;
            assert_eq!((fleet.status, fleet.alive.len()), (Status::Expired, 0), "{hand}: {}", fleet.status_reason);
            world.assert_lawful();
        });
    }
}

#[test]
fn a_longer_lease_moves_every_hand_and_what_is_launched_after_it() {
    run(async {
        let world = warm().await;
        let record = serve(&world, &service(2, json!({}))).await;
        world.pass(10 * 60).await;
        let engine = world.engine();
        let deadline = engine.lease_change(&engine.find("tiles").await.unwrap(), &lasting(3600)).await.unwrap();
        assert_eq!(deadline, record.asked_at + SignedDuration::from_hours(1));
        let before = found(&world).await;
        let now = world.now();
        world.state().machine_off(now, &before.members[0].instance_id, true);
        world.pass(15 * 60).await;
        let fleet = found(&world).await;
        assert_eq!((fleet.status, fleet.deadline), (Status::Running, deadline), "{}", fleet.status_reason);
        for id in &fleet.alive {
            let machine = world.state().cloud.machine(&id.0).unwrap();
            assert_eq!(machine.tags[tag::DEADLINE], deadline.to_string());
        }
        let replaced = world.state().cloud.machine(&fleet.members[0].instance_id).unwrap();
        let script = String::from_utf8(replaced.user_data.unwrap()).unwrap();
        assert!(script.contains(&deadline.to_string()), "it boots with the lease that there is");
        world.pass(40 * 60).await;
        let fleet = found(&world).await;
        assert_eq!((fleet.status, fleet.alive.len()), (Status::Expired, 0));
        world.assert_lawful();
    });
}

#[test]
fn it_grows_and_shrinks_from_the_highest_rank_down() {
    run(async {
        let world = warm().await;
        serve(&world, &service(3, json!({}))).await;
        world.pass(60).await;
        let first = found(&world).await;
        resize(&world, 5).await.unwrap();
        world.pass(60).await;
        let grown = found(&world).await;
        assert_eq!((grown.size, grown.record.spec.size, ranks(&grown)), (5, 5, vec![0, 1, 2, 3, 4]));
        assert_eq!(holders(&grown)[..3], holders(&first)[..], "those that were there stay");
        resize(&world, 2).await.unwrap();
        world.pass(120).await;
        let shrunk = found(&world).await;
        assert_eq!((shrunk.status, shrunk.size, shrunk.alive.len()), (Status::Running, 2, 2), "{}", shrunk.status_reason);
        assert_eq!(holders(&shrunk)[..], holders(&first)[..2]);
        world.assert_lawful();
    });
}

/// Terraform looks once, and then changes lease, size and tags one after the other.
#[test]
fn what_is_changed_at_once_is_changed_as_one() {
    run(async {
        let world = warm().await;
        serve(&world, &service(2, json!({}))).await;
        world.pass(60).await;
        let (engine, seen) = (world.engine(), found(&world).await);
        let wanted = service(4, json!({ "lease": { "ttl": "10h", "budget": 0.4 }, "tags": { "owner": "ada" } }));
        engine.lease_change(&seen, &wanted.lease).await.unwrap();
        engine.resize(&seen, 4, &Operation::quiet()).await.unwrap();
        engine.update(&seen, &wanted).await.unwrap();
        let fleet = found(&world).await;
        let of_one = world.engine().plan(FleetKind::Service, &FleetSpec { name: "other".into(), ..wanted.clone() }).await.unwrap();
        let lasts = fleet.deadline.duration_since(fleet.record.asked_at).as_secs();
        assert_eq!(lasts.unsigned_abs(), of_one.ttl_s, "the budget goes by the new size");
        let group = world.process().aws().scaling.group(&layout::scaling_name(&seen.record.run)).await.unwrap().unwrap();
        assert_eq!((&group.tags[tag::DEADLINE], &group.tags["owner"]), (&fleet.deadline.to_string(), &"ada".to_owned()));
        world.pass(60).await;
        let newest = found(&world).await.members[3].instance_id.clone();
        let booted = world.state().cloud.machine(&newest).unwrap();
        assert_eq!(booted.tags[tag::DEADLINE], fleet.deadline.to_string());
        world.assert_lawful();
    });
}

#[test]
fn what_is_over_is_neither_filled_again_nor_given_more_time() {
    run(async {
        let world = warm().await;
        world.state().agents.work = Box::new(|_| Work::Absent);
        serve(&world, &service(2, json!({}))).await;
        world.state().silence_schedules();
        world.pass(19 * 60).await;
        let seen = found(&world).await;
        world.pass(60 + 5).await;
        let engine = world.engine();
        assert_eq!(engine.resize(&seen, 3, &Operation::quiet()).await.unwrap_err().code, "FleetOver");
        assert_eq!(engine.lease_change(&seen, &lasting(7200)).await.unwrap_err().code, "FleetOver");
        world.pass(10 * 60).await;
        let fleet = found(&world).await;
        assert_eq!((fleet.status, fleet.alive.len()), (Status::Expired, 0), "{}", fleet.status_reason);
    });
}

/// Somebody has told the group to have no fewer, and what is launched by itself.
#[test]
fn a_least_size_of_somebody_elses_keeps_nobody_from_making_it_smaller() {
    run(async {
        let world = warm().await;
        let record = serve(&world, &service(3, json!({}))).await;
        world.pass(60).await;
        let settings = GroupSettings { min_size: Some(3), ..GroupSettings::default() };
        let update = UpdateAutoScalingGroup { name: layout::scaling_name(&record.run), settings };
        let now = world.now();
        world.state().cloud.scale(now, REGION, Request::UpdateAutoScalingGroup(Box::new(update))).unwrap();
        resize(&world, 1).await.unwrap();
        world.pass(60).await;
        assert_eq!(ranks(&found(&world).await), [0]);
    });
}

#[test]
fn a_budget_goes_by_the_larger_size() {
    run(async {
        let world = warm().await;
        serve(&world, &service(2, json!({ "lease": { "ttl": "10h", "budget": 0.2 } }))).await;
        let two = found(&world).await;
        resize(&world, 4).await.unwrap();
        let four = found(&world).await;
        let lasts = |fleet: &Fleet| fleet.deadline.duration_since(fleet.record.asked_at).as_secs();
        assert!((lasts(&two) - 2 * lasts(&four)).abs() <= 2, "{} and {}", two.deadline, four.deadline);
        resize(&world, 1).await.unwrap();
        assert_eq!(found(&world).await.deadline, four.deadline, "what was spent is spent");
        world.pass(10 * 60).await;
        let error = resize(&world, 40).await.unwrap_err();
        assert_eq!((error.code.as_str(), found(&world).await.size), ("LeaseInPast", 1));
    });
}

#[test]
fn only_a_service_that_is_there_has_a_size_to_change() {
    run(async {
        let world = warm().await;
        launch(&world.process(), &array(2)).await.unwrap();
        assert_eq!(resize(&world, 3).await.unwrap_err().code, "NotAService");
        let world = warm().await;
        let record = serve(&world, &service(2, json!({}))).await;
        world.pass(60).await;
        delete_group(&world, &record);
        world.pass(120).await;
        let fleet = found(&world).await;
        assert_eq!((fleet.status, fleet.alive.len()), (Status::Lost, 0), "{}", fleet.status_reason);
        assert_eq!(resize(&world, 3).await.unwrap_err().code, "FleetOver");
    });
}

#[test]
fn run_again_it_has_another_group_and_nothing_of_the_first() {
    run(async {
        let world = warm().await;
        let first = serve(&world, &service(2, json!({}))).await;
        world.pass(60).await;
        let engine = world.engine();
        let spec = service(3, json!({ "triggers": { "version": "2" } }));
        engine.rerun(&first.fleet, &spec, Wanted::ByTriggers, &Operation::quiet()).await.unwrap();
        world.pass(60).await;
        let fleet = found(&world).await;
        assert_eq!((fleet.status, fleet.alive.len(), ranks(&fleet)), (Status::Running, 3, vec![0, 1, 2]));
        assert_ne!(fleet.record.run, first.run);
        assert!(!world.view().to_string().contains(&layout::scaling_name(&first.run)));
        world.assert_lawful();
    });
}

#[test]
fn ended_it_leaves_nothing_even_if_its_record_cannot_be_read() {
    for damaged in [false, true] {
        run(async {
            let world = warm().await;
            let before = world.view();
            let record = serve(&world, &service(2, json!({ "delete_results": true }))).await;
            world.pass(60).await;
            let key = layout::fleet_key(&record.fleet);
            let bucket = format!("spawn-{}-{REGION}", record.account);
            let kept = world.state().buckets[&bucket][&key].clone();
            let end = async || world.engine().end(&record.fleet, SignedDuration::from_mins(5), &Operation::quiet()).await;
            if damaged {
                world.state().buckets.get_mut(&bucket).unwrap().get_mut(&key).unwrap().0 = b"{".to_vec();
                assert_eq!(end().await.unwrap_err().code, "RecordUnreadable");
                assert_eq!(world.engine().reap(true, &Operation::quiet()).await.living, 0, "no machine waits for that");
                world.state().buckets.get_mut(&bucket).unwrap().insert(key, kept);
            }
            end().await.unwrap();
            world.pass(10).await;
            assert_same("ended", &world.view(), &before);
            world.assert_lawful();
        });
    }
}

#[test]
fn a_set_up_of_before_is_told_before_anything_is_made() {
    run(async {
        let world = warm().await;
        let old = world.state().parameters[PARAMETER].replace(r#""group_document":"spawn-end-group-v1","#, "");
        world.state().parameters.insert(PARAMETER.to_owned(), old);
        let before = world.view();
        let error = world.engine().launch(FleetKind::Service, &service(2, json!({})), &Operation::quiet()).await.map(drop).unwrap_err();
        assert_eq!(error.code, "SetupOld");
        assert_same("refused", &world.view(), &before);
    });
}
