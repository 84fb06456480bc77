//! Calls about groups of instances: single ones, processes, schedules, the end.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod world;

use sandbox_cloud::Request;
use sandbox_cloud::model::{InstanceState, ShutdownBehavior};
use sandbox_cloud::request::LaunchTemplateData;
use sandbox_cloud::scaling::{
    self, ActivityStatus, GroupSettings, Process, PutScheduledUpdateGroupAction, TerminateInstanceInAutoScalingGroup,
};
use world::World;
use world::groups::{GROUP, settings, template};

#[test]
fn ending_one_of_a_group() {
    let mut world = World::default();
    world.group_of(1, 2, 3);
    let ids = world.in_service();
    let end = |world: &mut World, id: &str, decrement| {
        let request = TerminateInstanceInAutoScalingGroup { instance_id: id.to_owned(), decrement };
        let answer = world.scale(scaling::Request::TerminateInstanceInAutoScalingGroup(request));
        world.wait(60_000);
        answer
    };
    let scaling::Reply::Activity(activity) = end(&mut world, &ids[0], false).unwrap() else { panic!("no activity") };
    assert!(activity.cause.ends_with("was taken out of service in response to a user request."), "{activity:?}");
    assert_eq!(activity.status, ActivityStatus::InProgress);
    assert_eq!(world.in_service().len(), 2, "it was replaced");
    let scaling::Reply::Activity(activity) = end(&mut world, &ids[1], true).unwrap() else { panic!("no activity") };
    assert!(activity.cause.ends_with("shrinking the capacity from 2 to 1."), "{activity:?}");
    let left = world.in_service();
    assert_eq!((left.len(), world.group().unwrap().desired_capacity), (1, 1));
    let error = end(&mut world, &left[0], true).unwrap_err();
    assert!(error.message.starts_with("Currently, desiredSize equals minSize (1)."), "{error}");
    let error = end(&mut world, &ids[0], false).unwrap_err();
    assert_eq!(error.message, format!("Instance Id not found - No managed instance found for instance ID: {}", ids[0]));
    // One that does not even run yet can go, too, and its launch does not go on for ever.
    world.set_desired(3).unwrap();
    world.wait(2_000);
    let pending = world.group().unwrap().instances.into_iter().find(|i| i.lifecycle == scaling::Lifecycle::Pending).unwrap();
    end(&mut world, &pending.id, false).unwrap();
    assert_eq!(world.in_service().len(), 3);
    assert_eq!(world.activities().iter().filter(|a| a.status.is_going_on()).count(), 0);
}

#[test]
fn processes_that_are_suspended_do_nothing() {
    let mut world = World::default();
    world.group_of(0, 2, 4);
    let ids = world.in_service();
    world.suspend(&[Process::Launch]);
    world.set_desired(3).unwrap();
    world.wait(600_000);
    assert_eq!(world.in_service().len(), 2);
    world.resume();
    world.wait(60_000);
    assert_eq!(world.in_service().len(), 3);
    world.suspend(&[Process::Terminate]);
    world.set_desired(1).unwrap();
    world.wait(600_000);
    assert_eq!(world.in_service().len(), 3);
    world.set_desired(3).unwrap();
    world.resume();
    world.suspend(&[Process::HealthCheck]);
    world.change(world::stop, &ids[..1]).unwrap();
    world.wait(600_000);
    assert!(world.group().unwrap().instances.iter().all(|i| i.healthy));
    world.resume();
    world.suspend(&[Process::ReplaceUnhealthy]);
    world.wait(600_000);
    let sick: Vec<String> = world.group().unwrap().instances.iter().filter(|i| !i.healthy).map(|i| i.id.clone()).collect();
    assert_eq!(sick, ids[..1]);
    assert_eq!(world.state(&ids[0]), InstanceState::Stopped);
    world.resume();
    world.wait(120_000);
    assert_eq!((world.in_service().len(), world.state(&ids[0])), (3, InstanceState::Terminated));
}

