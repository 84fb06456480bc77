//! Results in a directory of whoever fetches them.

use std::path::{Component, Path, PathBuf};

use spawn_model::error::{Class, Error};

use crate::ports::Result;

/// Where a result of a rank goes.
///
/// # Errors
/// `ResultOutside`; see [`below`].
pub fn of_rank(directory: &Path, rank: u32, path: &str) -> Result<PathBuf> {
    Ok(directory.join(format!("{rank:05}")).join(below(path)?))
}

/// The path of a result, which a machine chose.
///
/// # Errors
/// `ResultOutside` for one that would leave the directory.
pub fn below(path: &str) -> Result<&Path> {
    let path = Path::new(path);
    if path.components().all(|component| matches!(component, Component::Normal(_))) {
        return Ok(path);
    }
    let message = format!("a rank left a result named {:?}, which would lie outside the directory", path.display().to_string());
    Err(Error::new(Class::Invalid, "ResultOutside", message, "Fetch it with the aws command, if you want it"))
}

/// Writes a result, and makes the directories that it lies in.
///
/// # Errors
/// `NotWritten`.
pub fn write(file: &Path, content: &[u8]) -> Result<()> {
    let directory = file.parent().unwrap_or(file);
    std::fs::create_dir_all(directory).and_then(|()| std::fs::write(file, content)).map_err(|error| {
        let message = format!("{} cannot be written: {error}", file.display());
        Error::new(Class::Invalid, "NotWritten", message, "Name a directory that you may write to")
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
        let file = of_rank(Path::new("out"), 3, "a/tile.png").expect("a path");
        assert_eq!(file, Path::new("out/00003/a/tile.png"));
    }
}
