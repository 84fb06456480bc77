//! Making instances and ending them.

use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types::{
    self, BlockDeviceMapping, EbsBlockDevice, HibernationOptionsRequest, HttpTokensState, IamInstanceProfileSpecification,
    InstanceMetadataEndpointState, InstanceMetadataOptionsRequest, InstanceMetadataTagsState, InstanceType, ResourceType, ShutdownBehavior,
    VolumeType,
};
use spawn_core::ports::{Disk, LaunchRequest, Result};
use spawn_model::error::{Class, Error, Leftover};
use spawn_model::ids::InstanceId;
use spawn_model::record::Launched;

use super::observe::launched;
use super::spot::market_options;
use super::{Ec2, tags_for};
use crate::endpoint::Call;

const RUN: Call = Call::once("ec2", "RunInstances");
const TERMINATE: Call = Call::repeatable("ec2", "TerminateInstances");
const STOP: Call = Call::repeatable("ec2", "StopInstances");
const START: Call = Call::repeatable("ec2", "StartInstances");

impl Ec2 {
    pub(super) async fn run(&self, request: &LaunchRequest) -> Result<Vec<Launched>> {
        let run = self.run_request(request);
        let answer = self.endpoint.call(RUN, || run.clone().send()).await.map_err(|error| launch_error(error, request))?;
        let mut instances: Vec<Launched> = answer.instances().iter().map(launched).collect();
        instances.sort_by_key(|instance| instance.launch_index);
        Ok(instances)
    }

    pub(super) fn run_request(&self, request: &LaunchRequest) -> RunInstancesFluentBuilder {
        let profile = request.profile.as_ref().map(|name| IamInstanceProfileSpecification::builder().name(name).build());
        let run = self
            .client
            .run_instances()
            .client_token(&request.client_token)
            .min_count(count(request.min_count))
            .max_count(count(request.max_count))
            .instance_type(InstanceType::from(request.instance_type.as_str()))
            .image_id(&request.image_id)
            .set_key_name(request.key_name.clone())
            .set_placement(request.placement_group.as_ref().map(|name| types::Placement::builder().group_name(name).build()))
            .set_iam_instance_profile(profile)
            .set_user_data(encoded(&request.user_data))
            // Powering off ends the machine, or stops it: it needs no permission for that.
            .instance_initiated_shutdown_behavior(if request.ends.stops() { ShutdownBehavior::Stop } else { ShutdownBehavior::Terminate })
            .set_hibernation_options(request.ends.hibernates().then(|| HibernationOptionsRequest::builder().configured(true).build()))
            .set_instance_market_options(request.spot.map(market_options))
            .metadata_options(metadata_options())
            .set_block_device_mappings(Some(request.disks.iter().map(block_device).collect()))
            .tag_specifications(tags_for(ResourceType::Instance, &request.tags))
            .tag_specifications(tags_for(ResourceType::Volume, &request.tags));
        match request.public_address {
            None => run.subnet_id(&request.subnet_id).set_security_group_ids(Some(request.group_ids.clone())),
            Some(public) => run.network_interfaces(interface(request, public)),
        }
    }

    /// Terminates at most 1,000. One unknown id makes EC2 refuse the whole call, so that id is left out and the call made again.
    pub(super) async fn terminate_batch(&self, ids: &[InstanceId]) -> Result<()> {
        let mut ids: Vec<&str> = ids.iter().map(|id| id.0.as_str()).collect();
        while !ids.is_empty() {
            let terminate = self.client.terminate_instances().set_instance_ids(Some(ids.iter().map(|id| (*id).to_owned()).collect()));
            let Err(error) = self.endpoint.call(TERMINATE, || terminate.clone().send()).await else {
                return Ok(());
            };
            let asked = ids.len();
            if error.code == "InvalidInstanceID.NotFound" {
                let unknown = instance_ids_in(&error.message);
                ids.retain(|id| !unknown.contains(id));
            }
            if ids.len() == asked {
                return Err(error);
            }
        }
        Ok(())
    }

    pub(super) async fn stop_batch(&self, ids: &[InstanceId], hibernate: bool) -> Result<()> {
        let stop = self.client.stop_instances().set_instance_ids(Some(texts(ids))).set_hibernate(hibernate.then_some(true));
        self.endpoint.call(STOP, || stop.clone().send()).await.map(drop)
    }

    pub(super) async fn start_batch(&self, ids: &[InstanceId]) -> Result<()> {
        let start = self.client.start_instances().set_instance_ids(Some(texts(ids)));
        self.endpoint.call(START, || start.clone().send()).await.map(drop)
    }
}

fn texts(ids: &[InstanceId]) -> Vec<String> {
    ids.iter().map(|id| id.0.clone()).collect()
}

