//! What EC2 says of calls that are only tried.

use async_trait::async_trait;
use spawn_model::placement::Placement;

use super::{LaunchRequest, Result, Tags, Template};

/// EC2's calls with `DryRun`: whether the caller may make them, and nothing comes of any. What is refused is told as it would be of the call
/// itself; `DryRunIgnored` if whoever answers is not AWS, and has done it. Each may be repeated.
#[async_trait]
pub trait Trials: Send + Sync {
    /// `RunInstances`. Without a profile no role is handed to anybody, and without groups the network's default one is meant.
    async fn launch(&self, request: &LaunchRequest) -> Result<()>;
    /// `CreateLaunchTemplate`.
    async fn template(&self, template: &Template) -> Result<()>;
    /// `CreateSecurityGroup`.
    async fn group(&self, name: &str, vpc_id: &str, description: &str, tags: &Tags) -> Result<()>;
    /// `CreatePlacementGroup`. That there is one of this name is as good.
    async fn placement_group(&self, name: &str, placement: Placement, tags: &Tags) -> Result<()>;
}
