//! What launches name: placement groups, key pairs, disks and the keys they are encrypted with; and hibernation.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod world;

use sandbox_cloud::model::{InstanceState, PlacementGroup, Snapshot, Volume};
use sandbox_cloud::request::{
    BlockDevice, CreatePlacementGroup, CreateSnapshot, DeleteKeyPair, DescribeById, DescribeKeyPairs, DescribePlacementGroups,
    DescribeSnapshots, Filter, ImportKeyPair, InstanceIds, OneId, Placement, RunInstances, SpotOptions, StopInstances,
};
use sandbox_cloud::{ApiError, Change, HaltReason, Reply, Request};
use world::{World, launch};

/// Takes a reply apart, which can only be of the call's own kind.
macro_rules! reply {
    ($answer:expr, $variant:ident) => {
        match $answer {
            Reply::$variant(inner) => inner,
            other => panic!("{other:?}"),
        }
    };
}

fn group(world: &mut World, name: &str, strategy: &str) -> Result<PlacementGroup, ApiError> {
    let request = CreatePlacementGroup { group_name: name.to_owned(), strategy: Some(strategy.to_owned()), ..Default::default() };
    Ok(reply!(world.call(Request::CreatePlacementGroup(request))?, PlacementGroup))
}

fn into(group: &str, zone: Option<&str>, request: RunInstances) -> RunInstances {
    let placement = Placement { group_name: Some(group.to_owned()), availability_zone: zone.map(str::to_owned), ..Default::default() };
    RunInstances { placement, ..request }
}

#[test]
fn a_cluster_lies_in_one_zone() {
    let mut world = World::default();
    let before = world.cloud.snapshot();
    let made = group(&mut world, "near", "cluster").unwrap();
    assert_eq!(group(&mut world, "near", "cluster").unwrap_err().code, "InvalidPlacementGroup.Duplicate");
    assert_eq!(group(&mut world, "x", "heap").unwrap_err().code, "InvalidParameterValue");
    assert!(group(&mut world, "x", "partition").unwrap_err().gap);
    let small = RunInstances { instance_type: "t3.micro".into(), ..launch(1, 1) };
    let refused = world.try_run(into("near", None, small)).unwrap_err();
    assert_eq!(refused.code, "InvalidParameterCombination");
    assert_eq!(refused.message, "Placement groups may not be used with instances of type 't3.micro'.");
    let mut ids = world.run(into("near", Some("us-east-1b"), launch(2, 2)));
    let elsewhere = world.try_run(into("near", Some("us-east-1a"), launch(1, 1))).unwrap_err();
    assert_eq!(elsewhere.code, "InvalidPlacementGroup.InUse");
    assert_eq!(elsewhere.message, "The placement group 'near' is in use in another availability zone: us-east-1b");
    ids.extend(world.run(into("near", None, launch(20, 20))));
    assert!(ids.iter().all(|id| world.cloud.machine(id).unwrap().availability_zone == "us-east-1b"));
    let by_id = Placement { group_id: Some(made.id.clone()), ..Default::default() };
    ids.extend(world.run(RunInstances { placement: by_id, ..launch(1, 1) }));
    assert_eq!(world.find(vec![Filter::new("placement-group-name", ["near"])]).unwrap().len(), 23);
    let delete = Request::DeletePlacementGroup(OneId { id: "near".into() });
    assert_eq!(world.call(delete.clone()).unwrap_err().code, "InvalidPlacementGroup.InUse");
    world.change(Request::TerminateInstances, &ids).unwrap();
    assert_eq!(world.call(delete.clone()).unwrap_err().code, "InvalidPlacementGroup.InUse", "until they have terminated");
    world.wait(2_000);
    world.call(delete.clone()).unwrap();
    assert_eq!(world.call(delete).unwrap_err().code, "InvalidPlacementGroup.Unknown");
    assert_eq!(world.try_run(into("near", None, launch(1, 1))).unwrap_err().code, "InvalidPlacementGroup.Unknown");
    assert_eq!(world.cloud.snapshot(), before);
}

