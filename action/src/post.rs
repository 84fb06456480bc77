//! What runs when the job is over: it ends what main has launched, with credentials of its own, whatever has become of the job.
//!
//! It fails no job for what the lease ends anyway, and warns of it.

use jiff::SignedDuration;
use spawn_core::engine::Engine;
use spawn_core::fleet::Fleet;
use spawn_core::ports::Result;
use spawn_model::ids::FleetId;

use crate::console::{Level, Mark};
use crate::cost::Cost;
use crate::inputs::JOB_STATUS;
use crate::modes::{Launched, OUTCOME, Outcome, STATE_FLEET, STATE_MODE, STATE_NAME, STATE_REGION, ways_in};
use crate::runner::Environment;
use crate::step::Step;
use crate::summary::Summary;

/// How long instances may take to go away: of a job that is cancelled everything is killed after five minutes.
const GONE_WITHIN: SignedDuration = SignedDuration::from_mins(4);

/// What main has left.
#[derive(Debug, Eq, PartialEq)]
struct Left<'e> {
    name: &'e str,
    region: Option<&'e str>,
    fleet: Option<FleetId>,
    /// Whether it was launched for the steps that followed.
    has_stayed: bool,
    /// Whether something has failed, here or anywhere in the job.
    has_failed: bool,
}

impl<'e> Left<'e> {
    /// Nothing if nothing was about to be launched.
    fn of(environment: &'e Environment, job_status: Option<&str>) -> Option<Self> {
        let outcome = environment.state(OUTCOME).and_then(Outcome::of);
        Some(Self {
            name: environment.state(STATE_NAME)?,
            region: environment.state(STATE_REGION),
            fleet: environment.state(STATE_FLEET).and_then(FleetId::parse),
            has_stayed: environment.state(STATE_MODE) == Some(Launched::ToStay.word()),
            // One that was told to stop has begun the end, and to a runner has failed if its time was up.
            has_failed: outcome != Some(Outcome::Cancelled) && (outcome == Some(Outcome::Failure) || job_status == Some("failure")),
        })
    }
}

/// Ends what is left.
pub(crate) async fn perform(step: &Step) {
    let Some(left) = Left::of(&step.environment, step.given.text(JOB_STATUS)) else { return };
    if left.has_failed && step.given.flag("keep-on-failure", &mut Vec::new()) {
        let region = left.region.unwrap_or_default();
        let text = format!("The machines of {} that still live stay until their lease ends. {}", left.name, ways_in(left.name, region));
        step.console.annotate(Level::Notice, &Mark::titled("spawn: machines are kept"), &text);
        return;
    }
    if let Err(error) = end(step, &left).await {
        step.warn_of(&format!("{} could not be ended, and is left to its lease", left.name), &error);
    }
}

async fn end(step: &Step, left: &Left<'_>) -> Result<()> {
    let engine = step.connect_in(left.region.or_else(|| step.given.text("region"))).await?.engine;
    let fleet = match &left.fleet {
        Some(fleet) => fleet.clone(),
        // Main was killed before it could say what it had launched; the name was known before.
        None => match engine.identify(left.name).await {
            Err(error) if error.code == "NoSuchFleet" => {
                step.console.line(&format!("nothing of {} is there", left.name));
                return Ok(());
            }
            found => found?,
        },
    };
    let seen = if left.has_stayed { engine.look(&fleet).await.ok().flatten() } else { None };
    step.console.line(&format!("ending {} ({fleet})", left.name));
    engine.end(&fleet, GONE_WITHIN, &step.operation()).await?;
    step.console.line(&format!("{} is gone", left.name));
    match seen {
        Some(seen) => summarize(step, &engine, &seen),
        None => Ok(()),
    }
}

/// Shows how it was that the job's steps have used.
fn summarize(step: &Step, engine: &Engine, fleet: &Fleet) -> Result<()> {
    let now = engine.now();
    let summary = Summary { fleet, shown: step.given.text("run"), cost: Cost::of(fleet, None, now), results: None, now };
    step.files.summary(&summary.markdown())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_what_main_has_written_down() {
        assert_eq!(Left::of(&Environment::default(), Some("failure")), None);
        let id = "fleet-abababababababab";
        let whole = Environment::from([
            ("STATE_mode", "cluster"),
            ("STATE_name", "tests-1-1-ab"),
            ("STATE_region", "us-east-1"),
            ("STATE_fleet", id),
            ("STATE_outcome", "success"),
        ]);
        let left = Left::of(&whole, Some("success")).unwrap();
        assert_eq!((left.name, left.region, left.has_stayed, left.has_failed), ("tests-1-1-ab", Some("us-east-1"), true, false));
        assert_eq!(left.fleet, FleetId::parse(id));
        assert!(Left::of(&whole, Some("failure")).unwrap().has_failed);
        assert!(!Left::of(&whole, Some("cancelled")).unwrap().has_failed);
        // Main was killed, or told to stop: nobody looks at what it was about to do.
        let killed = Environment::from([("STATE_mode", "run"), ("STATE_name", "tests-1-1-ab")]);
        let left = Left::of(&killed, Some("cancelled")).unwrap();
        assert_eq!((left.fleet, left.has_stayed, left.has_failed), (None, false, false));
        for (outcome, has_failed) in [("failure", true), ("cancelled", false), ("success", false)] {
            let ended = Environment::from([("STATE_name", "a"), ("STATE_outcome", outcome)]);
            assert_eq!(Left::of(&ended, None).unwrap().has_failed, has_failed, "{outcome}");
        }
    }
}
