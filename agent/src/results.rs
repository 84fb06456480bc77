//! What the workload leaves in `$SPAWN_RESULTS`: found, and uploaded under the same paths.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use spawn_model::record::ResultFile;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::aws::Session;
use crate::aws::s3::Bucket;
use crate::retry::{Patience, retry};

/// The most files of one rank.
const MOST_FILES: usize = 100_000;
/// The largest object that one request makes.
const LARGEST_BYTES: u64 = 5 << 30;
/// How many are uploaded at the same time.
const AT_ONCE: usize = 4;
/// How long one file is tried while S3 is in trouble.
pub(crate) const TROUBLE: Duration = Duration::from_secs(120);
/// More notes than these tell nothing new.
const MOST_NOTES: usize = 20;

/// What was uploaded, and what was not and why.
#[derive(Debug, Default)]
pub(crate) struct Uploaded {
    pub(crate) files: Vec<ResultFile>,
    pub(crate) notes: Vec<String>,
    /// Whether something that is a result could not be kept.
    pub(crate) is_incomplete: bool,
}

/// Uploads what is `wanted` of everything below a directory, to the key of its path. What fails becomes a note: at once, or after [`TROUBLE`] if a right is
/// missing, or after `trouble` if S3 is not to be had.
pub(crate) async fn upload(
    session: &Rc<Session>,
    bucket: &Rc<Bucket>,
    directory: &Path,
    wanted: impl Fn(&str) -> bool,
    key: impl Fn(&str) -> String,
    trouble: Duration,
) -> Uploaded {
    let (found, mut notes) = find(directory, wanted);
    let mut is_incomplete = false;
    let mut waiting = VecDeque::from(found);
    let mut running = JoinSet::new();
    let mut files = Vec::new();
    loop {
        while running.len() < AT_ONCE
            && let Some(file) = waiting.pop_front()
        {
            let (session, bucket) = (Rc::clone(session), Rc::clone(bucket));
            let (key, path) = (key(&file.path), directory.join(&file.path));
            running.spawn_local(async move {
                let patience = Patience { trouble: Instant::now() + trouble, ..session.patience(TROUBLE) };
                let result = retry(patience, async || bucket.put_file(&key, &path, file.bytes).await).await;
                (file, result)
            });
        }
        match running.join_next().await {
            Some(Ok((file, Ok(())))) => files.push(file),
            Some(Ok((file, Err(failure)))) => {
                is_incomplete = true;
                notes.push(format!("the result {} could not be uploaded: {failure}", file.path));
            }
            Some(Err(error)) => {
                is_incomplete = true;
                notes.push(format!("a result could not be uploaded: {error}"));
            }
            None => break,
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    if notes.len() > MOST_NOTES {
        let more = notes.len() - MOST_NOTES;
        notes.truncate(MOST_NOTES);
        notes.push(format!("{more} more results were not uploaded"));
    }
    Uploaded { files, notes, is_incomplete }
}

/// Finds those of the regular files below a directory that are wanted, in order. Links are not followed: they could lead to what is not the workload's.
fn find(directory: &Path, wanted: impl Fn(&str) -> bool) -> (Vec<ResultFile>, Vec<String>) {
    let mut files = Vec::new();
    let mut notes = Vec::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(relative) = waiting.pop() {
        let entries = match std::fs::read_dir(directory.join(&relative)) {
            Ok(entries) => entries.flatten(),
            Err(error) => {
                notes.push(format!("results in {} could not be read: {error}", directory.join(&relative).display()));
                continue;
            }
        };
        for entry in entries {
            let path = relative.join(entry.file_name());
            let Ok(data) = entry.metadata() else { continue };
            let Some(name) = path.to_str() else {
                notes.push(format!("the result {} was left out: its name is not text", path.display()));
                continue;
            };
            let kind = data.file_type();
            if kind.is_dir() {
                waiting.push(path);
            } else if !wanted(name) {
                // Nobody has asked for it.
            } else if !kind.is_file() {
                notes.push(format!("the result {name} was left out: it is not a regular file"));
            } else if data.len() > LARGEST_BYTES {
                notes.push(format!("the result {name} was left out: it is larger than {} GiB", LARGEST_BYTES >> 30));
            } else if files.len() == MOST_FILES {
                notes.push(format!("the result {name} was left out: there are more than {MOST_FILES}"));
            } else {
                files.push(ResultFile { path: name.to_owned(), bytes: data.len() });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    notes.sort();
    (files, notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_found() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        std::fs::create_dir_all(root.join("b/c")).unwrap();
        std::fs::write(root.join("a"), "12").unwrap();
        std::fs::write(root.join("b/c/d e"), "").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.join("escape")).unwrap();
        std::os::unix::fs::symlink("/etc", root.join("b/tree")).unwrap();
        let (files, notes) = find(root, |_| true);
        let paths: Vec<(&str, u64)> = files.iter().map(|file| (file.path.as_str(), file.bytes)).collect();
        assert_eq!(paths, [("a", 2), ("b/c/d e", 0)]);
        assert_eq!(
            notes,
            ["the result b/tree was left out: it is not a regular file", "the result escape was left out: it is not a regular file"]
        );
    }
}
