//! RunInstances.

use sandbox_cloud::model::{MetadataOptionsRequest, ShutdownBehavior};
use sandbox_cloud::request::{BlockDevice, NetworkInterface, Placement, ProfileSpecification, RunInstances};
use sandbox_cloud::{ApiError, Request};

use super::spot;
use crate::form::Form;

pub(super) fn run(form: &Form) -> Result<Request, ApiError> {
    accept_only_without_effect(form, "")?;
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
        tag_specifications: form.tag_specifications("")?,
        subnet_id: form.text("SubnetId"),
        security_group_ids: form.list("SecurityGroupId"),
        security_groups: form.list("SecurityGroup"),
        network_interfaces: network_interfaces(form, "")?,
        placement: placement(form, ""),
        iam_instance_profile: profile(form, ""),
        user_data: form.base64("UserData")?,
        instance_initiated_shutdown_behavior: shutdown_behavior(form, "InstanceInitiatedShutdownBehavior")?,
        metadata_options: metadata_options(form, "")?,
        block_device_mappings: block_devices(form, "")?,
        ebs_optimized: form.boolean("EbsOptimized")?.unwrap_or(false),
        spot: spot::options(form, "")?,
        key_name: form.text("KeyName"),
        hibernation: form.boolean("HibernationOptions.Configured")?.unwrap_or(false),
        monitoring: form.boolean("Monitoring.Enabled")?.unwrap_or(false),
        disable_api_termination: form.boolean("DisableApiTermination")?.unwrap_or(false),
        // Set by the caller, for every operation alike.
        dry_run: false,
    })))
}

/// `Placement`, after a prefix.
pub(super) fn placement(form: &Form, prefix: &str) -> Placement {
    let text = |field: &str| form.text(&format!("{prefix}Placement.{field}"));
    Placement {
        availability_zone: text("AvailabilityZone"),
        availability_zone_id: text("AvailabilityZoneId"),
        group_name: text("GroupName").filter(|name| !name.is_empty()),
        group_id: text("GroupId"),
        tenancy: text("Tenancy"),
    }
}

/// `IamInstanceProfile`, after a prefix.
pub(super) fn profile(form: &Form, prefix: &str) -> Option<ProfileSpecification> {
    let name = format!("{prefix}IamInstanceProfile");
    form.has(&name).then(|| ProfileSpecification { arn: form.text(&format!("{name}.Arn")), name: form.text(&format!("{name}.Name")) })
}

/// `MetadataOptions`, after a prefix.
pub(super) fn metadata_options(form: &Form, prefix: &str) -> Result<MetadataOptionsRequest, ApiError> {
    let name = |field: &str| format!("{prefix}MetadataOptions.{field}");
    Ok(MetadataOptionsRequest {
        http_tokens: form.text(&name("HttpTokens")),
        http_put_response_hop_limit: form.integer(&name("HttpPutResponseHopLimit"))?,
        http_endpoint: form.text(&name("HttpEndpoint")),
        http_protocol_ipv6: form.text(&name("HttpProtocolIpv6")),
        instance_metadata_tags: form.text(&name("InstanceMetadataTags")),
    })
}

/// `NetworkInterface.N`, after a prefix.
pub(super) fn network_interfaces(form: &Form, prefix: &str) -> Result<Vec<NetworkInterface>, ApiError> {
    form.items(&format!("{prefix}NetworkInterface")).iter().map(|item| network_interface(form, item)).collect()
}

/// `BlockDeviceMapping.N`, after a prefix.
pub(super) fn block_devices(form: &Form, prefix: &str) -> Result<Vec<BlockDevice>, ApiError> {
    form.items(&format!("{prefix}BlockDeviceMapping")).iter().map(|item| block_device(form, item)).collect()
}

/// Parameters that may be given as long as they say what happens anyway.
pub(super) fn accept_only_without_effect(form: &Form, prefix: &str) -> Result<(), ApiError> {
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
        form.only(&format!("{prefix}{name}"), values)?;
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
