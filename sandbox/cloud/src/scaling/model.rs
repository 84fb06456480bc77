//! What Auto Scaling keeps: groups, their instances, and what it did about them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::source::{LaunchSource, TemplateSpecification};
use crate::model::Market;

/// Which instance goes first when a group becomes smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum TerminationPolicy {
    /// Allocation strategy, then the oldest template, then the next billing hour.
    Default,
    /// Of the market there is too much of.
    AllocationStrategy,
    /// The one that soonest has run for a whole number of hours.
    ClosestToNextInstanceHour,
    /// The newest one.
    NewestInstance,
    /// The oldest one.
    OldestInstance,
    /// No group here has a launch configuration, so it never decides.
    OldestLaunchConfiguration,
    /// The ones of the oldest template, or of its oldest version.
    OldestLaunchTemplate,
}

impl TerminationPolicy {
    /// All of them, by the names of their variants, which are AWS's.
    pub const ALL: [Self; 7] = [
        Self::Default,
        Self::AllocationStrategy,
        Self::ClosestToNextInstanceHour,
        Self::NewestInstance,
        Self::OldestInstance,
        Self::OldestLaunchConfiguration,
        Self::OldestLaunchTemplate,
    ];

    /// AWS's name for it.
    pub fn name(self) -> String {
        format!("{self:?}")
    }
}

/// What a group does by itself, and can be told to stop doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Process {
    /// Moves instances to zones that have too few: never here.
    AZRebalance,
    /// Notices what does not run.
    HealthCheck,
    /// Launches.
    Launch,
    /// Ends what is not healthy.
    ReplaceUnhealthy,
    /// Does what is scheduled.
    ScheduledActions,
    /// Ends.
    Terminate,
}

impl Process {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::AZRebalance, Self::HealthCheck, Self::Launch, Self::ReplaceUnhealthy, Self::ScheduledActions, Self::Terminate];

    /// AWS's name for it.
    pub fn name(self) -> String {
        format!("{self:?}")
    }
}

/// Where an instance is in its life with its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Lifecycle {
    /// Launched, and not yet running.
    Pending,
    /// It runs, as far as the group knows.
    InService,
    /// The group ends it, or has seen that it ends.
    Terminating,
}

impl Lifecycle {
    /// AWS's name for it.
    pub fn name(self) -> String {
        format!("{self:?}")
    }
}

/// An instance of a group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupInstance {
    /// `i-…`.
    pub id: String,
    /// Its type.
    pub instance_type: String,
    /// On demand or spot.
    pub market: Market,
    /// Its zone.
    pub availability_zone: String,
    /// Its zone's id.
    pub availability_zone_id: String,
    /// Its image.
    pub image_id: String,
    /// The template it came from: id, name, and the version's number.
    pub template: TemplateSpecification,
    /// Where it is in its life.
    pub lifecycle: Lifecycle,
    /// Whether the group thinks so.
    pub healthy: bool,
    /// Whether the group may not end it to become smaller.
    pub protected_from_scale_in: bool,
    /// When it was launched.
    pub launched_at: Timestamp,
    /// Since when it is in service.
    pub in_service_at: Option<Timestamp>,
    /// Whether somebody said that it is not healthy, and EC2 had nothing to do with it.
    #[serde(skip)]
    pub(crate) reported: bool,
    /// Whether EC2 has recommended to replace it.
    #[serde(skip)]
    pub(crate) at_risk: bool,
    /// What the group does with it just now.
    #[serde(skip)]
    pub(crate) activity: Option<String>,
}

impl GroupInstance {
    /// Whether it is part of the group's capacity.
    pub fn counts(&self) -> bool {
        self.lifecycle != Lifecycle::Terminating
    }
}

/// What a tag of a group is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GroupTagValue {
    /// Its value.
    pub value: String,
    /// Whether new instances get it.
    pub propagate_at_launch: bool,
}

/// Group tags by key.
pub type GroupTags = BTreeMap<String, GroupTagValue>;

