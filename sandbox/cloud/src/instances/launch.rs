//! RunInstances.

use jiff::{SignedDuration, Timestamp};

use super::capacity::room;
use super::disks::{self, DiskPlan};
use super::validate::{self, LaunchTags, Target};
use super::{TokenRecord, describe::reservation};
use crate::catalogue::{self, InstanceType};
use crate::cloud::Cloud;
use crate::error::ApiError;
use crate::identity::stable_hash;
use crate::keys;
use crate::model::{
    GroupIdentifier, Image, Instance, InstanceState, Interface, MetadataOptions, PlacementGroup, ProfileIdentifier, SpotRequest, Tags,
};
use crate::reply::Reservation;
use crate::request::RunInstances;
use crate::spot::requests;

/// A launch that has passed every check and only needs a place.
pub(super) struct Launch {
    pub(super) request: RunInstances,
    pub(super) image: Image,
    pub(super) instance_type: &'static InstanceType,
    pub(super) groups: Vec<GroupIdentifier>,
    pub(super) profile: Option<ProfileIdentifier>,
    pub(super) metadata_options: MetadataOptions,
    pub(super) tags: LaunchTags,
    pub(super) disks: Vec<DiskPlan>,
    pub(super) placement_group: Option<PlacementGroup>,
}

pub(crate) fn run(cloud: &mut Cloud, now: Timestamp, region: &str, request: RunInstances) -> Result<Reservation, ApiError> {
    run_for_service(cloud, now, region, request, &Tags::new())
}

/// The same for a service of AWS, which gives the instances tags that nobody else can give.
pub(crate) fn run_for_service(
    cloud: &mut Cloud,
    now: Timestamp,
    region: &str,
    request: RunInstances,
    system_tags: &Tags,
) -> Result<Reservation, ApiError> {
    validate::client_token(&request)?;
    if let Some(repeated) = repetition(cloud, now, region, &request)? {
        return Ok(repeated);
    }
    let (min, max) = validate::counts(&request)?;
    let here = cloud.region(region);
    let image = validate::image(here, &request.image_id)?.clone();
    let mut tags = validate::launch_tags(&request)?;
    tags.instance.extend(system_tags.clone());
    validate::user_data(&request)?;
    if let Some(key) = request.key_name.as_ref().filter(|key| !here.key_pairs.contains_key(*key)) {
        return Err(keys::unknown(key));
    }
    let targets = validate::targets(here, &request)?;
    let instance_type = validate::instance_type(&request, &image)?;
    let origins = disks::Place { cloud, now, region: here, image: &image };
    let launch = Launch {
        placement_group: validate::placement_group(here, &request, instance_type)?,
        groups: validate::groups(here, &request, &targets)?,
        profile: validate::profile(cloud, &request.iam_instance_profile)?,
        metadata_options: validate::metadata_options(&request.metadata_options, &tags.instance)?,
        disks: disks::plan(&origins, &request.block_device_mappings)?,
        instance_type,
        image,
        tags,
        request,
    };
    validate::hibernation(&launch.request, instance_type, &launch.disks[0])?;
    if launch.request.dry_run {
        return Err(ApiError::dry_run());
    }
    let (target, count) = place(cloud, now, region, &launch, targets, min, max)?;
    let reservation = make(cloud, now, region, &launch, &target, count);
    if let Some(token) = launch.request.client_token.clone() {
        let record = TokenRecord {
            request: launch.request,
            reservation_id: reservation.id.clone(),
            instance_ids: reservation.instances.iter().map(|i| i.id.clone()).collect(),
            gone: Default::default(),
            free_at: None,
        };
        cloud.region_mut(region).tokens.insert(token, record);
    }
    Ok(reservation)
}

/// The answer to a call that was made before with the same token.
fn repetition(cloud: &mut Cloud, now: Timestamp, region: &str, request: &RunInstances) -> Result<Option<Reservation>, ApiError> {
    let account = cloud.config.account_id.clone();
    let here = cloud.region_mut(region);
    let Some(token) = &request.client_token else { return Ok(None) };
    if here.tokens.get(token).is_some_and(|r| r.free_at.is_some_and(|at| at <= now)) {
        here.tokens.remove(token);
    }
    let Some(record) = here.tokens.get(token) else { return Ok(None) };
    if (RunInstances { dry_run: false, ..request.clone() }) != record.request {
        return Err(ApiError::new(
            "IdempotentParameterMismatch",
            "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
        ));
    }
    if request.dry_run {
        return Err(ApiError::dry_run());
    }
    let instances = record.instance_ids.iter().filter_map(|id| here.instances.get(id).or_else(|| record.gone.get(id)).cloned()).collect();
    Ok(Some(reservation(&account, &record.reservation_id, instances)))
}

/// Chooses where a launch goes: the first place that takes all of it, else the one that takes most and enough.
fn place(
    cloud: &mut Cloud,
    now: Timestamp,
    region: &str,
    launch: &Launch,
    mut targets: Vec<Target>,
    min: u32,
    max: u32,
) -> Result<(Target, u32), ApiError> {
    let named = targets.len() == 1;
    // Where the caller does not care EC2 chooses, and not always the same zone.
    let turn = cloud.generator.next_u64() as usize % targets.len().max(1);
    targets.rotate_left(turn);
    let mut best: Option<(Target, u32)> = None;
    let mut refusal = None;
    for target in targets {
        let room = room(cloud, now, region, launch, &target, max, named);
        if room.count >= max {
            return Ok((target, max));
        }
        refusal = room.refusal.or(refusal);
        if best.as_ref().is_none_or(|(_, count)| room.count > *count) {
            best = Some((target, room.count));
        }
    }
    match best {
        Some((target, count)) if count >= min => Ok((target, count)),
        _ => Err(refusal.unwrap_or_else(|| ApiError::new("InsufficientInstanceCapacity", "Insufficient capacity.").with_status(500))),
    }
}

