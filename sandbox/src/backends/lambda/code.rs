//! Deployment packages: checked, and unpacked where functions run.

use std::io::Cursor;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use sha2::{Digest as _, Sha256};
use zip::ZipArchive;

use crate::protocol::Failure;

use super::invalid;

/// The most a package may be in a request, and unpacked; from Lambda's quotas page.
const MOST_PACKED: usize = 50 * 1024 * 1024;
const MOST_UNPACKED: u64 = 262_144_000;

/// Unpacked code. Its directory goes away with it.
#[derive(Debug)]
pub(super) struct Code {
    /// Where it lies.
    pub(super) dir: PathBuf,
    /// Bytes of the package.
    pub(super) size: usize,
    /// SHA-256 of the package, in base64.
    pub(super) sha256: String,
}

impl Drop for Code {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.dir) {
            tracing::debug!(%error, dir = %self.dir.display(), "code not removed");
        }
    }
}

/// Looks at a package without unpacking it.
pub(super) fn check(package: &[u8]) -> Result<(), Failure> {
    let packed = package.len();
    if packed > MOST_PACKED {
        return Err(Failure::new(
            413,
            "RequestEntityTooLargeException",
            format!("Request must be smaller than {MOST_PACKED} bytes for the package"),
        ));
    }
    let mut archive = ZipArchive::new(Cursor::new(package)).map_err(|_| unreadable())?;
    if archive.is_empty() {
        return Err(invalid("Uploaded file must be a non-empty zip"));
    }
    let mut unpacked = 0;
    for index in 0..archive.len() {
        unpacked += archive.by_index_raw(index).map_err(|_| unreadable())?.size();
    }
    if unpacked >= MOST_UNPACKED {
        return Err(invalid(format!("Unzipped size must be smaller than {MOST_UNPACKED} bytes")));
    }
    Ok(())
}

/// Unpacks a package into a directory of its own. Blocking.
pub(super) fn unpack(package: &[u8], dir: &Path) -> Result<Code, Failure> {
    check(package)?;
    let internal = |error: std::io::Error| Failure::new(500, "ServiceException", format!("The code cannot be unpacked: {error}"));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(internal)?;
    let sha256 = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(package));
    // From here on what was unpacked goes away again if the rest cannot be.
    let code = Code { dir: dir.to_owned(), size: package.len(), sha256 };
    let mut archive = ZipArchive::new(Cursor::new(package)).map_err(|_| unreadable())?;
    archive.extract(dir).map_err(|_| unreadable())?;
    Ok(code)
}

fn unreadable() -> Failure {
    invalid("Could not unzip uploaded file. Please check your file, then try to upload again.")
}
