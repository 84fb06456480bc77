//! What a spot machine saves: when EC2 is likely to take it back, and when it does.

use jiff::SignedDuration;
use spawn_tests::World;
use spawn_tests::configuration::{ARRAY, array};
use spawn_tests::leftovers::{assert_same, holdings};
use spawn_tests::terraform::instance_ids;

const WORK: &str = "#!/bin/sh\ntrap 'echo asked to end; exit 0' TERM\necho at work\nwhile true; do sleep 0.1; done\n";
const SAVE: &str = "#!/bin/sh\necho \"$1 for $SPAWN_REASON\"\nkill -0 \"$SPAWN_COMMAND_PID\" && echo \"$1\" >\"$SPAWN_RESULTS/$1\"\n";

#[test]
fn a_spot_machine_saves_what_it_would_lose() {
    let world = World::with_setup();
    let before = holdings(&world);
    let fields = [
        ("size", "1"),
        ("market", r#"{ type = "spot" }"#),
        ("files", r#"{ work = file("work"), save = file("save") }"#),
        ("command", r#"["./work"]"#),
        ("checkpoint", r#"{ command = ["./save", "checkpoint"] }"#),
        ("pre_stop", r#"{ command = ["./save", "pre-stop"], timeout = "20s" }"#),
        ("wait_for", r#""ready""#),
    ];
    let terraform = world.terraform(&array(&fields));
    terraform.write("work", WORK);
    terraform.write("save", SAVE);
    terraform.apply().succeeded();
    terraform.assert_settled();
    let id = instance_ids(&terraform.state(ARRAY)).remove(0);
    let has = |name: &str| world.keys().iter().any(|key| key.ends_with(name)).then_some(());
    let logged = |line: &str| world.spawn(["logs", "tiles"]).succeeded().stdout.contains(line).then_some(());
    world.eventually("the command is at work", || logged("at work"));

    world.block_on(world.control().recommend_rebalance(&id)).expect("a spot instance");
    world.eventually("the checkpoint is kept", || has("/checkpoint"));
    let status = world.spawn(["status", "tiles", "-o", "json"]).succeeded().json();
    assert_eq!(status["members"][0]["state"], "running", "the command goes on");

    world.block_on(world.control().interrupt_spot(&id, SignedDuration::from_secs(60))).expect("a spot instance");
    world.eventually("the rank says that it was interrupted", || {
        let fleet = world.spawn(["status", "tiles", "-o", "json"]).succeeded().json();
        (fleet["members"][0]["state"] == "interrupted").then_some(())
    });
    let lines = world.spawn(["logs", "tiles"]).succeeded().stdout;
    let order: Vec<&str> = lines.lines().filter(|line| !line.contains("Terminated")).collect();
    let expected = ["at work", "checkpoint for rebalance", "pre-stop for spot", "asked to end"];
    assert!(order.len() == 4 && order.iter().zip(expected).all(|(line, text)| line.ends_with(text)), "{lines}");
    let to = world.directory().join("kept");
    world.spawn(["results", "tiles", "--to", to.to_str().expect("a plain path")]).succeeded();
    assert_eq!(std::fs::read_to_string(to.join("00000/pre-stop")).expect("a result"), "pre-stop\n");
    terraform.assert_settled();
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
    assert_eq!(world.control().gaps(), []);
}

/// What EC2 tells one machine, the others are told too, and save what they have while their commands go on.
#[test]
fn the_other_ranks_are_told_of_a_notice() {
    let world = World::with_setup();
    let before = holdings(&world);
    let fields = [
        ("market", r#"{ type = "spot" }"#),
        ("files", r#"{ work = file("work"), save = file("save") }"#),
        ("command", r#"["./work"]"#),
        ("peer_notice", r#"{ command = ["./save", "of-a-peer"] }"#),
        ("wait_for", r#""ready""#),
    ];
    let terraform = world.terraform(&array(&fields));
    terraform.write("work", WORK);
    let told = "cat \"$SPAWN_NOTICES\" >\"$SPAWN_RESULTS/notices\"\n";
    terraform.write("save", &format!("{SAVE}{told}"));
    terraform.apply().succeeded();
    terraform.assert_settled();
    let ids = instance_ids(&terraform.state(ARRAY));
    world.block_on(world.control().interrupt_spot(&ids[0], SignedDuration::from_secs(60))).expect("a spot instance");
    world.eventually("the other rank has saved something", || {
        world.keys().iter().any(|key| key.ends_with("/results/00001/notices")).then_some(())
    });
    let status = world.spawn(["status", "tiles", "-o", "json"]).succeeded().json();
    assert_eq!(status["members"][1]["state"], "running", "its command goes on");
    let to = world.directory().join("kept");
    world.spawn(["results", "tiles", "--to", to.to_str().expect("a plain path")]).succeeded();
    assert_eq!(std::fs::read_to_string(to.join("00001/of-a-peer")).expect("a result"), "of-a-peer\n");
    let notice: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(to.join("00001/notices")).expect("a result")).expect("one notice");
    assert_eq!((notice["rank"].as_u64(), notice["instance_id"].as_str()), (Some(0), Some(ids[0].as_str())));
    assert!(!to.join("00000/of-a-peer").exists(), "who goes is not told of itself");
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
    assert_eq!(world.control().gaps(), []);
}
