//! `spawn alert apply`.

use std::path::PathBuf;

use clap::Args;
use spawn_model::error::Class;

use super::show::AlertView;
use super::{DONE, Outcome};
use crate::cli::Global;
use crate::input::read_alert;
use crate::output::Output;
use crate::session::{Session, operation};

/// Make an alert from a YAML file, or change the one of that name
///
/// The file has the fields of the Terraform resource. A secret is best left to the environment: `!env NAME` takes it from there. Applying puts
/// right what somebody has changed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Apply {
    /// The YAML file
    #[arg(short, long, value_name = "ALERT.YAML")]
    file: PathBuf,
    /// Only check it
    #[arg(long)]
    dry_run: bool,
}

const EXAMPLE: &str = "\
Example of a file:
  name: render
  watch: {tags: {team: render}}
  on: [failed, interrupted, lost]
  cost_above: 20
  notify:
    email: [ops@example.com]
    slack: {webhook_url: !env SLACK_HOOK}";

impl Apply {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Outcome {
        let spec = read_alert(&self.file)?;
        let Session { engine } = Session::connect(global).await?;
        let found = match engine.alert_find(&spec.name).await {
            Ok(found) => Some(found.record),
            Err(error) if error.class == Class::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        if self.dry_run {
            engine.alert_check(&spec, &found.into_iter().map(|record| record.id).collect()).await?;
            output.result(&spec, |spec| format!("{} can be made as it is. Nothing was changed.\n", spec.name))?;
            return Ok(DONE);
        }
        let operation = operation(output)?;
        let look = match found {
            Some(record) => engine.alert_change(&record.id, &spec, &operation).await?,
            None => engine.alert_create(&spec, &operation).await?,
        };
        // From here on it is the user's by its name.
        if let Err(error) = engine.alert_keep(&spec.name, &look.record.id).await {
            output.warn(&format!("the name is not marked as kept; apply again: {}", error.message));
        }
        output.result(&AlertView::new(&look), AlertView::text)?;
        Ok(DONE)
    }
}
