//! Specs from text, and the hash by which a launch recognises its own.

use proptest::collection::btree_map;
use proptest::prelude::*;
use spawn_model::duration::Seconds;
use spawn_model::rules::read_spec;
use spawn_model::spec::{FleetKind, FleetSpec};
use spawn_model::value::Value;

fn from_yaml(text: &str) -> FleetSpec {
    let json: serde_json::Value = serde_yaml_ng::from_str(text).unwrap();
    let (spec, problems) = read_spec(FleetKind::JobArray, &json.into());
    assert_eq!(problems, []);
    spec.unwrap()
}

const TILES: &str = "
name: mandelbrot
size: 8
instance_types: [c7i.large, c7a.large]
command: [./render, --depth, '512']
files:
  render: |
    #!/bin/sh
    echo $SPAWN_RANK
env: { PALETTE: fire }
lease: { ttl: 20m }
wait_for: completed
tags: { team: maps }
";

#[test]
fn yaml_becomes_a_spec() {
    insta::assert_json_snapshot!("from_yaml", from_yaml(TILES));
}

#[test]
fn a_hash_follows_the_meaning_and_not_the_spelling() {
    let spec = from_yaml(TILES);
    let hash = spec.hash(FleetKind::JobArray);
    assert_eq!(from_yaml(&TILES.replace("20m", "1200s")).hash(FleetKind::JobArray), hash);
    assert_eq!(from_yaml(&format!("delete_results: false\nami: null\n{TILES}")).hash(FleetKind::JobArray), hash);
    let reordered = "tags: { team: maps }\nname: mandelbrot\n".to_owned()
        + &TILES.replace("name: mandelbrot\n", "").replace("tags: { team: maps }\n", "");
    assert_eq!(from_yaml(&reordered).hash(FleetKind::JobArray), hash);
}

fn from_yaml_jobs() -> spawn_model::queue::Jobs {
    let written = "{ name: n, instance_types: [c7i.large], jobs: { a: { command: ['true'] } } }";
    let json: serde_json::Value = serde_yaml_ng::from_str(written).unwrap();
    read_spec(FleetKind::Queue, &json.into()).0.unwrap().jobs
}

#[test]
fn every_field_counts_in_the_hash() {
    use spawn_model::hook::HookSpec;
    use spawn_model::requirements::{Architecture, RequirementsSpec};

    let spec = from_yaml(TILES);
    let hash = spec.hash(FleetKind::JobArray);
    let mut others: Vec<FleetSpec> = vec![spec.clone(); 31];
    others[0].name = "other".into();
    others[1].size = 9;
    others[2].instance_types.reverse();
    others[3].ami = Some("ami-0".into());
    others[4].command.push("--fast".into());
    others[5].files.insert("b".into(), String::new());
    others[6].env.insert("B".into(), String::new());
    others[7].lease.ttl = Seconds(1201);
    others[8].wait_for = spawn_model::status::WaitFor::Launched;
    others[9].tags.clear();
    others[10].delete_results = true;
    others[11].triggers.insert("version".into(), "2".into());
    others[12].market.r#type = spawn_model::market::MarketType::Spot;
    others[13].gang = true;
    others[14].placement = Some(spawn_model::placement::Placement::Spread);
    others[15].network.public_address = Some(false);
    others[16].ssh_key = Some("ada".into());
    others[17].root_volume.size_gib = Some(20);
    others[19].requirements =
        Some(RequirementsSpec { vcpu: None, memory_gib: None, architecture: Architecture::Arm, gpu: None, exclude: vec![] });
    others[20].min_size = Some(2);
    others[21].policies.push("s3:ReadOnly:arn:aws:s3:::data/*".into());
    let save = HookSpec { command: vec!["./save".into()], timeout: Seconds(60) };
    others[22].pre_stop = Some(save.clone());
    others[23].checkpoint = Some(save.clone());
    others[24].connect = Some(false);
    others[25].peer_notice = Some(save);
    others[18].volumes.insert("/dev/sdf".into(), spec.root_volume.clone());
    let mut idle = spec.clone();
    idle.lease.idle = from_yaml(&TILES.replace("20m", "20m, idle: { after: 5m }")).lease.idle;
    assert!(idle.lease.idle.is_some());
    assert_ne!(idle.hash(FleetKind::JobArray), hash, "idle");
    others[26].workers = Some(2);
    others[27].jobs = from_yaml_jobs();
    others[28].on_failure = Some(spawn_model::queue::OnFailure::Continue);
    others[29].dns = Some(spawn_model::dns::DnsSpec { zone: "example.com".into() });
    // The last one differs by its kind alone.
    for (place, other) in others.iter().enumerate() {
        let kind = if place == 30 { FleetKind::Instance } else { FleetKind::JobArray };
        assert_ne!(other.hash(kind), hash, "variant {place}");
    }
    assert_eq!(FleetSpec::FIELDS.len(), others.len() - 1, "a field was added: give it a variant here");
}

