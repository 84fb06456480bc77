//! What there is.

use aws_sdk_ec2::types::{self, Filter, InstanceLifecycleType, InstanceStateName, Tenancy, VolumeState};
use jiff::Timestamp;
use spawn_core::ports::{Attached, Instance, Result, Tags, Volume};
use spawn_model::ids::InstanceId;
use spawn_model::market::MarketType;
use spawn_model::record::Launched;
use spawn_model::status::Seen;

use super::{Ec2, PAGE, tag_filters, tags_of};
use crate::endpoint::Call;

const DESCRIBE: Call = Call::repeatable("ec2", "DescribeInstances");
const VOLUMES: Call = Call::repeatable("ec2", "DescribeVolumes");
const REGIONS: Call = Call::repeatable("ec2", "DescribeRegions");

impl Ec2 {
    pub(super) async fn instances_tagged(&self, tags: &Tags) -> Result<Vec<Instance>> {
        self.instances_by(tag_filters(tags), |_| true).await
    }

    pub(super) async fn instances_running(&self) -> Result<Vec<Instance>> {
        let states = [InstanceStateName::Pending, InstanceStateName::Running].map(|state| state.as_str().to_owned());
        let filter = Filter::builder().name("instance-state-name").set_values(Some(states.into())).build();
        self.instances_by(vec![filter], is_counted).await
    }

    async fn instances_by(&self, filters: Vec<Filter>, is_meant: fn(&types::Instance) -> bool) -> Result<Vec<Instance>> {
        let describe = self.client.describe_instances().set_filters(Some(filters)).max_results(PAGE);
        let mut found = Vec::new();
        let mut next = None;
        loop {
            let request = describe.clone().set_next_token(next.take());
            let page = self.endpoint.call(DESCRIBE, || request.clone().send()).await?;
            let instances = page.reservations().iter().flat_map(|reservation| reservation.instances());
            found.extend(instances.filter(|described| is_meant(described)).map(instance));
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    /// Left to itself, EC2 tells only the regions that are enabled.
    pub(super) async fn regions_enabled(&self) -> Result<Vec<String>> {
        let describe = self.client.describe_regions();
        let answer = self.endpoint.call(REGIONS, || describe.clone().send()).await?;
        Ok(answer.regions().iter().filter_map(|region| region.region_name()).map(str::to_owned).collect())
    }

    pub(super) async fn volumes_tagged(&self, tags: &Tags) -> Result<Vec<Volume>> {
        let describe = self.client.describe_volumes().set_filters(Some(tag_filters(tags))).max_results(PAGE);
        let mut found = Vec::new();
        let mut next = None;
        loop {
            let request = describe.clone().set_next_token(next.take());
            let page = self.endpoint.call(VOLUMES, || request.clone().send()).await?;
            // One that is being deleted is nobody's to clean up.
            let there =
                page.volumes().iter().filter(|volume| !matches!(volume.state(), Some(VolumeState::Deleted | VolumeState::Deleting)));
            found.extend(there.filter_map(volume));
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(found);
            }
        }
    }
}

/// Whether an instance counts against the account's quotas of vCPUs: hosts of its own and blocks of capacity have quotas of their own.
fn is_counted(described: &types::Instance) -> bool {
    let is_on_host = described.placement().and_then(|placement| placement.tenancy()) == Some(&Tenancy::Host);
    let is_of_block = described.instance_lifecycle() == Some(&InstanceLifecycleType::CapacityBlock);
    !is_on_host && !is_of_block
}

/// The reason of a state that somebody hibernated it (EC2 API reference, `StateReason`).
const HIBERNATED: &str = "Client.UserInitiatedHibernate";

fn instance(described: &types::Instance) -> Instance {
    let state = described.state().and_then(|state| state.name());
    let seen = seen(state, described.state_reason().and_then(|reason| reason.code()));
    Instance {
        launched: launched(described),
        seen,
        alive: seen != Seen::Gone,
        gone: state == Some(&InstanceStateName::Terminated),
        // EC2 always tells it. Were it not told, an instance without a deadline would be long past one.
        launched_at: described.launch_time().and_then(|at| Timestamp::from_second(at.secs()).ok()).unwrap_or_default(),
        public_ip: described.public_ip_address().filter(|address| !address.is_empty()).map(str::to_owned),
        group_ids: described.security_groups().iter().filter_map(|group| group.group_id()).map(str::to_owned).collect(),
        volumes: described.block_device_mappings().iter().filter_map(attached).collect(),
        tags: tags_of(described.tags()),
    }
}

fn attached(device: &types::InstanceBlockDeviceMapping) -> Option<Attached> {
    let volume = device.ebs()?;
    Some(Attached {
        device: device.device_name()?.to_owned(),
        volume_id: volume.volume_id()?.to_owned(),
        ends_with_it: volume.delete_on_termination() == Some(true),
    })
}

fn volume(described: &types::Volume) -> Option<Volume> {
    let number = |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok());
    Some(Volume {
        id: described.volume_id()?.to_owned(),
        size_gib: number(described.size()).unwrap_or_default(),
        kind: described.volume_type().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        iops: number(described.iops()),
        throughput_mib_s: number(described.throughput()),
    })
}

/// What a launch and every later description have in common. A terminated instance has lost its address.
pub(super) fn launched(described: &types::Instance) -> Launched {
    Launched {
        instance_id: InstanceId(described.instance_id().unwrap_or_default().to_owned()),
        launch_index: described.ami_launch_index().and_then(|index| u32::try_from(index).ok()).unwrap_or_default(),
        private_ip: described.private_ip_address().unwrap_or_default().to_owned(),
        zone: described.placement().and_then(|placement| placement.availability_zone()).unwrap_or_default().to_owned(),
        instance_type: described.instance_type().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        market: match described.instance_lifecycle() {
            Some(InstanceLifecycleType::Spot) => MarketType::Spot,
            _ => MarketType::OnDemand,
        },
    }
}

fn seen(state: Option<&InstanceStateName>, reason: Option<&str>) -> Seen {
    match state {
        Some(InstanceStateName::Running) => Seen::Running,
        Some(InstanceStateName::Stopping | InstanceStateName::Stopped) if reason == Some(HIBERNATED) => Seen::Hibernated,
        Some(InstanceStateName::Stopping | InstanceStateName::Stopped) => Seen::Stopped,
        Some(InstanceStateName::ShuttingDown | InstanceStateName::Terminated) => Seen::Gone,
        // A state of which nothing is known yet is not one to take for the end.
        _ => Seen::Pending,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::InstanceState;

    use super::*;

    #[test]
    fn states_are_told_in_the_models_words() {
        for (name, expected, alive, gone) in [
            ("pending", Seen::Pending, true, false),
            ("running", Seen::Running, true, false),
            ("stopping", Seen::Stopped, true, false),
            ("stopped", Seen::Stopped, true, false),
            ("shutting-down", Seen::Gone, false, false),
            ("terminated", Seen::Gone, false, true),
        ] {
            let state = InstanceState::builder().name(InstanceStateName::from(name)).build();
            let described = types::Instance::builder().instance_id("i-0").state(state);
            let told = instance(&described.clone().build());
            assert_eq!((told.seen, told.alive, told.gone), (expected, alive, gone), "{name}");
            let reason = types::StateReason::builder().code(HIBERNATED).build();
            let expected = if expected == Seen::Stopped { Seen::Hibernated } else { expected };
            assert_eq!(instance(&described.state_reason(reason).build()).seen, expected, "{name}, hibernated");
        }
    }
}