#[test]
fn a_spread_has_seven_running_in_a_zone() {
    let mut world = World::default();
    group(&mut world, "far", "spread").unwrap();
    let a = |request| into("far", Some("us-east-1a"), request);
    assert_eq!(world.try_run(a(launch(8, 8))).unwrap_err().code, "InsufficientInstanceCapacity");
    let ids = world.run(a(launch(1, 9)));
    assert_eq!(ids.len(), 7, "as many as there is room for");
    assert_eq!(world.try_run(a(launch(1, 1))).unwrap_err().code, "InsufficientInstanceCapacity");
    assert_eq!(world.run(into("far", Some("us-east-1b"), launch(7, 7))).len(), 7, "each zone has its own");
    world.wait(2_000);
    world.change(world::stop, &ids[..2]).unwrap();
    world.wait(1_000);
    assert_eq!(world.run(a(launch(2, 2))).len(), 2, "those that are stopped do not count");
    assert_eq!(world.change(Request::StartInstances, &ids[..1]).unwrap_err().code, "InsufficientInstanceCapacity");
    let request = DescribePlacementGroups { filters: vec![Filter::new("strategy", ["spread"])], ..Default::default() };
    assert_eq!(reply!(world.call(Request::DescribePlacementGroups(request)).unwrap(), PlacementGroups).len(), 1);
    let unknown = DescribePlacementGroups { group_names: vec!["none".into()], ..Default::default() };
    assert_eq!(world.call(Request::DescribePlacementGroups(unknown)).unwrap_err().code, "InvalidPlacementGroup.Unknown");
}

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEHDVmQXvsCkuWzQ5xOKK4vzGmTLQFn2s7X3vXo0TQpV someone@somewhere";

fn import(world: &mut World, name: &str, material: &str) -> Result<String, ApiError> {
    let request = ImportKeyPair { key_name: name.into(), public_key_material: material.into(), ..Default::default() };
    Ok(reply!(world.call(Request::ImportKeyPair(request))?, KeyPair).id)
}

#[test]
fn keys() {
    let mut world = World::default();
    for wrong in ["", "ssh-ed25519", "ssh-dss AAAA x", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAA x", "ssh-ed25519 !!!!", &format!("{KEY}\n{KEY}")] {
        assert_eq!(import(&mut world, "me", wrong).unwrap_err().code, "InvalidKey.Format", "{wrong}");
    }
    assert_eq!(import(&mut world, "", KEY).unwrap_err().code, "InvalidParameterValue");
    let id = import(&mut world, "me", &format!("{KEY}\n")).unwrap();
    assert_eq!(import(&mut world, "me", KEY).unwrap_err().code, "InvalidKeyPair.Duplicate");
    let ids = world.run(RunInstances { key_name: Some("me".into()), ..launch(1, 1) });
    assert_eq!(world.instance(&ids[0]).key_name.as_deref(), Some("me"));
    assert_eq!(world.cloud.machine(&ids[0]).unwrap().public_key, Some(("me".to_owned(), KEY.to_owned())));
    let describe = |include_public_key| Request::DescribeKeyPairs(DescribeKeyPairs { include_public_key, ..Default::default() });
    let told = |world: &mut World, include| reply!(world.call(describe(include)).unwrap(), KeyPairs).remove(0);
    let key = told(&mut world, false);
    assert_eq!((key.key_type, key.public_key.as_str(), key.fingerprint.len()), ("ed25519", "", 47));
    assert_eq!(told(&mut world, true).public_key, KEY);
    let delete = |name: Option<&str>, id: Option<&str>| {
        Request::DeleteKeyPair(DeleteKeyPair { key_name: name.map(str::to_owned), key_pair_id: id.map(str::to_owned) })
    };
    assert_eq!(reply!(world.call(delete(None, Some(&id))).unwrap(), KeyPairDeleted), Some(id.clone()));
    assert_eq!(reply!(world.call(delete(Some("me"), None)).unwrap(), KeyPairDeleted), None, "by name that is no error");
    assert_eq!(world.call(delete(None, Some(&id))).unwrap_err().code, "InvalidKeyPair.NotFound");
    let launch = RunInstances { key_name: Some("me".into()), ..launch(1, 1) };
    assert_eq!(world.try_run(launch).unwrap_err().code, "InvalidKeyPair.NotFound");
}

