//! The disks of a fleet's instances: what they are launched with, and what has become of them.

use std::collections::BTreeMap;
use std::iter;
use std::sync::Arc;

use spawn_model::record::FleetRecord;
use spawn_model::volume::{VolumeSpec, VolumeType};

use crate::ports::{Disk, Instances, Result, Tags, Volume};

/// Volumes by their ids.
pub(crate) type Volumes = BTreeMap<String, Volume>;

/// The root volume as the image names it, and the others.
pub(crate) fn asked(record: &FleetRecord) -> Vec<Disk> {
    let (image, root, others) = (&record.image, &record.spec.root_volume, &record.spec.volumes);
    let volume = VolumeSpec { size_gib: root.size_gib.or(image.root_gib), ..root.clone() };
    let root = Disk { device: image.root_device.clone(), volume };
    let others = others.iter().map(|(device, volume)| Disk { device: device.clone(), volume: volume.clone() });
    iter::once(root).chain(others).collect()
}

/// Whether a fleet says of its disks more than that it has to have one.
pub(crate) fn are_chosen(record: &FleetRecord) -> bool {
    let VolumeSpec { size_gib, r#type, iops, throughput_mib_s, .. } = &record.spec.root_volume;
    let is_usual = size_gib.is_none() && *r#type == VolumeType::Gp3 && iops.is_none() && throughput_mib_s.is_none();
    !is_usual || !record.spec.volumes.is_empty()
}

/// Those that carry tags.
pub(crate) async fn look(instances: &dyn Instances, tags: &Tags) -> Result<Arc<Volumes>> {
    let found = instances.volumes(tags).await?;
    Ok(Arc::new(found.into_iter().map(|volume| (volume.id.clone(), volume)).collect()))
}

/// What a volume has instead of what it was launched with. What nobody asked for is what EC2 gives without, if that is always the same.
pub(crate) fn unlike(asked: &VolumeSpec, found: &Volume) -> Vec<String> {
    let kind = asked.r#type;
    let size = asked.size_gib.filter(|gib| *gib != found.size_gib).map(|gib| format!("{} GiB instead of {gib}", found.size_gib));
    if found.kind != kind.word() {
        // Its speed is another one by that.
        return size.into_iter().chain([format!("type {} instead of {}", found.kind, kind.word())]).collect();
    }
    let speed = [
        (asked.iops.or(kind.usual_iops()), found.iops, "operations a second"),
        (asked.throughput_mib_s.or(kind.usual_mib_s()), found.throughput_mib_s, "MiB a second"),
    ];
    let other = |(asked, found, what): (Option<u32>, Option<u32>, &str)| {
        let (asked, found) = (asked?, found?);
        (asked != found).then(|| format!("{found} {what} instead of {asked}"))
    };
    size.into_iter().chain(speed.into_iter().filter_map(other)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(r#type: VolumeType, size_gib: Option<u32>, iops: Option<u32>, throughput_mib_s: Option<u32>) -> VolumeSpec {
        VolumeSpec { size_gib, r#type, iops, throughput_mib_s, snapshot: None, encrypted: true, kms_key: None }
    }

    #[test]
    fn a_volume_is_told_by_what_is_other_than_it_was_launched_with() {
        use VolumeType::{Gp2, Gp3, Io2};
        let (usual, plain) = ((Some(3_000), Some(125)), (None, None));
        for (asked, kind, size_gib, (iops, throughput_mib_s), expected) in [
            (asked(Gp3, Some(8), None, None), "gp3", 8, usual, ""),
            (asked(Gp3, Some(8), None, None), "gp3", 9, usual, "9 GiB instead of 8"),
            (asked(Gp3, None, None, None), "gp3", 9, usual, ""),
            (asked(Gp3, Some(8), None, None), "gp3", 8, (Some(4_000), Some(125)), "4000 operations a second instead of 3000"),
            (asked(Gp3, Some(8), Some(4_000), None), "gp3", 8, usual, "3000 operations a second instead of 4000"),
            (asked(Gp3, Some(8), None, None), "gp3", 8, (Some(3_000), Some(500)), "500 MiB a second instead of 125"),
            (asked(Gp3, Some(8), None, Some(250)), "gp3", 8, (None, None), ""),
            (asked(Gp3, Some(8), None, None), "io2", 8, (Some(4_000), None), "type io2 instead of gp3"),
            (asked(Io2, Some(8), Some(4_000), None), "io2", 8, (Some(5_000), None), "5000 operations a second instead of 4000"),
            // What a gp2 volume does depends on its size, and on that alone.
            (asked(Gp2, Some(8), None, None), "gp2", 80, (Some(240), None), "80 GiB instead of 8"),
            (asked(Gp2, Some(8), None, None), "standard", 80, plain, "80 GiB instead of 8 and type standard instead of gp2"),
        ] {
            let found = Volume { id: "vol-0".to_owned(), size_gib, kind: kind.to_owned(), iops, throughput_mib_s };
            assert_eq!(unlike(&asked, &found).join(" and "), expected, "{asked:?}, {found:?}");
        }
    }
}
