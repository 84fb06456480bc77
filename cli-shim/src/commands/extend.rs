//! `spawn extend`.

use clap::{ArgGroup, Args};
use serde::Serialize;
use spawn_core::fleet::Fleet;
use spawn_model::duration::Seconds;
use spawn_model::problem::{Path, Problem};
use spawn_model::read::FieldType;
use spawn_model::spec::LeaseSpec;
use spawn_model::value::Value;

use super::{DONE, Outcome};
use crate::cli::Global;
use crate::input::{Fields, IdleArgs, judged};
use crate::output::fleet::or_idle;
use crate::output::{Failure, Output, time};
use crate::session::Session;

/// Move the end of a fleet's lease, or change when its machines are idle
///
/// Of a fleet that Terraform keeps, change `lease` there as well, or the next apply moves it back.
#[derive(Debug, Args)]
#[command(override_usage = "spawn extend [OPTIONS] <NAME>")]
#[command(group = ArgGroup::new("what").required(true).multiple(true).args(["ttl", "by", "no_idle"]).args(IdleArgs::FLAGS))]
pub(crate) struct Extend {
    /// The fleet's name or id
    name: String,
    /// How long the fleet may live, counted from the moment it was asked for
    #[arg(long, conflicts_with = "by", value_name = "DURATION")]
    ttl: Option<String>,
    /// How much later than its present deadline it ends
    #[arg(long, value_name = "DURATION")]
    by: Option<String>,
    #[command(flatten)]
    idle: IdleArgs,
    /// Idle or not, its machines live until the deadline
    #[arg(long, conflicts_with_all = IdleArgs::FLAGS)]
    no_idle: bool,
}

/// A moved lease, as programs read it.
#[derive(Serialize)]
struct Moved {
    id: String,
    name: String,
    ttl_s: u64,
    deadline_before: String,
    deadline: String,
    /// Null if its machines live until the deadline, idle or not.
    idle_after_s: Option<u64>,
}

impl Extend {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Outcome {
        let Session { engine } = Session::connect(global).await?;
        let fleet = engine.find(&self.name).await?;
        let lease = self.lease(&fleet)?;
        let deadline = engine.lease_change(&fleet, &lease).await?;
        let moved = Moved {
            id: fleet.record.fleet.to_string(),
            name: fleet.record.spec.name.clone(),
            ttl_s: lease.ttl.0,
            deadline_before: fleet.deadline.to_string(),
            deadline: deadline.to_string(),
            idle_after_s: lease.idle.as_ref().map(|idle| idle.after.0),
        };
        output.result(&moved, |moved| {
            let (now, before) = (time::deadline(deadline, engine.now()), time::moment(fleet.deadline));
            format!("{} ends at {now}{}; before, at {before}\n", moved.name, or_idle(lease.idle.as_ref()))
        })?;
        Ok(DONE)
    }

    /// The new lease.
    fn lease(&self, fleet: &Fleet) -> Result<LeaseSpec, Failure> {
        let mut lease = lease_fields(fleet);
        lease.insert("ttl".to_owned(), Value::String(self.ttl(fleet)?));
        if self.no_idle {
            lease.remove("idle");
        }
        let mut fields = Fields::from([("lease".to_owned(), Value::Map(lease))]);
        self.idle.apply(&mut fields);
        judged(fleet.record.kind, fields).map(|spec| spec.lease)
    }

    /// The new ttl as it is written.
    fn ttl(&self, fleet: &Fleet) -> Result<String, Failure> {
        let Some(by) = &self.by else {
            return Ok(self.ttl.clone().unwrap_or_else(|| fleet.record.spec.lease.ttl.to_string()));
        };
        let more = Seconds::parse(by).ok_or_else(|| {
            let message = format!("{by:?} is not a duration");
            vec![Problem::new(&Path::field("--by"), message, "Write it like \"90s\", \"20m\", \"1h30m\" or \"2d\"")]
        })?;
        // The present deadline may be a fraction of a second off a whole ttl: round, so that twice 30m is 1h.
        let present = fleet.record.leased_from().duration_until(fleet.deadline).as_secs_f64().round().max(0.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole seconds of at most some months")]
        Ok(Seconds((present as u64).saturating_add(more.0)).to_string())
    }
}

/// The lease of a fleet as a user would write it, with the idleness that its machines go by.
pub(super) fn lease_fields(fleet: &Fleet) -> Fields {
    let lease = LeaseSpec { idle: fleet.idle.clone(), ..fleet.record.spec.lease.clone() };
    let recorded = serde_json::to_value(&lease).map(Value::from).unwrap_or_default();
    let Value::Map(mut fields) = LeaseSpec::KIND.written(recorded) else { return Fields::new() };
    fields.retain(|_, value| !value.is_null());
    fields
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use spawn_model::spec::FleetKind;
    use spawn_model::stopping::OnEnd;

    use super::*;
    use crate::output::fleet::tests::array;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        extend: Extend,
    }

