//! Schedules: what starts, what is left out, and that nothing starts twice.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use spawn_core::engine::Engine;
use spawn_core::operation::Operation;
use spawn_core::ports::Result;
use spawn_core::rerun::Wanted;
use spawn_core::schedule::Started;
use spawn_model::error::Class;
use spawn_model::ids::FleetId;
use spawn_model::record::{Exit, Keeper};
use spawn_model::schedule::{ScheduleSpec, ScheduleStatus, read_schedule};
use spawn_model::status::Status;

use crate::simulated::agents::Work;
use crate::simulated::door::Trouble;
use crate::simulated::view::assert_same;
use crate::simulated::{World, run};
use crate::warm;

/// A schedule that starts an array of two every hour, but for what `changes` says is otherwise.
pub(crate) fn schedule(changes: Value) -> ScheduleSpec {
    let mut value = json!({
        "name": "tiles", "cron": "0 * * * *",
        "job_array": { "size": 2, "instance_types": ["c7i.large", "c7a.large"], "command": ["./render"], "lease": { "ttl": "2h" } },
    });
    for (field, change) in changes.as_object().unwrap() {
        match (value.get_mut(field).and_then(Value::as_object_mut), change) {
            (Some(fields), Value::Object(changes)) => fields.extend(changes.clone()),
            _ => value[field] = change.clone(),
        }
    }
    let (spec, problems) = read_schedule(&value.into());
    assert_eq!(problems, []);
    spec.unwrap()
}

/// Makes a schedule, which a person keeps.
pub(crate) async fn made(world: &World, changes: Value) -> FleetId {
    let made = world.engine().schedule_create(&schedule(changes), &Operation::quiet()).await.unwrap();
    made.claim.acknowledge(Keeper::Person).await.unwrap();
    made.record.fleet
}

/// Makes its start of an hour, counted from when its times were written.
pub(crate) async fn start(engine: &Engine, fleet: &FleetId, hour: i64) -> Result<Started> {
    let record = engine.schedule_look(fleet).await?.unwrap().record;
    let mut at = record.counted_from;
    for _ in 0..hour {
        at = record.timing().unwrap().next(at).unwrap();
    }
    engine.schedule_start(fleet, at, &Operation::quiet()).await
}

fn run_of(started: Started) -> String {
    match started {
        Started::Run { run, .. } => run.to_string(),
        other => panic!("{other:?}"),
    }
}

/// The starts that are remembered, the latest first, with what became of them.
async fn history(engine: &Engine, fleet: &FleetId) -> String {
    let look = engine.schedule_look(fleet).await.unwrap().unwrap();
    let first = look.record.counted_from;
    let line = |start: spawn_model::schedule::Start| {
        let hours = start.scheduled_at.parse::<Timestamp>().unwrap().duration_since(first).as_mins().div_euclid(59);
        format!("{hours}: {} {}", start.outcome, start.status.or(start.reason).unwrap_or_default())
    };
    look.starts().map(line).collect::<Vec<_>>().join("\n").replace(look.fleet.record.run.as_str(), "RUN")
}

const HOUR: u64 = 3_600;

