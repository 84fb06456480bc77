//! Services on spot that buy on demand what spot has no room for.

use jiff::SignedDuration;
use sandbox_cloud::model::Market;
use sandbox_cloud::scaling::{
    CreateAutoScalingGroup, GroupSettings, GroupTag, LaunchSource, Process, Request, ScalingProcesses, TemplateSpecification,
};
use sandbox_cloud::{Config, Fault};
use serde_json::{Value as Json, json};
use spawn_core::fleet::Fleet;
use spawn_core::operation::Operation;
use spawn_core::ports::Group;
use spawn_core::rerun::Wanted;
use spawn_core::service::ServicesKept;
use spawn_core::setup::Choices;
use spawn_model::error::Class;
use spawn_model::layout;
use spawn_model::record::FleetRecord;
use spawn_model::spec::{FleetKind, FleetSpec};
use spawn_model::status::Status;
use spawn_model::tag;

use crate::lasting;
use crate::markets::scarce;
use crate::services::{disarm, found, holders, resize, serve, service};
use crate::simulated::agents::Work;
use crate::simulated::door::Trouble;
use crate::simulated::view::assert_same;
use crate::simulated::{REGION, World, run};
use crate::warm;

/// A service of so many on spot for ten hours, with these fields of its market beside.
fn on_spot(size: u32, market: Json) -> FleetSpec {
    let mut all = json!({ "type": "spot", "fallback": "on_demand" });
    all.as_object_mut().unwrap().extend(market.as_object().unwrap().clone());
    service(size, json!({ "market": all, "lease": { "ttl": "10h" } }))
}

/// What one look of the watcher changes.
async fn look(world: &World) -> ServicesKept {
    let kept = world.engine().services_keep(&Operation::quiet()).await.unwrap();
    assert_eq!(kept.errors, [""; 0]);
    kept
}

/// Nothing falls back.
fn nothing() -> Vec<(String, u32)> {
    Vec::new()
}

/// So many of `tiles` are on demand from now on.
fn tiles(on_demand: u32) -> Vec<(String, u32)> {
    vec![("tiles".to_owned(), on_demand)]
}

/// How many of the ranks are on demand, and spot.
fn bought(fleet: &Fleet) -> (usize, usize) {
    let count = |market: &str| fleet.members.iter().filter(|member| member.market == market).count();
    (count("on_demand"), count("spot"))
}

async fn group(world: &World) -> Group {
    let run = found(world).await.record.run;
    world.process().aws().scaling.group(&layout::scaling_name(&run)).await.unwrap().unwrap()
}

/// How many the group has on demand in any case.
async fn base(world: &World) -> u32 {
    group(world).await.launches.on_demand_base
}

/// The instances of some ranks are lost, and their group has noticed.
async fn lose(world: &World, ranks: &[u32]) {
    let fleet = found(world).await;
    for member in fleet.members.iter().filter(|member| ranks.contains(&member.rank)) {
        let now = world.now();
        world.state().machine_off(now, &member.instance_id, true);
    }
    world.pass(120).await;
}

/// A service that was launched while there was no spot, and has fallen back wholly; by now there is some.
async fn fallen(spec: &FleetSpec) -> (World, FleetRecord) {
    let world = warm().await;
    scarce(&world, Market::Spot, 0);
    let record = serve(&world, spec).await;
    world.pass(60).await;
    assert_eq!(look(&world).await.fell_back, tiles(spec.size));
    world.pass(60).await;
    world.state().cloud.clear_faults();
    assert_eq!(bought(&found(&world).await), (spec.size as usize, 0));
    (world, record)
}

