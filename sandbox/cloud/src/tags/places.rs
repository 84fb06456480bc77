//! Where the tags of each kind of resource are kept.

use jiff::Timestamp;

use crate::cloud::Region;
use crate::error::ApiError;
use crate::instances::check_ids;
use crate::model::Tags;

/// The kinds of resources, by how their ids begin.
const KINDS: &[(&str, &str)] = &[
    ("ami-", "image"),
    ("eipalloc-", "elastic-ip"),
    ("eni-", "network-interface"),
    ("i-", "instance"),
    ("igw-", "internet-gateway"),
    ("key-", "key-pair"),
    ("lt-", "launch-template"),
    ("nat-", "natgateway"),
    ("pg-", "placement-group"),
    ("rtb-", "route-table"),
    ("sg-", "security-group"),
    ("sgr-", "security-group-rule"),
    ("snap-", "snapshot"),
    ("sir-", "spot-instances-request"),
    ("subnet-", "subnet"),
    ("vol-", "volume"),
    ("vpc-", "vpc"),
    ("vpce-", "vpc-endpoint"),
];

/// The kinds that a network keeps.
const IN_NETWORKS: &[&str] = &["elastic-ip", "internet-gateway", "natgateway", "route-table", "subnet", "vpc", "vpc-endpoint"];

/// The resource type of an id.
pub(crate) fn kind(id: &str) -> Option<&'static str> {
    KINDS.iter().find(|(prefix, _)| id.starts_with(prefix)).map(|(_, kind)| *kind)
}

/// Whether a resource exists, as EC2 would say it does not.
pub(super) fn check_exists(region: &mut Region, id: &str) -> Result<(), ApiError> {
    let not_found = |code: &str, noun: &str| Err(ApiError::new(code, format!("The {noun} ID '{id}' does not exist")));
    match kind(id) {
        Some("instance") => check_ids([&id.to_owned()], |id| region.instances.contains(id)),
        Some("volume") if !region.volumes.contains(id) => {
            Err(ApiError::new("InvalidVolume.NotFound", format!("The volume '{id}' does not exist.")))
        }
        Some("security-group") => crate::groups::by_id(region, id).map(|_| ()),
        Some("image") if !region.images.iter().any(|i| i.id == id) => Err(crate::images::unknown_image(id)),
        Some("security-group-rule") if !region.groups.values().any(|g| g.rules.iter().any(|r| r.id == id)) => {
            not_found("InvalidSecurityGroupRuleId.NotFound", "security group rule")
        }
        Some("network-interface") if !region.instances.values().any(|i| i.interface.iter().any(|n| n.id == id)) => {
            not_found("InvalidNetworkInterfaceID.NotFound", "networkInterface")
        }
        Some("spot-instances-request") if !region.spot_requests.contains(id) => Err(crate::spot::requests::unknown(id)),
        Some("snapshot") if !region.snapshots.contains_key(id) => Err(crate::volumes::snapshots::unknown(id)),
        Some("key-pair") if !region.key_pairs.values().any(|k| k.id == id) => not_found("InvalidKeyPair.NotFound", "key pair"),
        Some("launch-template") if !region.templates.by_id.contains_key(id) => Err(crate::templates::unknown_id(id)),
        Some("placement-group") if !region.placement_groups.values().any(|g| g.id == id) => Err(crate::placement::unknown(id)),
        Some(kind) if IN_NETWORKS.contains(&kind) => region.network.tags_mut(id).map(|_| ()),
        Some(_) => Ok(()),
        None => Err(ApiError::new("InvalidID", format!("The ID '{id}' is not valid"))),
    }
}

/// The tags of a resource.
pub(crate) fn read(region: &Region, id: &str) -> Tags {
    let mut tags = None;
    visit(region, |found, _, its| {
        if found == id {
            tags = Some(its.clone());
        }
    });
    tags.unwrap_or_default()
}

