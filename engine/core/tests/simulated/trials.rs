//! What EC2 only tries, and Service Quotas. Everybody may do everything here; whoever may not is a matter of [`super::door::Trouble`].

use async_trait::async_trait;
use sandbox_cloud::Request;
use sandbox_cloud::request::RunInstances;
use spawn_core::ports::{LaunchRequest, Quotas, Result, Tags, Template, Trials};
use spawn_model::placement::Placement;

use super::door::Door;
use super::instances::{of_launch, run_instances};
use super::tolerate;

/// What there is of a quota that limits nothing.
const UNLIMITED: u32 = 1_000_000;

/// The quotas of spot instances; all others are of those on demand.
const SPOT: [&str; 4] = ["L-34B43A08", "L-3819A6DF", "L-7212CCBC", "L-C4BD4855"];

#[async_trait]
impl Trials for Door {
    async fn launch(&self, request: &LaunchRequest) -> Result<()> {
        let run = RunInstances { dry_run: true, ..run_instances(request) };
        let tried = self.ec2("ec2:RunInstances DryRun", Request::RunInstances(Box::new(run))).await;
        let done = tolerate(tried, &["DryRunOperation"]).map_err(|error| of_launch(error, request))?;
        assert!(done.is_none(), "a launch that was only tried has launched something: {done:?}");
        Ok(())
    }

    async fn template(&self, _: &Template) -> Result<()> {
        self.call("ec2:CreateLaunchTemplate DryRun", |_, _| Ok(())).await
    }

    async fn group(&self, _: &str, _: &str, _: &str, _: &Tags) -> Result<()> {
        self.call("ec2:CreateSecurityGroup DryRun", |_, _| Ok(())).await
    }

    async fn placement_group(&self, _: &str, _: Placement, _: &Tags) -> Result<()> {
        self.call("ec2:CreatePlacementGroup DryRun", |_, _| Ok(())).await
    }
}

#[async_trait]
impl Quotas for Door {
    async fn vcpus(&self, code: &str) -> Result<Option<u32>> {
        let is_spot = SPOT.contains(&code);
        self.call("servicequotas:GetServiceQuota", |s, _| {
            let config = s.cloud.config();
            let limit = if is_spot { config.spot_vcpu_limit } else { config.on_demand_vcpu_limit };
            Ok(Some(limit.unwrap_or(UNLIMITED)))
        })
        .await
    }
}
