//! `spawn results`.

use std::path::{Component, Path, PathBuf};

use clap::Args;
use serde::Serialize;
use spawn_model::error::{Class, Error};
use spawn_model::spec::FleetKind;

use super::{DONE, Outcome};
use crate::cli::Global;
use crate::output::{Failure, Output};
use crate::session::Session;

/// List or fetch what a fleet's commands left
///
/// That is what the ranks put into `$SPAWN_RESULTS`. Fetched into a directory, rank 3's is in `DIRECTORY/00003`. As JSON, a line
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
            let help = format!("`spawn queue results {}` lists and fetches what its jobs have left", self.name);
            return Err(Error::new(Class::Invalid, "ResultsOfJobs", "what a queue leaves, its jobs leave, and not its ranks", &help).into());
        }
        let found = engine.results(&fleet.record).await?;
        for (rank, path) in found.into_iter().filter(|(rank, _)| self.rank.is_none_or(|only| only == *rank)) {
            let mut result = ResultFile { rank, path, file: None };
            if let Some(directory) = &self.to {
                let content = engine.result(&fleet.record, rank, &result.path).await?;
                // Listed, and gone since: somebody deletes results while we read.
                let Some(content) = content else { continue };
                let file = directory.join(format!("{rank:05}")).join(below(&result.path)?);
                write(&file, &content)?;
                result.file = Some(file);
            }
            let place = result.file.as_ref().map_or_else(|| result.path.clone(), |file| file.display().to_string());
            output.line(&result, &format!("{rank:>5}  {place}"))?;
        }
        Ok(DONE)
    }
}

/// The path of a result, which a machine chose: one that would leave the directory is refused.
pub(super) fn below(path: &str) -> Result<&Path, Failure> {
    let path = Path::new(path);
    if path.components().all(|component| matches!(component, Component::Normal(_))) {
        return Ok(path);
    }
    let message = format!("a rank left a result named {:?}, which would lie outside the directory", path.display().to_string());
    Err(Error::new(Class::Invalid, "ResultOutside", message, "Fetch it with the aws command, if you want it").into())
}

pub(super) fn write(file: &Path, content: &[u8]) -> Result<(), Failure> {
    let directory = file.parent().unwrap_or(file);
    std::fs::create_dir_all(directory).and_then(|()| std::fs::write(file, content)).map_err(|error| {
        let message = format!("{} cannot be written: {error}", file.display());
        Error::new(Class::Invalid, "NotWritten", message, "Name a directory that you may write to").into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_stays_below_the_directory() {
        assert!(below("tile.png").is_ok() && below("a/b/tile.png").is_ok());
        for path in ["../tile.png", "a/../../tile.png", "/etc/passwd"] {
            assert!(below(path).is_err(), "{path}");
        }
    }
}
