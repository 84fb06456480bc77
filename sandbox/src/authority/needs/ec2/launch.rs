//! RunInstances: image, instance, interface, volume, subnet, groups, and whatever else a launch names.

use std::collections::BTreeMap;

use sandbox_cloud::request::{BlockDevice, RunInstances};

use super::{Need, Place, tags_for};

const RUN: &str = "RunInstances";

pub(super) fn needs(place: &Place<'_>, launch: &RunInstances) -> Vec<Need> {
    let subnet = subnet(place, launch);
    let zone = subnet.as_ref().and_then(|subnet| fact(subnet, "ec2:AvailabilityZone"));
    let vpc = subnet.as_ref().and_then(|subnet| fact(subnet, "ec2:Vpc"));
    let image = place.cloud.image_id(place.region(), &launch.image_id);
    let mut needs = vec![place.on(RUN, &image), instance(place, launch, zone.as_deref())];
    needs.extend(volumes(place, launch, &image, zone.as_deref()));
    needs.extend(snapshots(place, launch));
    needs.extend(groups(place, launch, vpc.as_deref()));
    needs.push(interface(place, launch, subnet.as_ref(), zone.as_deref(), vpc.as_deref()));
    needs.extend(subnet);
    let named = [launch.key_name.as_ref(), launch.placement.group_name.as_ref(), launch.placement.group_id.as_ref()];
    for name in named.into_iter().flatten() {
        let id = place.cloud.id_of_name(place.region(), name).unwrap_or_else(|| name.clone());
        needs.push(place.on(RUN, &id));
    }
    needs.extend(spot_request(place, launch));
    for kind in ["instance", "volume", "network-interface", "spot-instances-request"] {
        needs.extend(place.tagging(RUN, kind, &tags_for(&launch.tag_specifications, kind)));
    }
    if let Some(name) = launch.image_id.strip_prefix("resolve:ssm:") {
        needs.push(Need::new("ssm:GetParameters", format!("arn:aws:ssm:{}::parameter{name}", place.region())));
    }
    needs.extend(role(place, launch));
    needs
}

fn fact(need: &Need, key: &str) -> Option<String> {
    need.context.get(&key.to_lowercase())?.first().cloned()
}

/// The subnet that is named, or that EC2 would choose: the first of the default ones, since policies can hardly tell them apart.
fn subnet(place: &Place<'_>, launch: &RunInstances) -> Option<Need> {
    let named = launch.network_interfaces.first().and_then(|interface| interface.subnet_id.clone()).or_else(|| launch.subnet_id.clone());
    let chosen = || place.cloud.default_subnets(place.region(), launch.placement.availability_zone.as_deref()).into_iter().next();
    named.or_else(chosen).map(|id| place.on(RUN, &id))
}

fn instance(place: &Place<'_>, launch: &RunInstances, zone: Option<&str>) -> Need {
    let options = &launch.metadata_options;
    place
        .made(RUN, "instance", &tags_for(&launch.tag_specifications, "instance"))
        .with("ec2:InstanceType", &launch.instance_type)
        .with("ec2:InstanceMarketType", if launch.spot.is_some() { "spot" } else { "on-demand" })
        .with("ec2:EbsOptimized", launch.ebs_optimized.to_string())
        .with("ec2:RootDeviceType", "ebs")
        .with("ec2:Tenancy", launch.placement.tenancy.as_deref().unwrap_or("default"))
        .with_some("ec2:AvailabilityZone", zone)
        .with_some("ec2:InstanceProfile", profile_arn(place, launch))
        .with_some("ec2:MetadataHttpTokens", options.http_tokens.as_deref())
        .with_some("ec2:MetadataHttpEndpoint", options.http_endpoint.as_deref())
        .with_some("ec2:MetadataHttpPutResponseHopLimit", options.http_put_response_hop_limit.map(|hops| hops.to_string()))
        .with_some("ec2:InstanceMetadataTags", options.instance_metadata_tags.as_deref())
        .with_some("ec2:PlacementGroup", launch.placement.group_name.as_ref().map(|name| place.arn("placement-group", name)))
}

