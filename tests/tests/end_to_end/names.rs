//! Names in DNS, under Terraform and by the command: given, kept right by what the set-up deploys, and gone with the fleet.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use spawn_tests::configuration::{ARRAY, INSTANCE, array, instance, service};
use spawn_tests::leftovers::{assert_same, holdings, silent};
use spawn_tests::{World, assert_shown, shown};

use super::rights::{allowed, used};

/// What the array is called in the tests' zone.
const TILES: &str = "tiles.1kpqzg2c.hpc.example.com";

/// The zone of the tests.
const ZONE: &str = r#"{ zone = "hpc.example.com" }"#;

/// Makes a zone that the default network sees, or everybody; its id.
pub(crate) fn zone(world: &World, name: &str, is_private: bool) -> String {
    let network = "VPC={'VPCRegion': 'us-east-1', 'VPCId': client('ec2').describe_vpcs(Filters=[{'Name': 'is-default', 'Values': ['true']}])['Vpcs'][0]['VpcId']}, ";
    let network = if is_private { network } else { "" };
    let made = world.python(&format!(
        "print(client('route53').create_hosted_zone(Name='{name}', {network}CallerReference='{name} {is_private}')['HostedZone']['Id'].split('/')[-1])"
    ));
    made.trim().to_owned()
}

/// Names with addresses in a zone, by what is shown to anybody who asks Route 53.
fn names(world: &World, zone: &str) -> BTreeMap<String, Vec<String>> {
    let printed = world.python(&format!(
        "pages = client('route53').get_paginator('list_resource_record_sets').paginate(HostedZoneId='{zone}')\n\
         sets = [s for page in pages for s in page['ResourceRecordSets'] if s['Type'] == 'A']\n\
         print(json.dumps({{s['Name'][:-1]: sorted(r['Value'] for r in s['ResourceRecords']) for s in sets}}))"
    ));
    serde_json::from_str(&printed).expect("JSON")
}

/// Changes a record set of a zone by another hand.
fn change(world: &World, zone: &str, action: &str, name: &str, kind: &str, values: &[&str]) {
    let records: Vec<Value> = values.iter().map(|value| json!({ "Value": value })).collect();
    let set = json!({ "Name": name, "Type": kind, "TTL": 60, "ResourceRecords": records });
    world.python(&format!(
        "client('route53').change_resource_record_sets(HostedZoneId='{zone}', ChangeBatch={{'Changes': [{{'Action': '{action}', \
         'ResourceRecordSet': json.loads({set:?})}}]}})",
        set = set.to_string()
    ));
}

/// Takes away what says whose the name is.
fn unclaim(world: &World, zone: &str) {
    world.python(&format!(
        "r = client('route53')\n\
         mine = [s for s in r.list_resource_record_sets(HostedZoneId='{zone}')['ResourceRecordSets'] if s['Type'] == 'TXT']\n\
         r.change_resource_record_sets(HostedZoneId='{zone}', ChangeBatch={{'Changes': [{{'Action': 'DELETE', 'ResourceRecordSet': s}} for s in mine]}})"
    ));
}

/// A sandbox with what keeps names right in its set-up.
pub(crate) fn kept() -> World {
    let mut world = World::start();
    world.upload(&["spored", "spawn-watcher"]);
    world.spawn(["setup"]).succeeded();
    world
}

/// The addresses of the state's members, by rank.
fn addresses(state: &Value) -> Vec<String> {
    let members = state["members"].as_array().expect("members");
    members.iter().map(|member| member["private_ip"].as_str().expect("an address").to_owned()).collect()
}

fn sorted(mut addresses: Vec<String>) -> Vec<String> {
    addresses.sort();
    addresses
}

