//! `spawn ls`.

use clap::Args;
use serde::Serialize;

use super::Outcome;
use crate::cli::Global;
use crate::output::Output;
use crate::output::fleet::{FleetRow, list};
use crate::session::Session;

/// List the fleets of a region
///
/// Every fleet of the region that was not ended for good, whoever made it and with what: Terraform's too.
#[derive(Debug, Args)]
pub(crate) struct Ls {}

#[derive(Serialize)]
struct Fleets {
    fleets: Vec<FleetRow>,
}

impl Ls {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Outcome {
        let Session { engine } = Session::connect(global).await?;
        let (mut fleets, errors) = engine.list().await?;
        fleets.sort_by(|a, b| a.record.spec.name.cmp(&b.record.spec.name));
        let fleets = Fleets { fleets: fleets.iter().map(FleetRow::new).collect() };
        if fleets.fleets.is_empty() {
            output.progress(&format!("no fleets in {}", engine.region()));
        }
        let text = |shown: &Fleets| if shown.fleets.is_empty() { String::new() } else { list(&shown.fleets, engine.now()) };
        output.result_with_errors(&fleets, errors, text)
    }
}