#[test]
fn a_schedule_is_a_fleet_without_a_run_until_its_time_comes() {
    run(async {
        let world = warm().await;
        let before = world.view();
        let fleet = made(&world, json!({})).await;
        let engine = world.engine();
        let look = engine.schedule_look(&fleet).await.unwrap().unwrap();
        assert_eq!((look.status, look.fleet.status, look.faults.len()), (ScheduleStatus::Active, Status::Scheduled, 0));
        assert_eq!(look.record.timing, look.timing_seen);
        assert_eq!(
            (world.view().count("instance "), world.view().count("role spawn-FLEET"), world.view().count("group spawn-FLEET")),
            (0, 1, 1)
        );
        let early = engine.schedule_start(&fleet, look.next.unwrap(), &Operation::quiet()).await.unwrap();
        assert!(matches!(&early, Started::Nothing { reason } if reason.ends_with("is still to come")), "{early:?}");
        let by_hand = engine.rerun(&fleet, &look.record.spec, Wanted::Anew, &Operation::quiet()).await;
        assert_eq!(by_hand.map(drop).unwrap_err().code, "NotRunYet");

        world.state().agents.work = Box::new(|_| Work::Ends { after_s: 20, exit: Exit::Code { code: 0 } });
        world.pass(HOUR).await;
        let process = world.process();
        let first = run_of(start(&process.engine(), &fleet, 1).await.unwrap());
        let makes = |call: &&str| ["Create", "Put", "Add", "Attach", "Authorize"].iter().any(|verb| call.contains(&format!(":{verb}")));
        let made: Vec<&str> = process.calls().into_iter().filter(makes).filter(|call| !call.starts_with("s3:")).collect();
        assert_eq!(made, ["scheduler:CreateSchedule"], "a start makes no role and no group, but what ends the run");
        assert_eq!(run_of(start(&engine, &fleet, 1).await.unwrap()), first, "a doubled start is the same run");
        assert_eq!(world.view().count("instance "), 2);
        world.pass(HOUR).await;
        let second = run_of(start(&engine, &fleet, 2).await.unwrap());
        assert_ne!(second, first);
        let late = start(&engine, &fleet, 1).await.unwrap();
        assert!(matches!(late, Started::Nothing { .. }), "a later start has been: {late:?}");
        world.pass(60).await;
        assert_eq!(history(&engine, &fleet).await, "2: started succeeded\n1: started succeeded");
        engine.end(&fleet, SignedDuration::from_mins(5), &Operation::quiet()).await.unwrap();
        let gone = engine.schedule_start(&fleet, world.now(), &Operation::quiet()).await.unwrap();
        assert!(matches!(&gone, Started::Nothing { reason } if reason.ends_with("is no schedule any more")), "{gone:?}");
        world.assert_lawful();
        assert_same("ended", &world.view(), &before);
    });
}

#[test]
fn a_run_that_still_goes_on_is_left_alone_or_replaced() {
    for (overlap, second, told) in [
        ("skip", false, "2: skipped RUN still went on: 2 of 2 ranks are at work\n1: started running"),
        ("replace", true, "2: started running\n1: started expired"),
    ] {
        run(async {
            let world = warm().await;
            let fleet = made(&world, json!({ "overlap": overlap })).await;
            let engine = world.engine();
            world.pass(HOUR).await;
            let first = run_of(start(&engine, &fleet, 1).await.unwrap());
            world.pass(HOUR).await;
            let started = start(&engine, &fleet, 2).await.unwrap();
            assert_eq!(matches!(&started, Started::Run { run, .. } if run.to_string() != first), second, "{started:?}");
            world.pass(60).await;
            assert_eq!(world.view().count("instance "), 2);
            assert_eq!(history(&engine, &fleet).await, told);
            world.assert_lawful();
        });
    }
}

#[test]
fn a_start_that_comes_too_late_or_to_a_pause_is_none() {
    run(async {
        let world = warm().await;
        let fleet = made(&world, json!({ "start_within": "10m" })).await;
        let engine = world.engine();
        world.pass(HOUR + 11 * 60).await;
        let late = start(&engine, &fleet, 1).await.unwrap();
        assert_eq!(late, Started::LeftOut { reason: "it could not be made within 10m".to_owned() });
        engine.schedule_enable(&fleet, false).await.unwrap();
        let look = engine.schedule_look(&fleet).await.unwrap().unwrap();
        assert_eq!((look.status, look.next, look.faults.len()), (ScheduleStatus::Paused, None, 0));
        world.pass(HOUR - 11 * 60).await;
        assert_eq!(start(&engine, &fleet, 2).await.unwrap(), Started::Nothing { reason: "the schedule is paused".to_owned() });
        engine.schedule_enable(&fleet, true).await.unwrap();
        assert!(matches!(start(&engine, &fleet, 2).await.unwrap(), Started::Run { .. }));
        world.pass(60).await;
        assert_eq!(history(&engine, &fleet).await, "2: started running\n1: missed it could not be made within 10m");
    });
}

#[test]
fn an_interval_keeps_its_moments_whenever_it_is_changed() {
    run(async {
        let world = warm().await;
        let fleet = made(&world, json!({ "cron": null, "rate": "1h" })).await;
        let engine = world.engine();
        let told = || {
            let state = world.state();
            let alarm = &state.schedules[&("spawn".to_owned(), format!("spawn-{fleet}"))];
            let spawn_core::ports::Times::By(calendar) = &alarm.schedule.times else { panic!("an interval of a schedule") };
            calendar.start.unwrap()
        };
        let first = told();
        // Long after the first one, which Scheduler does not take any more, and while it may still have to come to another.
        for (minutes, hours) in [(90, 1), (90, 2)] {
            world.pass(minutes * 60).await;
            engine.schedule_enable(&fleet, true).await.unwrap();
            assert_eq!(told(), first + SignedDuration::from_hours(hours));
            let look = engine.schedule_look(&fleet).await.unwrap().unwrap();
            assert_eq!((look.faults.len(), look.next.unwrap() > world.now()), (0, true));
        }
    });
}

