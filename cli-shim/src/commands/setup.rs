//! `spawn setup`.

use clap::Args;
use serde_json::json;
use spawn_core::setup::Setup as AccountSetup;

use super::{DONE, Outcome};
use crate::cli::Global;
use crate::output::Output;
use crate::output::table::labelled;
use crate::session::{Session, operation};

/// Make or remove what the fleets of an account and region share
///
/// Bucket, agent, roles, permissions boundary, log group, schedule group, automation document and, if it is beside the agents, the
/// function that reaps every 15 minutes: made once per account and region, owned by no fleet. Doing it again completes what is
/// missing.
#[derive(Debug, Args)]
pub(crate) struct Setup {
    /// Remove it, with all results and records. Refused while a fleet is left
    #[arg(long)]
    remove: bool,
}

impl Setup {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Outcome {
        let Session { engine } = Session::connect(global).await?;
        let operation = operation(output)?;
        if self.remove {
            engine.setup_remove(&operation).await?;
            let removed = json!({ "removed": true, "region": engine.region() });
            output.result(&removed, |_| format!("the account set-up of {} is gone\n", engine.region()))?;
        } else {
            output.result(&engine.setup(&operation).await?, text)?;
        }
        Ok(DONE)
    }
}

fn text(setup: &AccountSetup) -> String {
    let agents: Vec<&str> = setup.agents.keys().map(String::as_str).collect();
    labelled(&[
        ("account", setup.account.clone()),
        ("region", setup.region.clone()),
        ("bucket", setup.bucket.clone()),
        ("agents", agents.join(", ")),
        ("document", setup.document.clone()),
        ("log group", setup.log_group.clone()),
        ("reaper", setup.reaper_arn.clone().unwrap_or_else(|| "none; `spawn reap` does the same by hand".to_owned())),
    ])
}
