//! Waits for what `wait_for` says.

use jiff::Timestamp;
use spawn_model::ids::FleetId;
use spawn_model::status::{Status, WaitFor};

use crate::fleet::{self, Fleet};
use crate::ledger::Ledger;
use crate::operation::Operation;
use crate::ports::{Aws, Result};
use crate::queue;
use crate::service;

/// The first and the longest pause between two looks.
const PAUSE_MS: (u64, u64) = (200, 10_000);

/// How a wait ended.
#[derive(Debug)]
pub enum Waited {
    /// What was waited for has come.
    Reached(Fleet),
    /// The fleet is over without it: its status says why.
    Over(Fleet),
    /// The person or the deadline of the operation ended the wait; the fleet goes on.
    Interrupted(Fleet),
}

impl Waited {
    pub(crate) fn fleet_mut(&mut self) -> &mut Fleet {
        match self {
            Self::Reached(fleet) | Self::Over(fleet) | Self::Interrupted(fleet) => fleet,
        }
    }

    /// The fleet at the end of the wait.
    #[must_use]
    pub fn fleet(self) -> Fleet {
        match self {
            Self::Reached(fleet) | Self::Over(fleet) | Self::Interrupted(fleet) => fleet,
        }
    }
}

/// Waits until the fleet has come so far, is over, or `until`.
///
/// # Errors
/// If the fleet cannot be looked at.
pub async fn wait(
    aws: &Aws,
    ledger: &Ledger,
    fleet: &FleetId,
    goal: WaitFor,
    until: Timestamp,
    operation: &Operation,
) -> Result<Option<Waited>> {
    let mut pause_ms = PAUSE_MS.0;
    let mut told = String::new();
    loop {
        let Some(now) = fleet::look(aws, ledger, fleet).await? else { return Ok(None) };
        if now.status_reason != told {
            operation.say(&now.status_reason);
            told.clone_from(&now.status_reason);
            // Of a queue it changes with every job.
            if !queue::is_queue(&now.record) {
                pause_ms = PAUSE_MS.0;
            }
        }
        if reached(ledger, &now, goal).await? {
            return Ok(Some(Waited::Reached(now)));
        }
        if now.status.goes_no_further() {
            return Ok(Some(Waited::Over(now)));
        }
        if operation.cancel.is_cancelled() || aws.clock.now() >= until {
            return Ok(Some(Waited::Interrupted(now)));
        }
        tokio::select! {
            () = aws.clock.sleep(pause_ms) => {}
            () = operation.cancel.cancelled() => {}
        }
        pause_ms = (pause_ms * 3 / 2).min(PAUSE_MS.1);
    }
}

async fn reached(ledger: &Ledger, fleet: &Fleet, goal: WaitFor) -> Result<bool> {
    let size = fleet.size as usize;
    // Judged by this look: what is answered has to show what was waited for.
    Ok(match goal {
        WaitFor::Launched => true,
        WaitFor::Running => fleet.status != Status::Launching,
        // Claims of a service outlive those who made them.
        WaitFor::Ready if service::is_service(&fleet.record) => fleet.status != Status::Launching && fleet.members.len() >= size,
        WaitFor::Ready => fleet.status != Status::Launching && ledger.ranks_begun(&fleet.record.fleet, &fleet.record.run).await? >= size,
        // A worker that was lost leaves no record of its end, and the others do its part.
        WaitFor::Completed if queue::is_queue(&fleet.record) => fleet.status.is_over(),
        WaitFor::Completed => fleet.members.iter().filter(|member| member.ended_at.is_some()).count() >= size,
    })
}
