//! EC2, on `sandbox-cloud`, asked as `engine/aws` asks the real one.

use async_trait::async_trait;
use jiff::Timestamp;
use sandbox_cloud::model::{self, IpPermission, MetadataOptionsRequest, PermissionTarget, RuleTarget, ShutdownBehavior, Tag};
use sandbox_cloud::request::{
    AuthorizeRules, BlockDevice, CreatePlacementGroup, CreateSecurityGroup, CreateTags, DeleteSecurityGroup, DeleteTags, DescribeById,
    DescribeImages, DescribeInstanceTypes, DescribeInstances, DescribeKeyPairs, DescribeRegions, DescribeSecurityGroups,
    DescribeSpotPriceHistory, Filter, InstanceIds, NetworkInterface, OneId, Page, Placement as RequestPlacement, ProfileSpecification,
    RunInstances, SpotOptions, StopInstances, TagRemoval, TagSpecification,
};
use sandbox_cloud::{ApiError, Reply, Request};
use spawn_core::ports::{
    Attached, Disk, Image, ImageQuery, Instance, InstanceType, Instances, LaunchRequest, Result, SpotPrice, TaggedGroup, Tags, Volume,
};
use spawn_model::error::{Class, Error};
use spawn_model::ids::{InstanceId, RunId};
use spawn_model::image::Distribution;
use spawn_model::market::MarketType;
use spawn_model::placement::Placement;
use spawn_model::problem::Path;
use spawn_model::record::Launched;
use spawn_model::requirements::Architecture;
use spawn_model::status::Seen;
use spawn_model::tag;

use super::agents::config;
use super::door::Door;
use super::{REGION, State, refusal, tolerate};

/// The most things that one call describes, tags or terminates.
const BATCH: usize = 1000;

/// Takes a reply apart, which can only be of the operation's own kind.
macro_rules! reply {
    ($answer:expr, $variant:ident) => {
        match $answer {
            Reply::$variant(inner) => inner,
            other => panic!("the simulation answered {other:?}"),
        }
    };
}

pub(super) use reply;

impl Door {
    pub(super) async fn ec2(&self, name: &'static str, request: Request) -> Result<Reply> {
        self.call(name, |s, now| s.cloud.call(now, REGION, request).map_err(translated)).await
    }

    pub(super) async fn groups_by(&self, filters: Vec<Filter>) -> Result<Vec<TaggedGroup>> {
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            let request = DescribeSecurityGroups { filters: filters.clone(), page: page(next), ..DescribeSecurityGroups::default() };
            let listing = reply!(self.ec2("ec2:DescribeSecurityGroups", Request::DescribeSecurityGroups(request)).await?, Groups);
            found.extend(listing.items.into_iter().map(|group| TaggedGroup { id: group.id, tags: group.tags }));
            next = listing.next_token;
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    async fn instances_by(&self, filters: Vec<Filter>) -> Result<Vec<Instance>> {
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            let request = DescribeInstances { instance_ids: Vec::new(), filters: filters.clone(), page: page(next) };
            let listing = reply!(self.ec2("ec2:DescribeInstances", Request::DescribeInstances(request)).await?, Reservations);
            found.extend(listing.items.iter().flat_map(|r| &r.instances).map(described));
            next = listing.next_token;
            if next.is_none() {
                return Ok(found);
            }
        }
    }
}

pub(super) fn translated(error: ApiError) -> Error {
    assert!(!error.gap, "the engine asks for what is not simulated: {error}");
    if error.lost {
        return Error::new(Class::Ambiguous, "NoAnswer", "the call was sent, but nobody answered", "");
    }
    refusal(&error.code, error.status, error.message.trim_end_matches('.'))
}

fn tags_of(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::new(key, value)).collect()
}

pub(super) fn tags_for(resource_type: &str, tags: &Tags) -> TagSpecification {
    TagSpecification { resource_type: resource_type.to_owned(), tags: tags_of(tags) }
}

