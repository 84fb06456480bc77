//! Which instances go when a group becomes smaller.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::round::Round;
use super::{AutoScalingGroup, GroupInstance, LaunchSource, TerminationPolicy, purchase, told};
use crate::model::Market;

const HOUR_S: i64 = 3_600;

impl Round<'_> {
    /// Ends so many instances, as far as they are not protected.
    pub(super) fn shrink(&mut self, excess: u32) {
        let mut chosen: Vec<String> = Vec::new();
        for _ in 0..excess {
            let Some(next) = self.choose(&chosen) else { break };
            chosen.push(next);
        }
        self.take_out(chosen);
    }

    /// Ends instances of which there are too many.
    pub(super) fn take_out(&mut self, chosen: Vec<String>) {
        if chosen.is_empty() {
            return;
        }
        let (now, capacity, desired) = (told(self.now), self.group.capacity(), self.group.desired_capacity);
        let reasons = self.group.reasons.join("  ");
        self.end(chosen, |member| {
            let sentences = [
                reasons.clone(),
                format!(
                    "At {now} an instance was taken out of service in response to a difference between desired and actual capacity, \
                     shrinking the capacity from {capacity} to {desired}."
                ),
                format!("At {now} instance {} was selected for termination.", member.id),
            ];
            sentences.into_iter().filter(|sentence| !sentence.is_empty()).collect::<Vec<_>>().join("  ")
        });
    }

    /// The next one to go: of the zone that has most, by the group's policies in turn.
    fn choose(&self, chosen: &[String]) -> Option<String> {
        let stays = |i: &&GroupInstance| i.counts() && !chosen.contains(&i.id);
        let mut in_zones: BTreeMap<&str, usize> = BTreeMap::new();
        self.group.instances.iter().filter(stays).for_each(|i| *in_zones.entry(&i.availability_zone).or_default() += 1);
        let free: Vec<&GroupInstance> = self.group.instances.iter().filter(stays).filter(|i| !i.protected_from_scale_in).collect();
        let most = free.iter().map(|i| in_zones[i.availability_zone.as_str()]).max()?;
        let mut left: Vec<&GroupInstance> = free.into_iter().filter(|i| in_zones[i.availability_zone.as_str()] == most).collect();
        for policy in &self.group.termination_policies {
            left = self.narrow(left, *policy, chosen);
        }
        left.first().map(|i| i.id.clone())
    }

    fn narrow<'a>(&self, left: Vec<&'a GroupInstance>, policy: TerminationPolicy, chosen: &[String]) -> Vec<&'a GroupInstance> {
        use TerminationPolicy as P;
        match policy {
            P::Default => [P::AllocationStrategy, P::OldestLaunchTemplate, P::ClosestToNextInstanceHour]
                .into_iter()
                .fold(left, |left, policy| self.narrow(left, policy, chosen)),
            P::AllocationStrategy => match too_many(&self.group, chosen) {
                Some(market) if left.iter().any(|i| i.market == market) => left.into_iter().filter(|i| i.market == market).collect(),
                _ => left,
            },
            P::NewestInstance => first_by(left, |i| Reverse(i.launched_at)),
            P::OldestInstance => first_by(left, |i| i.launched_at),
            P::OldestLaunchConfiguration => left,
            P::OldestLaunchTemplate => {
                let current = self.group.source.template().id.clone();
                first_by(left, |i| {
                    let number = i.template.version.as_ref().and_then(|version| version.parse::<u64>().ok());
                    (i.template.id == current, number.unwrap_or(0))
                })
            }
            P::ClosestToNextInstanceHour => {
                let now = self.now.as_second();
                first_by(left, |i| Reverse((now - i.launched_at.as_second()).rem_euclid(HOUR_S)))
            }
        }
    }
}

/// The instances that come first in an order.
fn first_by<K: Ord>(left: Vec<&GroupInstance>, key: impl Fn(&GroupInstance) -> K) -> Vec<&GroupInstance> {
    let Some(first) = left.iter().map(|i| key(i)).min() else { return left };
    left.into_iter().filter(|i| key(i) == first).collect()
}

/// The market of which a mixed group has more than it should have when it is smaller by what was chosen and one more.
fn too_many(group: &AutoScalingGroup, chosen: &[String]) -> Option<Market> {
    let LaunchSource::Mixed { distribution, .. } = &group.source else { return None };
    let gone = |market: Market| group.instances.iter().filter(|i| chosen.contains(&i.id) && i.market == market).count();
    let held = |market: Market| purchase::count(group, market) as usize - gone(market);
    let size = u32::try_from(held(Market::OnDemand) + held(Market::Spot)).unwrap_or(u32::MAX).saturating_sub(1);
    let wanted = purchase::on_demand_of(distribution, size) as usize;
    Some(if held(Market::OnDemand) > wanted { Market::OnDemand } else { Market::Spot })
}
