//! RunInstances.

use sandbox_cloud::model::{MetadataOptionsRequest, ShutdownBehavior};
use sandbox_cloud::request::{BlockDevice, NetworkInterface, Placement, ProfileSpecification, RunInstances};
use sandbox_cloud::{ApiError, Request};

use super::spot;
use crate::form::Form;

pub(super) fn run(form: &Form) -> Result<Request, ApiError> {
    accept_only_without_effect(form)?;
    let count = |name: &str| {
        form.required(name)?;
        form.integer(name).map(Option::unwrap_or_default)
    };
    Ok(Request::RunInstances(Box::new(RunInstances {
        image_id: form.text("ImageId").unwrap_or_default(),
        // EC2's own default is a type that nobody has any more.
        instance_type: form.required("InstanceType")?,
        min_count: count("MinCount")?,
        max_count: count("MaxCount")?,
        client_token: form.text("ClientToken"),
        tag_specifications: form.tag_specifications()?,
        subnet_id: form.text("SubnetId"),
        security_group_ids: form.list("SecurityGroupId"),
        security_groups: form.list("SecurityGroup"),
        network_interfaces: form.items("NetworkInterface").iter().map(|item| network_interface(form, item)).collect::<Result<_, _>>()?,
        placement: Placement {
            availability_zone: form.text("Placement.AvailabilityZone"),
            availability_zone_id: form.text("Placement.AvailabilityZoneId"),
            group_name: form.text("Placement.GroupName").filter(|name| !name.is_empty()),
            group_id: form.text("Placement.GroupId"),
            tenancy: form.text("Placement.Tenancy"),
        },
        iam_instance_profile: form
            .has("IamInstanceProfile")
            .then(|| ProfileSpecification { arn: form.text("IamInstanceProfile.Arn"), name: form.text("IamInstanceProfile.Name") }),
        user_data: form.base64("UserData")?,
        instance_initiated_shutdown_behavior: shutdown_behavior(form, "InstanceInitiatedShutdownBehavior")?,
        metadata_options: MetadataOptionsRequest {
            http_tokens: form.text("MetadataOptions.HttpTokens"),
            http_put_response_hop_limit: form.integer("MetadataOptions.HttpPutResponseHopLimit")?,
            http_endpoint: form.text("MetadataOptions.HttpEndpoint"),
            http_protocol_ipv6: form.text("MetadataOptions.HttpProtocolIpv6"),
            instance_metadata_tags: form.text("MetadataOptions.InstanceMetadataTags"),
        },
        block_device_mappings: form.items("BlockDeviceMapping").iter().map(|item| block_device(form, item)).collect::<Result<_, _>>()?,
        ebs_optimized: form.boolean("EbsOptimized")?.unwrap_or(false),
        spot: spot::options(form)?,
        key_name: form.text("KeyName"),
        hibernation: form.boolean("HibernationOptions.Configured")?.unwrap_or(false),
        monitoring: form.boolean("Monitoring.Enabled")?.unwrap_or(false),
        disable_api_termination: form.boolean("DisableApiTermination")?.unwrap_or(false),
        // Set by the caller, for every operation alike.
        dry_run: false,
    })))
}

/// Parameters that may be given as long as they say what happens anyway.
fn accept_only_without_effect(form: &Form) -> Result<(), ApiError> {
    for (name, values) in [
        ("CapacityReservationSpecification.CapacityReservationPreference", &["open", "none"][..]),
        ("DisableApiStop", &["false"]),
        ("EnablePrimaryIpv6", &["false"]),
        ("EnclaveOptions.Enabled", &["false"]),
        ("Ipv6AddressCount", &["0"]),
        ("MaintenanceOptions.AutoRecovery", &["default"]),
        ("NetworkPerformanceOptions.BandwidthWeighting", &["default"]),
        ("PrivateDnsNameOptions.HostnameType", &["ip-name"]),
        ("PrivateDnsNameOptions.EnableResourceNameDnsARecord", &["false"]),
        ("PrivateDnsNameOptions.EnableResourceNameDnsAAAARecord", &["false"]),
    ] {
        form.only(name, values)?;
    }
    Ok(())
}

pub(super) fn shutdown_behavior(form: &Form, name: &str) -> Result<Option<ShutdownBehavior>, ApiError> {
    match form.text(name).as_deref() {
        None => Ok(None),
        Some("stop") => Ok(Some(ShutdownBehavior::Stop)),
        Some("terminate") => Ok(Some(ShutdownBehavior::Terminate)),
        Some(other) => Err(ApiError::new(
            "InvalidParameterValue",
            format!("Value ({other}) for parameter instanceInitiatedShutdownBehavior is invalid."),
        )),
    }
}

fn network_interface(form: &Form, item: &str) -> Result<NetworkInterface, ApiError> {
    let name = |field: &str| format!("{item}.{field}");
    form.only(&name("InterfaceType"), &["interface"])?;
    form.only(&name("NetworkCardIndex"), &["0"])?;
    Ok(NetworkInterface {
        device_index: form.integer(&name("DeviceIndex"))?,
        subnet_id: form.text(&name("SubnetId")),
        groups: form.list(&name("SecurityGroupId")),
        associate_public_ip_address: form.boolean(&name("AssociatePublicIpAddress"))?,
        delete_on_termination: form.boolean(&name("DeleteOnTermination"))?,
        description: form.text(&name("Description")),
    })
}

fn block_device(form: &Form, item: &str) -> Result<BlockDevice, ApiError> {
    let name = |field: &str| format!("{item}.{field}");
    Ok(BlockDevice {
        device_name: form.text(&name("DeviceName")).unwrap_or_default(),
        no_device: form.text(&name("NoDevice")).is_some(),
        volume_size: form.integer(&name("Ebs.VolumeSize"))?,
        volume_type: form.text(&name("Ebs.VolumeType")),
        delete_on_termination: form.boolean(&name("Ebs.DeleteOnTermination"))?,
        encrypted: form.boolean(&name("Ebs.Encrypted"))?,
        iops: form.integer(&name("Ebs.Iops"))?,
        throughput: form.integer(&name("Ebs.Throughput"))?,
        snapshot_id: form.text(&name("Ebs.SnapshotId")),
        kms_key_id: form.text(&name("Ebs.KmsKeyId")),
    })
}
