//! What a launch may ask for: each rule is EC2's, with EC2's words.

use super::disks::DiskPlan;
use crate::catalogue::{self, InstanceType};
use crate::cloud::{Cloud, Region};
use crate::error::ApiError;
use crate::images::unknown_image;
use crate::model::{GroupIdentifier, Image, MetadataOptions, MetadataOptionsRequest, PlacementGroup, ProfileIdentifier, Tags};
use crate::network::subnets::unknown as unknown_subnet;
use crate::request::{ProfileSpecification, RunInstances, SpotOptions};
use crate::{placement, tags};

const USER_DATA_LIMIT: usize = 16_384;
const RESOLVE: &str = "resolve:ssm:";

/// Tags for each kind of thing a launch makes.
#[derive(Default)]
pub(super) struct LaunchTags {
    pub(super) instance: Tags,
    pub(super) volume: Tags,
    pub(super) interface: Tags,
    pub(super) spot_request: Tags,
}

/// Where a launch may go: zones, and the subnet in each.
pub(super) struct Target {
    pub(super) zone: String,
    pub(super) subnet_id: String,
}

pub(super) fn counts(request: &RunInstances) -> Result<(u32, u32), ApiError> {
    for (name, count) in [("minCount", request.min_count), ("maxCount", request.max_count)] {
        if count < 1 {
            return Err(ApiError::value(format!("Value ({count}) for parameter {name} is invalid. Minimum value is 1.")));
        }
    }
    if request.max_count < request.min_count {
        return Err(ApiError::value(format!(
            "Value ({}) for parameter minCount is invalid. It must not be greater than maxCount ({}).",
            request.min_count, request.max_count
        )));
    }
    let narrow = |n: i64| u32::try_from(n).map_err(|_| ApiError::value(format!("Value ({n}) is out of range.")));
    Ok((narrow(request.min_count)?, narrow(request.max_count)?))
}

pub(super) fn client_token(request: &RunInstances) -> Result<(), ApiError> {
    match &request.client_token {
        Some(token) if token.len() > 64 || !token.is_ascii() => {
            Err(ApiError::value(format!("Value ({token}) for parameter clientToken is invalid. It must be at most 64 ASCII characters.")))
        }
        _ => Ok(()),
    }
}

pub(super) fn user_data(request: &RunInstances) -> Result<(), ApiError> {
    match &request.user_data {
        Some(data) if data.len() > USER_DATA_LIMIT => Err(ApiError::value(format!("User data is limited to {USER_DATA_LIMIT} bytes"))),
        _ => Ok(()),
    }
}

pub(super) fn image<'a>(region: &'a Region, image_id: &str) -> Result<&'a Image, ApiError> {
    if image_id.is_empty() {
        return Err(ApiError::missing("ImageId"));
    }
    let id = match image_id.strip_prefix(RESOLVE) {
        None => image_id.to_owned(),
        Some(parameter) => catalogue::public_parameters(&region.name)
            .into_iter()
            .find(|(name, _)| name == parameter)
            .map(|(_, id)| id)
            .ok_or_else(|| ApiError::new("ParameterNotFound", format!("The parameter '{parameter}' does not exist")))?,
    };
    region.images.iter().find(|i| i.id == id).ok_or_else(|| unknown_image(&id))
}

pub(super) fn instance_type(request: &RunInstances, image: &Image) -> Result<&'static InstanceType, ApiError> {
    let name = &request.instance_type;
    let found = catalogue::known_type(name).ok_or_else(|| ApiError::value(format!("Invalid value '{name}' for InstanceType.")))?;
    if found.architecture != image.architecture {
        return Err(ApiError::value(format!(
            "The architecture '{}' of the specified instance type does not match the architecture '{}' of the \
             specified AMI. Specify an instance type and an AMI that have matching architectures, and try again. \
             You can use 'describe-instance-types' or 'describe-images' to discover the architecture of the instance \
             type or AMI.",
            found.architecture, image.architecture
        )));
    }
    if let Some(spot) = &request.spot {
        spot_options(spot, found)?;
    }
    Ok(found)
}

fn spot_options(spot: &SpotOptions, of_type: &InstanceType) -> Result<(), ApiError> {
    if !of_type.spot {
        return Err(ApiError::new("UnsupportedOperation", format!("Instance type {} does not support Spot.", of_type.name)));
    }
    match spot.max_price {
        Some(price) if price <= 0.0 || price.is_nan() => {
            Err(ApiError::value(format!("Value ({price}) for parameter price is invalid. \"{price}\" is an invalid spot instance price")))
        }
        _ => Ok(()),
    }
}

