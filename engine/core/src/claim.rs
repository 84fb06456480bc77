//! Names and adoption: who may have a name, and what becomes of a launch whose launcher died.
//!
//! A claim is one S3 object, made with `If-None-Match` and changed with `If-Match`, so that at most one caller wins. While a
//! nobody keeps the fleet yet, the claim carries the launcher's heartbeat; when somebody does, the claim is *acknowledged*, says
//! who it is, and nobody may adopt the fleet any more.

use std::sync::Arc;

use spawn_model::error::{Class, Error};
use spawn_model::ids::{FleetId, RunId};
use spawn_model::record::{Keeper, NameClaim, SCHEMA};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::ledger::Ledger;
use crate::operation::Operation;
use crate::ports::{Aws, Caller, Clock, Condition, Result, Written};
use crate::process;
use crate::retry::Patience;

/// What claiming a name came to.
pub(crate) enum Claiming {
    /// The name was free: launch.
    Fresh(Arc<Claim>),
    /// A dead launch of the same fleet: go on with it.
    Adopt(Arc<Claim>),
    /// A dead launch of another fleet under this name: undo it, then claim again.
    Undo(FleetId),
}

/// A claimed name, kept alive until it is acknowledged.
pub struct Claim {
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    name: String,
    held: Mutex<(NameClaim, String)>,
}

/// Who a caller is for adoption: account and role or user, without the session's name, which CI changes every time.
#[must_use]
pub fn caller_identity(caller: &Caller) -> String {
    let resource = caller.arn.rsplit(':').next().unwrap_or_default();
    match resource.strip_prefix("assumed-role/").and_then(|rest| rest.split('/').next()) {
        Some(role) => format!("{} role/{role}", caller.account),
        None => format!("{} {resource}", caller.account),
    }
}

/// Claims `name` for a launch, waiting for a launcher that may be dead to show that it is.
///
/// # Errors
/// `NameInUse` if another fleet has the name for good, or its launcher lives.
pub(crate) async fn claim_name(aws: &Aws, ledger: &Ledger, name: &str, claimant: Claimant, operation: &Operation) -> Result<Claiming> {
    let mine = NameClaim {
        schema: SCHEMA,
        fleet: claimant.fleet,
        run: claimant.run,
        caller: claimant.caller,
        spec_hash: claimant.spec_hash,
        kept_by: Keeper::Launcher,
        heartbeat: process::heartbeat(aws.clock.now()),
    };
    let mut attempt = Attempt { aws, ledger, name, mine, taken: None };
    let mut patience = Patience::new(aws, operation);
    loop {
        match attempt.claim().await {
            Ok(claiming) => return Ok(claiming),
            // Whether a write without an answer was done, the claim itself tells the next attempt.
            Err(error) => patience.after(error).await?,
        }
        operation.go_on()?;
    }
}

/// Who wants a name, and for which fleet.
pub(crate) struct Claimant {
    /// The fleet and its first run, if the name is free.
    pub(crate) fleet: FleetId,
    pub(crate) run: RunId,
    /// See [`caller_identity`].
    pub(crate) caller: String,
    /// What is to be launched.
    pub(crate) spec_hash: String,
}

/// One claimant's attempts to get a name.
struct Attempt<'a> {
    aws: &'a Aws,
    ledger: &'a Ledger,
    name: &'a str,
    mine: NameClaim,
    /// A dead launcher's claim as this claimant would take it over, if it has tried to.
    taken: Option<NameClaim>,
}

impl Attempt<'_> {
    async fn claim(&mut self) -> Result<Claiming> {
        if let Some(fresh) = self.claim_free().await? {
            return Ok(fresh);
        }
        let mut first_beat = None;
        loop {
            let Some((theirs, etag)) = self.ledger.claim(self.name).await? else {
                return self.claim_free().await?.ok_or_else(|| in_use(self.name, None, "it was taken a moment ago"));
            };
            // Our own writes, whose replies were lost.
            if theirs.fleet == self.mine.fleet {
                return Ok(Claiming::Fresh(self.hold(theirs, etag)));
            }
            if self.taken.as_ref() == Some(&theirs) {
                return Ok(Claiming::Adopt(self.hold(theirs, etag)));
            }
            never_adoptable(self.name, &theirs, &self.mine.caller)?;
            if process::is_dead(&theirs.heartbeat, self.aws.clock.now()) {
                return self.take_over(theirs, etag).await;
            }
            if first_beat.is_some_and(|first| first != theirs.heartbeat.at) {
                return Err(in_use(self.name, Some(&theirs), "the process that is making it is still alive"));
            }
            first_beat = Some(theirs.heartbeat.at);
            self.aws.clock.sleep(1_000).await;
        }
    }

    /// Claims the name if nobody has it.
    async fn claim_free(&self) -> Result<Option<Claiming>> {
        match self.ledger.claim_write(self.name, &self.mine, Condition::Absent).await? {
            Written::Done(etag) => Ok(Some(Claiming::Fresh(self.hold(self.mine.clone(), etag)))),
            Written::Refused => Ok(None),
        }
    }

    /// What becomes of a launch whose launcher is dead.
    async fn take_over(&mut self, theirs: NameClaim, etag: String) -> Result<Claiming> {
        // What somebody has begun to end is not gone on with.
        if theirs.spec_hash != self.mine.spec_hash || self.ledger.ended(&theirs.fleet).await? {
            return Ok(Claiming::Undo(theirs.fleet));
        }
        let taken = NameClaim { heartbeat: process::heartbeat(self.aws.clock.now()), ..theirs.clone() };
        self.taken = Some(taken.clone());
        match self.ledger.claim_write(self.name, &taken, Condition::Unchanged(etag)).await? {
            Written::Done(etag) => Ok(Claiming::Adopt(self.hold(taken, etag))),
            Written::Refused => Err(in_use(self.name, Some(&theirs), "somebody else is taking it over")),
        }
    }

    fn hold(&self, claim: NameClaim, etag: String) -> Arc<Claim> {
        let (ledger, clock, name) = (self.ledger.clone(), self.aws.clock.clone(), self.name.to_owned());
        Arc::new(Claim { ledger, clock, name, held: Mutex::new((claim, etag)) })
    }
}

