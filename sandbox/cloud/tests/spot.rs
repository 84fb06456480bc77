//! Spot: prices, requests, and how instances are taken back.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod world;

use jiff::{SignedDuration, Timestamp};
use sandbox_cloud::model::{InstanceState, SpotInstanceRequest, SpotRequestState, Tag};
use sandbox_cloud::reply::SpotPrice;
use sandbox_cloud::request::{
    CancelSpotInstanceRequests, DescribeById, DescribeSpotPriceHistory, Filter, Page, Placement, RunInstances, SpotOptions,
    TagSpecification,
};
use sandbox_cloud::{ApiError, Change, Fault, HaltReason, Reply, Request};
use world::{World, launch};

const ZONE: &str = "us-east-1a";

/// A launch of spot instances in one zone.
fn spot(count: i64, max_price: Option<f64>) -> RunInstances {
    let placement = Placement { availability_zone: Some(ZONE.to_owned()), ..Default::default() };
    RunInstances { spot: Some(SpotOptions { max_price }), placement, ..launch(count, count) }
}

fn requests(world: &mut World, filters: Vec<Filter>) -> Vec<SpotInstanceRequest> {
    match world.call(Request::DescribeSpotInstanceRequests(DescribeById { filters, ..Default::default() })).unwrap() {
        Reply::SpotRequests(found) => found.items,
        other => panic!("{other:?}"),
    }
}

fn request_of(world: &mut World, instance: &str) -> Option<(SpotRequestState, &'static str)> {
    requests(world, vec![Filter::new("instance-id", [instance])]).pop().map(|r| (r.state, r.status_code))
}

fn cancel(world: &mut World, ids: &[String]) -> Result<Vec<SpotRequestState>, ApiError> {
    let request = CancelSpotInstanceRequests { spot_instance_request_ids: ids.to_vec() };
    match world.call(Request::CancelSpotInstanceRequests(request))? {
        Reply::SpotRequestsCancelled(cancelled) => Ok(cancelled.into_iter().map(|c| c.state).collect()),
        other => panic!("{other:?}"),
    }
}

fn history(world: &mut World, request: DescribeSpotPriceHistory) -> Result<Vec<SpotPrice>, ApiError> {
    match world.call(Request::DescribeSpotPriceHistory(request))? {
        Reply::SpotPrices(found) => Ok(found.items),
        other => panic!("{other:?}"),
    }
}

fn of_c7i(start_time: Timestamp) -> DescribeSpotPriceHistory {
    DescribeSpotPriceHistory {
        instance_types: vec!["c7i.large".into()],
        product_descriptions: vec!["Linux/UNIX".into()],
        start_time: Some(start_time),
        ..Default::default()
    }
}

/// What a spot instance of the zone costs now.
fn price_now(world: &mut World) -> f64 {
    let request = DescribeSpotPriceHistory { availability_zone: Some(ZONE.into()), ..of_c7i(world.now) };
    history(world, request).unwrap()[0].usd_per_hour
}

#[test]
fn prices_of_now() {
    let mut world = World::default();
    let instance_types = vec!["c7i.large".into(), "hpc7a.96xlarge".into()];
    let now = world.now;
    let found = history(&mut world, DescribeSpotPriceHistory { instance_types, ..of_c7i(now) }).unwrap();
    let mut zones: Vec<_> = found.iter().map(|p| p.availability_zone.as_str()).collect();
    zones.sort_unstable();
    assert_eq!(zones, ["us-east-1a", "us-east-1b", "us-east-1c"], "one price for each pool, none for what is not spot");
    assert!(found.iter().all(|p| p.timestamp <= now && p.usd_per_hour < 0.6 * 0.08925));
    assert!(found.windows(2).all(|pair| pair[0].timestamp >= pair[1].timestamp), "newest first");
}

#[test]
fn a_history_in_pages() {
    let mut world = World::default();
    let start = world.now - SignedDuration::from_hours(24 * 30);
    let all = history(&mut world, of_c7i(start)).unwrap();
    assert!(all.len() > 500, "a month of three pools: {}", all.len());
    let (mut seen, mut next_token) = (Vec::new(), None);
    loop {
        let request = DescribeSpotPriceHistory { page: Page { max_results: Some(100), next_token }, ..of_c7i(start) };
        let Reply::SpotPrices(part) = world.call(Request::DescribeSpotPriceHistory(request)).unwrap() else { panic!("no prices") };
        seen.extend(part.items);
        next_token = part.next_token;
        if next_token.is_none() {
            break;
        }
    }
    assert_eq!(seen, all);
}

