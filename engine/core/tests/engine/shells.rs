//! What people do on instances: commands on one rank or all, terminals, and who is let in.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use spawn_core::operation::Operation;
use spawn_core::ports::FromTerminal;
use spawn_core::setup::Setup;
use spawn_core::shell::{Answer, Heard, Stream};
use spawn_model::duration::Seconds;
use spawn_model::error::Error;
use spawn_model::record::Exit;
use spawn_model::spec::FleetSpec;
use tokio_util::sync::CancellationToken;

use crate::simulated::agents::Work;
use crate::simulated::{World, run};
use crate::{array, launch, warm};

/// A world with an array of this size that lets people in, whose agents answer.
async fn open(size: u32) -> World {
    let world = warm().await;
    launch(&world.process(), &FleetSpec { connect: Some(true), ..array(size) }).await.unwrap();
    world.pass(60).await;
    world
}

/// How a command ended on a rank, and what it wrote.
type Ended = (Answer, String);

async fn exec(world: &World, ranks: &[u32], command: &[&str], timeout_s: u64) -> Result<Vec<Ended>, Error> {
    let engine = world.engine();
    let fleet = engine.find("tiles").await.unwrap();
    let argv: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
    let (mut answers, mut wrote) = (Vec::new(), BTreeMap::<u32, String>::new());
    let told = |heard: Heard| match heard {
        Heard::Wrote { rank, stream: Stream::Output, text } => wrote.entry(rank).or_default().push_str(&text),
        Heard::Wrote { text, .. } => panic!("no machine here writes errors: {text}"),
        Heard::Ended(answer) => answers.push((wrote.remove(&answer.rank).unwrap_or_default(), answer)),
    };
    engine.exec(&fleet, ranks, &argv, Seconds(timeout_s), &Operation::quiet(), told).await?;
    assert_eq!(wrote, BTreeMap::new(), "nothing is told after the end");
    answers.sort_by_key(|(_, answer)| answer.rank);
    Ok(answers.into_iter().map(|(wrote, answer)| (answer, wrote)).collect())
}

fn told(ended: &[Ended]) -> Vec<(u32, Option<i32>, &str)> {
    ended.iter().map(|(answer, wrote)| (answer.rank, answer.exit_code, wrote.as_str())).collect()
}

#[test]
fn a_command_runs_on_all_ranks_or_on_those_that_are_named() {
    run(async {
        let world = open(3).await;
        let all = exec(&world, &[], &["echo", "hello"], 60).await.unwrap();
        assert_eq!(told(&all), [(0, Some(0), "hello\n"), (1, Some(0), "hello\n"), (2, Some(0), "hello\n")]);
        let one = exec(&world, &[1], &["exit", "7"], 60).await.unwrap();
        assert_eq!(told(&one), [(1, Some(7), "")]);
        // It takes its time, or too much of it.
        assert_eq!(told(&exec(&world, &[0], &["sleep", "20"], 60).await.unwrap()), [(0, Some(0), "")]);
        let late = exec(&world, &[0], &["sleep", "90"], 60).await.unwrap();
        assert_eq!((late[0].0.exit_code, late[0].0.status.as_str()), (None, "Execution Timed Out"));
    });
}

#[test]
fn many_ranks_are_several_commands() {
    run(async {
        let world = open(120).await;
        let process = world.process();
        let engine = process.engine();
        let fleet = engine.find("tiles").await.unwrap();
        let mut ranks = Vec::new();
        engine
            .exec(&fleet, &[], &["echo".to_owned()], Seconds(60), &Operation::quiet(), |heard| {
                if let Heard::Ended(answer) = heard {
                    ranks.push(answer.rank);
                }
            })
            .await
            .unwrap();
        ranks.sort_unstable();
        assert_eq!(ranks, (0..120).collect::<Vec<_>>());
        assert_eq!(process.calls().iter().filter(|call| **call == "ssm:SendCommand").count(), 3);
    });
}