#[test]
fn a_record_from_before_a_field_was_declared_is_read() {
    let stored = r#"{ "name": "tiles", "instance_types": ["c7i.large"], "lease": { "ttl": 1200 }, "market": { "type": "spot" } }"#;
    let read: FleetSpec = serde_json::from_str(stored).unwrap();
    let written = "name: tiles\ninstance_types: [c7i.large]\nlease: { ttl: 20m }\nmarket: { type: spot }";
    let json: serde_json::Value = serde_yaml_ng::from_str(written).unwrap();
    assert_eq!(Some(read), read_spec(FleetKind::Instance, &json.into()).0);
    let lacking = serde_json::from_str::<FleetSpec>(r#"{ "lease": { "ttl": 1200 } }"#).unwrap_err();
    assert!(lacking.to_string().contains("missing field `name`"), "{lacking}");
    let damaged = serde_json::from_str::<FleetSpec>(&stored.replace("1200", "\"soon\"")).unwrap_err();
    assert!(damaged.to_string().contains("lease: ttl: invalid type"), "{damaged}");
}

#[test]
fn the_hash_of_a_spec_is_the_same_in_every_version() {
    // Claims of names hold it: a change here keeps a new version from adopting what an old one began.
    insta::assert_snapshot!("hash", from_yaml(TILES).hash(FleetKind::JobArray));
}

fn text() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{0,8}"
}

prop_compose! {
    fn specs()(
        name in text(),
        size in 1..=10_000_u32,
        types in proptest::sample::subsequence(vec!["c7i.large", "c7a.large", "m7g.xlarge"], 1..=3),
        command in proptest::collection::vec(".*".prop_map(|s: String| s.replace('\0', "0")), 1..4),
        files in btree_map(text(), ".{0,20}", 0..3),
        env in btree_map("[A-RT-Z_][A-Z0-9_]{0,6}", ".{0,9}".prop_map(|s: String| s.replace('\0', "0")), 0..3),
        ttl in 60..=2_592_000_u64,
        tags in btree_map(text(), ".{0,20}", 0..3),
        delete_results in any::<bool>(),
    ) -> serde_json::Value {
        let command: Vec<String> = std::iter::once("program".to_owned()).chain(command).collect();
        serde_json::json!({
            "name": name, "size": size, "instance_types": types, "command": command, "files": files, "env": env,
            "lease": { "ttl": Seconds(ttl).to_string() }, "tags": tags, "delete_results": delete_results,
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_spec_survives_yaml_and_its_record(json in specs()) {
        let (spec, problems) = read_spec(FleetKind::JobArray, &Value::from(json.clone()));
        prop_assert_eq!(problems, Vec::new());
        let spec = spec.unwrap();
        let yaml = serde_yaml_ng::to_string(&json).unwrap();
        let again: serde_json::Value = serde_yaml_ng::from_str(&yaml).unwrap();
        let (again, _) = read_spec(FleetKind::JobArray, &again.into());
        prop_assert_eq!(again.as_ref().map(|s| s.hash(FleetKind::JobArray)), Some(spec.hash(FleetKind::JobArray)));
        let recorded: FleetSpec = serde_json::from_slice(&serde_json::to_vec(&spec).unwrap()).unwrap();
        prop_assert_eq!(recorded.hash(FleetKind::JobArray), spec.hash(FleetKind::JobArray));
        prop_assert_eq!(recorded, spec);
    }
}
