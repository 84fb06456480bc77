//! Alerts: what is told, to whom, and that it is told once.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use sandbox_cloud::model::Market;
use serde_json::{Value, json};
use spawn_core::alert::AlertLook;
use spawn_core::operation::Operation;
use spawn_model::alert::{AlertSpec, AlertStatus, read_alert};
use spawn_model::error::{Class, Leftover};
use spawn_model::record::Exit;
use spawn_model::spec::{FleetKind, FleetSpec};

use crate::markets::scarce;
use crate::queues::queue;
use crate::schedules::{made as made_schedule, start};
use crate::services::{serve, service};
use crate::simulated::agents::Work;
use crate::simulated::door::Trouble;
use crate::simulated::view::assert_same;
use crate::simulated::{World, run};
use crate::{array, launch, warm};

/// An alert that watches everything and posts, but for what `changes` says is otherwise.
pub(crate) fn alert(changes: Value) -> AlertSpec {
    let mut value = json!({
        "name": "money", "watch": { "everything": true }, "on": ["failed"],
        "notify": { "email": ["ada@example.com"], "webhook": { "url": "https://example.com/hook", "secret": "hunter2" } },
    });
    for (field, change) in changes.as_object().unwrap() {
        value[field] = change.clone();
    }
    let (spec, problems) = read_alert(&value.into());
    assert_eq!(problems, []);
    spec.unwrap()
}

/// Makes an alert, whose address somebody confirms.
pub(crate) async fn alerted(world: &World, changes: Value) -> AlertLook {
    let look = world.engine().alert_create(&alert(changes), &Operation::quiet()).await.unwrap();
    world.state().topics.values_mut().flat_map(|topic| topic.addresses.values_mut()).for_each(|confirmed| *confirmed = true);
    look
}

/// Everything that an alert can tell of.
const ALL: [&str; 9] = ["started", "ready", "succeeded", "failed", "expired", "interrupted", "idle", "lost", "missed"];

/// Looks every two minutes for so long, and says what was posted: kind and name.
async fn told(world: &World, minutes: u64) -> Vec<String> {
    for _ in 0..minutes.div_ceil(2) {
        let told = world.engine().alerts_tell(&Operation::quiet()).await.unwrap();
        assert_eq!(told.errors, Vec::<String>::new());
        world.pass(120).await;
    }
    let state = world.state();
    let kind = |body: &str| {
        let document: Value = serde_json::from_str(body).unwrap();
        format!("{} {}", document["kind"].as_str().unwrap(), document["name"].as_str().unwrap_or("-"))
    };
    state.posted.iter().map(|posted| kind(&posted.body)).collect()
}

fn ends(code: i32) -> impl Fn(u32) -> Work + Send {
    move |_| Work::Ends { after_s: 100, exit: Exit::Code { code } }
}

#[test]
fn each_end_of_a_fleet_is_told_once_and_as_what_it_is() {
    type Ends = Box<dyn Fn(u32) -> Work + Send>;
    let cases: [(&str, Ends, &[&str]); 6] = [
        ("succeeded", Box::new(ends(0)), &["started", "ready", "succeeded"]),
        ("failed", Box::new(ends(7)), &["started", "ready", "failed"]),
        ("expired", Box::new(|_| Work::GoesOn), &["started", "ready", "expired"]),
        ("one fails early", Box::new(|rank| if rank == 0 { ends(1)(0) } else { Work::GoesOn }), &["started", "ready", "failed"]),
        ("taken back", Box::new(|_| Work::Ends { after_s: 100, exit: Exit::Interrupted }), &["started", "ready", "interrupted"]),
        ("idle", Box::new(|_| Work::Ends { after_s: 100, exit: Exit::Idle }), &["started", "ready", "idle"]),
    ];
    for (what, work, expected) in cases {
        run(async {
            let world = warm().await;
            alerted(&world, json!({ "on": ALL })).await;
            world.state().agents.work = work;
            launch(&world.process(), &array(2)).await.unwrap();
            let expected: Vec<String> = expected.iter().map(|kind| format!("{kind} tiles")).collect();
            assert_eq!(told(&world, 30).await, expected, "{what}");
            let state = world.state();
            let topic = state.topics.values().next().unwrap();
            assert_eq!(topic.published.len(), expected.len(), "{what}: mail says the same");
        });
    }
}

