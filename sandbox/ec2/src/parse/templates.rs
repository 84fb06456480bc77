//! Calls about launch templates.

use sandbox_cloud::request::{
    CreateLaunchTemplate, CreateLaunchTemplateVersion, DescribeLaunchTemplateVersions, DescribeLaunchTemplates, LaunchTemplateData,
    ModifyLaunchTemplate, NamedTemplate,
};
use sandbox_cloud::{ApiError, Request};

use super::{launch, spot};
use crate::form::Form;

const DATA: &str = "LaunchTemplateData.";

pub(super) fn create(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::CreateLaunchTemplate(Box::new(CreateLaunchTemplate {
        name: form.required("LaunchTemplateName")?,
        version_description: form.text("VersionDescription"),
        data: data(form)?,
        client_token: form.text("ClientToken"),
        tag_specifications: form.tag_specifications("")?,
    })))
}

pub(super) fn create_version(form: &Form) -> Result<Request, ApiError> {
    form.only("ResolveAlias", &["false"])?;
    Ok(Request::CreateLaunchTemplateVersion(Box::new(CreateLaunchTemplateVersion {
        template: named(form),
        source_version: form.text("SourceVersion"),
        version_description: form.text("VersionDescription"),
        data: data(form)?,
        client_token: form.text("ClientToken"),
    })))
}

pub(super) fn describe(form: &Form) -> Result<Request, ApiError> {
    // Nothing here is managed by a service.
    form.boolean("IncludeManagedResources")?;
    Ok(Request::DescribeLaunchTemplates(DescribeLaunchTemplates {
        ids: form.list("LaunchTemplateId"),
        names: form.list("LaunchTemplateName"),
        filters: form.filters()?,
        page: form.page()?,
    }))
}

pub(super) fn describe_versions(form: &Form) -> Result<Request, ApiError> {
    form.boolean("IncludeManagedResources")?;
    form.only("ResolveAlias", &["false"])?;
    let bound = |name: &str| form.integer(name).map(|number| number.and_then(|number| u64::try_from(number).ok()));
    Ok(Request::DescribeLaunchTemplateVersions(DescribeLaunchTemplateVersions {
        template: named(form),
        versions: form.list("LaunchTemplateVersion"),
        min_version: bound("MinVersion")?,
        max_version: bound("MaxVersion")?,
        filters: form.filters()?,
        page: form.page()?,
    }))
}

pub(super) fn modify(form: &Form) -> Result<Request, ApiError> {
    // To set the same default again changes nothing.
    form.text("ClientToken");
    Ok(Request::ModifyLaunchTemplate(ModifyLaunchTemplate { template: named(form), default_version: form.text("SetDefaultVersion") }))
}

pub(super) fn delete(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::DeleteLaunchTemplate(named(form)))
}

fn named(form: &Form) -> NamedTemplate {
    NamedTemplate { id: form.text("LaunchTemplateId"), name: form.text("LaunchTemplateName") }
}

/// `LaunchTemplateData`: what a launch may say, but for how many, when and in which subnet.
fn data(form: &Form) -> Result<LaunchTemplateData, ApiError> {
    launch::accept_only_without_effect(form, DATA)?;
    let name = |field: &str| format!("{DATA}{field}");
    Ok(LaunchTemplateData {
        image_id: form.text(&name("ImageId")),
        instance_type: form.text(&name("InstanceType")),
        key_name: form.text(&name("KeyName")),
        user_data: form.base64(&name("UserData"))?,
        iam_instance_profile: launch::profile(form, DATA),
        block_device_mappings: launch::block_devices(form, DATA)?,
        security_group_ids: form.list(&name("SecurityGroupId")),
        security_groups: form.list(&name("SecurityGroup")),
        network_interfaces: launch::network_interfaces(form, DATA)?,
        placement: form.has(&name("Placement")).then(|| launch::placement(form, DATA)),
        metadata_options: if form.has(&name("MetadataOptions")) { Some(launch::metadata_options(form, DATA)?) } else { None },
        spot: spot::options(form, DATA)?,
        instance_initiated_shutdown_behavior: launch::shutdown_behavior(form, &name("InstanceInitiatedShutdownBehavior"))?,
        tag_specifications: form.tag_specifications(DATA)?,
        ebs_optimized: form.boolean(&name("EbsOptimized"))?,
        monitoring: form.boolean(&name("Monitoring.Enabled"))?,
        disable_api_termination: form.boolean(&name("DisableApiTermination"))?,
        hibernation: form.boolean(&name("HibernationOptions.Configured"))?,
    })
}
