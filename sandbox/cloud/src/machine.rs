//! An instance as whoever runs the machines needs it.

use jiff::Timestamp;

use crate::cloud::Cloud;
use crate::model::{InstanceState, MetadataOptions, Platform, ShutdownBehavior, Tags};

/// Everything a hypervisor and a metadata service need to know of an instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// `i-…`.
    pub id: String,
    /// Its account.
    pub account_id: String,
    /// Its region.
    pub region: String,
    /// Its zone.
    pub availability_zone: String,
    /// Its zone's id.
    pub availability_zone_id: String,
    /// Where it is in its life.
    pub state: InstanceState,
    /// Its type.
    pub instance_type: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// Its image.
    pub image_id: String,
    /// What is installed on it, if its image is there.
    pub platform: Option<Platform>,
    /// What it reads at its first boot, as it is (not base64).
    pub user_data: Option<Vec<u8>>,
    /// Its number in its launch, from 0.
    pub ami_launch_index: u32,
    /// The launch.
    pub reservation_id: String,
    /// When it was launched, or started again.
    pub launch_time: Timestamp,
    /// Its address.
    pub private_ip: String,
    /// The name of that address.
    pub private_dns_name: String,
    /// Its public address, if it has one now.
    pub public_ip: Option<String>,
    /// The name of that address.
    pub public_dns_name: Option<String>,
    /// Its hardware address.
    pub mac: String,
    /// Its interface, `eni-…`.
    pub network_interface_id: String,
    /// Its subnet.
    pub subnet_id: String,
    /// The addresses of that.
    pub subnet_cidr: String,
    /// Its network.
    pub vpc_id: String,
    /// The addresses of that.
    pub vpc_cidr: String,
    /// Its security groups, by name.
    pub security_groups: Vec<String>,
    /// Its security groups, by id.
    pub security_group_ids: Vec<String>,
    /// Its instance profile.
    pub iam_instance_profile_arn: Option<String>,
    /// The id of that.
    pub iam_instance_profile_id: Option<String>,
    /// Its metadata service.
    pub metadata_options: MetadataOptions,
    /// What a shutdown from inside means.
    pub shutdown_behavior: ShutdownBehavior,
    /// Whether it is a spot instance.
    pub spot: bool,
    /// When EC2 recommended to move its work elsewhere, once it has.
    pub rebalance_recommendation: Option<Timestamp>,
    /// When EC2 will take it back, once it has said so.
    pub spot_interruption: Option<Timestamp>,
    /// The key that opens it: name, and the line of `authorized_keys`.
    pub public_key: Option<(String, String)>,
    /// The placement group it is in.
    pub placement_group: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

impl Cloud {
    /// An instance that has not terminated.
    pub fn machine(&self, id: &str) -> Option<Machine> {
        let (region, i) = self.locate(id).ok()?;
        let here = self.region(&region);
        let interface = i.interface.clone()?;
        Some(Machine {
            id: i.id.clone(),
            account_id: self.config.account_id.clone(),
            availability_zone: i.availability_zone.clone(),
            availability_zone_id: i.availability_zone_id.clone(),
            state: i.state,
            instance_type: i.instance_type.clone(),
            architecture: i.architecture.clone(),
            image_id: i.image_id.clone(),
            platform: here.images.iter().find(|image| image.id == i.image_id).map(|image| image.platform),
            user_data: i.user_data.clone(),
            ami_launch_index: i.ami_launch_index,
            reservation_id: i.reservation_id.clone(),
            launch_time: i.launch_time,
            private_ip: interface.private_ip,
            private_dns_name: interface.private_dns_name,
            public_ip: interface.public_ip,
            public_dns_name: interface.public_dns_name,
            mac: interface.mac,
            network_interface_id: interface.id,
            subnet_cidr: here.network.subnets.get(&interface.subnet_id).map(|s| s.cidr_block.clone()).unwrap_or_default(),
            subnet_id: interface.subnet_id,
            vpc_cidr: here.network.vpcs.get(&interface.vpc_id).map(|v| v.cidr_block.clone()).unwrap_or_default(),
            vpc_id: interface.vpc_id,
            security_groups: i.groups.iter().map(|g| g.name.clone()).collect(),
            security_group_ids: i.groups.iter().map(|g| g.id.clone()).collect(),
            iam_instance_profile_arn: i.profile.as_ref().map(|p| p.arn.clone()),
            iam_instance_profile_id: i.profile.as_ref().map(|p| p.id.clone()),
            metadata_options: i.metadata_options.clone(),
            shutdown_behavior: i.shutdown_behavior,
            spot: i.spot.is_some(),
            rebalance_recommendation: i.spot.as_ref().and_then(|s| s.rebalance),
            spot_interruption: i.spot.as_ref().and_then(|s| s.interruption),
            public_key: i.key_name.as_ref().and_then(|name| here.key_pairs.get(name)).map(|k| (k.name.clone(), k.public_key.clone())),
            placement_group: i.placement_group.clone(),
            tags: i.tags.clone(),
            region,
        })
    }

    /// The instance that has a private address in a region, if one has.
    pub fn machine_at(&self, region: &str, private_ip: &str) -> Option<Machine> {
        let here = self.regions.get(region)?;
        let found = here.instances.values().find(|i| i.interface.as_ref().is_some_and(|n| n.private_ip == private_ip))?;
        self.machine(&found.id)
    }

    /// The ids of all instances that have not terminated, in every region.
    pub fn machine_ids(&self) -> Vec<String> {
        self.regions
            .values()
            .flat_map(|r| r.instances.values())
            .filter(|i| i.state != InstanceState::Terminated)
            .map(|i| i.id.clone())
            .collect()
    }
}