/// The zones and subnets a launch may use: one if it names one, else every default subnet.
pub(super) fn targets(region: &Region, request: &RunInstances) -> Result<Vec<Target>, ApiError> {
    let named_zone = placement_zone(region, request)?;
    if let Some(id) = named_subnet(request)? {
        let subnet = region.network.subnets.get(id).ok_or_else(|| unknown_subnet(id))?;
        if let Some(zone) = named_zone.filter(|z| *z != subnet.availability_zone) {
            return Err(ApiError::value(format!(
                "The availability zone '{zone}' does not match the availability zone '{}' of the subnet '{id}'",
                subnet.availability_zone
            )));
        }
        return Ok(vec![Target { zone: subnet.availability_zone.clone(), subnet_id: id.clone() }]);
    }
    let vpc = region.network.needed_default_vpc()?;
    let default = region.network.subnets.values().filter(|s| s.default_for_az && s.vpc_id == vpc.id);
    let found: Vec<Target> = default
        .filter(|s| named_zone.as_ref().is_none_or(|zone| *zone == s.availability_zone))
        .map(|s| Target { zone: s.availability_zone.clone(), subnet_id: s.id.clone() })
        .collect();
    match named_zone {
        Some(zone) if found.is_empty() => Err(ApiError::new("MissingInput", format!("No default subnet for availability zone: '{zone}'."))),
        None if found.is_empty() => {
            let message = format!("No subnets found for the default VPC '{}'. Please specify a subnet.", vpc.id);
            Err(ApiError::new("MissingInput", message))
        }
        _ => Ok(found),
    }
}

fn named_subnet(request: &RunInstances) -> Result<Option<&String>, ApiError> {
    Ok(interface(request)?.and_then(|i| i.subnet_id.as_ref()).or(request.subnet_id.as_ref()))
}

fn placement_zone(region: &Region, request: &RunInstances) -> Result<Option<String>, ApiError> {
    let placement = &request.placement;
    if let Some(tenancy) = placement.tenancy.as_deref().filter(|t| *t != "default") {
        return Err(ApiError::gap("InvalidTenancy", format!("Tenancy '{tenancy}' is not simulated")));
    }
    let wanted = match (&placement.availability_zone, &placement.availability_zone_id) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(ApiError::combination("You may specify AvailabilityZone or AvailabilityZoneId, but not both."));
        }
        (Some(name), None) => (name, region.zones.iter().find(|z| z.name == *name)),
        (None, Some(id)) => (id, region.zones.iter().find(|z| z.id == *id)),
    };
    match wanted {
        (_, Some(zone)) => Ok(Some(zone.name.clone())),
        (name, None) => Err(ApiError::value(format!("Invalid availability zone: [{name}]"))),
    }
}

/// The interface a launch describes, if it does so instead of naming subnet and groups.
pub(super) fn interface(request: &RunInstances) -> Result<Option<&crate::request::NetworkInterface>, ApiError> {
    let Some(first) = request.network_interfaces.first() else { return Ok(None) };
    if request.network_interfaces.len() > 1 || first.device_index.is_some_and(|n| n != 0) {
        return Err(ApiError::gap("InvalidParameterValue", "Only one network interface, with device index 0, is simulated"));
    }
    if first.device_index.is_none() {
        return Err(ApiError::missing("NetworkInterface.1.DeviceIndex"));
    }
    if first.delete_on_termination == Some(false) {
        return Err(ApiError::gap("InvalidParameterValue", "An interface that outlives its instance is not simulated"));
    }
    if request.subnet_id.is_some() {
        return Err(ApiError::combination("Network interfaces and an instance-level subnet ID may not be specified on the same request"));
    }
    if !request.security_group_ids.is_empty() || !request.security_groups.is_empty() {
        return Err(ApiError::combination(
            "Network interfaces and an instance-level security groups may not be specified on the same request",
        ));
    }
    Ok(Some(first))
}

/// The groups of a launch, all of the network that its targets lie in; none means the default one.
pub(super) fn groups(region: &Region, request: &RunInstances, targets: &[Target]) -> Result<Vec<GroupIdentifier>, ApiError> {
    let by_id = interface(request)?.map_or(&request.security_group_ids, |i| &i.groups);
    if !by_id.is_empty() && !request.security_groups.is_empty() {
        return Err(ApiError::combination("The parameter groupName cannot be used with the parameter groupId"));
    }
    if named_subnet(request)?.is_some() && !request.security_groups.is_empty() {
        return Err(ApiError::combination("The parameter groupName cannot be used with the parameter subnet"));
    }
    let subnet = targets.first().and_then(|t| region.network.subnets.get(&t.subnet_id)).expect("a launch has a target, and that a subnet");
    let mut found = Vec::new();
    for id in by_id {
        found.push(crate::groups::by_id(region, id)?);
    }
    for name in &request.security_groups {
        found.push(crate::groups::by_name(region, name)?);
    }
    if let Some(stranger) = found.iter().find(|g| g.vpc_id != subnet.vpc_id) {
        let message = format!("Security group {} and subnet {} belong to different networks.", stranger.id, subnet.id);
        return Err(ApiError::new("InvalidParameter", message));
    }
    if found.is_empty() {
        return Ok(vec![crate::groups::default_of(region, &subnet.vpc_id)?]);
    }
    Ok(found.into_iter().map(|g| GroupIdentifier { id: g.id.clone(), name: g.name.clone() }).collect())
}

