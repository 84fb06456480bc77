//! DescribeImages.

use crate::error::ApiError;
use crate::filter::{Table, by_id, maybe, one};
use crate::identity::is_well_formed;
use crate::model::Image;
use crate::paging::{USUAL, cut};
use crate::reply::Listing;
use crate::request::DescribeImages;

const FILTERS: Table<Image> = Table {
    columns: &[
        ("architecture", |i| one(&i.architecture)),
        ("block-device-mapping.volume-type", |_| one("gp3")),
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

pub(crate) fn describe_images(images: &[Image], account: &str, request: &DescribeImages) -> Result<Listing<Image>, ApiError> {
    FILTERS.check(&request.filters)?;
    if !request.image_ids.is_empty() && request.page.max_results.is_some() {
        return Err(ApiError::combination("The parameter imageIdsSet cannot be used with the parameter maxResults"));
    }
    let owned = |image: &Image| {
        request.owners.is_empty()
            || request.owners.iter().any(|owner| match owner.as_str() {
                "self" => image.owner_id == account,
                id => image.owner_id == id || image.owner_alias.as_deref() == Some(id),
            })
    };
    let mut found = by_id(images.to_vec(), &request.image_ids, |i| i.id.clone(), "", |missing| unknown_image(missing[0]))?;
    found.retain(|i| owned(i) && FILTERS.passes(&request.filters, i));
    cut(found, &request.page, USUAL, |i| i.id.clone())
}
