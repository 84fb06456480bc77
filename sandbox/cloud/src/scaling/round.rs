//! What a group does when it is awake: it looks at its instances, ends what is not healthy, and comes closer to its size.

use jiff::{SignedDuration, Timestamp};

use super::activities::{Began, begin, finish};
use super::{
    ActivityStatus, AutoScalingGroup, FIRST_PAUSE, HEALTH_CHECK, LONGEST_PAUSE, Lifecycle, Process, groups, later, schedule, told,
};
use crate::cloud::{Cloud, Region};
use crate::error::ApiError;
use crate::faults::Effect;
use crate::model::InstanceState;
use crate::transition::Cause;

/// A group that is awake. What it is in the end is put back.
pub(super) struct Round<'a> {
    pub(super) cloud: &'a mut Cloud,
    pub(super) now: Timestamp,
    pub(super) region: &'a str,
    pub(super) group: AutoScalingGroup,
}

impl Cloud {
    /// A group is awake.
    pub(crate) fn reconcile(&mut self, now: Timestamp, region: &str, name: &str) {
        let here = self.region_mut(region);
        here.scaling.due.remove(name);
        let Some(group) = here.scaling.groups.get(name).cloned() else { return };
        let mut round = Round { cloud: self, now, region, group };
        round.run();
        let group = round.group;
        let here = self.region_mut(region);
        let (gone, next) = (group.deleting && group.instances.is_empty(), next_due(&group, now));
        if here.scaling.groups.get(name) != Some(&group) {
            here.scaling.groups.change(now, name, |known| *known = group);
        }
        if gone {
            groups::vanish(here, now, name);
        } else if let Some(next) = next {
            here.scaling.wake(next.max(now), name);
        }
    }
}

/// What a group has to do by itself at a time.
fn next_due(group: &AutoScalingGroup, now: Timestamp) -> Option<Timestamp> {
    let lacks = |at: &Timestamp| group.capacity() < group.desired_capacity || group.redistributing.is_some() && *at > now;
    let retry = group.failures.map(|(_, at)| at).filter(|at| group.does(Process::Launch) && lacks(at));
    group.actions.values().map(|action| action.start).chain(retry).min()
}

