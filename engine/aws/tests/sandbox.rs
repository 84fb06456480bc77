//! The contract on the sandbox, over the wire: the same cases that moto is asked, and those that moto is not faithful in.
//!
//! Two ideas of AWS that were written apart have to agree, so that neither is taught to agree with us.

#[path = "../../core/tests/contract/mod.rs"]
mod contract;

mod lines;

use std::time::Duration;

use jiff::SignedDuration;
use spawn_aws::{AccessKey, ConnectOptions, connect};
use spawn_core::ports::{Aws, ImageQuery};
use spawn_model::image::Distribution;
use spawn_sandbox::{Options, Sandbox};

const REGION: &str = contract::REGION;

/// A sandbox whose instances run in name only, and the ports on it.
struct Place {
    sandbox: Sandbox,
    aws: Aws,
    _directory: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let options = Options {
            dir: directory.path().to_owned(),
            region: REGION.to_owned(),
            boot_machines: false,
            boot_delay_ms: 0,
            ..Options::default()
        };
        let sandbox = Sandbox::start(options).await.expect("a sandbox");
        let keys = sandbox.credentials();
        let options = ConnectOptions {
            region: Some(REGION.to_owned()),
            endpoint_url: Some(sandbox.endpoint()),
            access_key: Some(AccessKey { id: keys.access_key_id, secret: keys.secret_access_key, session_token: None }),
            ..ConnectOptions::default()
        };
        let aws = connect(&options).await.expect("ports");
        Self { sandbox, aws, _directory: directory }
    }

    /// Nothing that the ports send may be unknown to the sandbox.
    async fn end(self) {
        let gaps = self.sandbox.control().gaps();
        self.sandbox.stop().await;
        assert!(gaps.is_empty(), "{gaps:?}");
    }
}

macro_rules! cases {
    ($($case:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let place = Place::new().await;
                contract::$case(&place.aws).await;
                place.end().await;
            }
        )*
    };
}

cases! {
    buckets
    caller
    default_subnets
    documents
    functions
    images
    instance_types
    instances_as_many_as_asked
    instances_as_spot
    instances_client_token
    instances_launch_and_end
    instances_no_such_image
    instances_no_such_subnet
    instances_none
    instances_stop_and_hibernate
    instances_with_disks_and_placement
    key_pair_of_nobody
    log_groups
    objects_conditions
    objects_delete_unchanged
    objects_many
    objects_one_winner
    objects_read_back
    parameters
    placement_groups
    prices
    quotas
    regions
    roles
    roles_with_boundary
    scaling_as_spot
    scaling_buys_on_demand
    scaling_empties
    scaling_groups
    scaling_none
    scaling_refused
    scaling_resizes
    scaling_sheds
    scaling_tags
    schedule_group_twice
    schedules
    security_group_in_use
    security_groups
    security_groups_by_id
    security_groups_by_tag
    service_roles
    spot_prices
    subnets
    tags_change
    trials
    trials_of_what_is_wrong
    ways_out
}

/// A group takes half a minute to notice what it has lost, which nobody needs to wait for here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scaling_replaces() {
    let place = Place::new().await;
    let control = place.sandbox.control();
    let hurry = async {
        let mut pace = tokio::time::interval(Duration::from_millis(100));
        loop {
            pace.tick().await;
            control.clock_advance(SignedDuration::from_secs(1)).await;
        }
    };
    tokio::select! {
        () = contract::scaling_replaces(&place.aws) => {}
        () = hurry => {}
    }
    place.end().await;
}

/// The newest by owner and name is the one that Canonical's public parameters name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_of_ubuntu() {
    let place = Place::new().await;
    for (architecture, canonical) in [("x86_64", "amd64"), ("arm64", "arm64")] {
        let query = ImageQuery::Newest { distribution: Distribution::Ubuntu2404, architecture: architecture.to_owned() };
        let newest = place.aws.instances.image(&query).await.expect("an image of Ubuntu");
        let parameter = format!("/aws/service/canonical/ubuntu/server/24.04/stable/current/{canonical}/hvm/ebs-gp3/ami-id");
        assert_eq!(place.aws.systems.parameter(&parameter).await.expect("a parameter"), Some(newest.id));
        assert_eq!(newest.root_device, "/dev/sda1");
    }
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_events() {
    let place = Place::new().await;
    place.aws.logs.group_ensure("/test/lines", 7).await.expect("a group");
    let keys = place.sandbox.credentials();
    let key = (keys.access_key_id.as_str(), keys.secret_access_key.as_str());
    // The last is none of the run's, and must not be read.
    let streams = ["run/00000", "run/00001", "other/00000"];
    let mut written = lines::write(&place.sandbox.endpoint(), key, "/test/lines", &streams).await;
    written.retain(|(stream, ..)| stream.starts_with("run/"));
    contract::log_events(&place.aws, "/test/lines", "run/", &written).await;
    place.end().await;
}
