//! `mode: run`: a command on every rank, shown as it runs; its exit code, and what it leaves.

use std::collections::BTreeMap;
use std::time::Duration;

use spawn_core::engine::Engine;
use spawn_core::fleet::Fleet;
use spawn_core::operation::Operation;
use spawn_model::queue::JobReport;
use spawn_model::record::FleetRecord;
use spawn_model::spec::Member;
use spawn_model::status::{Status, WaitFor};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::launching::Launching;
use super::{DONE, Ended};
use crate::cost::Cost;
use crate::failure::Failure;
use crate::follow::{Follower, Shown};
use crate::outputs;
use crate::results;
use crate::summary::{Summary, counted};

/// The exit code if something has failed that has no better one.
const FAILED: u8 = 1;
/// How many ranks are annotated: the runner shows ten errors of a step.
const ANNOTATED_MAX: usize = 5;
/// Between two looks at whether everybody has ended whose machine does not stay.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Waits for every command to end, and tells how they did.
pub(super) async fn perform(launching: &Launching<'_>, record: &FleetRecord) -> Ended {
    let (fleet, shown) = watch(launching, record).await?;
    let console = &launching.step.console;
    fleet.notes.iter().for_each(|note| console.line(&format!("note: {note}")));
    let worst = worst(&fleet, &shown.kept);
    let mut code = exit_code(&fleet, worst);
    let faults = faults(&fleet, &shown.kept);
    for Fault { rank, title, message } in faults.iter().take(ANNOTATED_MAX) {
        let last = rank.map(|rank| shown.last_of(rank)).filter(|last| !last.is_empty());
        launching.complain(&format!("spawn: {title}"), last.as_deref().unwrap_or(message));
    }
    if faults.len() > ANNOTATED_MAX {
        launching.complain("spawn", &format!("{} of {} did not end well; {}", faults.len(), fleet.size, fleet.status_reason));
    } else if faults.is_empty() && code != DONE {
        launching.complain("spawn", &fleet.status_reason);
    }
    let directory = launching.step.given.text("results");
    let fetched = match directory {
        Some(directory) => {
            Some((directory, results::fetch(&launching.engine, record, &launching.step.job.workspace.join(directory)).await))
        }
        None => None,
    };
    let results = match fetched {
        Some((directory, Ok(files))) => Some((directory, files)),
        Some((_, Err(error))) => {
            launching.complain("spawn: results", &error.to_string());
            code = code.max(FAILED);
            None
        }
        None => None,
    };
    let cost = Cost::of(&fleet, launching.spot_price(&fleet).await, launching.now());
    launching.outputs(&fleet, worst, cost)?;
    if let Some((directory, _)) = results {
        launching.output(outputs::RESULTS, directory)?;
    }
    let summary = Summary { fleet: &fleet, shown: Some(&launching.asked.shown), cost, results, now: launching.now() };
    launching.step.files.summary(&summary.markdown())?;
    let kept = results.map_or_else(String::new, |(directory, files)| format!("; {} in {directory}", counted(files, "result")));
    console.line(&format!("{}: {}; {}{kept}", fleet.status, fleet.status_reason, cost.text()));
    Ok(code)
}

/// Shows what the ranks print until all have ended.
async fn watch(launching: &Launching<'_>, record: &FleetRecord) -> Result<(Fleet, Shown), Failure> {
    let Launching { step, engine, asked, operation, .. } = launching;
    let said = step.console.clone();
    let waiting = Operation::new(operation.cancel.child_token(), move |line| said.line(line));
    let over = CancellationToken::new();
    let mut looks_at = Instant::now();
    // Machines that stay because their command has failed are not waited for.
    let looked = async |stay: usize| {
        if stay == 0 || Instant::now() < looks_at {
            return;
        }
        looks_at = Instant::now() + LOOK_EVERY;
        if is_all_that_ends(engine, record, stay).await {
            waiting.cancel.cancel();
        }
    };
    let wait = async {
        let waited = launching.wait(record, WaitFor::Completed, &waiting).await;
        over.cancel();
        waited
    };
    step.console.stop_commands();
    let follower = Follower::new(engine, record, asked.spec.size, asked.kept.clone(), &step.console);
    let (waited, shown) = tokio::join!(wait, follower.follow(&over, looked));
    step.console.obey_commands();
    Ok((waited?.fleet(), shown))
}