#[test]
fn what_spot_has_no_room_for_is_bought_on_demand_and_stays_so() {
    run(async {
        let world = warm().await;
        serve(&world, &on_spot(4, json!({}))).await;
        world.pass(60).await;
        assert_eq!((bought(&found(&world).await), look(&world).await.fell_back), ((0, 4), vec![]));

        scarce(&world, Market::Spot, 0);
        lose(&world, &[2, 3]).await;
        let fleet = found(&world).await;
        assert_eq!(fleet.status, Status::Launching);
        let why = "2 of 4 instances run: Could not launch Spot Instances. UnfulfillableCapacity - ";
        assert!(fleet.status_reason.starts_with(why), "{}", fleet.status_reason);
        let kept = look(&world).await;
        assert_eq!((kept.groups, kept.fell_back), (1, tiles(2)));
        assert_eq!(look(&world).await.fell_back, nothing(), "it is done");
        world.pass(300).await;
        let fleet = world.engine().examine("tiles").await.unwrap();
        assert_eq!((fleet.status, bought(&fleet)), (Status::Running, (2, 2)));
        let reason = format!("all 4 instances run until {}; 2 of 4 are on demand: spot had no capacity", fleet.deadline);
        assert_eq!((fleet.status_reason, fleet.changed), (reason, vec![]));

        world.state().cloud.clear_faults();
        world.pass(3_600).await;
        assert_eq!((look(&world).await.fell_back, bought(&found(&world).await), base(&world).await), (vec![], (2, 2), 2));
        lose(&world, &[0]).await;
        world.pass(300).await;
        assert_eq!(bought(&found(&world).await), (2, 2), "there is spot again");
        lose(&world, &[3]).await;
        world.pass(300).await;
        assert_eq!(bought(&found(&world).await), (2, 2), "what is on demand is replaced so");
        world.assert_lawful();
    });
}

/// By the law of EC2 and by that of its user.
#[test]
fn whatever_keeps_spot_from_being_had() {
    let cases = [
        ("room", json!({}), None, 0, 3),
        ("room beyond the base", json!({ "on_demand_base": 1 }), None, 1, 3),
        ("price", json!({ "max_price": 0.001 }), None, 0, 3),
        ("quota", json!({}), Some(2), 1, 2),
    ];
    for (want, market, spot_vcpu_limit, before, on_demand) in cases {
        run(async {
            let world = World::with(Config { throttle: false, spot_vcpu_limit, ..Config::default() });
            world.engine().setup(&Choices::default(), &Operation::quiet()).await.unwrap();
            if want.starts_with("room") {
                scarce(&world, Market::Spot, 0);
            }
            serve(&world, &on_spot(3, market.clone())).await;
            world.pass(60).await;
            assert_eq!(found(&world).await.alive.len(), before, "{want}");
            assert_eq!(look(&world).await.fell_back, tiles(on_demand), "{want}");
            world.pass(60).await;
            let fleet = world.engine().examine("tiles").await.unwrap();
            let of_these = if market.get("on_demand_base").is_some() { ", 1 of them in any case" } else { "" };
            let reason =
                format!("all 3 instances run until {}; {on_demand} of 3 are on demand{of_these}: spot had no capacity", fleet.deadline);
            assert_eq!((bought(&fleet).0, fleet.status_reason, fleet.changed), (on_demand as usize, reason, vec![]), "{want}");
            world.assert_lawful();
        });
    }
}

#[test]
fn nothing_else_is_a_reason_to_buy_on_demand() {
    for case in ["it may not", "it is on demand", "another error", "it tries no more", "its lease is over", "its group goes"] {
        run(async {
            let world = warm().await;
            match case {
                "it is on demand" => scarce(&world, Market::OnDemand, 0),
                "another error" => world.state().cloud.fault(Fault::error("RunInstances", "InternalError", 1_000)),
                _ => scarce(&world, Market::Spot, 0),
            }
            let spec = match case {
                "it may not" => service(3, json!({ "market": { "type": "spot" } })),
                "it is on demand" => service(3, json!({})),
                "its lease is over" => service(3, json!({ "market": { "type": "spot", "fallback": "on_demand" } })),
                _ => on_spot(3, json!({})),
            };
            let record = serve(&world, &spec).await;
            world.pass(60).await;
            let name = layout::scaling_name(&record.run);
            match case {
                "it tries no more" => {
                    let request = ScalingProcesses { name: name.clone(), processes: vec![Process::Launch] };
                    let now = world.now();
                    world.state().cloud.scale(now, REGION, Request::SuspendProcesses(request)).unwrap();
                    world.pass(2 * 3_600).await;
                }
                "its lease is over" => {
                    world.state().silence_schedules();
                    disarm(&world, &record);
                    world.pass(30 * 60).await;
                }
                "its group goes" => world.process().aws().scaling.group_delete(&name).await.unwrap(),
                _ => {}
            }
            assert_eq!(look(&world).await.fell_back, nothing(), "{case}");
            let group = world.process().aws().scaling.group(&name).await.unwrap();
            assert_eq!(group.map_or(0, |group| group.launches.on_demand_base), 0, "{case}");
        });
    }
}

