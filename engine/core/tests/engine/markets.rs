//! How instances are bought: spot, on demand, a mixture, and all or nothing.

use sandbox_cloud::Fault;
use sandbox_cloud::model::Market;
use spawn_core::operation::Operation;
use spawn_model::market::{Fallback, MarketSpec, MarketType};
use spawn_model::spec::{FleetKind, FleetSpec};
use spawn_model::status::Status;

use crate::simulated::{REGION, World, run};
use crate::{array, launch, warm};

/// An array on spot.
pub(crate) fn spot(size: u32, fallback: Fallback, on_demand_base: u32) -> FleetSpec {
    FleetSpec {
        market: MarketSpec { r#type: MarketType::Spot, fallback, on_demand_base, max_price: None, rebalance: false },
        ..array(size)
    }
}

/// The market of every rank.
async fn bought(world: &World, name: &str) -> String {
    let fleet = world.engine().find(name).await.unwrap();
    let markets: Vec<&str> = fleet.members.iter().map(|member| if member.market == "spot" { "s" } else { "d" }).collect();
    markets.concat()
}

/// Every pool of a market gives so many at most.
pub(crate) fn scarce(world: &World, market: Market, above: u32) {
    world.state().cloud.fault(Fault::Capacity { region: None, zone: None, instance_type: None, market: Some(market), above });
}

#[test]
fn ranks_are_bought_as_the_market_says() {
    for (spec, room, expected) in [
        (array(4), None, "dddd"),
        (spot(4, Fallback::None, 0), None, "ssss"),
        (spot(4, Fallback::None, 1), None, "dsss"),
        (spot(8, Fallback::OnDemand, 0), Some(1), "ssssssdd"),
        (spot(8, Fallback::OnDemand, 2), Some(0), "dddddddd"),
    ] {
        run(async {
            let world = warm().await;
            if let Some(room) = room {
                scarce(&world, Market::Spot, room);
            }
            launch(&world.process(), &spec).await.unwrap();
            world.pass(60).await;
            assert_eq!(bought(&world, "tiles").await, expected, "{:?}", spec.market);
            world.assert_lawful();
        });
    }
}

#[test]
fn spot_without_room_is_told_with_the_way_out() {
    run(async {
        let world = warm().await;
        let before = world.view();
        scarce(&world, Market::Spot, 0);
        let error = launch(&world.process(), &spot(2, Fallback::None, 0)).await.err().unwrap();
        assert_eq!(world.view().against(&before), "", "it is undone");
        insta::assert_snapshot!("spot_without_room", error.to_string());
    });
}

/// The spot price of the preferred type in each zone, lowest first.
async fn prices(world: &World) -> Vec<f64> {
    let aws = world.process().aws();
    let mut prices: Vec<f64> =
        aws.instances.spot_prices(&array(1).instance_types, world.now()).await.unwrap().iter().map(|price| price.usd_per_hour).collect();
    prices.sort_by(f64::total_cmp);
    prices
}

#[test]
fn a_price_below_every_pool_is_refused_before_anything_is_made() {
    run(async {
        let world = warm().await;
        let before = world.view();
        let lowest = prices(&world).await[0];
        let mut spec = spot(2, Fallback::None, 0);
        spec.market.max_price = Some(0.001);
        let plan = world.engine().plan(FleetKind::JobArray, &spec).await.unwrap_err();
        let launch = launch(&world.process(), &spec).await.err().unwrap();
        assert_eq!((plan.code.as_str(), plan.path.to_string().as_str()), ("SpotPriceTooLow", "market.max_price"));
        assert_eq!(plan.to_string(), launch.to_string());
        assert_eq!(world.view().against(&before), "");
        assert!(plan.message.contains(&lowest.to_string()), "{plan}");
        // With a way to fall back on, it is a note.
        spec.market.fallback = Fallback::OnDemand;
        let plan = world.engine().plan(FleetKind::JobArray, &spec).await.unwrap();
        assert!(plan.notes.iter().all(|note| note.ends_with("more than max_price")) && !plan.notes.is_empty(), "{:?}", plan.notes);
    });
}

#[test]
fn a_spot_fleet_costs_no_more_than_its_limit() {
    run(async {
        let world = warm().await;
        let engine = world.engine();
        let mut spec = spot(3, Fallback::None, 0);
        let plan = engine.plan(FleetKind::JobArray, &spec).await.unwrap();
        let on_demand = plan.price_usd_per_hour.unwrap();
        assert!(plan.spot_usd_per_hour.unwrap() < on_demand);
        let dearest = world.process().aws().prices.on_demand_usd_per_hour(REGION, "c7a.large").await.unwrap().unwrap();
        assert_eq!(plan.rate.unwrap().instances_usd_per_hour, dearest * 3.0);
        spec.market.max_price = Some(on_demand / 2.0);
        let plan = engine.plan(FleetKind::JobArray, &spec).await.unwrap();
        assert_eq!(plan.rate.unwrap().instances_usd_per_hour, on_demand / 2.0 * 3.0);
    });
}

#[test]
fn a_plan_on_demand_asks_for_no_spot_price() {
    run(async {
        let world = warm().await;
        let process = world.process();
        process.engine().plan(FleetKind::JobArray, &array(2)).await.unwrap();
        assert!(!process.calls().contains(&"ec2:DescribeSpotPriceHistory"));
    });
}

#[test]
fn a_gang_comes_from_one_pool_or_not_at_all() {
    run(async {
        let world = warm().await;
        let gang = FleetSpec { gang: true, ..array(4) };
        // Room for the gang in one zone alone, and for all of it in the three others together.
        for (zone, above) in [("us-east-1a", 3), ("us-east-1b", 3), ("us-east-1c", 4)] {
            let zone = Some(zone.to_owned());
            world.state().cloud.fault(Fault::Capacity { region: None, zone, instance_type: None, market: None, above });
        }
        launch(&world.process(), &gang).await.unwrap();
        let fleet = world.engine().find("tiles").await.unwrap();
        let zones: Vec<&str> = fleet.members.iter().map(|member| member.zone.as_str()).collect();
        assert_eq!(zones, ["us-east-1c"; 4]);
        world.assert_lawful();
    });
}

#[test]
fn a_gang_that_fits_nowhere_leaves_nothing() {
    run(async {
        let world = warm().await;
        let before = world.view();
        scarce(&world, Market::OnDemand, 3);
        let gang = FleetSpec { gang: true, ..array(4) };
        let error = launch(&world.process(), &gang).await.err().unwrap();
        assert_eq!(world.view().against(&before), "");
        insta::assert_snapshot!("gang_without_room", error.to_string());
    });
}

async fn fleet_of(world: &World) -> spawn_core::fleet::Fleet {
    world.engine().find("tiles").await.unwrap()
}

#[test]
fn a_machine_that_ec2_takes_back_is_not_launched_again() {
    run(async {
        let world = warm().await;
        let record = launch(&world.process(), &spot(2, Fallback::None, 0)).await.unwrap().record;
        world.pass(60).await;
        let id = fleet_of(&world).await.members[0].instance_id.clone();
        let now = world.now();
        world.state().cloud.interrupt_spot(now, &id, 120_000).unwrap();
        world.pass(200).await;
        let fleet = world.engine().find("tiles").await.unwrap();
        // The scripted agents write nothing when EC2 switches them off: the rank is lost, and it stays gone.
        let states: Vec<&str> = fleet.members.iter().map(|member| member.state.as_str()).collect();
        assert_eq!((fleet.status, states, fleet.alive.len()), (Status::Running, vec!["lost", "running"], 1));
        world.engine().end(&record.fleet, jiff::SignedDuration::from_mins(5), &Operation::quiet()).await.unwrap();
        world.assert_lawful();
    });
}