/// Whether every command has ended but those of machines that stay.
async fn is_all_that_ends(engine: &Engine, record: &FleetRecord, stay: usize) -> bool {
    match engine.look(&record.fleet).await {
        Ok(Some(fleet)) => fleet.members.iter().filter(|member| member.ended_at.is_some()).count() + stay >= fleet.size as usize,
        Ok(None) => true,
        // The wait has the same trouble, and tells it.
        Err(_) => false,
    }
}

/// The worst exit code of the commands that have one.
fn worst(fleet: &Fleet, kept: &BTreeMap<u32, i64>) -> Option<i64> {
    let of_members = fleet.members.iter().filter_map(|member| member.exit_code);
    let of_jobs = fleet.jobs.values().filter_map(|job| job.exit_code);
    of_members.chain(of_jobs).chain(kept.values().copied()).max()
}

/// The exit code of the step: that of the worst rank.
fn exit_code(fleet: &Fleet, worst: Option<i64>) -> u8 {
    if fleet.status == Status::Succeeded {
        return DONE;
    }
    worst.filter(|code| *code != 0).map_or(FAILED, |code| u8::try_from(code).unwrap_or(u8::MAX))
}

/// What did not end well.
struct Fault {
    /// Whose last words say more.
    rank: Option<u32>,
    title: String,
    message: String,
}

/// Every rank, or of a queue every job, that did not end well.
fn faults(fleet: &Fleet, kept: &BTreeMap<u32, i64>) -> Vec<Fault> {
    let of_job = |(name, job): (&String, &JobReport)| {
        let message = job.reason.clone().unwrap_or_else(|| job.state.clone());
        (job.state != Status::Succeeded.to_string()).then(|| Fault { rank: None, title: format!("job {name}: {}", job.state), message })
    };
    if !fleet.jobs.is_empty() {
        return fleet.jobs.iter().filter_map(of_job).collect();
    }
    let of_member = |member: &Member| {
        let rank = member.rank;
        let what = match (kept.get(&rank), member.exit_code) {
            (Some(code), _) => format!("exit code {code}, and its machine stays"),
            (None, Some(0)) => return None,
            (None, Some(code)) => format!("exit code {code}"),
            (None, None) => member.state.clone(),
        };
        Some(Fault { rank: Some(rank), title: format!("rank {rank}: {what}"), message: fleet.status_reason.clone() })
    };
    fleet.members.iter().filter_map(of_member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::tests::fleet;

    #[test]
    fn the_worst_rank_is_the_exit_code() {
        let code = |edit: fn(&mut Fleet), kept: &[(u32, i64)]| {
            let mut fleet = fleet();
            edit(&mut fleet);
            let kept = kept.iter().copied().collect();
            exit_code(&fleet, worst(&fleet, &kept))
        };
        assert_eq!(code(|_| {}, &[]), 7);
        assert_eq!(code(|_| {}, &[(0, 9)]), 9);
        assert_eq!(code(|fleet| fleet.members[1].exit_code = Some(137), &[]), 137);
        assert_eq!(code(|fleet| fleet.members[1].exit_code = Some(100_000), &[]), 255);
        assert_eq!(code(|fleet| fleet.members[1].exit_code = None, &[]), FAILED);
        assert_eq!(code(|fleet| fleet.status = Status::Succeeded, &[]), DONE);
    }

    #[test]
    fn who_did_not_end_well_is_named() {
        let titles =
            |fleet: &Fleet, kept: BTreeMap<u32, i64>| faults(fleet, &kept).into_iter().map(|fault| fault.title).collect::<Vec<_>>();
        let mut fleet = fleet();
        assert_eq!(titles(&fleet, BTreeMap::new()), ["rank 1: exit code 7"]);
        fleet.members[1].exit_code = None;
        fleet.members[1].state = "lost".to_owned();
        assert_eq!(titles(&fleet, BTreeMap::from([(0, 3)])), ["rank 0: exit code 3, and its machine stays", "rank 1: lost"]);
    }
}
