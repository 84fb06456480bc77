//! What groups are told not to do.

use jiff::Timestamp;

use super::{Process, Reply, ScalingProcesses, change};
use crate::cloud::Region;
use crate::error::ApiError;

pub(super) fn set(region: &mut Region, now: Timestamp, request: &ScalingProcesses, suspend: bool) -> Result<Reply, ApiError> {
    region.scaling.group(&request.name)?;
    let named = if request.processes.is_empty() { &Process::ALL[..] } else { &request.processes };
    change(region, now, &request.name, |group| {
        for process in named {
            if suspend {
                group.suspended.entry(*process).or_insert(now);
            } else {
                group.suspended.remove(process);
            }
        }
    });
    Ok(Reply::Done)
}