#[test]
fn questions_about_prices_that_are_refused() {
    let mut world = World::default();
    let now = world.now;
    type Edit = fn(&mut DescribeSpotPriceHistory);
    let cases: [(&str, Edit, bool); 5] = [
        ("a type nobody knows here", |r| r.instance_types = vec!["c9z.large".into()], true),
        ("a product that is not sold here", |r| r.product_descriptions = vec!["Windows".into()], true),
        ("a product that is none", |r| r.product_descriptions = vec!["Plan 9".into()], false),
        ("a zone that is none", |r| r.availability_zone = Some("us-east-1z".into()), false),
        ("a window that ends before it begins", |r| r.end_time = Some(Timestamp::UNIX_EPOCH), false),
    ];
    for (name, edit, gap) in cases {
        let mut request = of_c7i(now);
        edit(&mut request);
        let error = history(&mut world, request).expect_err(name);
        assert_eq!((error.gap, error.code == "InvalidParameterValue" || error.gap), (gap, true), "{name}: {error}");
    }
}

#[test]
fn a_spot_instance_is_one() {
    let mut world = World::default();
    let tags = vec![TagSpecification { resource_type: "spot-instances-request".into(), tags: vec![Tag::new("team", "blue")] }];
    let ids = world.run(RunInstances { tag_specifications: tags, ..spot(1, Some(0.08)) });
    let of_instance = world.instance(&ids[0]).spot.unwrap();
    assert_eq!(of_instance.max_price, 0.08);
    let found = requests(&mut world, vec![Filter::new("tag:team", ["blue"])]);
    assert_eq!((found.len(), &found[0].id, &found[0].instance_id), (1, &of_instance.id, &ids[0]));
    assert_eq!((found[0].state, found[0].status_code, found[0].max_price), (SpotRequestState::Active, "fulfilled", 0.08));
    world.wait(2_000);
    assert_eq!(world.change(world::stop, &ids).unwrap_err().code, "UnsupportedOperation");
}

#[test]
fn a_request_ends_with_its_instance() {
    type End = fn(&mut World, &[String]);
    let cases: [(&str, End, &str); 4] = [
        ("a call", |w, ids| drop(w.change(Request::TerminateInstances, ids).unwrap()), "instance-terminated-by-user"),
        ("the machine", |w, ids| assert!(w.cloud.guest_off(w.now, &ids[0]).is_ok()), "instance-terminated-by-user"),
        (
            "no capacity",
            |w, ids| {
                w.cloud.interrupt_spot(w.now, &ids[0], 120_000).unwrap();
                assert_eq!(request_of(w, &ids[0]), Some((SpotRequestState::Active, "marked-for-termination")));
                w.wait(120_000);
            },
            "instance-terminated-no-capacity",
        ),
        ("a lost host", |w, ids| assert!(w.cloud.guest_lost(w.now, &ids[0]).is_ok()), "instance-terminated-by-service"),
    ];
    for (name, end, code) in cases {
        let mut world = World::default();
        let empty = world.cloud.snapshot();
        let ids = world.run(spot(1, None));
        world.wait(2_000);
        end(&mut world, &ids);
        world.wait(1_000);
        assert_eq!(request_of(&mut world, &ids[0]), Some((SpotRequestState::Closed, code)), "{name}");
        assert_eq!(world.cloud.snapshot(), empty, "{name}: what is closed is not left over");
        world.wait(4 * 3_600_000);
        assert_eq!(request_of(&mut world, &ids[0]), None, "{name}: it is listed for four hours");
    }
}

#[test]
fn a_cancelled_request_lets_its_instance_run() {
    let mut world = World::default();
    let ids = world.run(spot(1, None));
    let id = vec![world.instance(&ids[0]).spot.unwrap().id];
    assert_eq!(cancel(&mut world, &["sir-00000000".to_owned()]).unwrap_err().code, "InvalidSpotInstanceRequestID.NotFound");
    assert_eq!(cancel(&mut world, &[]).unwrap_err().code, "MissingParameter");
    assert_eq!(cancel(&mut world, &id).unwrap(), [SpotRequestState::Cancelled]);
    let running = Some((SpotRequestState::Cancelled, "request-canceled-and-instance-running"));
    assert_eq!(request_of(&mut world, &ids[0]), running);
    assert_eq!(world.state(&ids[0]), InstanceState::Pending);
    world.change(Request::TerminateInstances, &ids).unwrap();
    assert_eq!(cancel(&mut world, &id).unwrap(), [SpotRequestState::Cancelled]);
    assert_eq!(request_of(&mut world, &ids[0]), Some((SpotRequestState::Cancelled, "instance-terminated-by-user")));
}

