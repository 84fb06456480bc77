//! `spawn up`.

use std::collections::BTreeSet;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use spawn_core::engine::{Engine, Launch};
use spawn_core::operation::Operation;
use spawn_core::wait::Waited;
use spawn_model::error::{Class, Error, Leftover};
use spawn_model::record::{FleetRecord, Keeper};
use spawn_model::rules::TTL_MAX;
use spawn_model::status::{Status, WaitFor};

use super::{DONE, Outcome};
use crate::cli::Global;
use crate::input::{Asked, CheckArgs, FleetArgs};
use crate::output::fleet::FleetView;
use crate::output::{Failure, Output, time};
use crate::session::{Session, operation};

/// Launch a fleet
///
/// From a YAML file, from flags, or from a file with flags over it.
///
/// A fleet with a size or a command is a job array: its ranks run the command once, and are gone. One with jobs, which are written into a file, is a
/// queue: its workers run them, and are gone when none is left. One with nothing of that is an instance, which stays until its lease ends. `kind` in
/// the file or --kind says otherwise; a service, whose ranks run the command until its lease ends and are replaced when they are lost, is always told
/// so.
///
/// Ctrl-C before everything is launched undoes the launch; after that it only ends the wait, and the fleet goes on.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Up {
    #[command(flatten)]
    check: CheckArgs,
    #[command(flatten)]
    fleet: FleetArgs,
}

const EXAMPLES: &str = "\
Examples:
  spawn up -f fleet.yaml
  spawn up --size 8 --type c7i.large --ttl 20m --wait completed -- ./render --depth 512
  spawn up --type t3.micro --ttl 2h
  spawn up --kind service --size 3 --type c7i.large --spot --ttl 8h --wait ready -- ./serve

Exit codes beside those of every command: 1 if the fleet is over without what was waited for, or a command of it failed.";

/// The exit code when the fleet was launched and its work did not go well.
const WENT_BADLY: u8 = 1;

/// A launch, as programs read it: the fleet, and what the user should know.
#[derive(Serialize)]
struct Launched {
    #[serde(flatten)]
    fleet: FleetView,
    warnings: Vec<String>,
}

impl Up {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Outcome {
        let Asked { kind, spec, notes } = self.fleet.read(random())?;
        notes.iter().for_each(|note| output.note(note));
        let Session { engine } = Session::connect(global).await?;
        let operation = operation(output)?;
        if self.check.is_strict() {
            output.progress("trying the launch");
            // What it would leave out, the launch itself tells.
            engine.check_strictly(kind, &spec, &BTreeSet::new()).await?.untried.iter().for_each(|note| output.note(note));
        }
        let began = engine.now();
        let Launch { record, claim, kept_alive, mut warnings } = engine.launch(kind, &spec, &operation).await?;
        // There is no state of ours to store the fleet in: from here on it is the user's by its name, and nobody may adopt it.
        if let Err(error) = claim.acknowledge(Keeper::Person).await {
            warnings.push(format!("the name is not marked as kept, so an equal `spawn up` may take the fleet over: {}", error.message));
        }
        drop(kept_alive);
        launched(&engine, &record, spec.wait_for, (began, warnings), &operation, output).await
    }
}

/// Waits for what was just launched, and tells how it is then.
pub(super) async fn launched(
    engine: &Engine,
    record: &FleetRecord,
    goal: WaitFor,
    (began, warnings): (Timestamp, Vec<String>),
    operation: &Operation,
    output: &Output,
) -> Outcome {
    for warning in &warnings {
        output.warn(warning);
    }
    let waited = wait(engine, &record.fleet, record.asked_at, goal, operation).await?;
    let was_interrupted = matches!(waited, Waited::Interrupted(_));
    let fleet = waited.fleet();
    output.progress(&format!("took {}", time::length(began.duration_until(engine.now()))));
    let launched = Launched { fleet: FleetView::new(&fleet, engine.now()), warnings };
    output.result(&launched, |launched| launched.fleet.text())?;
    if was_interrupted {
        output.warn(&format!("the wait was ended; the fleet goes on until {}", time::moment(fleet.deadline)));
        return Ok(Class::Cancelled.exit_code());
    }
    let command_failed = fleet.members.iter().any(|member| member.exit_code.is_some_and(|code| code != 0));
    let went_badly = fleet.status.goes_no_further() && fleet.status != Status::Succeeded;
    Ok(if went_badly || (goal == WaitFor::Completed && command_failed) { WENT_BADLY } else { DONE })
}

/// Waits as long as a lease can be, for the fleet's own end is what bounds the wait, and somebody may extend it meanwhile.
async fn wait(
    engine: &Engine,
    fleet: &spawn_model::ids::FleetId,
    asked_at: Timestamp,
    goal: WaitFor,
    operation: &Operation,
) -> Result<Waited, Failure> {
    let until = asked_at + 2 * SignedDuration::from(TTL_MAX);
    let waited = engine.wait(fleet, goal, until, operation).await.map_err(|error| {
        // The launch itself is done.
        error
            .leaving(Leftover::Unknown)
            .helped(&format!("The fleet was launched, and goes on until its lease ends; `spawn down {fleet}` ends it"))
    });
    waited?.ok_or_else(|| {
        let message = format!("{fleet} was launched, and then ended by somebody else");
        Error::new(Class::Conflict, "EndedMeanwhile", message, "`spawn ls` lists what is left").into()
    })
}

/// Two random bytes, for a name.
pub(super) fn random() -> [u8; 2] {
    let bytes = uuid::Uuid::new_v4().into_bytes();
    [bytes[0], bytes[1]]
}
