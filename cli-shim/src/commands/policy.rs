//! `spawn policy`.

use clap::{Args, ValueEnum};
use serde_json::Value;
use spawn_core::policies::Audience;

use super::{DONE, Outcome};
use crate::cli::Global;
use crate::output::Output;
use crate::session::Session;

/// Print the IAM policy that somebody needs to use spawn, and that allows no more
///
/// For this account and region, as JSON, ready to be attached to a role or a user: `aws iam create-policy --policy-name
/// spawn-launcher --policy-document "$(spawn policy launcher)"`. It needs no rights, and makes nothing.
#[derive(Debug, Args)]
pub(crate) struct Policy {
    /// Whose policy
    #[arg(value_enum, value_name = "WHO")]
    who: Who,
}

/// Whose policy.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Who {
    /// Launches fleets, changes them, looks at them and ends them; makes no role that could do more than the set-up's boundary says
    Launcher,
    /// Makes and removes the account set-up
    Administrator,
    /// Makes alerts, changes them, looks at them and ends them; what they name is told by a function that may publish to any topic of the account
    Alerter,
    /// Gives fleets names in DNS: what that takes beside the rights to launch
    Namer,
    /// Looks, and plans
    Observer,
    /// Comes onto instances as root, with whatever their fleets may do: runs commands there and opens terminals
    Operator,
    /// Ends what is past its lease, in every region, and removes what fleets leave
    Reaper,
}

impl Policy {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Outcome {
        let Session { engine } = Session::connect(global).await?;
        let audience = match self.who {
            Who::Launcher => Audience::Launcher,
            Who::Administrator => Audience::Administrator,
            Who::Alerter => Audience::Alerter,
            Who::Namer => Audience::Namer,
            Who::Observer => Audience::Observer,
            Who::Operator => Audience::Operator,
            Who::Reaper => Audience::Reaper,
        };
        output.result(&engine.policy(audience).await?, text)?;
        Ok(DONE)
    }
}

/// A policy is for AWS to read, however results are written.
fn text(policy: &Value) -> String {
    format!("{policy:#}\n")
}

#[cfg(test)]
mod tests {
    use spawn_core::policies::document;

    use super::*;

    #[test]
    fn policies_are_printed() {
        for audience in Audience::ALL {
            let name = format!("policy-{audience:?}").to_lowercase();
            insta::assert_snapshot!(name, text(&document(audience, "123456789012", "us-east-1")));
        }
    }
}
