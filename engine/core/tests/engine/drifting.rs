//! What somebody changes behind everybody's back: what a look at a fleet tells of it, and what puts it right.

use sandbox_cloud::request::{
    AttributeChange, CreateLaunchTemplateVersion, LaunchTemplateData, ModifyInstanceAttribute, ModifyLaunchTemplate, ModifyVolume,
    NamedTemplate,
};
use sandbox_cloud::scaling::{
    self, Distribution, GroupSettings, LaunchSource, Process, ScalingProcesses, TemplateSpecification, UpdateAutoScalingGroup,
};
use sandbox_cloud::{Reply, Request};
use serde_json::json;
use spawn_core::fleet::Fleet;
use spawn_core::operation::Operation;
use spawn_core::ports::Tags;
use spawn_core::rerun::Wanted;
use spawn_model::error::Class;
use spawn_model::ids::FleetId;
use spawn_model::layout;
use spawn_model::problem::Path;
use spawn_model::read::FieldType;
use spawn_model::record::FleetRecord;
use spawn_model::rules::read_spec;
use spawn_model::spec::{FleetKind, FleetSpec, LeaseSpec};
use spawn_model::stopping::OnEnd;
use spawn_model::tag;
use spawn_model::volume::VolumeSpec;

use crate::refreshing::{ALONE, refreshed, with_instances};
use crate::rights::{MANAGED, entitled, entitling};
use crate::services::{disarm, resize, serve, service};
use crate::simulated::door::{Process as OfSpawn, Trouble};
use crate::simulated::identity::Role;
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

/// Tells a group to launch a version of a template, and nothing else.
fn launch_from(world: &World, record: &FleetRecord, template: TemplateSpecification) {
    let LaunchSource::Mixed { overrides, distribution, .. } = source(world, record) else { panic!("mixed") };
    let settings = GroupSettings { source: Some(LaunchSource::Mixed { template, overrides, distribution }), ..GroupSettings::default() };
    let update = UpdateAutoScalingGroup { name: layout::scaling_name(&record.run), settings };
    let now = world.now();
    world.state().cloud.scale(now, REGION, scaling::Request::UpdateAutoScalingGroup(Box::new(update))).unwrap();
}

/// Makes a version of a service's template that boots something else, and the default one. Its number.
fn other_version(world: &World, record: &FleetRecord) -> String {
    let template = NamedTemplate::by_name(layout::scaling_name(&record.run));
    let data = LaunchTemplateData { user_data: Some(b"#!/bin/sh".to_vec()), ..LaunchTemplateData::default() };
    let (source_version, template_too) = (Some("$Latest".to_owned()), template.clone());
    let request = CreateLaunchTemplateVersion { template, source_version, data, ..CreateLaunchTemplateVersion::default() };
    let now = world.now();
    let made = world.state().cloud.call(now, REGION, Request::CreateLaunchTemplateVersion(Box::new(request))).unwrap();
    let Reply::LaunchTemplateVersion(made) = made else { panic!("{made:?}") };
    let number = made.number.to_string();
    let request = ModifyLaunchTemplate { template: template_too, default_version: Some(number.clone()) };
    world.state().cloud.call(now, REGION, Request::ModifyLaunchTemplate(request)).unwrap();
    number
}

