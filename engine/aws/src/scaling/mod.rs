//! Auto Scaling.

mod groups;
mod observe;
mod words;

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_autoscaling::Client;
use aws_sdk_autoscaling::config::Builder;
use jiff::Timestamp;
use spawn_core::ports::{Group, GroupRequest, Launches, Refusal, Result, Scaling, Tags, Template};
use spawn_model::ids::InstanceId;

use crate::endpoint::Endpoint;
use crate::instances::Ec2;

/// The groups of one region.
#[derive(Debug)]
pub(crate) struct AutoScaling {
    client: Client,
    endpoint: Arc<Endpoint>,
    /// What groups launch is described there.
    ec2: Arc<Ec2>,
}

impl AutoScaling {
    pub(crate) fn new(config: &SdkConfig, ec2: Arc<Ec2>) -> Self {
        let endpoint = Arc::new(Endpoint::default());
        let client = Client::from_conf(Builder::from(config).interceptor(endpoint.watch()).build());
        Self { client, endpoint, ec2 }
    }
}

#[async_trait]
impl Scaling for AutoScaling {
    async fn template_put(&self, template: &Template) -> Result<i64> {
        self.ec2.template_make(template).await
    }

    async fn template_renew(&self, template: &Template) -> Result<i64> {
        self.ec2.template_version(template).await
    }

    async fn template_delete(&self, name: &str) -> Result<()> {
        self.ec2.template_remove(name).await
    }

    async fn group_ensure(&self, group: &GroupRequest) -> Result<()> {
        self.make(group).await?;
        self.keep_zones(&group.name).await
    }

    async fn group(&self, name: &str) -> Result<Option<Group>> {
        self.named(name).await
    }

    async fn groups(&self, tags: &Tags) -> Result<Vec<Group>> {
        self.tagged(tags).await
    }

    async fn resize(&self, name: &str, size: u32) -> Result<()> {
        self.set_size(name, size).await
    }

    async fn group_launch(&self, name: &str, launches: &Launches) -> Result<()> {
        self.set_launches(name, launches).await
    }

    async fn buy_on_demand(&self, name: &str, base: u32) -> Result<()> {
        self.set_on_demand_base(name, base).await
    }

    async fn shed(&self, name: &str, id: &InstanceId) -> Result<()> {
        self.end_one(name, id).await
    }

    async fn empty_at(&self, name: &str, at: Timestamp) -> Result<()> {
        self.put_deadline(name, at).await
    }

    async fn emptied_at(&self, name: &str) -> Result<Option<Timestamp>> {
        self.deadline_of(name).await
    }

    async fn group_tag(&self, name: &str, tags: &Tags) -> Result<()> {
        self.set_tags(name, tags).await
    }

    async fn group_untag(&self, name: &str, keys: &[String]) -> Result<()> {
        self.delete_tags(name, keys).await
    }

    async fn group_delete(&self, name: &str) -> Result<()> {
        self.end(name).await
    }

    async fn refusals(&self, name: &str) -> Result<Vec<Refusal>> {
        self.failed_launches(name).await
    }
}