fn disk(name: &str, size: Option<i64>) -> BlockDevice {
    BlockDevice { device_name: name.to_owned(), volume_size: size, ..Default::default() }
}

fn with(disks: Vec<BlockDevice>) -> RunInstances {
    RunInstances { block_device_mappings: disks, ..launch(1, 1) }
}

fn volumes_of(world: &mut World, id: &str) -> Vec<Volume> {
    let filters = vec![Filter::new("attachment.instance-id", [id])];
    let request = DescribeById { filters, ..Default::default() };
    let mut found = reply!(world.call(Request::DescribeVolumes(request)).unwrap(), Volumes).items;
    found.sort_by_key(|v| v.attachment.as_ref().map(|a| a.device.clone()));
    found
}

fn snapshot(world: &mut World, volume_id: &str) -> Snapshot {
    let request = CreateSnapshot { volume_id: volume_id.to_owned(), description: "d".into(), ..Default::default() };
    reply!(world.call(Request::CreateSnapshot(request)).unwrap(), Snapshot)
}

#[test]
fn a_disk_that_begins_as_a_snapshot() {
    let mut world = World::default();
    let ids = world.run(with(vec![BlockDevice { encrypted: Some(true), ..disk("/dev/sdf", Some(50)) }]));
    world.wait(2_000);
    let data = volumes_of(&mut world, &ids[0])[0].clone();
    assert!(data.kms_key_id.as_ref().unwrap().starts_with("arn:aws:kms:us-east-1:123456789012:key/"), "the account's own key");
    let made = snapshot(&mut world, &data.id);
    let from = |size| BlockDevice { snapshot_id: Some(made.id.clone()), ..disk("/dev/sdg", size) };
    assert_eq!(world.try_run(with(vec![from(None)])).unwrap_err().code, "IncorrectState", "it is not complete yet");
    world.wait(2_000);
    for (request, code, words) in [
        (with(vec![from(Some(49))]), "InvalidBlockDeviceMapping", "expect size>= 50GB"),
        (
            with(vec![BlockDevice { snapshot_id: Some("snap-00000000000000000".into()), ..disk("/dev/sdg", None) }]),
            "InvalidSnapshot.NotFound",
            "",
        ),
        (
            with(vec![BlockDevice { snapshot_id: Some(made.id.clone()), ..disk("/dev/xvda", None) }]),
            "InvalidBlockDeviceMapping",
            "root device",
        ),
        (with(vec![BlockDevice { throughput: Some(1_000), ..disk("/dev/xvda", None) }]), "InvalidParameterValue", "ratio of 0.333333"),
        (with(vec![BlockDevice { volume_type: Some("st1".into()), ..disk("/dev/xvda", Some(500)) }]), "InvalidBlockDeviceMapping", "st1"),
    ] {
        let error = world.try_run(request).unwrap_err();
        assert_eq!(error.code, code, "{error}");
        assert!(error.message.contains(words), "{error}");
    }
    let again = world.run(with(vec![from(Some(60))]));
    let volume = volumes_of(&mut world, &again[0])[0].clone();
    assert_eq!(
        (volume.size, volume.encrypted, &volume.kms_key_id, &volume.snapshot_id),
        (60, true, &data.kms_key_id, &Some(made.id.clone()))
    );
    let describe = DescribeSnapshots { owners: vec!["self".into()], ..Default::default() };
    let listed = reply!(world.call(Request::DescribeSnapshots(describe)).unwrap(), Snapshots).items;
    assert_eq!(listed.iter().map(|s| (s.completed, s.volume_size)).collect::<Vec<_>>(), [(true, 50)]);
    let delete = Request::DeleteSnapshot(OneId { id: made.id });
    world.call(delete.clone()).unwrap();
    assert_eq!(world.call(delete).unwrap_err().code, "InvalidSnapshot.NotFound");
}

