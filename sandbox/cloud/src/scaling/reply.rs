//! What the operations of Auto Scaling answer.

use super::model::{Activity, AutoScalingGroup, GroupInstance, ScheduledAction};
use super::request::GroupTag;
use crate::reply::Listing;

/// What the operations answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Every operation that has nothing to tell.
    Done,
    /// DescribeAutoScalingGroups.
    Groups(Listing<AutoScalingGroup>),
    /// DescribeAutoScalingInstances: each with the name of its group.
    Instances(Listing<(String, GroupInstance)>),
    /// TerminateInstanceInAutoScalingGroup.
    Activity(Box<Activity>),
    /// DescribeScalingActivities.
    Activities(Listing<Activity>),
    /// DescribeScheduledActions.
    ScheduledActions(Listing<ScheduledAction>),
    /// DescribeTags.
    Tags(Listing<GroupTag>),
}
