//! `spawn results`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use spawn_core::engine::Engine;
use spawn_core::fetched;
use spawn_model::error::{Class, Error};
use spawn_model::record::FleetRecord;
use spawn_model::spec::FleetKind;

use super::{DONE, Outcome};
use crate::cli::Global;
use crate::output::Output;
use crate::session::Session;

/// List or fetch what a fleet's commands left
///
/// That is what the ranks put into `$SPAWN_RESULTS`, and of a queue what its jobs left: see `spawn queue results`. Fetched into a directory, rank 3's is in `DIRECTORY/00003`. As JSON, a line
/// for each file: `{"rank": 3, "path": "tile.png"}`, and `"file"` where it was fetched to.
#[derive(Debug, Args)]
pub(crate) struct Results {
    /// The fleet's name or id; of one that was ended for good, its id
    name: String,
    /// Fetch them into this directory, which is made if it is not there
    #[arg(long, value_name = "DIRECTORY")]
    to: Option<PathBuf>,
    /// Only those of this rank
    #[arg(long, value_name = "RANK")]
    rank: Option<u32>,
}

/// A result, as programs read it.
#[derive(Serialize)]
struct ResultFile {
    rank: u32,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
}

impl Results {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Outcome {
        let Session { engine } = Session::connect(global).await?;
        let fleet = engine.inspect(&self.name).await?;
        if fleet.record.kind == FleetKind::Queue {
            if self.rank.is_some() {
                let help = "Leave --rank out, or name a job: `spawn queue results NAME --job JOB`";
                return Err(Error::new(Class::Invalid, "NoSuchRank", "what a queue leaves, its jobs leave, and not its ranks", help).into());
            }
            return job_results(&engine, &fleet.record, self.to.as_deref(), None, output).await;
        }
        let found = engine.results(&fleet.record).await?;
        for (rank, path) in found.into_iter().filter(|(rank, _)| self.rank.is_none_or(|only| only == *rank)) {
            let mut result = ResultFile { rank, path, file: None };
            if let Some(directory) = &self.to {
                let content = engine.result(&fleet.record, rank, &result.path).await?;
                // Listed, and gone since: somebody deletes results while we read.
                let Some(content) = content else { continue };
                let file = fetched::of_rank(directory, rank, &result.path)?;
                fetched::write(&file, &content)?;
                result.file = Some(file);
            }
            let place = result.file.as_ref().map_or_else(|| result.path.clone(), |file| file.display().to_string());
            output.line(&result, &format!("{rank:>5}  {place}"))?;
        }
        Ok(DONE)
    }
}

/// A result of a job, as programs read it.
#[derive(Serialize)]
struct JobResultFile<'a> {
    job: &'a str,
    attempt: u32,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
}

/// Lists or fetches what the jobs of a queue left, or one of them.
pub(super) async fn job_results(engine: &Engine, record: &FleetRecord, to: Option<&Path>, job: Option<&str>, output: &Output) -> Outcome {
    for result in &engine.job_results(record, job).await? {
        let mut line = JobResultFile { job: &result.job, attempt: result.attempt, path: &result.path, file: None };
        if let Some(directory) = to {
            // Recorded, and gone since: somebody deletes results while we read.
            let Some(content) = engine.job_result(record, result).await? else { continue };
            let file = directory.join(&result.job).join(fetched::below(&result.path)?);
            fetched::write(&file, &content)?;
            line.file = Some(file);
        }
        let place = line.file.as_ref().map_or_else(|| result.path.clone(), |file| file.display().to_string());
        output.line(&line, &format!("{}  {place}", result.job))?;
    }
    Ok(DONE)
}
