//! What the command of a fleet may do in AWS: looked at before the launch, and given to the fleet's role beside the agent's own rights.
//!
//! The role stays the fleet's own, whatever it is given, and nothing that it is given may deny anything: so no policy of a user's takes
//! away what the agent needs.

use std::collections::BTreeSet;

use serde_json::Value;
use sha2::{Digest, Sha256};
use spawn_model::error::{Class, Error};
use spawn_model::ids::FleetId;
use spawn_model::layout;
use spawn_model::policies::{self, Policy};
use spawn_model::problem::Path;
use spawn_model::record::FleetRecord;
use spawn_model::spec::FleetSpec;

use crate::ports::{Aws, Result, Role, RoleRequest};
use crate::setup::{Names, Setup};
use crate::tags;

/// Who gives instances their roles.
const SERVICE: &str = "ec2.amazonaws.com";

/// The role of a fleet's instances.
pub(crate) fn role(record: &FleetRecord, setup: &Setup) -> RoleRequest {
    RoleRequest {
        name: layout::role_name(&record.fleet),
        service: SERVICE.to_owned(),
        policy: policy(record),
        managed: asked(record).iter().filter_map(Policy::managed).map(str::to_owned).collect(),
        boundary: Some(setup.boundary_arn.clone()),
        tags: tags::of_parts(record),
    }
}

/// What it may do, but for managed policies (JSON).
pub(crate) fn policy(record: &FleetRecord) -> String {
    let (hibernates, lets_in) = (record.spec.lease.ends().hibernates(), record.spec.lets_in(record.kind));
    Names::new(&record.account, &record.region).fleet_policy(&record.fleet, hibernates, lets_in, &asked(record))
}

/// A record that says what the fleet's role is given.
pub(crate) fn noted(record: FleetRecord) -> FleetRecord {
    FleetRecord { rights_sha256: Some(sha256(&record.fleet, &policy(&record))), ..record }
}

/// Of a policy, however it is written, and but for the fleet's own id: fleets that are given the same have the same.
pub(crate) fn sha256(fleet: &FleetId, policy: &str) -> String {
    let canonical = serde_json::from_str::<Value>(policy).map_or_else(|_| policy.to_owned(), |document| document.to_string());
    hex::encode(Sha256::digest(canonical.replace(fleet.as_str(), "")))
}

/// What of a fleet's role is not as it was made, beside what its own policy says; each behind "it".
pub(crate) fn unlike(record: &FleetRecord, role: &Role) -> Vec<String> {
    let policies = asked(record);
    let given: BTreeSet<&str> = policies.iter().filter_map(Policy::managed).collect();
    let found: BTreeSet<&str> = role.managed.iter().map(String::as_str).collect();
    let listed = |names: Vec<&str>| (!names.is_empty()).then(|| names.join(", "));
    let boundary = Names::new(&record.account, &record.region).boundary_arn();
    let limit = match role.boundary.as_deref() {
        Some(found) if found == boundary => None,
        Some(found) => Some(format!("has another permissions boundary, {found}")),
        None => Some("has no permissions boundary any more, and may do whatever its policies say".to_owned()),
    };
    let trust = "has another trust policy: its machines may not be able to have it, or others may be";
    [
        listed(given.difference(&found).copied().collect()).map(|arns| format!("has lost {arns}, which was asked for")),
        listed(found.difference(&given).copied().collect()).map(|arns| format!("has {arns} as well")),
        listed(role.others.iter().map(String::as_str).collect()).map(|names| format!("has further policies of its own: {names}")),
        limit,
        (role.service.as_deref() != Some(SERVICE)).then(|| trust.to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn asked(record: &FleetRecord) -> Vec<Policy> {
    // It was read once already, when it was checked.
    record.spec.policies.iter().filter_map(|text| Policy::parse(text).ok()).collect()
}

/// Whether what a spec asks for can be given at all.
///
/// # Errors
/// `NoWorkloadBoundary` if the set-up lets no fleet's role have more than its agent needs, `NoPolicy` if a managed policy does not exist,
/// `PolicyDenies` if one denies something.
pub(crate) async fn check(aws: &Aws, setup: Option<&Setup>, spec: &FleetSpec) -> Result<()> {
    if spec.policies.is_empty() {
        return Ok(());
    }
    if setup.is_none_or(|setup| setup.workload_statements == 0) {
        let help = "An administrator says once what fleets may get at most: `spawn setup --workload-boundary FILE`, a policy document";
        let message = "the account set-up lets no fleet have rights beyond those of its agent";
        return Err(Error::new(Class::Denied, "NoWorkloadBoundary", message, help).at(Path::field("policies")));
    }
    for (number, text) in spec.policies.iter().enumerate() {
        let Ok(Policy::Managed(arn)) = Policy::parse(text) else { continue };
        let document = aws.identity.policy_document(&arn).await?;
        refuse(&arn, document.as_deref()).map_err(|error| error.at(Path::field("policies").index(number)))?;
    }
    Ok(())
}

fn refuse(arn: &str, document: Option<&str>) -> Result<()> {
    let Some(document) = document else {
        let help = "Check the ARN, or write the rights themselves";
        return Err(Error::new(Class::Invalid, "NoPolicy", format!("there is no managed policy {arn}"), help));
    };
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    if policies::denies(policies::parts(&document["Statement"])) {
        let help = "Name a policy that only allows: a fleet's role may do nothing that is not allowed";
        let message = format!("the managed policy {arn} denies something, which could keep agents from following the lease");
        return Err(Error::new(Class::Invalid, "PolicyDenies", message, help));
    }
    Ok(())
}
