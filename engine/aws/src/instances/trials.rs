//! Calls that EC2 only tries (`DryRun`): it answers what it would have done with an error of its own.

use async_trait::async_trait;
use spawn_core::ports::{LaunchRequest, Result, Tags, Template, Trials};
use spawn_model::error::{Class, Error, Leftover};
use spawn_model::ids::InstanceId;
use spawn_model::placement::Placement;

use super::launch::launch_error;
use super::{Ec2, PLACEMENT_THERE};
use crate::endpoint::Call;
use crate::error::Tolerate;

// Nothing comes of any, however often it is made.
const RUN: Call = Call::repeatable("ec2", "RunInstances");
const TEMPLATE: Call = Call::repeatable("ec2", "CreateLaunchTemplate");
const GROUP: Call = Call::repeatable("ec2", "CreateSecurityGroup");
const PLACEMENT: Call = Call::repeatable("ec2", "CreatePlacementGroup");

/// What EC2 says of a call that it would have done.
const WOULD: &str = "DryRunOperation";

#[async_trait]
impl Trials for Ec2 {
    async fn launch(&self, request: &LaunchRequest) -> Result<()> {
        let run = self.run_request(request).dry_run(true);
        let tried = self.endpoint.call(RUN, || run.clone().send()).await.map_err(|error| launch_error(error, request));
        match tried.tolerate(&[WOULD])? {
            None => Ok(()),
            Some(done) => {
                let ids = done.instances().iter().filter_map(|instance| instance.instance_id());
                let ids = ids.map(|id| InstanceId(id.to_owned())).collect();
                Err(ignored(RUN).leaving(Leftover::Remaining(ids)))
            }
        }
    }

    async fn template(&self, template: &Template) -> Result<()> {
        let create = self.template_request(template).dry_run(true);
        only_tried(TEMPLATE, self.endpoint.call(TEMPLATE, || create.clone().send()).await)
    }

    async fn group(&self, name: &str, vpc_id: &str, description: &str, tags: &Tags) -> Result<()> {
        let create = self.group_request(name, vpc_id, description, tags).dry_run(true);
        only_tried(GROUP, self.endpoint.call(GROUP, || create.clone().send()).await)
    }

    async fn placement_group(&self, name: &str, placement: Placement, tags: &Tags) -> Result<()> {
        let create = self.placement_request(name, placement, tags).dry_run(true);
        match self.endpoint.call(PLACEMENT, || create.clone().send()).await {
            Err(error) if error.code == PLACEMENT_THERE => Ok(()),
            tried => only_tried(PLACEMENT, tried),
        }
    }
}

fn only_tried<T>(call: Call, tried: Result<T>) -> Result<()> {
    match tried.tolerate(&[WOULD])? {
        None => Ok(()),
        Some(_) => Err(ignored(call)),
    }
}

/// Whoever does what was only to be tried is not AWS.
fn ignored(call: Call) -> Error {
    let message = format!("{} was only to be tried (DryRun), and was done", call.permission());
    let help =
        "Look for what it made, and delete it. What AWS_ENDPOINT_URL points at knows no dry runs: plan with check = \"standard\" there";
    Error::new(Class::Bug, "DryRunIgnored", message, help)
}
