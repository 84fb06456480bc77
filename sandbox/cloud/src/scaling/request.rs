//! The operations of Auto Scaling that are simulated, as types.

use jiff::Timestamp;

use super::model::{Process, TerminationPolicy};
use super::source::{Distribution, LaunchSource};
use crate::operations::requests;
use crate::request::{Filter, Page};

/// What a group can be told when it is made, and later. What is left out keeps its default, or stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupSettings {
    /// What it launches.
    pub source: Option<LaunchSource>,
    /// How it divides that between the markets, where the template and the types stay as they are.
    pub distribution: Option<Distribution>,
    /// It cannot be told to be smaller.
    pub min_size: Option<u32>,
    /// Nor larger.
    pub max_size: Option<u32>,
    /// So many instances it should have; of a new group none is the least size.
    pub desired_capacity: Option<u32>,
    /// Where: zones.
    pub zones: Vec<String>,
    /// Where: subnets.
    pub subnets: Vec<String>,
    /// For so long after it came into service nobody's word against an instance counts, in seconds.
    pub health_check_grace_s: Option<u32>,
    /// In seconds.
    pub default_cooldown_s: Option<u32>,
    /// In seconds.
    pub default_instance_warmup_s: Option<u32>,
    /// Whether spot instances are replaced when EC2 recommends it.
    pub capacity_rebalance: Option<bool>,
    /// Whether new instances are protected from scale-in.
    pub new_instances_protected: Option<bool>,
    /// Which instance goes first.
    pub termination_policies: Vec<TerminationPolicy>,
    /// The role that it acts with.
    pub service_linked_role_arn: Option<String>,
}

/// A tag of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupTag {
    /// The group's name.
    pub group_name: String,
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
    /// Whether new instances get it.
    pub propagate_at_launch: bool,
}

/// Makes a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreateAutoScalingGroup {
    /// Unique in its region.
    pub name: String,
    /// What it is.
    pub settings: GroupSettings,
    /// Its tags; each names this group.
    pub tags: Vec<GroupTag>,
}

/// Changes a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpdateAutoScalingGroup {
    /// The group.
    pub name: String,
    /// What changes.
    pub settings: GroupSettings,
}

/// Lists groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeAutoScalingGroups {
    /// Only these; an unknown one is left out.
    pub names: Vec<String>,
    /// `tag-key`, `tag-value` and `tag:<key>`.
    pub filters: Vec<Filter>,
    /// Which part of the answer. At most 100, 50 if unsaid.
    pub page: Page,
}

/// Lists instances of groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeAutoScalingInstances {
    /// Only these; an unknown one is left out.
    pub instance_ids: Vec<String>,
    /// Which part of the answer. At most 50.
    pub page: Page,
}

/// Deletes a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteAutoScalingGroup {
    /// The group.
    pub name: String,
    /// With its instances; without, a group that has some is not deleted.
    pub force: bool,
}

/// Changes the size of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetDesiredCapacity {
    /// The group.
    pub name: String,
    /// So many instances it should have.
    pub desired_capacity: u32,
}

/// Ends an instance of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TerminateInstanceInAutoScalingGroup {
    /// The instance.
    pub instance_id: String,
    /// Whether the group becomes smaller by it, or replaces it.
    pub decrement: bool,
}

/// Tells a group that an instance is healthy, or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetInstanceHealth {
    /// The instance.
    pub instance_id: String,
    /// Whether it is.
    pub healthy: bool,
    /// Whether it does not count before the grace period is over.
    pub respect_grace_period: bool,
}

/// Protects instances from scale-in, or no longer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetInstanceProtection {
    /// The group.
    pub name: String,
    /// Its instances.
    pub instance_ids: Vec<String>,
    /// Whether they are protected.
    pub protected: bool,
}

