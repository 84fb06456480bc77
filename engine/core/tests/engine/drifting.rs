//! What somebody changes behind everybody's back: what a look at a fleet tells of it, and what puts it right.

use sandbox_cloud::Request;
use sandbox_cloud::request::{AttributeChange, ModifyInstanceAttribute};
use sandbox_cloud::scaling::{self, Distribution, GroupSettings, LaunchSource, TemplateSpecification, UpdateAutoScalingGroup};
use serde_json::json;
use spawn_core::fleet::Fleet;
use spawn_core::operation::Operation;
use spawn_core::ports::Tags;
use spawn_core::rerun::Wanted;
use spawn_model::layout;
use spawn_model::problem::Path;
use spawn_model::read::FieldType;
use spawn_model::record::FleetRecord;
use spawn_model::spec::{FleetSpec, LeaseSpec};
use spawn_model::stopping::OnEnd;
use spawn_model::tag;

use crate::refreshing::{refreshed, with_instances};
use crate::services::{disarm, serve, service};
use crate::simulated::{REGION, World, run};
use crate::stopping::{ending, engine_launch, stopping};
use crate::warm;

/// How long after its launch what is missing of a fleet may only not be listed yet.
const SETTLE_S: u64 = 5 * 60;

async fn examined(world: &World) -> Fleet {
    world.engine().examine("tiles").await.unwrap()
}

/// What is told of a fleet: faults of its lease, and then what was changed.
async fn told(world: &World) -> (Vec<String>, Vec<String>) {
    let fleet = examined(world).await;
    (fleet.lease_faults, fleet.changed)
}

/// Gives a fleet the lease that it has.
async fn lease_again(world: &World) {
    let engine = world.engine();
    let fleet = engine.find("tiles").await.unwrap();
    engine.lease_change(&fleet, &fleet.record.spec.lease).await.unwrap();
}

#[test]
fn a_schedule_that_is_missing_or_disabled_is_a_fault_of_the_lease_which_the_same_lease_again_mends() {
    run(async {
        let world = warm().await;
        let record = engine_launch(&world, &ending(OnEnd::Hibernate, 3600)).await;
        world.pass(SETTLE_S).await;
        assert_eq!(told(&world).await, Default::default());
        let name = layout::schedule_name(&record.run, 0);
        let places: Vec<_> = world.state().schedules.keys().filter(|(_, of)| of.starts_with(&name)).cloned().collect();
        assert_eq!(places.len(), 3);
        for (place, does) in places.iter().zip(["ends", "hibernates", "stops"]) {
            let (_, name) = place;
            world.state().schedules.get_mut(place).unwrap().is_enabled = false;
            assert_eq!(told(&world).await.0, [format!("the schedule {name} that {does} it is disabled")]);
            world.state().schedules.remove(place);
            assert_eq!(told(&world).await.0, [format!("the schedule {name} that {does} it is not there")]);
            lease_again(&world).await;
            assert_eq!(told(&world).await, Default::default());
        }
    });
}

/// Whatever happens to it in order, it is no fault: from its launch until nothing is left.
#[test]
fn a_life_in_order_shows_neither_faults_nor_changes() {
    for on_expiry in [OnEnd::Terminate, OnEnd::Stop, OnEnd::Hibernate] {
        run(async {
            let world = warm().await;
            let lease = match on_expiry {
                OnEnd::Terminate => json!({ "ttl": "20m" }),
                kept => json!({ "ttl": "20m", "on_expiry": kept.word(), "retain": "1h" }),
            };
            let lease = LeaseSpec::read(&lease.into(), &Path::field("lease"), &mut Vec::new()).unwrap();
            let spec = FleetSpec { lease, ..ending(OnEnd::Stop, 3600) };
            engine_launch(&world, &spec).await;
            for minute in 0..100 {
                assert_eq!(told(&world).await, Default::default(), "{on_expiry:?}, minute {minute}");
                world.pass(60).await;
            }
        });
    }
}

#[test]
fn what_became_of_a_services_group_is_told() {
    run(async {
        let world = warm().await;
        let record = serve(&world, &service(2, json!({}))).await;
        world.pass(SETTLE_S).await;
        assert_eq!(told(&world).await, Default::default());
        disarm(&world, &record);
        assert_eq!(told(&world).await.0, ["nothing empties its Auto Scaling group at the deadline"]);
        lease_again(&world).await;
        assert_eq!(told(&world).await, Default::default());

        let name = layout::scaling_name(&record.run);
        let LaunchSource::Mixed { template, mut overrides, distribution } = source(&world, &record) else { panic!("mixed") };
        let template = TemplateSpecification { version: template.version, ..TemplateSpecification::by_name(&name) };
        overrides.push("m7i.large".to_owned());
        let distribution = Distribution { on_demand_base: 1, on_demand_percentage: 0, ..distribution };
        let settings = GroupSettings {
            max_size: Some(7),
            source: Some(LaunchSource::Mixed { template, overrides, distribution }),
            capacity_rebalance: Some(true),
            ..GroupSettings::default()
        };
        let now = world.now();
        let update = scaling::Request::UpdateAutoScalingGroup(Box::new(UpdateAutoScalingGroup { name: name.clone(), settings }));
        world.state().cloud.scale(now, REGION, update).unwrap();
        let changes = "it may have 7 instances, and is to have 2; it launches m7i.large too; it launches spot; it has 1 of them on demand; \
                       it replaces spot instances before EC2 takes them back";
        assert_eq!(told(&world).await.1, [format!("its Auto Scaling group {name} was changed: {changes}")]);
    });
}

