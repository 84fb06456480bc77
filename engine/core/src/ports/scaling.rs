//! Auto Scaling: groups of instances that are kept at their size.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;
use spawn_model::ids::InstanceId;

use super::{Disk, Result, SpotTerms, Tags};

/// The process that ends instances which work, so that zones have as many: none of our groups does it.
pub const ZONE_REBALANCE: &str = "AZRebalance";

/// What every instance of a group is, but for its type and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// The image.
    pub image_id: String,
    /// The root volume, and then the others.
    pub disks: Vec<Disk>,
    /// Whether instances get public addresses; nothing means as the subnet says.
    pub public_address: Option<bool>,
    /// Security groups.
    pub group_ids: Vec<String>,
    /// The key pair whose owner may log in.
    pub key_name: Option<String>,
    /// The instance profile's name.
    pub profile: String,
    /// User data, not yet base64-encoded: at most 16 KiB.
    pub user_data: Vec<u8>,
    /// Tags of instances, of volumes, and of the template itself.
    pub tags: Tags,
}

/// What a group launches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Launches {
    /// The version of its template. Never "the latest": then whoever may make a version could launch what he may not.
    pub template_version: i64,
    /// Instance types: on demand the first that has room, as spot those that are cheap and that there is much of.
    pub types: Vec<String>,
    /// How many are on demand in any case. Without spot terms all are.
    pub on_demand_base: u32,
    /// The terms of the others; nothing means on demand.
    pub spot: Option<SpotTerms>,
    /// Whether a spot instance that EC2 is likely to take back is replaced before (Capacity Rebalancing).
    pub rebalances: bool,
}

/// A group to be made, without an instance: what ends it is to be there before the first one.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupRequest {
    /// Its name, and that of its template.
    pub name: String,
    /// What it launches.
    pub launches: Launches,
    /// Subnets, and with them the zones.
    pub subnet_ids: Vec<String>,
    /// Tags of the group, and of what it launches, but for [`spawn_model::tag::TEMPLATE_VERSION`], which the group alone has.
    pub tags: Tags,
}

/// A group as Auto Scaling describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// How many instances it is to have.
    pub size: u32,
    /// How many it is to have at least: none, unless somebody else has said so.
    pub least: u32,
    /// How many instances it may have at most.
    pub most: u32,
    /// What it launches. A version that is not a number is 0.
    pub launches: Launches,
    /// The name of the template that it launches types of, if it does that.
    pub template: Option<String>,
    /// The processes that it does not do, by Auto Scaling's names.
    pub suspended: BTreeSet<String>,
    /// Those that it counts as its own, without those that it ends.
    pub instances: Vec<InstanceId>,
    /// Whether it is being deleted, with all that it has.
    pub is_going: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its tags.
    pub tags: Tags,
}

/// A launch of a group that failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// When it was tried.
    pub at: Timestamp,
    /// Why it failed, in Auto Scaling's words.
    pub why: String,
}

/// Auto Scaling, and the launch templates of its groups.
#[async_trait]
pub trait Scaling: Send + Sync {
    /// `CreateLaunchTemplate`; it exists: `CreateLaunchTemplateVersion`. The number of the version that says so.
    async fn template_put(&self, template: &Template) -> Result<i64>;
    /// `CreateLaunchTemplateVersion`, and its number. There is no such template: [`spawn_model::error::Class::NotFound`].
    async fn template_renew(&self, template: &Template) -> Result<i64>;
    /// `DeleteLaunchTemplate`. Gone is gone: who may delete what is ours is refused what is not there, so `DescribeLaunchTemplates` follows
    /// on a refusal.
    async fn template_delete(&self, name: &str) -> Result<()>;
    /// `CreateAutoScalingGroup`, of no size, and `SuspendProcesses`, so that it moves no instance that works to another zone. It exists counts as done.
    /// `ProfileNotReady`, which passes, while EC2 does not know the profile.
    async fn group_ensure(&self, group: &GroupRequest) -> Result<()>;
    /// `DescribeAutoScalingGroups` by name; nothing if there is none.
    async fn group(&self, name: &str) -> Result<Option<Group>>;
    /// `DescribeAutoScalingGroups` by tag; one call a page of 100.
    async fn groups(&self, tags: &Tags) -> Result<Vec<Group>>;
    /// `UpdateAutoScalingGroup`: how many instances it is to have, and may have at most; at least none.
    async fn resize(&self, name: &str, size: u32) -> Result<()>;
    /// `UpdateAutoScalingGroup`: what it launches from now on.
    async fn group_launch(&self, name: &str, launches: &Launches) -> Result<()>;
    /// `DescribeAutoScalingGroups`, and `UpdateAutoScalingGroup` with how it is divided between the markets and nothing else: as it was, but for how
    /// many are on demand in any case. Whoever says no version of a template need not be allowed what it launches.
    async fn buy_on_demand(&self, name: &str, base: u32) -> Result<()>;
    /// `TerminateInstanceInAutoScalingGroup`: ends this instance, and its group is to have one less. One that is in no group is as good, and
    /// so is one that ends already, which `DescribeAutoScalingGroups` tells.
    async fn shed(&self, name: &str, id: &InstanceId) -> Result<()>;
    /// `PutScheduledUpdateGroupAction`: from that moment on it has no instance.
    async fn empty_at(&self, name: &str, at: Timestamp) -> Result<()>;
    /// `DescribeScheduledActions`: when that is, or nothing if nothing will empty it.
    async fn emptied_at(&self, name: &str) -> Result<Option<Timestamp>>;
    /// `CreateOrUpdateTags`: of the group, and of what it launches from now on, as in [`GroupRequest::tags`].
    async fn group_tag(&self, name: &str, tags: &Tags) -> Result<()>;
    /// `DeleteTags`.
    async fn group_untag(&self, name: &str, keys: &[String]) -> Result<()>;
    /// `DeleteAutoScalingGroup`, with its instances, which goes on after the call. Gone is gone, and going is as good; on a refusal
    /// `DescribeAutoScalingGroups` tells.
    async fn group_delete(&self, name: &str) -> Result<()>;
    /// `DescribeScalingActivities`: the launches that have failed since one went well, the latest first.
    async fn refusals(&self, name: &str) -> Result<Vec<Refusal>>;
}
