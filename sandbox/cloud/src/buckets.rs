//! EC2's published token buckets: one per action for requests, and for four actions one for the resources in them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::error::ApiError;
use crate::request::Request;

/// How much a bucket holds and how fast it fills.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// What it holds.
    pub burst: f64,
    /// What comes into it in a second.
    pub refill_per_s: f64,
}

const fn limit(burst: f64, refill_per_s: f64) -> Limit {
    Limit { burst, refill_per_s }
}

/// The request limit of an operation. `narrowed` is false for a describe call with neither ids, filter nor page.
pub(crate) fn request_limit(operation: &str, narrowed: bool) -> Limit {
    match operation {
        "RunInstances" | "StartInstances" => limit(5.0, 2.0),
        "CreateVpcEndpoint" | "DeleteVpcEndpoints" => limit(4.0, 0.3),
        "TerminateInstances" | "CreateSnapshot" | "CreateVolume" => limit(100.0, 5.0),
        "CreateTags" | "DeleteTags" => limit(100.0, 10.0),
        op if op.starts_with("Describe") && narrowed => limit(100.0, 20.0),
        "DescribeInstances"
        | "DescribeInstanceStatus"
        | "DescribeNetworkInterfaces"
        | "DescribeSecurityGroups"
        | "DescribeSnapshots"
        | "DescribeSpotInstanceRequests"
        | "DescribeVolumes" => limit(50.0, 10.0),
        op if op.starts_with("Describe") => limit(100.0, 20.0),
        // The calls that change something, and have no limit of their own.
        _ => limit(50.0, 5.0),
    }
}

/// The resource limit of an operation, if it has one.
pub(crate) fn resource_limit(operation: &str) -> Option<Limit> {
    match operation {
        "RunInstances" | "StartInstances" => Some(limit(1000.0, 2.0)),
        "StopInstances" | "TerminateInstances" => Some(limit(1000.0, 20.0)),
        _ => None,
    }
}

/// What somebody may still ask for.
#[derive(Clone, Debug)]
pub struct TokenBucket {
    limit: Limit,
    level: f64,
    at: Timestamp,
}

impl TokenBucket {
    /// One that is full at a moment.
    #[must_use]
    pub fn full(limit: Limit, at: Timestamp) -> Self {
        Self { limit, level: limit.burst, at }
    }

    /// Takes what is asked for, if it is there. A clock that steps back gives nothing away.
    pub fn draw(&mut self, now: Timestamp, cost: f64) -> bool {
        let seconds = now.duration_since(self.at).as_secs_f64().max(0.0);
        self.level = (self.level + seconds * self.limit.refill_per_s).min(self.limit.burst);
        self.at = self.at.max(now);
        if self.level < cost {
            return false;
        }
        self.level -= cost;
        true
    }
}

/// The buckets of one region.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buckets {
    buckets: BTreeMap<(&'static str, &'static str), TokenBucket>,
}

impl Buckets {
    /// Takes what a call costs, or refuses it. A call refused for its resources has still cost a request.
    pub(crate) fn take(&mut self, now: Timestamp, request: &Request, account: &str) -> Result<(), ApiError> {
        let operation = request.operation();
        let narrowed = request.is_narrowed();
        let kind = if narrowed { "requests" } else { "plain requests" };
        if !self.draw(now, (operation, kind), request_limit(operation, narrowed), 1.0) {
            return Err(ApiError::throttled(account, operation, "request"));
        }
        if let Some(limit) = resource_limit(operation)
            && !self.draw(now, (operation, "resources"), limit, request.resources() as f64)
        {
            return Err(ApiError::throttled(account, operation, "resource"));
        }
        Ok(())
    }

    fn draw(&mut self, now: Timestamp, key: (&'static str, &'static str), limit: Limit, cost: f64) -> bool {
        self.buckets.entry(key).or_insert_with(|| TokenBucket::full(limit, now)).draw(now, cost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{
        CancelSpotInstanceRequests, CreateSecurityGroup, CreateTags, DescribeById, DescribeInstances, Filter, InstanceIds, RunInstances,
        StopInstances,
    };

    fn run(count: i64) -> Request {
        Request::RunInstances(Box::new(RunInstances { min_count: 1, max_count: count, ..Default::default() }))
    }

    /// How many of many calls at one moment pass, and how many pass `later_s` seconds afterwards.
    fn passing(request: &Request, later_s: i64) -> (usize, usize) {
        let mut buckets = Buckets::default();
        let start = Timestamp::from_second(1_000_000).unwrap();
        let later = Timestamp::from_second(1_000_000 + later_s).unwrap();
        let mut count = |at| (0..1500).take_while(|_| buckets.take(at, request, "1").is_ok()).count();
        (count(start), count(later))
    }

    #[test]
    fn published_buckets() {
        let ids = |n: usize| InstanceIds { instance_ids: vec![String::new(); n] };
        let by_id = |ids: &[&str]| DescribeById { ids: ids.iter().map(|id| (*id).to_owned()).collect(), ..Default::default() };
        let filtered = DescribeInstances { filters: vec![Filter::new("tag:a", ["b"])], ..Default::default() };
        let cases = [
            (run(1), 1, (5, 2)),
            (run(1000), 100, (1, 0)),
            (run(1000), 500, (1, 1)),
            (Request::TerminateInstances(ids(1)), 2, (100, 10)),
            (Request::TerminateInstances(ids(1000)), 50, (1, 1)),
            (Request::StopInstances(StopInstances { instance_ids: vec![String::new()], hibernate: false }), 1, (50, 5)),
            (Request::DescribeInstances(DescribeInstances::default()), 1, (50, 10)),
            (Request::DescribeInstances(filtered), 1, (100, 20)),
            (Request::DescribeSpotInstanceRequests(by_id(&[])), 1, (50, 10)),
            (Request::DescribeSpotInstanceRequests(by_id(&["sir-1"])), 1, (100, 20)),
            (Request::DescribeSubnets(by_id(&[])), 1, (100, 20)),
            (Request::CreateTags(CreateTags::default()), 1, (100, 10)),
            (Request::CreateSecurityGroup(CreateSecurityGroup::default()), 1, (50, 5)),
            (Request::CancelSpotInstanceRequests(CancelSpotInstanceRequests::default()), 1, (50, 5)),
        ];
        for (request, later, expected) in cases {
            assert_eq!(passing(&request, later), expected, "{} then {later} s", request.operation());
        }
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing_away() {
        let mut buckets = Buckets::default();
        let start = Timestamp::from_second(1_000_000).unwrap();
        let earlier = Timestamp::from_second(999_000).unwrap();
        for _ in 0..5 {
            buckets.take(start, &run(1), "1").unwrap();
        }
        assert!(buckets.take(earlier, &run(1), "1").is_err());
        assert!(buckets.take(start, &run(1), "1").is_err());
    }

    #[test]
    fn a_refusal_says_which_bucket_was_empty() {
        let start = Timestamp::from_second(1_000_000).unwrap();
        let mut buckets = Buckets::default();
        buckets.take(start, &run(600), "1").unwrap();
        let resources = buckets.take(start, &run(600), "1").unwrap_err();
        assert!(resources.message.ends_with("ec2:RunInstances because it exceeded its resource rate limit."), "{resources}");
        while buckets.take(start, &run(1), "1").is_ok() {}
        let requests = buckets.take(start, &run(1), "1").unwrap_err();
        assert!(requests.message.ends_with("ec2:RunInstances because it exceeded its request rate limit."), "{requests}");
        assert_eq!((requests.code.as_str(), requests.status), ("RequestLimitExceeded", 503));
    }
}