/// Where on demand has no room either, nothing more is asked for, and it comes when there is some.
#[test]
fn what_cannot_be_had_at_all_comes_as_soon_as_it_can() {
    run(async {
        let world = warm().await;
        scarce(&world, Market::Spot, 0);
        scarce(&world, Market::OnDemand, 0);
        serve(&world, &on_spot(2, json!({}))).await;
        world.pass(60).await;
        assert_eq!(look(&world).await.fell_back, tiles(2));
        // Each has its turn, as long as neither has room.
        let mut turns = Vec::new();
        for _ in 0..30 {
            world.pass(120).await;
            let kept = look(&world).await;
            turns.extend(kept.fell_back.iter().map(|(_, base)| *base).chain(kept.went_back.iter().map(|(_, base)| *base)));
        }
        assert_eq!(turns[..4], [0, 2, 0, 2]);
        world.state().cloud.clear_faults();
        scarce(&world, Market::OnDemand, 0);
        for _ in 0..20 {
            world.pass(120).await;
            look(&world).await;
        }
        assert_eq!((bought(&found(&world).await), base(&world).await), ((0, 2), 0));
        world.assert_lawful();
    });
}

/// What is more is spot again, what goes takes its share with it, and nobody who stays is replaced.
#[test]
fn another_size_is_bought_as_there_is_room_and_a_smaller_one_needs_less() {
    run(async {
        let (world, _) = fallen(&on_spot(3, json!({}))).await;
        let first = found(&world).await;
        for (size, expected) in [(5, ((3, 2), 3)), (4, ((3, 1), 3)), (2, ((2, 0), 2)), (3, ((2, 1), 2)), (1, ((1, 0), 1))] {
            resize(&world, size).await.unwrap();
            world.pass(300).await;
            let fleet = world.engine().examine("tiles").await.unwrap();
            assert_eq!((bought(&fleet), base(&world).await, fleet.changed.len()), (expected.0, expected.1, 0), "{size}");
            let stay = fleet.members.len().min(expected.0.0);
            assert_eq!(holders(&fleet)[..stay], holders(&first)[..stay], "{size}");
        }
        world.assert_lawful();
    });
    run(async {
        let world = warm().await;
        serve(&world, &on_spot(4, json!({}))).await;
        world.pass(60).await;
        scarce(&world, Market::Spot, 0);
        lose(&world, &[2, 3]).await;
        look(&world).await;
        world.pass(300).await;
        world.state().cloud.clear_faults();
        let before = found(&world).await;
        resize(&world, 3).await.unwrap();
        world.pass(600).await;
        let after = found(&world).await;
        assert_eq!((bought(&after), base(&world).await), ((1, 2), 1));
        assert_eq!(holders(&after)[..], holders(&before)[..3]);
        world.assert_lawful();
    });
}

#[test]
fn another_lease_and_other_tags_leave_it_and_another_run_begins_anew() {
    run(async {
        let spec = on_spot(2, json!({}));
        let (world, record) = fallen(&spec).await;
        let engine = world.engine();
        engine.lease_change(&found(&world).await, &lasting(3_600)).await.unwrap();
        assert_eq!(base(&world).await, 2);
        engine
            .update(&found(&world).await, &FleetSpec { tags: [("owner".to_owned(), "ada".to_owned())].into(), ..spec.clone() })
            .await
            .unwrap();
        world.pass(600).await;
        let fleet = world.engine().examine("tiles").await.unwrap();
        assert_eq!((base(&world).await, bought(&fleet), fleet.changed), (2, (2, 0), vec![]));

        let again = FleetSpec { triggers: [("version".to_owned(), "2".to_owned())].into(), ..spec };
        engine.rerun(&record.fleet, &again, Wanted::ByTriggers, &Operation::quiet()).await.unwrap();
        world.pass(60).await;
        assert_eq!((base(&world).await, bought(&found(&world).await)), (0, (0, 2)));
        world.assert_lawful();
    });
}

