//! Auto Scaling: groups that launch what they lack, replace what has ended, and end what is too much.
//!
//! A group works by itself: it takes part in [`Cloud::advance`] and [`Cloud::next_due`], and launches and ends as anybody
//! would, so that capacity, prices, quotas and scripted trouble are the same for it. It does nothing at fixed intervals:
//! whatever may concern it wakes it, a call, or a change of one of its instances.
//!
//! | module | what it holds |
//! |---|---|
//! | `request`, `reply` | one type per operation, and what it answers |
//! | `model`, `source` | groups, their instances and activities; what they launch |
//! | `groups`, `settings` | making, changing and deleting groups, and what they may be told |
//! | `instances`, `processes`, `schedule`, `tags`, `activities`, `describe` | the other calls |
//! | `round` | what a group does when it is awake |
//! | `grow`, `purchase`, `shrink` | launching, of which type and where; ending, and which first |
//! | `redistribute` | replacing instances of one market by those of the other |

mod activities;
mod describe;
mod groups;
mod grow;
mod instances;
mod model;
mod processes;
mod purchase;
mod redistribute;
mod reply;
mod request;
mod round;
mod schedule;
mod settings;
mod shrink;
mod source;
mod tags;

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::cloud::{Cloud, Region};
use crate::error::ApiError;
use crate::faults::Effect;
use crate::identity::Generator;
use crate::model::{Instance, InstanceState, Tags};
use crate::paging::{Limits, cut};
use crate::request::{Page, RunInstances};
use crate::shelf::Shelf;

pub use model::*;
pub use reply::Reply;
pub use request::*;
pub use source::*;

/// From a call to what follows of it.
const REACTION: SignedDuration = SignedDuration::from_secs(2);
/// From the end of an instance to when its group notices.
const HEALTH_CHECK: SignedDuration = SignedDuration::from_secs(30);
/// From a failed launch to the next; doubled each time it fails again.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(30);
/// The longest such pause.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(15);
/// Calls of its own that are kept for whoever asks.
const OWN_CALLS_KEPT: usize = 10_000;

/// The tag that says which group an instance is in.
pub(crate) const GROUP_TAG: &str = "aws:autoscaling:groupName";

/// A call that Auto Scaling made by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnCall {
    /// When.
    pub at: Timestamp,
    /// Where.
    pub region: String,
    /// The operation of EC2.
    pub operation: &'static str,
    /// `ok`, or the error code.
    pub outcome: String,
}

/// The groups of a region.
pub(crate) struct Scaling {
    /// By name.
    pub(crate) groups: Shelf<AutoScalingGroup>,
    /// What they did, the oldest first.
    activities: VecDeque<Activity>,
    /// When each looks at itself next.
    due: BTreeMap<String, Timestamp>,
}

impl Scaling {
    pub(crate) fn new(lag_ms: u64) -> Self {
        Scaling { groups: Shelf::new(lag_ms), activities: VecDeque::new(), due: BTreeMap::new() }
    }

    /// The group that is awake next.
    pub(crate) fn next_due(&self) -> Option<(Timestamp, &String)> {
        self.due.iter().map(|(name, at)| (*at, name)).min()
    }

    fn wake(&mut self, at: Timestamp, name: &str) {
        self.due.entry(name.to_owned()).and_modify(|due| *due = at.min(*due)).or_insert(at);
    }

    /// An instance has changed its state: if it is in a group, that will notice.
    pub(crate) fn noticed(&mut self, now: Timestamp, instance: &Instance) {
        let Some(group) = instance.tags.get(GROUP_TAG).and_then(|name| self.groups.get(name)) else { return };
        let expected = group.instances.iter().any(|i| i.id == instance.id && i.lifecycle == Lifecycle::Terminating);
        let at_once = expected || instance.state == InstanceState::Running;
        let name = group.name.clone();
        self.wake(if at_once { now } else { later(now, HEALTH_CHECK) }, &name);
    }