#[test]
fn what_vanishes_is_lost_unless_somebody_ended_it() {
    run(async {
        let world = warm().await;
        alerted(&world, json!({ "on": ["lost", "expired", "succeeded"] })).await;
        launch(&world.process(), &array(2)).await.unwrap();
        assert_eq!(told(&world, 2).await, Vec::<String>::new());
        let now = world.now();
        let ids = world.state().cloud.machine_ids();
        world.state().machine_off(now, &ids[0], true);
        assert_eq!(told(&world, 4).await, ["lost tiles"], "while the other one goes on");
        let other = FleetSpec { name: "other".to_owned(), ..array(1) };
        let other = launch(&world.process(), &other).await.unwrap();
        told(&world, 4).await;
        world.engine().end(&other.record.fleet, SignedDuration::from_mins(5), &Operation::quiet()).await.unwrap();
        // The rank that was left ended with the lease.
        assert_eq!(told(&world, 60).await, ["lost tiles", "expired tiles"], "whoever ends a fleet is not told that it is gone");
    });
}

#[test]
fn what_a_reaper_removes_at_its_deadline_is_told_all_the_same() {
    run(async {
        let world = warm().await;
        alerted(&world, json!({ "on": ["expired"] })).await;
        let launched = launch(&world.process(), &array(1)).await.unwrap();
        launched.claim.acknowledge(spawn_model::record::Keeper::Person).await.unwrap();
        drop(launched.kept_alive);
        assert_eq!(told(&world, 18).await, Vec::<String>::new());
        world.pass(200).await;
        // Nobody has looked since it ended, and the reaper gives its name back.
        let reaped = world.engine().reap(false, &Operation::quiet()).await;
        assert_eq!(reaped.fleets.len(), 1, "{reaped:?}");
        assert_eq!(told(&world, 4).await, ["expired tiles"]);
        assert_eq!(told(&world, 10).await, ["expired tiles"]);
    });
}

#[test]
fn what_was_over_before_the_alert_was_made_is_no_news() {
    run(async {
        let world = warm().await;
        world.state().agents.work = Box::new(ends(1));
        launch(&world.process(), &array(1)).await.unwrap();
        world.pass(300).await;
        alerted(&world, json!({ "on": ALL })).await;
        world.state().agents.work = Box::new(|_| Work::Ends { after_s: 400, exit: Exit::Code { code: 1 } });
        assert_eq!(told(&world, 10).await, Vec::<String>::new());
        let fleet = world.engine().find("tiles").await.unwrap().record.fleet;
        let again = FleetSpec { triggers: [("version".to_owned(), "2".to_owned())].into(), ..array(1) };
        world.engine().rerun(&fleet, &again, spawn_core::rerun::Wanted::ByTriggers, &Operation::quiet()).await.unwrap();
        assert_eq!(told(&world, 14).await, ["started tiles", "ready tiles", "failed tiles"], "but its next run is");
    });
}

#[test]
fn an_alert_watches_what_it_names() {
    for (watch, expected) in [
        (json!({ "fleets": ["tiles"] }), vec!["failed tiles"]),
        (json!({ "fleets": ["other"] }), vec!["failed other"]),
        (json!({ "tags": { "team": "maps" } }), vec!["failed other", "failed tiles"]),
        (json!({ "tags": { "team": "maps", "owner": "ada" } }), vec!["failed other"]),
        (json!({ "tags": { "owner": "grace" } }), vec![]),
        (json!({ "tags": { "owner": "grace" }, "fleets": ["tiles"] }), vec!["failed tiles"]),
    ] {
        run(async {
            let world = warm().await;
            alerted(&world, json!({ "watch": watch })).await;
            world.state().agents.work = Box::new(ends(1));
            launch(&world.process(), &array(1)).await.unwrap();
            let tags = BTreeMap::from([("team".to_owned(), "maps".to_owned()), ("owner".to_owned(), "ada".to_owned())]);
            launch(&world.process(), &FleetSpec { name: "other".to_owned(), tags, ..array(1) }).await.unwrap();
            let mut found = told(&world, 8).await;
            found.sort();
            assert_eq!(found, expected, "{watch}");
        });
    }
}