/// Goes through the tags of everything.
pub(super) fn visit(region: &Region, mut see: impl FnMut(&str, &'static str, &Tags)) {
    for instance in region.instances.values() {
        see(&instance.id, "instance", &instance.tags);
        if let Some(interface) = &instance.interface {
            see(&interface.id, "network-interface", &interface.tags);
        }
    }
    for request in region.spot_requests.values() {
        see(&request.id, "spot-instances-request", &request.tags);
    }
    for volume in region.volumes.values() {
        see(&volume.id, "volume", &volume.tags);
    }
    for group in region.groups.values() {
        see(&group.id, "security-group", &group.tags);
        for rule in &group.rules {
            see(&rule.id, "security-group-rule", &rule.tags);
        }
    }
    for snapshot in region.snapshots.values() {
        see(&snapshot.id, "snapshot", &snapshot.tags);
    }
    for key in region.key_pairs.values() {
        see(&key.id, "key-pair", &key.tags);
    }
    for kept in region.templates.by_id.values() {
        see(&kept.template.id, "launch-template", &kept.template.tags);
    }
    for group in region.placement_groups.values() {
        see(&group.id, "placement-group", &group.tags);
    }
    for (id, kind, tags) in region.network.tagged() {
        see(id, kind, tags);
    }
    for image in &region.images {
        see(&image.id, "image", &image.tags);
    }
}

/// Puts new tags on a resource.
pub(super) fn write(region: &mut Region, now: Timestamp, id: &str, tags: Tags) {
    match kind(id) {
        Some("instance") => region.change_instance(now, id, |i| i.tags = tags),
        Some("volume") => {
            region.volumes.change(now, id, |v| v.tags = tags);
        }
        Some("security-group") => {
            region.groups.change(now, id, |g| g.tags = tags);
        }
        Some("security-group-rule") => write_rule(region, now, id, tags),
        Some("image") => put(region.images.iter_mut().find(|i| i.id == id).map(|i| &mut i.tags), tags),
        Some("network-interface") => write_part(region, now, tags, |i| i.interface.as_mut().filter(|n| n.id == id).map(|n| &mut n.tags)),
        Some("spot-instances-request") => {
            region.spot_requests.change(now, id, |r| r.tags = tags);
        }
        Some("snapshot") => put(region.snapshots.get_mut(id).map(|s| &mut s.tags), tags),
        Some("key-pair") => put(region.key_pairs.values_mut().find(|k| k.id == id).map(|k| &mut k.tags), tags),
        Some("launch-template") => put(region.templates.by_id.get_mut(id).map(|kept| &mut kept.template.tags), tags),
        Some("placement-group") => put(region.placement_groups.values_mut().find(|g| g.id == id).map(|g| &mut g.tags), tags),
        Some(_) | None => put(region.network.tags_mut(id).ok(), tags),
    }
}

fn put(place: Option<&mut Tags>, tags: Tags) {
    if let Some(place) = place {
        *place = tags;
    }
}

fn write_rule(region: &mut Region, now: Timestamp, id: &str, tags: Tags) {
    let group = region.groups.values().find(|g| g.rules.iter().any(|r| r.id == id)).map(|g| g.id.clone());
    let Some(group) = group else { return };
    region.groups.change(now, &group, |g| {
        if let Some(rule) = g.rules.iter_mut().find(|r| r.id == id) {
            rule.tags = tags;
        }
    });
}

/// Puts new tags on something that is kept with its instance.
fn write_part(region: &mut Region, now: Timestamp, tags: Tags, part: impl Fn(&mut crate::model::Instance) -> Option<&mut Tags>) {
    let owner = region.instances.values().find(|i| part(&mut (*i).clone()).is_some()).map(|i| i.id.clone());
    if let Some(owner) = owner {
        region.change_instance(now, &owner, |i| {
            if let Some(place) = part(i) {
                *place = tags;
            }
        });
    }
}
