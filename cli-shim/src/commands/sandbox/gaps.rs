//! `spawn sandbox gaps`.

use clap::Args;
use serde::Serialize;
use spawn_sandbox::Gap;

use super::{DONE, Outcome, Place, refused};
use crate::output::Output;
use crate::output::table::table;

/// List what was asked of the sandbox and it does not have, each of which it refused
#[derive(Debug, Args)]
pub(super) struct Gaps {}

#[derive(Serialize)]
struct List {
    gaps: Vec<Gap>,
}

impl Gaps {
    pub(super) async fn run(self, place: &Place, output: &Output) -> Outcome {
        let gaps = place.client().await?.gaps().await.map_err(|error| refused(&place.dir, &error))?;
        if gaps.is_empty() {
            output.progress("no gaps: everything that was asked for is there");
        }
        output.result(&List { gaps }, |list| match list.gaps.is_empty() {
            true => String::new(),
            false => table(&["COUNT", "WHAT"], list.gaps.iter().map(|gap| vec![gap.count.to_string(), gap.what.clone()])),
        })?;
        Ok(DONE)
    }
}