/// EC2 looks at a key only when it uses it: the launch succeeds, and the instance ends by itself.
#[test]
fn a_key_that_is_not_there() {
    let root = |key: &str| vec![BlockDevice { encrypted: Some(true), kms_key_id: Some(key.to_owned()), ..disk("/dev/xvda", None) }];
    let mut world = World::default();
    let own = world.run(with(root("alias/data")));
    world.wait(2_000);
    assert_eq!(world.state(&own[0]), InstanceState::Running);
    for key in ["alias/none", "arn:aws:kms:eu-west-1:123456789012:key/1", "nonsense"] {
        let ids = world.run(with(root(key)));
        assert_eq!(world.wait(2_000), [], "{key}: it never boots");
        let instance = world.instance(&ids[0]);
        assert_eq!(instance.state, InstanceState::ShuttingDown, "{key}");
        assert_eq!(instance.state_reason.unwrap().code, "Client.InvalidKMSKey.InvalidState");
        world.wait(1_000);
        assert_eq!(world.state(&ids[0]), InstanceState::Terminated);
    }
    world.cloud.kms_key_known("arn:aws:kms:us-east-1:999999999999:key/1234");
    let foreign = world.run(with(root("arn:aws:kms:us-east-1:999999999999:key/1234")));
    world.wait(2_000);
    assert_eq!(world.state(&foreign[0]), InstanceState::Running);
}

fn sleepy(instance_type: &str, root: BlockDevice) -> RunInstances {
    RunInstances { hibernation: true, instance_type: instance_type.to_owned(), ..with(vec![root]) }
}

#[test]
fn what_hibernation_needs() {
    let root = |size| BlockDevice { encrypted: Some(true), ..disk("/dev/xvda", Some(size)) };
    let spot = RunInstances { spot: Some(SpotOptions { max_price: None }), ..sleepy("c7i.large", root(20)) };
    let mut world = World::default();
    for (request, words) in [
        (sleepy("r6i.large", root(100)), "not supported for instances of type r6i.large"),
        (sleepy("c7i.large", disk("/dev/xvda", Some(20))), "the root device volume must be encrypted."),
        (sleepy("c7i.4xlarge", root(20)), "must be able to hold the 32768 MiB of memory"),
        (spot, "one-time Spot"),
    ] {
        let error = world.try_run(request).unwrap_err();
        assert_eq!(error.code, "UnsupportedHibernationConfiguration");
        assert!(error.message.contains(words), "{error}");
    }
}

#[test]
fn what_hibernates_comes_back() {
    let mut world = World::default();
    let root = BlockDevice { encrypted: Some(true), ..disk("/dev/xvda", Some(20)) };
    let ids = world.run(sleepy("c7i.large", root));
    let plain = world.run(launch(1, 1));
    world.wait(2_000);
    let hibernate = |ids: &[String]| Request::StopInstances(StopInstances { instance_ids: ids.to_vec(), hibernate: true });
    let error = world.call(hibernate(&plain)).unwrap_err();
    assert_eq!(error.code, "UnsupportedHibernationConfiguration");
    assert!(error.message.ends_with(&format!("was not configured at launch for hibernation: {}", plain[0])), "{error}");
    world.call(hibernate(&ids)).unwrap();
    assert_eq!(world.wait(0), [Change::Halt { id: ids[0].clone(), why: HaltReason::Hibernate }]);
    world.wait(1_000);
    let instance = world.instance(&ids[0]);
    assert_eq!((instance.state, instance.hibernation), (InstanceState::Stopped, true));
    assert_eq!(instance.state_reason.unwrap().code, "Client.UserInitiatedHibernate");
    world.call(Request::StartInstances(InstanceIds { instance_ids: ids.clone() })).unwrap();
    assert_eq!(world.wait(2_000), [Change::Boot(ids[0].clone())]);
    world.change(world::stop, &ids).unwrap();
    assert_eq!(world.wait(0), [Change::Halt { id: ids[0].clone(), why: HaltReason::Stop }], "it may also just stop");
}
