//! Launching what a group lacks: zone by zone, and type by type where one has no room.

use super::activities::{Began, begin, finish};
use super::purchase::{self, Place};
use super::round::{Round, details};
use super::{
    ActivityStatus, AutoScalingGroup, GROUP_TAG, GroupInstance, LaunchSource, Lifecycle, Process, TemplateSpecification, settings, told,
    uuid,
};
use crate::error::ApiError;
use crate::faults::Effect;
use crate::instances::launch;
use crate::model::{Instance, Market, Tag, Tags};
use crate::request::{LaunchTemplateData, RunInstances, SpotOptions, TagSpecification};

/// What activities of mixed groups say when no pool of theirs has room for spot.
const SPOT_IS_FULL: &str = "Could not launch Spot Instances. UnfulfillableCapacity - Unable to fulfill capacity due to your request \
                            configuration. Please adjust your request and try again.";

/// What is launched, once the template's version is known.
struct Plan {
    template: TemplateSpecification,
    data: LaunchTemplateData,
    /// Why one more is launched.
    cause: String,
    /// The last refusal, and where.
    refusal: Option<(String, String)>,
}

impl Round<'_> {
    /// Launches so many instances, or tries to.
    pub(super) fn grow(&mut self, missing: u32) {
        self.buy(missing, |group, data| purchase::split(group, data, missing).to_vec());
    }

    /// Launches so many of a market, or tries to.
    pub(super) fn grow_by(&mut self, market: Market, missing: u32) {
        self.buy(missing, |_, _| vec![(market, missing)]);
    }

    fn buy(&mut self, missing: u32, markets: impl FnOnce(&AutoScalingGroup, &LaunchTemplateData) -> Vec<(Market, u32)>) {
        let waits = self.group.failures.is_some_and(|(_, until)| until > self.now);
        if waits || !self.group.does(Process::Launch) {
            return;
        }
        let cause = self.cause(missing);
        let mut plan = match settings::resolve(self.here(), &self.group.source.template().found()) {
            Ok((template, data)) => Plan { template, data, cause, refusal: None },
            Err(error) => return self.failed(cause, error.message, "{}".to_owned()),
        };
        let mut short = 0;
        for (market, count) in markets(&self.group, &plan.data) {
            short += self.spread(&mut plan, market, count);
        }
        if short > 0 {
            let (message, details) = plan.refusal.take().unwrap_or_default();
            self.failed(plan.cause, message, details);
        }
    }

    fn cause(&self, missing: u32) -> String {
        let (now, capacity) = (told(self.now), self.group.capacity());
        let mut sentences = self.group.reasons.clone();
        sentences.push(if self.group.reasons.is_empty() && self.group.replacing > 0 {
            format!("At {now} an instance was launched in response to an unhealthy instance needing to be replaced.")
        } else {
            format!(
                "At {now} an instance was started in response to a difference between desired and actual capacity, increasing the \
                 capacity from {capacity} to {}.",
                capacity + missing
            )
        });
        sentences.join("  ")
    }

    /// Launches over the zones, so that none has many more than another; gives how many there was no room for.
    fn spread(&mut self, plan: &mut Plan, market: Market, count: u32) -> u32 {
        let mut zones = self.group.zones.clone();
        if zones.is_empty() || count == 0 {
            return count;
        }
        let turn = usize::try_from(self.cloud.generator.next_u64() % zones.len() as u64).unwrap_or(0);
        zones.rotate_left(turn);
        let mut left = count;
        while left > 0 && !zones.is_empty() {
            let shares = self.shares(&zones, left);
            // A zone that gave less than it was asked for has no more.
            let mut open = Vec::new();
            for (zone, share) in zones.into_iter().zip(shares) {
                let got = self.launch_in(plan, &zone, market, share);
                left -= got;
                if got == share {
                    open.push(zone);
                }
            }
            zones = open;
        }
        left
    }

    /// How many of so many instances each zone gets: always the one with the fewest is next.
    fn shares(&self, zones: &[String], count: u32) -> Vec<u32> {
        let mut held: Vec<u32> = zones.iter().map(|zone| self.in_zone(zone)).collect();
        let mut shares = vec![0; zones.len()];
        for _ in 0..count {
            let next = (0..zones.len()).min_by_key(|n| held[*n]).unwrap_or(0);
            held[next] += 1;
            shares[next] += 1;
        }
        shares
    }

    fn in_zone(&self, zone: &str) -> u32 {
        u32::try_from(self.members(|i| i.availability_zone == zone).len()).unwrap_or(u32::MAX)
    }

    /// Launches in one zone, of the first types that have room; gives how many.
    fn launch_in(&mut self, plan: &mut Plan, zone: &str, market: Market, count: u32) -> u32 {
        let subnets = settings::subnets_in(self.here(), &self.group, zone);
        let place = Place { seed: self.cloud.config.seed, now: self.now, region: self.region, zone };
        let types = purchase::order(&self.group.source, &plan.data, &place, market);
        let mut left = count;
        for instance_type in types {
            for subnet in &subnets {
                if left == 0 {
                    return count;
                }
                match self.run_instances(plan, &instance_type, market, subnet, left) {
                    Ok(instances) => {
                        left -= u32::try_from(instances.len()).unwrap_or(left).min(left);
                        instances.into_iter().for_each(|instance| self.adopt(plan, instance));
                    }
                    Err(error) => plan.refusal = Some((self.worded(&error, market), details(Some(subnet), zone))),
                }
            }
        }
        if subnets.is_empty() {
            plan.refusal = Some((format!("No default subnet for availability zone: '{zone}'."), details(None, zone)));
        }
        count - left
    }

    fn run_instances(&mut self, plan: &Plan, of_type: &str, market: Market, subnet: &String, most: u32) -> Result<Vec<Instance>, ApiError> {
        let mut request = settings::placed(&plan.data.launch(), Some(subnet));
        request.instance_type = of_type.to_owned();
        request.max_count = i64::from(most);
        request.client_token = Some(uuid(&mut self.cloud.generator));
        request.spot = match (&self.group.source, market) {
            (_, Market::OnDemand) => None,
            (LaunchSource::Mixed { distribution, .. }, Market::Spot) => Some(SpotOptions { max_price: distribution.spot_max_price }),
            (LaunchSource::Template(_), Market::Spot) => plan.data.spot.clone(),
        };
        self.tag(&mut request);
        let system = self.system_tags(&plan.template);
        // Whether an answer was lost makes no difference to who repeats a call with its token until there is one.
        let launched = match self.cloud.faults.on_call(self.region, "RunInstances") {
            Some((error, Effect::Before)) if !error.lost => Err(error),
            _ => launch::run_for_service(self.cloud, self.now, self.region, request, &system),
        };
        self.own_call("RunInstances", &launched.as_ref().map(|_| ()).map_err(Clone::clone));
        launched.map(|reservation| reservation.instances)
    }

    /// The template's tags and the group's, of which the group's count more.
    fn tag(&self, request: &mut RunInstances) {
        if request.spot.is_none() {
            request.tag_specifications.retain(|s| s.resource_type != "spot-instances-request");
        }
        let of_group = self.group.tags.iter().filter(|(_, tag)| tag.propagate_at_launch);
        let given: Vec<Tag> = of_group.map(|(key, tag)| Tag::new(key, &tag.value)).collect();
        if given.is_empty() {
            return;
        }
        match request.tag_specifications.iter_mut().find(|s| s.resource_type == "instance") {
            Some(specification) => {
                specification.tags.retain(|tag| !self.group.tags.get(&tag.key).is_some_and(|t| t.propagate_at_launch));
                specification.tags.extend(given);
            }
            None => request.tag_specifications.push(TagSpecification { resource_type: "instance".to_owned(), tags: given }),
        }
    }

    fn system_tags(&self, template: &TemplateSpecification) -> Tags {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Tags::from([
            (GROUP_TAG.to_owned(), self.group.name.clone()),
            ("aws:ec2launchtemplate:id".to_owned(), text(&template.id)),
            ("aws:ec2launchtemplate:version".to_owned(), text(&template.version)),
        ])
    }

    /// A new instance is the group's.
    fn adopt(&mut self, plan: &Plan, instance: Instance) {
        let subnet = instance.interface.as_ref().map(|n| n.subnet_id.as_str());
        let began = Began {
            description: format!("Launching a new EC2 instance: {}", instance.id),
            cause: plan.cause.clone(),
            details: details(subnet, &instance.availability_zone),
            status: ActivityStatus::PreInService,
        };
        let activity = begin(self.cloud, self.now, self.region, &self.group, began);
        self.group.instances.push(GroupInstance {
            market: instance.market(),
            id: instance.id,
            instance_type: instance.instance_type,
            availability_zone: instance.availability_zone,
            availability_zone_id: instance.availability_zone_id,
            image_id: instance.image_id,
            template: plan.template.clone(),
            lifecycle: Lifecycle::Pending,
            healthy: true,
            protected_from_scale_in: self.group.new_instances_protected,
            launched_at: self.now,
            in_service_at: None,
            reported: false,
            at_risk: false,
            activity: Some(activity),
        });
    }

    /// What EC2 said, as Auto Scaling passes it on: for a mixed group it asks a fleet, which says more, and of spot that is full says so in
    /// its own words.
    fn worded(&self, error: &ApiError, market: Market) -> String {
        match (&self.group.source, market) {
            (LaunchSource::Template(_), _) => error.message.clone(),
            (LaunchSource::Mixed { .. }, Market::OnDemand) => {
                format!("Could not launch On-Demand Instances. {} - {}", error.code, error.message)
            }
            (LaunchSource::Mixed { .. }, Market::Spot) if error.code == "InsufficientInstanceCapacity" => SPOT_IS_FULL.to_owned(),
            (LaunchSource::Mixed { .. }, Market::Spot) => format!("Could not launch Spot Instances. {} - {}", error.code, error.message),
        }
    }

    /// A launch that failed, and is tried again later.
    fn failed(&mut self, cause: String, message: String, details: String) {
        let message = format!("{} Launching EC2 instance failed.", message.trim_end());
        let description = format!("Launching a new EC2 instance.  Status Reason: {message}");
        let began = Began { description, cause, details, status: ActivityStatus::InProgress };
        let activity = begin(self.cloud, self.now, self.region, &self.group, began);
        finish(self.cloud.region_mut(self.region), self.now, &activity, ActivityStatus::Failed, Some(message));
        self.pause();
    }
}
