//! How many processors an account may use at once: for each kind of instance type, on demand and as spot.

use crate::catalogue::{InstanceType, known_type};
use crate::cloud::{Cloud, Region};
use crate::error::ApiError;
use crate::model::{InstanceState, Market};

/// How many more instances of a type the account may have, and what EC2 says if that is too few.
pub(super) fn quota(cloud: &Cloud, here: &Region, market: Market, of_type: &InstanceType) -> Option<(u32, ApiError)> {
    let limit = match market {
        Market::OnDemand => cloud.config.on_demand_vcpu_limit?,
        Market::Spot => cloud.config.spot_vcpu_limit?,
    };
    let left = limit.saturating_sub(used(here, market, of_type.quota()));
    Some((left / of_type.vcpus.max(1), refusal(market, limit)))
}

fn used(here: &Region, market: Market, quota: &str) -> u32 {
    let counts = |state| !matches!(state, InstanceState::Terminated | InstanceState::Stopped);
    here.instances
        .values()
        .filter(|i| i.market() == market && counts(i.state))
        .filter_map(|i| known_type(&i.instance_type))
        .filter(|t| t.quota() == quota)
        .map(|t| t.vcpus)
        .sum()
}

fn refusal(market: Market, limit: u32) -> ApiError {
    match market {
        Market::OnDemand => ApiError::new(
            "VcpuLimitExceeded",
            format!(
                "You have requested more vCPU capacity than your current vCPU limit of {limit} allows for the instance \
                 bucket that the specified instance type belongs to. Please visit \
                 http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit."
            ),
        ),
        Market::Spot => ApiError::new("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded"),
    }
}