#[test]
fn names_lead_to_the_members_as_long_as_they_live() {
    let world = kept();
    let zone = zone(&world, "hpc.example.com", true);
    let before = silent(holdings(&world));
    let terraform = world.terraform(&array(&[("dns", ZONE), ("wait_for", r#""ready""#)]));
    assert_shown!("plan-of-names", terraform.plan().succeeded().stdout);
    terraform.apply().succeeded();
    terraform.assert_settled();
    let state = terraform.state(ARRAY);
    let members = addresses(&state);
    assert_eq!(state["dns_name"], TILES);
    assert_eq!(state["members"][1]["dns_name"], format!("1.{TILES}"));
    let expected = [
        (TILES.to_owned(), sorted(members.clone())),
        (format!("0.{TILES}"), vec![members[0].clone()]),
        (format!("1.{TILES}"), vec![members[1].clone()]),
    ];
    assert_eq!(names(&world, &zone), BTreeMap::from(expected));
    assert!(world.spawn(["status", "tiles"]).succeeded().stdout.contains(TILES));

    // One is gone, and a record that somebody has changed is put right.
    let lost = state["members"][1]["instance_id"].as_str().expect("an id");
    world.python(&format!("client('ec2').terminate_instances(InstanceIds=['{lost}'])"));
    change(&world, &zone, "UPSERT", &format!("0.{TILES}"), "A", &["10.9.9.9"]);
    world.advance(2 * 60);
    let expected = BTreeMap::from([(TILES.to_owned(), vec![members[0].clone()]), (format!("0.{TILES}"), vec![members[0].clone()])]);
    world.eventually("names are right again", || (names(&world, &zone) == expected).then_some(()));
    let by_function: BTreeSet<String> =
        world.control().calls(0).into_iter().filter(|call| call.caller.starts_with("function")).flat_map(|call| call.rights).collect();
    assert!(by_function.contains("route53:ChangeResourceRecordSets") && by_function.contains("route53:ListResourceRecordSets"));

    terraform.destroy().succeeded();
    assert_same(&before, &silent(holdings(&world)));
    assert_eq!(world.control().gaps(), []);
}

#[test]
fn names_are_changed_in_place_and_what_others_take_away_is_noticed() {
    let world = kept();
    let (zone, other) = (zone(&world, "hpc.example.com", true), self::zone(&world, "example.org", true));
    let before = silent(holdings(&world));
    let terraform = world.terraform(&instance(&[]));
    terraform.apply().succeeded();
    let id = terraform.state(INSTANCE)["id"].clone();
    let bench = "bench.1kpqzg2c";
    let by_id = format!("{{ zone = \"{other}\" }}");
    for (value, in_zone, in_other) in [(ZONE, 1, 0), (by_id.as_str(), 0, 1), ("", 0, 0), (ZONE, 1, 0)] {
        terraform.configure(&instance(&[("dns", value)]));
        assert_eq!(terraform.planned(INSTANCE), "update", "dns = {value}");
        terraform.apply().succeeded();
        terraform.assert_settled();
        assert_eq!(terraform.state(INSTANCE)["id"], id, "dns = {value}");
        assert_eq!((names(&world, &zone).len(), names(&world, &other).len()), (in_zone, in_other), "dns = {value}");
    }
    assert_eq!(terraform.state(INSTANCE)["members"][0]["dns_name"], format!("{bench}.hpc.example.com"));
    for by in ["bench", id.as_str().expect("an id")] {
        terraform.run(["state", "rm", INSTANCE]).succeeded();
        terraform.import(INSTANCE, by).succeeded();
        assert_eq!(terraform.planned(INSTANCE), "no-op", "imported by {by}");
    }

    unclaim(&world, &zone);
    assert_eq!(terraform.planned(INSTANCE), "update");
    assert_shown!("drift-of-names", terraform.plan().succeeded().stdout);
    // Somebody else has taken it.
    let name = format!("{bench}.hpc.example.com");
    change(&world, &zone, "CREATE", &name, "TXT", &["\"somebody else's\""]);
    assert!(terraform.apply().ended(1).stderr.contains("is taken"));
    change(&world, &zone, "DELETE", &name, "TXT", &["\"somebody else's\""]);
    terraform.apply().succeeded();
    terraform.assert_settled();
    assert_eq!(names(&world, &zone).len(), 1);

    terraform.destroy().succeeded();
    assert_same(&before, &silent(holdings(&world)));
    assert_eq!(world.control().gaps(), []);
}

#[test]
fn in_a_public_zone_are_public_addresses() {
    let world = kept();
    let zone = zone(&world, "example.com", false);
    let flags = ["up", "--name", "web", "--kind", "service", "--size", "2", "--type", "c7i.large", "--ttl", "20m", "--wait", "ready"];
    let named = ["--dns-zone", "example.com", "--public-address", "true", "--", "sleep", "600"];
    world.spawn([&flags[..], &named].concat()).succeeded();
    let shown = world.spawn(["status", "web", "-o", "json"]).succeeded().json();
    let public: Vec<String> =
        shown["members"].as_array().expect("members").iter().map(|m| m["public_ip"].as_str().expect("an address").to_owned()).collect();
    assert_eq!(names(&world, &zone)[shown["dns_name"].as_str().expect("a name")], sorted(public));
    world.spawn(["down", "web"]).succeeded();
    assert_eq!(names(&world, &zone), BTreeMap::new());
}

#[test]
fn what_is_wrong_with_names_is_said_before_anything_is_made() {
    let world = kept();
    zone(&world, "hpc.example.com", true);
    let public = zone(&world, "example.com", false);
    let private = zone(&world, "example.com", true);
    let id = zone(&world, "elsewhere.example", false);
    change(&world, &id, "CREATE", "tiles.1kpqzg2c.elsewhere.example", "A", &["192.0.2.1"]);
    let before = silent(holdings(&world));
    let terraform = world.terraform(&array(&[]));
    for (what, fields) in [
        ("no-zone", vec![("dns", r#"{ zone = "https://example.com" }"#)]),
        ("unknown-zone", vec![("dns", r#"{ zone = "nowhere.example" }"#)]),
        ("several-zones", vec![("dns", r#"{ zone = "example.com" }"#)]),
        ("public-zone-of-private-addresses", vec![("dns", r#"{ zone = "elsewhere.example" }"#), ("network", "{ public_address = false }")]),
        ("name-in-dns-that-is-taken", vec![("dns", r#"{ zone = "elsewhere.example" }"#), ("network", "{ public_address = true }")]),
    ] {
        terraform.configure(&array(&fields));
        let mut told = terraform.plan().ended(1).stderr;
        for (zone, name) in [(&public, "PUBLIC"), (&private, "PRIVATE"), (&id, "ELSEWHERE")] {
            told = told.replace(zone.as_str(), name);
        }
        assert_shown!(what, told);
    }
    assert_same(&before, &silent(holdings(&world)));
}

#[test]
fn whoever_gives_names_needs_no_more_than_is_said() {
    let world = kept();
    let zone = zone(&world, "hpc.example.com", true);
    let (launcher, namer) = (world.policy("launcher"), world.policy("namer"));
    let who = world.identity("launcher", &launcher);
    let terraform = world.terraform(&array(&[("dns", ZONE)]));
    terraform.run_by(&who);
    let before = silent(holdings(&world));
    // Without them it is said which is missing, and nothing is made.
    assert_shown!("names-without-the-right", shown::diagnostics(&terraform.plan().ended(1).stderr));
    assert_same(&before, &silent(holdings(&world)));

    world.attach("launcher", "namer", &namer);
    terraform.apply().succeeded();
    terraform.assert_settled();
    // No other name than that of a fleet of this account is within reach, in whichever zone.
    let refused = world.python_as(
        &who,
        &format!(
            "from botocore.exceptions import ClientError\n\
             def change(name):\n    \
                 sets = {{'Name': name, 'Type': 'A', 'TTL': 60, 'ResourceRecords': [{{'Value': '192.0.2.1'}}]}}\n    \
                 batch = {{'Changes': [{{'Action': 'UPSERT', 'ResourceRecordSet': sets}}]}}\n    \
                 try: client('route53').change_resource_record_sets(HostedZoneId='{zone}', ChangeBatch=batch)\n    \
                 except ClientError as error: return error.response['Error']['Code']\n\
             print(change('www.hpc.example.com'), change('tiles.1kpqzg2d.hpc.example.com'))"
        ),
    );
    assert_eq!(refused.trim(), "AccessDenied AccessDenied");
    terraform.destroy().succeeded();
    let needed = used(&world, &who);
    let own: BTreeSet<String> = allowed(&namer);
    assert!(own.is_subset(&needed), "{:?}", own.difference(&needed));
    assert_eq!(names(&world, &zone), BTreeMap::new());
    assert_eq!(world.control().gaps(), []);
}

#[test]
fn a_service_has_names_for_those_ranks_that_are_held() {
    let world = kept();
    let zone = zone(&world, "hpc.example.com", true);
    let before = silent(holdings(&world));
    let terraform = world.terraform(&service(&[("dns", ZONE)]));
    terraform.apply().succeeded();
    terraform.assert_settled();
    assert_eq!(names(&world, &zone).len(), 4);
    terraform.configure(&service(&[("dns", ZONE), ("size", "1")]));
    terraform.apply().succeeded();
    world.advance(2 * 60);
    world.eventually("names have gone", || (names(&world, &zone).len() == 2).then_some(()));
    terraform.destroy().succeeded();
    assert_same(&before, &silent(holdings(&world)));
}