impl Round<'_> {
    pub(super) fn here(&self) -> &Region {
        self.cloud.region(self.region)
    }

    fn run(&mut self) {
        schedule::fire(&mut self.group, self.now);
        self.observe();
        if self.group.deleting {
            let all = self.members(|_| true);
            self.end(all, |_| String::new());
            return;
        }
        self.replace_unhealthy();
        self.resize();
        if self.group.capacity() == self.group.desired_capacity {
            self.group.reasons.clear();
            self.group.replacing = 0;
        }
    }

    /// The ids of instances that are part of the capacity.
    pub(super) fn members(&self, which: impl Fn(&super::GroupInstance) -> bool) -> Vec<String> {
        self.group.instances.iter().filter(|i| i.counts() && which(i)).map(|i| i.id.clone()).collect()
    }

    fn state(&self, id: &str) -> InstanceState {
        self.here().instances.get(id).map_or(InstanceState::Terminated, |i| i.state)
    }

    /// Looks at every instance.
    fn observe(&mut self) {
        for n in 0..self.group.instances.len() {
            let id = self.group.instances[n].id.clone();
            let state = self.state(&id);
            let checks = self.group.does(Process::HealthCheck);
            let rebalance = self.here().instances.get(&id).and_then(|i| i.spot.as_ref()).is_some_and(|spot| spot.rebalance.is_some());
            let member = &mut self.group.instances[n];
            member.at_risk = rebalance;
            match (member.lifecycle, state) {
                (Lifecycle::Pending, InstanceState::Running) => self.enter_service(n),
                (Lifecycle::Terminating, InstanceState::Terminated) => self.conclude(n, ActivityStatus::Successful, None),
                (Lifecycle::Terminating, _) | (_, InstanceState::Pending | InstanceState::Running) => {}
                _ if checks => member.healthy = false,
                _ => {}
            }
        }
        let here = self.cloud.region(self.region);
        let gone = |id: &str| here.instances.get(id).is_none_or(|i| i.state == InstanceState::Terminated);
        self.group.instances.retain(|i| i.lifecycle != Lifecycle::Terminating || !gone(&i.id));
    }

    fn enter_service(&mut self, n: usize) {
        let member = &mut self.group.instances[n];
        member.lifecycle = Lifecycle::InService;
        member.in_service_at = Some(self.now);
        self.group.failures = None;
        self.conclude(n, ActivityStatus::Successful, None);
    }

    /// What goes on with an instance has come to its end.
    fn conclude(&mut self, n: usize, status: ActivityStatus, message: Option<String>) {
        if let Some(activity) = self.group.instances[n].activity.take() {
            finish(self.cloud.region_mut(self.region), self.now, &activity, status, message);
        }
    }

    /// Ends what is not healthy; what has ended by itself only needs to be said so.
    fn replace_unhealthy(&mut self) {
        if !self.group.does(Process::ReplaceUnhealthy) {
            return;
        }
        let now = told(self.now);
        let cause = |member: &super::GroupInstance| {
            let check =
                if member.reported { "a user health-check" } else { "an EC2 health check indicating it has been terminated or stopped" };
            format!("At {now} an instance was taken out of service in response to {check}.")
        };
        let unhealthy = self.members(|i| !i.healthy);
        for id in &unhealthy {
            self.give_up_launch(id);
        }
        let (ended, running): (Vec<String>, Vec<String>) = unhealthy.into_iter().partition(|id| self.state(id).is_ending());
        for id in &ended {
            self.record_end(id, &cause);
        }
        let before = self.group.capacity();
        self.end(running, cause);
        let lost = u32::try_from(ended.len()).unwrap_or(0) + (before - self.group.capacity());
        self.group.replacing = self.group.replacing.saturating_add(lost);
    }

    /// An instance that never came into service is a launch that failed, and the next one waits.
    fn give_up_launch(&mut self, id: &str) {
        let Some(n) = self.group.instances.iter().position(|i| i.id == id && i.lifecycle == Lifecycle::Pending) else { return };
        let reason = self.here().instances.get(id).and_then(|i| i.state_reason.as_ref()).map(|reason| reason.message.clone());
        let message = format!(
            "Instance became unhealthy while waiting for instance to be in InService state. Termination Reason: {}",
            reason.unwrap_or_default()
        );
        self.conclude(n, ActivityStatus::Cancelled, Some(message));
        self.pause();
    }

    /// The next launch waits, longer each time.
    pub(super) fn pause(&mut self) {
        let failed = self.group.failures.map_or(0, |(times, _)| times);
        let seconds = FIRST_PAUSE.as_secs().saturating_mul(1 << failed.min(16)).min(LONGEST_PAUSE.as_secs());
        self.group.failures = Some((failed + 1, later(self.now, SignedDuration::from_secs(seconds))));
    }

    /// Launches what is missing, or ends what is too much.
    fn resize(&mut self) {
        let (capacity, desired) = (self.group.capacity(), self.group.desired_capacity);
        let at_risk = if self.group.capacity_rebalance { self.members(|i| i.at_risk) } else { Vec::new() };
        if at_risk.is_empty() {
            if capacity < desired {
                self.grow(desired - capacity);
            } else if !self.redistribute() && capacity > desired {
                self.shrink(capacity - desired);
            }
            return;
        }
        let safe = self.members(|i| !i.at_risk).len();
        let safe_in_service = self.members(|i| !i.at_risk && i.lifecycle == Lifecycle::InService).len();
        if safe_in_service >= desired as usize {
            let now = told(self.now);
            self.end(at_risk, |_| {
                format!("At {now} an instance was taken out of service in response to an EC2 instance rebalance recommendation.")
            });
            return;
        }
        let missing = desired.saturating_sub(u32::try_from(safe).unwrap_or(u32::MAX)).min(self.room());
        if missing > 0 {
            self.grow(missing);
        }
    }

    /// How many may come before others go: replacements come first, for which a group may be a tenth larger than it may be otherwise.
    pub(super) fn room(&self) -> u32 {
        (self.group.max_size + self.group.max_size.div_ceil(10)).saturating_sub(self.group.capacity())
    }

    /// Ends instances by one call. If that is refused they stay, and the group tries again.
    pub(super) fn end(&mut self, ids: Vec<String>, cause: impl Fn(&super::GroupInstance) -> String) {
        if ids.is_empty() || !self.group.deleting && !self.group.does(Process::Terminate) {
            return;
        }
        // Whether an answer was lost makes no difference to who asks again until there is one.
        let refused = match self.cloud.faults.on_call(self.region, "TerminateInstances") {
            Some((error, Effect::Before)) if !error.lost => Err(error),
            _ => Ok(()),
        };
        self.own_call("TerminateInstances", &refused);
        if refused.is_err() {
            let (at, name) = (later(self.now, HEALTH_CHECK), self.group.name.clone());
            self.cloud.region_mut(self.region).scaling.wake(at, &name);
            return;
        }
        for id in ids {
            self.record_end(&id, &cause);
            // An instance that is protected from others is not protected from its group.
            self.cloud.begin_terminate(self.now, self.region, &id, Cause::User);
        }
    }

    /// An instance goes: by the group's will or not.
    fn record_end(&mut self, id: &str, cause: &impl Fn(&super::GroupInstance) -> String) {
        let Some(n) = self.group.instances.iter().position(|i| i.id == id) else { return };
        let member = self.group.instances[n].clone();
        let mut sentences = if self.group.deleting { self.group.reasons.clone() } else { Vec::new() };
        sentences.extend(Some(cause(&member)).filter(|sentence| !sentence.is_empty()));
        let began = Began {
            description: format!("Terminating EC2 instance: {id}"),
            cause: sentences.join("  "),
            details: self.details(id, &member.availability_zone),
            status: ActivityStatus::InProgress,
        };
        self.conclude(n, ActivityStatus::Cancelled, None);
        let activity = begin(self.cloud, self.now, self.region, &self.group, began);
        let place = &mut self.group.instances[n];
        (place.lifecycle, place.activity) = (Lifecycle::Terminating, Some(activity));
        if self.state(id) == InstanceState::Terminated {
            self.conclude(n, ActivityStatus::Successful, None);
            self.group.instances.remove(n);
        }
    }

    fn details(&self, id: &str, zone: &str) -> String {
        let interface = self.here().instances.get(id).and_then(|i| i.interface.as_ref());
        details(interface.map(|n| n.subnet_id.as_str()), zone)
    }

    pub(super) fn own_call(&mut self, operation: &'static str, outcome: &Result<(), ApiError>) {
        self.cloud.own_call(self.now, self.region, operation, outcome);
    }
}

/// Where something was done, as activities tell it.
pub(super) fn details(subnet: Option<&str>, zone: &str) -> String {
    match subnet {
        Some(subnet) => format!(r#"{{"Subnet ID":"{subnet}","Availability Zone":"{zone}"}}"#),
        None => format!(r#"{{"Availability Zone":"{zone}"}}"#),
    }
}
