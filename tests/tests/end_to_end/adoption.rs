//! What becomes of a launch whose launcher is killed or told to stop, and of a name that two want.

use rustix::process::{Signal, kill_process};
use spawn_sandbox::Fault;
use spawn_tests::configuration::{ARRAY, array};
use spawn_tests::leftovers::{assert_same, holdings};
use spawn_tests::process::descendants;
use spawn_tests::terraform::instance_ids;
use spawn_tests::{Running, Terraform, World, assert_shown, shown};

/// Where a launcher is killed: a call that never returns, and how many calls of that operation pass before it.
pub(super) type Point = (&'static str, &'static str, u64);

pub(super) const POINTS: [Point; 4] = [
    ("iam", "CreateRole", 0),
    ("scheduler", "CreateSchedule", 0),
    ("ec2", "RunInstances", 0),
    // Claim, record, payload and lease pass: what hangs is the record of the instances that were just launched.
    ("s3", "PutObject", 4),
];

#[derive(Clone, Copy, Debug)]
pub(super) enum Victim {
    Provider,
    Terraform,
}

const THREE: &[(&str, &str)] = &[("size", "3")];

/// Starts an apply and waits until it hangs at a point.
pub(super) fn apply_until<'w>(world: &'w World, point: Point, fields: &[(&str, &str)]) -> (Terraform<'w>, Running) {
    let (service, operation, skip) = point;
    let terraform = world.terraform(&array(fields));
    world.fault_after(skip, "controller", service, operation, Some(1), Fault::Hang);
    let apply = terraform.start_apply();
    world.eventually(operation, || world.calls(0, operation).into_iter().find(|call| call.outcome == "no answer"));
    (terraform, apply)
}

pub(super) fn kill(apply: Running, victim: Victim) {
    match victim {
        Victim::Terraform => kill_process(apply.id(), Signal::KILL).expect("terraform runs"),
        Victim::Provider => {
            let providers = descendants(apply.id(), "terraform-provider-spawn");
            assert_eq!(providers.len(), 1, "{providers:?}");
            kill_process(providers[0], Signal::KILL).expect("the provider runs");
        }
    }
    let ended = apply.wait();
    assert_ne!(ended.code, Some(0), "{}", ended.text());
}

/// The fleets that were ever recorded.
fn recorded(world: &World) -> Vec<String> {
    world.keys().iter().filter_map(|key| key.strip_prefix("fleets/")?.strip_suffix("/fleet.json").map(str::to_owned)).collect()
}

fn is_alive(state: &str) -> bool {
    state == "running" || state == "pending"
}

