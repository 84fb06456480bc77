//! The contract on moto, where moto is faithful: somebody else's idea of AWS.
//!
//! Needs a moto server at `MOTO_ENDPOINT`; without one the cases are skipped, and say so. Left out, because moto does something else:
//! `instances_client_token` (it launches again), `instances_as_many_as_asked` (it launches the minimum), `security_group_in_use` (it
//! deletes the group), `schedule_group_twice` (it empties the group, and fails when it is deleted again), `instances_no_such_image` (it
//! launches any), `objects_one_winner` (its threads look and then write: two can win), stream prefixes of `log_events` (it ignores them),
//! `prices` (it has none), `quotas` (nor those), `trials_of_what_is_wrong` (it judges nothing of what is only tried), `ways_out` (its
//! default network leads nowhere), `placement_groups` (it makes none), `service_roles` (that one is there has another code), `scaling_*` (it wants a
//! size of the root volume of a group's launches as well, and has another code for a template that is not there).

#[expect(dead_code, unused_imports, reason = "moto is not faithful in all of them")]
#[path = "../../core/tests/contract/mod.rs"]
mod contract;

mod lines;

mod amend;

use spawn_aws::{AccessKey, ConnectOptions, connect};
use spawn_core::ports::Aws;

const REGION: &str = contract::REGION;

/// moto takes any key.
const KEY: (&str, &str) = ("AKIAIOSFODNN7EXAMPLE", "secret");

fn endpoint() -> Option<String> {
    let endpoint = std::env::var("MOTO_ENDPOINT").ok().filter(|url| !url.is_empty());
    if endpoint.is_none() {
        println!("skipped: MOTO_ENDPOINT names no moto server");
    }
    endpoint
}

async fn moto() -> Option<Aws> {
    Some(ports(endpoint()?).await)
}

/// moto for launches, which it refuses without a size of the root volume. EC2 takes it from the image.
async fn moto_with_size() -> Option<Aws> {
    let moto = endpoint()?;
    let moto = moto.trim_start_matches("http://").trim_end_matches('/').to_owned();
    Some(ports(amend::forward(moto, "Action=RunInstances", "&BlockDeviceMapping.1.Ebs.VolumeSize=8").await).await)
}

async fn ports(endpoint: String) -> Aws {
    let access_key = AccessKey { id: KEY.0.to_owned(), secret: KEY.1.to_owned(), session_token: None };
    let options = ConnectOptions {
        region: Some(REGION.to_owned()),
        endpoint_url: Some(endpoint),
        access_key: Some(access_key),
        ..ConnectOptions::default()
    };
    connect(&options).await.expect("ports")
}

macro_rules! cases {
    ($moto:ident: $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                if let Some(aws) = $moto().await {
                    contract::$case(&aws).await;
                }
            }
        )*
    };
}

cases! {
    moto:
    buckets
    caller
    default_subnets
    documents
    images
    instance_types
    instances_none
    key_pair_of_nobody
    log_groups
    objects_conditions
    objects_delete_unchanged
    objects_many
    objects_read_back
    parameters
    regions
    roles
    roles_with_boundary
    schedules
    security_groups
    security_groups_by_id
    security_groups_by_tag
    subnets
}

cases! {
    moto_with_size:
    instances_no_such_subnet
    instances_launch_and_end
    tags_change
    trials
}

#[tokio::test]
async fn log_events() {
    let (Some(aws), Some(endpoint)) = (moto().await, endpoint()) else { return };
    let group = format!("/spawn/moto-{}", uuid::Uuid::new_v4().simple());
    aws.logs.group_ensure(&group, 7).await.expect("a group");
    let written = lines::write(&endpoint, KEY, &group, &["run/00000", "run/00001"]).await;
    contract::log_events(&aws, &group, "run/", &written).await;
    aws.logs.group_delete(&group).await.expect("gone");
}
