//! What groups there are, and what became of their launches.

use std::cmp::Reverse;

use aws_sdk_autoscaling::types::{self, Activity, Filter, InstancesDistribution, ScalingActivityStatusCode};
use jiff::Timestamp;
use spawn_core::ports::{Group, Launches, Refusal, Result, SpotTerms, Tags};
use spawn_model::error::Class;
use spawn_model::ids::InstanceId;

use super::AutoScaling;
use super::groups::DEADLINE;
use super::words::told;
use crate::endpoint::Call;

const DESCRIBE: Call = Call::repeatable("autoscaling", "DescribeAutoScalingGroups");
const ACTIONS: Call = Call::repeatable("autoscaling", "DescribeScheduledActions");
const ACTIVITIES: Call = Call::repeatable("autoscaling", "DescribeScalingActivities");

/// The most groups in a page.
const PAGE: i32 = 100;
/// The activities to look for a launch among. Ends come between launches, a size full of them at most.
const ACTIVITIES_MAX: i32 = 100;
/// What the descriptions of launches begin with.
const LAUNCHING: &str = "Launching ";

impl AutoScaling {
    pub(super) async fn named(&self, name: &str) -> Result<Option<Group>> {
        let describe = self.client.describe_auto_scaling_groups().auto_scaling_group_names(name);
        let answer = self.endpoint.call(DESCRIBE, || describe.clone().send()).await?;
        Ok(answer.auto_scaling_groups().first().map(group))
    }

    /// How a group is divided between the markets.
    pub(super) async fn distribution(&self, name: &str) -> Result<Option<InstancesDistribution>> {
        let describe = self.client.describe_auto_scaling_groups().auto_scaling_group_names(name);
        let answer = self.endpoint.call(DESCRIBE, || describe.clone().send()).await?;
        let policy = answer.auto_scaling_groups().first().and_then(|group| group.mixed_instances_policy());
        Ok(policy.and_then(|policy| policy.instances_distribution()).cloned())
    }

    pub(super) async fn tagged(&self, tags: &Tags) -> Result<Vec<Group>> {
        let filters = tags.iter().map(|(key, value)| Filter::builder().name(format!("tag:{key}")).values(value).build()).collect();
        let describe = self.client.describe_auto_scaling_groups().set_filters(Some(filters)).max_records(PAGE);
        let mut found = Vec::new();
        let mut next = None;
        loop {
            let request = describe.clone().set_next_token(next.take());
            let page = self.endpoint.call(DESCRIBE, || request.clone().send()).await?;
            found.extend(page.auto_scaling_groups().iter().map(group));
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    /// When what has this name empties the group, however somebody has changed it; nothing if it would leave some.
    pub(super) async fn deadline_of(&self, name: &str) -> Result<Option<Timestamp>> {
        let describe = self.client.describe_scheduled_actions().auto_scaling_group_name(name).scheduled_action_names(DEADLINE);
        let answer = match self.endpoint.call(ACTIONS, || describe.clone().send()).await.map_err(told) {
            Err(error) if error.class == Class::NotFound => return Ok(None),
            answer => answer?,
        };
        let empties = |action: &&types::ScheduledUpdateGroupAction| action.max_size() == Some(0);
        let at = answer.scheduled_update_group_actions().iter().find(empties).and_then(|action| action.start_time());
        Ok(at.and_then(|at| Timestamp::from_second(at.secs()).ok()))
    }

    pub(super) async fn failed_launches(&self, name: &str) -> Result<Vec<Refusal>> {
        let describe = self.client.describe_scaling_activities().auto_scaling_group_name(name).max_records(ACTIVITIES_MAX);
        let answer = self.endpoint.call(ACTIVITIES, || describe.clone().send()).await.map_err(told)?;
        Ok(refusals(answer.activities()))
    }
}

/// The launches that have failed since one did not, the latest first. What goes on is told before what is newer; of launches of one moment one
/// that failed counts.
fn refusals(activities: &[Activity]) -> Vec<Refusal> {
    let is_launch = |activity: &&Activity| activity.description().is_some_and(|what| what.starts_with(LAUNCHING));
    let mut launches: Vec<&Activity> = activities.iter().filter(is_launch).collect();
    launches.sort_by_key(|activity| Reverse((activity.start_time().copied(), has_failed(activity))));
    launches.into_iter().take_while(|activity| has_failed(activity)).filter_map(refusal).collect()
}

fn refusal(activity: &Activity) -> Option<Refusal> {
    let at = activity.start_time().and_then(|at| Timestamp::from_second(at.secs()).ok())?;
    Some(Refusal { at, why: activity.status_message()?.to_owned() })
}

fn has_failed(activity: &Activity) -> bool {
    matches!(activity.status_code(), Some(ScalingActivityStatusCode::Failed | ScalingActivityStatusCode::Cancelled))
}

fn group(described: &types::AutoScalingGroup) -> Group {
    let tags = described.tags().iter();
    let count = |count: Option<i32>| count.and_then(|count| u32::try_from(count).ok()).unwrap_or_default();
    Group {
        name: described.auto_scaling_group_name().unwrap_or_default().to_owned(),
        size: count(described.desired_capacity()),
        least: count(described.min_size()),
        most: count(described.max_size()),
        launches: Launches {
            rebalances: described.capacity_rebalance().unwrap_or_default(),
            ..described.mixed_instances_policy().map(launches).unwrap_or_default()
        },
        template: described.mixed_instances_policy().and_then(template).and_then(|named| named.launch_template_name()).map(str::to_owned),
        suspended: described.suspended_processes().iter().filter_map(|process| process.process_name()).map(str::to_owned).collect(),
        instances: described.instances().iter().filter(|instance| stays(instance)).filter_map(instance_id).collect(),
        // Only a deletion gives it a status.
        is_going: described.status().is_some_and(|status| !status.is_empty()),
        // Auto Scaling always tells it. Were it not told, a group without a deadline would be long past one.
        created_at: described.created_time().and_then(|at| Timestamp::from_second(at.secs()).ok()).unwrap_or_default(),
        tags: tags.filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()))).collect(),
    }
}

