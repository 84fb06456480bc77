//! Volumes and their snapshots.

use sandbox_cloud::model::{Snapshot, Volume, VolumeModification, format_time};

use super::tags;
use crate::xml::Xml;

pub(super) fn snapshot(xml: &mut Xml, s: &Snapshot) {
    xml.leaf("snapshotId", &s.id);
    xml.leaf("volumeId", &s.volume_id);
    xml.leaf("status", if s.completed { "completed" } else { "pending" });
    xml.leaf("startTime", format_time(s.start_time));
    xml.leaf("progress", if s.completed { "100%" } else { "" });
    xml.leaf("ownerId", &s.owner_id);
    xml.leaf("volumeSize", s.volume_size);
    xml.leaf("description", &s.description);
    xml.leaf("encrypted", s.encrypted);
    xml.maybe("kmsKeyId", s.kms_key_id.as_ref());
    xml.leaf("storageTier", "standard");
    tags(xml, &s.tags);
}

pub(super) fn volume(xml: &mut Xml, v: &Volume) {
    xml.leaf("volumeId", &v.id);
    xml.leaf("size", v.size);
    xml.leaf("snapshotId", v.snapshot_id.as_deref().unwrap_or(""));
    xml.leaf("availabilityZone", &v.availability_zone);
    xml.leaf("availabilityZoneId", &v.availability_zone_id);
    xml.leaf("status", if v.attachment.is_some() { "in-use" } else { "available" });
    xml.leaf("createTime", format_time(v.create_time));
    xml.list("attachmentSet", v.attachment.as_ref(), |xml, a| {
        xml.leaf("volumeId", &v.id);
        xml.leaf("instanceId", &a.instance_id);
        xml.leaf("device", &a.device);
        xml.leaf("status", "attached");
        xml.leaf("attachTime", format_time(a.attach_time));
        xml.leaf("deleteOnTermination", a.delete_on_termination);
    });
    tags(xml, &v.tags);
    xml.leaf("volumeType", &v.volume_type);
    xml.maybe("iops", v.iops);
    xml.maybe("throughput", v.throughput);
    xml.leaf("encrypted", v.encrypted);
    xml.maybe("kmsKeyId", v.kms_key_id.as_ref());
    xml.leaf("multiAttachEnabled", false);
}

pub(super) fn modification(xml: &mut Xml, change: &VolumeModification) {
    xml.leaf("volumeId", &change.volume_id);
    xml.leaf("modificationState", change.told.state.name());
    for (which, shape) in [("target", &change.target), ("original", &change.original)] {
        xml.leaf(&format!("{which}Size"), shape.size);
        xml.leaf(&format!("{which}VolumeType"), &shape.volume_type);
        xml.maybe(&format!("{which}Iops"), shape.iops);
        xml.maybe(&format!("{which}Throughput"), shape.throughput);
        xml.leaf(&format!("{which}MultiAttachEnabled"), false);
    }
    xml.leaf("progress", change.told.percent);
    xml.leaf("startTime", format_time(change.start_time));
    xml.maybe("endTime", change.told.end_time.map(format_time));
}