/// It ends as every service does.
#[test]
fn what_fell_back_is_reaped_and_ended() {
    for reaped in [false, true] {
        run(async {
            let world = warm().await;
            let before = world.view();
            scarce(&world, Market::Spot, 0);
            if reaped {
                // Nothing on a machine ends it.
                world.state().agents.work = Box::new(|_| Work::Absent);
            }
            let spec = service(2, json!({ "market": { "type": "spot", "fallback": "on_demand" }, "delete_results": true }));
            let record = serve(&world, &spec).await;
            world.pass(60).await;
            look(&world).await;
            world.pass(60).await;
            if reaped {
                world.state().silence_schedules();
                disarm(&world, &record);
                world.pass(30 * 60).await;
                assert_eq!(look(&world).await.fell_back, nothing());
                let reaped = world.process().reaping().engine().reap(false, &Operation::quiet()).await;
                assert_eq!((reaped.errors.len(), reaped.groups.len(), reaped.instances.len()), (0, 1, 2));
                world.pass(60).await;
                assert_eq!(look(&world).await.groups, 0);
                return;
            }
            world.engine().end(&record.fleet, SignedDuration::from_mins(5), &Operation::quiet()).await.unwrap();
            world.pass(10).await;
            assert_eq!(look(&world).await.groups, 0);
            assert_same("ended", &world.view(), &before);
        });
    }
}

#[test]
fn what_is_not_known_or_somebody_elses_is_left_alone() {
    run(async {
        let world = warm().await;
        scarce(&world, Market::Spot, 0);
        let record = serve(&world, &on_spot(2, json!({}))).await;
        world.pass(60).await;
        // One with our tags, or those of a fleet of ours, that no run has made.
        let own = layout::scaling_name(&record.run);
        let ours = world.state().cloud.scaling_groups(REGION).find(|group| group.name == own).unwrap().clone();
        let LaunchSource::Mixed { template, overrides, distribution } = ours.source else { panic!("it is mixed") };
        let template = TemplateSpecification { version: template.version, ..TemplateSpecification::by_name(&own) };
        for (name, tags) in
            [("web", vec![(tag::MANAGED, "true")]), ("other", vec![(tag::MANAGED, "true"), (tag::FLEET, record.fleet.as_str())])]
        {
            let source =
                LaunchSource::Mixed { template: template.clone(), overrides: overrides.clone(), distribution: distribution.clone() };
            let settings = GroupSettings {
                source: Some(source),
                min_size: Some(0),
                max_size: Some(2),
                desired_capacity: Some(2),
                subnets: ours.subnets.clone(),
                ..GroupSettings::default()
            };
            let tag = |(key, value): (&str, &str)| GroupTag {
                group_name: name.to_owned(),
                key: key.to_owned(),
                value: value.to_owned(),
                propagate_at_launch: false,
            };
            let request = CreateAutoScalingGroup { name: name.to_owned(), settings, tags: tags.into_iter().map(tag).collect() };
            let now = world.now();
            world.state().cloud.scale(now, REGION, Request::CreateAutoScalingGroup(Box::new(request))).unwrap();
        }
        world.pass(60).await;
        let kept = look(&world).await;
        assert_eq!((kept.groups, kept.fell_back), (3, tiles(2)));
    });
    for damaged in [false, true] {
        run(async {
            let world = warm().await;
            scarce(&world, Market::Spot, 0);
            let lost = serve(&world, &on_spot(2, json!({}))).await;
            serve(&world, &FleetSpec { name: "other".to_owned(), ..on_spot(2, json!({})) }).await;
            world.pass(60).await;
            let (key, bucket) = (layout::fleet_key(&lost.fleet), format!("spawn-{}-{REGION}", lost.account));
            {
                let mut state = world.state();
                let objects = state.buckets.get_mut(&bucket).unwrap();
                if damaged {
                    objects.get_mut(&key).unwrap().0 = b"{".to_vec();
                } else {
                    objects.remove(&key);
                }
            }
            let process = world.process();
            let kept = process.engine().services_keep(&Operation::quiet()).await.unwrap();
            assert_eq!(kept.fell_back, vec![("other".to_owned(), 2)]);
            assert_eq!(kept.errors.len(), usize::from(damaged), "{:?}", kept.errors);
            assert!(kept.errors.iter().all(|error| error.starts_with("tiles: ")), "{:?}", kept.errors);
            assert_eq!(process.calls().iter().filter(|call| **call == "autoscaling:UpdateAutoScalingGroup").count(), 1);
        });
    }
}

