//! What holds whatever is asked.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod world;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sandbox_cloud::model::{Instance, InstanceState, SpotInstanceRequest, SpotRequestState};
use sandbox_cloud::request::{DescribeById, DescribeInstances, Filter, Page, RunInstances, SpotOptions};
use sandbox_cloud::{Fault, Reply, Request, wildcard_matches};
use world::{World, launch, tagged};

/// Something done to the cloud.
#[derive(Clone, Debug)]
enum Step {
    Run {
        min: i64,
        more: i64,
        token: Option<u8>,
        team: u8,
        spot: bool,
    },
    /// EC2 takes the next spot instances back that begin to run.
    Reclaim(u64),
    Terminate(usize),
    Stop(usize),
    Start(usize),
    Wait(i64),
    Capacity(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..6_i64, 0..6_i64, proptest::option::of(0..3_u8), 0..3_u8, any::<bool>())
            .prop_map(|(min, more, token, team, spot)| Step::Run { min, more, token, team, spot }),
        1 => (0..200_000_u64).prop_map(Step::Reclaim),
        2 => any::<usize>().prop_map(Step::Terminate),
        1 => any::<usize>().prop_map(Step::Stop),
        1 => any::<usize>().prop_map(Step::Start),
        2 => (0..5_000_i64).prop_map(Step::Wait),
        1 => (0..2_000_000_i64).prop_map(Step::Wait),
        1 => (0..8_u32).prop_map(Step::Capacity),
    ]
}

fn request(min: i64, more: i64, token: Option<u8>, team: u8, spot: bool) -> RunInstances {
    let spot = spot.then_some(SpotOptions { max_price: Some(0.04) });
    let client_token = token.map(|t| format!("token-{t}"));
    RunInstances { client_token, spot, ..tagged(launch(min, min + more), &[("team", ["red", "green", "blue"][usize::from(team)])]) }
}

