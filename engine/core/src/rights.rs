//! What the command of a fleet may do in AWS: looked at before the launch, and given to the fleet's role beside the agent's own rights.
//!
//! The role stays the fleet's own, whatever it is given, so no policy of a user's can take away what the agent needs.

use spawn_model::error::{Class, Error};
use spawn_model::policies::Policy;
use spawn_model::problem::Path;
use spawn_model::spec::FleetSpec;

use crate::ports::{Aws, Result};
use crate::setup::Setup;

/// What a spec asks for. It was read once already, when it was checked.
pub(crate) fn asked(spec: &FleetSpec) -> Vec<Policy> {
    spec.policies.iter().filter_map(|text| Policy::parse(text).ok()).collect()
}

/// Whether what a spec asks for can be given at all.
///
/// # Errors
/// `NoWorkloadBoundary` if the set-up lets no fleet's role have more than its agent needs, `NoPolicy` if a managed policy does not exist.
pub(crate) async fn check(aws: &Aws, setup: Option<&Setup>, spec: &FleetSpec) -> Result<()> {
    if spec.policies.is_empty() {
        return Ok(());
    }
    if setup.is_none_or(|setup| setup.workload_boundary.is_empty()) {
        let help = "An administrator says once what fleets may get at most: `spawn setup --workload-boundary FILE`, a policy document";
        let message = "the account set-up lets no fleet have rights beyond those of its agent";
        return Err(Error::new(Class::Denied, "NoWorkloadBoundary", message, help).at(Path::field("policies")));
    }
    for (number, text) in spec.policies.iter().enumerate() {
        let Ok(Policy::Managed(arn)) = Policy::parse(text) else { continue };
        if !aws.identity.policy_exists(&arn).await? {
            let help = "Check the ARN, or write the rights themselves";
            let error = Error::new(Class::Invalid, "NoPolicy", format!("there is no managed policy {arn}"), help);
            return Err(error.at(Path::field("policies").index(number)));
        }
    }
    Ok(())
}