/// A change of a group's size at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScheduledAction {
    /// Unique in its group.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its group.
    pub group_name: String,
    /// When.
    pub start: Timestamp,
    /// Told, and without effect: only what recurs has an end.
    pub end: Option<Timestamp>,
    /// The new least size.
    pub min_size: Option<u32>,
    /// The new most.
    pub max_size: Option<u32>,
    /// The new size.
    pub desired_capacity: Option<u32>,
}

/// A group of instances of a size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AutoScalingGroup {
    /// Unique in its region.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// When it was made.
    pub created: Timestamp,
    /// It cannot be told to be smaller.
    pub min_size: u32,
    /// Nor larger.
    pub max_size: u32,
    /// So many instances it should have.
    pub desired_capacity: u32,
    /// What it launches.
    pub source: LaunchSource,
    /// Where: zones.
    pub zones: Vec<String>,
    /// Where: subnets; none means the default ones of its zones.
    pub subnets: Vec<String>,
    /// For so long after it came into service nobody's word against an instance counts, in seconds.
    pub health_check_grace_s: u32,
    /// Told, and without effect: only scaling policies wait for it. In seconds.
    pub default_cooldown_s: u32,
    /// The same. In seconds.
    pub default_instance_warmup_s: Option<u32>,
    /// Whether spot instances are replaced when EC2 recommends it.
    pub capacity_rebalance: bool,
    /// Whether new instances are protected from scale-in.
    pub new_instances_protected: bool,
    /// Which instance goes first.
    pub termination_policies: Vec<TerminationPolicy>,
    /// The role that it acts with.
    pub service_linked_role_arn: String,
    /// Its tags.
    pub tags: GroupTags,
    /// What it does not do, and since when.
    pub suspended: BTreeMap<Process, Timestamp>,
    /// Its instances.
    pub instances: Vec<GroupInstance>,
    /// What it will do.
    pub actions: BTreeMap<String, ScheduledAction>,
    /// Whether it is being deleted with all its instances.
    pub deleting: bool,
    /// Why it is not of its size, in sentences, until it is.
    #[serde(skip)]
    pub(crate) reasons: Vec<String>,
    /// How many launches replace what was not healthy.
    #[serde(skip)]
    pub(crate) replacing: u32,
    /// How many instances it has launched so far to replace those of another market; nothing if it has no reason to replace any.
    #[serde(skip)]
    pub(crate) redistributing: Option<u32>,
    /// How often in a row launching failed, and when it is tried again.
    #[serde(skip)]
    pub(crate) failures: Option<(u32, Timestamp)>,
}

impl AutoScalingGroup {
    /// How many instances are part of its capacity.
    pub fn capacity(&self) -> u32 {
        u32::try_from(self.instances.iter().filter(|i| i.counts()).count()).unwrap_or(u32::MAX)
    }

    pub(crate) fn does(&self, process: Process) -> bool {
        !self.suspended.contains_key(&process)
    }
}

/// How something that a group did went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ActivityStatus {
    /// An instance was launched, and does not yet run.
    PreInService,
    /// It goes on.
    InProgress,
    /// It is done.
    Successful,
    /// It could not be done.
    Failed,
    /// It was given up.
    Cancelled,
}

impl ActivityStatus {
    /// AWS's name for it.
    pub fn name(self) -> String {
        format!("{self:?}")
    }

    /// Whether it goes on.
    pub fn is_going_on(self) -> bool {
        matches!(self, ActivityStatus::PreInService | ActivityStatus::InProgress)
    }
}

/// Something that a group did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Activity {
    /// In the form of a UUID.
    pub id: String,
    /// The group.
    pub group_name: String,
    /// Its ARN.
    pub group_arn: String,
    /// What.
    pub description: String,
    /// Why.
    pub cause: String,
    /// Since when.
    pub start: Timestamp,
    /// Until when.
    pub end: Option<Timestamp>,
    /// How it went.
    pub status: ActivityStatus,
    /// Why it failed.
    pub status_message: Option<String>,
    /// In percent.
    pub progress: u32,
    /// Where, as JSON.
    pub details: String,
    /// Whether its group is gone.
    pub of_deleted_group: bool,
}