fn make(cloud: &mut Cloud, now: Timestamp, region: &str, launch: &Launch, target: &Target, count: u32) -> Reservation {
    let reservation_id = cloud.generator.id("r");
    let mut instances = Vec::new();
    for index in 0..count {
        let instance = make_one(cloud, now, region, launch, target, &reservation_id, index);
        let here = cloud.region_mut(region);
        if let Some(at) = instance.due {
            here.due.insert((at, instance.id.clone()));
        }
        requests::record(here, now, &instance, &launch.tags.spot_request);
        here.instances.insert(now, instance.id.clone(), instance.clone());
        instances.push(instance);
    }
    reservation(&cloud.config.account_id, &reservation_id, instances)
}

fn make_one(
    cloud: &mut Cloud,
    now: Timestamp,
    region: &str,
    launch: &Launch,
    target: &Target,
    reservation_id: &str,
    index: u32,
) -> Instance {
    let id = cloud.generator.id("i");
    let interface = make_interface(cloud, region, launch, target);
    let spot = make_spot_request(cloud, region, launch);
    let here = cloud.regions.get_mut(region).expect("the call was checked to name a region that exists");
    let zone = here.zones.iter().find(|z| z.name == target.zone).expect("subnets lie in zones of their region");
    let mut attached = Vec::new();
    for plan in &launch.disks {
        let (volume, side) = disks::make(plan, &mut cloud.generator, now, zone, &id, &launch.tags.volume);
        here.volumes.insert(now, volume.id.clone(), volume);
        attached.push(side);
    }
    let boot = SignedDuration::from_millis(i64::try_from(cloud.config.boot_delay_ms).unwrap_or(i64::MAX));
    Instance {
        id,
        reservation_id: reservation_id.to_owned(),
        client_token: launch.request.client_token.clone(),
        ami_launch_index: index,
        launch_time: Timestamp::from_second(now.as_second()).unwrap_or(now),
        state: InstanceState::Pending,
        state_reason: None,
        state_transition_reason: String::new(),
        image_id: launch.image.id.clone(),
        instance_type: launch.instance_type.name.clone(),
        architecture: launch.image.architecture.clone(),
        availability_zone: zone.name.clone(),
        availability_zone_id: zone.id.clone(),
        groups: launch.groups.clone(),
        interface: Some(interface),
        profile: launch.profile.clone(),
        user_data: launch.request.user_data.clone(),
        shutdown_behavior: launch.request.instance_initiated_shutdown_behavior.unwrap_or_default(),
        metadata_options: launch.metadata_options.clone(),
        root_device_name: launch.image.root_device_name.clone(),
        volumes: attached,
        ebs_optimized: launch.request.ebs_optimized,
        spot,
        key_name: launch.request.key_name.clone(),
        placement_group: launch.placement_group.as_ref().map(|g| g.name.clone()),
        hibernation: launch.request.hibernation,
        monitoring: launch.request.monitoring,
        disable_api_termination: launch.request.disable_api_termination,
        tags: launch.tags.instance.clone(),
        doomed: launch.disks.iter().any(|d| d.key_is_missing),
        due: Some(now + boot),
        powered: false,
        running_since: None,
    }
}

fn make_interface(cloud: &mut Cloud, region: &str, launch: &Launch, target: &Target) -> Interface {
    let id = cloud.generator.id("eni");
    let attachment_id = cloud.generator.id("eni-attach");
    let here = cloud.region_mut(region);
    let address = here
        .network
        .addresses
        .get_mut(&target.subnet_id)
        .and_then(|a| a.take())
        .expect("the launch was given no more instances than the subnet has addresses");
    let subnet = &here.network.subnets[&target.subnet_id];
    let wanted = launch.request.network_interfaces.first();
    let bytes = stable_hash(&[&id]).to_be_bytes();
    Interface {
        mac: format!("0a:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]),
        id,
        subnet_id: target.subnet_id.clone(),
        vpc_id: subnet.vpc_id.clone(),
        attachment_id,
        private_dns_name: private_dns_name(region, &address.to_string()),
        private_ip: address.to_string(),
        public_ip: None,
        public_dns_name: None,
        public: wanted.and_then(|i| i.associate_public_ip_address).unwrap_or(subnet.map_public_ip_on_launch),
        description: wanted.and_then(|i| i.description.clone()).unwrap_or_default(),
        tags: launch.tags.interface.clone(),
    }
}

fn make_spot_request(cloud: &mut Cloud, region: &str, launch: &Launch) -> Option<SpotRequest> {
    let options = launch.request.spot.as_ref()?;
    let on_demand = catalogue::on_demand_usd_per_hour(region, &launch.instance_type.name).unwrap_or(0.0);
    Some(SpotRequest {
        id: format!("sir-{:08x}", cloud.generator.next_u64() as u32),
        max_price: options.max_price.unwrap_or(on_demand),
        rebalance: None,
        interruption: None,
        ahead: None,
    })
}

fn private_dns_name(region: &str, address: &str) -> String {
    let dashed = address.replace('.', "-");
    match region {
        "us-east-1" => format!("ip-{dashed}.ec2.internal"),
        region => format!("ip-{dashed}.{region}.compute.internal"),
    }
}
