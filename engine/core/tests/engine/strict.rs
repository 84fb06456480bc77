//! Strict plans: what AWS tries of a launch before anything is made, and what the account's quotas leave.

use std::collections::BTreeSet;

use futures::future::join_all;
use sandbox_cloud::{Config, Fault};
use serde_json::json;
use spawn_core::operation::Operation;
use spawn_core::ports::Result;
use spawn_core::rehearsal::Checked;
use spawn_core::setup::Choices;
use spawn_model::error::{Class, Error};
use spawn_model::market::Fallback;
use spawn_model::spec::{FleetKind, FleetSpec};

use crate::markets::spot;
use crate::places::with;
use crate::services::service;
use crate::simulated::door::{Process, Trouble};
use crate::simulated::view::assert_same;
use crate::simulated::{World, run};
use crate::{array, launch, warm};

const RUN: &str = "ec2:RunInstances DryRun";
const GROUP: &str = "ec2:CreateSecurityGroup DryRun";
const QUOTA: &str = "servicequotas:GetServiceQuota";

/// Another fleet than the one that is there.
fn other(spec: FleetSpec) -> FleetSpec {
    FleetSpec { name: "other".to_owned(), ..spec }
}

async fn check_of(process: &Process, kind: FleetKind, spec: &FleetSpec) -> Result<Checked> {
    process.engine().check_strictly(kind, spec, &BTreeSet::new()).await
}

async fn check(process: &Process, spec: &FleetSpec) -> Result<Checked> {
    check_of(process, FleetKind::JobArray, spec).await
}

/// What a process asked for beside looking.
fn tried(process: &Process) -> Vec<&'static str> {
    process.calls().into_iter().filter(|call| call.ends_with("DryRun")).collect()
}

/// A check in which the first call of this name is denied.
async fn denied(world: &World, kind: FleetKind, spec: &FleetSpec, call: &str) -> Result<Checked> {
    let quiet = world.process();
    check_of(&quiet, kind, spec).await.unwrap();
    let n = quiet.calls().iter().position(|made| *made == call).unwrap();
    check_of(&world.process().with(n, Trouble::Refused(Class::Denied)), kind, spec).await
}

/// A world with a fleet in it, whose group and role may stand for those of others.
async fn inhabited() -> World {
    let world = warm().await;
    launch(&world.process(), &array(1)).await.unwrap();
    world.pass(60).await;
    world
}

#[test]
fn nothing_is_made_and_what_could_not_be_tried_is_told() {
    run(async {
        let world = warm().await;
        let before = world.view();
        let process = world.process();
        let alone = check(&process, &array(8)).await.unwrap();
        assert_eq!(tried(&process), [GROUP, RUN]);
        let untold = denied(&world, FleetKind::JobArray, &array(8), RUN).await.unwrap();
        assert_same("after trying", &world.view(), &before);
        let world = inhabited().await;
        assert_eq!(check(&world.process(), &other(array(8))).await.unwrap(), Checked::default());
        insta::assert_snapshot!("untried", [alone.untried, untold.untried].concat().join("\n").replace(vpc(&world).await.as_str(), "VPC"));
    });
}

async fn vpc(world: &World) -> String {
    world.process().aws().networks.default_subnets().await.unwrap().remove(0).vpc_id
}

#[test]
fn a_set_up_that_is_not_there_yet_keeps_nothing_from_being_tried() {
    run(async {
        let world = World::new();
        let before = world.view();
        let process = world.process();
        check(&process, &array(2)).await.unwrap();
        assert_eq!(tried(&process), [GROUP, RUN]);
        assert_same("after trying", &world.view(), &before);
    });
}

#[test]
fn who_may_not_is_told_before_anything_is_made() {
    run(async {
        let world = inhabited().await;
        let before = world.view();
        let placed = other(with(2, json!({ "placement": "spread" })));
        let served = other(service(2, json!({})));
        let mut told = Vec::new();
        for (kind, spec) in [(FleetKind::JobArray, placed), (FleetKind::Service, served)] {
            let quiet = world.process();
            check_of(&quiet, kind, &spec).await.unwrap();
            for call in tried(&quiet) {
                let error = denied(&world, kind, &spec, call).await.unwrap_err();
                assert_eq!(error.class, Class::Denied, "{call}");
                told.push(error.to_string());
            }
            world.engine().check(kind, &spec, &BTreeSet::new()).await.unwrap();
        }
        assert_same("after trying", &world.view(), &before);
        insta::assert_snapshot!("tried_and_denied", told.join("\n"));
    });
}

#[test]
fn each_market_is_tried_once_and_what_ec2_has_not_is_passed_over() {
    run(async {
        let world = inhabited().await;
        for (spec, times) in
            [(array(4), 1), (spot(4, Fallback::None, 0), 1), (spot(4, Fallback::OnDemand, 0), 2), (spot(4, Fallback::None, 2), 2)]
        {
            let process = world.process();
            check(&process, &other(spec)).await.unwrap();
            assert_eq!(tried(&process).iter().filter(|call| **call == RUN).count(), times);
        }
        for (code, refusals, times, told) in [("Unsupported", 1, 2, 1), ("Unsupported", 9, 3, 3), ("VcpuLimitExceeded", 1, 2, 1)] {
            world.state().cloud.fault(Fault::error("RunInstances", code, refusals));
            let process = world.process();
            let checked = check(&process, &other(array(2))).await.unwrap();
            assert_eq!(tried(&process).iter().filter(|call| **call == RUN).count(), times, "{code}");
            let of_pools = checked.untried.iter().filter(|note| note.starts_with("c7i.large in us-east-1"));
            assert_eq!(of_pools.count(), told, "{code}");
            world.state().cloud.clear_faults();
        }
    });
}