fn source(world: &World, record: &FleetRecord) -> LaunchSource {
    let name = layout::scaling_name(&record.run);
    world.state().cloud.scaling_groups(REGION).find(|group| group.name == name).unwrap().source.clone()
}

fn modify(world: &World, instance_id: &str, change: AttributeChange) {
    let request = Request::ModifyInstanceAttribute(ModifyInstanceAttribute { instance_id: instance_id.to_owned(), change });
    let now = world.now();
    world.state().cloud.call(now, REGION, request).unwrap();
}

/// A disk that outlives its machine is a bill that nobody owns.
#[test]
fn a_volume_that_would_be_left_behind_is_told() {
    run(async {
        let world = warm().await;
        let record = engine_launch(&world, &stopping(3600)).await;
        let tags = Tags::from([(tag::FLEET.to_owned(), record.fleet.to_string())]);
        world.pass(60).await;
        let id = examined(&world).await.alive[0].0.clone();
        let device = &record.image.root_device;
        let ends = |ends| AttributeChange::DeleteOnTermination(vec![(device.clone(), ends)]);
        modify(&world, &id, ends(false));
        let volume = &world.process().aws().instances.volumes(&tags).await.unwrap()[0];
        let left = format!("{id} leaves its volume {volume} ({device}) behind when it ends, which then costs on");
        assert_eq!(told(&world).await.1, [left]);
        modify(&world, &id, ends(true));
        assert_eq!(told(&world).await.1, Vec::<String>::new());
    });
}

#[test]
fn a_role_that_may_do_something_else_is_told() {
    run(async {
        let world = warm().await;
        let record = engine_launch(&world, &stopping(3600)).await;
        world.pass(SETTLE_S).await;
        let role = layout::role_name(&record.fleet);
        let engine = world.engine();
        let fleet = engine.find("tiles").await.unwrap();
        engine.update(&fleet, &FleetSpec { connect: Some(false), ..fleet.record.spec.clone() }).await.unwrap();
        assert_eq!(told(&world).await, Default::default(), "who changes it in order says so");
        let policy = world.state().roles[&role].policy.clone().unwrap();
        // However it is written.
        let spaced = policy.replace("\":", "\" : ");
        for (now, expected) in [
            (Some(spaced), Vec::new()),
            (Some(policy.replace("s3:GetObject", "s3:*")), vec![format!("what its role {role} may do was changed")]),
            (None, vec![format!("its role {role} may do nothing any more: agents cannot follow the lease")]),
            (Some(policy), Vec::new()),
        ] {
            world.state().roles.get_mut(&role).unwrap().policy = now;
            assert_eq!(told(&world).await.1, expected);
        }
        world.state().roles.remove(&role);
        assert_eq!(told(&world).await.1.len(), 1);
    });
}

/// An older version may have given it other rights: what runs again has those of today.
#[test]
fn a_fleet_that_runs_again_has_the_role_that_its_record_says() {
    run(async {
        let world = warm().await;
        let record = engine_launch(&world, &stopping(3600)).await;
        world.pass(SETTLE_S).await;
        let role = layout::role_name(&record.fleet);
        let policy = world.state().roles[&role].policy.clone().unwrap();
        world.state().roles.get_mut(&role).unwrap().policy = Some(policy.replace("notices", "others"));
        assert_eq!(told(&world).await.1.len(), 1);
        let spec = FleetSpec { connect: Some(false), ..record.spec.clone() };
        world.engine().rerun(&record.fleet, &spec, Wanted::Anew, &Operation::quiet()).await.unwrap();
        world.pass(SETTLE_S).await;
        assert_eq!(told(&world).await, Default::default());
    });
}

/// A plan of many fleets finds the one that nothing ends from outside, in one list of all schedules.
#[test]
fn one_schedule_that_is_missing_among_many_is_found() {
    run(async {
        let (world, fleets) = with_instances(150).await;
        world.pass(SETTLE_S).await;
        let run = world.engine().look(&fleets[77]).await.unwrap().unwrap().record.run;
        let removed = world.state().schedules.remove(&("spawn".to_owned(), layout::schedule_name(&run, 0)));
        assert!(removed.is_some());
        let process = world.process();
        let seen = refreshed(&process.engine(), &fleets, 10).await;
        let faulty: Vec<usize> = (0..fleets.len()).filter(|at| !seen[*at].lease_faults.is_empty()).collect();
        assert_eq!(faulty, [77]);
        let lists = process.calls().iter().filter(|call| **call == "scheduler:ListSchedules").count();
        // Three look for their own, and the others at two pages of a hundred.
        assert_eq!(lists, 3 + 2);
    });
}

/// What has stopped can be made another type, which costs something else.
#[test]
fn another_type_is_told() {
    run(async {
        let world = warm().await;
        engine_launch(&world, &stopping(3600)).await;
        world.pass(25 * 60).await;
        let found = world.engine().find("tiles").await.unwrap();
        assert_eq!(found.changed, Vec::<String>::new());
        let instance_id = found.alive[0].0.clone();
        modify(&world, &instance_id, AttributeChange::InstanceType("c7i.xlarge".to_owned()));
        let changed = world.engine().find("tiles").await.unwrap().changed;
        assert_eq!(changed, [format!("{instance_id} is a c7i.xlarge, and was launched as a c7i.large: its price is another one")]);
    });
}
