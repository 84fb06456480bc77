//! What ranks have left, in the workspace.

use std::path::{Path, PathBuf};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use spawn_core::engine::Engine;
use spawn_core::fetched;
use spawn_core::ports::Result;
use spawn_core::queue::JobResult;
use spawn_model::error::{Class, Error};
use spawn_model::record::FleetRecord;
use spawn_model::spec::FleetKind;

/// How many are fetched at once: each is in memory as a whole.
const AT_ONCE: usize = 4;
/// The most that is fetched: a runner of GitHub's has 14 GB, and its job needs some.
const BYTES_MAX: usize = 8 << 30;

/// A result, and where it goes.
enum Left {
    OfRank(u32, String, PathBuf),
    OfJob(JobResult, PathBuf),
}

/// Fetches all results of a fleet into a directory. How many there are.
///
/// # Errors
/// `ResultsTooLarge`, or whatever keeps one from being fetched or written.
pub(crate) async fn fetch(engine: &Engine, record: &FleetRecord, directory: &Path) -> Result<usize> {
    let left = left(engine, record, directory).await?;
    let count = left.len();
    let fetching = stream::iter(left).map(|left| content(engine, record, left)).buffered(AT_ONCE);
    // Where there are none, an empty directory says so.
    std::fs::create_dir_all(directory).map_err(|error| not_made(directory, &error))?;
    let kept = |bytes: usize, (file, content): (PathBuf, Option<Vec<u8>>)| async move {
        // Listed, and gone since: somebody deletes results while we read.
        let Some(content) = content else { return Ok(bytes) };
        let bytes = bytes + content.len();
        if bytes > BYTES_MAX {
            return Err(too_large());
        }
        fetched::write(&file, &content)?;
        Ok::<usize, Error>(bytes)
    };
    fetching.try_fold(0, kept).await?;
    Ok(count)
}

async fn left(engine: &Engine, record: &FleetRecord, directory: &Path) -> Result<Vec<Left>> {
    if record.kind == FleetKind::Queue {
        let results = engine.job_results(record, None).await?;
        let of_job = |result: JobResult| -> Result<Left> {
            let file = directory.join(&result.job).join(fetched::below(&result.path)?);
            Ok(Left::OfJob(result, file))
        };
        return results.into_iter().map(of_job).collect();
    }
    let of_rank = |(rank, path): (u32, String)| -> Result<Left> {
        let file = fetched::of_rank(directory, rank, &path)?;
        Ok(Left::OfRank(rank, path, file))
    };
    engine.results(record).await?.into_iter().map(of_rank).collect()
}

async fn content(engine: &Engine, record: &FleetRecord, left: Left) -> Result<(PathBuf, Option<Vec<u8>>)> {
    match left {
        Left::OfRank(rank, path, file) => Ok((file, engine.result(record, rank, &path).await?)),
        Left::OfJob(result, file) => Ok((file, engine.job_result(record, &result).await?)),
    }
}

fn too_large() -> Error {
    let message = format!("the ranks have left more than {} GiB, of which the rest was not fetched", BYTES_MAX >> 30);
    Error::new(
        Class::Invalid,
        "ResultsTooLarge",
        message,
        "They stay in the bucket: fetch those that are wanted from where the output `results-uri` says",
    )
}

fn not_made(directory: &Path, error: &std::io::Error) -> Error {
    let message = format!("{} cannot be made: {error}", directory.display());
    Error::new(Class::Invalid, "NotWritten", message, "Name a directory of the workspace that may be written to")
}