#[test]
fn capacity_is_taken_back() {
    let mut world = World::default();
    let ids = world.run(spot(1, None));
    let id = ids[0].clone();
    assert!(world.cloud.interrupt_spot(world.now, &id, 0).is_err(), "it does not run yet");
    world.wait(2_000);
    world.cloud.recommend_rebalance(world.now, &id).unwrap();
    assert_eq!(world.wait(0), [Change::RebalanceRecommendation { id: id.clone(), at: world.now }]);
    assert_eq!(world.cloud.machine(&id).unwrap().rebalance_recommendation, Some(world.now));
    world.cloud.interrupt_spot(world.now, &id, 120_000).unwrap();
    let at = world.now + SignedDuration::from_secs(120);
    assert_eq!(world.wait(0), [Change::SpotNotice { id: id.clone(), at }]);
    assert_eq!(world.cloud.machine(&id).unwrap().spot_interruption, Some(at));
    assert_eq!(world.wait(119_999), []);
    assert_eq!(world.wait(1), [Change::Halt { id: id.clone(), why: HaltReason::SpotInterruption }]);
    assert_eq!(world.instance(&id).state_reason.unwrap().code, "Server.SpotInstanceTermination");
    let on_demand = world.run(launch(1, 1));
    world.wait(2_000);
    assert!(world.cloud.interrupt_spot(world.now, &on_demand[0], 0).is_err());
    assert!(world.cloud.recommend_rebalance(world.now, &on_demand[0]).is_err());
}

#[test]
fn a_script_takes_instances_back() {
    let mut world = World::default();
    let script = r#"{"kind":"reclaim","zone":"us-east-1a","after_ms":60000,"rebalance_ms":20000,"times":1}"#;
    world.cloud.fault(serde_json::from_str::<Fault>(script).unwrap());
    let ids = world.run(spot(2, None));
    assert_eq!(world.wait(2_000).len(), 2, "both boot");
    assert!(world.cloud.faults().is_empty(), "it takes one of them");
    assert_eq!(world.wait(39_999), []);
    let at = world.now + SignedDuration::from_millis(1);
    let told = world.wait(1);
    let Some(Change::RebalanceRecommendation { id, .. }) = told.first() else { panic!("{told:?}") };
    assert_eq!((told.len(), ids.contains(id), world.now), (1, true, at));
    assert_eq!(world.wait(20_000), [Change::SpotNotice { id: id.clone(), at: world.now + SignedDuration::from_secs(120) }]);
    assert_eq!(world.wait(120_000), [Change::Halt { id: id.clone(), why: HaltReason::SpotInterruption }]);
    assert_eq!(world.wait(3_600_000), [], "the other one stays");
}

/// Who offers just what a pool costs now is outbid when its price rises, with two minutes of notice.
#[test]
fn a_price_that_rises_ends_the_instance() {
    let mut world = World::default();
    let max = price_now(&mut world);
    let refused = world.try_run(spot(1, Some(max - 0.000_001))).unwrap_err();
    assert_eq!(refused.code, "SpotMaxPriceTooLow");
    let ids = world.run(spot(1, Some(max)));
    world.wait(2_000);
    let notice = loop {
        let told = world.wait(60_000);
        if !told.is_empty() {
            break told;
        }
        assert!(price_now(&mut world) <= max, "no longer than the price is below what it offers");
    };
    let Some(Change::SpotNotice { at, .. }) = notice.first() else { panic!("{notice:?}") };
    assert!(price_now(&mut world) > max);
    world.now = *at;
    let halted = world.wait(0);
    assert_eq!(halted, [Change::Halt { id: ids[0].clone(), why: HaltReason::SpotInterruption }]);
    assert_eq!(request_of(&mut world, &ids[0]), Some((SpotRequestState::Closed, "instance-terminated-by-price")));
    // On demand is never below the spot price, so who offers that is not outbid.
    let mut world = World::default();
    world.run(spot(1, None));
    world.wait(2_000);
    assert_eq!(world.cloud.next_due(), None);
}

#[test]
fn what_is_full_for_spot_is_there_on_demand() {
    let mut world = World::default();
    let full = r#"{"kind":"capacity","instance_type":"c7i.large","market":"spot","above":1}"#;
    world.cloud.fault(serde_json::from_str::<Fault>(full).unwrap());
    world.run(spot(1, None));
    let error = world.try_run(spot(1, None)).unwrap_err();
    assert_eq!((error.code.as_str(), error.status), ("InsufficientInstanceCapacity", 500));
    assert_eq!(error.message, "There is no Spot capacity available that matches your request.");
    let on_demand = RunInstances { spot: None, ..spot(5, None) };
    assert_eq!(world.run(on_demand).len(), 5);
}
