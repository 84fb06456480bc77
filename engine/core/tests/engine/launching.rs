//! A launch that nothing goes wrong with.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use spawn_core::operation::Operation;
use spawn_core::wait::Waited;
use spawn_model::record::Exit;
use spawn_model::status::{Status, WaitFor};

use crate::simulated::agents::Work;
use crate::simulated::view::assert_same;
use crate::simulated::{World, run};
use crate::{array, launch, warm};

/// How many times each call was made.
fn tally(calls: &[&'static str]) -> BTreeMap<&'static str, usize> {
    let mut tally = BTreeMap::new();
    calls.iter().for_each(|call| *tally.entry(*call).or_default() += 1);
    tally
}

#[test]
fn a_fleet_runs_and_ends_and_nothing_is_left() {
    run(async {
        let world = warm().await;
        let before = world.view();
        world.state().agents.work = Box::new(|_| Work::Ends { after_s: 30, exit: Exit::Code { code: 0 } });
        let engine = world.engine();
        let launched = launch(&world.process(), &array(8)).await.unwrap();
        let until = world.now() + SignedDuration::from_mins(5);
        let waited = engine.wait(&launched.record.fleet, WaitFor::Completed, until, &Operation::quiet()).await.unwrap().unwrap();
        let Waited::Reached(fleet) = waited else { panic!("{waited:?}") };
        assert_eq!((fleet.status, fleet.members.len()), (Status::Succeeded, 8));
        let ranks: Vec<u32> = fleet.members.iter().map(|member| member.rank).collect();
        assert_eq!(ranks, (0..8).collect::<Vec<u32>>());
        assert!(fleet.members.iter().all(|member| member.exit_code == Some(0) && member.state == "succeeded"));
        world.pass(10).await;
        let later = engine.look(&launched.record.fleet).await.unwrap().unwrap();
        assert_eq!((later.status, later.alive), (Status::Succeeded, vec![]));
        engine.end(&launched.record.fleet, SignedDuration::from_mins(5), &Operation::quiet()).await.unwrap();
        assert_same("after the end", &world.view(), &before);
        assert!(engine.look(&launched.record.fleet).await.unwrap().is_none());
        world.assert_lawful();
    });
}

#[test]
fn a_launch_makes_the_same_calls_whatever_its_size() {
    let calls = |size| {
        run(async move {
            let world = warm().await;
            let process = world.process();
            launch(&process, &array(size)).await.unwrap();
            process.calls()
        })
    };
    let one = calls(1);
    for size in [8, 100, 1000] {
        assert_eq!(calls(size), one, "size {size}");
    }
    assert!(one.len() <= 24, "{} calls", one.len());
    let shown: Vec<String> = tally(&one).iter().map(|(call, times)| format!("{times} {call}")).collect();
    insta::assert_snapshot!("calls_of_a_launch", format!("{}\n{} in all", shown.join("\n"), one.len()));
}

#[test]
fn the_set_up_s_bucket_is_closed_to_whoever_comes_without_tls() {
    run(async {
        let world = warm().await;
        let policies = world.state().bucket_policies.clone();
        let policy: serde_json::Value = serde_json::from_str(&policies["spawn-123456789012-us-east-1"]).unwrap();
        let denied = &policy["Statement"][0];
        assert_eq!((&denied["Effect"], &denied["Condition"]["Bool"]["aws:SecureTransport"]), (&"Deny".into(), &"false".into()), "{policy}");
    });
}

#[test]
fn an_account_is_set_up_by_the_first_launch_and_found_by_the_second() {
    run(async {
        let world = World::new();
        let first = launch(&world.process(), &array(1)).await.unwrap();
        assert_eq!(
            first.warnings,
            [
                "The account set-up of 123456789012 in us-east-1 was not there, so it was made. With it came a function that reaps every 15 minutes."
            ]
        );
        let mut second = array(1);
        second.name = "other".into();
        assert_eq!(launch(&world.process(), &second).await.unwrap().warnings, Vec::<String>::new());
        world.assert_lawful();
    });
}
