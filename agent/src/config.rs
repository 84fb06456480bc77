//! What the agent is told at its start, and where it keeps what it must not forget.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use spawn_model::record::{AgentConfig, SCHEMA};

/// Reads the configuration. One of another version is refused: it may mean anything.
pub(crate) fn load(path: &Path) -> Result<AgentConfig, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let version: serde_json::Value = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    match version.get("schema").and_then(serde_json::Value::as_u64) {
        Some(schema) if schema == u64::from(SCHEMA) => {}
        Some(schema) => return Err(format!("{} is of version {schema}, and this agent reads version {SCHEMA}", path.display())),
        None => return Err(format!("{} has no version", path.display())),
    }
    serde_json::from_value(version).map_err(|error| format!("{}: {error}", path.display()))
}

/// The directory that outlives the agent, and on disk also a reboot.
#[derive(Clone, Debug)]
pub(crate) struct State {
    directory: PathBuf,
}

impl State {
    /// The directory of the configuration.
    pub(crate) fn beside(config: &Path) -> Self {
        let config = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
        Self { directory: config.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned) }
    }

    /// The path of something in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Reads what was kept; nothing if it was not, or cannot be understood.
    pub(crate) fn recall<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(&std::fs::read(self.path(name)).ok()?).ok()
    }

    /// Keeps something, so that after a power cut there is all of it or what was there before.
    pub(crate) fn keep<T: Serialize>(&self, name: &str, value: &T) -> std::io::Result<()> {
        let new = self.path(&format!("{name}.new"));
        // What the fleet's command is told may be among it, and is no other user's business.
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        serde_json::to_writer(&mut file, value)?;
        file.sync_all()?;
        std::fs::rename(new, self.path(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        for (text, expected) in [
            (r#"{"schema": 2}"#, "is of version 2, and this agent reads version 1"),
            ("{}", "has no version"),
            ("", "EOF"),
            (r#"{"schema": 1}"#, "missing field"),
        ] {
            std::fs::write(&path, text).unwrap();
            let message = load(&path).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn what_is_kept_is_recalled() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::beside(&directory.path().join("config.json"));
        assert_eq!(state.recall::<u32>("rank"), None);
        state.keep("rank", &7_u32).unwrap();
        assert_eq!(state.recall("rank"), Some(7_u32));
    }
}
