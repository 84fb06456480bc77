//! The budget: a hard stop in dollars, kept by whatever keeps the lease.

use jiff::SignedDuration;
use serde_json::json;
use spawn_core::lease::deadline_of;
use spawn_core::operation::Operation;
use spawn_core::rerun::Wanted;
use spawn_model::error::{Class, Error};
use spawn_model::spec::{FleetKind, FleetSpec, LeaseSpec};
use spawn_model::status::Status;

use crate::places::with;
use crate::simulated::{World, run};
use crate::{lasting, launch, warm};

/// Two ranks on c7i.large or c7a.large, with 8 GiB of gp3 each: at most $0.20628 an hour and $0.00178 for the disks.
fn costing(budget: f64) -> FleetSpec {
    with(2, json!({ "lease": { "ttl": "6h", "budget": budget } }))
}

async fn refused(world: &World, spec: &FleetSpec) -> Error {
    let before = world.view();
    let planned = world.engine().plan(FleetKind::JobArray, spec).await.unwrap_err();
    let error = launch(&world.process(), spec).await.err().unwrap();
    assert_eq!(error.to_string(), planned.to_string(), "plan and launch agree");
    assert_eq!((error.class, error.path.to_string().as_str()), (Class::Invalid, "lease.budget"), "{error}");
    assert_eq!(world.view().against(&before), "", "nothing was made");
    error
}

#[test]
fn a_plan_tells_what_the_whole_fleet_costs_at_most() {
    run(async {
        let world = warm().await;
        let mut told = Vec::new();
        for (what, fields) in [
            ("by its ttl", json!({ "lease": { "ttl": "6h" } })),
            ("by its budget", json!({ "lease": { "ttl": "6h", "budget": 0.5 } })),
            ("within its budget", json!({ "lease": { "ttl": "6h", "budget": 5 } })),
            ("spot with a limit", json!({ "market": { "type": "spot", "max_price": 0.05 } })),
            ("one on demand, the others spot", json!({ "size": 4, "market": { "type": "spot", "max_price": 0.05, "on_demand_base": 1 } })),
            ("with large disks", json!({ "volumes": { "/dev/sdf": { "size_gib": 900, "type": "st1" } } })),
            ("with a disk that nobody knows the price of", json!({ "root_volume": { "type": "io2", "iops": 4000 } })),
        ] {
            let plan = world.engine().plan(FleetKind::JobArray, &with(2, fields)).await.unwrap();
            let notes: Vec<&String> = plan.notes.iter().filter(|note| note.contains("budget")).collect();
            told.push(format!("{what}: {:?}, at most {:?} in {} s {notes:?}", plan.rate, plan.cost_usd_max, plan.ttl_s));
        }
        insta::assert_snapshot!("costs", told.join("\n"));
    });
}

#[test]
fn a_plan_tells_what_may_not_have_been_thought_of() {
    run(async {
        let world = warm().await;
        let mut told = Vec::new();
        for fields in [
            json!({ "lease": { "ttl": "24h" } }),
            json!({ "lease": { "ttl": "25h" } }),
            json!({ "lease": { "ttl": "3d", "idle": { "after": "1h" } } }),
            json!({ "lease": { "ttl": "3d", "budget": 500 }, "network": { "public_address": false } }),
            json!({ "lease": { "ttl": "3d", "budget": 500 }, "network": { "public_address": true } }),
        ] {
            let plan = world.engine().plan(FleetKind::JobArray, &with(2, fields.clone())).await.unwrap();
            told.push(format!("{fields}: {:?}", plan.notes));
        }
        insta::assert_snapshot!("advice", told.join("\n"));
    });
}

#[test]
fn a_fleet_ends_when_its_budget_could_be_spent() {
    run(async {
        let world = warm().await;
        let record = launch(&world.process(), &costing(0.5)).await.unwrap().record;
        let fleet = world.engine().find("tiles").await.unwrap();
        let lasts = record.asked_at.duration_until(fleet.deadline);
        assert!((SignedDuration::from_mins(140)..SignedDuration::from_mins(150)).contains(&lasts), "{lasts:?}");
        assert!(record.rate_usd_per_hour.unwrap() * lasts.as_secs_f64() / 3600.0 <= 0.5);
        world.pass(u64::try_from(lasts.as_secs()).unwrap() + 120).await;
        let fleet = world.engine().find("tiles").await.unwrap();
        assert_eq!((fleet.status, fleet.alive.len()), (Status::Expired, 0));
        world.assert_lawful();
    });
}

#[test]
fn a_budget_changes_in_place_and_comes_later_too() {
    run(async {
        let world = warm().await;
        let record = launch(&world.process(), &with(2, json!({ "lease": { "ttl": "6h" } }))).await.unwrap().record;
        assert_eq!(record.rate_usd_per_hour, None, "whoever has no budget asks for no price of one");
        let until = |world: &World| {
            let world = world.clone();
            async move { world.engine().find("tiles").await.unwrap() }
        };
        let ttl = until(&world).await.deadline;
        for (budget, earlier) in [(Some(0.5), true), (Some(0.7), true), (None, false)] {
            let wanted = LeaseSpec { budget, ..lasting(6 * 3600) };
            let deadline = world.engine().lease_change(&until(&world).await, &wanted).await.unwrap();
            let now = until(&world).await;
            assert_eq!((now.deadline, deadline_of(&now.record)), (deadline, deadline), "{budget:?}");
            assert_eq!(deadline < ttl, earlier, "{budget:?}");
        }
        let mut again = costing(0.5);
        again.triggers = [("version".to_owned(), "2".to_owned())].into();
        let again = world.engine().rerun(&record.fleet, &again, Wanted::ByTriggers, &Operation::quiet()).await.unwrap().record;
        assert!(deadline_of(&again) < again.asked_at + SignedDuration::from_mins(150));
        world.assert_lawful();
    });
}

#[test]
fn a_budget_that_cannot_be_kept_is_refused() {
    run(async {
        let world = warm().await;
        let mut told = vec![refused(&world, &costing(0.001)).await.to_string()];
        let provisioned = json!({ "lease": { "budget": 5 }, "root_volume": { "type": "io2", "iops": 4000 } });
        let snapshot = json!({ "lease": { "budget": 5 }, "volumes": { "/dev/sdf": { "snapshot": "snap-0123456789abcdef0" } } });
        for fields in [provisioned, snapshot] {
            told.push(refused(&world, &with(2, fields)).await.to_string());
        }
        world.state().priced = false;
        told.push(refused(&world, &costing(5.0)).await.to_string());
        insta::assert_snapshot!("refused", told.join("\n"));
    });
}

#[test]
fn a_root_volume_smaller_than_the_image_is_refused() {
    run(async {
        let world = warm().await;
        let error = world.engine().plan(FleetKind::JobArray, &with(1, json!({ "root_volume": { "size_gib": 2 } }))).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.path.to_string().as_str()), ("RootTooSmall", "root_volume.size_gib"));
    });
}
