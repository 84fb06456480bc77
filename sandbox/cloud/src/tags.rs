//! Tags: what they may be, and the calls about them.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::cloud::{Cloud, Region};
use crate::error::ApiError;
use crate::filter::{Table, one};
use crate::instances::check_ids;
use crate::model::{Tag, TaggedResource, Tags};
use crate::paging::{USUAL, cut};
use crate::reply::Listing;
use crate::request::{CreateTags, DeleteTags, DescribeTags, TagSpecification};

const TAG_LIMIT: usize = 50;

/// Tags of something new.
pub(crate) fn validated(tags: &[Tag]) -> Result<Tags, ApiError> {
    let mut found = Tags::new();
    for tag in tags {
        check(tag)?;
        if found.insert(tag.key.clone(), tag.value.clone()).is_some() {
            return Err(ApiError::value(format!("Duplicate tag key '{}' specified.", tag.key)));
        }
    }
    check_number(&found)?;
    Ok(found)
}

/// The tags for the one kind of thing that a call makes.
pub(crate) fn specified(specifications: &[TagSpecification], resource_type: &str) -> Result<Tags, ApiError> {
    let mut found = Tags::new();
    for specification in specifications {
        if specification.resource_type != resource_type {
            return Err(ApiError::value(format!(
                "'{}' is not a valid taggable resource type for this operation.",
                specification.resource_type
            )));
        }
        found = validated(&specification.tags)?;
    }
    Ok(found)
}

fn check(tag: &Tag) -> Result<(), ApiError> {
    if tag.key.is_empty() {
        return Err(ApiError::value("Tag key cannot be empty."));
    }
    if tag.key.to_ascii_lowercase().starts_with("aws:") {
        return Err(ApiError::value("Tag keys starting with 'aws:' are reserved for internal use"));
    }
    if tag.key.chars().count() > 128 {
        return Err(ApiError::value("Tag key exceeds the maximum length of 128 characters"));
    }
    if tag.value.chars().count() > 256 {
        return Err(ApiError::value("Tag value exceeds the maximum length of 256 characters"));
    }
    Ok(())
}

fn check_number(tags: &Tags) -> Result<(), ApiError> {
    if tags.len() > TAG_LIMIT {
        return Err(ApiError::new("TagLimitExceeded", "The maximum number of Tags for a resource has been reached."));
    }
    Ok(())
}

/// The keys that an instance whose metadata service tells its tags may have.
pub(crate) fn check_metadata_keys<'a>(keys: impl Iterator<Item = &'a String>) -> Result<(), ApiError> {
    for key in keys {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_+=,.@:".contains(c);
        if !key.chars().all(allowed) || [".", "..", "_index"].contains(&key.as_str()) {
            return Err(ApiError::value(format!(
                "'{key}' is not a valid tag key. Tag keys must match pattern ([0-9a-zA-Z\\-_+=,.@:]{{1,255}}), and must \
                 not be a reserved name ('.', '..', '_index')"
            )));
        }
    }
    Ok(())
}

/// The kinds of resources, by how their ids begin.
const KINDS: &[(&str, &str)] = &[
    ("ami-", "image"),
    ("eipalloc-", "elastic-ip"),
    ("eni-", "network-interface"),
    ("i-", "instance"),
    ("igw-", "internet-gateway"),
    ("key-", "key-pair"),
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
fn check_exists(region: &mut Region, id: &str) -> Result<(), ApiError> {
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
        Some("placement-group") if !region.placement_groups.values().any(|g| g.id == id) => Err(crate::placement::unknown(id)),
        Some(kind) if IN_NETWORKS.contains(&kind) => region.network.tags_mut(id).map(|_| ()),
        Some(_) => Ok(()),
        None => Err(ApiError::new("InvalidID", format!("The ID '{id}' is not valid"))),
    }
}

/// The tags of a resource.
fn read(region: &Region, id: &str) -> Tags {
    let mut tags = None;
    visit(region, |found, _, its| {
        if found == id {
            tags = Some(its.clone());
        }
    });
    tags.unwrap_or_default()
}

/// Goes through the tags of everything.
fn visit(region: &Region, mut see: impl FnMut(&str, &'static str, &Tags)) {
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
fn write(region: &mut Region, now: Timestamp, id: &str, tags: Tags) {
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

/// Whether an instance's metadata service tells its tags, which narrows what keys it may have.
fn tells_tags(region: &Region, id: &str) -> bool {
    region.instances.get(id).is_some_and(|i| i.metadata_options.tags_enabled)
}

pub(crate) fn create(region: &mut Region, now: Timestamp, request: &CreateTags) -> Result<(), ApiError> {
    if request.resources.is_empty() {
        return Err(ApiError::missing("resourceIdSet"));
    }
    if request.tags.is_empty() {
        return Err(ApiError::missing("tagSet"));
    }
    let new = validated(&request.tags)?;
    let mut changed = Vec::new();
    for id in &request.resources {
        check_exists(region, id)?;
        if tells_tags(region, id) {
            check_metadata_keys(new.keys())?;
        }
        let mut tags = read(region, id);
        tags.extend(new.clone());
        check_number(&tags)?;
        changed.push((id, tags));
    }
    for (id, tags) in changed {
        write(region, now, id, tags);
    }
    Ok(())
}

pub(crate) fn delete(region: &mut Region, now: Timestamp, request: &DeleteTags) -> Result<(), ApiError> {
    if request.resources.is_empty() {
        return Err(ApiError::missing("resourceIdSet"));
    }
    for id in &request.resources {
        check_exists(region, id)?;
    }
    for id in &request.resources {
        let mut tags = read(region, id);
        tags.retain(|key, value| {
            !request.tags.is_empty() && !request.tags.iter().any(|t| t.key == *key && t.value.as_ref().is_none_or(|v| v == value))
        });
        write(region, now, id, tags);
    }
    Ok(())
}

const FILTERS: Table<TaggedResource> = Table {
    columns: &[
        ("key", |t| one(&t.key)),
        ("resource-id", |t| one(&t.resource_id)),
        ("resource-type", |t| one(&t.resource_type)),
        ("value", |t| one(&t.value)),
    ],
    tags: None,
};

pub(crate) fn describe(cloud: &Cloud, now: Timestamp, region: &str, request: &DescribeTags) -> Result<Listing<TaggedResource>, ApiError> {
    // A tag itself has no tags: `tag:<key>` is short for a key and a value.
    let (by_tag, plain): (Vec<_>, Vec<_>) = request.filters.iter().cloned().partition(|f| f.name.starts_with("tag:"));
    FILTERS.check(&plain)?;
    let here = cloud.region(region);
    // Late readers do not know of instances that are newer than what they see.
    let seen: BTreeSet<&str> = here.instances.seen(now, cloud.lateness()).into_iter().map(|i| i.id.as_str()).collect();
    let mut found = Vec::new();
    visit(here, |id, kind, tags| {
        if kind == "instance" && !seen.contains(id) {
            return;
        }
        for (key, value) in tags {
            found.push(TaggedResource {
                resource_id: id.to_owned(),
                resource_type: kind.to_owned(),
                key: key.clone(),
                value: value.clone(),
            });
        }
    });
    found.retain(|t| {
        FILTERS.passes(&plain, t)
            && by_tag.iter().all(|f| f.name[4..] == t.key && f.values.iter().any(|v| crate::filter::wildcard_matches(v, &t.value)))
    });
    cut(found, &request.page, USUAL, |t| format!("{} {}", t.resource_id, t.key))
}