#[test]
fn an_agent_that_does_not_answer_yet_is_waited_for_and_one_that_never_does_is_told() {
    run(async {
        let world = warm().await;
        launch(&world.process(), &FleetSpec { connect: Some(true), ..array(2) }).await.unwrap();
        let began = world.now();
        assert_eq!(exec(&world, &[], &["echo"], 60).await.unwrap().len(), 2);
        assert!(world.now().duration_since(began) < SignedDuration::from_mins(2));
        // Somebody takes the channel away.
        let roles: Vec<String> = world.state().roles.keys().filter(|role| role.contains("fleet-")).cloned().collect();
        for role in roles {
            world.state().roles.get_mut(&role).unwrap().policy = None;
        }
        let error = exec(&world, &[1], &["echo"], 60).await.unwrap_err();
        assert_eq!(
            (error.code.as_str(), error.message.as_str()),
            ("NotConnected", "the agent of Systems Manager does not answer on rank 1")
        );
    });
}

#[test]
fn what_nobody_waits_for_does_not_go_on() {
    run(async {
        let world = open(1).await;
        let engine = world.engine();
        let fleet = engine.find("tiles").await.unwrap();
        let cancel = CancellationToken::new();
        let operation = Operation::new(cancel.clone(), |_| {});
        let command = ["sleep".to_owned(), "600".to_owned()];
        let told = |_| panic!("it has not ended");
        let waited = engine.exec(&fleet, &[], &command, Seconds(3600), &operation, told);
        let (waited, ()) = tokio::join!(waited, async {
            world.pass(5).await;
            cancel.cancel();
        });
        assert_eq!(waited.unwrap_err().code, "Cancelled");
        let cancelled: Vec<bool> = world.state().commands.values().map(|sent| sent.cancelled.is_some()).collect();
        assert_eq!(cancelled, [true]);
    });
}

#[test]
fn what_a_command_writes_is_heard_while_it_runs() {
    run(async {
        let world = open(2).await;
        let engine = world.engine();
        let fleet = engine.find("tiles").await.unwrap();
        let mut heard = Vec::new();
        let command = ["count".to_owned(), "30".to_owned()];
        let began = world.now();
        let told = |what| heard.push((world.now().duration_since(began).as_secs(), what));
        engine.exec(&fleet, &[], &command, Seconds(60), &Operation::quiet(), told).await.unwrap();
        for rank in [0, 1] {
            let of_rank = heard.iter().filter_map(|(at, what)| match what {
                Heard::Wrote { rank: of, text, .. } if *of == rank => Some((at, text.as_str())),
                _ => None,
            });
            let (first_s, _) = of_rank.clone().next().unwrap();
            assert!(*first_s < 10, "the first line after {first_s} s");
            let expected: String = (1..=30).map(|number| format!("{number}\n")).collect();
            assert_eq!(of_rank.map(|(_, text)| text).collect::<String>(), expected);
        }
        let told = heard.iter().filter(|(_, what)| matches!(what, Heard::Ended(answer) if answer.stdout.characters == 81)).count();
        assert_eq!(told, 2);
    });
}

#[test]
fn all_of_it_is_told_though_only_the_beginning_is_kept() {
    run(async {
        let world = open(3).await;
        let much = exec(&world, &[], &["write", "100000"], 60).await.unwrap();
        let lengths: Vec<_> = much.iter().map(|(answer, wrote)| (wrote.len(), answer.stdout.characters, answer.stdout.is_cut)).collect();
        assert_eq!(lengths, [(100_000, 100_000, false); 3]);
        // Of what took too long nothing is kept, and what it said in its last moment is heard after its end.
        let brief = exec(&world, &[1], &["count", "9"], 5).await.unwrap();
        assert_eq!(told(&brief), [(1, None, "1\n2\n3\n4\n5\n")]);
        let late = exec(&world, &[0], &["count", "90"], 60).await.unwrap();
        assert_eq!(told(&late)[0].1, None);
        assert!(late[0].1.ends_with("\n60\n"), "{:?}", late[0]);
    });
}

