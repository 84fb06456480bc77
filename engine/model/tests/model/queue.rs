//! What has become of a queue, by its jobs and its workers.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use spawn_model::queue::{JobState, Workers, queue_status};
use spawn_model::status::{Dates, Status};

#[test]
fn jobs_and_workers_together_say_how_it_is() {
    use JobState::{Cancelled, Failed, Pending, Running, Skipped, Succeeded, Waiting};
    let at_work = Workers { status: Status::Running, alive: 2 };
    let gone = |status| Workers { status, alive: 0 };
    let cases: [(&str, &[JobState], Workers); 17] = [
        ("not launched", &[Pending, Pending], Workers { status: Status::Launching, alive: 0 }),
        ("booting", &[Pending, Pending], Workers { status: Status::Launching, alive: 2 }),
        ("the first one boots still", &[Running, Pending], Workers { status: Status::Launching, alive: 2 }),
        ("nothing begun", &[Pending, Pending], at_work),
        ("at work", &[Succeeded, Running, Running, Pending], at_work),
        ("about to be at work again", &[Succeeded, Waiting], at_work),
        ("a failure, and others at work", &[Failed, Running, Skipped], at_work),
        ("done, and the workers not gone", &[Succeeded, Succeeded], at_work),
        ("one of one", &[Succeeded], gone(Status::Succeeded)),
        ("failed", &[Succeeded, Failed, Skipped, Skipped], gone(Status::Succeeded)),
        ("several failed", &[Failed, Failed, Cancelled], gone(Status::Succeeded)),
        ("nothing but cancelled", &[Cancelled, Skipped, Succeeded], gone(Status::Succeeded)),
        ("lost", &[Succeeded, Running, Pending], gone(Status::Lost)),
        ("lost after a failure", &[Failed, Running, Pending], gone(Status::Lost)),
        ("taken back", &[Succeeded, Waiting, Pending], gone(Status::Interrupted)),
        ("idle", &[Succeeded, Pending], gone(Status::Expired)),
        ("ended as if it were over", &[Succeeded, Running], gone(Status::Succeeded)),
    ];
    let deadline = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1);
    let names = ["a", "b", "c", "d"];
    let told = |states: &[JobState], workers: Workers, now: Timestamp| {
        let states: BTreeMap<&str, JobState> = names.into_iter().zip(states.iter().copied()).collect();
        let (status, why) = queue_status(&states, workers, "what is said of the workers", Dates { deadline, kept_until: None, now });
        format!("{status}: {why}")
    };
    let shown: String = cases
        .iter()
        .map(|(what, states, workers)| {
            let (before, after) = (told(states, *workers, Timestamp::UNIX_EPOCH), told(states, *workers, deadline));
            format!("{what}\n  before {before}\n  after  {after}\n")
        })
        .collect();
    insta::assert_snapshot!("queue_status", shown);
}