/// What somebody puts into the template is launched only if the group is told so.
#[test]
fn another_version_of_a_services_template_is_told() {
    run(async {
        let world = warm().await;
        let record = serve(&world, &service(1, json!({}))).await;
        world.pass(SETTLE_S).await;
        let name = layout::scaling_name(&record.run);
        let other = other_version(&world, &record);
        assert_eq!((told(&world).await, other.as_str()), (Default::default(), "2"), "nobody launches it");
        let of = |version: &str| TemplateSpecification { version: Some(version.to_owned()), ..TemplateSpecification::by_name(&name) };
        let changed = |how: &str| vec![format!("its Auto Scaling group {name} was changed: it {how}")];
        for (version, expected) in [
            ("2", "launches version 2 of its template, and was told to launch version 1"),
            ("$Latest", "launches the latest or the default version of its template, whoever made it"),
            ("$Default", "launches the latest or the default version of its template, whoever made it"),
        ] {
            launch_from(&world, &record, of(version));
            assert_eq!(told(&world).await.1, changed(expected), "{version}");
        }
        launch_from(&world, &record, of("1"));
        assert_eq!(told(&world).await, Default::default());

        let data = LaunchTemplateData { image_id: Some(record.image.id.clone()), ..LaunchTemplateData::default() };
        let request = sandbox_cloud::request::CreateLaunchTemplate { name: "another".to_owned(), data, ..Default::default() };
        let now = world.now();
        world.state().cloud.call(now, REGION, Request::CreateLaunchTemplate(Box::new(request))).unwrap();
        launch_from(&world, &record, TemplateSpecification { version: Some("1".to_owned()), ..TemplateSpecification::by_name("another") });
        assert_eq!(told(&world).await.1, changed("launches what the template another says, which is not its own"));

        // What changes the lease, the tags or the size makes a version of its own, and tells the group.
        lease_again(&world).await;
        assert_eq!(told(&world).await, Default::default());
        let engine = world.engine();
        let fleet = engine.find("tiles").await.unwrap();
        let tagged = FleetSpec { tags: [("owner".to_owned(), "ada".to_owned())].into(), ..fleet.record.spec.clone() };
        engine.update(&fleet, &tagged).await.unwrap();
        assert_eq!(told(&world).await, Default::default());
        resize(&world, 2).await.unwrap();
        assert_eq!(told(&world).await, Default::default());
        world.assert_lawful();
    });
}

#[test]
fn processes_that_somebody_has_suspended_are_told() {
    run(async {
        let world = warm().await;
        let record = serve(&world, &service(1, json!({}))).await;
        world.pass(SETTLE_S).await;
        let name = layout::scaling_name(&record.run);
        let scale = |request: fn(ScalingProcesses) -> scaling::Request, processes: &[Process]| {
            let now = world.now();
            let request = request(ScalingProcesses { name: name.clone(), processes: processes.to_vec() });
            world.state().cloud.scale(now, REGION, request).unwrap();
        };
        for (process, expected) in [
            (Process::HealthCheck, "does not look whether its instances work"),
            (Process::Launch, "launches nothing, so that what is lost stays lost"),
            (Process::ReplaceUnhealthy, "keeps instances that do not work"),
            (Process::ScheduledActions, "does nothing by the clock, so that its own action does not empty it at the deadline"),
            (Process::Terminate, "ends nothing, so that its own action does not empty it at the deadline"),
        ] {
            scale(scaling::Request::SuspendProcesses, &[process]);
            let changed = format!("its Auto Scaling group {name} was changed: it {expected} ({} is suspended)", process.name());
            assert_eq!(told(&world).await, (Vec::new(), vec![changed]));
            scale(scaling::Request::ResumeProcesses, &[process]);
            assert_eq!(told(&world).await, Default::default());
        }
        scale(scaling::Request::ResumeProcesses, &[]);
        let moves = "ends instances that work, to have as many in each zone (AZRebalance is not suspended)";
        assert_eq!(told(&world).await.1, [format!("its Auto Scaling group {name} was changed: it {moves}")]);
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
        let volume = &world.process().aws().instances.volumes(&tags).await.unwrap()[0].id;
        let left = format!("{id} leaves its volume {volume} ({device}) behind when it ends, which then costs on");
        assert_eq!(told(&world).await.1, [left]);
        modify(&world, &id, ends(true));
        assert_eq!(told(&world).await.1, Vec::<String>::new());
    });
}

/// The volume of a fleet's only instance at a device.
async fn volume_at(world: &World, fleet: &FleetId, device: &str) -> String {
    let tags = Tags::from([(tag::FLEET.to_owned(), fleet.to_string())]);
    let instances = world.process().aws().instances.describe(&tags).await.unwrap();
    instances[0].volumes.iter().find(|volume| volume.device == device).unwrap().volume_id.clone()
}

