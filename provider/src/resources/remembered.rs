//! What the provider remembers of an object beside its state.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// It is stored as JSON. What cannot be read, because another version wrote it, is as if nothing were known.
pub(super) trait Remembered: Default + Serialize + DeserializeOwned {
    fn read(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }

    fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}
