//! Instance types by what they have.

use sandbox_cloud::Fault;
use serde_json::{Value as Json, json};
use spawn_core::operation::Operation;
use spawn_core::rerun::Wanted;
use spawn_model::error::Class;
use spawn_model::record::FleetRecord;
use spawn_model::rules::read_spec;
use spawn_model::spec::{FleetKind, FleetSpec};

use crate::simulated::door::Trouble;
use crate::simulated::{World, run};
use crate::{launch, warm};

fn requiring(requirements: Json, more: Json) -> FleetSpec {
    let mut value = json!({ "name": "tiles", "size": 2, "requirements": requirements, "command": ["./render"] });
    for (field, content) in more.as_object().unwrap() {
        value[field] = content.clone();
    }
    let (spec, problems) = read_spec(FleetKind::JobArray, &value.into());
    assert_eq!(problems, []);
    spec.unwrap()
}

fn small() -> FleetSpec {
    requiring(json!({ "vcpu": "2..4", "memory_gib": "4..8" }), json!({}))
}

/// What an hour of a type costs on demand.
async fn price(world: &World, name: &str) -> f64 {
    world.process().aws().prices.on_demand_usd_per_hour(crate::simulated::REGION, name).await.unwrap().unwrap()
}

#[test]
fn the_cheapest_type_that_fits_is_asked_first() {
    run(async {
        let world = warm().await;
        let plan = world.engine().plan(FleetKind::JobArray, &small()).await.unwrap();
        assert!((2..=20).contains(&plan.instance_types.len()), "{:?}", plan.instance_types);
        let mut prices = Vec::new();
        for name in &plan.instance_types {
            prices.push(price(&world, name).await);
        }
        assert!(prices.is_sorted(), "{prices:?} of {:?}", plan.instance_types);
        let record = launch(&world.process(), &small()).await.unwrap().record;
        assert_eq!(record.instance_types, plan.instance_types);
        assert_eq!(world.state().launch_of(&record.run).unwrap().instance_type, plan.instance_types[0]);
        let told: Vec<&str> = plan.instance_types.iter().map(String::as_str).collect();
        insta::assert_snapshot!("small_types", told.join(" "));
    });
}

#[test]
fn spot_goes_by_what_spot_costs_and_arm_is_arm() {
    run(async {
        let world = warm().await;
        let spot = requiring(json!({ "vcpu": 2, "architecture": "arm64" }), json!({ "market": { "type": "spot" } }));
        let plan = world.engine().plan(FleetKind::JobArray, &spot).await.unwrap();
        let prices = world.process().aws().instances.spot_prices(&plan.instance_types, world.now()).await.unwrap();
        let lowest = |name: &String| {
            let of = prices.iter().filter(|price| price.instance_type == *name).map(|price| price.usd_per_hour);
            of.fold(f64::INFINITY, f64::min)
        };
        assert!(plan.instance_types.iter().map(lowest).is_sorted(), "{:?}", plan.instance_types);
        assert!(plan.instance_types.iter().all(|name| name.contains("g.") || name.contains("gd.") || name.contains("gn.")), "{plan:?}");
    });
}

#[test]
fn a_full_type_is_passed_over() {
    run(async {
        let world = warm().await;
        let first = world.engine().plan(FleetKind::JobArray, &small()).await.unwrap().instance_types;
        let full = Some(first[0].clone());
        world.state().cloud.fault(Fault::Capacity { region: None, zone: None, instance_type: full, market: None, above: 0 });
        launch(&world.process(), &small()).await.unwrap();
        world.pass(30).await;
        let fleet = world.engine().find("tiles").await.unwrap();
        assert!(fleet.members.iter().all(|member| member.instance_type == first[1]), "{:?}", fleet.members);
    });
}

/// Prices change, and a launch that is gone on with asks where it began.
#[test]
fn a_run_is_launched_from_the_types_it_began_with() {
    run(async {
        let world = warm().await;
        let calls = {
            let process = world.process();
            launch(&process, &FleetSpec { name: "other".to_owned(), ..small() }).await.unwrap();
            process.calls()
        };
        let asked = calls.iter().position(|call| *call == "ec2:RunInstances").unwrap();
        let dying = world.process().with(asked, Trouble::DiesAfter);
        assert!(dying.live(launch(&dying, &small())).await.is_none());
        // Without prices the order is another one.
        world.state().priced = false;
        let unpriced = world.engine().plan(FleetKind::JobArray, &small()).await.unwrap().instance_types;
        let record: FleetRecord = launch(&world.process(), &small()).await.unwrap().record;
        assert_ne!(record.instance_types, unpriced);
        world.pass(30).await;
        assert_eq!(world.view().count("instance rank 0"), 2, "one of each fleet");
        world.assert_lawful();

        let fleet = world.engine().find("tiles").await.unwrap().record.fleet;
        let again = FleetSpec { triggers: [("version".to_owned(), "2".to_owned())].into(), ..small() };
        let again = world.engine().rerun(&fleet, &again, Wanted::ByTriggers, &Operation::quiet()).await.unwrap();
        assert_eq!(again.record.instance_types, record.instance_types);
    });
}

#[test]
fn whoever_only_checks_asks_for_no_price() {
    run(async {
        let world = warm().await;
        let process = world.process();
        let own = std::collections::BTreeSet::new();
        process.engine().check(FleetKind::JobArray, &small(), &own).await.unwrap();
        assert!(!process.calls().iter().any(|call| call.starts_with("pricing:")), "{:?}", process.calls());
    });
}

#[test]
fn a_requirement_that_no_type_meets_is_refused() {
    run(async {
        let world = warm().await;
        let before = world.view();
        let mut told = Vec::new();
        for (requirements, more) in [
            (json!({ "vcpu": 3 }), json!({})),
            (json!({ "vcpu": "2..4", "memory_gib": "1000..", "architecture": "arm64" }), json!({})),
            (json!({ "gpu": "64.." }), json!({ "market": { "type": "spot" } })),
            (json!({ "vcpu": 2, "exclude": ["*"] }), json!({})),
        ] {
            let spec = requiring(requirements, more);
            let error = launch(&world.process(), &spec).await.err().unwrap();
            assert_eq!((error.class, error.path.to_string().as_str()), (Class::Invalid, "requirements"), "{error}");
            told.push(error.to_string());
        }
        assert_eq!(world.view().against(&before), "", "nothing was made");
        insta::assert_snapshot!("no_type", told.join("\n"));
    });
}
