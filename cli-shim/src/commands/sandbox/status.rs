//! `spawn sandbox status`.

use clap::Args;
use spawn_sandbox::Status as SandboxStatus;

use super::{DONE, Outcome, Place, refused};
use crate::output::table::labelled;
use crate::output::{Output, time};

/// Show where the sandbox is and how it is doing
#[derive(Debug, Args)]
pub(super) struct Status {}

impl Status {
    pub(super) async fn run(self, place: &Place, output: &Output) -> Outcome {
        let status = place.client().await?.status().await.map_err(|error| refused(&place.dir, &error))?;
        output.result(&status, text)?;
        Ok(DONE)
    }
}

fn text(status: &SandboxStatus) -> String {
    labelled(&[
        ("sandbox", format!("{} (process {})", status.endpoint, status.pid)),
        ("files", status.dir.clone()),
        ("account", format!("{} in {}", status.account_id, status.region)),
        ("started", time::moment(status.started)),
        ("clock", super::clock::text(&status.clock)),
        ("instances", status.instances.to_string()),
        ("calls", status.calls.to_string()),
        ("gaps", status.gaps.to_string()),
    ])
}
