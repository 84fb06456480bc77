//! Names in DNS: who has them, what they lead to, and that they go.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::{Value as Json, json};
use spawn_core::engine::Engine;
use spawn_core::operation::Operation;
use spawn_core::ports::Zone;
use spawn_core::rerun::Wanted;
use spawn_model::dns::{RecordKind, RecordSet};
use spawn_model::error::{Class, Error, Leftover};
use spawn_model::record::{FleetRecord, Keeper};
use spawn_model::spec::{FleetKind, FleetSpec};
use spawn_model::status::WaitFor;

use crate::places::with;
use crate::simulated::view::assert_same;
use crate::simulated::zones::Hosted;
use crate::simulated::{REGION, World, run};
use crate::{launch, told, warm};

/// What an array called tiles is called.
const TILES: &str = "tiles.1kpqzg2c";

/// Some more fields of an array with names.
pub(crate) fn named(size: u32, fields: Json) -> FleetSpec {
    let mut all = json!({ "dns": { "zone": "example.com" }, "lease": { "ttl": "20m" } });
    all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    with(size, all)
}

/// Makes a zone, which the default network sees if it is private.
pub(crate) async fn zone(world: &World, id: &str, name: &str, is_private: bool) {
    let vpc = world.process().aws().networks.default_subnets().await.unwrap()[0].vpc_id.clone();
    let networks = if is_private { vec![(REGION.to_owned(), vpc)] } else { Vec::new() };
    let zone = Zone { id: id.to_owned(), name: name.to_owned(), is_private, networks };
    world.state().zones.insert(id.to_owned(), Hosted { zone, records: BTreeMap::new() });
}

/// A world with the zones `example.com` and `example.org`, which the default network sees.
pub(crate) async fn zoned() -> World {
    let world = warm().await;
    zone(&world, "Z1", "example.com", true).await;
    zone(&world, "Z2", "example.org", true).await;
    world
}

/// Launches an array and waits until it runs.
pub(crate) async fn launched(world: &World, spec: &FleetSpec) -> FleetRecord {
    let launched = launch(&world.process(), spec).await.unwrap();
    launched.claim.acknowledge(Keeper::State).await.unwrap();
    waited(&world.engine(), &launched.record).await;
    launched.record
}

async fn waited(engine: &Engine, record: &FleetRecord) {
    let until = engine.now() + SignedDuration::from_mins(5);
    let waited = engine.wait(&record.fleet, WaitFor::Running, until, &Operation::quiet()).await.unwrap().unwrap();
    let notes = waited.fleet().notes;
    assert!(notes.is_empty(), "{notes:?}");
}

/// The names in a zone and how many addresses each has.
fn names(world: &World, zone: &str) -> Vec<(String, usize)> {
    let state = world.state();
    let addresses = state.zones[zone].records.values().filter(|set| set.kind == RecordKind::A);
    addresses.map(|set| (set.name.clone(), set.values.len())).collect()
}

fn of(parts: &[(&str, usize)], zone: &str) -> Vec<(String, usize)> {
    let mut all: Vec<_> = parts.iter().map(|(rank, count)| (format!("{rank}{TILES}.{zone}"), *count)).collect();
    all.sort();
    all
}

fn is_empty(world: &World, zone: &str) -> bool {
    world.state().zones[zone].records.is_empty()
}

async fn kept(world: &World) -> Vec<String> {
    world.engine().names_keep(&Operation::quiet()).await.unwrap().errors
}

async fn end(world: &World, record: &FleetRecord) {
    world.engine().end(&record.fleet, SignedDuration::from_mins(5), &Operation::quiet()).await.unwrap();
}

async fn update(world: &World, spec: &FleetSpec) -> Result<(), Error> {
    world.engine().update(&world.engine().find("tiles").await.unwrap(), spec).await
}