/// Refuses a claim that no other launch can ever have. What is left is a matter of heartbeat and spec.
pub(crate) fn never_adoptable(name: &str, theirs: &NameClaim, caller: &str) -> Result<()> {
    if theirs.is_acknowledged() {
        return Err(in_use(name, Some(theirs), "it is kept by the configuration or person that made it"));
    }
    if theirs.caller != caller {
        return Err(in_use(name, Some(theirs), &format!("it was made by {}", theirs.caller)));
    }
    Ok(())
}

fn in_use(name: &str, theirs: Option<&NameClaim>, why: &str) -> Error {
    let by = theirs.map_or_else(String::new, |claim| format!(" by {}", claim.fleet));
    let help = format!("Choose another name, end that fleet with `spawn down {name}`, or import it: terraform import ADDRESS {name}");
    Error::new(Class::Conflict, "NameInUse", format!("the name {name:?} is in use{by}: {why}"), help)
        .at(spawn_model::problem::Path::field("name"))
}

impl Claim {
    /// The fleet that has the name.
    pub async fn fleet(&self) -> (FleetId, RunId) {
        let held = self.held.lock().await;
        (held.0.fleet.clone(), held.0.run.clone())
    }

    /// Says who keeps the fleet from now on. Nobody adopts it any more.
    ///
    /// # Errors
    /// If the claim cannot be written, or is not ours any more.
    pub async fn acknowledge(&self, keeper: Keeper) -> Result<()> {
        self.change(|claim| claim.kept_by = keeper).await
    }

    /// Gives a sign of life.
    ///
    /// # Errors
    /// If the claim cannot be written, or is not ours any more.
    pub async fn beat(&self) -> Result<()> {
        let beat = process::heartbeat(self.clock.now());
        self.change(|claim| claim.heartbeat = beat).await
    }

    async fn change(&self, edit: impl FnOnce(&mut NameClaim)) -> Result<()> {
        let mut held = self.held.lock().await;
        let mut claim = held.0.clone();
        edit(&mut claim);
        if held.0.is_acknowledged() {
            return Ok(());
        }
        if self.replace(&mut held, &claim).await? {
            return Ok(());
        }
        // An earlier write of ours may have been done without an answer: then only the ETag is another.
        if let Some((there, etag)) = self.ledger.claim(&self.name).await?
            && there.fleet == claim.fleet
            && process::is_same(&there.heartbeat, &held.0.heartbeat)
        {
            *held = (there, etag);
            if self.replace(&mut held, &claim).await? {
                return Ok(());
            }
        }
        Err(Error::new(Class::Conflict, "ClaimLost", format!("the claim of the name {:?} is not ours any more", self.name), ""))
    }

    /// Writes the claim over what is held; says whether that was still there.
    async fn replace(&self, held: &mut (NameClaim, String), claim: &NameClaim) -> Result<bool> {
        match self.ledger.claim_write(&self.name, claim, Condition::Unchanged(held.1.clone())).await? {
            Written::Done(etag) => {
                *held = (claim.clone(), etag);
                Ok(true)
            }
            Written::Refused => Ok(false),
        }
    }

    /// Beats until the returned task is dropped or aborted. A lost claim ends it.
    #[must_use]
    pub fn keep_alive(self: &Arc<Self>) -> KeptAlive {
        let claim = self.clone();
        KeptAlive::beating(self.clock.clone(), move || {
            let claim = claim.clone();
            async move { claim.beat().await }
        })
    }
}

/// A heartbeat that stops when this is dropped.
pub struct KeptAlive(JoinHandle<()>);

impl KeptAlive {
    /// Beats until this is dropped, or what is kept alive is somebody else's.
    pub(crate) fn beating<F>(clock: Arc<dyn Clock>, beat: impl Fn() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<()>> + Send,
    {
        Self(tokio::spawn(async move {
            loop {
                clock.sleep(process::BEAT_S * 1_000).await;
                if beat().await.is_err_and(|error| error.class == Class::Conflict) {
                    return;
                }
            }
        }))
    }
}

impl Drop for KeptAlive {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Says that a face has the fleet in its own state, where it may have come by an import: best effort, because a plan-only role may
/// not write.
///
/// # Errors
/// If the claim cannot be read or written.
pub async fn acknowledge_seen(ledger: &Ledger, name: &str, fleet: &FleetId, keeper: Keeper) -> Result<()> {
    let Some((claim, etag)) = ledger.claim(name).await? else { return Ok(()) };
    let is_kept = claim.kept_by == keeper || claim.kept_by == Keeper::State;
    if is_kept || claim.fleet != *fleet {
        return Ok(());
    }
    ledger.claim_write(name, &NameClaim { kept_by: keeper, ..claim }, Condition::Unchanged(etag)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_name_is_no_part_of_who_a_caller_is() {
        for (arn, identity) in [
            ("arn:aws:sts::123456789012:assumed-role/ci/run-42", "123456789012 role/ci"),
            ("arn:aws:iam::123456789012:user/ada", "123456789012 user/ada"),
            ("arn:aws:iam::123456789012:root", "123456789012 root"),
        ] {
            let caller = Caller { account: "123456789012".into(), arn: arn.into() };
            assert_eq!(caller_identity(&caller), identity);
        }
    }
}
