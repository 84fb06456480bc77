//! `spawn alert ls`.

use clap::Args;
use serde::Serialize;

use super::Outcome;
use super::show::AlertView;
use crate::output::Output;
use crate::output::table::table;
use crate::session::Session;

/// List the alerts of a region
#[derive(Debug, Args)]
pub(crate) struct Ls {}

/// Alerts, as programs read them.
#[derive(Serialize)]
struct Listed {
    alerts: Vec<AlertView>,
}

impl Ls {
    pub(super) async fn run(self, session: &Session, output: &Output) -> Outcome {
        let (alerts, errors) = session.engine.alerts().await?;
        let listed = Listed { alerts: alerts.iter().map(AlertView::new).collect() };
        output.result_with_errors(&listed, errors, |listed| {
            if listed.alerts.is_empty() {
                return "There are no alerts. `spawn alert apply -f ALERT.YAML` makes one.\n".to_owned();
            }
            let row = |alert: &AlertView| vec![alert.name.clone(), alert.watches(), alert.tells(), alert.status.clone()];
            table(&["NAME", "WATCHES", "TELLS", "STATUS"], listed.alerts.iter().map(row))
        })
    }
}