    /// The group that a call names, unless it is on its way out.
    fn group(&self, name: &str) -> Result<&AutoScalingGroup, ApiError> {
        let group = self.groups.get(name).ok_or_else(|| no_group(name))?;
        if group.deleting {
            return Err(validation("The AutoScaling group may not be modified while it is pending delete"));
        }
        Ok(group)
    }

    /// The group that an instance is in.
    fn group_of(&self, instance_id: &str) -> Result<&AutoScalingGroup, ApiError> {
        let found = self.groups.values().find(|g| g.instances.iter().any(|i| i.id == instance_id));
        found.ok_or_else(|| validation(format!("Instance Id not found - No managed instance found for instance ID: {instance_id}")))
    }
}

impl Cloud {
    /// Does one call of Auto Scaling.
    ///
    /// Scripted trouble ([`Fault::Call`](crate::Fault)) meets it under the operation's name; but for `DescribeTags` and
    /// `DeleteTags`, which EC2 has as well, under `autoscaling:` and the name.
    ///
    /// # Errors
    /// What AWS would answer, as by [`Cloud::call`].
    pub fn scale(&mut self, now: Timestamp, region: &str, request: Request) -> Result<Reply, ApiError> {
        self.settle(now);
        self.calls += 1;
        if !self.regions.contains_key(region) {
            return Err(ApiError::gap("InvalidRegion", format!("The region '{region}' is not simulated")));
        }
        let name = match request.operation() {
            "DescribeTags" => "autoscaling:DescribeTags",
            "DeleteTags" => "autoscaling:DeleteTags",
            operation => operation,
        };
        if let Some((error, effect)) = self.faults.on_call(region, name) {
            if effect == Effect::After {
                // The caller hears of the scripted trouble, whatever became of the call.
                let _unheard = self.dispatch_scaling(now, region, request);
            }
            return Err(error);
        }
        self.dispatch_scaling(now, region, request)
    }

    fn dispatch_scaling(&mut self, now: Timestamp, region: &str, request: Request) -> Result<Reply, ApiError> {
        use Request as R;
        match request {
            R::CreateAutoScalingGroup(r) => groups::create(self, now, region, *r),
            R::CreateOrUpdateTags(tags) => tags::set(self.region_mut(region), now, &tags),
            R::DeleteAutoScalingGroup(r) => groups::delete(self.region_mut(region), now, &r),
            R::DeleteScheduledAction(r) => schedule::delete(self.region_mut(region), now, &r),
            R::DeleteTags(tags) => tags::delete(self.region_mut(region), now, &tags),
            R::DescribeAutoScalingGroups(r) => describe::groups(self, now, region, &r),
            R::DescribeAutoScalingInstances(r) => describe::instances(self, now, region, &r),
            R::DescribeScalingActivities(r) => activities::describe(self.region(region), &r),
            R::DescribeScheduledActions(r) => schedule::describe(self.region(region), &r),
            R::DescribeTags(r) => tags::describe(self, now, region, &r),
            R::PutScheduledUpdateGroupAction(r) => schedule::put(self, now, region, &r),
            R::ResumeProcesses(r) => processes::set(self.region_mut(region), now, &r, false),
            R::SetDesiredCapacity(r) => groups::set_desired(self.region_mut(region), now, &r),
            R::SetInstanceHealth(r) => instances::set_health(self.region_mut(region), now, &r),
            R::SetInstanceProtection(r) => instances::set_protection(self.region_mut(region), now, &r),
            R::SuspendProcesses(r) => processes::set(self.region_mut(region), now, &r, true),
            R::TerminateInstanceInAutoScalingGroup(r) => instances::terminate(self, now, region, &r),
            R::UpdateAutoScalingGroup(r) => groups::update(self, now, region, &r),
        }
    }

    /// The calls that Auto Scaling made by itself since they were last taken, but for the oldest if they were many.
    pub fn take_own_calls(&mut self) -> Vec<OwnCall> {
        std::mem::take(&mut self.own_calls).into()
    }