    fn extend(flags: &[&str], fleet: &Fleet) -> Result<LeaseSpec, Failure> {
        Line::try_parse_from(["extend", "mandelbrot"].iter().chain(flags)).expect("a command line").extend.lease(fleet)
    }

    fn of_kind(kind: FleetKind) -> Fleet {
        let mut fleet = array();
        fleet.record.kind = kind;
        fleet
    }

    fn calm(after: &str) -> Fleet {
        let lease = extend(&["--idle-after", after, "--idle-port", "8888"], &array()).expect("a lease");
        Fleet { idle: lease.idle, ..array() }
    }

    #[test]
    fn a_lease_is_told_from_the_beginning_or_from_its_present_end() {
        assert_eq!(extend(&["--ttl", "2h"], &array()).expect("a lease").ttl, Seconds(7200));
        assert_eq!(extend(&["--by", "30m"], &array()).expect("a lease").ttl, Seconds(50 * 60));
    }

    #[test]
    fn what_is_not_told_stays_as_it_was() {
        let lease = &array().record.spec.lease;
        let promised = LeaseSpec { budget: Some(2.5), ..lease.clone() };
        let stopping = LeaseSpec { on_expiry: OnEnd::Stop, ..lease.clone() };
        for (kind, lease) in [(FleetKind::JobArray, promised), (FleetKind::Instance, stopping)] {
            let mut fleet = of_kind(kind);
            fleet.record.spec.lease.clone_from(&lease);
            let extended = extend(&["--ttl", "2h"], &fleet).expect("a lease");
            assert_eq!(extended, LeaseSpec { ttl: Seconds(7200), ..lease });
        }
    }

    #[test]
    fn idleness_stays_as_it_was_unless_something_else_is_said() {
        let lease = extend(&["--ttl", "2h"], &calm("10m")).expect("a lease");
        assert_eq!(lease.idle, calm("10m").idle);
        let lease = extend(&["--idle-after", "15m"], &calm("10m")).expect("a lease");
        let idle = lease.idle.expect("it is told");
        assert_eq!((lease.ttl, idle.after, idle.ports), (Seconds(20 * 60), Seconds(15 * 60), vec![8888]));
        assert_eq!(extend(&["--no-idle"], &calm("10m")).expect("a lease").idle, None);
        assert_eq!(extend(&["--no-idle", "--by", "1h"], &calm("10m")).expect("a lease").ttl, Seconds(80 * 60));
    }

    #[test]
    fn a_lease_that_no_fleet_may_have_is_refused() {
        let refused: [(&[&str], &Fleet); 8] = [
            (&["--ttl", "5 parsecs"], &array()),
            (&["--ttl", "0s"], &array()),
            (&["--by", "soon"], &array()),
            (&["--by", "30d"], &array()),
            (&["--idle-after", "2h"], &array()),
            (&["--idle-port", "8888"], &array()),
            (&["--ttl", "5m"], &calm("10m")),
            (&["--idle-after", "10m"], &of_kind(FleetKind::Service)),
        ];
        let texts = refused.map(|(flags, fleet)| extend(flags, fleet).expect_err("a refusal").text());
        insta::assert_snapshot!("extend-refused", texts.join("\n"));
        for nothing in [&[][..], &["--no-idle", "--idle-after", "10m"], &["--ttl", "1h", "--by", "1h"]] {
            assert!(Line::try_parse_from(["extend", "mandelbrot"].iter().chain(nothing)).is_err(), "{nothing:?}");
        }
    }
}