/// One right for each kind of disk: those that the launch describes, else the image's own.
fn volumes(place: &Place<'_>, launch: &RunInstances, image: &str, zone: Option<&str>) -> Vec<Need> {
    let as_it_is = BlockDevice::default();
    let described: Vec<&BlockDevice> = launch.block_device_mappings.iter().filter(|device| !device.no_device).collect();
    let devices = if described.is_empty() { vec![&as_it_is] } else { described };
    let tags = tags_for(&launch.tag_specifications, "volume");
    let parent = |device: &BlockDevice| device.snapshot_id.clone().or_else(|| place.cloud.snapshot_of_image(place.region(), image));
    let of_device = |device: &BlockDevice| {
        place
            .made(RUN, "volume", &tags)
            .with("ec2:Encrypted", device.encrypted.unwrap_or(false).to_string())
            .with_some("ec2:AvailabilityZone", zone)
            .with_some("ec2:KmsKeyId", device.kms_key_id.as_deref())
            .with_some("ec2:ParentSnapshot", parent(device).map(|id| format!("arn:aws:ec2:{}::snapshot/{id}", place.region())))
            .with_some("ec2:VolumeIops", device.iops.map(|iops| iops.to_string()))
            .with_some("ec2:VolumeSize", device.volume_size.map(|size| size.to_string()))
            .with_some("ec2:VolumeThroughput", device.throughput.map(|throughput| throughput.to_string()))
            .with_some("ec2:VolumeType", device.volume_type.as_deref())
    };
    devices.into_iter().map(of_device).collect()
}

/// The snapshots that the launch itself names; an image's come with it.
fn snapshots(place: &Place<'_>, launch: &RunInstances) -> Vec<Need> {
    launch.block_device_mappings.iter().filter_map(|device| device.snapshot_id.as_ref()).map(|id| place.on(RUN, id)).collect()
}

/// The groups that are named, or the network's default one.
fn groups(place: &Place<'_>, launch: &RunInstances, vpc: Option<&str>) -> Vec<Need> {
    let by_id = launch.network_interfaces.first().map_or(&launch.security_group_ids, |interface| &interface.groups);
    let by_name = launch.security_groups.iter().filter_map(|name| place.cloud.group_id(place.region(), None, name));
    let mut ids: Vec<String> = by_id.iter().cloned().chain(by_name).collect();
    if ids.is_empty() {
        let vpc = vpc.and_then(|arn| arn.rsplit('/').next());
        ids.extend(place.cloud.group_id(place.region(), vpc, "default"));
    }
    ids.iter().map(|id| place.on(RUN, id)).collect()
}

fn interface(place: &Place<'_>, launch: &RunInstances, subnet: Option<&Need>, zone: Option<&str>, vpc: Option<&str>) -> Need {
    let public = launch.network_interfaces.first().and_then(|interface| interface.associate_public_ip_address);
    place
        .made(RUN, "network-interface", &tags_for(&launch.tag_specifications, "network-interface"))
        .with_some("ec2:AssociatePublicIpAddress", public.map(|public| public.to_string()))
        .with_some("ec2:AvailabilityZone", zone)
        .with_some("ec2:Subnet", subnet.map(|subnet| subnet.resource.clone()))
        .with_some("ec2:Vpc", vpc)
}

/// EC2 asks about the request for a spot instance only where it is given tags.
fn spot_request(place: &Place<'_>, launch: &RunInstances) -> Option<Need> {
    let tags: BTreeMap<String, String> = tags_for(&launch.tag_specifications, "spot-instances-request");
    (!tags.is_empty()).then(|| place.made(RUN, "spot-instances-request", &tags))
}

fn profile_arn(place: &Place<'_>, launch: &RunInstances) -> Option<String> {
    let profile = launch.iam_instance_profile.as_ref()?;
    let by_name = profile.name.as_ref().and_then(|name| place.facts.iam.profile(name)).map(|profile| profile.arn);
    profile.arn.clone().or(by_name)
}

/// The right to hand the profile's role to the instances.
fn role(place: &Place<'_>, launch: &RunInstances) -> Option<Need> {
    let name = place.facts.iam.role_name_of_profile(&profile_arn(place, launch)?)?;
    let role = place.facts.iam.role_arn(&name)?;
    Some(Need::pass_role(&role, "ec2.amazonaws.com", Some(place.arn("instance", "*"))))
}
