//! Groups and their instances as XML.

use sandbox_cloud::model::format_time;
use sandbox_cloud::scaling::{
    AutoScalingGroup, Distribution, GroupInstance, GroupTag, LaunchSource, OnDemandStrategy, SpotStrategy, TemplateSpecification,
};

use super::render::{list, maybe, structure, tag, texts};
use crate::times::iso_seconds;
use crate::xml::element;

pub(super) fn group(group: &AutoScalingGroup) -> String {
    [identity(group), sizes(group), source(&group.source), rest(group)].concat()
}

fn identity(group: &AutoScalingGroup) -> String {
    [
        element("AutoScalingGroupName", &group.name),
        element("AutoScalingGroupARN", &group.arn),
        element("CreatedTime", &format_time(group.created)),
        maybe("Status", group.deleting.then_some("Delete in progress")),
        element("ServiceLinkedRoleARN", &group.service_linked_role_arn),
    ]
    .concat()
}

fn sizes(group: &AutoScalingGroup) -> String {
    [
        element("MinSize", &group.min_size.to_string()),
        element("MaxSize", &group.max_size.to_string()),
        element("DesiredCapacity", &group.desired_capacity.to_string()),
        element("DefaultCooldown", &group.default_cooldown_s.to_string()),
        maybe("DefaultInstanceWarmup", group.default_instance_warmup_s),
        element("HealthCheckType", "EC2"),
        element("HealthCheckGracePeriod", &group.health_check_grace_s.to_string()),
    ]
    .concat()
}

fn rest(group: &AutoScalingGroup) -> String {
    let tags = group.tags.iter().map(|(key, its)| GroupTag {
        group_name: group.name.clone(),
        key: key.clone(),
        value: its.value.clone(),
        propagate_at_launch: its.propagate_at_launch,
    });
    let policies: Vec<String> = group.termination_policies.iter().map(|policy| policy.name()).collect();
    [
        texts("AvailabilityZones", &group.zones),
        element("VPCZoneIdentifier", &group.subnets.join(",")),
        list("LoadBalancerNames", [(); 0], |()| String::new()),
        list("TargetGroupARNs", [(); 0], |()| String::new()),
        list("TrafficSources", [(); 0], |()| String::new()),
        list("EnabledMetrics", [(); 0], |()| String::new()),
        list("Instances", &group.instances, |i| instance(i, None)),
        list("SuspendedProcesses", &group.suspended, |(process, since)| {
            let reason = format!("User suspended at {}", iso_seconds(*since));
            element("ProcessName", &process.name()) + &element("SuspensionReason", &reason)
        }),
        list("Tags", tags, |its| tag(&its)),
        texts("TerminationPolicies", &policies),
        element("NewInstancesProtectedFromScaleIn", &group.new_instances_protected.to_string()),
        element("CapacityRebalance", &group.capacity_rebalance.to_string()),
    ]
    .concat()
}

fn source(source: &LaunchSource) -> String {
    match source {
        LaunchSource::Template(its) => structure("LaunchTemplate", &[template(its)]),
        LaunchSource::Mixed { template: its, overrides, distribution: split } => {
            let launch = [
                structure("LaunchTemplateSpecification", &[template(its)]),
                list("Overrides", overrides, |name| element("InstanceType", name)),
            ];
            let policy = [structure("LaunchTemplate", &launch), structure("InstancesDistribution", &[distribution(split)])];
            structure("MixedInstancesPolicy", &policy)
        }
    }
}

fn template(its: &TemplateSpecification) -> String {
    [maybe("LaunchTemplateId", its.id.as_ref()), maybe("LaunchTemplateName", its.name.as_ref()), element("Version", its.version_text())]
        .concat()
}

fn distribution(split: &Distribution) -> String {
    let on_demand = OnDemandStrategy::ALL.iter().find(|(_, strategy)| *strategy == split.on_demand_strategy).map(|(name, _)| *name);
    let spot = SpotStrategy::ALL.iter().find(|(_, strategy)| *strategy == split.spot_strategy).map(|(name, _)| *name);
    [
        maybe("OnDemandAllocationStrategy", on_demand),
        element("OnDemandBaseCapacity", &split.on_demand_base.to_string()),
        element("OnDemandPercentageAboveBaseCapacity", &split.on_demand_percentage.to_string()),
        maybe("SpotAllocationStrategy", spot),
        maybe("SpotMaxPrice", split.spot_max_price),
    ]
    .concat()
}

/// An instance, with the name of its group where it is not told within that.
pub(super) fn instance(instance: &GroupInstance, group: Option<&String>) -> String {
    // In a list of its own AWS writes this one in capitals.
    let health = match (instance.healthy, group.is_some()) {
        (true, false) => "Healthy",
        (false, false) => "Unhealthy",
        (true, true) => "HEALTHY",
        (false, true) => "UNHEALTHY",
    };
    [
        element("InstanceId", &instance.id),
        maybe("AutoScalingGroupName", group),
        element("InstanceType", &instance.instance_type),
        element("AvailabilityZone", &instance.availability_zone),
        element("AvailabilityZoneId", &instance.availability_zone_id),
        element("LifecycleState", &instance.lifecycle.name()),
        element("HealthStatus", health),
        element("ImageId", &instance.image_id),
        structure("LaunchTemplate", &[template(&instance.template)]),
        element("ProtectedFromScaleIn", &instance.protected_from_scale_in.to_string()),
    ]
    .concat()
}