fn template(policy: &types::MixedInstancesPolicy) -> Option<&types::LaunchTemplateSpecification> {
    policy.launch_template()?.launch_template_specification()
}

fn launches(policy: &types::MixedInstancesPolicy) -> Launches {
    let version = template(policy).and_then(|named| named.version());
    let overrides = policy.launch_template().map(|template| template.overrides()).unwrap_or_default();
    let distribution = policy.instances_distribution();
    // Above the base all are on demand, or none.
    let is_spot =
        distribution.and_then(|distribution| distribution.on_demand_percentage_above_base_capacity()).is_some_and(|share| share < 100);
    let most = distribution.and_then(|distribution| distribution.spot_max_price()).and_then(|price| price.parse().ok());
    let base = distribution.and_then(|distribution| distribution.on_demand_base_capacity()).and_then(|base| u32::try_from(base).ok());
    Launches {
        template_version: version.and_then(|version| version.parse().ok()).unwrap_or_default(),
        types: overrides.iter().filter_map(|of_type| of_type.instance_type().map(str::to_owned)).collect(),
        on_demand_base: base.unwrap_or_default(),
        spot: is_spot.then_some(SpotTerms { max_usd_per_hour: most }),
        rebalances: false,
    }
}

fn stays(instance: &types::Instance) -> bool {
    let state = instance.lifecycle_state().map_or("", |state| state.as_str());
    !state.starts_with("Terminating") && !state.starts_with("Terminated")
}

fn instance_id(instance: &types::Instance) -> Option<InstanceId> {
    instance.instance_id().map(|id| InstanceId(id.to_owned()))
}

#[cfg(test)]
mod tests {
    use aws_sdk_autoscaling::primitives::DateTime;

    use super::*;

    fn activity(at_s: i64, what: &str, status: ScalingActivityStatusCode, message: Option<&str>) -> Activity {
        Activity::builder()
            .start_time(DateTime::from_secs(at_s))
            .description(what)
            .status_code(status)
            .set_status_message(message.map(str::to_owned))
            .build()
    }

    #[test]
    fn the_latest_launches_say_why_they_failed() {
        use ScalingActivityStatusCode::{Cancelled, Failed, PreInService, Successful};
        let launch = "Launching a new EC2 instance: i-0";
        let failed = |at_s| activity(at_s, "Launching a new EC2 instance.  Status Reason: no room", Failed, Some("no room"));
        for (activities, expected) in [
            (vec![], vec![]),
            (vec![activity(5, "Terminating EC2 instance: i-1", Successful, None), failed(4)], vec![(4, "no room")]),
            (vec![activity(5, launch, Successful, None), failed(4)], vec![]),
            (vec![activity(4, launch, PreInService, None), failed(5)], vec![(5, "no room")]),
            (vec![activity(4, launch, PreInService, None), failed(4)], vec![(4, "no room")]),
            (vec![activity(6, launch, PreInService, None), failed(5)], vec![]),
            (vec![activity(6, launch, Cancelled, Some("it ended")), failed(5)], vec![(6, "it ended"), (5, "no room")]),
            (vec![failed(7), failed(6), activity(5, launch, Successful, None), failed(4)], vec![(7, "no room"), (6, "no room")]),
        ] {
            let told = refusals(&activities);
            let told: Vec<(i64, &str)> = told.iter().map(|refusal| (refusal.at.as_second(), refusal.why.as_str())).collect();
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn a_group_counts_what_it_does_not_end() {
        let member =
            |id: &str, state: &str| types::Instance::builder().instance_id(id).lifecycle_state(types::LifecycleState::from(state)).build();
        let described = types::AutoScalingGroup::builder().auto_scaling_group_name("spawn-run-0").desired_capacity(2);
        let described = ["Pending", "InService", "Terminating", "Terminating:Wait", "Terminated"]
            .into_iter()
            .enumerate()
            .fold(described, |group, (n, state)| group.instances(member(&format!("i-{n}"), state)));
        let told = group(&described.clone().build());
        assert_eq!((told.size, told.is_going), (2, false));
        assert_eq!(told.instances, ["i-0", "i-1"].map(|id| InstanceId(id.to_owned())));
        assert!(group(&described.status("Delete in progress").build()).is_going);
    }
}
