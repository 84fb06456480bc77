//! `spawn sandbox clock`.

use clap::Args;
use jiff::SignedDuration;
use spawn_model::duration::Seconds;
use spawn_model::problem::{Path, Problem};
use spawn_sandbox::ClockReading;

use super::{DONE, Outcome, Place, refused};
use crate::output::{Output, time};

/// Show the clock by which AWS's side of the sandbox lives, or put it forward
///
/// Processes live in real time. What becomes due happens before this returns: schedules fire, leases end.
#[derive(Debug, Args)]
pub(super) struct Clock {
    /// Put it forward by so much, such as 30m; it never goes back
    #[arg(long, value_name = "DURATION")]
    advance: Option<String>,
}

impl Clock {
    pub(super) async fn run(self, place: &Place, output: &Output) -> Outcome {
        let by = match &self.advance {
            Some(text) => Some(Seconds::parse(text).ok_or_else(|| {
                let message = format!("{text:?} is not a duration");
                vec![Problem::new(&Path::field("--advance"), message, "Write it like \"90s\", \"20m\", \"1h30m\" or \"2d\"")]
            })?),
            None => None,
        };
        let client = place.client().await?;
        let reading = match by {
            #[expect(clippy::cast_precision_loss, reason = "a person's durations are far below 2^53 s")]
            Some(by) => client.clock_advance(by.0 as f64).await,
            None => client.clock().await,
        };
        let reading = reading.map_err(|error| refused(&place.dir, &error))?;
        output.result(&reading, |reading| text(reading) + "\n")?;
        Ok(DONE)
    }
}

/// What the clock shows, for people.
pub(super) fn text(reading: &ClockReading) -> String {
    match reading.ahead_ms {
        0 => time::moment(reading.now),
        ahead_ms => format!("{}, {} ahead of real time", time::moment(reading.now), time::length(SignedDuration::from_millis(ahead_ms))),
    }
}