pub(super) fn filters(tags: &Tags) -> Vec<Filter> {
    tags.iter().map(|(key, value)| Filter::new(format!("tag:{key}"), [value])).collect()
}

fn page(next_token: Option<String>) -> Page {
    Page { max_results: Some(1000), next_token }
}

/// What a scripted agent reads of its user data. The rest is the same on every machine, and copying it a thousand times is
/// what these tests would spend most of their time with.
pub(super) fn told(user_data: &[u8]) -> Vec<u8> {
    assert!(user_data.len() <= 16 * 1024, "EC2 takes no more than 16 KiB of user data");
    config(user_data).map_or_else(|| user_data.to_vec(), |config| serde_json::to_vec(&config).unwrap())
}

pub(super) fn run_instances(request: &LaunchRequest) -> RunInstances {
    let (subnet_id, groups) = (Some(request.subnet_id.clone()), request.group_ids.clone());
    let network = match request.public_address {
        None => RunInstances { subnet_id, security_group_ids: groups, ..RunInstances::default() },
        public => {
            let interface = NetworkInterface {
                device_index: Some(0),
                subnet_id,
                groups,
                associate_public_ip_address: public,
                delete_on_termination: Some(true),
                description: None,
            };
            RunInstances { network_interfaces: vec![interface], ..RunInstances::default() }
        }
    };
    RunInstances {
        image_id: request.image_id.clone(),
        instance_type: request.instance_type.clone(),
        min_count: request.min_count.into(),
        max_count: request.max_count.into(),
        client_token: Some(request.client_token.clone()),
        tag_specifications: vec![tags_for("instance", &request.tags), tags_for("volume", &request.tags)],
        placement: RequestPlacement { group_name: request.placement_group.clone(), ..RequestPlacement::default() },
        key_name: request.key_name.clone(),
        iam_instance_profile: request.profile.clone().map(|name| ProfileSpecification { arn: None, name: Some(name) }),
        spot: request.spot.map(|terms| SpotOptions { max_price: terms.max_usd_per_hour }),
        user_data: Some(told(&request.user_data)),
        instance_initiated_shutdown_behavior: Some(if request.ends.stops() { ShutdownBehavior::Stop } else { ShutdownBehavior::Terminate }),
        hibernation: request.ends.hibernates(),
        metadata_options: MetadataOptionsRequest {
            http_tokens: Some("required".to_owned()),
            http_put_response_hop_limit: Some(1),
            http_endpoint: Some("enabled".to_owned()),
            http_protocol_ipv6: None,
            instance_metadata_tags: Some("disabled".to_owned()),
        },
        block_device_mappings: request.disks.iter().map(block_device).collect(),
        ..network
    }
}

