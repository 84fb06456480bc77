//! Ends a fleet for good: nothing of it is left but records, results and logs.

use jiff::SignedDuration;
use spawn_model::error::{Class, Error, Leftover};
use spawn_model::ids::{FleetId, InstanceId};
use spawn_model::layout;
use spawn_model::record::{Ended, FleetRecord, SCHEMA};
use spawn_model::tag;

use crate::ledger::Ledger;
use crate::lease;
use crate::operation::Operation;
use crate::ports::{Aws, Result, Tags};
use crate::setup::Setup;

/// `TerminateInstances` draws on a bucket of 1,000 (EC2's published limits).
const TERMINATE_MAX: usize = 1000;

/// The longest pause between two looks at what is left.
const PAUSE_MS_MAX: u64 = 5_000;

/// Ends a fleet: terminates its instances and waits until they are gone, then removes schedules, group, role and name.
///
/// May be repeated, also after it was interrupted anywhere: each step finds what is left by tag or by name.
///
/// # Errors
/// The first step that failed, with the instances that are left; `Timeout` if instances do not go away in `timeout`.
pub async fn end(aws: &Aws, ledger: &Ledger, setup: &Setup, fleet: &FleetId, timeout: SignedDuration, operation: &Operation) -> Result<()> {
    let record = ledger.fleet(fleet).await?;
    ledger.ended_write(fleet, &Ended { schema: SCHEMA, at: aws.clock.now() }).await?;
    terminate(aws, fleet, timeout, operation).await?;
    operation.say("removing schedule, security group and role");
    if let Some(record) = &record {
        lease::schedules_delete(aws, setup, record).await?;
    }
    for group in aws.instances.groups(&fleet_tags(fleet)).await? {
        group_delete(aws, &group, timeout).await?;
    }
    aws.identity.role_delete(&layout::role_name(fleet)).await?;
    if let Some(record) = record {
        release(ledger, &record).await?;
        if record.spec.delete_results {
            operation.say("deleting results and records");
            ledger.fleet_erase(fleet).await?;
        }
    }
    Ok(())
}

/// Gives the name back last: until then nobody else can begin under it, and a repetition finds the fleet by it.
async fn release(ledger: &Ledger, record: &FleetRecord) -> Result<()> {
    match ledger.claim(&record.spec.name).await? {
        Some((claim, _)) if claim.fleet == record.fleet => ledger.claim_delete(&record.spec.name).await,
        _ => Ok(()),
    }
}

fn fleet_tags(fleet: &FleetId) -> Tags {
    Tags::from([(tag::FLEET.to_owned(), fleet.to_string())])
}

/// Terminates by tag until two looks in a row find nothing: a look right after a launch may miss the newest instances.
async fn terminate(aws: &Aws, fleet: &FleetId, timeout: SignedDuration, operation: &Operation) -> Result<()> {
    let give_up = aws.clock.now() + timeout;
    let mut empty_looks = 0;
    let mut pause_ms = 200;
    let mut told = 0;
    loop {
        let instances = aws.instances.describe(&fleet_tags(fleet)).await?;
        let left: Vec<InstanceId> = instances.iter().filter(|i| !i.gone).map(|i| i.launched.instance_id.clone()).collect();
        let alive: Vec<InstanceId> = instances.iter().filter(|i| i.alive).map(|i| i.launched.instance_id.clone()).collect();
        if left.is_empty() {
            empty_looks += 1;
            if empty_looks == 2 {
                return Ok(());
            }
        } else {
            empty_looks = 0;
        }
        if !alive.is_empty() {
            operation.say(&format!("terminating {} instances", alive.len()));
            for ids in alive.chunks(TERMINATE_MAX) {
                aws.instances.terminate(ids).await.map_err(|e| e.leaving(Leftover::Remaining(alive.clone())))?;
            }
        } else if left.len() != told {
            told = left.len();
            operation.say(&format!("{told} instances are shutting down"));
        }
        if aws.clock.now() > give_up {
            let message = format!("{} instances did not go away within {} s", left.len(), timeout.as_secs());
            let help = "Run it again; a longer timeouts.delete gives EC2 more time";
            return Err(Error::new(Class::Transient, "Timeout", message, help).leaving(Leftover::Remaining(left)));
        }
        aws.clock.sleep(pause_ms).await;
        pause_ms = (pause_ms * 3 / 2).min(PAUSE_MS_MAX);
    }
}

/// EC2 holds on to a group for a moment after its last instance has gone.
async fn group_delete(aws: &Aws, group: &str, timeout: SignedDuration) -> Result<()> {
    let give_up = aws.clock.now() + timeout;
    let mut pause_ms = 200;
    loop {
        match aws.instances.group_delete(group).await {
            Err(error) if error.class == Class::Conflict && aws.clock.now() < give_up => {
                aws.clock.sleep(pause_ms).await;
                pause_ms = (pause_ms * 3 / 2).min(PAUSE_MS_MAX);
            }
            other => return other,
        }
    }
}
