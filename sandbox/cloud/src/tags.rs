//! Tags: what they may be, and the calls about them.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::cloud::{Cloud, Region};
use crate::error::ApiError;
use crate::filter::{Table, one};
use crate::model::{Tag, TaggedResource, Tags};
use crate::paging::{USUAL, cut};
use crate::reply::Listing;
use crate::request::{CreateTags, DeleteTags, DescribeTags, TagSpecification};

pub(crate) mod places;

use places::{check_exists, read, visit, write};

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
    if is_reserved(&tag.key) {
        return Err(reserved());
    }
    if tag.key.chars().count() > 128 {
        return Err(ApiError::value("Tag key exceeds the maximum length of 128 characters"));
    }
    if tag.value.chars().count() > 256 {
        return Err(ApiError::value("Tag value exceeds the maximum length of 256 characters"));
    }
    Ok(())
}

/// Whether only AWS itself gives and takes such a tag.
fn is_reserved(key: &str) -> bool {
    key.to_ascii_lowercase().starts_with("aws:")
}

fn reserved() -> ApiError {
    ApiError::value("Tag keys starting with 'aws:' are reserved for internal use")
}

fn check_number(tags: &Tags) -> Result<(), ApiError> {
    if tags.keys().filter(|key| !is_reserved(key)).count() > TAG_LIMIT {
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
    if request.tags.iter().any(|tag| is_reserved(&tag.key)) {
        return Err(reserved());
    }
    for id in &request.resources {
        check_exists(region, id)?;
    }
    for id in &request.resources {
        let mut tags = read(region, id);
        tags.retain(|key, value| {
            is_reserved(key)
                || !request.tags.is_empty() && !request.tags.iter().any(|t| t.key == *key && t.value.as_ref().is_none_or(|v| v == value))
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
