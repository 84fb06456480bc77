//! `spawn schedule apply`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use spawn_model::error::Class;
use spawn_model::ids::FleetId;
use spawn_model::record::Keeper;
use spawn_model::schedule::ScheduleRecord;

use super::show::{NEXT, ScheduleView};
use super::{DONE, Outcome};
use crate::cli::Global;
use crate::input::read_schedule;
use crate::output::{Output, time};
use crate::session::{Session, operation};

/// Make a schedule from a YAML file, or change the one of that name
///
/// The file has the fields of the Terraform resource: `name`, `cron`, `rate` or `at`, and `instance`, `job_array` or `queue` with the fields of
/// such a fleet. A change is what the next start launches; a run that goes on is not touched.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Apply {
    /// The YAML file
    #[arg(short, long, value_name = "SCHEDULE.YAML")]
    file: PathBuf,
    /// Only check it, and say when it would start something
    #[arg(long)]
    dry_run: bool,
}

const EXAMPLE: &str = "\
Example of a file:
  name: nightly
  cron: 30 2 * * MON-FRI
  timezone: Europe/Berlin
  job_array:
    size: 4
    instance_types: [c7i.large, c7a.large]
    command: [./report.sh]
    files: {report.sh: !file report.sh}
    lease: {ttl: 1h}";

/// What would be made, as programs read it.
#[derive(Serialize)]
struct Checked {
    name: String,
    next_runs: Vec<String>,
    warnings: Vec<String>,
}

impl Apply {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Outcome {
        let spec = read_schedule(&self.file)?;
        let Session { engine } = Session::connect(global).await?;
        let name = &spec.fleet.name;
        let found = match engine.schedule_find(name).await {
            Ok(found) => Some(found),
            Err(error) if error.class == Class::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        if self.dry_run {
            let known = found.as_ref().map(|found| &found.record.fleet);
            let own: BTreeSet<_> = known.into_iter().cloned().collect();
            let warnings = engine.schedule_check(&spec, known, &own).await?;
            let same = found.filter(|found| spec.timing.has_times_of(&found.record.timing));
            let counted_from = same.map_or_else(|| engine.now(), |same| same.record.counted_from);
            let record = ScheduleRecord::new(&spec, FleetId::from_random([0; 8]), counted_from);
            let next: Vec<_> = record.next_starts(engine.now()).take(NEXT).collect();
            let next_runs = next.iter().map(ToString::to_string).collect();
            let checked = Checked { name: name.clone(), next_runs, warnings };
            output.result(&checked, |checked| {
                let next: String = next.iter().map(|at| format!("  {}\n", time::moment(*at))).collect();
                let notes: String = checked.warnings.iter().map(|note| format!("note: {note}\n")).collect();
                format!("{} would start something at\n{next}{notes}Nothing was changed.\n", checked.name)
            })?;
            return Ok(DONE);
        }
        let operation = operation(output)?;
        let (fleet, warnings) = match found {
            Some(found) => {
                let notes = engine.schedule_change(&found.record.fleet, &spec, &operation).await?;
                // Its maker may have died before it could say so.
                engine.acknowledge(&found.fleet.record, Keeper::Person).await?;
                (found.record.fleet, notes)
            }
            None => {
                let mut made = engine.schedule_create(&spec, &operation).await?;
                // From here on it is the user's by its name.
                if let Err(error) = made.claim.acknowledge(Keeper::Person).await {
                    made.warnings.push(format!("the name is not marked as kept; apply again: {}", error.message));
                }
                (made.record.fleet.clone(), made.warnings)
            }
        };
        warnings.iter().for_each(|warning| output.warn(warning));
        let look = engine.schedule_find(fleet.as_str()).await?;
        output.result(&ScheduleView::new(&look, engine.now()), ScheduleView::text)?;
        Ok(DONE)
    }
}
