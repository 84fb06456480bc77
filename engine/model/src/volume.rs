//! The disks of an instance.

use std::collections::BTreeMap;

use crate::network::is_id;
use crate::problem::{Path, Problem};
use crate::read::fields;
use crate::value::Value;
use crate::words::words;

/// The most volumes beside the root volume: what every Nitro type can attach, with its interface (EC2 user guide, "Amazon EBS volume limits").
pub const VOLUMES_MAX: usize = 20;

words! {
    /// What kind of disk a volume is.
    pub enum VolumeType, "no volume type" {
        /// General purpose.
        Gp3 = "gp3",
        /// General purpose, of the former generation.
        Gp2 = "gp2",
        /// Provisioned operations.
        Io1 = "io1",
        /// Provisioned operations, durable.
        Io2 = "io2",
        /// Hard disks for throughput.
        St1 = "st1",
        /// Hard disks for what is seldom read.
        Sc1 = "sc1",
    }
}

impl VolumeType {
    /// The sizes there are, in GiB (EBS user guide, "Amazon EBS volume types").
    #[must_use]
    pub const fn sizes_gib(self) -> (u32, u32) {
        match self {
            Self::Gp3 => (1, 65_536),
            Self::Gp2 => (1, 16_384),
            Self::Io2 => (4, 65_536),
            Self::Io1 => (4, 16_384),
            Self::St1 | Self::Sc1 => (125, 16_384),
        }
    }

    /// The operations a second that it has if nobody says how many, whatever its size; nothing if they depend on that, or have to be said.
    #[must_use]
    pub const fn usual_iops(self) -> Option<u32> {
        if matches!(self, Self::Gp3) { Some(3_000) } else { None }
    }

    /// The MiB a second that it has if nobody says how many; nothing if nobody can.
    #[must_use]
    pub const fn usual_mib_s(self) -> Option<u32> {
        if matches!(self, Self::Gp3) { Some(125) } else { None }
    }

    const fn has_iops(self) -> bool {
        matches!(self, Self::Gp3 | Self::Io1 | Self::Io2)
    }
}

fields! {
    /// A disk. It is made for one instance, and ends with it.
    pub struct VolumeSpec {
        /// How many GiB it has. Left out: as many as the image or the snapshot says.
        size_gib: Option<u32> => Optional, Replace;
        /// What kind of disk: `gp3`, `gp2`, `io1`, `io2`, `st1` or `sc1`.
        r#type: VolumeType => Default("\"gp3\""), Replace;
        /// Provisioned operations a second, for `gp3`, `io1` and `io2`. Left out: what the type has without.
        iops: Option<u32> => Optional, Replace;
        /// Provisioned MiB a second, for `gp3`. Left out: 125.
        throughput_mib_s: Option<u32> => Optional, Replace;
        /// The snapshot that it begins as, such as `snap-0123456789abcdef0`. Left out: the disk is empty, and nothing has formatted it.
        snapshot: Option<String> => Optional, Replace;
        /// Whether it is encrypted.
        encrypted: bool => Default("true"), Replace;
        /// The key that it is encrypted with: id, ARN or alias of a KMS key. Left out: the account's default key for EBS.
        kms_key: Option<String> => Optional, Replace;
    }
}

/// The rules of `root_volume`.
pub(crate) fn check_root_volume(volume: &Value, path: &Path, problems: &mut Vec<Problem>) {
    check_volume(volume, path, problems);
    if volume.get("snapshot").is_written() {
        let help = "Leave it out: the image says what is on the root volume. A snapshot is for `volumes`";
        problems.push(Problem::new(&path.key("snapshot"), "has no meaning for the root volume", help));
    }
    if let Some(kind @ ("st1" | "sc1")) = volume.get("type").as_str() {
        problems.push(Problem::new(&path.key("type"), format!("no instance boots from {kind}"), "Write \"gp3\", or leave it out"));
    }
}

/// The rules of `volumes`.
pub(crate) fn check_volumes(volumes: &BTreeMap<String, Value>, path: &Path, problems: &mut Vec<Problem>) {
    if volumes.len() > VOLUMES_MAX {
        problems.push(Problem::new(path, format!("{} volumes are too many", volumes.len()), format!("Use at most {VOLUMES_MAX}")));
    }
    for (device, volume) in volumes {
        let path = path.key(device);
        if !is_device(device) {
            let help = "Write one from /dev/sdf to /dev/sdz: EC2 reserves the others for what an image brings along";
            problems.push(Problem::new(&path, format!("{device:?} is not a device for a further volume"), help));
        }
        check_volume(volume, &path, problems);
        if *volume != Value::Unknown && volume.get("size_gib").is_null() && volume.get("snapshot").is_null() {
            let help = "Write how many GiB it has, or the snapshot that it begins as";
            problems.push(Problem::new(&path.key("size_gib"), "is required without a snapshot", help));
        }
    }
}

/// The names that EC2 recommends for EBS volumes beside those of an image (EC2 user guide, "Device names for volumes").
fn is_device(name: &str) -> bool {
    name.strip_prefix("/dev/sd").is_some_and(|letter| matches!(letter.as_bytes(), [b'f'..=b'z']))
}

fn check_volume(volume: &Value, path: &Path, problems: &mut Vec<Problem>) {
    let written = volume.get("type").as_str().unwrap_or(VolumeType::Gp3.word());
    let Some(kind) = VolumeType::ALL.iter().copied().find(|kind| kind.word() == written) else { return };
    if let Value::Int(size) = volume.get("size_gib") {
        let (least, most) = kind.sizes_gib();
        if !(i64::from(least)..=i64::from(most)).contains(size) {
            let message = format!("{size} GiB are no size of a {written} volume");
            problems.push(Problem::new(&path.key("size_gib"), message, format!("Write from {least} to {most}")));
        }
    }
    match volume.get("iops") {
        Value::Null if matches!(kind, VolumeType::Io1 | VolumeType::Io2) && known(volume) => {
            problems.push(Problem::new(
                &path.key("iops"),
                format!("is required for {written}"),
                "Write how many operations a second it has",
            ));
        }
        Value::Int(_) if !kind.has_iops() => {
            problems.push(Problem::new(&path.key("iops"), format!("has no meaning for {written}"), "Leave it out, or use gp3, io1 or io2"));
        }
        _ => {}
    }
    if matches!(volume.get("throughput_mib_s"), Value::Int(_)) && kind != VolumeType::Gp3 {
        problems.push(Problem::new(&path.key("throughput_mib_s"), format!("has no meaning for {written}"), "Leave it out, or use gp3"));
    }
    if let Some(snapshot) = volume.get("snapshot").as_str()
        && !is_id(snapshot, "snap-")
    {
        let help = "Write an id like \"snap-0123456789abcdef0\"";
        problems.push(Problem::new(&path.key("snapshot"), format!("{snapshot:?} is not the id of a snapshot"), help));
    }
    if volume.get("kms_key").is_written() && matches!(volume.get("encrypted"), Value::Bool(false)) {
        problems.push(Problem::new(&path.key("kms_key"), "has no meaning for a volume that is not encrypted", "Leave one of the two out"));
    }
}

/// Whether everything of a volume is known: what is missing may otherwise be about to be.
fn known(volume: &Value) -> bool {
    matches!(volume, Value::Map(entries) if !entries.values().any(|value| matches!(value, Value::Unknown)))
}