#[test]
fn money_and_time_are_told_when_they_are_above() {
    run(async {
        let world = warm().await;
        // Two of c7i.large at $0.08925 an hour, and their disks: in twelve minutes a little more than 3.5 cents.
        alerted(&world, json!({ "on": [], "cost_above": 0.036, "longer_than": "7m" })).await;
        launch(&world.process(), &array(2)).await.unwrap();
        assert_eq!(told(&world, 6).await, Vec::<String>::new());
        assert_eq!(told(&world, 4).await, ["longer_than tiles"]);
        assert_eq!(told(&world, 4).await, ["longer_than tiles", "cost_above tiles"]);
        let text = world.state().topics.values().next().unwrap().published.last().unwrap().1.clone();
        assert!(text.contains("it may have cost $0.04 by now, which is above $0.036"), "{text}");
        let process = world.process();
        process.engine().alerts_tell(&Operation::quiet()).await.unwrap();
        assert!(!process.calls().contains(&"pricing:GetProducts"), "a price is asked for once a run");
        assert_eq!(told(&world, 20).await.len(), 2);
    });
    run(async {
        let world = warm().await;
        world.state().priced = false;
        alerted(&world, json!({ "on": [], "cost_above": 0.01 })).await;
        launch(&world.process(), &array(1)).await.unwrap();
        assert_eq!(told(&world, 30).await, ["cost_unknown tiles"], "an unknown price is unknown, and told");
    });
}

#[test]
fn queues_services_and_schedules_are_watched_too() {
    run(async {
        let world = warm().await;
        alerted(&world, json!({ "on": ALL })).await;
        world.engine().launch(FleetKind::Queue, &queue(1, json!({})), &Operation::quiet()).await.unwrap();
        let found = told(&world, 2).await;
        assert!(found.contains(&"started tiles".to_owned()), "{found:?}");
    });
    run(async {
        let world = warm().await;
        alerted(&world, json!({ "on": ALL, "cost_above": 0.01, "longer_than": "5m" })).await;
        serve(&world, &service(2, json!({}))).await;
        let mut found = told(&world, 30).await;
        found.sort();
        assert_eq!(found, ["cost_above tiles", "expired tiles", "longer_than tiles", "ready tiles", "started tiles"]);
    });
    run(async {
        let world = warm().await;
        alerted(&world, json!({ "on": ["missed", "failed"], "watch": { "fleets": ["tiles"] } })).await;
        let fleet = made_schedule(&world, json!({})).await;
        world.pass(3_600).await;
        assert_eq!(told(&world, 2).await, Vec::<String>::new());
        scarce(&world, Market::OnDemand, 0);
        start(&world.engine(), &fleet, 1).await.map(drop).unwrap_err();
        assert_eq!(told(&world, 20).await, Vec::<String>::new(), "AWS may try it again");
        assert_eq!(told(&world, 30).await, ["missed tiles"]);
        assert_eq!(told(&world, 10).await, ["missed tiles"]);
    });
}

