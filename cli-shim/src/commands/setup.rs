//! `spawn setup`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use spawn_core::setup::{Choices, Setup as AccountSetup};
use spawn_model::error::{Class, Error};

use super::{DONE, Outcome};
use crate::cli::Global;
use crate::output::Output;
use crate::output::table::labelled;
use crate::session::{Session, operation};

/// Make or remove what the fleets of an account and region share
///
/// Bucket, agent, roles, permissions boundary, log groups, schedule group, automation documents and, if it is beside the agents, the
/// function that reaps every 15 minutes: made once per account and region, owned by no fleet. Doing it again completes what is
/// missing.
#[derive(Debug, Args)]
pub(crate) struct Setup {
    /// Remove it, with all results and records. Refused while a fleet is left
    #[arg(long)]
    remove: bool,
    /// What commands of fleets may get at most: a policy document of IAM's
    ///
    /// It becomes part of the permissions boundary of every fleet's role, so that whoever launches fleets can give their commands no
    /// more, whatever `policies` say. Kept by later set-ups without this option; an empty list of statements takes it away.
    #[arg(long, value_name = "FILE", conflicts_with = "remove")]
    workload_boundary: Option<PathBuf>,
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
            let choices = Choices { workload_boundary: self.workload_boundary.as_deref().map(read).transpose()? };
            output.result(&engine.setup(&choices, &operation).await?, text)?;
        }
        Ok(DONE)
    }
}

fn read(file: &Path) -> Result<String, Error> {
    std::fs::read_to_string(file).map_err(|error| {
        let message = format!("{} cannot be read: {error}", file.display());
        Error::new(Class::Invalid, "FileUnreadable", message, "Name a file that is there and readable")
    })
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
        ("workloads", boundary(setup)),
        ("reaper", setup.reaper_arn.clone().unwrap_or_else(|| "none; `spawn reap` does the same by hand".to_owned())),
    ])
}

/// What commands of fleets may get at most, in a line.
fn boundary(setup: &AccountSetup) -> String {
    match setup.workload_statements {
        0 => "get no rights in AWS; --workload-boundary lets them".to_owned(),
        1 => "get at most what one statement of the boundary allows".to_owned(),
        statements => format!("get at most what {statements} statements of the boundary allow"),
    }
}
