//! `duration_seconds`: a length of time as a number.

use spawn_model::duration::Seconds;
use spawn_model::field::Kind;
use spawn_model::value::Value;

use crate::wire::{BadArgument, Function, Parameter};

pub(super) struct DurationSeconds;

impl Function for DurationSeconds {
    fn name(&self) -> &'static str {
        "duration_seconds"
    }

    fn summary(&self) -> &'static str {
        "A length of time in seconds"
    }

    fn doc(&self) -> &'static str {
        "How many seconds a length of time has, as fields such as `lease.ttl` write it: `duration_seconds(\"1h30m\")` is 5400."
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter { name: "duration", doc: "A length of time such as `90s`, `1h30m` or `2d`.", kind: Kind::String }]
    }

    fn returns(&self) -> Kind {
        Kind::Int
    }

    fn call(&self, arguments: &[Value]) -> Result<Value, BadArgument> {
        let text = arguments.first().and_then(Value::as_str).unwrap_or_default();
        let seconds = Seconds::parse(text).and_then(|Seconds(seconds)| i64::try_from(seconds).ok());
        seconds.map(Value::Int).ok_or_else(|| {
            let text = format!(
                "{text:?} is no length of time. Write one such as \"90s\", \"1h30m\" or \"2d\": units w, d, h, m and s, largest first"
            );
            BadArgument { number: 0, text }
        })
    }
}