#[test]
fn what_is_refused_is_told_again_and_shown_until_it_is_taken() {
    run(async {
        let world = warm().await;
        let look = world.engine().alert_create(&alert(json!({})), &Operation::quiet()).await.unwrap();
        assert_eq!(
            look.status(),
            (AlertStatus::PendingConfirmation, "ada@example.com has not confirmed yet that it wants mail".to_owned())
        );
        world.state().refuses_posts = Some("it answered 503".to_owned());
        world.state().agents.work = Box::new(ends(1));
        launch(&world.process(), &array(1)).await.unwrap();
        assert_eq!(told(&world, 10).await, Vec::<String>::new());
        let look = world.engine().alert_find("money").await.unwrap();
        let reason = "email did not take what it was sent last: nobody has confirmed yet that they want mail";
        assert_eq!(look.status(), (AlertStatus::Refused, reason.to_owned()));
        world.state().topics.values_mut().flat_map(|topic| topic.addresses.values_mut()).for_each(|confirmed| *confirmed = true);
        told(&world, 30).await;
        let look = world.engine().alert_find("money").await.unwrap();
        assert_eq!(look.status(), (AlertStatus::Refused, "webhook did not take what it was sent last: it answered 503".to_owned()));
        world.state().refuses_posts = None;
        assert_eq!(told(&world, 70).await, ["failed tiles"]);
        let look = world.engine().alert_find("money").await.unwrap();
        assert_eq!(look.status(), (AlertStatus::Ok, "it tells by email, webhook".to_owned()));
        let posted = world.state().posted[0].clone();
        assert_eq!(posted.url, "https://example.com/hook");
        assert_eq!(posted.headers[1], ("X-Spawn-Secret".to_owned(), "hunter2".to_owned()));
        assert_eq!(posted.headers[0], ("X-Spawn-Occurrence".to_owned(), look.told.occurrences[0].id.clone()));
    });
}

#[test]
fn slack_gets_a_text_and_a_test_reaches_every_channel() {
    run(async {
        let world = warm().await;
        let topic = "arn:aws:sns:us-east-1:123456789012:ops";
        world.state().topics.insert(topic.to_owned(), crate::simulated::notices::Topic::default());
        let notify = json!({ "sns": [topic], "slack": { "webhook_url": "https://hooks.slack.com/services/T/B/x" } });
        alerted(&world, json!({ "notify": notify })).await;
        world.engine().alert_test("money").await.unwrap();
        world.engine().alerts_tell(&Operation::quiet()).await.unwrap();
        let state = world.state();
        assert_eq!(state.topics[topic].published[0].0, "spawn: test of money");
        assert_eq!(state.posted[0].url, "https://hooks.slack.com/services/T/B/x");
        let body: Value = serde_json::from_str(&state.posted[0].body).unwrap();
        let text = "This is a test of money, an alert in us-east-1, account 123456789012. Nothing has happened.";
        assert_eq!(body, json!({ "text": text }));
    });
}

#[test]
fn what_somebody_changed_of_an_alert_is_seen_and_put_right() {
    run(async {
        let world = warm().await;
        let before = world.view();
        let spec = alert(json!({ "notify": {
            "email": ["ada@example.com", "grace@example.com"],
            "slack": { "webhook_url": "https://hooks.slack.com/a" },
            "webhook": { "url": "https://example.com/hook", "secret": "hunter2" },
        } }));
        let engine = world.engine();
        let look = engine.alert_create(&spec, &Operation::quiet()).await.unwrap();
        let seen = |look: &AlertLook| {
            let notify = &look.seen.notify;
            let slack = notify.slack.as_ref().map(|slack| slack.webhook_url_version);
            (notify.email.clone(), slack, notify.webhook.as_ref().map(|webhook| webhook.secret_version))
        };
        let right = (vec!["ada@example.com".to_owned(), "grace@example.com".to_owned()], Some(1), Some(1));
        assert_eq!(seen(&look), right);
        let made = world.view();
        for (what, change) in [
            (
                "an address",
                Box::new(|world: &World| {
                    world.state().topics.values_mut().next().unwrap().addresses.remove("ada@example.com");
                }) as Box<dyn Fn(&World)>,
            ),
            (
                "another address",
                Box::new(|world: &World| {
                    world.state().topics.values_mut().next().unwrap().addresses.insert("eve@example.com".to_owned(), true);
                }),
            ),
            ("the topic", Box::new(|world: &World| world.state().topics.clear())),
            ("a secret that is gone", Box::new(|world: &World| drop(world.state().secrets.pop_first()))),
            (
                "a secret that is another one",
                Box::new(|world: &World| {
                    world.state().secrets.values_mut().for_each(|secret| *secret = ("eve".to_owned(), secret.1 + 1));
                }),
            ),
        ] {
            change(&world);
            let look = engine.alert_find("money").await.unwrap();
            assert_ne!(seen(&look), right, "{what} is seen");
            let look = engine.alert_change(&look.record.id, &spec, &Operation::quiet()).await.unwrap();
            assert_eq!(seen(&look), right, "{what} is put right");
            assert_same(what, &world.view(), &made);
        }
        engine.alert_end("money", &look.record.id, &Operation::quiet()).await.unwrap();
        engine.alert_end("money", &look.record.id, &Operation::quiet()).await.unwrap();
        assert_same("ended", &world.view(), &before);
    });
}