pub(super) fn placement_group(region: &Region, request: &RunInstances, of_type: &InstanceType) -> Result<Option<PlacementGroup>, ApiError> {
    placement::of_launch(region, request.placement.group_name.as_ref(), request.placement.group_id.as_ref(), of_type)
}

/// What an instance needs that is to keep its memory while it is stopped.
pub(super) fn hibernation(request: &RunInstances, of_type: &InstanceType, root: &DiskPlan) -> Result<(), ApiError> {
    if !request.hibernation {
        return Ok(());
    }
    let refuse = |message: String| Err(ApiError::new("UnsupportedHibernationConfiguration", message));
    if request.spot.is_some() {
        return refuse("Hibernation is not supported for instances of one-time Spot requests.".to_owned());
    }
    if !of_type.hibernation {
        return refuse(format!("Hibernation is not supported for instances of type {}.", of_type.name));
    }
    if !root.is_encrypted() {
        return refuse("For hibernation, the root device volume must be encrypted.".to_owned());
    }
    if !root.can_keep(of_type.memory_mib) {
        return refuse(format!("For hibernation, the root device volume must be able to hold the {} MiB of memory.", of_type.memory_mib));
    }
    Ok(())
}

pub(super) fn profile(cloud: &Cloud, wanted: &Option<ProfileSpecification>) -> Result<Option<ProfileIdentifier>, ApiError> {
    let Some(wanted) = wanted else { return Ok(None) };
    let found = match (&wanted.name, &wanted.arn) {
        (Some(_), Some(_)) => {
            return Err(ApiError::combination(
                "The parameter iamInstanceProfile.name may not be used in combination with iamInstanceProfile.arn",
            ));
        }
        (Some(name), None) => cloud.profiles.get(name).ok_or_else(|| {
            ApiError::value(format!("Value ({name}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"))
        }),
        (None, Some(arn)) => cloud.profiles.values().find(|p| p.arn == *arn).ok_or_else(|| {
            ApiError::value(format!("Value ({arn}) for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN"))
        }),
        (None, None) => return Err(ApiError::missing("IamInstanceProfile.Name")),
    };
    found.cloned().map(Some)
}

pub(super) fn metadata_options(wanted: &MetadataOptionsRequest, tags: &Tags) -> Result<MetadataOptions, ApiError> {
    let flag = |value: &Option<String>, parameter: &str, default: bool, on: &str, off: &str| match value.as_deref() {
        None => Ok(default),
        Some(v) if v == on => Ok(true),
        Some(v) if v == off => Ok(false),
        Some(v) => Err(ApiError::value(format!("Value ({v}) for parameter {parameter} is invalid."))),
    };
    let hop_limit = wanted.http_put_response_hop_limit.unwrap_or(2);
    let hop_limit = u8::try_from(hop_limit).ok().filter(|n| (1..=64).contains(n)).ok_or_else(|| {
        ApiError::value(format!("Value ({hop_limit}) for parameter HttpPutResponseHopLimit is invalid. Value must be between 1 and 64"))
    })?;
    let options = MetadataOptions {
        // Every image here says that it supports version 2, so a launch that says nothing requires tokens.
        tokens_required: flag(&wanted.http_tokens, "HttpTokens", true, "required", "optional")?,
        hop_limit,
        endpoint_enabled: flag(&wanted.http_endpoint, "HttpEndpoint", true, "enabled", "disabled")?,
        ipv6_enabled: flag(&wanted.http_protocol_ipv6, "HttpProtocolIpv6", false, "enabled", "disabled")?,
        tags_enabled: flag(&wanted.instance_metadata_tags, "InstanceMetadataTags", false, "enabled", "disabled")?,
    };
    if options.tags_enabled {
        tags::check_metadata_keys(tags.keys())?;
    }
    Ok(options)
}

pub(super) fn launch_tags(request: &RunInstances) -> Result<LaunchTags, ApiError> {
    let mut tags = LaunchTags::default();
    for specification in &request.tag_specifications {
        let place = match specification.resource_type.as_str() {
            "instance" => &mut tags.instance,
            "volume" => &mut tags.volume,
            "network-interface" => &mut tags.interface,
            "spot-instances-request" if request.spot.is_some() => &mut tags.spot_request,
            other => {
                return Err(ApiError::value(format!("'{other}' is not a valid taggable resource type for this operation.")));
            }
        };
        if !place.is_empty() {
            return Err(ApiError::value(format!(
                "Tag specification resource type '{}' is given more than once.",
                specification.resource_type
            )));
        }
        *place = tags::validated(&specification.tags)?;
    }
    Ok(tags)
}