/// Schedules a change of a group's size, or changes what is scheduled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutScheduledUpdateGroupAction {
    /// The group.
    pub group_name: String,
    /// Unique in the group.
    pub name: String,
    /// When. What recurs is not simulated.
    pub start: Option<Timestamp>,
    /// Told, and without effect.
    pub end: Option<Timestamp>,
    /// The new least size.
    pub min_size: Option<u32>,
    /// The new most.
    pub max_size: Option<u32>,
    /// The new size.
    pub desired_capacity: Option<u32>,
}

/// Lists what is scheduled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeScheduledActions {
    /// The group; none is every group.
    pub group_name: Option<String>,
    /// Only these; an unknown one is left out.
    pub names: Vec<String>,
    /// Only what is due then or later.
    pub start: Option<Timestamp>,
    /// Only what is due then or earlier.
    pub end: Option<Timestamp>,
    /// Which part of the answer. At most 100, 50 if unsaid.
    pub page: Page,
}

/// Takes something from a group's schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteScheduledAction {
    /// The group.
    pub group_name: String,
    /// The action.
    pub name: String,
}

/// Stops a group from doing something, or lets it do it again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScalingProcesses {
    /// The group.
    pub name: String,
    /// What; nothing is everything.
    pub processes: Vec<Process>,
}

/// Lists what groups did, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeScalingActivities {
    /// The group; none is every group.
    pub group_name: Option<String>,
    /// Only these; an unknown one is left out.
    pub activity_ids: Vec<String>,
    /// Those of deleted groups, too.
    pub include_deleted_groups: bool,
    /// Which part of the answer. At most 100.
    pub page: Page,
}

/// Lists tags of groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeGroupTags {
    /// `auto-scaling-group`, `key`, `value` and `propagate-at-launch`.
    pub filters: Vec<Filter>,
    /// Which part of the answer. At most 100, 50 if unsaid.
    pub page: Page,
}

requests! {
    "Auto Scaling":
    /// See [`CreateAutoScalingGroup`].
    CreateAutoScalingGroup(Box<CreateAutoScalingGroup>),
    /// Sets tags of groups.
    CreateOrUpdateTags(Vec<GroupTag>),
    /// See [`DeleteAutoScalingGroup`].
    DeleteAutoScalingGroup(DeleteAutoScalingGroup),
    /// See [`DeleteScheduledAction`].
    DeleteScheduledAction(DeleteScheduledAction),
    /// Takes tags from groups, whatever their values.
    DeleteTags(Vec<GroupTag>),
    /// See [`DescribeAutoScalingGroups`].
    DescribeAutoScalingGroups(DescribeAutoScalingGroups),
    /// See [`DescribeAutoScalingInstances`].
    DescribeAutoScalingInstances(DescribeAutoScalingInstances),
    /// See [`DescribeScalingActivities`].
    DescribeScalingActivities(DescribeScalingActivities),
    /// See [`DescribeScheduledActions`].
    DescribeScheduledActions(DescribeScheduledActions),
    /// See [`DescribeGroupTags`].
    DescribeTags(DescribeGroupTags),
    /// See [`PutScheduledUpdateGroupAction`].
    PutScheduledUpdateGroupAction(PutScheduledUpdateGroupAction),
    /// See [`ScalingProcesses`].
    ResumeProcesses(ScalingProcesses),
    /// See [`SetDesiredCapacity`].
    SetDesiredCapacity(SetDesiredCapacity),
    /// See [`SetInstanceHealth`].
    SetInstanceHealth(SetInstanceHealth),
    /// See [`SetInstanceProtection`].
    SetInstanceProtection(SetInstanceProtection),
    /// See [`ScalingProcesses`].
    SuspendProcesses(ScalingProcesses),
    /// See [`TerminateInstanceInAutoScalingGroup`].
    TerminateInstanceInAutoScalingGroup(TerminateInstanceInAutoScalingGroup),
    /// See [`UpdateAutoScalingGroup`].
    UpdateAutoScalingGroup(Box<UpdateAutoScalingGroup>),
}
