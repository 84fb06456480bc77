//! A resource as policies see it: its tags, and what condition keys ask about it.

use crate::catalogue;
use crate::cloud::{Cloud, Region};
use crate::model::Tags;
use crate::tags::places::{kind, read};

/// What may be asked about a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// What it is, such as `instance`; the word of its ARN.
    pub kind: String,
    /// Its tags.
    pub tags: Tags,
    /// Condition keys of EC2 with their values, such as `ec2:InstanceType`.
    pub facts: Vec<(&'static str, String)>,
}

impl Cloud {
    /// A resource by its id; one that is not there has no tags and no facts.
    pub fn subject(&self, region: &str, id: &str) -> Subject {
        let Some(here) = self.regions.get(region) else { return Subject::default() };
        let word = kind(id).unwrap_or_default();
        let facts = facts(here, &self.config.account_id, word, id).unwrap_or_default();
        Subject { kind: word.to_owned(), tags: read(here, id), facts }
    }

    /// The id that a launch means by `resolve:ssm:` and the name of a public parameter; any other text is an id already.
    pub fn image_id(&self, region: &str, named: &str) -> String {
        let parameter = named.strip_prefix("resolve:ssm:");
        let found = parameter.and_then(|name| catalogue::public_parameters(region).into_iter().find(|(known, _)| known == name));
        found.map_or_else(|| named.to_owned(), |(_, id)| id)
    }

    /// The subnets that a launch may go to which names none: those of the default network, in a zone if it names one.
    pub fn default_subnets(&self, region: &str, zone: Option<&str>) -> Vec<String> {
        let Some(here) = self.regions.get(region) else { return Vec::new() };
        let subnets = here.network.subnets.values().filter(|subnet| subnet.default_for_az);
        subnets.filter(|subnet| zone.is_none_or(|zone| subnet.availability_zone == zone)).map(|subnet| subnet.id.clone()).collect()
    }

    /// Whether a network is there.
    pub fn has_vpc(&self, region: &str, id: &str) -> bool {
        self.regions.get(region).is_some_and(|here| here.network.vpcs.contains_key(id))
    }

    /// The default network.
    pub fn default_vpc_id(&self, region: &str) -> Option<String> {
        self.regions.get(region)?.network.default_vpc().map(|vpc| vpc.id.clone())
    }

    /// The security group that a network's instances are in without being told, or the one of this name in the default network.
    pub fn group_id(&self, region: &str, vpc: Option<&str>, name: &str) -> Option<String> {
        let here = self.regions.get(region)?;
        let vpc = vpc.or_else(|| here.network.default_vpc().map(|vpc| vpc.id.as_str()))?;
        here.groups.values().find(|group| group.vpc_id == vpc && group.name == name).map(|group| group.id.clone())
    }

    /// The id behind a key pair's or a placement group's name.
    pub fn id_of_name(&self, region: &str, name: &str) -> Option<String> {
        let here = self.regions.get(region)?;
        let key = here.key_pairs.get(name).map(|key| key.id.clone());
        key.or_else(|| here.placement_groups.get(name).map(|group| group.id.clone()))
    }

    /// The id behind a launch template's name.
    pub fn launch_template_id(&self, region: &str, name: &str) -> Option<String> {
        let kept = self.regions.get(region)?.templates.by_id.values().find(|kept| kept.template.name == name)?;
        Some(kept.template.id.clone())
    }

    /// A snapshot that an image's root volume starts from, or that a launch names.
    pub fn snapshot_of_image(&self, region: &str, image: &str) -> Option<String> {
        self.regions.get(region)?.images.iter().find(|known| known.id == image).map(|image| image.snapshot_id.clone())
    }
}