#[test]
fn a_name_is_one_alerts_and_a_dead_maker_is_gone_on_for() {
    run(async {
        let world = warm().await;
        let spec = alert(json!({}));
        let process = world.process().with(6, Trouble::DiesAfter);
        let engine = process.engine();
        assert!(process.live(engine.alert_create(&spec, &Operation::quiet())).await.is_none(), "the maker dies");
        let other = world.process_of("arn:aws:sts::123456789012:assumed-role/other/run-1").engine();
        let refused = other.alert_create(&spec, &Operation::quiet()).await.map(drop).unwrap_err();
        assert_eq!((refused.class, refused.code.as_str()), (Class::Conflict, "NameInUse"));
        let before = world.now();
        let look = world.engine().alert_create(&spec, &Operation::quiet()).await.unwrap();
        assert!(world.now() >= before + SignedDuration::from_secs(110), "it may still live");
        world.engine().alert_keep("money", &look.record.id).await.unwrap();
        let taken = world.engine().alert_create(&spec, &Operation::quiet()).await.map(drop).unwrap_err();
        assert_eq!((taken.code.as_str(), &taken.left), ("NameInUse", &Leftover::Clear), "{taken}");
        let checked = world.engine().alert_check(&spec, &BTreeSet::new()).await.unwrap_err();
        assert_eq!(checked.code, "NameInUse");
        let own = BTreeSet::from([look.record.id.clone()]);
        world.engine().alert_check(&spec, &own).await.unwrap();
        let elsewhere = alert(json!({ "notify": { "sns": ["arn:aws:sns:eu-central-1:123456789012:ops"] } }));
        let refused = world.engine().alert_check(&elsewhere, &own).await.unwrap_err();
        assert_eq!((refused.code.as_str(), refused.path.to_string().as_str()), ("TopicElsewhere", "notify.sns[0]"));
    });
}

#[test]
fn two_who_look_at_once_tell_once() {
    run(async {
        let world = warm().await;
        alerted(&world, json!({})).await;
        world.state().agents.work = Box::new(ends(1));
        launch(&world.process(), &array(1)).await.unwrap();
        world.pass(300).await;
        let (one, other) = (world.engine(), world.engine());
        let quiet = Operation::quiet();
        let (one, other) = futures::join!(one.alerts_tell(&quiet), other.alerts_tell(&quiet));
        assert_eq!(one.unwrap().delivered.len() + other.unwrap().delivered.len(), 2, "mail and webhook");
        assert_eq!(told(&world, 10).await, ["failed tiles"]);
    });
}

#[test]
fn a_run_that_was_replaced_between_two_looks_is_told_all_the_same() {
    run(async {
        let world = warm().await;
        alerted(&world, json!({ "on": ["failed", "lost", "expired"] })).await;
        world.state().agents.work = Box::new(|_| Work::Ends { after_s: 150, exit: Exit::Code { code: 1 } });
        let launched = launch(&world.process(), &array(2)).await.unwrap();
        assert_eq!(told(&world, 2).await, Vec::<String>::new());
        world.pass(60).await;
        world.state().agents.work = Box::new(|_| Work::GoesOn);
        let again = FleetSpec { triggers: [("version".to_owned(), "2".to_owned())].into(), ..array(2) };
        let wanted = spawn_core::rerun::Wanted::ByTriggers;
        world.engine().rerun(&launched.record.fleet, &again, wanted, &Operation::quiet()).await.unwrap();
        assert_eq!(told(&world, 4).await, ["failed tiles"], "of the former run, and nothing else");
        assert_eq!(told(&world, 4).await, ["failed tiles"]);
    });
}