/// A count as the SDK has it.
pub(crate) fn count(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// IMDSv2 only, out of reach of containers, and without tags: with tags in it, keys with `:` make the launch fail.
fn metadata_options() -> InstanceMetadataOptionsRequest {
    InstanceMetadataOptionsRequest::builder()
        .http_endpoint(InstanceMetadataEndpointState::Enabled)
        .http_tokens(HttpTokensState::Required)
        .http_put_response_hop_limit(1)
        .instance_metadata_tags(InstanceMetadataTagsState::Disabled)
        .build()
}

/// The one interface of an instance, whose addresses only it can say.
fn interface(request: &LaunchRequest, public: bool) -> types::InstanceNetworkInterfaceSpecification {
    types::InstanceNetworkInterfaceSpecification::builder()
        .device_index(0)
        .subnet_id(&request.subnet_id)
        .set_groups(Some(request.group_ids.clone()))
        .associate_public_ip_address(public)
        .delete_on_termination(true)
        .build()
}

/// A disk ends with its instance, whatever the image says.
fn block_device(disk: &Disk) -> BlockDeviceMapping {
    let volume = &disk.volume;
    let ebs = EbsBlockDevice::builder()
        .delete_on_termination(true)
        .volume_type(VolumeType::from(volume.r#type.word()))
        .set_volume_size(volume.size_gib.map(count))
        .set_iops(volume.iops.map(count))
        .set_throughput(volume.throughput_mib_s.map(count))
        .set_snapshot_id(volume.snapshot.clone())
        .encrypted(volume.encrypted)
        .set_kms_key_id(volume.kms_key.clone())
        .build();
    BlockDeviceMapping::builder().device_name(&disk.device).ebs(ebs).build()
}

/// User data as EC2 takes it; nothing if there is none.
pub(super) fn encoded(user_data: &[u8]) -> Option<String> {
    (!user_data.is_empty()).then(|| aws_smithy_types::base64::encode(user_data))
}

pub(super) fn launch_error(error: Error, request: &LaunchRequest) -> Error {
    if error.class == Class::Ambiguous {
        return error.leaving(Leftover::Unknown);
    }
    profile_not_ready(error, &format!("the instance profile {}", request.profile.as_deref().unwrap_or_default()))
}

/// A profile is not everywhere in the moment it is made, and EC2 has no code of its own for that.
pub(crate) fn profile_not_ready(error: Error, profile: &str) -> Error {
    if error.message.to_ascii_lowercase().contains("invalid iam instance profile") {
        let message = format!("EC2 does not know {profile} yet");
        return Error::new(Class::Transient, "ProfileNotReady", message, "Try again in a few seconds");
    }
    error
}

/// The instance ids that a message names.
fn instance_ids_in(message: &str) -> Vec<&str> {
    message.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).filter(|word| word.starts_with("i-")).collect()
}

#[cfg(test)]
mod tests {
    use spawn_core::ports::Tags;
    use spawn_model::stopping::Ends;

    use super::*;

    #[test]
    fn unknown_ids_are_read_from_the_refusal() {
        for (message, expected) in [
            ("ec2:TerminateInstances failed: The instance IDs 'i-0a, i-0b' do not exist", vec!["i-0a", "i-0b"]),
            ("The instance ID 'i-0123456789abcdef0' does not exist", vec!["i-0123456789abcdef0"]),
            ("nothing of the kind", vec![]),
        ] {
            assert_eq!(instance_ids_in(message), expected);
        }
    }

    #[test]
    fn what_a_failed_launch_means() {
        let request = LaunchRequest {
            client_token: "token".to_owned(),
            min_count: 1,
            max_count: 1,
            instance_type: "c7i.large".to_owned(),
            image_id: "ami-0".to_owned(),
            disks: Vec::new(),
            subnet_id: "subnet-0".to_owned(),
            public_address: None,
            group_ids: Vec::new(),
            placement_group: None,
            key_name: None,
            profile: Some("spawn-x".to_owned()),
            spot: None,
            user_data: Vec::new(),
            ends: Ends::default(),
            tags: Tags::new(),
        };
        let words =
            "ec2:RunInstances failed: Value (spawn-x) for parameter iamInstanceProfile.name is invalid; Invalid IAM Instance Profile name";
        for (error, class, code, left) in [
            (Error::new(Class::Invalid, "InvalidParameterValue", words, ""), Class::Transient, "ProfileNotReady", Leftover::Clear),
            (
                Error::new(Class::Invalid, "InvalidParameterValue", "Invalid id", ""),
                Class::Invalid,
                "InvalidParameterValue",
                Leftover::Clear,
            ),
            (Error::new(Class::Ambiguous, "NoAnswer", "no answer", ""), Class::Ambiguous, "NoAnswer", Leftover::Unknown),
        ] {
            let told = launch_error(error, &request);
            assert_eq!((told.class, told.code.as_str(), told.left), (class, code, left));
        }
    }
}