#[test]
fn two_at_once_start_one_run() {
    run(async {
        let world = warm().await;
        let fleet = made(&world, json!({ "overlap": "replace" })).await;
        world.pass(HOUR).await;
        let (one, other) = (world.process(), world.process());
        let (one, other) = (one.engine(), other.engine());
        let (first, second) = futures::join!(start(&one, &fleet, 1), start(&other, &fleet, 1));
        let runs = [first.unwrap(), second.unwrap()].into_iter().filter(|started| matches!(started, Started::Run { .. })).count();
        assert!((1..=2).contains(&runs));
        world.pass(60).await;
        assert_eq!(world.view().count("instance "), 2);
        assert_eq!(history(&world.engine(), &fleet).await, "1: started running");
        world.assert_lawful();
    });
}

/// Whoever finds what a dead starter was taking back finishes that, and begins anew: what is gone of it is no run.
#[test]
fn a_start_that_dies_undoing_is_not_gone_on_with() {
    let prepared = || async {
        let world = warm().await;
        let fleet = made(&world, json!({})).await;
        world.pass(HOUR).await;
        (world, fleet)
    };
    let recorded = run(async {
        let (world, fleet) = prepared().await;
        let process = world.process();
        start(&process.engine(), &fleet, 1).await.unwrap();
        process.calls().iter().rposition(|call| call.starts_with("s3:Put") && !call.contains("conditional")).unwrap()
    });
    for last in 0..60 {
        let finished = run(async {
            let (world, fleet) = prepared().await;
            // Its machines are launched, and that cannot be recorded.
            let process = world.process().with(recorded, Trouble::Refused(Class::Denied));
            let process = process.with(recorded + 1 + last, Trouble::DiesAfter);
            let engine = process.engine();
            let finished = process.live(start(&engine, &fleet, 1)).await.is_some();
            world.state().bury_launchers();
            let what = format!("dead after call {last} of undoing");
            assert!(matches!(start(&world.engine(), &fleet, 1).await.unwrap(), Started::Run { .. }), "{what}");
            world.pass(60).await;
            assert_eq!(world.view().count("instance "), 2, "{what}");
            assert_eq!(history(&world.engine(), &fleet).await, "1: started running", "{what}");
            world.assert_lawful();
            finished
        });
        if finished {
            assert!(last > 5, "undoing makes {last} calls");
            return;
        }
    }
    panic!("undoing never ends");
}

#[test]
fn the_next_run_is_launched_from_what_the_schedule_says_by_then() {
    run(async {
        let world = warm().await;
        let fleet = made(&world, json!({})).await;
        let engine = world.engine();
        world.state().agents.work = Box::new(|_| Work::Ends { after_s: 20, exit: Exit::Code { code: 0 } });
        world.pass(HOUR).await;
        start(&engine, &fleet, 1).await.unwrap();
        world.pass(HOUR / 2).await;
        let changed = schedule(json!({ "job_array": { "size": 3, "instance_types": ["m7i.large"], "files": { "render": "new" } } }));
        engine.schedule_change(&fleet, &changed, &Operation::quiet()).await.unwrap();
        assert_eq!(engine.look(&fleet).await.unwrap().unwrap().size, 2, "what has run stays what it was");
        world.pass(HOUR / 2).await;
        start(&engine, &fleet, 2).await.unwrap();
        let fleet = engine.look(&fleet).await.unwrap().unwrap();
        assert_eq!((fleet.size, fleet.record.instance_types.as_slice()), (3, ["m7i.large".to_owned()].as_slice()));
        assert_eq!(engine.files(&fleet.record).await.unwrap()["render"], "new");
        let over = schedule(json!({ "cron": null, "at": "2020-01-01T00:00:00" }));
        let refused = engine.schedule_change(&fleet.record.fleet, &over, &Operation::quiet()).await.unwrap_err();
        assert_eq!((refused.code.as_str(), refused.path.to_string().as_str()), ("ScheduleOver", "at"));
    });
}

