//! `spawn reap`.

use std::collections::BTreeSet;

use clap::Args;
use spawn_core::reap::everywhere;

use super::Outcome;
use crate::cli::Global;
use crate::output::reaped::ReapView;
use crate::output::{Failure, Output};
use crate::session::{Session, operation};

/// End what is past its lease, and remove what nobody keeps
///
/// The last of the hands that end machines, for when the others could not. In every region of the account it ends the instances
/// that spawn launched and whose lease is over, whoever launched them, deletes the Auto Scaling groups that would replace them, and
/// removes what is left of fleets that ended: security group, role, schedules and name. Results, records and logs stay. What Terraform has in its state keeps all but its instances,
/// until `terraform destroy`.
///
/// Safe at any time, from anywhere, and twice at once. What it cannot do for one fleet or in one region keeps it from no other:
/// it does the rest, and tells every error at the end.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Reap {
    /// Say what would be ended and removed, and why; change nothing
    #[arg(long)]
    dry_run: bool,
    /// Only in this region; may be given several times. Left out: every region that the account has enabled
    #[arg(long, value_name = "REGION")]
    region: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  spawn reap --dry-run
  spawn reap --region us-east-1 --region eu-west-1";

impl Reap {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Outcome {
        let operation = operation(output)?;
        let mut engines = Vec::new();
        for region in self.regions(global).await? {
            engines.push(Session::connect(&global.in_region(region)).await?.engine);
        }
        let reaped = everywhere(&engines, self.dry_run, &operation).await;
        let now = engines.first().map(spawn_core::engine::Engine::now).unwrap_or_default();
        let errors = reaped.iter().flat_map(|reaped| reaped.errors.clone()).collect();
        let view = ReapView::new(&reaped, self.dry_run, now);
        output.progress(&view.summary());
        output.result_with_errors(&view, errors, ReapView::text)
    }

    /// The regions to reap in, each once.
    async fn regions(&self, global: &Global) -> Result<BTreeSet<String>, Failure> {
        if !self.region.is_empty() {
            return Ok(self.region.iter().cloned().collect());
        }
        Ok(Session::connect(global).await?.engine.regions().await?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::Cli;
    use crate::commands::Command;

    #[test]
    fn regions_may_be_given_several_times_wherever_global_options_may() {
        for (arguments, regions) in [
            (vec!["reap"], vec![]),
            (vec!["reap", "--region", "us-east-1", "--region", "eu-west-1"], vec!["us-east-1", "eu-west-1"]),
            (vec!["--region", "us-east-1", "reap"], vec!["us-east-1"]),
        ] {
            let cli = Cli::try_parse_from(std::iter::once("spawn").chain(arguments.iter().copied())).expect("a command line");
            let Command::Reap(reap) = cli.command else { panic!("{arguments:?} is another command") };
            assert_eq!(reap.region, regions, "{arguments:?}");
            assert_eq!(cli.global.region.as_deref(), regions.first().copied(), "{arguments:?}");
        }
    }
}
