//! DescribeImages.

use jiff::Timestamp;

use crate::cloud::Cloud;
use crate::error::ApiError;
use crate::filter::{Table, by_id, maybe, one};
use crate::identity::is_well_formed;
use crate::model::{Image, format_time};
use crate::paging::{USUAL, cut};
use crate::reply::Listing;
use crate::request::DescribeImages;

const FILTERS: Table<Image> = Table {
    columns: &[
        ("architecture", |i| one(&i.architecture)),
        ("block-device-mapping.delete-on-termination", |_| one(true)),
        ("block-device-mapping.device-name", |i| one(&i.root_device_name)),
        ("block-device-mapping.encrypted", |_| one(false)),
        ("block-device-mapping.snapshot-id", |i| one(&i.snapshot_id)),
        ("block-device-mapping.volume-size", |i| one(i.volume_size)),
        ("block-device-mapping.volume-type", |i| one(i.volume_type)),
        ("creation-date", |i| one(&i.creation_date)),
        ("description", |i| one(&i.description)),
        ("ena-support", |_| one(true)),
        ("hypervisor", |_| one("xen")),
        ("image-id", |i| one(&i.id)),
        ("image-type", |_| one("machine")),
        ("is-public", |_| one(true)),
        ("name", |i| one(&i.name)),
        ("owner-alias", |i| maybe(i.owner_alias.as_ref())),
        ("owner-id", |i| one(&i.owner_id)),
        ("root-device-name", |i| one(&i.root_device_name)),
        ("root-device-type", |_| one("ebs")),
        ("state", |_| one("available")),
        ("virtualization-type", |_| one("hvm")),
    ],
    tags: Some(|i| &i.tags),
};

pub(crate) fn unknown_image(id: &str) -> ApiError {
    if is_well_formed(id, "ami") {
        ApiError::new("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist"))
    } else {
        ApiError::new("InvalidAMIID.Malformed", format!("Invalid id: \"{id}\" (expecting \"ami-...\")"))
    }
}

/// Whether one of the owners that a call names is this image's: accounts, aliases, or `self`.
fn is_owned(image: &Image, owners: &[String], account: &str) -> bool {
    let is = |owner: &String| match owner.as_str() {
        "self" => image.owner_id == account,
        id => image.owner_id == id || image.owner_alias.as_deref() == Some(id),
    };
    owners.is_empty() || owners.iter().any(is)
}

pub(crate) fn describe(cloud: &Cloud, now: Timestamp, region: &str, request: &DescribeImages) -> Result<Listing<Image>, ApiError> {
    FILTERS.check(&request.filters)?;
    if !request.image_ids.is_empty() && request.page.max_results.is_some() {
        return Err(ApiError::combination("The parameter imageIdsSet cannot be used with the parameter maxResults"));
    }
    if let Some(owner) = request.owners.iter().find(|o| !is_owner(o)) {
        return Err(ApiError::new("InvalidUserID.Malformed", format!("Invalid user id: \"{owner}\"")));
    }
    let now = format_time(now);
    // By its id an image is found whatever its age.
    let listed =
        |i: &Image| request.include_deprecated || !request.image_ids.is_empty() || i.deprecation_time.as_ref().is_none_or(|t| *t > now);
    let all = cloud.region(region).images.clone();
    let mut found = by_id(all, &request.image_ids, |i| i.id.clone(), "", |missing| unknown_image(missing[0]))?;
    found.retain(|i| listed(i) && is_owned(i, &request.owners, &cloud.config.account_id) && FILTERS.passes(&request.filters, i));
    cut(found, &request.page, USUAL, |i| i.id.clone())
}

fn is_owner(text: &str) -> bool {
    matches!(text, "self" | "amazon" | "aws-marketplace" | "aws-backup-vault")
        || text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}
