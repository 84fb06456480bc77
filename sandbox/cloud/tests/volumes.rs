//! Volumes that change while they are there.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod world;

use sandbox_cloud::model::{ModificationState, Volume, VolumeModification};
use sandbox_cloud::request::{BlockDevice, DescribeById, Filter, ModifyVolume, RunInstances};
use sandbox_cloud::{ApiError, Reply, Request};
use world::{World, launch};

use ModificationState::{Completed, Modifying, Optimizing};

/// A machine with a root volume of 8 GiB and another one, whose id is told.
fn with_volume(world: &mut World, other: BlockDevice) -> String {
    let device = BlockDevice { device_name: "/dev/sdf".to_owned(), ..other };
    world.run(RunInstances { block_device_mappings: vec![device], ..launch(1, 1) });
    world.wait(2_000);
    volumes(world).into_iter().find(|volume| volume.attachment.as_ref().unwrap().device == "/dev/sdf").unwrap().id
}

fn of(volume_type: &str, gib: i64, iops: Option<i64>) -> BlockDevice {
    BlockDevice { volume_type: Some(volume_type.to_owned()), volume_size: Some(gib), iops, ..BlockDevice::default() }
}

fn volumes(world: &mut World) -> Vec<Volume> {
    match world.call(Request::DescribeVolumes(DescribeById::default())).unwrap() {
        Reply::Volumes(found) => found.items,
        other => panic!("{other:?}"),
    }
}

fn volume(world: &mut World, id: &str) -> Volume {
    volumes(world).into_iter().find(|volume| volume.id == id).unwrap()
}

fn change(world: &mut World, request: ModifyVolume) -> Result<VolumeModification, ApiError> {
    match world.call(Request::ModifyVolume(request))? {
        Reply::VolumeModification(change) => Ok(change),
        other => panic!("{other:?}"),
    }
}

fn larger(id: &str, gib: i64) -> ModifyVolume {
    ModifyVolume { volume_id: id.to_owned(), size: Some(gib), ..ModifyVolume::default() }
}

fn told(world: &mut World, request: DescribeById) -> Result<Vec<VolumeModification>, ApiError> {
    match world.call(Request::DescribeVolumesModifications(request))? {
        Reply::VolumesModifications(found) => Ok(found.items),
        other => panic!("{other:?}"),
    }
}

fn by_id(id: &str) -> DescribeById {
    DescribeById { ids: vec![id.to_owned()], ..DescribeById::default() }
}

#[test]
fn a_change_takes_effect_after_a_moment_and_goes_on_for_long() {
    let mut world = World::default();
    let id = with_volume(&mut world, of("gp3", 10, None));
    let asked = ModifyVolume { iops: Some(4_000), throughput: Some(500), ..larger(&id, 100) };
    let begun = change(&mut world, asked).unwrap();
    assert_eq!((begun.original.size, begun.target.size, begun.told.state), (10, 100, Modifying));
    let size_and_speed = |world: &mut World| {
        let seen = volume(world, &id);
        (seen.size, seen.iops, seen.throughput)
    };
    // The moment, and 21 seconds a GiB.
    for (wait_ms, state, percent, seen) in [
        (1_999, Modifying, 0, (10, Some(3_000), Some(125))),
        (1, Optimizing, 0, (100, Some(4_000), Some(500))),
        (1_050_000, Optimizing, 50, (100, Some(4_000), Some(500))),
        (1_050_000, Completed, 100, (100, Some(4_000), Some(500))),
    ] {
        world.wait(wait_ms);
        let change = told(&mut world, by_id(&id)).unwrap().remove(0);
        assert_eq!((change.told.state, change.told.percent, change.told.end_time.is_some()), (state, percent, state == Completed));
        assert_eq!(size_and_speed(&mut world), seen, "{state:?}");
    }
    let by_state = |state: &str| DescribeById { filters: vec![Filter::new("modification-state", [state])], ..DescribeById::default() };
    assert_eq!(told(&mut world, by_state("completed")).unwrap().len(), 1);
    assert_eq!(told(&mut world, by_state("optimizing")).unwrap(), []);
}

/// One change at a time, and four a day.
#[test]
fn a_volume_changes_only_so_often() {
    let mut world = World::default();
    let id = with_volume(&mut world, of("gp3", 1, None));
    for gib in 2..=5 {
        change(&mut world, larger(&id, gib)).unwrap();
        let refused = change(&mut world, larger(&id, gib)).unwrap_err();
        assert_eq!(refused.message, format!("Volume {id} cannot be modified in modification state MODIFYING"));
        world.wait(10_000);
        let refused = change(&mut world, larger(&id, gib)).unwrap_err();
        assert_eq!((refused.code.as_str(), refused.message.ends_with("OPTIMIZING")), ("IncorrectModificationState", true));
        world.wait(110_000);
    }
    let refused = change(&mut world, larger(&id, 6)).unwrap_err();
    assert_eq!(refused.code, "VolumeModificationRateExceeded");
    // A day after the first of them.
    world.wait(24 * 3_600_000 - 8 * 60_000 - 1);
    assert_eq!(change(&mut world, larger(&id, 6)).unwrap_err(), refused, "it says until when");
    world.wait(1);
    change(&mut world, larger(&id, 6)).unwrap();
}

