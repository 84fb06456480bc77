//! `kill -9` of the provider at every call of an apply, an update and a destroy: whatever it was doing, the next one goes on with it,
//! nothing is launched twice, and nothing is left.
//!
//! The call takes effect, and the provider dies before it has the answer. To die before a call is to die after the one before it.

use rustix::process::{Signal, kill_process};
use spawn_sandbox::Fault;
use spawn_tests::configuration::{ARRAY, array};
use spawn_tests::leftovers::{assert_same, holdings};
use spawn_tests::process::descendants;
use spawn_tests::terraform::instance_ids;
use spawn_tests::{Running, Terraform, World};

/// How many lives are lived at once.
const AT_ONCE: usize = 4;

/// A sandbox whose machines run in name only: what they do is not what is asked here.
fn world() -> World {
    let world = World::with(|options| options.boot_machines = false);
    world.spawn(["setup"]).succeeded();
    world
}

const LAUNCHED: (&str, &str) = ("wait_for", r#""launched""#);

fn configured(world: &World) -> Terraform<'_> {
    world.terraform(&array(&[LAUNCHED]))
}

/// Launched, and then asked for with another lease and other tags.
fn reconsidered(terraform: &Terraform<'_>) {
    terraform.apply().succeeded();
    terraform.configure(&array(&[LAUNCHED, ("lease", r#"{ ttl = "50m" }"#), ("tags", r#"{ since = "today" }"#)]));
}

/// What is done before.
type Preparation = fn(&Terraform<'_>);

/// What is done, and killed.
type Deed = fn(&Terraform<'_>) -> Running;

fn apply(terraform: &Terraform<'_>) -> Running {
    terraform.start_apply()
}

fn destroy(terraform: &Terraform<'_>) -> Running {
    terraform.start(["destroy", "-input=false", "-no-color", "-auto-approve"])
}

fn calls_since(world: &World, at: u64) -> usize {
    world.control().calls(at).iter().filter(|call| call.caller == "controller").count()
}

/// How many calls a deed makes that nothing keeps from its end.
fn calls_of(prepare: Preparation, deed: Deed) -> usize {
    let world = world();
    let terraform = configured(&world);
    prepare(&terraform);
    let at = world.position();
    deed(&terraform).wait().succeeded();
    calls_since(&world, at)
}

/// Does it, and kills the provider when its n-th call, from 0, has taken effect. What it was doing then; nothing if it made no such call,
/// because less had to be waited for than in the life that was counted.
fn killed_at(world: &World, terraform: &Terraform<'_>, deed: Deed, n: usize) -> Option<String> {
    let at = world.position();
    world.fault_after(n as u64, "controller", "*", "*", Some(1), Fault::HangAfter);
    let mut running = deed(terraform);
    let hanging = || world.control().calls(at).into_iter().find(|call| call.outcome.ends_with("(no answer)"));
    let met = world.eventually("the call that hangs, or the end", || hanging().map(Some).or_else(|| running.has_ended().then(hanging)));
    let Some(call) = met else {
        world.control().clear_faults();
        running.wait().succeeded();
        return None;
    };
    let killed = descendants(running.id(), "terraform-provider-spawn").into_iter().filter(|id| kill_process(*id, Signal::KILL).is_ok());
    let (killed, ended) = (killed.count(), running.wait());
    world.control().clear_faults();
    let what = format!("call {n}, {}:{}", call.service, call.operation);
    // Of its last call Terraform wants to know nothing: it has its answer, and the provider was told to go.
    assert!(killed > 0 || ended.code == Some(0), "{what}: {killed} killed, {}", ended.text());
    Some(what)
}

/// A life in which a deed is killed at its n-th call and done again; `ends` says whether it is the fleet's end.
fn life(prepare: Preparation, deed: Deed, ends: bool, n: usize) {
    let world = world();
    let before = holdings(&world);
    let terraform = configured(&world);
    prepare(&terraform);
    let killed = killed_at(&world, &terraform, deed, n).unwrap_or_default();
    deed(&terraform).wait().succeeded();
    let state = terraform.state(ARRAY);
    assert_eq!(state.is_null(), ends, "{killed}");
    if !ends {
        terraform.assert_settled();
        assert_eq!(instance_ids(&state).len(), 2, "{killed}");
    }
    let ever = world.instances();
    assert_eq!(ever.len(), 2, "{killed}: nothing is launched twice: {ever:?}");
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
    assert_eq!(world.control().gaps(), [], "{killed}");
}

/// Lives a life for each call of a deed, some at once.
fn killed_at_every_call(prepare: Preparation, deed: Deed, ends: bool) {
    let count = calls_of(prepare, deed);
    assert!(count > 5, "{count} calls are none of an operation");
    std::thread::scope(|scope| {
        for first in 0..AT_ONCE {
            scope.spawn(move || (first..count).step_by(AT_ONCE).for_each(|n| life(prepare, deed, ends, n)));
        }
    });
}

#[test]
fn an_apply_killed_at_any_call_is_gone_on_with() {
    killed_at_every_call(|_| (), apply, false);
}

#[test]
fn an_update_killed_at_any_call_is_gone_on_with() {
    killed_at_every_call(reconsidered, apply, false);
}

#[test]
fn a_destroy_killed_at_any_call_is_gone_on_with() {
    killed_at_every_call(|terraform| drop(terraform.apply().succeeded()), destroy, true);
}
