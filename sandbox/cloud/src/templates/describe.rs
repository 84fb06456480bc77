//! DescribeLaunchTemplates and DescribeLaunchTemplateVersions.

use super::{Kept, malformed_id, unknown_id};
use crate::cloud::Region;
use crate::error::ApiError;
use crate::filter::{Table, by_id, maybe, one};
use crate::identity::is_well_formed;
use crate::model::{LaunchTemplate, LaunchTemplateVersion, format_time};
use crate::paging::{Limits, cut};
use crate::reply::Listing;
use crate::request::{DescribeLaunchTemplateVersions, DescribeLaunchTemplates, NamedTemplate};

const PART: Limits = Limits { least: 1, most: 200, default: Some(200) };

const TEMPLATES: Table<LaunchTemplate> = Table {
    columns: &[("create-time", |t| one(format_time(t.create_time))), ("launch-template-name", |t| one(&t.name))],
    tags: Some(|t| &t.tags),
};

const VERSIONS: Table<LaunchTemplateVersion> = Table {
    columns: &[
        ("create-time", |v| one(format_time(v.create_time))),
        ("ebs-optimized", |v| maybe(v.data.ebs_optimized)),
        ("image-id", |v| maybe(v.data.image_id.as_ref())),
        ("instance-type", |v| maybe(v.data.instance_type.as_ref())),
        ("is-default-version", |v| one(v.is_default)),
    ],
    tags: None,
};

pub(crate) fn templates(region: &Region, request: &DescribeLaunchTemplates) -> Result<Listing<LaunchTemplate>, ApiError> {
    TEMPLATES.check(&request.filters)?;
    if let Some(id) = request.ids.iter().find(|id| !is_well_formed(id, "lt")) {
        return Err(malformed_id(id));
    }
    let all = region.templates.by_id.values().map(|kept| kept.template.clone()).collect();
    let with_ids = by_id(all, &request.ids, |t: &LaunchTemplate| t.id.clone(), "", |missing| unknown_id(missing[0]))?;
    let mut found = by_id(
        with_ids,
        &request.names,
        |t| t.name.clone(),
        "",
        |_| {
            let message = "At least one of the launch templates specified in the request does not exist.";
            ApiError::new("InvalidLaunchTemplateName.NotFoundException", message)
        },
    )?;
    found.retain(|t| TEMPLATES.passes(&request.filters, t));
    cut(found, &request.page, PART, |t| t.id.clone())
}

pub(crate) fn versions(region: &Region, request: &DescribeLaunchTemplateVersions) -> Result<Listing<LaunchTemplateVersion>, ApiError> {
    VERSIONS.check(&request.filters)?;
    let mut found = if request.template == NamedTemplate::default() {
        of_all(region, &request.versions)?
    } else {
        of_one(region.templates.find(&request.template)?, request)?
    };
    found.retain(|v| VERSIONS.passes(&request.filters, v));
    cut(found, &request.page, PART, |v| format!("{} {:020}", v.template_id, u64::MAX - v.number))
}

/// Of all templates one can only ask for what each of them has.
fn of_all(region: &Region, versions: &[String]) -> Result<Vec<LaunchTemplateVersion>, ApiError> {
    if versions.is_empty() || versions.iter().any(|v| !v.starts_with('$')) {
        return Err(ApiError::missing("LaunchTemplateId or LaunchTemplateName"));
    }
    let mut found: Vec<LaunchTemplateVersion> = Vec::new();
    for kept in region.templates.by_id.values() {
        for named in versions {
            add(&mut found, kept.version(named)?);
        }
    }
    Ok(found)
}

fn of_one(kept: &Kept, request: &DescribeLaunchTemplateVersions) -> Result<Vec<LaunchTemplateVersion>, ApiError> {
    let bounded = request.min_version.is_some() || request.max_version.is_some();
    if !request.versions.is_empty() {
        if bounded {
            return Err(ApiError::combination("You may specify LaunchTemplateVersion or MinVersion and MaxVersion, but not both."));
        }
        let mut found = Vec::new();
        for named in &request.versions {
            add(&mut found, kept.version(named)?);
        }
        return Ok(found);
    }
    let within = |v: &LaunchTemplateVersion| {
        request.min_version.is_none_or(|least| v.number >= least) && request.max_version.is_none_or(|most| v.number <= most)
    };
    Ok(kept.versions().filter(within).collect())
}

/// `$Latest` may be the `$Default` one.
fn add(found: &mut Vec<LaunchTemplateVersion>, version: LaunchTemplateVersion) {
    if !found.contains(&version) {
        found.push(version);
    }
}