#[test]
fn where_nothing_is_heard_the_beginning_is_told() {
    run(async {
        for trouble in ["a role that may not send it", "a set-up without the group", "a group that is gone", "a log that never answers"] {
            let world = open(1).await;
            match trouble {
                "a role that may not send it" => {
                    let mut state = world.state();
                    let role = state.roles.values_mut().find(|role| role.arn.contains("fleet-")).unwrap();
                    role.policy = role.policy.take().map(|policy| policy.replace("logs:PutLogEvents", "logs:Nothing"));
                }
                "a set-up without the group" => {
                    let mut state = world.state();
                    let text = state.parameters.get_mut(spawn_core::setup::PARAMETER).unwrap();
                    let mut setup: Setup = serde_json::from_str(text).unwrap();
                    setup.shell_log_group = None;
                    *text = serde_json::to_string(&setup).unwrap();
                }
                "a log that never answers" => world.state().is_log_throttled = true,
                _ => drop(world.state().log_groups.remove(spawn_core::setup::SHELL_LOG_GROUP).unwrap()),
            }
            let much = exec(&world, &[], &["write", "100000"], 60).await.unwrap();
            let (answer, wrote) = &much[0];
            assert_eq!((wrote.len(), answer.stdout.characters, answer.stdout.is_cut), (24_000, 24_000, true), "{trouble}");
            assert_eq!(told(&exec(&world, &[], &["count", "3"], 60).await.unwrap()), [(0, Some(0), "1\n2\n3\n")], "{trouble}");
        }
    });
}

#[test]
fn who_is_not_let_in_is_told_why() {
    run(async {
        let world = open(2).await;
        for (ranks, code) in [(&[7][..], "NoSuchRank"), (&[0, 2], "NoSuchRank")] {
            assert_eq!(exec(&world, ranks, &["echo"], 60).await.unwrap_err().code, code);
        }
        assert_eq!(exec(&world, &[], &[], 60).await.unwrap_err().code, "BadCommand");

        let closed = warm().await;
        launch(&closed.process(), &array(2)).await.unwrap();
        let error = exec(&closed, &[], &["echo"], 60).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.message.as_str()), ("ConnectOff", "tiles lets nobody onto its instances"));

        let over = warm().await;
        over.state().agents.work = Box::new(|rank| match rank {
            0 => Work::Ends { after_s: 20, exit: Exit::Code { code: 0 } },
            _ => Work::GoesOn,
        });
        let record = launch(&over.process(), &FleetSpec { connect: Some(true), ..array(2) }).await.unwrap().record;
        over.pass(120).await;
        let error = exec(&over, &[0], &["echo"], 60).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.message.as_str()), ("RankOver", "the instance of rank 0 is gone (succeeded)"));
        let fleet = over.engine().find("tiles").await.unwrap();
        over.engine().end(&record.fleet, SignedDuration::from_mins(5), &Operation::quiet()).await.unwrap();
        let fleet = spawn_core::fleet::Fleet { alive: vec![], ..fleet };
        let error = over.engine().connect(&fleet, None, &Operation::quiet()).await.err().unwrap();
        assert_eq!(error.code, "FleetOver");
    });
}

#[test]
fn a_terminal_is_opened_on_one_rank() {
    run(async {
        let world = open(2).await;
        let engine = world.engine();
        let fleet = engine.find("tiles").await.unwrap();
        let several = engine.connect(&fleet, None, &Operation::quiet()).await.err().unwrap();
        assert_eq!((several.code.as_str(), several.message.as_str()), ("WhichRank", "tiles has 2 instances"));
        let mut terminal = engine.connect(&fleet, Some(1), &Operation::quiet()).await.unwrap();
        terminal.send(b"ls\n").await.unwrap();
        assert_eq!(terminal.receive().await.unwrap(), FromTerminal::Output(b"ls\n".to_vec()));
    });
}

#[test]
fn people_are_let_in_and_kept_out_while_it_runs() {
    run(async {
        let world = warm().await;
        launch(&world.process(), &array(1)).await.unwrap();
        world.pass(60).await;
        for connect in [Some(true), Some(false), None, Some(true)] {
            let engine = world.engine();
            let fleet = engine.find("tiles").await.unwrap();
            engine.update(&fleet, &FleetSpec { connect, ..fleet.record.spec.clone() }).await.unwrap();
            let ran = exec(&world, &[], &["echo"], 60).await;
            assert_eq!(
                ran.map(|answers| answers.len()).map_err(|error| error.code),
                if connect == Some(true) { Ok(1) } else { Err("ConnectOff".to_owned()) }
            );
            let state = world.state();
            let policy = state.roles.values().find(|role| role.arn.contains("fleet-")).unwrap().policy.clone().unwrap();
            assert_eq!(policy.contains("ssmmessages:OpenDataChannel"), connect == Some(true));
        }
    });
}
