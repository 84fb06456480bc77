//! Launch templates: what launches say but for type and place, in types of their own.

use aws_sdk_ec2::operation::create_launch_template::builders::CreateLaunchTemplateFluentBuilder;
use aws_sdk_ec2::types::{
    self, LaunchTemplateBlockDeviceMappingRequest, LaunchTemplateEbsBlockDeviceRequest, LaunchTemplateHttpTokensState,
    LaunchTemplateIamInstanceProfileSpecificationRequest, LaunchTemplateInstanceMetadataEndpointState,
    LaunchTemplateInstanceMetadataOptionsRequest, LaunchTemplateInstanceMetadataTagsState,
    LaunchTemplateInstanceNetworkInterfaceSpecificationRequest, LaunchTemplateTagSpecificationRequest, RequestLaunchTemplateData,
    ResourceType, ShutdownBehavior, VolumeType,
};
use spawn_core::ports::{Disk, Result, Tags, Template};
use spawn_model::error::{Class, Error};

use super::launch::{count, encoded};
use super::{Ec2, ec2_tags, tags_for};
use crate::endpoint::Call;
use crate::error::Tolerate;

// Made again it finds the name taken, and makes a version.
const CREATE: Call = Call::repeatable("ec2", "CreateLaunchTemplate");
// Made twice it makes two versions that say the same, of which the later counts.
const CREATE_VERSION: Call = Call::repeatable("ec2", "CreateLaunchTemplateVersion");
const DESCRIBE: Call = Call::repeatable("ec2", "DescribeLaunchTemplates");
const DELETE: Call = Call::repeatable("ec2", "DeleteLaunchTemplate");

/// What EC2 says of a template that is not there.
const NOT_THERE: &str = "InvalidLaunchTemplateName.NotFoundException";

impl Ec2 {
    pub(crate) async fn template_make(&self, template: &Template) -> Result<i64> {
        let create = self.template_request(template);
        let created = self.endpoint.call(CREATE, || create.clone().send()).await;
        match created.tolerate(&["InvalidLaunchTemplateName.AlreadyExistsException"])? {
            Some(made) => Ok(made.launch_template().and_then(types::LaunchTemplate::latest_version_number).unwrap_or(1)),
            None => self.template_version(template).await,
        }
    }

    pub(super) fn template_request(&self, template: &Template) -> CreateLaunchTemplateFluentBuilder {
        self.client
            .create_launch_template()
            .launch_template_name(&template.name)
            .launch_template_data(data(template))
            .tag_specifications(tags_for(ResourceType::LaunchTemplate, &template.tags))
    }

    pub(crate) async fn template_version(&self, template: &Template) -> Result<i64> {
        let create = self.client.create_launch_template_version().launch_template_name(&template.name).launch_template_data(data(template));
        let made = self.endpoint.call(CREATE_VERSION, || create.clone().send()).await?;
        made.launch_template_version().and_then(types::LaunchTemplateVersion::version_number).ok_or_else(|| {
            Error::new(Class::Bug, "InvalidAnswer", "ec2:CreateLaunchTemplateVersion answered without a number", "Report this")
        })
    }

    pub(crate) async fn template_remove(&self, name: &str) -> Result<()> {
        let delete = self.client.delete_launch_template().launch_template_name(name);
        match self.endpoint.call(DELETE, || delete.clone().send()).await.tolerate(&[NOT_THERE]) {
            // Whoever may delete what is ours may not delete what is not there: that has no tags that say so.
            Err(error) if error.class == Class::Denied => {
                let describe = self.client.describe_launch_templates().launch_template_names(name);
                match self.endpoint.call(DESCRIBE, || describe.clone().send()).await.tolerate(&[NOT_THERE])? {
                    Some(found) if !found.launch_templates().is_empty() => Err(error),
                    _ => Ok(()),
                }
            }
            deleted => deleted.map(drop),
        }
    }
}

fn data(template: &Template) -> RequestLaunchTemplateData {
    let data = RequestLaunchTemplateData::builder()
        .image_id(&template.image_id)
        .set_key_name(template.key_name.clone())
        .iam_instance_profile(LaunchTemplateIamInstanceProfileSpecificationRequest::builder().name(&template.profile).build())
        .set_user_data(encoded(&template.user_data))
        // Powering off ends the machine: it needs no permission for that.
        .instance_initiated_shutdown_behavior(ShutdownBehavior::Terminate)
        .metadata_options(metadata_options())
        .set_block_device_mappings(Some(template.disks.iter().map(block_device).collect()))
        .tag_specifications(tags_of_launched(ResourceType::Instance, &template.tags))
        .tag_specifications(tags_of_launched(ResourceType::Volume, &template.tags));
    match template.public_address {
        None => data.set_security_group_ids(Some(template.group_ids.clone())).build(),
        Some(public) => data.network_interfaces(interface(template, public)).build(),
    }
}

/// As every launch has them.
fn metadata_options() -> LaunchTemplateInstanceMetadataOptionsRequest {
    LaunchTemplateInstanceMetadataOptionsRequest::builder()
        .http_endpoint(LaunchTemplateInstanceMetadataEndpointState::Enabled)
        .http_tokens(LaunchTemplateHttpTokensState::Required)
        .http_put_response_hop_limit(1)
        .instance_metadata_tags(LaunchTemplateInstanceMetadataTagsState::Disabled)
        .build()
}

/// The one interface of an instance. Whoever launches says the subnet.
fn interface(template: &Template, public: bool) -> LaunchTemplateInstanceNetworkInterfaceSpecificationRequest {
    LaunchTemplateInstanceNetworkInterfaceSpecificationRequest::builder()
        .device_index(0)
        .set_groups(Some(template.group_ids.clone()))
        .associate_public_ip_address(public)
        .delete_on_termination(true)
        .build()
}

/// A disk ends with its instance, whatever the image says.
fn block_device(disk: &Disk) -> LaunchTemplateBlockDeviceMappingRequest {
    let volume = &disk.volume;
    let ebs = LaunchTemplateEbsBlockDeviceRequest::builder()
        .delete_on_termination(true)
        .volume_type(VolumeType::from(volume.r#type.word()))
        .set_volume_size(volume.size_gib.map(count))
        .set_iops(volume.iops.map(count))
        .set_throughput(volume.throughput_mib_s.map(count))
        .set_snapshot_id(volume.snapshot.clone())
        .encrypted(volume.encrypted)
        .set_kms_key_id(volume.kms_key.clone())
        .build();
    LaunchTemplateBlockDeviceMappingRequest::builder().device_name(&disk.device).ebs(ebs).build()
}

fn tags_of_launched(resource: ResourceType, tags: &Tags) -> LaunchTemplateTagSpecificationRequest {
    LaunchTemplateTagSpecificationRequest::builder().resource_type(resource).set_tags(Some(ec2_tags(tags))).build()
}
