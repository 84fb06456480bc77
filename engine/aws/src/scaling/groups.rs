//! Making groups, changing and ending them.

use aws_sdk_autoscaling::types::{
    InstancesDistribution, LaunchTemplate, LaunchTemplateOverrides, LaunchTemplateSpecification, MixedInstancesPolicy, Tag,
};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use spawn_core::ports::{GroupRequest, Launches, Result, Tags, ZONE_REBALANCE};
use spawn_model::error::{Class, Error};
use spawn_model::ids::InstanceId;
use spawn_model::tag;

use super::AutoScaling;
use super::words::{may_be_going, told};
use crate::endpoint::Call;
use crate::error::Tolerate;
use crate::instances::{count, profile_not_ready};

// Made again it finds the name taken, which is as good.
const CREATE: Call = Call::repeatable("autoscaling", "CreateAutoScalingGroup");
const SUSPEND: Call = Call::repeatable("autoscaling", "SuspendProcesses");
const UPDATE: Call = Call::repeatable("autoscaling", "UpdateAutoScalingGroup");
// Made again it finds the instance ending, and makes the group no smaller.
const TERMINATE: Call = Call::repeatable("autoscaling", "TerminateInstanceInAutoScalingGroup");
const SCHEDULE: Call = Call::repeatable("autoscaling", "PutScheduledUpdateGroupAction");
const TAG: Call = Call::repeatable("autoscaling", "CreateOrUpdateTags");
const UNTAG: Call = Call::repeatable("autoscaling", "DeleteTags");
const DELETE: Call = Call::repeatable("autoscaling", "DeleteAutoScalingGroup");

/// The action that takes a group's instances away.
pub(super) const DEADLINE: &str = "spawn-deadline";
/// What tags of groups are tags of.
const GROUP: &str = "auto-scaling-group";
/// The strategy for spot that alone goes by a number of pools.
const LOWEST_PRICE: &str = "lowest-price";

impl AutoScaling {
    pub(super) async fn make(&self, group: &GroupRequest) -> Result<()> {
        let create = self
            .client
            .create_auto_scaling_group()
            .auto_scaling_group_name(&group.name)
            .mixed_instances_policy(policy(&group.name, &group.launches))
            .capacity_rebalance(group.launches.rebalances)
            .min_size(0)
            .max_size(0)
            .desired_capacity(0)
            .vpc_zone_identifier(group.subnet_ids.join(","))
            .set_tags(Some(group_tags(&group.name, &group.tags)));
        let created = self.endpoint.call(CREATE, || create.clone().send()).await.tolerate(&["AlreadyExists"]);
        created.map(drop).map_err(|error| profile_not_ready(error, &format!("the instance profile of {}", group.name)))
    }

    pub(super) async fn keep_zones(&self, name: &str) -> Result<()> {
        let suspend = self.client.suspend_processes().auto_scaling_group_name(name).scaling_processes(ZONE_REBALANCE);
        self.endpoint.call(SUSPEND, || suspend.clone().send()).await.map(drop).map_err(told)
    }

    pub(super) async fn set_size(&self, name: &str, size: u32) -> Result<()> {
        let size = count(size);
        let update =
            self.client.update_auto_scaling_group().auto_scaling_group_name(name).min_size(0).max_size(size).desired_capacity(size);
        self.endpoint.call(UPDATE, || update.clone().send()).await.map(drop).map_err(told)
    }

    pub(super) async fn set_launches(&self, name: &str, launches: &Launches) -> Result<()> {
        let update = self
            .client
            .update_auto_scaling_group()
            .auto_scaling_group_name(name)
            .mixed_instances_policy(policy(name, launches))
            .capacity_rebalance(launches.rebalances);
        self.endpoint.call(UPDATE, || update.clone().send()).await.map(drop).map_err(told)
    }

    pub(super) async fn set_on_demand_base(&self, name: &str, base: u32) -> Result<()> {
        // What is left out would take its default. That there is no such group is Auto Scaling's to say.
        let mut distribution = self.distribution(name).await?.unwrap_or_else(|| InstancesDistribution::builder().build());
        distribution.on_demand_base_capacity = Some(count(base));
        if distribution.spot_allocation_strategy() != Some(LOWEST_PRICE) {
            distribution.spot_instance_pools = None;
        }
        let policy = MixedInstancesPolicy::builder().instances_distribution(distribution).build();
        let update = self.client.update_auto_scaling_group().auto_scaling_group_name(name).mixed_instances_policy(policy);
        self.endpoint.call(UPDATE, || update.clone().send()).await.map(drop).map_err(told)
    }