#[test]
fn scheduled_sizes_come_at_their_time() {
    let mut world = World::default();
    world.group_of(0, 1, 2);
    let put = |world: &mut World, name: &str, in_s: i64, sizes: [Option<u32>; 3]| {
        let request = PutScheduledUpdateGroupAction {
            group_name: GROUP.to_owned(),
            name: name.to_owned(),
            start: Some(world.now + jiff::SignedDuration::from_secs(in_s)),
            end: None,
            min_size: sizes[0],
            max_size: sizes[1],
            desired_capacity: sizes[2],
        };
        world.scale(scaling::Request::PutScheduledUpdateGroupAction(request)).map(|_| ()).map_err(|error| error.code)
    };
    assert_eq!(put(&mut world, "past", -1, [None, None, Some(1)]).unwrap_err(), "ValidationError");
    assert_eq!(put(&mut world, "nothing", 60, [None; 3]).unwrap_err(), "ValidationError");
    assert_eq!(put(&mut world, "odd", 60, [Some(3), Some(2), None]).unwrap_err(), "ValidationError");
    put(&mut world, "grow", 3600, [Some(3), Some(5), Some(4)]).unwrap();
    assert_eq!(put(&mut world, "same time", 3600, [None, None, Some(1)]).unwrap_err(), "AlreadyExists");
    put(&mut world, "end", 7200, [Some(0), Some(0), Some(0)]).unwrap();
    world.wait(3_590_000);
    assert_eq!(world.in_service().len(), 1);
    world.wait(70_000);
    assert_eq!(world.in_service().len(), 4);
    assert!(world.activities()[0].cause.contains("the scheduled action grow executed."), "{}", world.activities()[0].cause);
    world.suspend(&[Process::ScheduledActions]);
    world.wait(3_600_000);
    assert_eq!(world.in_service().len(), 4, "what falls due while it is suspended is left out");
    assert_eq!(world.group().unwrap().actions.len(), 0);
    world.resume();
    put(&mut world, "end", 60, [Some(0), Some(0), Some(0)]).unwrap();
    world.wait(120_000);
    assert_eq!((world.in_service().len(), world.cloud.machine_ids().len()), (0, 0));
}

#[test]
fn a_deleted_group_leaves_nothing() {
    let mut world = World::default();
    let empty = world.cloud.snapshot();
    // Not even an instance that nobody else may end outlives it, nor one that stops instead of ending.
    let stubborn = LaunchTemplateData {
        disable_api_termination: Some(true),
        instance_initiated_shutdown_behavior: Some(ShutdownBehavior::Stop),
        ..template()
    };
    world.make_template(stubborn);
    let asked = GroupSettings { new_instances_protected: Some(true), ..settings(&mut world, 1, 3, 3) };
    world.try_group(asked.clone(), &[]).unwrap();
    world.wait(60_000);
    assert_eq!(world.delete_group(false).unwrap_err().code, "ResourceInUse");
    world.delete_group(true).unwrap();
    assert!(world.group().unwrap().deleting);
    assert!(world.try_group(asked, &[]).unwrap_err().message.contains("already exists and is pending delete."));
    assert_eq!(world.set_desired(1).unwrap_err(), "The AutoScaling group may not be modified while it is pending delete");
    world.delete_group(true).unwrap();
    world.wait(10_000);
    assert_eq!((world.group(), world.cloud.machine_ids()), (None, vec![]));
    let request = sandbox_cloud::request::NamedTemplate::by_name(world::groups::TEMPLATE);
    world.call(Request::DeleteLaunchTemplate(request)).unwrap();
    assert_eq!(world.cloud.snapshot(), empty);
    assert_eq!(world.cloud.take_own_calls().iter().filter(|call| call.operation == "TerminateInstances").count(), 1);
    assert_eq!(world.delete_group(true).unwrap_err().message, "AutoScalingGroup name not found - AutoScalingGroup 'web' not found");
    assert!(world.activities().iter().all(|a| a.of_deleted_group && a.status == ActivityStatus::Successful));
}

/// An engine waits for what comes next: a group that is of its size has nothing to wait for.
#[test]
fn a_group_of_its_size_is_asleep() {
    let mut world = World::default();
    world.group_of(0, 2, 2);
    assert_eq!(world.cloud.next_due(), None);
}

/// What nobody but AWS gives and takes.
#[test]
fn tags_of_aws_stay() {
    use sandbox_cloud::model::Tag;
    use sandbox_cloud::request::{CreateTags, DeleteTags, TagRemoval};
    let mut world = World::default();
    world.group_of(0, 1, 1);
    let id = world.in_service().remove(0);
    let resources = vec![id.clone()];
    world.call(Request::CreateTags(CreateTags { resources: resources.clone(), tags: vec![Tag::new("a", "b")] })).unwrap();
    let reserved = vec![TagRemoval { key: "aws:autoscaling:groupName".to_owned(), value: None }];
    let refused = world.call(Request::DeleteTags(DeleteTags { resources: resources.clone(), tags: reserved })).unwrap_err();
    assert_eq!(refused.code, "InvalidParameterValue");
    world.call(Request::DeleteTags(DeleteTags { resources, tags: vec![] })).unwrap();
    let keys: Vec<String> = world.instance(&id).tags.into_keys().collect();
    assert_eq!(keys, ["aws:autoscaling:groupName", "aws:ec2launchtemplate:id", "aws:ec2launchtemplate:version"]);
}
