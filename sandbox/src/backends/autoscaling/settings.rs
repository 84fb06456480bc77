//! What a group is told, from the parameters of CreateAutoScalingGroup and UpdateAutoScalingGroup.

use sandbox_cloud::scaling::{
    Distribution, GroupSettings, LaunchSource, OnDemandStrategy, SpotStrategy, TemplateSpecification, TerminationPolicy,
};

use super::parse::{flag, invalid, number, only};
use crate::form::Form;
use crate::protocol::Failure;

pub(super) fn read(form: &mut Form) -> Result<GroupSettings, Failure> {
    only_without_effect(form)?;
    let subnets = form.take("VPCZoneIdentifier").unwrap_or_default();
    let (source, distribution) = source(form)?;
    Ok(GroupSettings {
        source,
        distribution,
        min_size: number(form, "MinSize")?,
        max_size: number(form, "MaxSize")?,
        desired_capacity: number(form, "DesiredCapacity")?,
        zones: form.list("AvailabilityZones"),
        subnets: subnets.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect(),
        health_check_grace_s: number(form, "HealthCheckGracePeriod")?,
        default_cooldown_s: number(form, "DefaultCooldown")?,
        default_instance_warmup_s: number(form, "DefaultInstanceWarmup")?,
        capacity_rebalance: flag(form, "CapacityRebalance")?,
        new_instances_protected: flag(form, "NewInstancesProtectedFromScaleIn")?,
        termination_policies: termination_policies(form)?,
        service_linked_role_arn: form.take("ServiceLinkedRoleARN"),
    })
}

/// Parameters that may be given as long as they say what happens anyway.
fn only_without_effect(form: &mut Form) -> Result<(), Failure> {
    for (name, known) in [
        ("HealthCheckType", "EC2"),
        ("DesiredCapacityType", "units"),
        ("DeletionProtection", "none"),
        // No limit.
        ("MaxInstanceLifetime", "0"),
        ("AvailabilityZoneDistribution.CapacityDistributionStrategy", "balanced-best-effort"),
    ] {
        only(form, name, &[known])?;
    }
    Ok(())
}

const MIXED: &str = "MixedInstancesPolicy";
const DISTRIBUTION: &str = "MixedInstancesPolicy.InstancesDistribution";

/// What is launched; or, of a group that launches something already, how it divides it between the markets.
fn source(form: &mut Form) -> Result<(Option<LaunchSource>, Option<Distribution>), Failure> {
    let plain = template(form, "LaunchTemplate");
    let mixed = template(form, &format!("{MIXED}.LaunchTemplate.LaunchTemplateSpecification"));
    let is_divided = form.names().any(|name| name.starts_with(DISTRIBUTION));
    match (plain, mixed) {
        (Some(_), mixed) if mixed.is_some() || is_divided => Err(invalid(
            "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.",
        )),
        (None, Some(template)) => {
            let overrides = overrides(form, &format!("{MIXED}.LaunchTemplate.Overrides"));
            Ok((Some(LaunchSource::Mixed { template, overrides, distribution: distribution(form)? }), None))
        }
        // Whatever it leaves out takes its default.
        (None, None) if is_divided => Ok((None, Some(distribution(form)?))),
        (plain, _) => Ok((plain.map(LaunchSource::Template), None)),
    }
}

fn template(form: &mut Form, prefix: &str) -> Option<TemplateSpecification> {
    let mut text = |field: &str| form.take(&format!("{prefix}.{field}"));
    let found = TemplateSpecification { id: text("LaunchTemplateId"), name: text("LaunchTemplateName"), version: text("Version") };
    (found != TemplateSpecification::default()).then_some(found)
}

/// The types; whatever else an override says is left over, and a gap.
fn overrides(form: &mut Form, prefix: &str) -> Vec<String> {
    (1..).map_while(|n| form.take(&format!("{prefix}.member.{n}.InstanceType"))).collect()
}

fn distribution(form: &mut Form) -> Result<Distribution, Failure> {
    let name = |field: &str| format!("{DISTRIBUTION}.{field}");
    let default = Distribution::default();
    let on_demand = form.take(&name("OnDemandAllocationStrategy"));
    let spot = form.take(&name("SpotAllocationStrategy"));
    Ok(Distribution {
        on_demand_strategy: strategy(on_demand, &OnDemandStrategy::ALL, "OnDemandAllocationStrategy")?,
        on_demand_base: number(form, &name("OnDemandBaseCapacity"))?.unwrap_or(default.on_demand_base),
        on_demand_percentage: number(form, &name("OnDemandPercentageAboveBaseCapacity"))?.unwrap_or(default.on_demand_percentage),
        spot_strategy: strategy(spot, &SpotStrategy::ALL, "SpotAllocationStrategy")?,
        spot_max_price: price(form, &name("SpotMaxPrice"))?,
    })
}

fn strategy<T: Copy + Default>(text: Option<String>, all: &[(&str, T)], name: &str) -> Result<T, Failure> {
    let Some(text) = text else { return Ok(T::default()) };
    let found = all.iter().find(|(known, _)| *known == text).map(|(_, strategy)| *strategy);
    found.ok_or_else(|| invalid(format!("Invalid {name}: {text}")))
}

/// An empty price is what takes a limit away.
fn price(form: &mut Form, name: &str) -> Result<Option<f64>, Failure> {
    match form.take(name).filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| invalid(format!("Invalid SpotMaxPrice: {text}"))),
    }
}

fn termination_policies(form: &mut Form) -> Result<Vec<TerminationPolicy>, Failure> {
    let find = |text: String| {
        if text.starts_with("arn:") {
            return Err(Failure::gap("termination policies that are functions"));
        }
        let found = TerminationPolicy::ALL.into_iter().find(|policy| policy.name() == text);
        found.ok_or_else(|| invalid(format!("Invalid termination policy: {text}")))
    };
    form.list("TerminationPolicies").into_iter().map(find).collect()
}
