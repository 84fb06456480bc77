//! Data sources: what can be asked, by Terraform.

use serde_json::{Value, json};
use spawn_tests::configuration::array;
use spawn_tests::{Terraform, World, assert_shown, shown};

fn outputs(terraform: &Terraform<'_>) -> Value {
    let found = terraform.run(["output", "-json"]).succeeded().json();
    let values = found.as_object().into_iter().flatten().map(|(name, output)| (name.clone(), output["value"].clone()));
    Value::Object(values.collect())
}

const ESTIMATES: &str = r#"
data "spawn_estimate" "tiles" {
  job_array = { size = 8, instance_types = ["c7i.large", "c7a.large"], command = ["./render"], lease = { ttl = "2h" } }
}
data "spawn_estimate" "bench" {
  instance = { instance_types = ["m7i.large"], market = { type = "spot" }, lease = { ttl = "1h", budget = 0.05 } }
}
data "spawn_instance_types" "small" {
  requirements = { vcpu = "2", memory_gib = "..4", architecture = "arm64" }
}
data "spawn_instance_types" "spot" {
  requirements = { vcpu = "4", memory_gib = "16" }
  spot         = true
}
data "spawn_ami" "it" {}
data "spawn_ami" "arm" {
  ami          = "al2023"
  architecture = "arm64"
}
output "tiles" { value = { for field in ["usd_per_hour", "cost_usd_max", "lasts_s", "instance_types"] : field => data.spawn_estimate.tiles[field] } }
output "bench" { value = { for field in ["spot_usd_per_hour", "lasts_s"] : field => data.spawn_estimate.bench[field] } }
output "small" { value = data.spawn_instance_types.small.types }
output "spot" { value = data.spawn_instance_types.spot.names }
output "images" { value = data.spawn_ami.it.id == data.spawn_estimate.tiles.image_id && data.spawn_ami.arm.id != data.spawn_ami.it.id }
"#;

#[test]
fn what_a_fleet_would_cost_is_known_before_it_exists() {
    let world = World::start();
    let terraform = world.terraform(ESTIMATES);
    let at = world.position();
    terraform.apply().succeeded();
    terraform.assert_settled();
    assert_eq!(world.changes(at), Vec::<String>::new(), "nothing is made, not even the set-up");
    let found = outputs(&terraform);
    let tiles = &found["tiles"];
    let (hour, most) = (tiles["usd_per_hour"].as_f64().expect("a price"), tiles["cost_usd_max"].as_f64().expect("a price"));
    // Eight of c7a.large, which is the dearer, and their disks.
    assert!((8.0 * 0.1026..8.0 * 0.11).contains(&hour), "{hour}");
    assert!((most - 2.0 * hour).abs() < 1e-9 && tiles["lasts_s"] == json!(7200), "{tiles}");
    let lasts_s = found["bench"]["lasts_s"].as_i64().expect("seconds");
    assert!((600..3600).contains(&lasts_s), "as long as the budget lasts: {lasts_s}");
    assert_eq!(found["images"], json!(true));
    let prices: Vec<f64> = found["small"].as_array().expect("types").iter().filter_map(|kind| kind["usd_per_hour"].as_f64()).collect();
    assert!(prices.len() > 1 && prices.is_sorted(), "{prices:?}");
    assert!(found["small"].as_array().expect("types").iter().all(|kind| kind["vcpu"] == json!(2)));
    assert!(found["spot"].as_array().is_some_and(|names| !names.is_empty()));
    assert_eq!(world.control().gaps(), []);
}

#[test]
fn fleets_of_others_are_found() {
    let world = World::with_setup();
    world.spawn(["up", "--name", "bench", "--kind", "instance", "--type", "m7i.large", "--ttl", "20m", "--wait", "running"]).succeeded();
    let asked = r#"
data "spawn_fleet" "bench" { name = "bench" }
data "spawn_fleet" "same" { id = data.spawn_fleet.bench.id }
data "spawn_fleets" "all" { depends_on = [spawn_job_array.it] }
data "spawn_fleets" "arrays" {
  kind       = "job_array"
  tags       = { team = "maths" }
  depends_on = [spawn_job_array.it]
}
data "spawn_fleets" "lost" { status = "lost" }
output "bench" { value = [data.spawn_fleet.same.name, data.spawn_fleet.same.kind, data.spawn_fleet.same.status, data.spawn_fleet.same.alive] }
output "address" { value = data.spawn_fleet.bench.members[0].private_ip }
output "all" { value = data.spawn_fleets.all.fleets[*].name }
output "arrays" { value = data.spawn_fleets.arrays.ids == tolist([spawn_job_array.it.id]) }
output "lost" { value = data.spawn_fleets.lost.ids }
"#;
    let terraform = world.terraform(&format!("{}{asked}", array(&[])));
    terraform.apply().succeeded();
    terraform.assert_settled();
    let found = outputs(&terraform);
    assert_eq!(found["bench"], json!(["bench", "instance", "running", 1]));
    assert!(found["address"].as_str().is_some_and(|address| address.starts_with("172.31.")));
    assert_eq!((&found["all"], &found["arrays"], &found["lost"]), (&json!(["bench", "tiles"]), &json!(true), &json!([])));
    assert_eq!(world.control().gaps(), []);
}

#[test]
fn what_is_asked_wrongly_is_refused() {
    let world = World::start();
    let refused = [
        r#"data "spawn_fleet" "it" {}"#,
        r#"data "spawn_fleet" "it" { name = "nobody" }"#,
        r#"data "spawn_fleets" "it" { status = "fine" }"#,
        r#"data "spawn_estimate" "it" {}"#,
        r#"data "spawn_estimate" "it" { instance = { instance_types = ["m7i.huge"], lease = { ttl = "1s" } } }"#,
        r#"data "spawn_estimate" "it" { instance = { instance_types = ["m7i.huge"] } }"#,
        r#"data "spawn_instance_types" "it" { requirements = { vcpu = "1000.." } }"#,
        r#"data "spawn_ami" "it" { ami = "windows" }"#,
    ]
    .map(|block| {
        let terraform = world.terraform(block);
        shown::diagnostics(&terraform.plan().ended(1).text())
    });
    assert_shown!("data-refused", refused.join("\n\n"));
}