/// Where nothing is missing a look is one call, beside that for the set-up.
#[test]
fn a_look_costs_next_to_nothing() {
    run(async {
        let world = warm().await;
        serve(&world, &on_spot(2, json!({}))).await;
        world.pass(60).await;
        let process = world.process();
        process.engine().services_keep(&Operation::quiet()).await.unwrap();
        assert_eq!(process.calls(), ["ssm:GetParameter", "autoscaling:DescribeAutoScalingGroups"]);
    });
}

/// Whoever may not change the group says so, and the next look tries again.
#[test]
fn a_look_that_is_refused_is_told_and_repeated() {
    run(async {
        let world = warm().await;
        scarce(&world, Market::Spot, 0);
        serve(&world, &on_spot(2, json!({}))).await;
        world.pass(60).await;
        let looked = world.process();
        looked.engine().services_keep(&Operation::quiet()).await.unwrap();
        let update = looked.calls().iter().position(|call| *call == "autoscaling:UpdateAutoScalingGroup").unwrap();

        let world = warm().await;
        scarce(&world, Market::Spot, 0);
        serve(&world, &on_spot(2, json!({}))).await;
        world.pass(60).await;
        let process = world.process().with(update, Trouble::Refused(Class::Denied));
        let kept = process.engine().services_keep(&Operation::quiet()).await.unwrap();
        assert_eq!((kept.fell_back, kept.errors.len()), (vec![], 1));
        let told = &kept.errors[0];
        assert!(
            told.starts_with("tiles: buying on demand what spot has no room for: ") && told.contains("UpdateAutoScalingGroup"),
            "{told}"
        );
        assert_eq!(look(&world).await.fell_back, tiles(2));
    });
}

#[test]
fn a_set_up_that_has_nobody_fall_back_is_told_before_anything_is_made() {
    run(async {
        let world = warm().await;
        let keys: Vec<String> = world.state().parameters.keys().cloned().collect();
        for key in keys {
            let mut state = world.state();
            let text = state.parameters.get_mut(&key).unwrap();
            let mut setup: Json = serde_json::from_str(text).unwrap();
            setup["watcher_arn"] = Json::Null;
            *text = setup.to_string();
        }
        let (before, spec) = (world.view(), on_spot(2, json!({})));
        let planned = world.engine().plan(FleetKind::Service, &spec).await.unwrap_err();
        let refused = world.engine().launch(FleetKind::Service, &spec, &Operation::quiet()).await.map(drop).unwrap_err();
        for error in [planned, refused] {
            assert_eq!((error.code.as_str(), error.path.to_string().as_str()), ("SetupOld", "market.fallback"));
            assert_eq!(error.message, "the set-up has no function that buys on demand what spot has no room for");
        }
        assert_same("refused", &world.view(), &before);
        // What does not fall back needs none.
        world.engine().plan(FleetKind::Service, &service(2, json!({ "market": { "type": "spot" } }))).await.unwrap();
    });
}

/// As an array's: whatever is on demand in the end was counted from the beginning.
#[test]
fn a_budget_counts_the_price_on_demand() {
    run(async {
        let world = warm().await;
        let rate = async |market: Json| {
            let plan = world.engine().plan(FleetKind::Service, &service(3, json!({ "market": market }))).await.unwrap();
            plan.rate.unwrap().instances_usd_per_hour
        };
        let on_demand = rate(json!({})).await;
        let cheap = rate(json!({ "type": "spot", "max_price": 0.06 })).await;
        let falling_back = rate(json!({ "type": "spot", "max_price": 0.06, "fallback": "on_demand" })).await;
        assert!((cheap - 0.18).abs() < 1e-9 && cheap < on_demand, "{cheap}");
        assert!((falling_back - on_demand).abs() < 1e-9, "{falling_back} and {on_demand}");
    });
}