/// A fleet that has failed, watched for its cost as well.
async fn failed_and_dear() -> World {
    let world = warm().await;
    alerted(&world, json!({ "on": ["failed"], "cost_above": 1000 })).await;
    world.state().agents.work = Box::new(ends(1));
    launch(&world.process(), &array(1)).await.unwrap();
    world.pass(300).await;
    world
}

#[test]
fn what_cannot_be_read_or_priced_hides_nothing_else() {
    run(async {
        let world = failed_and_dear().await;
        for bucket in world.state().buckets.values_mut() {
            for key in ["names/damaged", "alerts/damaged.json"] {
                bucket.insert(key.to_owned(), (b"{".to_vec(), "\"1\"".to_owned()));
            }
        }
        let told = world.engine().alerts_tell(&Operation::quiet()).await.unwrap();
        assert_eq!((told.errors.len(), told.delivered.len()), (2, 2), "{told:?}");
    });
    let priced = run(async {
        let process = failed_and_dear().await.process();
        process.engine().alerts_tell(&Operation::quiet()).await.unwrap();
        process.calls().iter().position(|call| *call == "ec2:DescribeInstanceTypes").expect("what it costs is looked at")
    });
    run(async {
        let world = failed_and_dear().await;
        let process = world.process().with(priced, Trouble::Refused(Class::Transient));
        let told = process.engine().alerts_tell(&Operation::quiet()).await.unwrap();
        assert_eq!((told.errors.len(), told.delivered.len()), (1, 2), "{told:?}");
        assert!(world.engine().alerts_tell(&Operation::quiet()).await.unwrap().errors.is_empty());
    });
}

#[test]
fn what_is_still_so_is_not_told_again_however_long_it_is() {
    run(async {
        let world = warm().await;
        alerted(&world, json!({ "on": ["failed"] })).await;
        world.state().agents.work = Box::new(ends(1));
        let launched = launch(&world.process(), &array(1)).await.unwrap();
        launched.claim.acknowledge(spawn_model::record::Keeper::State).await.unwrap();
        drop(launched.kept_alive);
        assert_eq!(told(&world, 6).await, ["failed tiles"]);
        for _ in 0..100 {
            world.pass(24 * 3600).await;
            world.engine().alerts_tell(&Operation::quiet()).await.unwrap();
        }
        assert_eq!(told(&world, 2).await, ["failed tiles"]);
        let look = world.engine().alert_find("money").await.unwrap();
        assert_eq!((look.told.occurrences.len(), look.told.over.len()), (0, 1), "90 days are remembered");
    });
}

#[test]
fn who_ended_a_run_by_a_launch_that_failed_is_not_told_that_it_expired() {
    run(async {
        let world = warm().await;
        alerted(&world, json!({ "on": ["expired", "lost"] })).await;
        let launched = launch(&world.process(), &array(2)).await.unwrap();
        assert_eq!(told(&world, 2).await, Vec::<String>::new());
        scarce(&world, Market::OnDemand, 0);
        let again = FleetSpec { triggers: [("version".to_owned(), "2".to_owned())].into(), ..array(2) };
        let wanted = spawn_core::rerun::Wanted::ByTriggers;
        world.engine().rerun(&launched.record.fleet, &again, wanted, &Operation::quiet()).await.map(drop).unwrap_err();
        assert_eq!(told(&world, 30).await, Vec::<String>::new());
    });
}

#[test]
fn whoever_goes_on_with_an_alert_is_another_maker() {
    run(async {
        let world = warm().await;
        let spec = alert(json!({}));
        let made = world.engine().alert_create(&spec, &Operation::quiet()).await.unwrap();
        world.pass(200).await;
        let adopted = world.engine().alert_create(&spec, &Operation::quiet()).await.unwrap();
        assert_eq!(adopted.record.id, made.record.id);
        assert_ne!(adopted.record.maker, made.record.maker, "which is what undoing goes by");
    });
}
