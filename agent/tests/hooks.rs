//! What runs before a machine ends, and when EC2 is likely to take it back.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod world;

use jiff::{SignedDuration, Timestamp};
use spawn_model::hook::AFTER_HOOK;
use spawn_model::ids::InstanceId;
use spawn_model::record::{Exit, Notice, SCHEMA};
use spawn_model::spec::FleetKind;
use world::{World, finish};

/// Ends when its file is there, and says so when it is asked to end before.
const WORK: &str = "exec 2>/dev/null; trap 'echo asked; exit 0' TERM; echo up; while [ ! -e stop ]; do sleep 0.05; done; echo done";

const TAKEN_BACK: &str = "meta-data/spot/instance-action";
const LIKELY: &str = "meta-data/events/recommendations/rebalance";

fn seconds(count: i64) -> SignedDuration {
    SignedDuration::from_secs(count)
}

/// The notice, so early that there is time for everything.
fn notice() -> String {
    format!(r#"{{"action": "terminate", "time": "{}"}}"#, Timestamp::now() + seconds(120))
}

/// A spot machine at work.
fn spot(world: &World) {
    world.cloud.metadata("meta-data/instance-life-cycle", "spot");
    world.shell(WORK);
}

fn until_up(world: &World) {
    world.cloud.until(|requests, _| requests.iter().any(|request| request == "LOGS PutLogEvents"));
}

#[test]
fn the_end_of_the_lease_leaves_time_for_it() {
    let mut world = World::new();
    world.config.deadline = Timestamp::now() + seconds(i64::try_from(AFTER_HOOK.0).unwrap() + 22);
    world.lease(world.config.deadline);
    world.shell(WORK);
    // It has the command end, which then has done what it was to do.
    let save = "echo $SPAWN_REASON >\"$SPAWN_RESULTS/reason\"; : >stop; while kill -0 $SPAWN_COMMAND_PID; do sleep 0.05; done";
    world.hooks(Some((&format!("{{ {save}; }} 2>&1"), 20)), None);
    let said = world.run();
    let done = world.completion(0).unwrap_or_else(|| panic!("{said}"));
    assert_eq!((done.exit, done.notes), (Exit::Code { code: 0 }, vec![]), "{said}");
    assert_eq!(world.result(0, "reason").as_deref(), Some("lease\n"));
    assert!(Timestamp::now() < world.config.deadline, "the machine is off before its deadline");
    assert!(world.is_off());
}

#[test]
fn a_command_that_goes_on_is_asked_to_end_after_it() {
    for world in [World::new(), World::without_units()] {
        spot(&world);
        world.hooks(Some(("echo saving for $SPAWN_REASON; echo 7 >\"$SPAWN_RESULTS/step\"", 20)), None);
        let child = world.start();
        until_up(&world);
        world.cloud.metadata(TAKEN_BACK, &notice());
        let said = finish(child);
        let done = world.completion(0).unwrap_or_else(|| panic!("{said}"));
        assert_eq!((done.exit, done.notes), (Exit::Interrupted, vec![]), "{said}");
        assert_eq!(world.cloud.events(), ["up", "saving for spot", "asked"]);
        assert_eq!(world.result(0, "step").as_deref(), Some("7\n"));
    }
}

#[test]
fn what_goes_wrong_with_it_is_recorded_and_stops_nothing() {
    let cases = [
        ("exit 3", 20, "pre_stop ended with exit code 3"),
        ("kill -9 $$", 20, "pre_stop was killed by signal 9"),
        ("sleep 600", 1, "pre_stop was ended after 1 s, its timeout"),
        ("trap '' TERM; while true; do sleep 0.1; done", 1, "pre_stop was ended after 1 s, its timeout"),
    ];
    std::thread::scope(|scope| {
        for (line, timeout, note) in cases {
            scope.spawn(move || {
                let world = World::new();
                spot(&world);
                world.hooks(Some((line, timeout)), None);
                let child = world.start();
                until_up(&world);
                world.cloud.metadata(TAKEN_BACK, &notice());
                let said = finish(child);
                let done = world.completion(0).unwrap_or_else(|| panic!("{said}"));
                assert_eq!((done.exit, done.notes), (Exit::Interrupted, vec![note.to_owned()]), "{line}: {said}");
                assert!(world.is_off());
            });
        }
    });
}

#[test]
fn it_gets_no_more_time_than_ec2_leaves() {
    let world = World::new();
    spot(&world);
    world.hooks(Some(("sleep 600", 60)), None);
    let child = world.start();
    until_up(&world);
    let soon = Timestamp::now() + seconds(i64::try_from(AFTER_HOOK.0).unwrap() + 2);
    world.cloud.metadata(TAKEN_BACK, &format!(r#"{{"action": "terminate", "time": "{soon}"}}"#));
    let said = finish(child);
    let notes = world.completion(0).unwrap_or_else(|| panic!("{said}")).notes;
    assert_eq!(notes, ["pre_stop was ended: the machine had no more time"], "{said}");
}

#[test]
fn a_checkpoint_is_made_while_the_command_goes_on() {
    let world = World::new();
    spot(&world);
    world.hooks(None, Some(("echo saving for $SPAWN_REASON; echo 7 >\"$SPAWN_RESULTS/step\"", 20)));
    let child = world.start();
    until_up(&world);
    world.cloud.metadata(LIKELY, r#"{"noticeTime": "2030-01-01T00:00:00Z"}"#);
    let step = world.keys.result(0, "step");
    world.cloud.until(|_, objects| objects.contains_key(&step));
    assert_eq!(world.completion(0), None, "the command goes on");
    std::fs::write(world.state().join("work/stop"), "").unwrap();
    let said = finish(child);
    let done = world.completion(0).unwrap_or_else(|| panic!("{said}"));
    assert_eq!((done.exit, done.notes), (Exit::Code { code: 0 }, vec![]), "{said}");
    assert_eq!(world.cloud.events(), ["up", "saving for rebalance", "done"]);
}

#[test]
fn the_notice_makes_a_checkpoint_where_nothing_else_is_meant_for_the_end() {
    for (pre_stop, expected) in [(None, "checkpoint for spot"), (Some(("echo pre-stop for $SPAWN_REASON", 20)), "pre-stop for spot")] {
        let mut world = World::new();
        // Also a machine that stays runs it once.
        world.config.kind = FleetKind::Instance;
        spot(&world);
        world.hooks(pre_stop, Some(("echo checkpoint for $SPAWN_REASON", 20)));
        let child = world.start();
        until_up(&world);
        world.cloud.metadata(TAKEN_BACK, &notice());
        let said = finish(child);
        assert_eq!(world.cloud.events(), ["up", expected, "asked"], "{said}");
    }
}

#[test]
fn a_machine_that_stays_runs_it_when_its_lease_ends_also_after_a_reboot() {
    for command in [&["sh", "-c", "exit 3"][..], &[]] {
        let mut world = World::new();
        world.config.kind = FleetKind::Instance;
        world.payload(1, command, &[], &[]);
        world.hooks(Some(("echo bye; echo 7 >\"$SPAWN_RESULTS/step\"", 20)), None);
        let child = world.start();
        let (claim, completion) = (world.keys.rank(0), world.keys.completion(0));
        world.cloud.until(|_, objects| objects.contains_key(if command.is_empty() { &claim } else { &completion }));
        assert!(std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
        finish(child);
        assert!(!world.is_off());

        let child = world.start();
        world.lease(Timestamp::now() + seconds(i64::try_from(AFTER_HOOK.0).unwrap() + 20));
        let said = finish(child);
        let done = world.completion(0).unwrap_or_else(|| panic!("{said}"));
        assert_eq!(done.exit, if command.is_empty() { Exit::LeaseEnded } else { Exit::Code { code: 3 } }, "{said}");
        assert_eq!((done.results.len(), done.notes), (1, vec![]), "{said}");
        assert_eq!((world.result(0, "step").as_deref(), world.cloud.events()), (Some("7\n"), vec!["bye".to_owned()]));
        assert!(world.is_off());
    }
}

#[test]
fn the_notice_ends_what_an_idle_or_ending_machine_takes_its_time_for() {
    let mut world = World::new();
    world.config.deadline = Timestamp::now() + seconds(i64::try_from(AFTER_HOOK.0).unwrap() + 22);
    world.lease(world.config.deadline);
    spot(&world);
    world.hooks(Some(("echo saving; sleep 600", 20)), None);
    let child = world.start();
    world.cloud.until(|requests, _| requests.iter().filter(|request| *request == "LOGS PutLogEvents").count() == 2);
    let soon = Timestamp::now() + seconds(i64::try_from(AFTER_HOOK.0).unwrap());
    world.cloud.metadata(TAKEN_BACK, &format!(r#"{{"action": "terminate", "time": "{soon}"}}"#));
    let said = finish(child);
    let notes = world.completion(0).unwrap_or_else(|| panic!("{said}")).notes;
    assert_eq!(notes, ["pre_stop was ended: the machine had no more time"], "{said}");
}

#[test]
fn a_checkpoint_under_way_is_the_one_that_the_notice_asks_for() {
    for world in [World::new(), World::without_units()] {
        spot(&world);
        world.hooks(None, Some(("echo saving for $SPAWN_REASON; while [ ! -e saved ]; do sleep 0.05; done; echo saved", 20)));
        let child = world.start();
        until_up(&world);
        world.cloud.metadata(LIKELY, r#"{"noticeTime": "2030-01-01T00:00:00Z"}"#);
        world.cloud.until(|requests, _| requests.iter().filter(|request| *request == "LOGS PutLogEvents").count() == 2);
        let count = |requests: &[String], what: &str| requests.iter().filter(|request| request.contains(what)).count();
        world.cloud.metadata(TAKEN_BACK, &notice());
        let before = count(&world.cloud.requests(), "instance-action");
        world.cloud.until(|requests, _| count(requests, "instance-action") > before);
        // When the lease is read twice more, what was answered before has been understood.
        let before = count(&world.cloud.requests(), "lease.json");
        world.cloud.until(|requests, _| count(requests, "lease.json") > before + 1);
        std::fs::write(world.state().join("work/saved"), "").unwrap();
        let said = finish(child);
        assert_eq!(world.cloud.events(), ["up", "saving for rebalance", "saved", "asked"], "{said}");
    }
}

/// What EC2 tells one machine, its agent tells the others.
#[test]
fn the_notice_is_left_for_the_other_ranks() {
    let world = World::new();
    spot(&world);
    world.peer_notice(2, "echo saving for $SPAWN_REASON");
    let child = world.start();
    until_up(&world);
    let at = Timestamp::now() + seconds(120);
    world.cloud.metadata(TAKEN_BACK, &format!(r#"{{"action": "terminate", "time": "{at}"}}"#));
    let said = finish(child);
    let notice = world.cloud.get(&world.keys.notice(0, &world.own_id())).unwrap_or_else(|| panic!("{said}"));
    let notice: Notice = serde_json::from_slice(&notice).unwrap();
    assert_eq!((notice.rank, notice.instance_id, notice.gone_at), (0, world.own_id(), at));
    assert_eq!(world.cloud.events(), ["up", "asked"], "its own notice is not another's");
}

#[test]
fn a_notice_to_another_rank_is_heeded_once_while_the_command_goes_on() {
    std::thread::scope(|scope| {
        for world in [World::new(), World::without_units()] {
            scope.spawn(move || heeds_a_notice(&world));
        }
    });
}

fn heeds_a_notice(world: &World) {
    spot(world);
    world.peer_notice(3, "echo saving for $SPAWN_REASON; cat \"$SPAWN_NOTICES\" >\"$SPAWN_RESULTS/notices\"");
    let put = |rank: u32, instance: &str, gone_at: Timestamp| {
        let notice = Notice { schema: SCHEMA, rank, instance_id: InstanceId(instance.to_owned()), gone_at };
        world.cloud.put(&world.keys.notice(rank, &notice.instance_id), serde_json::to_vec(&notice).unwrap());
    };
    let soon = Timestamp::now() + seconds(120);
    // Whoever had the rank before is gone, and this one knows of itself.
    put(1, "i-gone", Timestamp::now() - seconds(60));
    put(0, &world.own_id().0, soon);
    let child = world.start();
    until_up(world);
    put(2, "i-going", soon);
    let kept = world.keys.result(0, "notices");
    world.cloud.until(|_, objects| objects.contains_key(&kept));
    // Nothing else lists objects while the command runs, which is a request for no key.
    let listed = |requests: &[String]| requests.iter().filter(|request| *request == "GET ").count();
    let before = listed(&world.cloud.requests());
    world.cloud.until(|requests, _| listed(requests) > before);
    assert_eq!(world.completion(0), None, "the command goes on");
    std::fs::write(world.state().join("work/stop"), "").unwrap();
    let said = finish(child);
    assert_eq!(world.cloud.events(), ["up", "saving for peer", "done"], "{said}");
    let told = world.result(0, "notices").unwrap();
    let told: Vec<Notice> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.iter().map(|notice| (notice.rank, notice.instance_id.0.as_str())).collect::<Vec<_>>(), [(2, "i-going")]);
    assert_eq!(world.completion(0).unwrap().notes, Vec::<String>::new());
}
