//! Instances: how they come, what is told of them, how they go.

pub(crate) mod attributes;
mod capacity;
pub(crate) mod describe;
mod disks;
pub(crate) mod launch;
pub(crate) mod power;
mod quota;
pub(crate) mod status;
mod validate;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::cloud::Region;
use crate::error::ApiError;
use crate::identity::is_well_formed;
use crate::model::Instance;
use crate::request::RunInstances;

/// What a client token has launched.
#[derive(Clone, Debug)]
pub(crate) struct TokenRecord {
    /// The call, to tell a repetition from another call with the same token.
    pub(crate) request: RunInstances,
    pub(crate) reservation_id: String,
    pub(crate) instance_ids: Vec<String>,
    /// Instances that are no longer listed: a repetition is answered with what they were.
    pub(crate) gone: BTreeMap<String, Instance>,
    /// When the token is free again; unknown while an instance of it is listed.
    pub(crate) free_at: Option<Timestamp>,
}

/// What EC2 answers about instance ids that are not there: one bad id fails a call.
pub(crate) fn check_ids<'a>(ids: impl IntoIterator<Item = &'a String>, exists: impl Fn(&str) -> bool) -> Result<(), ApiError> {
    let mut missing = Vec::new();
    for id in ids {
        if !is_well_formed(id, "i") {
            return Err(ApiError::new("InvalidInstanceID.Malformed", format!("Invalid id: \"{id}\"")));
        }
        if !exists(id) && !missing.contains(&id.as_str()) {
            missing.push(id.as_str());
        }
    }
    match missing.as_slice() {
        [] => Ok(()),
        [id] => Err(ApiError::new("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist"))),
        ids => {
            let list = ids.join(", ");
            Err(ApiError::new("InvalidInstanceID.NotFound", format!("The instance IDs '{list}' do not exist")))
        }
    }
}

/// The instance a call is about.
pub(crate) fn existing<'a>(region: &'a Region, id: &String) -> Result<&'a Instance, ApiError> {
    check_ids([id], |id| region.instances.contains(id))?;
    Ok(region.instances.get(id).expect("it was just found"))
}