fn killed_and_applied_again(point: Point, victim: Victim) {
    let world = World::with_setup();
    let before = holdings(&world);
    let (terraform, apply) = apply_until(&world, point, THREE);
    kill(apply, victim);
    world.control().clear_faults();
    let begun = recorded(&world);

    terraform.apply().succeeded();
    terraform.assert_settled();
    let state = terraform.state(ARRAY);
    assert_eq!(begun, [state["id"].as_str().expect("an id")], "{point:?}, {victim:?}: the fleet that was begun is adopted");
    let mut ids = instance_ids(&state);
    ids.sort();
    let ever: Vec<String> = world.instances().into_iter().map(|(id, _)| id).collect();
    assert_eq!((ever.len(), &ever), (3, &ids), "{point:?}, {victim:?}: nothing was launched twice");
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn a_killed_launch_is_gone_on_with() {
    for victim in [Victim::Provider, Victim::Terraform] {
        std::thread::scope(|scope| {
            for point in POINTS {
                scope.spawn(move || killed_and_applied_again(point, victim));
            }
        });
    }
}

#[test]
fn a_killed_launch_of_another_configuration_is_undone_first() {
    let world = World::with_setup();
    let before = holdings(&world);
    let (terraform, apply) = apply_until(&world, POINTS[3], THREE);
    kill(apply, Victim::Provider);
    world.control().clear_faults();
    let dead = recorded(&world);

    terraform.configure(&array(&[("command", r#"["sleep", "500"]"#), ("size", "2")]));
    terraform.apply().succeeded();
    terraform.assert_settled();
    let state = terraform.state(ARRAY);
    assert_ne!(dead, [state["id"].as_str().expect("an id")]);
    let (alive, gone): (Vec<_>, Vec<_>) = world.instances().into_iter().partition(|(_, state)| is_alive(state));
    assert_eq!((alive.len(), gone.len()), (2, 3));
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn a_name_is_refused_while_its_fleet_is_launched_and_after() {
    let world = World::with_setup();
    let before = holdings(&world);
    let first = world.terraform(&array(&[]));
    // A profile that EC2 does not know yet: the launcher asks again, for as long as this lasts.
    let message = "Value (it) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name".to_owned();
    world.fault("ec2", "RunInstances", None, Fault::Error { code: "InvalidParameterValue".to_owned(), status: 400, message });
    let apply = first.start_apply();
    world.until_called(0, "RunInstances");
    let second = world.terraform(&array(&[]));
    let refused = second.apply().ended(1);
    assert_shown!("name-in-use-while-launched", shown::diagnostics(&refused.text()));
    world.control().clear_faults();
    apply.wait().succeeded();

    // Between the end of the first apply and any plan of the first workspace: only the provider's orderly end has acknowledged it.
    let refused = second.apply().ended(1);
    assert_shown!("name-in-use-same-spec", shown::diagnostics(&refused.text()));
    let third = world.terraform(&array(&[("env", r#"{ PALETTE = "ice" }"#)]));
    let refused = third.apply().ended(1);
    assert_shown!("name-in-use-other-spec", shown::diagnostics(&refused.text()));
    assert_shown!("name-in-use-command", world.spawn(["up", "--name", "tiles", "--type", "c7i.large", "--", "true"]).ended(5).stderr);

    first.assert_settled();
    let state = first.state(ARRAY);
    assert_eq!(state["status"], "running");
    let mut ids = instance_ids(&state);
    ids.sort();
    assert_eq!(world.instances(), ids.iter().map(|id| (id.clone(), "running".to_owned())).collect::<Vec<_>>());
    assert_eq!((second.state(ARRAY).is_null(), third.state(ARRAY).is_null()), (true, true));
    first.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn of_two_applies_at_once_one_wins() {
    let world = World::with_setup();
    let before = holdings(&world);
    let workspaces = [world.terraform(&array(&[])), world.terraform(&array(&[]))];
    let applies = workspaces.each_ref().map(Terraform::start_apply);
    let ended = applies.map(Running::wait);
    let codes: Vec<_> = ended.iter().map(|ran| ran.code).collect();
    assert!(codes == [Some(0), Some(1)] || codes == [Some(1), Some(0)], "{}\n{}", ended[0].text(), ended[1].text());
    let (winner, loser) = if codes[0] == Some(0) { (0, 1) } else { (1, 0) };
    assert!(ended[loser].text().contains("The name \"tiles\" is in use by fleet-"), "{}", ended[loser].text());
    assert_eq!(world.instances().len(), 2);
    workspaces[winner].assert_settled();
    workspaces[winner].destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn ctrl_c_during_the_wait_keeps_the_fleet() {
    let world = World::with_setup();
    let terraform = world.terraform(&array(&[("wait_for", r#""completed""#)]));
    let apply = terraform.start_apply();
    world.eventually("both ranks at work", || (world.keys().iter().filter(|key| key.contains("/ranks/")).count() == 2).then_some(()));
    apply.signal_group(Signal::INT);
    let ended = apply.wait();
    assert_shown!("ctrl-c-during-the-wait", shown::diagnostics(&ended.text()));
    let state = terraform.state(ARRAY);
    assert_eq!((state["status"].as_str(), terraform.is_tainted(ARRAY)), (Some("running"), false), "{}", ended.text());
    terraform.assert_settled();
    assert!(world.instances().iter().all(|(_, state)| state == "running"));
    terraform.destroy().succeeded();
}

#[test]
fn ctrl_c_during_the_launch_undoes_it() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&array(&[]));
    let message = "Value (it) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name".to_owned();
    world.fault("ec2", "RunInstances", None, Fault::Error { code: "InvalidParameterValue".to_owned(), status: 400, message });
    let apply = terraform.start_apply();
    world.until_called(0, "RunInstances");
    apply.signal_group(Signal::INT);
    let ended = apply.wait().ended(1);
    assert_shown!("ctrl-c-during-the-launch", shown::diagnostics(&ended.text()));
    assert!(terraform.state(ARRAY).is_null());
    assert_same(&before, &holdings(&world));
    world.control().clear_faults();
    terraform.apply().succeeded();
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}