/// EC2 lets an account make five of such calls at once, and then two a second.
#[test]
fn many_at_once_wait_for_their_turns() {
    run(async {
        let world = World::with(Config { throttle: true, ..Config::default() });
        world.engine().setup(&Choices::default(), &Operation::quiet()).await.unwrap();
        let (process, spec) = (world.process(), array(1));
        let checks = join_all((0..9).map(|_| check(&process, &spec))).await;
        assert!(checks.iter().all(Result::is_ok), "{checks:?}");
        assert!(tried(&process).iter().filter(|call| **call == RUN).count() > 9);
    });
}

#[test]
fn what_is_wrong_with_a_launch_is_blamed_on_its_field() {
    run(async {
        let world = inhabited().await;
        world.state().cloud.fault(Fault::error("RunInstances", "InvalidSubnetID.NotFound", 1));
        let error = check(&world.process(), &other(array(2))).await.unwrap_err();
        assert_eq!((error.class, error.path.to_string().as_str()), (Class::NotFound, "network.subnets"), "{error}");
    });
}

#[test]
fn what_runs_again_is_tried_with_its_own_group_and_role() {
    run(async {
        let world = inhabited().await;
        launch(&world.process(), &other(array(1))).await.unwrap();
        world.pass(60).await;
        let fleet = world.engine().find("tiles").await.unwrap().record.fleet;
        let before = world.view();
        let process = world.process();
        let spec = FleetSpec { triggers: [("version".to_owned(), "2".to_owned())].into(), ..array(1) };
        assert_eq!(process.engine().check_rerun(&fleet, &spec).await.unwrap(), Checked::default());
        assert_eq!(tried(&process), [RUN], "its group is there");
        let n = process.calls().iter().position(|call| *call == RUN).unwrap();
        let process = world.process().with(n, Trouble::Refused(Class::Denied));
        assert_eq!(process.engine().check_rerun(&fleet, &spec).await.unwrap_err().class, Class::Denied);
        assert_same("after trying", &world.view(), &before);
    });
}

#[test]
fn a_plan_that_only_looks_tries_nothing() {
    run(async {
        let world = inhabited().await;
        let process = world.process();
        process.engine().check(FleetKind::JobArray, &other(array(2)), &BTreeSet::new()).await.unwrap();
        let plan = process.engine().plan(FleetKind::JobArray, &other(array(2))).await.unwrap();
        assert_eq!((tried(&process), process.calls().contains(&QUOTA)), (Vec::new(), false));
        assert_eq!(world.engine().plan_strictly(FleetKind::JobArray, &other(array(2))).await.unwrap(), plan, "there is nothing to add");
    });
}

/// A world with so many vCPUs on demand.
async fn limited(vcpus: u32) -> World {
    let world = World::with(Config { throttle: false, on_demand_vcpu_limit: Some(vcpus), ..Config::default() });
    world.engine().setup(&Choices::default(), &Operation::quiet()).await.unwrap();
    world
}

fn too_small(checked: Result<Checked>) -> Error {
    let error = checked.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (Class::Quota, "QuotaTooSmall"), "{error}");
    error
}

#[test]
fn what_the_quotas_have_no_room_for_is_refused() {
    run(async {
        let world = limited(6).await;
        let engine = world.engine();
        check(&world.process(), &array(3)).await.unwrap();
        check(&world.process(), &FleetSpec { min_size: Some(3), ..array(8) }).await.unwrap();
        let many = too_small(check(&world.process(), &array(4)).await);
        engine.check(FleetKind::JobArray, &array(4), &BTreeSet::new()).await.unwrap();
        let dear = with(1, json!({ "instance_types": ["c7i.4xlarge"] }));
        let large = too_small(check(&world.process(), &dear).await);

        let fleet = launch(&world.process(), &array(2)).await.unwrap().record.fleet;
        world.pass(60).await;
        let beside = too_small(check(&world.process(), &other(array(2))).await);
        // What it takes the place of is gone by then.
        engine.check_strictly(FleetKind::JobArray, &array(3), &BTreeSet::from([fleet.clone()])).await.unwrap();
        engine.check_rerun(&fleet, &array(3)).await.unwrap();
        // As spot it counts against another quota.
        check(&world.process(), &other(spot(2, Fallback::None, 0))).await.unwrap();
        check(&world.process(), &other(spot(4, Fallback::OnDemand, 0))).await.unwrap();
        too_small(check(&world.process(), &other(spot(4, Fallback::None, 2))).await);
        insta::assert_snapshot!("quotas_too_small", [many, large, beside].map(|error| error.to_string()).join("\n"));
    });
}

#[test]
fn quotas_that_may_not_be_looked_at_refuse_nothing() {
    run(async {
        let world = limited(2).await;
        let quiet = world.process();
        too_small(check(&quiet, &array(4)).await);
        let n = quiet.calls().iter().position(|call| *call == QUOTA).unwrap();
        let process = world.process().with(n, Trouble::Refused(Class::Denied));
        let checked = check(&process, &array(4)).await.unwrap();
        let told: Vec<&String> = checked.untried.iter().filter(|note| note.contains("quotas")).collect();
        insta::assert_debug_snapshot!("quotas_not_looked_at", told);
    });
}