#[test]
fn names_follow_the_members_and_go_with_the_fleet() {
    run(async {
        let world = zoned().await;
        let before = world.view();
        let record = launched(&world, &named(3, json!({}))).await;
        assert_eq!(names(&world, "Z1"), of(&[("", 3), ("0.", 1), ("1.", 1), ("2.", 1)], "example.com"));
        let fleet = world.engine().find("tiles").await.unwrap();
        assert_eq!(fleet.report().dns_name, Some(format!("{TILES}.example.com")));
        assert_eq!(fleet.members[1].dns_name, Some(format!("1.{TILES}.example.com")));
        let of_rank = |world: &World, name: String| world.state().zones["Z1"].records[&(name, RecordKind::A)].values.clone();
        assert_eq!(of_rank(&world, format!("1.{TILES}.example.com")), [fleet.members[1].private_ip.clone()]);

        let now = world.now();
        world.state().machine_off(now, &fleet.members[1].instance_id, true);
        world.pass(120).await;
        assert_eq!(kept(&world).await, [""; 0]);
        assert_eq!(names(&world, "Z1"), of(&[("", 2), ("0.", 1), ("2.", 1)], "example.com"));

        end(&world, &record).await;
        world.pass(10).await;
        assert_same("ended", &world.view(), &before);
        assert_eq!(kept(&world).await, [""; 0]);
    });
}

#[test]
fn what_has_ended_by_itself_has_no_addresses_and_keeps_its_name() {
    run(async {
        let world = zoned().await;
        let record = launched(&world, &named(2, json!({}))).await;
        world.pass(40 * 60).await;
        assert_eq!(kept(&world).await, [""; 0]);
        assert_eq!(names(&world, "Z1"), []);
        assert!(!is_empty(&world, "Z1"), "it still says whose the name is");
        end(&world, &record).await;
        assert!(is_empty(&world, "Z1"));
    });
}

#[test]
fn an_instance_has_one_name_and_in_a_public_zone_its_public_address() {
    run(async {
        let world = warm().await;
        zone(&world, "Z9", "example.net.", false).await;
        world.state().zones.get_mut("Z9").unwrap().zone.name = "example.net".to_owned();
        let spec = FleetSpec { command: Vec::new(), ..named(1, json!({ "dns": { "zone": "Z9" }, "network": { "public_address": true } })) };
        let launch = world.engine().launch(FleetKind::Instance, &spec, &Operation::quiet()).await.unwrap();
        waited(&world.engine(), &launch.record).await;
        assert_eq!(names(&world, "Z9"), of(&[("", 1)], "example.net"));
        let fleet = world.engine().find("tiles").await.unwrap();
        let address = world.state().zones["Z9"].records[&(format!("{TILES}.example.net"), RecordKind::A)].values.clone();
        assert_eq!(Some(&address[0]), fleet.members[0].public_ip.as_ref());
        assert_ne!(address[0], fleet.members[0].private_ip);
        assert_eq!(fleet.members[0].dns_name, Some(format!("{TILES}.example.net")));
    });
}

#[test]
fn two_fleets_cannot_have_one_name() {
    run(async {
        let world = zoned().await;
        let own = format!("{TILES}.example.com");
        for (kind, value) in [(RecordKind::Txt, "\"spawn fleet-0000000000000000 eu-west-1\""), (RecordKind::A, "10.9.9.9")] {
            let set = RecordSet { name: own.clone(), kind, ttl_s: 60, values: vec![value.to_owned()] };
            world.state().zones.get_mut("Z1").unwrap().records.insert((own.clone(), kind), set);
            let before = world.view();
            let planned = world.engine().plan(FleetKind::JobArray, &named(2, json!({}))).await.unwrap_err();
            let refused = launch(&world.process(), &named(2, json!({}))).await.err().unwrap();
            assert_eq!((refused.code.as_str(), refused.class, &refused.left), ("DnsNameInUse", Class::Conflict, &Leftover::Clear));
            assert_eq!(planned.message, refused.message.replace("claiming the name in DNS: ", ""));
            assert!(planned.message.contains(value), "{planned}");
            assert_same("refused", &world.view(), &before);
            world.state().zones.get_mut("Z1").unwrap().records.clear();
        }
    });
}

