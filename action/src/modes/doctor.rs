//! `mode: doctor`: what is wrong with token, role, rights and set-up, one after the other, each with the way out. It makes nothing.

use spawn_core::ports::Result;
use spawn_core::setup;
use spawn_model::error::Error;
use spawn_model::rules::read_spec;
use spawn_model::spec::{FleetKind, FleetSpec};
use spawn_model::value::Value;

use super::{DONE, Ended, Launched};
use crate::ask::Asking;
use crate::console::{Level, Mark};
use crate::runner::trusted;
use crate::step::{Session, Step};
use crate::summary::counted;
use crate::token::IdTokens;

/// The exit code if something is wrong.
const WRONG: u8 = 1;

/// What is looked at if the inputs ask for no fleet.
const ANY_TYPE: &str = "t3.micro";

/// Looks at everything that a launch needs.
pub(super) async fn perform(step: &Step) -> Ended {
    let mut report = Report { step, is_wrong: false };
    let may_launch = trusted(&step.job, false).map(|()| format!("{} may launch machines", step.job.event));
    report.note("event", may_launch);
    if step.given.text("role-to-assume").is_some() {
        let tokens = step.tokens();
        if report.on("token", token(&tokens).await).is_none() {
            return Ok(WRONG);
        }
    }
    let Some(Session { aws, engine }) = report.on("role", step.connect().await.map(|session| (session, String::new()))) else {
        return Ok(WRONG);
    };
    let caller = aws.identity.caller().await.map(|caller| ((), format!("{} in {}", caller.arn, engine.region())));
    if report.on("credentials", caller).is_none() {
        return Ok(WRONG);
    }
    let found =
        setup::find(&aws).await.map(|setup| ((), if setup.is_some() { "it is there" } else { "the first launch makes it" }.to_owned()));
    report.on("set-up", found);
    let spec = spec(step);
    let planned = engine.plan(FleetKind::JobArray, &spec).await.map(|plan| {
        let cost = plan.cost_usd_max.map_or_else(|| "an unknown price".to_owned(), |usd| format!("at most ${usd:.4}"));
        ((), format!("{} of {} could be planned, for {cost}", plan.size, plan.instance_types.join(", ")))
    });
    report.on("plan", planned);
    let listed = engine.list().await.map(|(fleets, _)| ((), format!("{} in {}", counted(fleets.len(), "fleet"), engine.region())));
    report.on("records", listed);
    step.console.line(if report.is_wrong {
        "something is wrong, see above"
    } else {
        "nothing is wrong that can be seen without launching; `spawn policy launcher` prints the rights that launching takes"
    });
    Ok(if report.is_wrong { WRONG } else { DONE })
}

/// What is found, a line each.
struct Report<'s> {
    step: &'s Step,
    is_wrong: bool,
}

impl Report<'_> {
    /// What is right, or the error that keeps everything from going on.
    fn on<T>(&mut self, what: &str, found: Result<(T, String)>) -> Option<T> {
        match found {
            Ok((found, said)) => {
                self.step.console.line(&format!("ok       {what}{}{said}", if said.is_empty() { "" } else { ": " }));
                Some(found)
            }
            Err(error) => {
                self.is_wrong = true;
                self.tell(Level::Error, what, &error);
                None
            }
        }
    }

    /// The same of what is a matter of taste.
    fn note(&self, what: &str, found: Result<String>) {
        match found {
            Ok(said) => self.step.console.line(&format!("ok       {what}: {said}")),
            Err(error) => self.tell(Level::Warning, what, &error),
        }
    }

    fn tell(&self, level: Level, what: &str, error: &Error) {
        self.step.console.line(&format!("problem  {what}: {error}"));
        self.step.console.annotate(level, &Mark::titled(format!("spawn doctor: {what}")), &error.to_string());
    }
}

/// What the job's token says.
async fn token(tokens: &IdTokens) -> Result<((), String)> {
    use spawn_aws::Tokens as _;
    tokens.token().await?;
    let said = tokens.last().map(|claims| claims.said()).unwrap_or_default();
    Ok(((), said.join(", ")))
}

/// The fleet that the inputs ask for, or the smallest.
fn spec(step: &Step) -> FleetSpec {
    let asking = Asking { launched: Launched::ToStay, keep: false, given: &step.given, job: &step.job, random: [0; 4] };
    if let Ok(asked) = asking.read()
        && asked.kind == FleetKind::JobArray
    {
        return asked.spec;
    }
    let smallest = Value::from(serde_json::json!({
        "name": "spawn-doctor", "size": 1, "instance_types": [ANY_TYPE], "command": ["true"], "lease": { "ttl": "60s" },
    }));
    read_spec(FleetKind::JobArray, &smallest).0.expect("the smallest fleet keeps every rule")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::tests::Said;
    use crate::runner::Environment;

    #[test]
    fn the_fleet_that_is_asked_for_is_looked_at_and_else_the_smallest() {
        let runner = [("GITHUB_REPOSITORY", "octo-org/octo-repo"), ("GITHUB_RUN_ID", "1")];
        let step = |inputs: [(&str, &str); 2]| {
            Step::of(Environment::from([runner[0], runner[1], inputs[0], inputs[1]]), Said::default().console()).unwrap()
        };
        let asked = spec(&step([("INPUT_INSTANCE-TYPES", "c7i.large"), ("INPUT_SIZE", "4")]));
        assert_eq!((asked.instance_types[0].as_str(), asked.size), ("c7i.large", 4));
        assert_eq!(spec(&step([("INPUT_SIZE", "0"), ("INPUT_MODE", "doctor")])).instance_types, [ANY_TYPE]);
    }
}
