//! `spawn extend`.

use clap::{ArgGroup, Args};
use serde::Serialize;
use spawn_core::fleet::Fleet;
use spawn_model::duration::Seconds;
use spawn_model::problem::{Path, Problem};
use spawn_model::rules::read_spec;
use spawn_model::spec::FleetKind;
use spawn_model::value::Value;

use super::{DONE, Outcome};
use crate::cli::Global;
use crate::output::{Failure, Output, time};
use crate::session::Session;

/// Move the end of a fleet's lease
///
/// Of a fleet that Terraform keeps, change `lease` there as well, or the next apply moves it back.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("how").required(true))]
pub(crate) struct Extend {
    /// The fleet's name or id
    name: String,
    /// How long the fleet may live, counted from the moment it was asked for
    #[arg(long, group = "how", value_name = "DURATION")]
    ttl: Option<String>,
    /// How much later than its present deadline it ends
    #[arg(long, group = "how", value_name = "DURATION")]
    by: Option<String>,
}

/// A moved lease, as programs read it.
#[derive(Serialize)]
struct Moved {
    id: String,
    name: String,
    ttl_s: u64,
    deadline_before: String,
    deadline: String,
}

impl Extend {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Outcome {
        let Session { engine } = Session::connect(global).await?;
        let fleet = engine.find(&self.name).await?;
        let ttl = checked(&self.ttl(&fleet)?)?;
        let deadline = engine.lease_change(&fleet, ttl).await?;
        let moved = Moved {
            id: fleet.record.fleet.to_string(),
            name: fleet.record.spec.name.clone(),
            ttl_s: ttl.0,
            deadline_before: fleet.deadline.to_string(),
            deadline: deadline.to_string(),
        };
        output.result(&moved, |moved| {
            format!("{} ends at {}; before, at {}\n", moved.name, time::deadline(deadline, engine.now()), time::moment(fleet.deadline))
        })?;
        Ok(DONE)
    }

    /// The new ttl as it is written.
    fn ttl(&self, fleet: &Fleet) -> Result<String, Failure> {
        let Some(by) = &self.by else { return Ok(self.ttl.clone().unwrap_or_default()) };
        let more = Seconds::parse(by).ok_or_else(|| {
            let message = format!("{by:?} is not a duration");
            vec![Problem::new(&Path::field("--by"), message, "Write it like \"90s\", \"20m\", \"1h30m\" or \"2d\"")]
        })?;
        // The present deadline may be a fraction of a second off a whole ttl: round, so that twice 30m is 1h.
        let present = fleet.record.asked_at.duration_until(fleet.deadline).as_secs_f64().round().max(0.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole seconds of at most some months")]
        Ok(Seconds((present as u64).saturating_add(more.0)).to_string())
    }
}

/// Judges a ttl by the rules of every fleet: that of the smallest one, for nothing else of a fleet decides about it.
fn checked(ttl: &str) -> Result<Seconds, Failure> {
    let smallest = Value::from(serde_json::json!({ "name": "a", "instance_types": ["t3.micro"], "lease": { "ttl": ttl } }));
    let (spec, problems) = read_spec(FleetKind::Instance, &smallest);
    spec.map(|spec| spec.lease.ttl).ok_or_else(|| problems.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fleet::tests::array;

    fn extend(ttl: Option<&str>, by: Option<&str>) -> Result<Seconds, Failure> {
        let extend = Extend { name: "mandelbrot".into(), ttl: ttl.map(str::to_owned), by: by.map(str::to_owned) };
        extend.ttl(&array()).and_then(|ttl| checked(&ttl))
    }

    #[test]
    fn a_lease_is_told_from_the_beginning_or_from_its_present_end() {
        assert_eq!(extend(Some("2h"), None).expect("a ttl"), Seconds(7200));
        assert_eq!(extend(None, Some("30m")).expect("a ttl"), Seconds(50 * 60));
    }

    #[test]
    fn a_lease_that_no_fleet_may_have_is_refused() {
        let refused = [(Some("5 parsecs"), None), (Some("0s"), None), (None, Some("soon")), (None, Some("30d"))];
        let texts = refused.map(|(ttl, by)| extend(ttl, by).expect_err("a refusal").text());
        insta::assert_snapshot!("extend-refused", texts.join("\n"));
    }
}