#[test]
fn zones_that_cannot_be_used() {
    run(async {
        let world = zoned().await;
        zone(&world, "Z3", "example.com", false).await;
        zone(&world, "Z4", "example.net", false).await;
        zone(&world, "Z5", "example.info", true).await;
        world.state().zones.get_mut("Z5").unwrap().zone.networks = vec![(REGION.to_owned(), "vpc-0".to_owned())];
        let long = format!("{}.com", ["a".repeat(60).as_str(); 4].join("."));
        zone(&world, "Z6", &long, true).await;
        let before = world.view();
        let mut refusals = Vec::new();
        for zone in ["nowhere.example", "Z0", "example.com", "example.net", "example.info", "Z6"] {
            let spec = named(2, json!({ "dns": { "zone": zone }, "network": { "public_address": false } }));
            let error = world.engine().plan(FleetKind::JobArray, &spec).await.unwrap_err();
            assert_eq!((error.class, error.path.to_string().as_str()), (Class::Invalid, "dns.zone"), "{error}");
            let vpc = world.state().zones["Z1"].zone.networks[0].1.clone();
            refusals.push(format!("{}: {error}", error.code).replace(&vpc, "VPC").replace(&long, "LONG"));
        }
        assert_same("refused", &world.view(), &before);
        let subnets = world.process().aws().networks.default_subnets().await.unwrap();
        let text = subnets.iter().fold(refusals.join("\n"), |text, subnet| text.replace(&subnet.id, "SUBNET"));
        insta::assert_snapshot!("zones", text);
    });
}

#[test]
fn names_are_given_moved_and_taken_away_while_a_fleet_lives() {
    run(async {
        let world = zoned().await;
        let without = FleetSpec { dns: None, ..named(2, json!({})) };
        let record = launched(&world, &without).await;
        let all = [("", 2), ("0.", 1), ("1.", 1)];
        update(&world, &named(2, json!({}))).await.unwrap();
        assert_eq!(names(&world, "Z1"), of(&all, "example.com"));
        let elsewhere = named(2, json!({ "dns": { "zone": "example.org" } }));
        update(&world, &elsewhere).await.unwrap();
        assert!(is_empty(&world, "Z1"));
        assert_eq!(names(&world, "Z2"), of(&all, "example.org"));
        update(&world, &named(2, json!({}))).await.unwrap();
        assert!(is_empty(&world, "Z2"));
        assert_eq!(names(&world, "Z1"), of(&all, "example.com"));
        assert_eq!(kept(&world).await, [""; 0]);
        update(&world, &without).await.unwrap();
        assert!(is_empty(&world, "Z1"));
        assert_eq!(world.engine().find("tiles").await.unwrap().report().dns_name, None);
        end(&world, &record).await;
    });
}

#[test]
fn who_has_lost_a_name_writes_nothing_there_until_it_is_claimed_again() {
    run(async {
        let world = zoned().await;
        let spec = named(2, json!({}));
        let record = launched(&world, &spec).await;
        world.pass(400).await;
        let key = (format!("{TILES}.example.com"), RecordKind::Txt);
        let own = world.state().zones.get_mut("Z1").unwrap().records.remove(&key).unwrap();
        let fleet = world.engine().find("tiles").await.unwrap();
        let now = world.now();
        world.state().machine_off(now, &fleet.members[1].instance_id, true);
        world.pass(120).await;
        for other in [None, Some("\"somebody else's\"")] {
            if let Some(other) = other {
                let set = RecordSet { values: vec![other.to_owned()], ..own.clone() };
                world.state().zones.get_mut("Z1").unwrap().records.insert(key.clone(), set);
            }
            let before = world.view();
            let errors = kept(&world).await;
            assert!(errors.len() == 1 && errors[0].contains("is not this fleet's any more"), "{errors:?}");
            assert_same("kept", &world.view(), &before);
            let seen = world.engine().examine("tiles").await.unwrap().stranger;
            assert!(seen.as_ref().is_some_and(|seen| other.is_none_or(|other| seen == other)), "{seen:?}");
        }
        let refused = update(&world, &spec).await.unwrap_err();
        assert_eq!(refused.code, "DnsNameInUse");
        insta::assert_snapshot!("taken", told(&refused, &record));
        world.state().zones.get_mut("Z1").unwrap().records.clear();
        update(&world, &spec).await.unwrap();
        assert_eq!(names(&world, "Z1"), of(&[("", 1), ("0.", 1)], "example.com"));
        assert_eq!(world.engine().examine("tiles").await.unwrap().stranger, None);
        end(&world, &record).await;
        assert!(is_empty(&world, "Z1"));
    });
}