    pub(super) async fn end_one(&self, name: &str, id: &InstanceId) -> Result<()> {
        let terminate = self.client.terminate_instance_in_auto_scaling_group().instance_id(&id.0).should_decrement_desired_capacity(true);
        match self.endpoint.call(TERMINATE, || terminate.clone().send()).await.map_err(told) {
            Err(error) if error.class == Class::NotFound => Ok(()),
            Err(error) if error.code == "ScalingActivityInProgress" => match self.named(name).await? {
                Some(group) if group.instances.contains(id) => Err(error),
                _ => Ok(()),
            },
            ended => ended.map(drop),
        }
    }

    pub(super) async fn put_deadline(&self, name: &str, at: Timestamp) -> Result<()> {
        let put = self
            .client
            .put_scheduled_update_group_action()
            .auto_scaling_group_name(name)
            .scheduled_action_name(DEADLINE)
            // Whole seconds: Auto Scaling knows no finer.
            .start_time(DateTime::from_secs(at.as_second()))
            .min_size(0)
            .max_size(0)
            .desired_capacity(0);
        self.endpoint.call(SCHEDULE, || put.clone().send()).await.map(drop).map_err(told)
    }

    pub(super) async fn set_tags(&self, name: &str, tags: &Tags) -> Result<()> {
        // Auto Scaling refuses a call about no tags.
        if tags.is_empty() {
            return Ok(());
        }
        let tag = self.client.create_or_update_tags().set_tags(Some(group_tags(name, tags)));
        self.endpoint.call(TAG, || tag.clone().send()).await.map(drop).map_err(told)
    }

    pub(super) async fn delete_tags(&self, name: &str, keys: &[String]) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let tags = keys.iter().map(|key| Tag::builder().resource_id(name).resource_type(GROUP).key(key).build()).collect();
        let untag = self.client.delete_tags().set_tags(Some(tags));
        self.endpoint.call(UNTAG, || untag.clone().send()).await.map(drop).map_err(told)
    }

    pub(super) async fn end(&self, name: &str) -> Result<()> {
        let delete = self.client.delete_auto_scaling_group().auto_scaling_group_name(name).force_delete(true);
        match self.endpoint.call(DELETE, || delete.clone().send()).await.map_err(told) {
            Err(error) if error.class == Class::NotFound => Ok(()),
            // Whoever may delete what is ours may not delete what is not there: that has no tags that say so.
            Err(error) if error.class == Class::Denied || may_be_going(&error) => self.is_on_its_way(name, error).await,
            deleted => deleted.map(drop),
        }
    }

    /// A deletion that was refused, and need not have been asked for.
    async fn is_on_its_way(&self, name: &str, refusal: Error) -> Result<()> {
        match self.named(name).await? {
            Some(group) if !group.is_going => Err(refusal),
            _ => Ok(()),
        }
    }
}

/// A version of the template, of these types, on demand and spot.
fn policy(name: &str, launches: &Launches) -> MixedInstancesPolicy {
    let version = LaunchTemplateSpecification::builder().launch_template_name(name).version(launches.template_version.to_string()).build();
    let types = launches.types.iter().map(|name| LaunchTemplateOverrides::builder().instance_type(name).build()).collect();
    let distribution = InstancesDistribution::builder()
        .on_demand_allocation_strategy("prioritized")
        .on_demand_base_capacity(count(launches.on_demand_base))
        .on_demand_percentage_above_base_capacity(if launches.spot.is_some() { 0 } else { 100 })
        .spot_allocation_strategy("price-capacity-optimized")
        .set_spot_max_price(launches.spot.and_then(|terms| terms.max_usd_per_hour).map(|price| price.to_string()))
        .build();
    MixedInstancesPolicy::builder()
        .launch_template(LaunchTemplate::builder().launch_template_specification(version).set_overrides(Some(types)).build())
        .instances_distribution(distribution)
        .build()
}

/// Tags of a group, which what it launches gets too, but for the one that is about itself.
fn group_tags(name: &str, tags: &Tags) -> Vec<Tag> {
    let tag = |(key, value): (&String, &String)| {
        let is_handed_on = key != tag::TEMPLATE_VERSION;
        Tag::builder().resource_id(name).resource_type(GROUP).key(key).value(value).propagate_at_launch(is_handed_on).build()
    };
    tags.iter().map(tag).collect()
}
