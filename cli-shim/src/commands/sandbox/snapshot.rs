//! `spawn sandbox snapshot`.

use clap::Args;

use super::{DONE, Outcome, Place, refused};
use crate::output::Output;

/// Print everything that the sandbox's account holds, as JSON: two of them show what an operation left
#[derive(Debug, Args)]
pub(super) struct Snapshot {}

impl Snapshot {
    pub(super) async fn run(self, place: &Place, output: &Output) -> Outcome {
        let snapshot = place.client().await?.snapshot().await.map_err(|error| refused(&place.dir, &error))?;
        let text = |snapshot: &serde_json::Value| format!("{snapshot:#}\n");
        output.result(&snapshot, text)?;
        Ok(DONE)
    }
}