#[test]
fn what_somebody_has_changed_of_a_schedule_is_seen_and_put_right() {
    run(async {
        let world = warm().await;
        let fleet = made(&world, json!({ "cron": "30 2 * * *" })).await;
        let engine = world.engine();
        let place = ("spawn".to_owned(), format!("spawn-{fleet}"));
        let look = || async { engine.schedule_look(&fleet).await.unwrap().unwrap() };
        world.state().schedules.get_mut(&place).unwrap().is_enabled = false;
        assert_eq!((look().await.timing_seen.enabled, look().await.status), (false, ScheduleStatus::Paused));
        let alarm = world.state().schedules.remove(&place).unwrap();
        assert_eq!(look().await.timing_seen.cron, None);
        assert_eq!(look().await.faults, [format!("spawn-{fleet}, which starts its runs, is not there")]);
        let mut other = alarm;
        if let spawn_core::ports::Times::By(calendar) = &mut other.schedule.times {
            calendar.expression = "cron(0 3 * * ? *)".to_owned();
            calendar.zone = "Asia/Tokyo".to_owned();
            calendar.end = Some(world.now());
        }
        other.schedule.target = spawn_core::ports::Target::Function { arn: "arn:other".to_owned(), input: None };
        world.state().schedules.insert(place, other);
        let seen = look().await;
        assert_eq!((seen.timing_seen.cron.as_deref(), seen.timing_seen.timezone.as_str()), (Some("cron(0 3 * * ? *)"), "Asia/Tokyo"));
        assert_eq!(seen.faults, ["its first or last date was changed", "what it invokes was changed"]);
        let same = schedule(json!({ "cron": "30 2 * * *" }));
        engine.schedule_change(&fleet, &same, &Operation::quiet()).await.unwrap();
        assert_eq!((look().await.timing_seen, look().await.faults), (same.timing, Vec::new()));
    });
}

#[test]
fn a_start_whose_group_is_gone_says_so_and_applying_again_makes_it() {
    run(async {
        let world = warm().await;
        let fleet = made(&world, json!({})).await;
        let engine = world.engine();
        let aws = world.process().aws();
        let tags = [("spawn:fleet".to_owned(), fleet.to_string())].into();
        let groups = aws.instances.groups(&tags).await.unwrap();
        aws.instances.group_delete(&groups[0]).await.unwrap();
        world.pass(HOUR).await;
        let refused = start(&engine, &fleet, 1).await.unwrap_err();
        assert_eq!(refused.code, "FleetIncomplete", "{refused}");
        assert_eq!(world.view().count("instance "), 0);
        engine.schedule_change(&fleet, &schedule(json!({})), &Operation::quiet()).await.unwrap();
        assert!(matches!(start(&engine, &fleet, 1).await.unwrap(), Started::Run { .. }), "the next try of the same start");
        world.pass(60).await;
        assert_eq!(history(&engine, &fleet).await, "1: started running");
    });
}

#[test]
fn the_reaper_leaves_a_schedule_alone_until_its_last_run_is_over() {
    run(async {
        let world = warm().await;
        let before = world.view();
        let fleet = made(&world, json!({ "max_runs": 1, "job_array": { "lease": { "ttl": "10m" } } })).await;
        let engine = world.engine();
        let reap = || async { engine.reap(false, &Operation::quiet()).await };
        world.pass(HOUR).await;
        assert_eq!(reap().await.fleets, [], "its last start is still to be made");
        start(&engine, &fleet, 1).await.unwrap();
        world.pass(60).await;
        assert_eq!(engine.schedule_look(&fleet).await.unwrap().unwrap().status, ScheduleStatus::Over);
        assert_eq!(reap().await.fleets, []);
        world.pass(3 * HOUR).await;
        assert_eq!(reap().await.fleets.len(), 1, "its last run is over");
        world.assert_lawful();
        assert_same("reaped", &world.view(), &before);
    });
}

#[test]
fn a_schedule_whose_maker_died_starts_nothing_for_ever() {
    run(async {
        let world = warm().await;
        let before = world.view();
        let made = world.engine().schedule_create(&schedule(json!({})), &Operation::quiet()).await.unwrap();
        let (fleet, kept_alive) = (made.record.fleet.clone(), made.kept_alive);
        drop(kept_alive);
        world.state().bury_launchers();
        let engine = world.engine();
        world.pass(HOUR).await;
        assert_eq!(engine.reap(false, &Operation::quiet()).await.fleets, [], "its maker may come back");
        start(&engine, &fleet, 1).await.unwrap();
        world.pass(HOUR + 60).await;
        assert_eq!(engine.reap(false, &Operation::quiet()).await.fleets.len(), 1);
        assert_same("reaped", &world.view(), &before);
    });
}
