//! `spawn sandbox calls`.

use clap::Args;
use serde::Serialize;
use spawn_sandbox::CallRecord;

use super::{DONE, Outcome, Place, refused};
use crate::output::table::table;
use crate::output::{Output, time};

/// List every call that AWS would have been asked, who made it and how it ended
///
/// The sandbox keeps the last 100,000; all are in calls.jsonl in its directory.
#[derive(Debug, Args)]
pub(super) struct Calls {
    /// Only those after this number
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "NUMBER")]
    since: u64,
}

#[derive(Serialize)]
struct Log {
    calls: Vec<CallRecord>,
}

impl Calls {
    pub(super) async fn run(self, place: &Place, output: &Output) -> Outcome {
        let calls = place.client().await?.calls(self.since).await.map_err(|error| refused(&place.dir, &error))?;
        output.result(&Log { calls }, |log| text(&log.calls))?;
        Ok(DONE)
    }
}

fn text(calls: &[CallRecord]) -> String {
    let header = ["NUMBER", "TIME", "SERVICE", "OPERATION", "REGION", "CALLER", "OUTCOME", "MS"];
    table(
        &header,
        calls.iter().map(|call| {
            vec![
                call.sequence.to_string(),
                time::time_of_day(call.time),
                call.service.clone(),
                call.operation.clone(),
                call.region.clone(),
                call.caller.clone(),
                call.outcome.clone(),
                format!("{:.1}", call.duration_ms),
            ]
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_listed() {
        let call = |sequence: u64, operation: &str, caller: &str, outcome: &str| CallRecord {
            sequence,
            time: "2026-11-23T12:00:20.25Z".parse().expect("a time"),
            service: "ec2".into(),
            operation: operation.into(),
            region: "us-east-1".into(),
            caller: caller.into(),
            outcome: outcome.into(),
            duration_ms: 1.25,
            rights: Vec::new(),
        };
        let calls =
            vec![call(1, "RunInstances", "controller", "ok"), call(2, "TerminateInstances", "instance i-0a", "UnauthorizedOperation")];
        insta::assert_snapshot!("calls", text(&calls));
        insta::assert_json_snapshot!("calls-json", Log { calls });
    }
}
