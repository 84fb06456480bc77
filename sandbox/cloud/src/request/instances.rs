//! Calls about instances that exist.

use super::{Filter, Page};
use crate::model::ShutdownBehavior;

/// Lists instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeInstances {
    /// Only these; an unknown one is an error.
    pub instance_ids: Vec<String>,
    /// Conditions, all of which must hold.
    pub filters: Vec<Filter>,
    /// Which part of the answer. 5 to 1,000 instances.
    pub page: Page,
}

/// Lists the state and health of instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeInstanceStatus {
    /// Only these; an unknown one is an error.
    pub instance_ids: Vec<String>,
    /// Conditions, all of which must hold.
    pub filters: Vec<Filter>,
    /// Instances in every state, not only running ones.
    pub include_all_instances: bool,
    /// Which part of the answer.
    pub page: Page,
}

/// Stops instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopInstances {
    /// The instances. One unknown id fails the whole call.
    pub instance_ids: Vec<String>,
    /// Keeps what is in their memory.
    pub hibernate: bool,
}

/// A call on a list of instances: terminate, start, reboot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstanceIds {
    /// The instances. One unknown id fails the whole call.
    pub instance_ids: Vec<String>,
}

/// Reads one attribute of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeInstanceAttribute {
    /// The instance.
    pub instance_id: String,
    /// `userData`, `instanceInitiatedShutdownBehavior`, `instanceType` or `disableApiTermination`.
    pub attribute: String,
}

/// Changes one attribute of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModifyInstanceAttribute {
    /// The instance.
    pub instance_id: String,
    /// What becomes of it.
    pub change: AttributeChange,
}

/// The attribute that [`ModifyInstanceAttribute`] changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeChange {
    /// What a shutdown from inside means.
    ShutdownBehavior(ShutdownBehavior),
    /// User data, as it is (not base64). Only while stopped.
    UserData(Vec<u8>),
    /// The instance type. Only while stopped.
    InstanceType(String),
    /// Whether TerminateInstances is refused.
    DisableApiTermination(bool),
    /// The security groups.
    Groups(Vec<String>),
    /// Of volumes by their device, whether each ends with the instance.
    DeleteOnTermination(Vec<(String, bool)>),
}