pub(super) fn block_device(disk: &Disk) -> BlockDevice {
    BlockDevice {
        device_name: disk.device.clone(),
        no_device: false,
        volume_size: disk.volume.size_gib.map(i64::from),
        volume_type: Some(disk.volume.r#type.word().to_owned()),
        delete_on_termination: Some(true),
        encrypted: Some(disk.volume.encrypted),
        iops: disk.volume.iops.map(i64::from),
        throughput: disk.volume.throughput_mib_s.map(i64::from),
        snapshot_id: disk.volume.snapshot.clone(),
        kms_key_id: disk.volume.kms_key.clone(),
    }
}

/// EC2 says it in a sentence of its own; a port names the types.
fn unknown_types(error: Error) -> Error {
    let named = error.message.strip_prefix("The following supplied instance types do not exist: [").and_then(|rest| rest.strip_suffix(']'));
    match named {
        Some(one) if !one.contains(',') => Error { message: format!("there is no instance type {one}"), ..error },
        Some(several) => Error { message: format!("there are no instance types {several}"), ..error },
        None => error,
    }
}

fn instance_type(t: sandbox_cloud::catalogue::InstanceType) -> InstanceType {
    InstanceType {
        clusters: t.placement_strategies().contains(&"cluster"),
        hibernates: t.hibernation,
        gpus: t.gpu.map_or(0, |gpu| gpu.count),
        spot: t.spot,
        name: t.name,
        architecture: t.architecture.to_owned(),
        vcpus: t.vcpus,
        memory_mib: t.memory_mib,
    }
}

fn no_such_image(error: Error) -> Error {
    match error.code.starts_with("InvalidAMIID") {
        true => Error { class: Class::Invalid, ..error }.at(Path::field("ami")),
        false => error,
    }
}

fn launched(instance: &model::Instance) -> Launched {
    Launched {
        instance_id: InstanceId(instance.id.clone()),
        launch_index: instance.ami_launch_index,
        private_ip: instance.interface.as_ref().map(|i| i.private_ip.clone()).unwrap_or_default(),
        zone: instance.availability_zone.clone(),
        instance_type: instance.instance_type.clone(),
        market: match instance.market() {
            model::Market::Spot => MarketType::Spot,
            model::Market::OnDemand => MarketType::OnDemand,
        },
    }
}

fn described(instance: &model::Instance) -> Instance {
    let seen = match instance.state {
        model::InstanceState::Pending => Seen::Pending,
        model::InstanceState::Running => Seen::Running,
        model::InstanceState::Stopping | model::InstanceState::Stopped => {
            let hibernated = instance.state_reason.as_ref().is_some_and(|reason| reason.code == "Client.UserInitiatedHibernate");
            if hibernated { Seen::Hibernated } else { Seen::Stopped }
        }
        model::InstanceState::ShuttingDown | model::InstanceState::Terminated => Seen::Gone,
    };
    let gone = instance.state == model::InstanceState::Terminated;
    let (launched_at, tags) = (instance.launch_time, instance.tags.clone());
    let group_ids = instance.groups.iter().map(|group| group.id.clone()).collect();
    let attached = |volume: &model::AttachedVolume| Attached {
        device: volume.device_name.clone(),
        volume_id: volume.volume_id.clone(),
        ends_with_it: volume.delete_on_termination,
    };
    let volumes = instance.volumes.iter().map(attached).collect();
    let public_ip = instance.interface.as_ref().and_then(|interface| interface.public_ip.clone());
    Instance { launched: launched(instance), seen, alive: seen != Seen::Gone, gone, launched_at, public_ip, group_ids, volumes, tags }
}

fn volume(described: model::Volume) -> Volume {
    let number = |number: i64| u32::try_from(number).unwrap();
    Volume {
        id: described.id,
        size_gib: number(described.size),
        kind: described.volume_type,
        iops: described.iops.map(number),
        throughput_mib_s: described.throughput.map(number),
    }
}

/// What is wrong with a launch.
pub(super) fn of_launch(error: Error, request: &LaunchRequest) -> Error {
    profile_not_ready(error, &format!("the instance profile {}", request.profile.as_deref().unwrap_or_default()))
}

pub(super) fn profile_not_ready(error: Error, profile: &str) -> Error {
    if error.class == Class::Invalid && error.message.to_ascii_lowercase().contains("invalid iam instance profile") {
        let message = format!("EC2 does not know {profile} yet");
        return Error::new(Class::Transient, "ProfileNotReady", message, "Try again in a few seconds");
    }
    error
}

impl State {
    /// What a run's first launch asked for.
    pub(crate) fn launch_of(&self, run: &RunId) -> Option<LaunchRequest> {
        self.launches.values().find(|request| request.tags.get(tag::RUN).is_some_and(|of| of == run.as_str())).cloned()
    }

    /// Remembers what a client token is used for: it must never be used for something else.
    fn token_used(&mut self, request: &LaunchRequest) {
        let token = request.client_token.clone();
        match self.launches.get(&token) {
            Some(first) if first != request => self.violations.push(format!("the client token {token} is used for two launches")),
            Some(_) => {}
            None => drop(self.launches.insert(token, request.clone())),
        }
    }
}

#[async_trait]
impl Instances for Door {
    async fn launch(&self, request: &LaunchRequest) -> Result<Vec<Launched>> {
        let run = Request::RunInstances(Box::new(run_instances(request)));
        let answer = self
            .call("ec2:RunInstances", |s, now| {
                s.token_used(request);
                s.cloud.call(now, REGION, run).map_err(translated)
            })
            .await;
        let reservation = reply!(answer.map_err(|error| of_launch(error, request))?, Reservation);
        Ok(reservation.instances.iter().map(launched).collect())
    }

    async fn describe(&self, tags: &Tags) -> Result<Vec<Instance>> {
        self.instances_by(filters(tags)).await
    }

    async fn running(&self) -> Result<Vec<Instance>> {
        self.instances_by(vec![Filter::new("instance-state-name", ["pending", "running"])]).await
    }

    async fn terminate(&self, ids: &[InstanceId]) -> Result<()> {
        for batch in ids.chunks(BATCH) {
            let mut instance_ids: Vec<String> = batch.iter().map(|id| id.0.clone()).collect();
            loop {
                let request = Request::TerminateInstances(InstanceIds { instance_ids: instance_ids.clone() });
                let terminated = self.call("ec2:TerminateInstances", |s, now| {
                    if let Some(past) = &self.0.reaps {
                        s.check_reaped(&instance_ids, past, self.0.is_beset(), now);
                    }
                    s.cloud.call(now, REGION, request).map_err(translated)
                });
                match terminated.await {
                    Ok(_) => break,
                    // One unknown id fails the whole call: it is left out, and the rest asked for again.
                    Err(error) if error.code == "InvalidInstanceID.NotFound" => {
                        let before = instance_ids.len();
                        instance_ids.retain(|id| !error.message.contains(id));
                        assert!(instance_ids.len() < before, "{error}");
                        if instance_ids.is_empty() {
                            break;
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    async fn stop(&self, ids: &[InstanceId], hibernate: bool) -> Result<()> {
        let instance_ids = ids.iter().map(|id| id.0.clone()).collect();
        let request = Request::StopInstances(StopInstances { instance_ids, hibernate });
        self.ec2("ec2:StopInstances", request).await.map(drop)
    }

    async fn start(&self, ids: &[InstanceId]) -> Result<()> {
        let instance_ids = ids.iter().map(|id| id.0.clone()).collect();
        self.ec2("ec2:StartInstances", Request::StartInstances(InstanceIds { instance_ids })).await.map(drop)
    }

    async fn types(&self, names: &[String]) -> Result<Vec<InstanceType>> {
        let request = DescribeInstanceTypes { instance_types: names.to_vec(), ..DescribeInstanceTypes::default() };
        let answer = self.ec2("ec2:DescribeInstanceTypes", Request::DescribeInstanceTypes(request)).await;
        let listing = reply!(answer.map_err(unknown_types)?, InstanceTypes);
        Ok(listing.items.into_iter().map(instance_type).collect())
    }

    async fn types_of(&self, architecture: Architecture) -> Result<Vec<InstanceType>> {
        let filters = [
            ("bare-metal", "false"),
            ("burstable-performance-supported", "false"),
            ("current-generation", "true"),
            ("processor-info.supported-architecture", architecture.word()),
        ];
        let filters: Vec<Filter> = filters.iter().map(|(name, value)| Filter::new(*name, [*value])).collect();
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            let page = Page { max_results: Some(100), next_token: next };
            let request = DescribeInstanceTypes { filters: filters.clone(), page, ..DescribeInstanceTypes::default() };
            let listing = reply!(self.ec2("ec2:DescribeInstanceTypes", Request::DescribeInstanceTypes(request)).await?, InstanceTypes);
            found.extend(listing.items.into_iter().map(instance_type));
            next = listing.next_token;
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    async fn image(&self, query: &ImageQuery) -> Result<Image> {
        let request = match query {
            ImageQuery::Id(id) => DescribeImages { image_ids: vec![id.clone()], ..DescribeImages::default() },
            ImageQuery::Newest { distribution, architecture } => {
                let (owner, name) = match distribution {
                    Distribution::AmazonLinux2023 => ("amazon", "al2023-ami-2023.*-kernel-6.1-*"),
                    Distribution::Ubuntu2204 => ("099720109477", "ubuntu/images/hvm-ssd*/ubuntu-jammy-22.04-*-server-*"),
                    Distribution::Ubuntu2404 => ("099720109477", "ubuntu/images/hvm-ssd*/ubuntu-noble-24.04-*-server-*"),
                };
                DescribeImages {
                    owners: vec![owner.to_owned()],
                    filters: vec![Filter::new("name", [name]), Filter::new("architecture", [architecture])],
                    ..DescribeImages::default()
                }
            }
        };
        let answer = self.ec2("ec2:DescribeImages", Request::DescribeImages(request)).await.map_err(no_such_image)?;
        // Asked for by name, the small ones are not meant.
        let is_asked_for = |image: &model::Image| matches!(query, ImageQuery::Id(_)) || !image.name.contains("minimal");
        let full = reply!(answer, Images).items.into_iter().filter(is_asked_for);
        let newest = full.max_by_key(|image| (image.creation_date.clone(), image.name.clone()));
        let image = newest.ok_or_else(|| Error::new(Class::Invalid, "NoImage", "there is no such image", ""))?;
        let root_gib = u32::try_from(image.volume_size).ok();
        Ok(Image { id: image.id, architecture: image.architecture, root_device: image.root_device_name, root_gib })
    }

    async fn regions(&self) -> Result<Vec<String>> {
        let regions = reply!(self.ec2("ec2:DescribeRegions", Request::DescribeRegions(DescribeRegions::default())).await?, Regions);
        Ok(regions.into_iter().map(|region| region.name).collect())
    }

    async fn spot_prices(&self, types: &[String], now: Timestamp) -> Result<Vec<SpotPrice>> {
        let request = DescribeSpotPriceHistory {
            instance_types: types.to_vec(),
            product_descriptions: vec!["Linux/UNIX".to_owned()],
            start_time: Some(now),
            end_time: Some(now),
            page: page(None),
            ..DescribeSpotPriceHistory::default()
        };
        let listing = reply!(self.ec2("ec2:DescribeSpotPriceHistory", Request::DescribeSpotPriceHistory(request)).await?, SpotPrices);
        let price = |price: sandbox_cloud::reply::SpotPrice| SpotPrice {
            instance_type: price.instance_type,
            zone: price.availability_zone,
            usd_per_hour: price.usd_per_hour,
            since: price.timestamp,
        };
        Ok(listing.items.into_iter().map(price).collect())
    }

    async fn key_pair_exists(&self, name: &str) -> Result<bool> {
        let request = DescribeKeyPairs { key_names: vec![name.to_owned()], ..DescribeKeyPairs::default() };
        let found = self.ec2("ec2:DescribeKeyPairs", Request::DescribeKeyPairs(request)).await;
        Ok(tolerate(found, &["InvalidKeyPair.NotFound"])?.is_some())
    }

    async fn placement_group_ensure(&self, name: &str, placement: Placement, tags: &Tags) -> Result<()> {
        let request = CreatePlacementGroup {
            group_name: name.to_owned(),
            strategy: Some(placement.word().to_owned()),
            tag_specifications: vec![tags_for("placement-group", tags)],
        };
        let made = self.ec2("ec2:CreatePlacementGroup", Request::CreatePlacementGroup(request)).await;
        tolerate(made, &["InvalidPlacementGroup.Duplicate"]).map(drop)
    }

    async fn placement_group_delete(&self, name: &str) -> Result<()> {
        let request = OneId { id: name.to_owned() };
        let deleted = self.ec2("ec2:DeletePlacementGroup", Request::DeletePlacementGroup(request)).await;
        tolerate(deleted, &["InvalidPlacementGroup.Unknown"]).map(drop)
    }

    async fn group_create(&self, name: &str, vpc_id: &str, description: &str, tags: &Tags) -> Result<String> {
        let request = CreateSecurityGroup {
            group_name: name.to_owned(),
            description: description.to_owned(),
            vpc_id: Some(vpc_id.to_owned()),
            tag_specifications: vec![tags_for("security-group", tags)],
        };
        let created = self.ec2("ec2:CreateSecurityGroup", Request::CreateSecurityGroup(request)).await;
        if let Some(created) = tolerate(created, &["InvalidGroup.Duplicate"])? {
            return Ok(reply!(created, GroupCreated).id);
        }
        let named = vec![Filter::new("group-name", [name]), Filter::new("vpc-id", [vpc_id])];
        let request = DescribeSecurityGroups { filters: named, ..DescribeSecurityGroups::default() };
        let listing = reply!(self.ec2("ec2:DescribeSecurityGroups", Request::DescribeSecurityGroups(request)).await?, Groups);
        let ours = listing.items.into_iter().find(|group| tags.iter().all(|(key, value)| group.tags.get(key) == Some(value)));
        ours.map(|group| group.id)
            .ok_or_else(|| Error::new(Class::Conflict, "InvalidGroup.Duplicate", format!("{name} is not this fleet's"), ""))
    }

    async fn group_admit_itself(&self, group_id: &str) -> Result<()> {
        let target = RuleTarget::Group { group_id: group_id.to_owned(), user_id: String::new() };
        let all = IpPermission {
            protocol: "-1".to_owned(),
            targets: vec![PermissionTarget { target, description: None }],
            ..IpPermission::default()
        };
        let request = AuthorizeRules { group_id: Some(group_id.to_owned()), permissions: vec![all], ..AuthorizeRules::default() };
        let admitted = self.ec2("ec2:AuthorizeSecurityGroupIngress", Request::AuthorizeSecurityGroupIngress(request)).await;
        tolerate(admitted, &["InvalidPermission.Duplicate"]).map(drop)
    }

    async fn groups(&self, tags: &Tags) -> Result<Vec<String>> {
        Ok(self.groups_by(filters(tags)).await?.into_iter().map(|group| group.id).collect())
    }

    async fn group_delete(&self, group_id: &str) -> Result<()> {
        let request = DeleteSecurityGroup { group_id: Some(group_id.to_owned()), group_name: None };
        let deleted = self.ec2("ec2:DeleteSecurityGroup", Request::DeleteSecurityGroup(request)).await;
        tolerate(deleted, &["InvalidGroup.NotFound"]).map(drop)
    }

    async fn tag(&self, ids: &[String], tags: &Tags) -> Result<()> {
        for batch in ids.chunks(BATCH) {
            let request = CreateTags { resources: batch.to_vec(), tags: tags_of(tags) };
            self.ec2("ec2:CreateTags", Request::CreateTags(request)).await?;
        }
        Ok(())
    }

    async fn untag(&self, ids: &[String], keys: &[String]) -> Result<()> {
        if keys.is_empty() {
            // EC2 would take it for all of them.
            return Ok(());
        }
        for batch in ids.chunks(BATCH) {
            let tags = keys.iter().map(|key| TagRemoval { key: key.clone(), value: None }).collect();
            let request = DeleteTags { resources: batch.to_vec(), tags };
            self.ec2("ec2:DeleteTags", Request::DeleteTags(request)).await?;
        }
        Ok(())
    }

    async fn volumes(&self, tags: &Tags) -> Result<Vec<Volume>> {
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            let request = DescribeById { ids: Vec::new(), filters: filters(tags), page: page(next) };
            let listing = reply!(self.ec2("ec2:DescribeVolumes", Request::DescribeVolumes(request)).await?, Volumes);
            found.extend(listing.items.into_iter().map(volume));
            next = listing.next_token;
            if next.is_none() {
                return Ok(found);
            }
        }
    }
}