/// Changes a volume, and waits until it is what it is to be.
async fn reshape(world: &World, change: ModifyVolume) {
    let now = world.now();
    world.state().cloud.call(now, REGION, Request::ModifyVolume(change)).unwrap();
    world.pass(10).await;
}

/// Whoever makes a disk larger pays more, and nobody else would hear of it. What was left to EC2 counts as well.
#[test]
fn a_volume_that_was_changed_is_told() {
    for (device, change, expected) in [
        ("/dev/xvda", ModifyVolume { size: Some(20), ..ModifyVolume::default() }, "20 GiB instead of 8"),
        ("/dev/sdf", ModifyVolume { size: Some(11), ..ModifyVolume::default() }, "11 GiB instead of 10"),
        (
            "/dev/sdf",
            ModifyVolume { volume_type: Some("io2".to_owned()), iops: Some(4_000), ..ModifyVolume::default() },
            "type io2 instead of gp3",
        ),
        ("/dev/sdf", ModifyVolume { iops: Some(4_000), ..ModifyVolume::default() }, "4000 operations a second instead of 3000"),
        ("/dev/sdf", ModifyVolume { throughput: Some(500), ..ModifyVolume::default() }, "500 MiB a second instead of 125"),
        (
            "/dev/sdf",
            ModifyVolume { size: Some(12), throughput: Some(500), ..ModifyVolume::default() },
            "12 GiB instead of 10 and 500 MiB a second instead of 125",
        ),
    ] {
        run(async {
            let world = warm().await;
            let usual = stopping(3600);
            let disk = VolumeSpec { size_gib: Some(10), ..usual.root_volume.clone() };
            let spec = FleetSpec { volumes: [("/dev/sdf".to_owned(), disk)].into(), ..usual };
            let record = engine_launch(&world, &spec).await;
            world.pass(SETTLE_S).await;
            assert_eq!(told(&world).await, Default::default());
            let volume_id = volume_at(&world, &record.fleet, device).await;
            reshape(&world, ModifyVolume { volume_id: volume_id.clone(), ..change.clone() }).await;
            let id = examined(&world).await.alive[0].0.clone();
            let changed = format!("{id} has a volume {volume_id} ({device}) of {expected}: its price is another one");
            assert_eq!(told(&world).await.1, [changed]);
            assert_eq!(world.engine().find("tiles").await.unwrap().changed, [""; 0], "whoever waits for it is not told");
        });
    }
}

/// An older version has not recorded how large the image was.
#[test]
fn a_root_volume_of_which_nobody_knows_how_large_it_was_is_not_told() {
    run(async {
        let world = warm().await;
        let record = engine_launch(&world, &stopping(3600)).await;
        world.pass(SETTLE_S).await;
        world.state().edit_records(|record| record.image.root_gib = None);
        let volume_id = volume_at(&world, &record.fleet, &record.image.root_device).await;
        reshape(&world, ModifyVolume { volume_id, size: Some(20), ..ModifyVolume::default() }).await;
        assert_eq!(told(&world).await, Default::default());
    });
}

/// How often a process has made a call.
fn calls(process: &OfSpawn, call: &str) -> usize {
    process.calls().iter().filter(|made| **made == call).count()
}