/// Does the steps. Refusals are fine: they must only leave nothing behind.
fn play(steps: &[Step]) -> World {
    let mut world = World::default();
    let mut by_token: BTreeMap<String, (RunInstances, Vec<String>)> = BTreeMap::new();
    let pick = |world: &mut World, n: usize| {
        let all = world.find(vec![]).unwrap();
        all.get(n % all.len().max(1)).map(|i| vec![i.id.clone()])
    };
    for step in steps {
        match step.clone() {
            Step::Run { min, more, token, team, spot } => {
                let request = request(min, more, token, team, spot);
                let before = world.cloud.machine_ids().len();
                let result = world.try_run(request.clone());
                let after = world.cloud.machine_ids().len();
                check_launch(&mut by_token, request, result, after - before);
            }
            Step::Reclaim(after_ms) => {
                let script = format!(r#"{{"kind":"reclaim","after_ms":{after_ms},"rebalance_ms":1000,"times":2}}"#);
                world.cloud.fault(serde_json::from_str(&script).unwrap());
            }
            Step::Wait(ms) => drop(world.wait(ms)),
            Step::Capacity(above) => {
                world.cloud.clear_faults();
                let Fault::Capacity { region, zone, instance_type, market, .. } = Fault::no_capacity("c7i.large") else {
                    unreachable!("no_capacity makes a rule about capacity")
                };
                world.cloud.fault(Fault::Capacity { region, zone, instance_type, market, above });
            }
            Step::Terminate(n) | Step::Stop(n) | Step::Start(n) => {
                let Some(ids) = pick(&mut world, n) else { continue };
                let call = match step {
                    Step::Terminate(_) => Request::TerminateInstances,
                    Step::Stop(_) => world::stop,
                    _ => Request::StartInstances,
                };
                let _may_be_refused = world.change(call, &ids);
            }
        }
    }
    world
}

fn check_launch(
    by_token: &mut BTreeMap<String, (RunInstances, Vec<String>)>,
    request: RunInstances,
    result: Result<sandbox_cloud::reply::Reservation, sandbox_cloud::ApiError>,
    grown: usize,
) {
    let known = request.client_token.as_ref().and_then(|t| by_token.get(t));
    match (result, known) {
        (Err(error), Some((first, _))) if *first != request => {
            assert_eq!(error.code, "IdempotentParameterMismatch");
            assert_eq!(grown, 0);
        }
        (Err(error), _) => {
            assert!(matches!(error.code.as_str(), "InsufficientInstanceCapacity" | "SpotMaxPriceTooLow"), "{error}");
            assert_eq!(grown, 0, "a refused launch leaves nothing");
        }
        (Ok(reservation), Some((first, ids))) => {
            assert_eq!(*first, request);
            let again: Vec<String> = reservation.instances.into_iter().map(|i| i.id).collect();
            assert_eq!((&again, grown), (ids, 0), "the same token is the same instances");
        }
        (Ok(reservation), None) => {
            let count = reservation.instances.len();
            assert_eq!(grown, count);
            assert!((request.min_count..=request.max_count).contains(&(count as i64)));
            let indexes: Vec<u32> = reservation.instances.iter().map(|i| i.ami_launch_index).collect();
            assert_eq!(indexes, (0..count as u32).collect::<Vec<_>>());
            if let Some(token) = request.client_token.clone() {
                by_token.insert(token, (request, reservation.instances.into_iter().map(|i| i.id).collect()));
            }
        }
    }
}

/// What a filter means, said in the plainest way.
fn plainly(instance: &Instance, filter: &Filter) -> bool {
    let has = match filter.name.as_str() {
        "instance-state-name" => Some(instance.state.name().to_owned()),
        "tag:team" => instance.tags.get("team").cloned(),
        "availability-zone" => Some(instance.availability_zone.clone()),
        "reservation-id" => Some(instance.reservation_id.clone()),
        "client-token" => instance.client_token.clone(),
        "private-ip-address" => instance.interface.as_ref().map(|n| n.private_ip.clone()),
        other => panic!("no meaning for {other}"),
    };
    has.is_some_and(|has| filter.values.iter().any(|wanted| wildcard_matches(wanted, &has)))
}

fn filter() -> impl Strategy<Value = Filter> {
    prop_oneof![
        proptest::sample::subsequence(vec!["pending", "running", "stopp*", "terminated", "?unning"], 1..4)
            .prop_map(|v| Filter::new("instance-state-name", v)),
        proptest::sample::subsequence(vec!["red", "g*n", "b???", "*"], 1..3).prop_map(|v| Filter::new("tag:team", v)),
        proptest::sample::subsequence(vec!["us-east-1a", "*b", "us-east-1c"], 1..3).prop_map(|v| Filter::new("availability-zone", v)),
        proptest::sample::subsequence(vec!["token-0", "token-?"], 1..2).prop_map(|v| Filter::new("client-token", v)),
        Just(Filter::new("private-ip-address", ["172.31.*"])),
        Just(Filter::new("reservation-id", ["r-0*"])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn launches_keep_their_word(steps in proptest::collection::vec(step(), 1..40)) {
        let mut world = play(&steps);
        check_spot_and_addresses(&mut world);
    }

    #[test]
    fn filters_mean_what_they_say(
        steps in proptest::collection::vec(step(), 1..25),
        filters in proptest::collection::vec(filter(), 1..3),
    ) {
        let mut world = play(&steps);
        let ids = |found: Vec<Instance>| found.into_iter().map(|i| i.id).collect::<BTreeSet<_>>();
        let mut expected = world.find(vec![]).unwrap();
        expected.retain(|i| filters.iter().all(|f| plainly(i, f)));
        prop_assert_eq!(ids(world.find(filters).unwrap()), ids(expected));
    }

    #[test]
    fn pages_hold_each_instance_once(count in 0..60_i64, size in 5..25_i64, ended in any::<usize>()) {
        let mut world = World::default();
        if count > 0 {
            world.run(launch(count, count));
        }
        let all: BTreeSet<String> = world.find(vec![]).unwrap().into_iter().map(|i| i.id).collect();
        let mut seen = Vec::new();
        let mut next_token = None;
        loop {
            let page = Page { max_results: Some(size), next_token: next_token.take() };
            let request = DescribeInstances { page, ..Default::default() };
            let Reply::Reservations(part) = world.call(Request::DescribeInstances(request)).unwrap() else {
                panic!("no reservations")
            };
            let here: Vec<String> = part.items.iter().flat_map(|r| &r.instances).map(|i| i.id.clone()).collect();
            prop_assert!(here.len() as i64 <= size);
            seen.extend(here);
            next_token = part.next_token;
            if next_token.is_none() {
                break;
            }
            // Something that changes between two pages moves nothing.
            if let Some(id) = all.iter().nth(ended % all.len()).cloned() {
                world.change(Request::TerminateInstances, &[id]).unwrap();
            }
        }
        prop_assert_eq!(seen.len(), all.len());
        prop_assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), all);
    }

    #[test]
    fn whatever_happened_termination_leaves_nothing(steps in proptest::collection::vec(step(), 1..40)) {
        let empty = World::default().cloud.snapshot();
        let mut world = play(&steps);
        let ids: Vec<String> = world.cloud.machine_ids();
        if !ids.is_empty() {
            world.change(Request::TerminateInstances, &ids).unwrap();
        }
        world.wait(10_000);
        prop_assert!(world.find(vec![]).unwrap().iter().all(|i| i.state == InstanceState::Terminated));
        prop_assert_eq!(world.cloud.snapshot(), empty);
    }
}

/// Every spot instance has its request, in a state that fits its own; and no address is given twice.
fn check_spot_and_addresses(world: &mut World) {
    let Reply::SpotRequests(found) = world.call(Request::DescribeSpotInstanceRequests(DescribeById::default())).unwrap() else {
        panic!("no requests")
    };
    let by_instance: BTreeMap<&str, &SpotInstanceRequest> = found.items.iter().map(|r| (r.instance_id.as_str(), r)).collect();
    let mut addresses = BTreeSet::new();
    for instance in world.find(vec![]).unwrap() {
        let request = by_instance.get(instance.id.as_str());
        assert_eq!(request.is_some(), instance.spot.is_some(), "{}", instance.id);
        if let Some(request) = request {
            assert_eq!(request.state == SpotRequestState::Active, !instance.state.is_ending(), "{request:?}");
            let told = instance.spot.as_ref().is_some_and(|s| s.interruption.is_some());
            assert!(told || !request.status_code.contains("price") && !request.status_code.contains("capacity"), "notice comes first");
        }
        if let Some(interface) = instance.interface {
            assert!(addresses.insert(interface.private_ip.clone()), "{} is given twice", interface.private_ip);
        }
    }
}

#[test]
fn the_bounds_of_a_page() {
    let mut world = World::default();
    let ids = world.run(launch(1, 1));
    let cases = [
        (Some(4), None, vec![], "InvalidParameterValue"),
        (Some(1001), None, vec![], "InvalidParameterValue"),
        (Some(5), None, ids, "InvalidParameterCombination"),
        (Some(5), Some("nonsense"), vec![], "InvalidNextToken"),
    ];
    for (max_results, token, instance_ids, code) in cases {
        let page = Page { max_results, next_token: token.map(str::to_owned) };
        let request = DescribeInstances { page, instance_ids, ..Default::default() };
        assert_eq!(world.call(Request::DescribeInstances(request)).unwrap_err().code, code);
    }
}
