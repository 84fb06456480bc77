//! Machines whose agent never comes. Early in the alphabet, in which tests are begun: nothing here takes the processor, and what takes minutes of waiting
//! is not to be waited for alone.

use serde_json::json;
use spawn_sandbox::Fault;
use spawn_tests::World;
use spawn_tests::configuration::{ARRAY, array};
use spawn_tests::leftovers::{assert_same, holdings};

use crate::workload::ends;

/// Three minutes, as long as user data keeps trying: machines live in real time.
#[test]
fn rights_that_never_come_end_the_machine_after_three_minutes() {
    let world = World::with_setup();
    let before = holdings(&world);
    world.fault_for("instance", "s3", "GetObject", None, Fault::Deny);
    // Launched here, looked at until the machine has given up, and only then waited for.
    let terraform = world.terraform(&array(&[("size", "1"), ("files", ""), ("command", r#"["true"]"#)]));
    terraform.apply().succeeded();
    let tries = || world.calls(0, "GetObject").into_iter().filter(|call| call.outcome == "AccessDenied").count();
    world.eventually("many refusals", || (tries() > 20).then_some(()));
    assert!(world.instances().iter().all(|(_, state)| state == "running"), "it gives up too early");
    world.eventually("its end", || world.instances().iter().all(|(_, state)| state == "terminated").then_some(()));
    terraform.assert_settled();
    let state = terraform.run(["apply", "-refresh-only", "-input=false", "-no-color", "-auto-approve"]).succeeded();
    assert!(!state.text().contains("Error"), "{}", state.text());
    let state = terraform.state(ARRAY);
    assert_eq!((&state["status"], ends(&state)), (&json!("lost"), json!([[0, "lost", null]])));
    let console = world.control().console(state["members"][0]["instance_id"].as_str().expect("an id")).expect("a console");
    let text = std::fs::read_to_string(console).expect("text");
    assert!(text.contains("the agent could not be downloaded: GET") && text.contains("answered 403"), "{text}");
    // Nobody told EC2: the machine has no right that it could have used.
    assert_eq!(world.calls(0, "TerminateInstances").len(), 0);
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}
