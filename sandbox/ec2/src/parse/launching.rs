//! Calls about what launches name: placement groups and key pairs.

use sandbox_cloud::request::{CreatePlacementGroup, DeleteKeyPair, DescribeKeyPairs, DescribePlacementGroups, ImportKeyPair, OneId};
use sandbox_cloud::{ApiError, Request};

use crate::form::Form;

pub(super) fn create_placement_group(form: &Form) -> Result<Request, ApiError> {
    form.only("SpreadLevel", &["rack"])?;
    Ok(Request::CreatePlacementGroup(CreatePlacementGroup {
        group_name: form.required("GroupName")?,
        strategy: form.text("Strategy"),
        tag_specifications: form.tag_specifications("")?,
    }))
}

pub(super) fn delete_placement_group(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::DeletePlacementGroup(OneId { id: form.required("GroupName")? }))
}

pub(super) fn placement_groups(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::DescribePlacementGroups(DescribePlacementGroups {
        group_names: form.list("GroupName"),
        group_ids: form.list("GroupId"),
        filters: form.filters()?,
    }))
}

pub(super) fn import_key_pair(form: &Form) -> Result<Request, ApiError> {
    form.required("PublicKeyMaterial")?;
    Ok(Request::ImportKeyPair(ImportKeyPair {
        key_name: form.required("KeyName")?,
        public_key_material: form.base64("PublicKeyMaterial")?.unwrap_or_default(),
        tag_specifications: form.tag_specifications("")?,
    }))
}

pub(super) fn key_pairs(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::DescribeKeyPairs(DescribeKeyPairs {
        key_names: form.list("KeyName"),
        key_pair_ids: form.list("KeyPairId"),
        filters: form.filters()?,
        include_public_key: form.boolean("IncludePublicKey")?.unwrap_or(false),
    }))
}

pub(super) fn delete_key_pair(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::DeleteKeyPair(DeleteKeyPair { key_name: form.text("KeyName"), key_pair_id: form.text("KeyPairId") }))
}