#[test]
fn what_a_volume_may_become() {
    type Asked<'a> = (Option<i64>, Option<&'a str>, Option<i64>, Option<i64>);
    type Became<'a> = Result<(i64, &'a str, Option<i64>, Option<i64>), &'a str>;
    let cases: [(BlockDevice, Asked, Became); 14] = [
        (of("gp3", 10, None), (Some(10), None, None, None), Ok((10, "gp3", Some(3_000), Some(125)))),
        (of("gp3", 10, Some(4_000)), (Some(11), None, None, None), Ok((11, "gp3", Some(4_000), Some(125)))),
        (of("gp3", 10, Some(4_000)), (None, None, None, Some(1_000)), Ok((10, "gp3", Some(4_000), Some(1_000)))),
        (of("gp3", 10, Some(4_000)), (None, Some("io2"), None, None), Ok((10, "io2", Some(4_000), None))),
        (of("gp3", 10, None), (None, Some("gp2"), None, None), Ok((10, "gp2", None, None))),
        (of("gp2", 10, None), (None, Some("gp3"), Some(3_000), Some(125)), Ok((10, "gp3", Some(3_000), Some(125)))),
        (of("gp3", 10, None), (Some(125), Some("st1"), None, None), Ok((125, "st1", None, None))),
        (of("gp3", 10, None), (None, Some("st1"), None, None), Err("InvalidParameterValue")),
        (of("gp3", 10, None), (Some(9), None, None, None), Err("InvalidParameterValue")),
        (of("gp3", 10, None), (None, None, None, None), Err("InvalidParameterValue")),
        (of("gp3", 10, None), (None, None, Some(5_001), None), Err("InvalidParameterValue")),
        (of("gp2", 10, None), (None, None, Some(3_000), None), Err("InvalidParameterCombination")),
        (of("gp2", 10, None), (None, Some("io1"), None, None), Err("InvalidParameterCombination")),
        (of("gp3", 10, None), (None, Some("gp9"), None, None), Err("InvalidParameterValue")),
    ];
    for (device, asked, expected) in cases {
        let mut world = World::default();
        let id = with_volume(&mut world, device);
        let (size, volume_type, iops, throughput) = asked;
        let request = ModifyVolume { volume_id: id.clone(), size, volume_type: volume_type.map(str::to_owned), iops, throughput };
        let changed = change(&mut world, request).map_err(|error| error.code);
        world.wait(2_000);
        let seen = volume(&mut world, &id);
        let became = changed.map(|_| (seen.size, seen.volume_type.clone(), seen.iops, seen.throughput));
        let expected = expected.map(|(size, kind, iops, throughput)| (size, kind.to_owned(), iops, throughput)).map_err(str::to_owned);
        assert_eq!(became, expected, "{asked:?}");
    }
}

/// What is not simulated is refused, and nothing boots from a disk that nothing boots from.
#[test]
fn what_no_change_of_a_volume_is() {
    let mut world = World::default();
    let magnetic = with_volume(&mut world, of("standard", 10, None));
    let root = volumes(&mut world).into_iter().find(|volume| volume.id != magnetic).unwrap().id;
    let into = |id: &str, kind: &str| ModifyVolume { volume_type: Some(kind.to_owned()), ..larger(id, 200) };
    assert!(change(&mut world, into(&magnetic, "gp3")).unwrap_err().gap);
    assert!(change(&mut world, into(&root, "standard")).unwrap_err().gap);
    assert_eq!(change(&mut world, into(&root, "st1")).unwrap_err().code, "InvalidBlockDeviceMapping");
    assert_eq!(change(&mut world, larger("vol-00000000000000001", 9)).unwrap_err().code, "InvalidVolume.NotFound");
    assert_eq!(told(&mut world, by_id("vol-00000000000000001")).unwrap_err().code, "InvalidVolume.NotFound");
    assert_eq!(told(&mut world, by_id(&root)).unwrap_err().code, "InvalidVolumeModification.NotFound");
    assert_eq!(told(&mut world, DescribeById::default()).unwrap(), [], "nothing has changed");

    let mut world = World::default();
    let id = with_volume(&mut world, of("gp2", 10, None));
    assert!(change(&mut world, into(&id, "gp3")).unwrap_err().gap, "what speed it would keep");
}