type Found = Vec<(&'static str, String)>;

fn facts(here: &Region, account: &str, kind: &str, id: &str) -> Option<Found> {
    match kind {
        "instance" => instance(here, account, id),
        "volume" => volume(here, id),
        "image" => image(here, account, id),
        "subnet" => here.network.subnets.get(id).map(|subnet| {
            let mut facts = vpc_of(here, account, &subnet.vpc_id);
            facts.extend([
                ("ec2:SubnetID", id.to_owned()),
                ("ec2:AvailabilityZone", subnet.availability_zone.clone()),
                ("ec2:AvailabilityZoneId", subnet.availability_zone_id.clone()),
            ]);
            facts
        }),
        "security-group" => here.groups.get(id).map(|group| {
            let mut facts = vpc_of(here, account, &group.vpc_id);
            facts.push(("ec2:SecurityGroupID", id.to_owned()));
            facts
        }),
        "vpc" => Some(vec![("ec2:VpcID", id.to_owned())]),
        "snapshot" => here.snapshots.get(id).map(|snapshot| {
            let facts = [
                ("ec2:SnapshotID", id.to_owned()),
                ("ec2:Owner", snapshot.owner_id.clone()),
                ("ec2:VolumeSize", snapshot.volume_size.to_string()),
                ("ec2:Encrypted", snapshot.encrypted.to_string()),
            ];
            facts.to_vec()
        }),
        "key-pair" => here
            .key_pairs
            .values()
            .find(|key| key.id == id)
            .map(|key| vec![("ec2:KeyPairName", key.name.clone()), ("ec2:KeyPairType", key.key_type.to_owned())]),
        "placement-group" => here.placement_groups.values().find(|group| group.id == id).map(|group| {
            let strategy = group.strategy.name().to_owned();
            vec![("ec2:PlacementGroupName", group.name.clone()), ("ec2:PlacementGroupStrategy", strategy)]
        }),
        _ => None,
    }
}

/// Networks are named by their ARN.
fn vpc_of(here: &Region, account: &str, vpc: &str) -> Vec<(&'static str, String)> {
    vec![("ec2:Vpc", format!("arn:aws:ec2:{}:{account}:vpc/{vpc}", here.name))]
}

fn instance(here: &Region, account: &str, id: &str) -> Option<Found> {
    let instance = here.instances.get(id)?;
    let required = if instance.metadata_options.tokens_required { "required" } else { "optional" };
    let market = if instance.spot.is_some() { "spot" } else { "on-demand" };
    let mut facts = vec![
        ("ec2:InstanceID", id.to_owned()),
        ("ec2:InstanceType", instance.instance_type.clone()),
        ("ec2:AvailabilityZone", instance.availability_zone.clone()),
        ("ec2:AvailabilityZoneId", instance.availability_zone_id.clone()),
        ("ec2:EbsOptimized", instance.ebs_optimized.to_string()),
        ("ec2:InstanceMarketType", market.to_owned()),
        ("ec2:MetadataHttpTokens", required.to_owned()),
        ("ec2:MetadataHttpPutResponseHopLimit", instance.metadata_options.hop_limit.to_string()),
        ("ec2:RootDeviceType", "ebs".to_owned()),
        ("ec2:Tenancy", "default".to_owned()),
    ];
    facts.extend(instance.profile.iter().map(|profile| ("ec2:InstanceProfile", profile.arn.clone())));
    let group = instance.placement_group.as_ref();
    facts.extend(group.map(|name| ("ec2:PlacementGroup", format!("arn:aws:ec2:{}:{account}:placement-group/{name}", here.name))));
    Some(facts)
}

fn volume(here: &Region, id: &str) -> Option<Found> {
    let volume = here.volumes.get(id)?;
    let mut facts = vec![
        ("ec2:VolumeID", id.to_owned()),
        ("ec2:AvailabilityZone", volume.availability_zone.clone()),
        ("ec2:Encrypted", volume.encrypted.to_string()),
        ("ec2:VolumeSize", volume.size.to_string()),
        ("ec2:VolumeType", volume.volume_type.clone()),
    ];
    facts.extend(volume.iops.map(|iops| ("ec2:VolumeIops", iops.to_string())));
    facts.extend(volume.throughput.map(|throughput| ("ec2:VolumeThroughput", throughput.to_string())));
    let snapshot = volume.snapshot_id.as_ref();
    facts.extend(snapshot.map(|id| ("ec2:ParentSnapshot", format!("arn:aws:ec2:{}::snapshot/{id}", here.name))));
    Some(facts)
}

fn image(here: &Region, account: &str, id: &str) -> Option<Found> {
    let image = here.images.iter().find(|image| image.id == id)?;
    let public = image.owner_id != account;
    let facts = [
        ("ec2:ImageID", id.to_owned()),
        ("ec2:ImageType", "machine".to_owned()),
        ("ec2:Owner", image.owner_alias.clone().unwrap_or_else(|| image.owner_id.clone())),
        ("ec2:Public", public.to_string()),
        ("ec2:RootDeviceType", "ebs".to_owned()),
    ];
    Some(facts.to_vec())
}
