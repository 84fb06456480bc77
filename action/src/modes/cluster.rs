//! `mode: cluster`: machines that are there for the steps that follow.

use std::path::PathBuf;

use spawn_core::fleet::Fleet;
use spawn_core::ports::Result;
use spawn_core::wait::Waited;
use spawn_model::error::{Class, Error};
use spawn_model::record::FleetRecord;

use super::launching::{Launching, ways_in};
use super::{DONE, Ended};
use crate::cost::Cost;
use crate::outputs;
use crate::summary::lasted;

/// The exit code if the machines are gone before anybody could use them.
const FAILED: u8 = 1;

/// Waits for the machines to be ready, and tells the steps that follow of them.
pub(super) async fn perform(launching: &Launching<'_>, record: &FleetRecord) -> Ended {
    let waited = launching.wait(record, launching.asked.spec.wait_for, &launching.operation).await?;
    let is_there = matches!(waited, Waited::Reached(_));
    let fleet = waited.fleet();
    let now = launching.now();
    launching.outputs(&fleet, None, Cost::of(&fleet, None, now))?;
    if !is_there {
        launching.complain("spawn: the cluster is gone", &format!("{}: {}", fleet.status, fleet.status_reason));
        return Ok(FAILED);
    }
    launching.output(outputs::HOSTFILE, &hostfile(launching, &fleet)?.display().to_string())?;
    find_the_command(launching)?;
    let console = &launching.step.console;
    for member in &fleet.members {
        console.line(&format!("rank {}: {} {} in {}", member.rank, member.instance_id, member.private_ip, member.zone));
    }
    console.line(&format!(
        "{} is ready after {}. {}",
        record.spec.name,
        lasted(record.asked_at, now),
        ways_in(&record.spec.name, &record.region)
    ));
    Ok(DONE)
}

/// Writes the members' addresses into a file that goes with the job.
fn hostfile(launching: &Launching<'_>, fleet: &Fleet) -> Result<PathBuf> {
    let file = launching.step.job.temp.join(format!("{}.hosts", fleet.record.spec.name));
    let hosts: String = fleet.members.iter().map(|member| format!("{}\n", member.private_ip)).collect();
    std::fs::write(&file, hosts).map_err(|error| {
        let message = format!("{} cannot be written: {error}", file.display());
        Error::new(Class::Invalid, "NotWritten", message, "Give the runner's user the right to write to RUNNER_TEMP")
    })?;
    Ok(file)
}

/// Has the steps that follow find `spawn`, if it came along.
fn find_the_command(launching: &Launching<'_>) -> Result<()> {
    let directory = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.to_owned()));
    match directory.filter(|directory| directory.join("spawn").is_file()) {
        Some(directory) => launching.step.files.path(&directory),
        None => Ok(()),
    }
}