/// Of many fleets, those that say what their disks are to be share one list of all volumes; the others ask for none.
#[test]
fn volumes_of_many_are_listed_once_and_only_where_somebody_chose_them() {
    run(async {
        let (world, mut fleets) = with_instances(150).await;
        let value = json!({
            "name": "disk", "instance_types": ["t3.micro"], "command": ["./serve"], "lease": { "ttl": "8h" }, "root_volume": { "size_gib": 20 },
        });
        let spec = read_spec(FleetKind::Instance, &value.into()).0.unwrap();
        let chosen = engine_launch(&world, &spec).await.fleet;
        world.pass(SETTLE_S).await;

        let process = world.process();
        refreshed(&process.engine(), &fleets, 10).await;
        assert_eq!(calls(&process, "ec2:DescribeVolumes"), ALONE);

        let volume_id = volume_at(&world, &chosen, "/dev/xvda").await;
        reshape(&world, ModifyVolume { volume_id, size: Some(30), ..ModifyVolume::default() }).await;
        fleets.push(chosen);
        let process = world.process();
        let seen = refreshed(&process.engine(), &fleets, 10).await;
        let told: Vec<usize> = (0..fleets.len()).filter(|at| !seen[*at].changed.is_empty()).collect();
        assert_eq!((told, calls(&process, "ec2:DescribeVolumes")), (vec![150], ALONE + 1));
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

/// Somebody else's policy, and nobody's limit: a role is what all of that makes of it.
#[test]
fn a_role_that_has_become_another_one_is_told() {
    type Edit = fn(&mut Role);
    let edits: [(Edit, &str); 6] = [
        (
            |role| {
                role.managed.insert("arn:aws:iam::aws:policy/Extra".to_owned());
            },
            "has arn:aws:iam::aws:policy/Extra as well",
        ),
        (
            |role| {
                role.others.insert("more".to_owned());
            },
            "has further policies of its own: more",
        ),
        (|role| role.boundary = None, "has no permissions boundary any more, and may do whatever its policies say"),
        (
            |role| role.boundary = Some("arn:aws:iam::aws:policy/All".to_owned()),
            "has another permissions boundary, arn:aws:iam::aws:policy/All",
        ),
        (
            |role| role.service = "lambda.amazonaws.com".to_owned(),
            "has another trust policy: its machines may not be able to have it, or others may be",
        ),
        (
            |role| {
                role.boundary = None;
                role.others.insert("more".to_owned());
            },
            "has further policies of its own: more; it has no permissions boundary any more, and may do whatever its policies say",
        ),
    ];
    run(async {
        let world = warm().await;
        let record = engine_launch(&world, &stopping(3600)).await;
        world.pass(SETTLE_S).await;
        let name = layout::role_name(&record.fleet);
        let made = world.state().roles[&name].clone();
        for (edit, expected) in edits {
            edit(world.state().roles.get_mut(&name).unwrap());
            assert_eq!(told(&world).await, (Vec::new(), vec![format!("its role {name} was changed: it {expected}")]));
            world.state().roles.insert(name.clone(), made.clone());
            assert_eq!(told(&world).await, Default::default());
        }
    });
}

#[test]
fn a_managed_policy_that_was_asked_for_and_is_gone_is_told() {
    run(async {
        let world = entitling().await;
        let record = engine_launch(&world, &FleetSpec { policies: entitled(1).policies, ..stopping(3600) }).await;
        world.pass(SETTLE_S).await;
        assert_eq!(told(&world).await, Default::default());
        let name = layout::role_name(&record.fleet);
        world.state().roles.get_mut(&name).unwrap().managed.clear();
        assert_eq!(told(&world).await.1, [format!("its role {name} was changed: it has lost {MANAGED}, which was asked for")]);
    });
}

/// Who may not look at one thing is told that, and what is to be told of the others.
#[test]
fn what_may_not_be_looked_at_is_told_and_hides_nothing_else() {
    run(async {
        let world = warm().await;
        let record = engine_launch(&world, &stopping(3600)).await;
        world.pass(SETTLE_S).await;
        let made = world.process();
        made.engine().examine("tiles").await.unwrap();
        world.state().schedules.remove(&("spawn".to_owned(), layout::schedule_name(&record.run, 0))).unwrap();
        for (call, what) in [
            ("iam:GetRole", "what its role has beside its own policy"),
            ("iam:ListAttachedRolePolicies", "what its role has beside its own policy"),
            ("iam:ListRolePolicies", "what its role has beside its own policy"),
            ("iam:GetRolePolicy", "its role"),
            ("ec2:DescribeVolumes", "its volumes"),
        ] {
            let at = made.calls().iter().position(|other| *other == call).unwrap();
            let process = world.process().with(at, Trouble::Refused(Class::Denied));
            let fleet = process.engine().examine("tiles").await.unwrap();
            assert_eq!(fleet.unseen, [format!("{what} could not be looked at: the permission {call} is missing. Try again")]);
            assert_eq!((fleet.changed.len(), fleet.lease_faults.len()), (0, 1), "{call}");
        }
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