#[test]
fn a_run_again_may_have_another_name() {
    run(async {
        let world = zoned().await;
        let record = launched(&world, &named(2, json!({}))).await;
        let again = named(3, json!({ "dns": { "zone": "Z2" }, "triggers": { "version": "2" } }));
        let ran = world.engine().rerun(&record.fleet, &again, Wanted::ByTriggers, &Operation::quiet()).await.unwrap();
        waited(&world.engine(), &ran.record).await;
        assert!(is_empty(&world, "Z1"));
        assert_eq!(names(&world, "Z2"), of(&[("", 3), ("0.", 1), ("1.", 1), ("2.", 1)], "example.org"));
        end(&world, &record).await;
        assert!(is_empty(&world, "Z2"));
    });
}

#[test]
fn a_zone_that_is_gone_keeps_nothing_from_ending() {
    run(async {
        let world = zoned().await;
        let record = launched(&world, &named(2, json!({}))).await;
        world.state().zones.remove("Z1");
        assert_eq!(kept(&world).await.len(), 1);
        end(&world, &record).await;
        assert!(world.engine().find("tiles").await.is_err());
        assert_eq!(kept(&world).await, [""; 0]);
    });
}

/// Whoever keeps names right may be in the middle of it when the fleet ends: whatever comes first, no name is left.
#[test]
fn nothing_is_written_after_the_end() {
    run(async {
        for delay_ms in (0..2_000).step_by(50) {
            let world = zoned().await;
            let record = launched(&world, &named(2, json!({}))).await;
            // There is something to be written.
            let ranks: Vec<_> = world.state().zones["Z1"].records.keys().filter(|(_, kind)| *kind == RecordKind::A).cloned().collect();
            ranks.iter().for_each(|key| drop(world.state().zones.get_mut("Z1").unwrap().records.remove(key)));
            let engine = world.engine();
            let keep = async {
                tokio::time::sleep(std::time::Duration::from_millis(delay_ms)).await;
                engine.names_keep(&Operation::quiet()).await.unwrap();
            };
            tokio::join!(end(&world, &record), keep);
            assert!(is_empty(&world, "Z1"), "kept {delay_ms} ms after the end began");
        }
    });
}

#[test]
fn many_names_take_few_changes() {
    run(async {
        let world = zoned().await;
        let launched = launch(&world.process(), &named(1_000, json!({}))).await.unwrap();
        world.pass(120).await;
        let process = world.process();
        process.engine().names_keep(&Operation::quiet()).await.unwrap();
        let changes = process.calls().iter().filter(|call| **call == "route53:ChangeResourceRecordSets").count();
        assert_eq!((names(&world, "Z1").len(), changes), (1_001, 3));
        let again = world.process();
        again.engine().names_keep(&Operation::quiet()).await.unwrap();
        assert!(!again.calls().contains(&"route53:ChangeResourceRecordSets"), "there is nothing to change");
        end(&world, &launched.record).await;
        assert!(is_empty(&world, "Z1"));
    });
}
