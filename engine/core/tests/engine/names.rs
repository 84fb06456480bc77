//! Names in DNS: who has them, what they lead to, and that they go.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::{Value as Json, json};
use spawn_core::engine::Engine;
use spawn_core::operation::Operation;
use spawn_core::ports::Zone;
use spawn_core::rerun::Wanted;
use spawn_model::dns::{self, Holder, RecordKind, RecordSet};
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
    let networks = if is_private { vec![vpc] } else { Vec::new() };
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
    assert_eq!(waited.fleet().unnamed, None);
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

/// The machine of rank 1 is lost.
async fn lose_one(world: &World) {
    let fleet = world.engine().find("tiles").await.unwrap();
    let now = world.now();
    world.state().machine_off(now, &fleet.members[1].instance_id, true);
    world.pass(120).await;
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

        lose_one(&world).await;
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
        world.state().zones.get_mut("Z5").unwrap().zone.networks = vec!["vpc-0".to_owned()];
        let long = format!("{}.com", ["a".repeat(60).as_str(); 4].join("."));
        zone(&world, "Z6", &long, true).await;
        let before = world.view();
        let mut refusals = Vec::new();
        for zone in ["nowhere.example", "Z0", "example.com", "example.net", "example.info", "Z6"] {
            let spec = named(2, json!({ "dns": { "zone": zone }, "network": { "public_address": false } }));
            let error = world.engine().plan(FleetKind::JobArray, &spec).await.unwrap_err();
            assert_eq!((error.class, error.path.to_string().as_str()), (Class::Invalid, "dns.zone"), "{error}");
            let vpc = world.state().zones["Z1"].zone.networks[0].clone();
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
        lose_one(&world).await;
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
            assert_eq!(
                seen.as_deref(),
                Some(if other.is_some() { "it is taken: \"somebody else's\"" } else { "nothing in the zone says whose it is" })
            );
        }
        let refused = update(&world, &spec).await.unwrap_err();
        assert_eq!(refused.code, "DnsNameInUse");
        insta::assert_snapshot!("taken", told(&refused, &record));
        // What it has written itself is in nobody's way.
        world.state().zones.get_mut("Z1").unwrap().records.remove(&key);
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

/// Whoever keeps names right may be in the middle of it when the fleet ends: whatever comes first, no name is left. His change comes at every moment of
/// the end, and as late as half a minute after it.
#[test]
fn nothing_is_written_after_the_end() {
    run(async {
        let mut written = 0;
        for delay_ms in (0..6_000).step_by(20).chain([30_000]) {
            let world = zoned().await;
            let record = launched(&world, &named(2, json!({}))).await;
            let zone = world.state().zones["Z1"].records.clone();
            // There is something to be written.
            world.state().zones.get_mut("Z1").unwrap().records.retain(|(_, kind), _| *kind == RecordKind::Txt);
            let seen: Vec<RecordSet> = world.state().zones["Z1"].records.values().cloned().collect();
            let place = record.dns.clone().unwrap();
            let wanted: Vec<RecordSet> = zone.values().filter(|set| set.kind == RecordKind::A).cloned().collect();
            let Holder::Own(claim) = dns::holder(&place, &record.fleet, REGION, &seen) else { panic!("it is its own") };
            let batches = dns::held_batches(&claim, dns::changes(&place, &wanted, &seen));
            let late = async {
                tokio::time::sleep(std::time::Duration::from_millis(delay_ms)).await;
                world.process().aws().zones.change("Z1", &batches[0]).await.is_ok()
            };
            let ((), done) = tokio::join!(end(&world, &record), late);
            written += u32::from(done);
            assert!(is_empty(&world, "Z1"), "written {delay_ms} ms after the end began: {done}");
        }
        assert!((1..300).contains(&written), "some came in time, and some did not: {written}");
    });
}

#[test]
fn a_name_is_not_given_up_for_one_that_is_taken() {
    run(async {
        let world = zoned().await;
        let record = launched(&world, &named(2, json!({}))).await;
        let taken = format!("{TILES}.example.org");
        let set = RecordSet { name: taken.clone(), kind: RecordKind::Txt, ttl_s: 60, values: vec!["\"somebody else's\"".to_owned()] };
        world.state().zones.get_mut("Z2").unwrap().records.insert((taken, RecordKind::Txt), set);
        let elsewhere = json!({ "dns": { "zone": "Z2" } });
        assert_eq!(update(&world, &named(2, elsewhere.clone())).await.unwrap_err().code, "DnsNameInUse");
        assert_eq!(kept(&world).await, [""; 0]);
        assert_eq!(names(&world, "Z1"), of(&[("", 2), ("0.", 1), ("1.", 1)], "example.com"));

        // Nor does anything end for a run that cannot have it.
        let again = named(2, json!({ "dns": { "zone": "Z2" }, "triggers": { "version": "2" } }));
        let refused = world.engine().rerun(&record.fleet, &again, Wanted::ByTriggers, &Operation::quiet()).await.err().unwrap();
        assert_eq!(refused.code, "DnsNameInUse");
        let fleet = world.engine().find("tiles").await.unwrap();
        assert_eq!((fleet.alive.len(), fleet.record.run), (2, record.run.clone()));
        assert_eq!(kept(&world).await, [""; 0]);
        end(&world, &record).await;
        assert!(is_empty(&world, "Z1"));
        assert_eq!(world.state().zones["Z2"].records.len(), 1, "what is somebody else's stays");
    });
}

#[test]
fn a_launch_that_died_is_gone_on_with_though_it_has_the_name() {
    run(async {
        let world = zoned().await;
        let process = world.process();
        let dead = launch(&process, &named(2, json!({}))).await.unwrap();
        drop(dead.kept_alive);
        process.kill();
        world.state().bury_launchers();
        world.engine().plan(FleetKind::JobArray, &named(2, json!({}))).await.unwrap();
        let record = launched(&world, &named(2, json!({}))).await;
        assert_eq!(record.fleet, dead.record.fleet);
        end(&world, &record).await;
        assert!(is_empty(&world, "Z1"));
    });
}

#[test]
fn what_somebody_puts_beside_a_claim_is_no_harm_and_stays() {
    run(async {
        let world = zoned().await;
        let record = launched(&world, &named(2, json!({}))).await;
        let key = (format!("{TILES}.example.com"), RecordKind::Txt);
        {
            let mut state = world.state();
            let set = state.zones.get_mut("Z1").unwrap().records.get_mut(&key).unwrap();
            set.ttl_s = 300;
            set.values.push("\"v=spf1 -all\"".to_owned());
        }
        lose_one(&world).await;
        assert_eq!(kept(&world).await, [""; 0]);
        assert_eq!(names(&world, "Z1"), of(&[("", 1), ("0.", 1)], "example.com"));
        end(&world, &record).await;
        let left: Vec<RecordSet> = world.state().zones["Z1"].records.values().cloned().collect();
        assert_eq!((left.len(), left[0].values.clone()), (1, vec!["\"v=spf1 -all\"".to_owned()]));
    });
}

#[test]
fn names_of_a_fleet_whose_records_are_lost_are_taken_away() {
    run(async {
        let world = zoned().await;
        let record = launched(&world, &named(2, json!({}))).await;
        let prefix = format!("fleets/{}/", record.fleet);
        world.state().buckets.values_mut().for_each(|objects| objects.retain(|key, _| !key.starts_with(&prefix)));
        assert_eq!(kept(&world).await, [""; 0]);
        assert!(is_empty(&world, "Z1"));
        assert!(world.state().buckets.values().flatten().all(|(key, _)| !key.starts_with("names/.dns/")));
    });
}

#[test]
fn a_zone_that_was_made_again_is_found_again() {
    run(async {
        let world = zoned().await;
        let spec = named(2, json!({}));
        let record = launched(&world, &spec).await;
        world.state().zones.remove("Z1");
        zone(&world, "Z7", "example.com", true).await;
        update(&world, &spec).await.unwrap();
        assert_eq!(names(&world, "Z7").len(), 3);
        assert_eq!(kept(&world).await, [""; 0]);
        end(&world, &record).await;
        assert!(is_empty(&world, "Z7"));
    });
}

#[test]
fn a_set_up_that_keeps_no_names_right_gives_none() {
    run(async {
        let world = zoned().await;
        let keys: Vec<String> = world.state().parameters.keys().cloned().collect();
        for key in keys {
            let mut state = world.state();
            let text = state.parameters.get_mut(&key).unwrap();
            let mut setup: Json = serde_json::from_str(text).unwrap();
            setup["watcher_arn"] = Json::Null;
            *text = setup.to_string();
        }
        let refused = world.engine().plan(FleetKind::JobArray, &named(2, json!({}))).await.unwrap_err();
        assert_eq!(
            (refused.code.as_str(), refused.message.as_str()),
            ("SetupOld", "the set-up has no function that keeps names in DNS right")
        );
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
        assert_eq!(process.calls().iter().filter(|call| **call == "route53:ListResourceRecordSets").count(), 1);
        let again = world.process();
        again.engine().names_keep(&Operation::quiet()).await.unwrap();
        assert!(!again.calls().contains(&"route53:ChangeResourceRecordSets"), "there is nothing to change");
        end(&world, &launched.record).await;
        assert!(is_empty(&world, "Z1"));
    });
}