    fn own_call(&mut self, at: Timestamp, region: &str, operation: &'static str, outcome: &Result<(), ApiError>) {
        if self.own_calls.len() == OWN_CALLS_KEPT {
            self.own_calls.pop_front();
        }
        let outcome = outcome.as_ref().err().map_or_else(|| "ok".to_owned(), |error| error.code.clone());
        self.own_calls.push_back(OwnCall { at, region: region.to_owned(), operation, outcome });
    }

    /// The groups of a region as they are just now, however late readers may be.
    pub fn scaling_groups(&self, region: &str) -> impl Iterator<Item = &AutoScalingGroup> {
        self.regions.get(region).into_iter().flat_map(|here| here.scaling.groups.values())
    }

    /// A group as policies see it: its ARN and its tags.
    pub fn group_subject(&self, region: &str, name: &str) -> Option<(String, Tags)> {
        let group = self.regions.get(region)?.scaling.groups.get(name)?;
        Some((group.arn.clone(), group.tags.iter().map(|(key, tag)| (key.clone(), tag.value.clone())).collect()))
    }

    /// The name of the group that an instance is in.
    pub fn group_of_instance(&self, region: &str, instance_id: &str) -> Option<String> {
        self.regions.get(region)?.scaling.group_of(instance_id).ok().map(|group| group.name.clone())
    }

    /// The launches that a group with such settings would make, one for each type, and the id of the template behind
    /// them; nothing if they cannot be known.
    pub fn group_launches(&self, region: &str, settings: &GroupSettings) -> Option<(String, Vec<RunInstances>)> {
        let here = self.regions.get(region)?;
        let source = settings.source.as_ref()?;
        let (template, data) = settings::resolve(here, source.template()).ok()?;
        let subnets: Vec<String> = settings.subnets.iter().filter(|id| here.network.subnets.contains_key(*id)).cloned().collect();
        let places = if subnets.is_empty() { vec![None] } else { subnets.into_iter().map(Some).collect() };
        let launches = settings::launches(source, &data);
        let placed = |launch: &RunInstances| places.iter().map(|place| settings::placed(launch, place.as_ref())).collect::<Vec<_>>();
        Some((template.id.unwrap_or_default(), launches.iter().flat_map(placed).collect()))
    }
}

/// Changes a group, and has it look at itself soon.
fn change(region: &mut Region, now: Timestamp, name: &str, change: impl FnOnce(&mut AutoScalingGroup)) {
    region.scaling.groups.change(now, name, change);
    region.scaling.wake(later(now, REACTION), name);
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    crate::transition::after(now, by)
}

/// A time as the sentences of activities have it.
fn told(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn validation(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationError", message)
}

fn no_group(name: &str) -> ApiError {
    validation(format!("AutoScalingGroup name not found - AutoScalingGroup '{name}' not found"))
}

/// An id in the form of a UUID.
fn uuid(generator: &mut Generator) -> String {
    let digits = format!("{:016x}{:016x}", generator.next_u64(), generator.next_u64());
    format!("{}-{}-4{}-a{}-{}", &digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..])
}

/// Cuts the wanted part, in Auto Scaling's words.
fn part<T>(
    items: Vec<T>,
    page: &Page,
    most: i64,
    default: usize,
    key: impl Fn(&T) -> String,
) -> Result<crate::reply::Listing<T>, ApiError> {
    if let Some(asked) = page.max_results.filter(|asked| *asked > most || *asked < 1) {
        let bound = if asked < 1 { "greater than or equal to 1".to_owned() } else { format!("less than or equal to {most}") };
        return Err(validation(format!(
            "1 validation error detected: Value '{asked}' at 'maxRecords' failed to satisfy constraint: Member must have value {bound}"
        )));
    }
    cut(items, page, Limits { least: 1, most, default: Some(default) }, key)
}
