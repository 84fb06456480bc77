//! `cron_next`: when a cron expression comes.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use spawn_model::field::Kind;
use spawn_model::schedule::{Cron, NoCron};
use spawn_model::value::Value;

use crate::wire::{BadArgument, Function, Parameter};

/// The most times at once.
const COUNT_MAX: i64 = 1_000;

const PARAMETERS: [Parameter; 4] = [
    Parameter { name: "cron", doc: "The expression, as `spawn_schedule` takes it.", kind: Kind::String },
    Parameter { name: "timezone", doc: "Where it is read, such as `Europe/Berlin`.", kind: Kind::String },
    Parameter { name: "after", doc: "The moment after which (RFC 3339), such as `plantimestamp()`.", kind: Kind::String },
    Parameter { name: "count", doc: "How many times: 1 to 1000.", kind: Kind::Int },
];

pub(super) struct CronNext;

impl Function for CronNext {
    fn name(&self) -> &'static str {
        "cron_next"
    }

    fn summary(&self) -> &'static str {
        "The next times of a cron expression"
    }

    fn doc(&self) -> &'static str {
        "When a `spawn_schedule` with this `cron` would start something (RFC 3339, UTC): \
         `cron_next(\"30 2 * * MON-FRI\", \"Europe/Berlin\", plantimestamp(), 3)`. A time that daylight saving skips is left out, and one that \
         comes twice is there once."
    }

    fn parameters(&self) -> &'static [Parameter] {
        &PARAMETERS
    }

    fn returns(&self) -> Kind {
        Kind::List(&Kind::String)
    }

    fn call(&self, arguments: &[Value]) -> Result<Value, BadArgument> {
        let text = |number: usize| arguments.get(number).and_then(Value::as_str).unwrap_or_default();
        let bad = |number: usize, text: String| BadArgument { number, text };
        let cron = Cron::parse(text(0)).map_err(|NoCron { message, help }| bad(0, format!("{message}. {help}")))?;
        let zone = TimeZone::get(text(1)).map_err(|_| {
            bad(1, format!("{:?} is no time zone. Write one of the IANA database, such as \"Europe/Berlin\" or \"UTC\"", text(1)))
        })?;
        let after: Timestamp = text(2)
            .parse()
            .map_err(|_| bad(2, format!("{:?} is no moment. Write one such as \"2027-01-05T08:00:00Z\", or plantimestamp()", text(2))))?;
        let count = match arguments.get(3) {
            Some(Value::Int(count)) if (1..=COUNT_MAX).contains(count) => usize::try_from(*count).unwrap_or_default(),
            _ => return Err(bad(3, format!("Write a whole number from 1 to {COUNT_MAX}"))),
        };
        let times = std::iter::successors(cron.next(after, &zone), |at| cron.next(*at, &zone));
        Ok(Value::List(times.take(count).map(|at| Value::String(at.to_string())).collect()))
    }
}
