//! The unix socket on which Terraform is awaited.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// The longest path a socket can have: 104 bytes on macOS and the BSDs, 108 on Linux, each with a final zero.
const PATH_BYTES_MAX: usize = 103;

/// How many names are tried in one directory. A name is taken only where an earlier process of the same id was killed.
const NAMES_MAX: u32 = 16;

/// A listening socket whose file is removed with it.
#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
}

impl Socket {
    /// Listens in the first directory that can hold a socket: `preferred`, the temporary one, `/tmp`.
    pub(super) fn bind(preferred: Option<&Path>) -> io::Result<(Self, UnixListener)> {
        let temporary = std::env::temp_dir();
        let directories = preferred.into_iter().chain([temporary.as_path(), Path::new("/tmp")]);
        let mut failure = None;
        for directory in directories {
            match Self::bind_in(directory) {
                Ok(bound) => return Ok(bound),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        Err(failure.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
    }

    fn bind_in(directory: &Path) -> io::Result<(Self, UnixListener)> {
        let mut attempt = 0;
        loop {
            let path = directory.join(format!("plugin-{}-{attempt}.sock", std::process::id()));
            if path.as_os_str().len() > PATH_BYTES_MAX {
                let text = format!("{} is too long for a socket", path.display());
                return Err(io::Error::new(io::ErrorKind::InvalidFilename, text));
            }
            match UnixListener::bind(&path) {
                Ok(listener) => {
                    let socket = Self { path };
                    // In plain text the file's permissions are all that keeps others out.
                    std::fs::set_permissions(&socket.path, Permissions::from_mode(0o600))?;
                    return Ok((socket, listener));
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempt < NAMES_MAX => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Where the other side connects.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Nothing depends on it: a socket without a listener is only an empty name.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_private_and_goes_with_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let (socket, _listener) = Socket::bind(Some(directory.path())).unwrap();
        let path = socket.path().to_owned();
        assert!(path.starts_with(directory.path()), "{path:?}");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_name_that_is_taken_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (first, _one) = Socket::bind(Some(directory.path())).unwrap();
        let (second, _two) = Socket::bind(Some(directory.path())).unwrap();
        assert_ne!(first.path(), second.path());
    }

    #[tokio::test]
    async fn a_directory_too_deep_for_a_socket_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("d".repeat(100));
        std::fs::create_dir(&deep).unwrap();
        let (socket, _listener) = Socket::bind(Some(&deep)).unwrap();
        assert!(!socket.path().starts_with(&deep), "{:?}", socket.path());
    }
}
