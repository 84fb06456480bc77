//! Calls that list what a region offers, and those about tags.

use sandbox_cloud::request::{
    CreateTags, DeleteTags, DescribeAvailabilityZones, DescribeById, DescribeImages, DescribeInstanceTypeOfferings, DescribeInstanceTypes,
    DescribeRegions, DescribeTags, TagRemoval,
};
use sandbox_cloud::{ApiError, Request};

use crate::form::Form;

pub(super) fn account_attributes(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::DescribeAccountAttributes(form.list("AttributeName")))
}

pub(super) fn availability_zones(form: &Form) -> Result<Request, ApiError> {
    // There are no zones that one would have to opt in to.
    form.boolean("AllAvailabilityZones")?;
    Ok(Request::DescribeAvailabilityZones(DescribeAvailabilityZones {
        zone_names: form.list("ZoneName"),
        zone_ids: form.list("ZoneId"),
        filters: form.filters()?,
    }))
}

pub(super) fn regions(form: &Form) -> Result<Request, ApiError> {
    // There are no regions that one would have to opt in to.
    form.boolean("AllRegions")?;
    Ok(Request::DescribeRegions(DescribeRegions { region_names: form.list("RegionName"), filters: form.filters()? }))
}

pub(super) fn images(form: &Form) -> Result<Request, ApiError> {
    // No image is disabled.
    form.boolean("IncludeDisabled")?;
    Ok(Request::DescribeImages(DescribeImages {
        image_ids: form.list("ImageId"),
        owners: form.list("Owner"),
        include_deprecated: form.boolean("IncludeDeprecated")?.unwrap_or(false),
        filters: form.filters()?,
        page: form.page()?,
    }))
}

pub(super) fn instance_types(form: &Form) -> Result<Request, ApiError> {
    form.only("IncludeUnsupportedInRegion", &["false"])?;
    Ok(Request::DescribeInstanceTypes(DescribeInstanceTypes {
        instance_types: form.list("InstanceType"),
        filters: form.filters()?,
        page: form.page()?,
    }))
}

pub(super) fn instance_type_offerings(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::DescribeInstanceTypeOfferings(DescribeInstanceTypeOfferings {
        location_type: form.text("LocationType"),
        filters: form.filters()?,
        page: form.page()?,
    }))
}

pub(super) fn by_id(form: &Form, ids: &str) -> Result<DescribeById, ApiError> {
    Ok(DescribeById { ids: form.list(ids), filters: form.filters()?, page: form.page()? })
}

pub(super) fn create_tags(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::CreateTags(CreateTags { resources: form.list("ResourceId"), tags: form.tags("Tag")? }))
}

pub(super) fn delete_tags(form: &Form) -> Result<Request, ApiError> {
    let tags = form
        .items("Tag")
        .iter()
        .map(|item| {
            let key = form.required(&format!("{item}.Key"))?;
            Ok(TagRemoval { key, value: form.text(&format!("{item}.Value")) })
        })
        .collect::<Result<_, ApiError>>()?;
    Ok(Request::DeleteTags(DeleteTags { resources: form.list("ResourceId"), tags }))
}

pub(super) fn describe_tags(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::DescribeTags(DescribeTags { filters: form.filters()?, page: form.page()? }))
}
