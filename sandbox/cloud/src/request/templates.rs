//! Calls about launch templates.

use super::{BlockDevice, Filter, NetworkInterface, Page, Placement, ProfileSpecification, RunInstances, SpotOptions, TagSpecification};
use crate::model::{MetadataOptionsRequest, ShutdownBehavior};

/// What a version of a template says of a launch. What it leaves out, whoever launches has to say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LaunchTemplateData {
    /// An AMI, or `resolve:ssm:` and the name of a public parameter.
    pub image_id: Option<String>,
    /// The instance type.
    pub instance_type: Option<String>,
    /// A key pair.
    pub key_name: Option<String>,
    /// What the instance reads at its first boot, as it is (not base64).
    pub user_data: Option<Vec<u8>>,
    /// The instance profile.
    pub iam_instance_profile: Option<ProfileSpecification>,
    /// Disks.
    pub block_device_mappings: Vec<BlockDevice>,
    /// The security groups by id.
    pub security_group_ids: Vec<String>,
    /// The security groups by name.
    pub security_groups: Vec<String>,
    /// The interface, instead of the groups above.
    pub network_interfaces: Vec<NetworkInterface>,
    /// Zone, placement group and tenancy.
    pub placement: Option<Placement>,
    /// The metadata service.
    pub metadata_options: Option<MetadataOptionsRequest>,
    /// Spot, if given.
    pub spot: Option<SpotOptions>,
    /// What a shutdown from inside means.
    pub instance_initiated_shutdown_behavior: Option<ShutdownBehavior>,
    /// Tags of what is launched.
    pub tag_specifications: Vec<TagSpecification>,
    /// Whether the disk has bandwidth of its own.
    pub ebs_optimized: Option<bool>,
    /// Detailed monitoring.
    pub monitoring: Option<bool>,
    /// Refuses TerminateInstances while set.
    pub disable_api_termination: Option<bool>,
    /// Whether the memory can be kept while the instance is stopped.
    pub hibernation: Option<bool>,
}

impl LaunchTemplateData {
    /// The launch that it describes, of one instance and in no subnet of its own choice but its interface's.
    pub fn launch(&self) -> RunInstances {
        let data = self.clone();
        RunInstances {
            image_id: data.image_id.unwrap_or_default(),
            instance_type: data.instance_type.unwrap_or_default(),
            min_count: 1,
            max_count: 1,
            client_token: None,
            tag_specifications: data.tag_specifications,
            subnet_id: None,
            security_group_ids: data.security_group_ids,
            security_groups: data.security_groups,
            network_interfaces: data.network_interfaces,
            placement: data.placement.unwrap_or_default(),
            iam_instance_profile: data.iam_instance_profile,
            user_data: data.user_data,
            instance_initiated_shutdown_behavior: data.instance_initiated_shutdown_behavior,
            metadata_options: data.metadata_options.unwrap_or_default(),
            block_device_mappings: data.block_device_mappings,
            ebs_optimized: data.ebs_optimized.unwrap_or(false),
            spot: data.spot,
            key_name: data.key_name,
            monitoring: data.monitoring.unwrap_or(false),
            disable_api_termination: data.disable_api_termination.unwrap_or(false),
            hibernation: data.hibernation.unwrap_or(false),
            dry_run: false,
        }
    }

    /// The same with what another version says where this one says nothing.
    #[must_use]
    pub fn or(self, source: &LaunchTemplateData) -> LaunchTemplateData {
        let source = source.clone();
        LaunchTemplateData {
            image_id: self.image_id.or(source.image_id),
            instance_type: self.instance_type.or(source.instance_type),
            key_name: self.key_name.or(source.key_name),
            user_data: self.user_data.or(source.user_data),
            iam_instance_profile: self.iam_instance_profile.or(source.iam_instance_profile),
            block_device_mappings: list_or(self.block_device_mappings, source.block_device_mappings),
            security_group_ids: list_or(self.security_group_ids, source.security_group_ids),
            security_groups: list_or(self.security_groups, source.security_groups),
            network_interfaces: list_or(self.network_interfaces, source.network_interfaces),
            placement: self.placement.or(source.placement),
            metadata_options: self.metadata_options.or(source.metadata_options),
            spot: self.spot.or(source.spot),
            instance_initiated_shutdown_behavior: self.instance_initiated_shutdown_behavior.or(source.instance_initiated_shutdown_behavior),
            tag_specifications: list_or(self.tag_specifications, source.tag_specifications),
            ebs_optimized: self.ebs_optimized.or(source.ebs_optimized),
            monitoring: self.monitoring.or(source.monitoring),
            disable_api_termination: self.disable_api_termination.or(source.disable_api_termination),
            hibernation: self.hibernation.or(source.hibernation),
        }
    }
}

fn list_or<T>(list: Vec<T>, other: Vec<T>) -> Vec<T> {
    if list.is_empty() { other } else { list }
}

/// A template by id or by name, one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedTemplate {
    /// `lt-…`.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
}

impl NamedTemplate {
    /// The template of this name.
    pub fn by_name(name: impl Into<String>) -> Self {
        NamedTemplate { id: None, name: Some(name.into()) }
    }
}

/// Makes a launch template and its first version.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreateLaunchTemplate {
    /// Unique in its region: 3 to 128 letters, digits and `()./_-`.
    pub name: String,
    /// Free text about the first version.
    pub version_description: Option<String>,
    /// What it launches. EC2 does not look at it before somebody launches.
    pub data: LaunchTemplateData,
    /// Makes repetition safe.
    pub client_token: Option<String>,
    /// Tags, of `launch-template`.
    pub tag_specifications: Vec<TagSpecification>,
}

/// Makes another version of a launch template.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreateLaunchTemplateVersion {
    /// The template.
    pub template: NamedTemplate,
    /// The version that says what this one leaves out; none is no version.
    pub source_version: Option<String>,
    /// Free text.
    pub version_description: Option<String>,
    /// What it launches.
    pub data: LaunchTemplateData,
    /// Makes repetition safe.
    pub client_token: Option<String>,
}

/// Lists launch templates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeLaunchTemplates {
    /// Only these; an unknown one is an error.
    pub ids: Vec<String>,
    /// Only these; an unknown one is an error.
    pub names: Vec<String>,
    /// Conditions, all of which must hold.
    pub filters: Vec<Filter>,
    /// Which part of the answer. 1 to 200.
    pub page: Page,
}

/// Lists the versions of a template, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeLaunchTemplateVersions {
    /// The template; none is all of them, of which only `$Latest` and `$Default` can be asked for.
    pub template: NamedTemplate,
    /// Only these: numbers, `$Latest` and `$Default`.
    pub versions: Vec<String>,
    /// Only these and newer ones.
    pub min_version: Option<u64>,
    /// Only these and older ones.
    pub max_version: Option<u64>,
    /// Conditions, all of which must hold.
    pub filters: Vec<Filter>,
    /// Which part of the answer. 1 to 200.
    pub page: Page,
}

/// Makes another version the default of its template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModifyLaunchTemplate {
    /// The template.
    pub template: NamedTemplate,
    /// A number.
    pub default_version: Option<String>,
}
