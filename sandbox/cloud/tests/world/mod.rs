//! A cloud to test on, and the few lines that every test of it needs.
#![allow(dead_code, reason = "each test binary uses its part")]

use jiff::{SignedDuration, Timestamp};
use sandbox_cloud::model::{Instance, InstanceState, Tag};
use sandbox_cloud::reply::{Reservation, StateChange};
use sandbox_cloud::request::{DescribeById, DescribeInstances, Filter, InstanceIds, RunInstances, StopInstances, TagSpecification};
use sandbox_cloud::{ApiError, Change, Cloud, Config, Reply, Request, catalogue};

pub(crate) mod groups;

pub(crate) const REGION: &str = "us-east-1";
pub(crate) const PROFILE: &str = "worker";
pub(crate) const PROFILE_ARN: &str = "arn:aws:iam::123456789012:instance-profile/worker";

/// A cloud and its time.
pub(crate) struct World {
    pub(crate) cloud: Cloud,
    pub(crate) now: Timestamp,
}

impl Default for World {
    fn default() -> Self {
        World::with(Config { throttle: false, ..Config::default() })
    }
}

impl World {
    pub(crate) fn with(config: Config) -> Self {
        let mut cloud = Cloud::new(config);
        cloud.profile_known(PROFILE, PROFILE_ARN);
        World { cloud, now: Timestamp::from_second(1_770_000_000).unwrap() }
    }

    pub(crate) fn call(&mut self, request: Request) -> Result<Reply, ApiError> {
        self.cloud.call(self.now, REGION, request)
    }

    pub(crate) fn wait(&mut self, ms: i64) -> Vec<Change> {
        self.now += SignedDuration::from_millis(ms);
        self.cloud.advance(self.now)
    }

    pub(crate) fn try_run(&mut self, request: RunInstances) -> Result<Reservation, ApiError> {
        match self.call(Request::RunInstances(Box::new(request)))? {
            Reply::Reservation(reservation) => Ok(reservation),
            other => panic!("a launch answers {other:?}"),
        }
    }

    /// Launches, and gives the ids in launch order.
    pub(crate) fn run(&mut self, request: RunInstances) -> Vec<String> {
        self.try_run(request).unwrap().instances.into_iter().map(|i| i.id).collect()
    }

    pub(crate) fn find(&mut self, filters: Vec<Filter>) -> Result<Vec<Instance>, ApiError> {
        match self.call(Request::DescribeInstances(DescribeInstances { filters, ..Default::default() }))? {
            Reply::Reservations(found) => Ok(found.items.into_iter().flat_map(|r| r.instances).collect()),
            other => panic!("a describe call answers {other:?}"),
        }
    }

    pub(crate) fn instance(&mut self, id: &str) -> Instance {
        self.find(vec![Filter::new("instance-id", [id])]).unwrap().pop().unwrap()
    }

    pub(crate) fn state(&mut self, id: &str) -> InstanceState {
        self.instance(id).state
    }

    pub(crate) fn change(&mut self, request: fn(InstanceIds) -> Request, ids: &[String]) -> Result<Vec<StateChange>, ApiError> {
        match self.call(request(InstanceIds { instance_ids: ids.to_vec() }))? {
            Reply::StateChanges(changes) => Ok(changes),
            Reply::Done => Ok(Vec::new()),
            other => panic!("a change of state answers {other:?}"),
        }
    }

    pub(crate) fn volume_ids(&mut self) -> Vec<String> {
        match self.call(Request::DescribeVolumes(DescribeById::default())).unwrap() {
            Reply::Volumes(found) => found.items.into_iter().map(|v| v.id).collect(),
            other => panic!("a describe call answers {other:?}"),
        }
    }
}

/// A plain stop, in the form of the other calls on instances.
pub(crate) fn stop(instances: InstanceIds) -> Request {
    Request::StopInstances(StopInstances { instance_ids: instances.instance_ids, hibernate: false })
}

/// An image for x86_64.
pub(crate) fn image() -> String {
    image_for("x86_64")
}

pub(crate) fn image_for(architecture: &str) -> String {
    catalogue::images(REGION).into_iter().find(|i| i.architecture == architecture).unwrap().id
}

/// A launch that succeeds.
pub(crate) fn launch(min: i64, max: i64) -> RunInstances {
    RunInstances { image_id: image(), instance_type: "c7i.large".to_owned(), min_count: min, max_count: max, ..Default::default() }
}

pub(crate) fn tagged(request: RunInstances, tags: &[(&str, &str)]) -> RunInstances {
    let tags = tags.iter().map(|(k, v)| Tag::new(*k, *v)).collect();
    let specification = TagSpecification { resource_type: "instance".to_owned(), tags };
    RunInstances { tag_specifications: vec![specification], ..request }
}
