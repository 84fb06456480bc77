//! Spot and on demand, under Terraform: what is asked for is bought, told, and never bought twice; what EC2 takes back is `interrupted`.

use jiff::SignedDuration;
use serde_json::{Value, json};
use spawn_tests::configuration::{ARRAY, array};
use spawn_tests::leftovers::{assert_same, holdings};
use spawn_tests::terraform::instance_ids;
use spawn_tests::{World, assert_shown, shown};

const MIXED: &str = r#"{ type = "spot", fallback = "on_demand", on_demand_base = 1 }"#;

fn markets(state: &Value) -> Vec<&str> {
    state["members"].as_array().expect("members").iter().map(|member| member["market"].as_str().expect("a market")).collect()
}

/// What EC2 says of each instance, by an independent client.
fn lifecycles(world: &World, state: &Value) -> Value {
    let printed = world.python(&format!(
        "found = client('ec2').describe_instances(InstanceIds={})\n\
         lifecycle = {{i['InstanceId']: i.get('InstanceLifecycle', 'on_demand') for r in found['Reservations'] for i in r['Instances']}}\n\
         print(json.dumps([lifecycle[i] for i in {0}]))",
        json!(instance_ids(state))
    ));
    serde_json::from_str(&printed).expect("JSON")
}

#[test]
fn an_array_is_bought_as_its_market_says() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&array(&[("size", "3"), ("market", MIXED), ("command", r#"["sleep", "600"]"#)]));
    terraform.apply().succeeded();
    let state = terraform.state(ARRAY);
    assert_eq!(markets(&state), ["on_demand", "spot", "spot"]);
    assert_eq!(lifecycles(&world, &state), json!(["on_demand", "spot", "spot"]));
    terraform.assert_settled();
    let since = world.position();
    terraform.configure(&array(&[("size", "3"), ("market", r#"{ type = "on_demand" }"#), ("command", r#"["sleep", "600"]"#)]));
    assert_eq!(terraform.planned(ARRAY), "delete create: market", "how instances are bought cannot change while they run");
    assert!(world.changes(since).is_empty());
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn a_machine_that_ec2_takes_back_is_interrupted() {
    let world = World::with_setup();
    let work = [("size", "2"), ("market", r#"{ type = "spot" }"#), ("command", r#"["sleep", "600"]"#), ("wait_for", r#""ready""#)];
    let terraform = world.terraform(&array(&work));
    terraform.apply().succeeded();
    let id = instance_ids(&terraform.state(ARRAY)).remove(1);
    // EC2 gives two minutes; the agent looks every few seconds, and needs no more to say why it ends.
    world.block_on(world.control().interrupt_spot(&id, SignedDuration::from_secs(15))).expect("a spot instance");
    let state = world.eventually("the rank says that it was interrupted", || {
        let fleet = world.spawn(["status", "tiles", "-o", "json"]).succeeded().json();
        (fleet["members"][1]["state"] == "interrupted").then_some(fleet)
    });
    assert_eq!((&state["members"][0]["state"], &state["members"][1]["exit_code"]), (&json!("running"), &Value::Null));
    terraform.assert_settled();
    terraform.destroy().succeeded();
}

#[test]
fn a_price_that_buys_nothing_is_refused_at_the_plan() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&array(&[("size", "2"), ("market", r#"{ type = "spot", max_price = 0.0001 }"#)]));
    let text = shown::diagnostics(&terraform.plan().ended(1).text());
    assert!(text.contains("SpotPriceTooLow") && text.contains("max_price"), "{text}");
    assert_same(&before, &holdings(&world));
}

#[test]
fn the_command_buys_spot_as_well() {
    let world = World::with_setup();
    let fleet = ["--name", "cheap", "--size", "2", "--type", "c7i.large", "--ttl", "1h", "--spot", "--fallback", "--gang"];
    let shown = world.spawn(["plan"].into_iter().chain(fleet).chain(["--", "sleep", "600"])).succeeded();
    assert!(shown.stdout.contains("as spot now, by EC2's price history"), "{}", shown.stdout);
    world.spawn(["up"].into_iter().chain(fleet).chain(["--", "sleep", "600"])).succeeded();
    let fleet = world.spawn(["status", "cheap", "-o", "json"]).succeeded().json();
    assert_eq!(markets(&fleet), ["spot", "spot"]);
    world.spawn(["down", "cheap"]).succeeded();
    assert_shown!("gang-too-large", world.spawn(["plan", "--size", "1001", "--type", "c7i.large", "--gang", "--", "true"]).ended(2).text());
}
